//! `permit_inet_interfaces`, of postconf(5).

use super::{Kind, Parse, Restriction};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    request::{Event, Request},
    smtp::domain,
};
use std::net::IpAddr;

const MANUAL: &str = "\
Permits if the client is the MTA's own machine.

It is, if its address is the one that it connected to: {daemon_addr}, of which
the MTA tells. It ends only the list it stands in. It has no reply and asks
nothing, so it cannot fail for a while. DUNNO for every other client, and for
an MTA that does not send {daemon_addr}.

Postfix: any address of the machine's interfaces (as far as inet_interfaces
has them); here: the one that the client connected to, because mailward need
not run on the MTA's machine, and a machine that speaks to itself has the same
address at both ends. A program that binds itself to another address of the
machine is not recognised: name that address in mynetworks.

Example: client = [\"permit_inet_interfaces\",
                   \"reject_unknown_client_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "permit_inet_interfaces",
    aliases: &[],
    usage: "",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(|_| Ok(Box::new(PermitInetInterfaces))),
}];

#[derive(Debug)]
struct PermitInetInterfaces;

impl Restriction for PermitInetInterfaces {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let session = request.session;
        let Some(address) = session.client.address else { return Ok(Action::Dunno) };
        if own_address(&session.server.address) != Some(address) {
            return Ok(Action::Dunno);
        }
        lookups.note(format!("{address} is the address it connected to"));
        Ok(Action::Ok)
    }
}

/// The MTA's address; Sendmail writes `IPv6:` before one of that family.
fn own_address(text: &str) -> Option<IpAddr> {
    let bare = match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("IPv6:") => &text[5..],
        _ => text,
    };
    // 0.0.0.0 and :: are no address of a client, so a daemon that only tells where it listens permits nobody.
    domain::address(bare).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Mail, said, zone};

    #[test]
    fn only_the_address_at_the_other_end_passes() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", "ok"),
            ("127.0.0.1", "127.0.0.1", "ok"),
            ("::1", "::1", "ok"),
            ("::1", "IPv6:::1", "ok"),
            ("2001:db8::1", "ipv6:2001:DB8:0::1", "ok"),
            ("192.0.2.1", "::ffff:192.0.2.1", "ok"),
            ("127.0.0.1", "127.0.0.2", "dunno"),
            ("192.0.2.2", "192.0.2.1", "dunno"),
            ("192.0.2.2", "0.0.0.0", "dunno"),
            ("192.0.2.2", "", "dunno"),
            ("192.0.2.2", "mail.example", "dunno"),
        ];
        for (client, server, want) in cases {
            let mut mail = Mail::new().client("unknown", client);
            mail.session.server.address = server.to_owned();
            assert_eq!(said("permit_inet_interfaces", &mail, &zone("")), want, "{client} {server}");
        }
    }

    #[test]
    fn a_client_without_an_address_does_not() {
        let mut mail = Mail::new();
        mail.session.client.address = None;
        assert_eq!(said("permit_inet_interfaces", &mail, &zone("")), "dunno");
    }
}
