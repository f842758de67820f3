//! What is known of public lists: those that are closed, those no longer kept up, and those that answer more than
//! listings. Data only.

use crate::lookup::dnsxl::{ListKind, key::is_within};

/// A list that is no more.
#[derive(Debug)]
pub(super) struct Closed {
    /// Its zone; zones below it are closed too.
    pub(super) zone: &'static str,
    /// The year.
    pub(super) year: u16,
    /// What it does since.
    pub(super) since: Since,
    /// What to use instead, if it went over into another list.
    pub(super) instead: Option<&'static str>,
}

/// What a closed list answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing: it is asked in vain.
    Nothing,
    /// It answered for every address, or its name went to somebody who did: all mail would be refused.
    Everything,
}

const fn closed(zone: &'static str, year: u16) -> Closed {
    Closed { zone, year, since: Since::Nothing, instead: None }
}

const fn dangerous(zone: &'static str, year: u16) -> Closed {
    Closed { since: Since::Everything, ..closed(zone, year) }
}

const fn replaced(zone: &'static str, year: u16, instead: &'static str) -> Closed {
    Closed { instead: Some(instead), ..closed(zone, year) }
}

static CLOSED: &[Closed] = &[
    dangerous("ahbl.org", 2015),
    dangerous("bl.emailbasura.org", 2019),
    closed("blackholes.easynet.nl", 2003),
    closed("blackholes.five-ten-sg.com", 2012),
    dangerous("blackholes.us", 2009),
    replaced("cbl.abuseat.org", 2021, "zen.spamhaus.org=127.0.0.[2..11]"),
    closed("dnsbl.inps.de", 2020),
    dangerous("dsbl.org", 2008),
    closed("dynablock.easynet.nl", 2003),
    closed("ix.dnsbl.manitu.net", 2025),
    closed("njabl.org", 2013),
    closed("opm.blitzed.org", 2006),
    dangerous("ordb.org", 2006),
    dangerous("osirusoft.com", 2003),
    closed("proxies.blackholes.easynet.nl", 2003),
    closed("rfc-ignorant.org", 2012),
    closed("sorbs.net", 2024),
    dangerous("spamcannibal.org", 2018),
];

/// The closed list that a zone is, or is part of.
pub(super) fn closed_list(zone: &str) -> Option<&'static Closed> {
    CLOSED.iter().find(|closed| is_within(zone, closed.zone))
}

/// Lists that still have a name but should not be asked: what became of them, and what to do.
static OUTDATED: &[(&str, &str, &str)] = &[
    ("countries.nerd.dk", "is no longer kept up", "use a cidr: table of networks instead"),
    ("sbl-xbl.spamhaus.org", "is an old name", "use zen.spamhaus.org=127.0.0.[2..11] instead"),
    ("swl.spamhaus.org", "was given up by Spamhaus", "take the entry out"),
];

/// What became of a list that a zone is, or is part of, and what to do.
pub(super) fn outdated(zone: &str) -> Option<(&'static str, &'static str)> {
    let (_, what, help) = OUTDATED.iter().find(|(outdated, ..)| is_within(zone, outdated))?;
    Some((what, help))
}

/// Lists that tell by 127.255.255.0/24 that a question was refused, what they are asked for, and the filter of what are
/// listings.
static SPAMHAUS: &[(&str, ListKind, &str)] = &[
    ("zen", ListKind::Address, "127.0.0.[2..11]"),
    ("sbl", ListKind::Address, "127.0.0.[2..3;9]"),
    ("xbl", ListKind::Address, "127.0.0.[4..7]"),
    ("pbl", ListKind::Address, "127.0.0.[10..11]"),
    ("css", ListKind::Address, "127.0.0.3"),
    ("dbl", ListKind::Name, "127.0.1.[2..99]"),
    ("zrd", ListKind::Name, "127.0.2.[2..24]"),
];

/// Kind and filter of a Spamhaus list, public or with a customer's key.
pub(super) fn spamhaus(zone: &str) -> Option<(ListKind, &'static str)> {
    let zone = zone.to_ascii_lowercase();
    let list = match zone.strip_suffix(".dq.spamhaus.net") {
        Some(list) => list.rsplit('.').next()?,
        None => zone.strip_suffix(".spamhaus.org")?,
    };
    SPAMHAUS.iter().find(|(name, ..)| *name == list).map(|(_, kind, filter)| (*kind, *filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lookup::dnsxl::filter::Filter, origin::Origin, smtp::domain::Domain};

    #[test]
    fn what_is_known_can_be_asked_for() {
        for Closed { zone, year, .. } in CLOSED {
            assert_eq!(Domain::for_query(zone).unwrap().as_str(), *zone);
            assert!((2000..2027).contains(year), "{zone}");
        }
        for (zone, ..) in OUTDATED {
            assert_eq!(Domain::for_query(zone).unwrap().as_str(), *zone);
            assert!(closed_list(zone).is_none() && spamhaus(zone).is_none(), "{zone}");
        }
        for (name, _, filter) in SPAMHAUS {
            assert!(Filter::parse(filter, &Origin::builtin("t")).is_ok(), "{name}");
        }
    }

    #[test]
    fn parts_of_a_closed_list_are_closed_too() {
        for zone in ["dnsbl.sorbs.net", "web.dnsbl.sorbs.net", "list.dsbl.org", "relays.ordb.org"] {
            assert!(closed_list(zone).is_some(), "{zone}");
        }
        for zone in ["zen.spamhaus.org", "bl.spamcop.net", "nosorbs.net", "org"] {
            assert!(closed_list(zone).is_none(), "{zone}");
        }
    }

    #[test]
    fn a_list_of_spamhaus_is_known_with_and_without_a_key() {
        let cases = [
            ("secret.zen.dq.spamhaus.net", Some("127.0.0.[2..11]")),
            ("a.b.dbl.dq.spamhaus.net", Some("127.0.1.[2..99]")),
            ("Secret.ZEN.DQ.Spamhaus.NET", Some("127.0.0.[2..11]")),
            ("zen.dq.spamhaus.net", Some("127.0.0.[2..11]")),
            ("css.spamhaus.org", Some("127.0.0.3")),
            ("secret.combined.mail.abusix.zone", None),
            ("dq.spamhaus.net", None),
            ("x.zen.spamhaus.org", None),
            ("bl.example", None),
        ];
        for (zone, filter) in cases {
            assert_eq!(spamhaus(zone).map(|(_, filter)| filter), filter, "{zone}");
        }
    }
}
