//! Exemptions: whom the administrator lets in past the lists, with `mailward allow`. What they mean; where they are kept
//! is the store's.
//!
//! An exemption answers like a `permit` at the head of the lists client, helo, sender, recipient and data. The list
//! end_of_data, which looks into the message, runs all the same.

mod value;

pub use value::{Kind, ValueError, read};

use crate::{
    decision::Written,
    origin::Origin,
    request::{Request, session::NameStatus},
    smtp::domain,
    time::Timestamp,
};
use ipnet::IpNet;
use std::{borrow::Borrow, collections::HashMap, hash::Hash, net::IpAddr, sync::Arc};

/// Where exemptions stand, in traces.
pub const FILE: &str = "allow.db";

/// An exemption as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub kind: Kind,
    /// Whom it lets in, as [`read`] writes it.
    pub value: String,
    /// Until when; `None` for good.
    pub expires: Option<Timestamp>,
}

/// An exemption, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempt {
    /// Its number.
    pub id: i64,
    /// As it stands in a trace: `allow client 192.0.2.1 (#12)`.
    pub written: Arc<Written>,
    expires: Option<Timestamp>,
}

/// All exemptions at one moment.
#[derive(Debug, Default)]
pub struct Exemptions {
    networks: HashMap<IpNet, Exempt>,
    /// The prefix lengths that occur, the longest first; both families together.
    lengths: Vec<u8>,
    domains: HashMap<String, Exempt>,
    senders: HashMap<String, Exempt>,
    recipients: HashMap<String, Exempt>,
}

impl Exemptions {
    /// Takes exemptions as they are kept, and says which of them cannot be used: anybody may have written them.
    pub fn new(kept: impl IntoIterator<Item = Exemption>) -> (Self, Vec<String>) {
        let mut all = Self::default();
        let mut faults = Vec::new();
        for Exemption { id, kind, value, expires } in kept {
            let value = match read(kind, &value) {
                Ok(value) => value,
                Err(error) => {
                    faults.push(format!("#{id}: {}", error.message));
                    continue;
                }
            };
            let text = format!("allow {} {value} (#{id})", kind.word()).into();
            let written = Arc::new(Written { text, origin: Origin::builtin(FILE) });
            all.insert(kind, value, Exempt { id, written, expires });
        }
        all.lengths = all.networks.keys().map(IpNet::prefix_len).collect();
        all.lengths.sort_unstable_by(|one, other| other.cmp(one));
        all.lengths.dedup();
        (all, faults)
    }

    fn insert(&mut self, kind: Kind, value: String, exempt: Exempt) {
        match kind {
            Kind::Client => self.insert_network(value.parse::<IpAddr>().map(IpNet::from).ok(), exempt),
            Kind::Network => self.insert_network(value.parse().ok(), exempt),
            Kind::Domain => drop(self.domains.insert(value, exempt)),
            Kind::Sender => drop(self.senders.insert(value, exempt)),
            Kind::Recipient => drop(self.recipients.insert(value, exempt)),
        }
    }

    /// A client and the network of its address alone are one: what lasts longer counts.
    fn insert_network(&mut self, network: Option<IpNet>, exempt: Exempt) {
        let Some(network) = network else { return };
        let end = |exempt: &Exempt| exempt.expires.unwrap_or(Timestamp(i64::MAX));
        match self.networks.get(&network) {
            Some(known) if end(known) >= end(&exempt) => {}
            Some(_) | None => drop(self.networks.insert(network, exempt)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.networks.len() + self.domains.len() + self.senders.len() + self.recipients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The exemption that holds for a mail at this moment of its dialogue: the narrowest network first, then the name, the
    /// sender and the recipient.
    pub fn find(&self, request: &Request<'_>) -> Option<&Exempt> {
        if self.is_empty() {
            return None;
        }
        let holds = |exempt: &&Exempt| exempt.expires.is_none_or(|expires| request.now < expires);
        let client = &request.session.client;
        let by_address = || client.address.and_then(|address| self.network(address, holds));
        let by_name = || {
            let verified = client.identity.name_status == NameStatus::Verified;
            let name = verified.then(|| client.identity.name.to_ascii_lowercase())?;
            let mut names = std::iter::once(name.as_str()).chain(domain::parents(&name));
            names.find_map(|name| self.domains.get(name).filter(holds))
        };
        let by_sender = || mailbox(&self.senders, &request.sender()?.address.internal(), holds);
        let by_recipient = || mailbox(&self.recipients, &request.recipient?.address.internal(), holds);
        by_address().or_else(by_name).or_else(by_sender).or_else(by_recipient)
    }

    fn network(&self, address: IpAddr, holds: impl Fn(&&Exempt) -> bool) -> Option<&Exempt> {
        let within = |length: &u8| IpNet::new(address, *length).ok().map(|network| network.trunc());
        self.lengths.iter().filter_map(within).find_map(|network| found(&self.networks, &network, &holds))
    }
}

fn found<'a, K, Q>(
    map: &'a HashMap<K, Exempt>,
    key: &Q,
    holds: impl Fn(&&Exempt) -> bool,
) -> Option<&'a Exempt>
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    map.get(key).filter(holds)
}

/// The exemption of an address, or of all addresses of its domain.
fn mailbox<'a>(
    map: &'a HashMap<String, Exempt>,
    address: &str,
    holds: impl Fn(&&Exempt) -> bool,
) -> Option<&'a Exempt> {
    let domain = address.rfind('@').map(|at| &address[at..]);
    std::iter::once(address).chain(domain).find_map(|key| found(map, key, &holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        request::{Event, Stage, session::Identity},
        testing::{Mail, NOW},
    };

    fn exemptions(lines: &[(Kind, &str)]) -> Exemptions {
        let kept = (1..).zip(lines).map(|(id, (kind, value))| Exemption {
            id,
            kind: *kind,
            value: (*value).to_owned(),
            expires: None,
        });
        let (all, faults) = Exemptions::new(kept);
        assert_eq!(faults, [""; 0]);
        all
    }

    fn found_for(all: &Exemptions, mail: &Mail) -> Option<String> {
        all.find(&mail.request()).map(|exempt| exempt.written.text.to_string())
    }

    #[test]
    fn each_kind_lets_in_whom_it_names_and_nobody_else() {
        let mail = || Mail::new().client("mx.out.example.org", "192.0.2.1");
        let v6 = |address| Mail::new().client("unknown", address);
        let unverified = Identity::unverified("mx.example.org", NameStatus::Forged);
        let cases = [
            (Kind::Client, "192.0.2.1", mail(), true),
            (Kind::Client, "192.0.2.2", mail(), false),
            (Kind::Client, "2001:DB8::1", v6("2001:db8::1"), true),
            (Kind::Network, "192.0.2.0/24", mail(), true),
            (Kind::Network, "192.0.3.0/24", mail(), false),
            (Kind::Network, "2001:db8::/32", v6("2001:db8:9::1"), true),
            (Kind::Network, "2001:db8::/32", mail(), false),
            (Kind::Domain, "Example.ORG", mail(), true),
            (Kind::Domain, "mx.out.example.org", mail(), true),
            (Kind::Domain, "x.example.org", mail(), false),
            (Kind::Domain, "ample.org", mail(), false),
            (Kind::Domain, "example.org", mail().identity(unverified), false),
            (Kind::Sender, "from@sender.example", mail(), true),
            (Kind::Sender, "FROM@Sender.example", mail(), true),
            (Kind::Sender, "@sender.example", mail(), true),
            (Kind::Sender, "@example", mail(), false),
            (Kind::Sender, "@sender.example", mail().from("x@sub.sender.example"), false),
            (Kind::Sender, "@sender.example", mail().from(""), false),
            (Kind::Recipient, "to@rcpt.example", mail(), true),
            (Kind::Recipient, "to@rcpt.example", mail().at(Event::Mail, Stage::Sender), false),
            (Kind::Recipient, "@rcpt.example", mail().to("\"a b\"@rcpt.example"), true),
            (Kind::Recipient, "other@rcpt.example", mail(), false),
        ];
        for (kind, value, mail, want) in cases {
            let found = found_for(&exemptions(&[(kind, value)]), &mail);
            assert_eq!(found.is_some(), want, "{} {value}", kind.word());
        }
        let mut nobody = Mail::new();
        nobody.session.client.address = None;
        assert_eq!(found_for(&exemptions(&[(Kind::Network, "192.0.2.0/24")]), &nobody), None);
        assert_eq!(found_for(&Exemptions::default(), &mail()), None);
    }

    #[test]
    fn the_narrowest_network_is_named_and_the_client_before_the_address() {
        let all = exemptions(&[
            (Kind::Sender, "from@sender.example"),
            (Kind::Network, "192.0.2.0/24"),
            (Kind::Network, "192.0.0.0/16"),
        ]);
        assert_eq!(found_for(&all, &Mail::new()).as_deref(), Some("allow network 192.0.2.0/24 (#2)"));
        let elsewhere = Mail::new().client("unknown", "198.51.100.1");
        assert_eq!(found_for(&all, &elsewhere).as_deref(), Some("allow sender from@sender.example (#1)"));
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn an_exemption_ends_in_its_last_second_and_a_wider_one_goes_on() {
        let kept = |id, kind, value: &str, expires| Exemption { id, kind, value: value.to_owned(), expires };
        let (all, _) = Exemptions::new([
            kept(1, Kind::Client, "192.0.2.1", Some(Timestamp(NOW.0))),
            kept(2, Kind::Network, "192.0.2.0/24", Some(Timestamp(NOW.0 + 1))),
        ]);
        assert_eq!(found_for(&all, &Mail::new()).as_deref(), Some("allow network 192.0.2.0/24 (#2)"));
        let mail = Mail::new();
        let late = Request { now: Timestamp(NOW.0 + 1), ..mail.request() };
        assert_eq!(all.find(&late), None);
    }

    #[test]
    fn a_client_is_let_in_as_long_as_any_of_its_exemptions_lasts() {
        let kept = |id, kind, value: &str, expires| Exemption { id, kind, value: value.to_owned(), expires };
        let good = kept(1, Kind::Client, "192.0.2.1", None);
        let timed = kept(2, Kind::Network, "192.0.2.1/32", Some(NOW));
        for order in [[good.clone(), timed.clone()], [timed, good]] {
            let (all, _) = Exemptions::new(order);
            assert_eq!(found_for(&all, &Mail::new()).as_deref(), Some("allow client 192.0.2.1 (#1)"));
        }
    }

    #[test]
    fn what_somebody_wrote_with_sqlite3_is_named_and_left_out() {
        let kept = Exemption { id: 7, kind: Kind::Network, value: "0.0.0.0/0".to_owned(), expires: None };
        let (all, faults) = Exemptions::new([kept]);
        assert!(all.is_empty());
        assert_eq!(faults, ["#7: `0.0.0.0/0` would let everybody in"]);
    }
}
