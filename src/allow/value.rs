//! Whom an exemption names: read from what an administrator writes, with the way out where that cannot be meant.

use crate::{
    greylist::identity::registrable,
    smtp::{
        address::Address,
        domain::{self, Domain},
        text::{cut, escaped},
    },
};
use ipnet::IpNet;
use serde::Serialize;
use std::{fmt, net::IpAddr};

/// The longest value, in bytes (RFC 5321 section 4.5.3.1: 64 for the local part, 255 for the domain).
const VALUE_LIMIT: usize = 320;
/// How much of a wrong value a message shows, in bytes.
const SHOWN_LIMIT: usize = 80;

/// What an exemption is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One address of a client.
    Client,
    /// A network of clients.
    Network,
    /// The clients whose verified name is a domain or below it.
    Domain,
    /// An envelope sender, or all of a domain. Anybody can forge it.
    Sender,
    /// A recipient, or all of a domain.
    Recipient,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Client, Self::Network, Self::Domain, Self::Sender, Self::Recipient];

    /// Its word on the command line and in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Network => "network",
            Self::Domain => "domain",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Why a value names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// What is wrong with it.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.help)
    }
}

impl std::error::Error for ValueError {}

/// Reads whom an exemption names, and writes it in the one form in which it is kept.
///
/// # Errors
/// When it cannot be of this kind, or would let everybody in.
pub fn read(kind: Kind, text: &str) -> Result<String, ValueError> {
    if text.len() > VALUE_LIMIT {
        return Err(wrong(text, "is too long", format!("at most {VALUE_LIMIT} bytes make sense here")));
    }
    match kind {
        Kind::Client => client(text),
        Kind::Network => network(text),
        Kind::Domain => named(text),
        Kind::Sender | Kind::Recipient => mailbox(text),
    }
}

fn wrong(text: &str, what: &str, help: impl Into<String>) -> ValueError {
    ValueError { message: format!("`{}` {what}", escaped(cut(text, SHOWN_LIMIT))), help: help.into() }
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    domain::address(bare).map(|address| address.to_canonical())
}

fn client(text: &str) -> Result<String, ValueError> {
    if let Some(address) = address(text) {
        return Ok(address.to_string());
    }
    let help = if text.contains('/') {
        "for a network write `network` instead of `client`"
    } else if Domain::for_query(text).is_some() {
        "for a name write `domain` instead of `client`"
    } else {
        "write an address such as 192.0.2.1 or 2001:db8::1"
    };
    Err(wrong(text, "is not an IP address", help))
}

fn network(text: &str) -> Result<String, ValueError> {
    let (start, length) = match text.split_once('/') {
        Some((start, length)) => (start, Some(length)),
        None => (text, None),
    };
    let Some(start) = address(start) else {
        return Err(wrong(text, "is not a network", "write one such as 192.0.2.0/24 or 2001:db8::/32"));
    };
    let whole = if start.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => Some(whole),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    };
    let Some(network) = length.and_then(|length| IpNet::new(start, length).ok()) else {
        let help = format!("write a length from 1 to {whole} behind the `/`");
        return Err(wrong(text, "has no prefix length", help));
    };
    if network.prefix_len() == 0 {
        let help = "to let all mail pass and only see what would happen, set `mode = \"observe\"`";
        return Err(wrong(text, "would let everybody in", help));
    }
    if network.addr() != network.network() {
        let help = format!("did you mean {}?", network.trunc());
        return Err(wrong(text, "has bits set behind its prefix length", help));
    }
    Ok(network.to_string())
}

fn named(text: &str) -> Result<String, ValueError> {
    if address(text).is_some() {
        return Err(wrong(text, "is an address", "write `client` instead of `domain`"));
    }
    if text.contains('@') {
        return Err(wrong(text, "is a mail address", "write `sender` or `recipient` instead of `domain`"));
    }
    let Some(domain) = Domain::for_query(text.trim_start_matches('.')) else {
        return Err(wrong(text, "is not a domain", "write one such as example.org"));
    };
    if registrable(domain.as_str()).is_none() {
        let help = "anybody can register a name below it: name the domain itself, such as example.org";
        return Err(wrong(text, "belongs to everybody", help));
    }
    Ok(domain.to_string())
}

fn mailbox(text: &str) -> Result<String, ValueError> {
    let read = Address::new(text).internal().into_owned();
    let usable = |c: char| c == ' ' || !(c.is_control() || c.is_whitespace());
    match read.rsplit_once('@') {
        Some((_, domain)) if domain::valid_utf8_hostname(domain) && read.chars().all(usable) => Ok(read),
        _ if Domain::for_query(text).is_some() => {
            Err(wrong(text, "is not a mail address", format!("for all addresses of a domain write @{text}")))
        }
        _ => Err(wrong(text, "is not a mail address", "write one such as bob@example.org, or @example.org")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_in_one_form() {
        let cases = [
            (Kind::Client, "192.0.2.1", "192.0.2.1"),
            (Kind::Client, "[2001:DB8:0::1]", "2001:db8::1"),
            (Kind::Client, "::ffff:192.0.2.1", "192.0.2.1"),
            (Kind::Network, "192.0.2.0/24", "192.0.2.0/24"),
            (Kind::Network, "192.0.2.1", "192.0.2.1/32"),
            (Kind::Network, "2001:db8::/32", "2001:db8::/32"),
            (Kind::Domain, ".Example.org", "example.org"),
            (Kind::Domain, "gr\u{f6}\u{df}e.example", "xn--gre-6ka8i.example"),
            (Kind::Sender, "<Bob@Example.org>", "bob@example.org"),
            (Kind::Sender, "@Example.org", "@example.org"),
            (Kind::Recipient, "\"a b\"@example.org", "a b@example.org"),
        ];
        for (kind, text, want) in cases {
            assert_eq!(read(kind, text).as_deref(), Ok(want), "{text}");
            assert_eq!(read(kind, want).as_deref(), Ok(want), "{want} reads back");
        }
    }

    #[test]
    fn what_names_nobody_is_named_with_the_way_out() {
        let cases = [
            (
                Kind::Client,
                "192.0.2.300",
                "`192.0.2.300` is not an IP address: write an address such as 192.0.2.1 or 2001:db8::1",
            ),
            (
                Kind::Client,
                "192.0.2.0/24",
                "`192.0.2.0/24` is not an IP address: for a network write `network` instead of `client`",
            ),
            (
                Kind::Client,
                "mx.example.org",
                "`mx.example.org` is not an IP address: for a name write `domain` instead of `client`",
            ),
            (
                Kind::Network,
                "192.0.2.1/24",
                "`192.0.2.1/24` has bits set behind its prefix length: did you mean 192.0.2.0/24?",
            ),
            (
                Kind::Network,
                "192.0.2.0/33",
                "`192.0.2.0/33` has no prefix length: write a length from 1 to 32 behind the `/`",
            ),
            (Kind::Domain, "192.0.2.1", "`192.0.2.1` is an address: write `client` instead of `domain`"),
            (
                Kind::Domain,
                "co.uk",
                "`co.uk` belongs to everybody: anybody can register a name below it: name the domain itself, such as example.org",
            ),
            (
                Kind::Sender,
                "example.org",
                "`example.org` is not a mail address: for all addresses of a domain write @example.org",
            ),
            (
                Kind::Sender,
                "",
                "`` is not a mail address: write one such as bob@example.org, or @example.org",
            ),
            (
                Kind::Recipient,
                "a\n\u{1b}[31m@example.org",
                "`a\\u{a}\\u{1b}[31m@example.org` is not a mail address: write one such as bob@example.org, or @example.org",
            ),
        ];
        for (kind, text, want) in cases {
            assert_eq!(read(kind, text).map_err(|error| error.to_string()), Err(want.to_owned()));
        }
        let long = "x".repeat(VALUE_LIMIT + 1);
        assert!(Kind::ALL.into_iter().all(|kind| read(kind, &long).is_err()));
        assert!(Kind::ALL.into_iter().all(|kind| Kind::from_word(kind.word()) == Some(kind)));
    }
}
