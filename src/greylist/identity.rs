//! Under which names a client is recognised: its network, and the domain of its verified name.

use ipnet::IpNet;
use std::{borrow::Cow, net::IpAddr};

/// How many bits of an address name its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of IPv4. Default 24.
    pub ipv4: u8,
    /// Of IPv6. Default 64.
    pub ipv6: u8,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { ipv4: 24, ipv6: 64 }
    }
}

impl Prefixes {
    /// `192.0.2.0/24`, `2001:db8:0:1::/64`.
    pub fn network(self, address: IpAddr) -> String {
        let length = if address.is_ipv4() { self.ipv4 } else { self.ipv6 };
        IpNet::new(address, length)
            .map_or_else(|_| address.to_string(), |network| network.trunc().to_string())
    }

    /// One machine: an IPv4 address; with IPv6 the network, within which a machine takes a new address as it likes.
    pub fn host(self, address: IpAddr) -> String {
        if address.is_ipv4() { address.to_string() } else { self.network(address) }
    }

    /// All keys by which an address may be known; the profile postgrey writes an IPv6 address as it is.
    pub fn keys(self, address: IpAddr) -> Vec<String> {
        let mut keys = vec![address.to_string(), self.host(address), self.network(address)];
        keys.dedup();
        keys
    }
}

/// The domain below which one organisation names its hosts: a public suffix (publicsuffix.org) and one label. `None` for
/// a public suffix itself, so that no registry and no hoster's customers become one client.
pub fn registrable(name: &str) -> Option<String> {
    let name = lower_case(name.strip_suffix('.').unwrap_or(name));
    if name.starts_with('[') || crate::smtp::domain::is_address(&name) {
        return None;
    }
    psl::domain_str(&name).map(str::to_owned)
}

/// Most names are so already.
fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

/// Words of names that providers give to their customers' lines.
const LINES: [&str; 18] = [
    "adsl",
    "broadband",
    "cable",
    "client",
    "customer",
    "dhcp",
    "dialin",
    "dialup",
    "dsl",
    "dyn",
    "dynamic",
    "fiber",
    "ftth",
    "pool",
    "ppp",
    "pppoe",
    "vdsl",
    "wireless",
];

/// Words of names that administrators give to mail servers.
const SERVERS: [&str; 13] = [
    "bounce",
    "email",
    "mail",
    "mailer",
    "mailout",
    "mta",
    "mx",
    "mxout",
    "newsletter",
    "out",
    "outbound",
    "relay",
    "smtp",
];

/// Whether a client's name looks as if its provider gave it to whoever has the address now: it carries the address, or
/// its end, or words such as `dyn` and `pool`. A word such as `mail` outweighs everything but the whole address, and so
/// does a domain that is named for mail, such as `mailgun.net`, whose servers are numbered by their addresses.
pub fn is_dynamic(name: &str, address: IpAddr) -> bool {
    let name = lower_case(name);
    let carried = carried(&name, address);
    if carried == Carried::Whole {
        return true;
    }
    let domain = psl::domain_str(&name);
    let own = domain.and_then(|domain| name.strip_suffix(domain)).unwrap_or(&name);
    let for_mail = domain.is_some_and(|domain| domain.split('.').next().unwrap_or_default().contains("mail"));
    let has =
        |words: &[&str]| own.split(|c: char| !c.is_ascii_alphabetic()).any(|word| words.contains(&word));
    !for_mail && !has(&SERVERS) && (carried == Carried::End || has(&LINES))
}

/// How much of its address a name carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    Nothing,
    /// The last two octets.
    End,
    /// At least three octets, or all of it in hexadecimal digits.
    Whole,
}

fn carried(name: &str, address: IpAddr) -> Carried {
    let octets = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let all = address.octets().map(|octet| format!("{octet:02x}")).concat();
            let digits: String = name.chars().filter(char::is_ascii_hexdigit).collect();
            let host = &all[16..];
            // The host's half, in full or by nibbles in the order of ip6.arpa.
            let nibbles: String = host.chars().rev().collect();
            let whole = host.trim_start_matches('0').len() > 4
                && (digits.contains(host) || digits.contains(&nibbles));
            return if whole { Carried::Whole } else { Carried::Nothing };
        }
    };
    let reversed = [octets[3], octets[2], octets[1], octets[0]];
    // Only a name with so many digits in a row can hold all of it.
    if longest_run(name) >= 8 {
        let hex = |octets: [u8; 4]| octets.map(|octet| format!("{octet:02x}")).concat();
        let padded = |octets: [u8; 4]| octets.map(|octet| format!("{octet:03}")).concat();
        let runs = [hex(octets), hex(reversed), padded(octets), padded(reversed)];
        if runs.iter().any(|run| name.contains(run)) {
            return Carried::Whole;
        }
    }
    let numbers: Vec<Option<u8>> = name
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().ok())
        .collect();
    let holds = |part: &[u8]| numbers.windows(part.len()).any(|run| run.iter().flatten().eq(part));
    let ordered = [octets, reversed];
    if ordered.iter().any(|octets| holds(&octets[..3]) || holds(&octets[1..])) {
        Carried::Whole
    } else if holds(&octets[2..]) || holds(&reversed[..2]) {
        Carried::End
    } else {
        Carried::Nothing
    }
}

/// How many hexadecimal digits a name has in a row at most.
fn longest_run(name: &str) -> usize {
    name.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_24_or_64_bits_unless_set_otherwise() {
        let cases = [
            ("192.0.2.77", "192.0.2.0/24", "192.0.2.77"),
            ("2001:db8:0:1:a::9", "2001:db8:0:1::/64", "2001:db8:0:1::/64"),
        ];
        for (address, network, host) in cases {
            let address = address.parse().unwrap();
            assert_eq!(Prefixes::default().network(address), network);
            assert_eq!(Prefixes::default().host(address), host);
        }
        assert_eq!(Prefixes { ipv4: 32, ipv6: 128 }.network("192.0.2.7".parse().unwrap()), "192.0.2.7/32");
    }

    #[test]
    fn an_organisation_ends_at_the_public_suffix() {
        let cases = [
            ("mail-ej1-f41.google.com", Some("google.com")),
            ("mx.example.co.uk", Some("example.co.uk")),
            ("co.uk", None),
            ("com", None),
            ("shop.github.io", Some("shop.github.io")),
            ("Mx.Example.ORG.", Some("example.org")),
            ("[192.0.2.1]", None),
            ("192.0.2.1", None),
            ("", None),
        ];
        for (name, want) in cases {
            assert_eq!(registrable(name).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn names_that_carry_their_address_are_dynamic() {
        let cases = [
            ("mail.example.org", "192.0.2.7", false),
            ("static.7.2.0.192.clients.example.org", "192.0.2.7", true),
            ("mail-192-0-2-7.example.org", "192.0.2.7", true),
            ("ns3012.ip-149-202-66.eu", "149.202.66.9", true),
            ("c0000207.example.org", "192.0.2.7", true),
            ("host192000002007.example.org", "192.0.2.7", true),
            ("a10-219.smtp-out.amazonses.com", "54.240.10.219", false),
            ("host-10-219.example.org", "54.240.10.219", true),
            ("mail-eopbgr80045.outbound.protection.outlook.com", "40.107.8.45", false),
            ("dyn-47.pool.example.org", "192.0.2.7", true),
            ("mx.dynamic.example.org", "192.0.2.7", false),
            ("m2-7.newmail.org", "192.0.2.7", false),
            ("192-0-2-7.newmail.org", "192.0.2.7", true),
            ("www.dynamic.org", "192.0.2.7", false),
            ("smtp2.example.org", "192.0.2.2", false),
            ("x2001db8000000010a0b0c0d0e0f1011.example.org", "2001:db8:0:10a:b0c:d0e0:f101:1", false),
            ("p2001-db8-0-1-0a0b-0c0d-0e0f-1011.example.org", "2001:db8:0:1:a0b:c0d:e0f:1011", true),
            ("mail.example.org", "2001:db8::25", false),
        ];
        for (name, address, want) in cases {
            assert_eq!(is_dynamic(name, address.parse().unwrap()), want, "{name}");
        }
    }
}
