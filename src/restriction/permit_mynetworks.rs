//! `permit_mynetworks`, of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
    table::network_list::NetworkList,
};
use std::sync::Arc;

const MANUAL: &str = "\
Permits if the client's address is in mynetworks.

It ends only the list it stands in, so it usually stands first in each. An
IPv4 address that came in IPv6 form (::ffff:192.0.2.1) counts as IPv4. It has
no reply and asks nothing, so it cannot fail for a while. DUNNO for every
other client.

mynetworks holds addresses, networks, !exceptions, the names of files with
more of these, and cidr: tables, whose right-hand sides do not matter; the
first that matches counts.

Postfix: mynetworks may also hold host names and other tables; here: an error
at load, because nobody should be trusted for a name.
Postfix: leaves out a file that it cannot read; here: an error at load,
because the networks in it would be missed.

Example: client = [\"permit_mynetworks\", \"reject_unknown_client_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "permit_mynetworks",
    aliases: &[],
    usage: "",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(PermitMynetworks(arguments.settings().mynetworks.clone())))
}

#[derive(Debug)]
struct PermitMynetworks(Arc<NetworkList>);

impl Restriction for PermitMynetworks {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(address) = request.session.client.address else { return Ok(Action::Dunno) };
        let Some(network) = self.0.find(address) else {
            return Ok(Action::Dunno);
        };
        lookups.note(format!("{address} is in {network}"));
        Ok(Action::Ok)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        restriction::args::Settings,
        table::network_list::NetworkList,
        testing::{Mail, said_with, zone},
    };

    #[test]
    fn addresses_in_mynetworks_pass() {
        let networks = ["127.0.0.0/8", "192.0.2.0/25", "198.51.100.7/32", "::1/128", "2001:db8::/32"];
        let networks: NetworkList = networks.iter().map(|network| network.parse().unwrap()).collect();
        let settings = Settings { mynetworks: networks.into(), ..Settings::default() };
        let cases = [
            ("127.0.0.1", "ok"),
            ("192.0.2.0", "ok"),
            ("192.0.2.127", "ok"),
            ("192.0.2.128", "dunno"),
            ("198.51.100.7", "ok"),
            ("198.51.100.8", "dunno"),
            ("::1", "ok"),
            ("::2", "dunno"),
            ("2001:db8:1::1", "ok"),
            ("2001:db9::1", "dunno"),
        ];
        for (address, want) in cases {
            let mail = Mail::new().client("unknown", address);
            assert_eq!(said_with("permit_mynetworks", &settings, &mail, &zone("")), want, "{address}");
        }
        let mut mail = Mail::new();
        mail.session.client.address = None;
        assert_eq!(said_with("permit_mynetworks", &settings, &mail, &zone("")), "dunno");
        let nobody = Mail::new().client("unknown", "127.0.0.1");
        assert_eq!(said_with("permit_mynetworks", &Settings::default(), &nobody, &zone("")), "dunno");
    }
}
