//! Host and domain names: Postfix's valid_hostname(), parent domains, A-labels (RFC 1035, RFC 5890).

use serde::{Serialize, Serializer};
use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// The longest host name, in bytes (valid_hostname.h).
pub const HOSTNAME_LIMIT: usize = 255;
/// The longest label, in bytes (RFC 1035 section 2.3.4).
pub const LABEL_LIMIT: usize = 63;

/// A name that DNS can be asked for: a valid host name in lower-case A-labels, no trailing dot, not an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

impl Domain {
    /// The name to ask DNS for, or `None` where Postfix's dns_lookup() says "not found" without a query: a name
    /// with a trailing dot, an empty label, a leading hyphen, digits only, or an IP address. Labels that are not
    /// ASCII are converted to A-labels (UTS 46, non-transitional).
    pub fn for_query(name: &str) -> Option<Self> {
        let ascii = if name.is_ascii() { None } else { Some(to_ascii(name)?) };
        let name = ascii.as_deref().unwrap_or(name);
        if !valid_hostname(name) || is_address(name) {
            return None;
        }
        Some(Self(name.to_ascii_lowercase().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain without its leftmost label; `None` for a single label.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_once('.')?;
        Self::for_query(rest)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Postfix's valid_hostname(): labels of 1 to 63 letters, digits, `_` and `-` (not at the label's edges), at most
/// 255 bytes, no leading or trailing dot, and at least one character that is neither digit nor dot.
pub fn valid_hostname(name: &str) -> bool {
    if name.is_empty() || name.len() > HOSTNAME_LIMIT {
        return false;
    }
    // In one pass: every mail has several names, and each is judged more than once.
    let (mut label, mut last, mut numeric) = (0, b'.', true);
    for byte in name.bytes() {
        match byte {
            b'.' if label == 0 || last == b'-' => return false,
            b'.' => label = 0,
            b'-' if label == 0 => return false,
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' if label < LABEL_LIMIT => {
                label += 1;
                numeric &= byte.is_ascii_digit();
            }
            _ => return false,
        }
        last = byte;
    }
    label > 0 && last != b'-' && !numeric
}

/// As [`valid_hostname`], for a name that may hold U-labels (Postfix's valid_utf8_hostname()).
pub fn valid_utf8_hostname(name: &str) -> bool {
    if name.is_ascii() { valid_hostname(name) } else { to_ascii(name).is_some_and(|n| valid_hostname(&n)) }
}

/// Whether a name is a host name with a dot in it, as the reject_non_fqdn_* restrictions want it. One trailing dot is
/// allowed; U-labels only with `smtputf8`, as in Postfix.
pub fn is_fully_qualified(name: &str, smtputf8: bool) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let valid = if smtputf8 { valid_utf8_hostname(name) } else { valid_hostname(name) };
    valid && name.contains('.')
}

/// A name in lower-case U-labels; what cannot be shown so stays as it is.
pub fn with_u_labels(name: &str) -> Cow<'_, str> {
    if !name.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))) {
        return Cow::Borrowed(name);
    }
    let (shown, result) = idna::domain_to_unicode(name);
    if result.is_ok() { Cow::Owned(shown) } else { Cow::Borrowed(name) }
}

fn to_ascii(name: &str) -> Option<String> {
    idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::EMPTY).ok().map(|n| n.into_owned())
}

/// Postfix's valid_hostaddr(): whether the text is an IPv4 or IPv6 address without brackets or prefix.
pub fn is_address(text: &str) -> bool {
    ipv4(text).is_some() || ipv6(text).is_some()
}

/// Postfix's valid_ipv4_hostaddr(): four decimal octets, leading zeros allowed; the first octet may only be zero
/// if all are.
pub fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse::<u16>().ok().and_then(|n| u8::try_from(n).ok())?;
    }
    if parts.next().is_some() || (octets[0] == 0 && octets != [0; 4]) {
        return None;
    }
    Some(Ipv4Addr::from(octets))
}

/// Postfix's valid_ipv6_hostaddr(): an IPv6 address without zone.
pub fn ipv6(text: &str) -> Option<Ipv6Addr> {
    // The parser tries every form before it gives up: a host name has none of the colons that each of them has.
    if text.contains(':') { text.parse().ok() } else { None }
}

/// Either family.
pub fn address(text: &str) -> Option<IpAddr> {
    ipv4(text).map(IpAddr::V4).or_else(|| ipv6(text).map(IpAddr::V6))
}

/// The old forms of an IPv4 address that getaddrinfo(3) takes, as inet_aton(3): up to four numbers, decimal, octal with
/// a `0` or hexadecimal with a `0x` before them, of which the last fills all remaining bytes. 192.0.2 is 192.0.0.2.
pub fn classful(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| {
        let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if part.len() > 1 && part.starts_with('0') => (&part[1..], 8),
            None => (part, 10),
        };
        let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        u32::from_str_radix(digits, radix).ok().filter(|_| plain)
    };
    let parts: Vec<u32> = text.split('.').take(5).map(number).collect::<Option<_>>()?;
    let (last, before) = parts.split_last().filter(|_| parts.len() <= 4)?;
    let room = u32::MAX.checked_shr(8 * u32::try_from(before.len()).ok()?).unwrap_or(0);
    if *last > room || before.iter().any(|part| *part > 255) {
        return None;
    }
    let high = before.iter().zip([24, 16, 8]).fold(0, |high, (part, shift)| high | part << shift);
    Some(Ipv4Addr::from(high | last))
}

/// An address as text. That of an IPv4 address is put together by hand, because the formatter takes several times as long
/// and every decision names its client.
pub fn address_text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for octet in address.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        if octet >= 100 {
            text.push(char::from(b'0' + octet / 100));
        }
        if octet >= 10 {
            text.push(char::from(b'0' + octet / 10 % 10));
        }
        text.push(char::from(b'0' + octet % 10));
    }
    text
}

/// The parent domains of a name, nearest first, by stripping up to and including the next dot: `a.b.c` gives
/// `b.c` and `c`. A dot at the beginning is no such dot: `.a.b` gives `b`. The empty name is never given.
/// Source: access(5), Postfix's check_domain_access().
pub fn parents(name: &str) -> impl Iterator<Item = &str> {
    fn parent(name: &str) -> Option<&str> {
        // No byte of a longer character is a dot.
        let dot = name.bytes().skip(1).position(|byte| byte == b'.')? + 1;
        Some(&name[dot + 1..]).filter(|parent| !parent.is_empty())
    }
    std::iter::successors(parent(name), |name| parent(name))
}

/// The same with their dots, as `.parent`: `a.b.c` gives `.b.c` and `.c`.
pub fn dotted_parents(name: &str) -> impl Iterator<Item = &str> {
    name.char_indices().skip(1).filter(|(_, c)| *c == '.').map(|(dot, _)| &name[dot..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_forms_of_an_address_are_those_of_inet_aton() {
        let cases = [
            ("192.0.2", Some("192.0.0.2")),
            ("123", Some("0.0.0.123")),
            ("127.1", Some("127.0.0.1")),
            ("1.2.65535", Some("1.2.255.255")),
            ("4294967295", Some("255.255.255.255")),
            ("0x7f.1", Some("127.0.0.1")),
            ("010.1", Some("8.0.0.1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("0", Some("0.0.0.0")),
            ("1.2.65536", None),
            ("256.1", None),
            ("4294967296", None),
            ("08", None),
            ("0x", None),
            ("+1", None),
            ("1.", None),
            (".1", None),
            ("", None),
            ("1.2.3.4.5", None),
            ("a.example", None),
        ];
        for (text, want) in cases {
            assert_eq!(classful(text).map(|address| address.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn host_names_are_those_of_postfix() {
        let valid = ["a", "_", "1f", "1-2", "f.2.3.4", "a-a", "under_score.example", "xn--1xa.porcupine.org"];
        let invalid =
            ["", ".", "a.", ".a", "a..b", "-a", "a-", "123", "1.2.3", "321", "*.b", "a b", "a@b", "größe"];
        for name in valid {
            assert!(valid_hostname(name), "{name}");
        }
        for name in invalid {
            assert!(!valid_hostname(name), "{name}");
        }
        assert!(valid_hostname(&format!("{}.a", "x".repeat(63))));
        assert!(!valid_hostname(&format!("{}.a", "x".repeat(64))));
        assert!(!valid_hostname(&"x.".repeat(127).replace("x.", "x.x")));
    }

    #[test]
    fn addresses_are_those_of_postfix() {
        for text in ["1.2.3.4", "01.2.3.4", "0.0.0.0", "::1", "2001:db8::1", "::ffff:1.2.3.4"] {
            assert!(is_address(text), "{text}");
        }
        for text in ["0.2.3.4", "1.2.3", "1.2.3.4.5", "256.1.1.1", ":a::b", "a::b:", "1.2.3.", "a.b.c.d", ""]
        {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn an_address_is_written_as_the_formatter_writes_it() {
        for octet in 0..=u8::MAX {
            let address = Ipv4Addr::new(octet, 0, 10, octet ^ 0x55);
            assert_eq!(address_text(address.into()), address.to_string());
        }
        assert_eq!(address_text(Ipv6Addr::LOCALHOST.into()), "::1");
    }

    #[test]
    fn a_query_name_is_lower_case_ascii_or_nothing() {
        let domain = |name| Domain::for_query(name).map(|d| d.to_string());
        assert_eq!(domain("Mail.Example.NET").as_deref(), Some("mail.example.net"));
        assert_eq!(domain("größe.example").as_deref(), Some("xn--gre-6ka8i.example"));
        for name in ["example.net.", "1.2.3.4", "1.2.3", "a..b", "-a.example", "", "a b", "::1"] {
            assert_eq!(domain(name), None, "{name}");
        }
    }

    #[test]
    fn a_fully_qualified_name_has_a_dot_within() {
        for name in ["a.b", "a.b.", "f.2.3.4", "mail.example.net"] {
            assert!(is_fully_qualified(name, false), "{name}");
        }
        for name in ["", ".", "a", "a.", "a.b..", "1.2.3.4", "1.2.3.4.", "::1", "a..b", "größe.example"] {
            assert!(!is_fully_qualified(name, false), "{name}");
        }
        assert!(is_fully_qualified("größe.example", true));
    }

    #[test]
    fn parents_stop_at_the_last_label() {
        assert_eq!(parents("a.b.c").collect::<Vec<_>>(), ["b.c", "c"]);
        assert_eq!(parents("a.b.").collect::<Vec<_>>(), ["b."]);
        assert_eq!(parents("a").count(), 0);
        assert_eq!(parents("").count(), 0);
    }
}
