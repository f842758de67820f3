//! Keys of fixed-string tables that no lookup of access(5) ever asks for.

use super::lines::Line;
use crate::{origin::Fault, smtp::domain};
use std::ops::Range;

/// A warning about a key that can never match; `parents` is parent_domain_matches_subdomains.
pub(super) fn never(key: &str, line: &Line, span: Range<usize>, parents: bool) -> Option<Fault> {
    let (why, help) = reason(key, parents)?;
    Some(line.warning(span, format!("key `{key}` can never match: {why}")).help(help))
}

fn reason(key: &str, parents: bool) -> Option<(String, String)> {
    let write = |key: &str| format!("write `{key}`");
    if parents && let Some(bare) = key.strip_prefix('.').filter(|bare| !bare.is_empty()) {
        let why = format!("parent_domain_matches_subdomains makes `{bare}` match its subdomains");
        return Some((why, write(bare)));
    }
    if let Some(bare) = key.strip_prefix('@').filter(|bare| !bare.is_empty()) {
        return Some(("access tables are not asked for `@domain`".to_owned(), write(bare)));
    }
    if let Some(bare) =
        key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).filter(|bare| !bare.is_empty())
    {
        return Some(("the quotes are part of the key".to_owned(), write(bare)));
    }
    if let Some((address, length)) = key.split_once('/')
        && is_network(address)
        && length.bytes().all(|b| b.is_ascii_digit())
    {
        let why = "this table compares texts, not networks".to_owned();
        return Some((why, "move it to a table of the type cidr:".to_owned()));
    }
    if let Some(bare) = key.strip_suffix('.').filter(|bare| is_octets(bare)) {
        return Some(("networks are looked up without the last dot".to_owned(), write(bare)));
    }
    let canonical = domain::ipv6(key)?.to_string();
    (canonical != key)
        .then(|| ("IPv6 addresses are looked up in their short form".to_owned(), write(&canonical)))
}

fn is_network(address: &str) -> bool {
    domain::is_address(address.trim_start_matches('[').trim_end_matches(']')) || is_octets(address)
}

fn is_octets(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|octet| octet.parse::<u8>().is_ok())
}
