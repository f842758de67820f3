//! The argument of HELO and EHLO, raw and as Postfix shows it (RFC 5321 section 4.1.1.1).

use super::{domain, text};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a client called itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Helo {
    /// As it came over the wire; bytes that are not UTF-8 are U+FFFD.
    pub raw: String,
    /// Postfix's neutered copy, which the lists see at RCPT: non-printables, blanks and any of `<>()\\";@` became `?`.
    pub neutered: String,
}

/// smtpd.c, NEUTER_CHARACTERS: what must not appear in a log line's or a header's HELO name.
const NEUTERED: &[char] = &[' ', '<', '>', '(', ')', '\\', '"', ';', '@'];

impl Helo {
    /// A HELO name as the milter protocol delivers it.
    pub fn from_wire(bytes: &[u8]) -> Self {
        let raw = text::from_wire(bytes);
        let neutered = text::printable(&raw, '?').replace(NEUTERED, "?");
        Self { raw, neutered }
    }
}

/// An address literal: the text between brackets, `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A well-formed literal.
    Address(IpAddr),
    /// It begins with `[` but is no address literal (RFC 5321 section 4.1.3).
    Malformed,
}

/// Reads an address literal as Postfix's valid_mailhost_literal(); `None` if the name does not begin with `[`.
pub fn literal(name: &str) -> Option<Literal> {
    let rest = name.strip_prefix('[')?;
    let Some(inner) = rest.strip_suffix(']') else { return Some(Literal::Malformed) };
    Some(mailhost_address(inner).map_or(Literal::Malformed, Literal::Address))
}

/// The address in an address literal as it is written there: what Postfix looks up in access tables.
pub fn literal_address(name: &str) -> Option<&str> {
    let inner = name.strip_prefix('[')?.strip_suffix(']')?;
    mailhost_address(inner)?;
    Some(inner.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("ipv6:")).map_or(inner, |_| &inner[5..]))
}

/// Postfix's valid_mailhost_addr(): `IPv6:` (any case) and an IPv6 address, else an IPv4 address.
fn mailhost_address(text: &str) -> Option<IpAddr> {
    match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ipv6:") => ipv6(&text[5..]).map(IpAddr::V6),
        _ => ipv4(text).map(IpAddr::V4),
    }
}

fn ipv4(text: &str) -> Option<Ipv4Addr> {
    domain::ipv4(text)
}

fn ipv6(text: &str) -> Option<Ipv6Addr> {
    domain::ipv6(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_neutered_copy_is_postfix_s() {
        let cases: [(&[u8], &str); 6] = [
            (b"mail.example.net", "mail.example.net"),
            (b"mail@domain", "mail?domain"),
            (b"\"\"", "??"),
            (b"a b<c>(d)\\;", "a?b?c??d???"),
            (b"[1.2.3.4]", "[1.2.3.4]"),
            (b"a\r\n\xff", "a???"),
        ];
        for (raw, want) in cases {
            assert_eq!(Helo::from_wire(raw).neutered, want);
        }
    }

    #[test]
    fn literals_are_those_of_postfix() {
        let v4 = Literal::Address(IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4)));
        let v6 = Literal::Address(IpAddr::V6(Ipv6Addr::LOCALHOST));
        let cases = [
            ("example", None),
            ("[1.2.3.4]", Some(v4)),
            ("[IPv6:::1]", Some(v6)),
            ("[ipv6:::1]", Some(v6)),
            ("[::1]", Some(Literal::Malformed)),
            ("[]", Some(Literal::Malformed)),
            ("[", Some(Literal::Malformed)),
            ("[1.2.3.4", Some(Literal::Malformed)),
            ("[ö]", Some(Literal::Malformed)),
        ];
        for (name, want) in cases {
            assert_eq!(literal(name), want, "{name}");
        }
        let written = ["[01.2.3.4]", "[ipv6:2001:DB8::0:1]", "[::1]", "1.2.3.4"].map(literal_address);
        assert_eq!(written, [Some("01.2.3.4"), Some("2001:DB8::0:1"), None, None]);
    }
}
