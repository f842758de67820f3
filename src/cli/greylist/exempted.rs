//! Whom an exemption names: a recipient or a domain, as the store compares it with the recipients of mails.

use super::addresses::SHOWN_LIMIT;
use crate::smtp::{
    address::{Address, with_a_labels},
    domain::{self, Domain},
    text::{cut, escaped},
};
use ipnet::IpNet;

/// The longest address that a mail can have, in octets: a path of RFC 5321 section 4.5.3.1.3 without its brackets.
const ADDRESS_LIMIT: usize = 254;
/// The longest local part, in octets (section 4.5.3.1.1).
const LOCAL_LIMIT: usize = 64;

/// Reads an address, with brackets or without, or a domain.
///
/// # Errors
/// What is neither, or can be that of no mail: what it is, and the way out.
pub(super) fn read(text: &str) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("`{}` {what}", escaped(cut(text, SHOWN_LIMIT))));
    let bare = without_brackets(text);
    if let Some(way_out) = foreign(bare) {
        return wrong(&way_out);
    }
    let address = Address::new(bare);
    let internal = address.internal();
    let value = with_a_labels(internal.strip_prefix('@').unwrap_or(&internal)).into_owned();
    let (local, domain) = value.rsplit_once('@').unwrap_or(("", &value));
    if local.len() > LOCAL_LIMIT {
        return wrong("is not an address: a local part has at most 64 octets");
    }
    if value.len() > ADDRESS_LIMIT {
        return wrong("is not an address: one has at most 254 octets");
    }
    // Spaces and further `@` stand between quotes only.
    let odd = |c: char| c.is_control() || (!bare.contains('"') && (c.is_whitespace() || c == '@'));
    if !is_domain(domain) || local.chars().any(odd) || internal.ends_with(&format!("@@{domain}")) {
        return wrong("is neither an address nor a domain: write one such as bob@example.org or example.org");
    }
    if local.is_empty() && !bare.starts_with('@') && !domain.contains('.') {
        return wrong(&format!("has no domain: write one such as {domain}@example.org"));
    }
    Ok(value)
}

/// A word as programs wrote it that knew no more of addresses.
pub(super) fn lower(text: &str) -> String {
    without_brackets(text).trim_start_matches('@').to_lowercase()
}

fn without_brackets(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}

/// What forms mean that other lists have, and how that is written here.
fn foreign(text: &str) -> Option<String> {
    let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if domain::is_address(literal) || text.parse::<IpNet>().is_ok() {
        let kind = if text.contains('/') { "network" } else { "client" };
        return Some(format!(
            "is a client, and an exemption here is a recipient's: for a client see `mailward allow add {kind}`"
        ));
    }
    let named = |rest: &str| Domain::for_query(rest).map(|_| rest.to_lowercase());
    if let Some(domain) = text.strip_prefix("*@").and_then(named) {
        return Some(format!("matches nothing: for all recipients of a domain write {domain}"));
    }
    let below =
        text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).or_else(|| text.strip_prefix("@."));
    let domain = below.and_then(named)?;
    Some(format!(
        "matches nothing: write {domain}, and each domain below it by itself, or name them in whitelist_recipients"
    ))
}

/// Whether recipients can have this domain: a name in A-labels, or an address in square brackets.
fn is_domain(domain: &str) -> bool {
    domain::valid_hostname(domain) || (domain.starts_with('[') && domain.ends_with(']') && domain.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_and_domains_have_one_form() {
        let cases = [
            ("Bob@Example.org", "bob@example.org"),
            ("<bob@example.org>", "bob@example.org"),
            (" bob+shop@example.org ", "bob+shop@example.org"),
            ("\"a b\"@example.org", "a b@example.org"),
            ("\"a@b\"@example.org", "a@b@example.org"),
            ("Example.org", "example.org"),
            ("@example.org", "example.org"),
            ("@localhost", "localhost"),
            ("bob@localhost", "bob@localhost"),
            ("bob@[192.0.2.1]", "bob@[192.0.2.1]"),
            ("bob@m\u{fc}nchen.example", "bob@xn--mnchen-3ya.example"),
        ];
        for (text, want) in cases {
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_can_never_match_is_refused_with_the_way_out() {
        let neither = "is neither an address nor a domain: write one such as bob@example.org or example.org";
        let client =
            "is a client, and an exemption here is a recipient's: for a client see `mailward allow add";
        let below = "matches nothing: write example.org, and each domain below it by itself, or name them in \
                     whitelist_recipients";
        let cases = [
            ("", neither.to_owned()),
            ("<>", neither.to_owned()),
            ("bob@", neither.to_owned()),
            ("@@example.org", neither.to_owned()),
            ("a@b@c", neither.to_owned()),
            ("two words@example.org", neither.to_owned()),
            ("two words", neither.to_owned()),
            ("bob@ex_ample..org", neither.to_owned()),
            ("nobody", "has no domain: write one such as nobody@example.org".to_owned()),
            ("192.0.2.1", format!("{client} client`")),
            ("[192.0.2.1]", format!("{client} client`")),
            ("2001:db8::1", format!("{client} client`")),
            ("192.0.2.0/24", format!("{client} network`")),
            ("*@Example.org", "matches nothing: for all recipients of a domain write example.org".to_owned()),
            (".example.org", below.to_owned()),
            ("*.example.org", below.to_owned()),
            ("@.example.org", below.to_owned()),
        ];
        for (text, want) in cases {
            assert_eq!(read(text), Err(format!("`{text}` {want}")), "{text}");
        }
    }
}
