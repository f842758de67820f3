//! DNS block and allow lists (RFC 5782): which lists a policy asks, under which names, and which answers count.

pub mod filter;
pub mod key;

use crate::{origin::Origin, smtp::domain::Domain};
use std::{fmt::Write as _, net::IpAddr};

/// What a list is asked for; it decides the test points of RFC 5782 section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Reversed addresses: 127.0.0.2 is listed, 127.0.0.1 is not.
    Address,
    /// Domain names: TEST is listed, INVALID is not.
    Name,
}

/// One use of a list in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUse {
    /// The list's zone, such as `zen.spamhaus.org`.
    pub zone: Domain,
    /// What it is asked for.
    pub kind: ListKind,
    /// Whether a listing permits (an allow list) instead of refusing.
    pub allows: bool,
    /// Where it is written.
    pub origin: Origin,
}

/// The name under which a list has an address: RFC 5782 section 2.1 (reversed octets) and 2.4 (32 reversed nibbles).
/// `None` where list and address together are too long for a name.
pub fn address_query(address: IpAddr, zone: &Domain) -> Option<Domain> {
    let mut name = String::with_capacity(64 + zone.as_str().len());
    match address {
        IpAddr::V4(address) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{octet}.");
            }
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
        }
    }
    Domain::for_query(&(name + zone.as_str()))
}

/// The name under which a list of names has the domain of an address, or a host name: smtpd_check.c
/// reject_rbl_domain(). `None` is what Postfix does not ask about: an address literal, a name that ends with digits
/// (Spamhaus refuses those), and what is no host name, so one with a trailing dot too.
pub fn name_query(what: &str, zone: &Domain) -> Option<Domain> {
    let domain = match what.rsplit_once('@') {
        Some((_, literal)) if literal.starts_with('[') => return None,
        Some((_, domain)) => domain,
        None => what,
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    if domain.is_empty() || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    Domain::for_query(&format!("{domain}.{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Domain {
        Domain::for_query(name).unwrap()
    }

    #[test]
    fn addresses_are_asked_in_reverse() {
        let cases = [
            ("192.0.2.1", Some("1.2.0.192.bl.example")),
            ("127.0.0.2", Some("2.0.0.127.bl.example")),
            (
                "2001:db8::1f",
                Some("f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"),
            ),
        ];
        for (address, want) in cases {
            let query = address_query(address.parse().unwrap(), &zone("BL.example"));
            assert_eq!(query.as_ref().map(Domain::as_str), want, "{address}");
        }
        let long = zone(&["x"; 100].join("."));
        assert_eq!(address_query("2001:db8::1".parse().unwrap(), &long), None);
    }

    #[test]
    fn names_are_asked_as_postfix_asks_them() {
        let cases = [
            ("mail.example.net", Some("mail.example.net.bl.example")),
            ("User@Example.NET", Some("example.net.bl.example")),
            ("a@b@example.net", Some("example.net.bl.example")),
            ("localhost", Some("localhost.bl.example")),
            ("user@größe.example", Some("xn--gre-6ka8i.example.bl.example")),
            ("user@[192.0.2.1]", None),
            ("192.0.2.1", None),
            ("foo.12345", None),
            ("12345", None),
            ("user@", None),
            ("", None),
            ("example.net.", None),
            ("[192.0.2.1]", None),
            ("a b.example", None),
            ("foo.123a", Some("foo.123a.bl.example")),
        ];
        for (what, want) in cases {
            let query = name_query(what, &zone("bl.example"));
            assert_eq!(query.as_ref().map(Domain::as_str), want, "{what}");
        }
    }
}
