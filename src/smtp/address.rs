//! An envelope address as typed and as table keys need it (RFC 5321 section 4.1.2).

use super::{domain, text};
use serde::Serialize;
use std::borrow::Cow;

/// A sender's or recipient's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// As typed, in internal form: without brackets, source route and quotes. Empty for the null sender.
    /// This is what replies and logs show and what `reject_non_fqdn_*` judges.
    pub typed: String,
    /// After the MTA's rewriting, lower case, in external (quoted) form: the macro `{mail_addr}` or `{rcpt_addr}`,
    /// else the typed address folded. Access tables and domain lookups work on it.
    pub rewritten: String,
}

impl Address {
    /// Reads the first argument of MAIL or RCPT; `rewritten` is the macro, where the MTA sends one.
    pub fn from_wire(argument: &[u8], rewritten: Option<&[u8]>) -> Self {
        let argument = text::from_wire(argument);
        let external = without_route(&argument);
        let typed = unquote(&external);
        let rewritten = match rewritten {
            Some(bytes) => text::from_wire(bytes).to_lowercase(),
            None => external.strip_suffix('.').unwrap_or(&external).to_lowercase(),
        };
        Self { typed, rewritten }
    }

    /// An address written by an administrator, in a test or on a command line.
    pub fn new(address: &str) -> Self {
        Self::from_wire(address.as_bytes(), None)
    }

    /// Whether this is the null sender `<>`.
    pub fn is_null(&self) -> bool {
        self.typed.is_empty()
    }

    /// The domain as typed: what follows the last `@`; `None` without one.
    pub fn typed_domain(&self) -> Option<&str> {
        self.typed.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// The domain after rewriting; `None` for an address without one.
    pub fn domain(&self) -> Option<&str> {
        self.rewritten.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// Whether the local part names a further way: Postfix's sender-specified routing. The way that the MTA's rewriting
    /// has followed already does not count.
    pub fn is_routed(&self) -> bool {
        self.rewritten.rsplit_once('@').is_some_and(|(local, _)| local.contains(['@', '%', '!']))
    }

    /// The rewritten address in internal (unquoted) form.
    pub fn internal(&self) -> Cow<'_, str> {
        if self.rewritten.bytes().any(|byte| matches!(byte, b'"' | b'\\')) {
            Cow::Owned(unquote(&self.rewritten))
        } else {
            Cow::Borrowed(&self.rewritten)
        }
    }
}

/// The address of a MAIL or RCPT argument in external form, without brackets, comments and source route.
pub fn without_route(argument: &str) -> String {
    strip_route(&strip_comments(strip_brackets(argument.trim()))).to_owned()
}

/// An address, or a domain alone, with its domain in A-labels: the one form of a key, whichever of both an MTA is given. A
/// domain that cannot be converted stays as it is.
pub fn with_a_labels(address: &str) -> Cow<'_, str> {
    if address.is_ascii() {
        return Cow::Borrowed(address);
    }
    let start = address.rfind('@').map_or(0, |at| at + 1);
    let (local, name) = address.split_at(start);
    match domain::Domain::for_query(name) {
        Some(domain) if !name.is_ascii() => Cow::Owned(format!("{local}{domain}")),
        Some(_) | None => Cow::Borrowed(address),
    }
}

/// An address, or a domain alone, with its domain in U-labels, as people write it and an SMTPUTF8 client may.
pub fn with_u_labels(address: &str) -> Cow<'_, str> {
    let start = address.rfind('@').map_or(0, |at| at + 1);
    let (local, name) = address.split_at(start);
    match domain::with_u_labels(name) {
        Cow::Owned(name) => Cow::Owned(format!("{local}{name}")),
        Cow::Borrowed(_) => Cow::Borrowed(address),
    }
}

/// `<user@domain>` without its brackets. Postfix also lets addresses without brackets pass.
fn strip_brackets(argument: &str) -> &str {
    let inner = argument.strip_prefix('<').unwrap_or(argument);
    inner.strip_suffix('>').unwrap_or(inner)
}

/// Removes comments in parentheses, which Postfix takes in an address too: `(comment)user@domain` is `user@domain`.
fn strip_comments(address: &str) -> Cow<'_, str> {
    if !address.contains('(') {
        return Cow::Borrowed(address);
    }
    let (mut out, mut depth, mut quoted) = (String::with_capacity(address.len()), 0_usize, false);
    let mut characters = address.chars();
    while let Some(c) = characters.next() {
        let escaped = if c == '\\' { characters.next() } else { None };
        match c {
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            _ => {}
        }
        if depth == 0 {
            out.push(c);
            out.extend(escaped);
        } else if c == ')' && !quoted {
            depth -= 1;
        }
    }
    Cow::Owned(out)
}

/// Removes a source route: `@a,@b:user@domain` is `user@domain` (RFC 5321 appendix C).
fn strip_route(address: &str) -> &str {
    if !address.starts_with('@') {
        return address;
    }
    address.split_once(':').map_or(address, |(_, rest)| rest)
}

/// From external to internal form: quotes and backslashes go (Postfix's unquote_822_local()). An `@` between quotes is
/// part of the local part, so the text is read from its beginning.
fn unquote(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    let mut characters = address.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {}
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

/// A table key in internal form (unquoted), and in external form where that is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    internal: Cow<'a, str>,
    external: Option<String>,
}

impl<'a> Key<'a> {
    /// A key that ends with `@` or with a domain behind the last `@`.
    fn address(key: Cow<'a, str>) -> Self {
        let (local, rest) = key.split_at(key.rfind('@').unwrap_or(key.len()));
        let external = (!is_dot_string(local)).then(|| quote(local) + rest);
        Self { internal: key, external }
    }

    /// A key that is nothing but a local part.
    fn local(key: &'a str) -> Self {
        let external = (!is_dot_string(key)).then(|| quote(key));
        Self { internal: Cow::Borrowed(key), external }
    }

    /// A key without a local part.
    fn domain(key: &'a str) -> Self {
        Self { internal: Cow::Borrowed(key), external: None }
    }

    /// What is looked up, in order: mail_addr_find.c find_addr(), MA_FORM_EXTERNAL_FIRST.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.external.as_deref().into_iter().chain([&*self.internal])
    }
}

/// The keys of access(5) for an address in internal form, in order: the complete address, the one without its
/// extension, the domain, its parents, `user+ext@`, `user@`. Only the first is tried in pattern tables.
///
/// `delimiters` are Postfix's `recipient_delimiter` characters; with `parents` false the parent domains are tried as
/// `.domain` (parent_domain_matches_subdomains without smtpd_access_maps).
pub fn access_keys<'a>(address: &'a str, delimiters: &str, parents: bool) -> impl Iterator<Item = Key<'a>> {
    let at = address.rfind('@');
    let local = at.map(|at| &address[..at]);
    let domain = at.map(|at| &address[at + 1..]);
    let bare = local.and_then(|local| strip_extension(local, delimiters));
    let without_extension = bare.zip(domain).map(|(bare, domain)| format!("{bare}@{domain}"));
    std::iter::once(Key::address(Cow::Borrowed(address)))
        .chain(without_extension.map(|key| Key::address(Cow::Owned(key))))
        .chain(domain.into_iter().flat_map(move |domain| domain_keys(domain, parents)).map(Key::domain))
        .chain(at.map(|at| Key::address(Cow::Borrowed(&address[..=at]))))
        .chain(bare.map(|bare| Key::address(Cow::Owned(format!("{bare}@")))))
}

/// The keys by which the owners of an address in internal form are looked up (mail_addr_find(3)): the complete address,
/// the one without its extension, with `local` the local part with and without it, `@domain`. Only the first is tried in
/// pattern tables.
pub fn owner_keys<'a>(address: &'a str, delimiters: &str, local: bool) -> impl Iterator<Item = Key<'a>> {
    let at = address.rfind('@');
    let (part, domain) = at.map_or((address, None), |at| (&address[..at], Some(&address[at..])));
    let bare = strip_extension(part, delimiters);
    let without_extension = bare.map(|bare| format!("{bare}{}", domain.unwrap_or_default()));
    let parts = Some(part).into_iter().chain(bare).filter(move |_| local && at.is_some());
    std::iter::once(Key::address(Cow::Borrowed(address)))
        .chain(without_extension.map(|key| Key::address(Cow::Owned(key))))
        .chain(parts.map(Key::local))
        .chain(domain.map(Key::domain))
}

/// Whether a local part needs no quotes: atoms between single dots, with 8-bit text left alone (Postfix's
/// quote_822_local()).
fn is_dot_string(local: &str) -> bool {
    let special = |byte: u8| byte <= b' ' || byte == 0x7f || b"()<>@,;:\\\"[]".contains(&byte);
    !local.split('.').any(str::is_empty) && !local.bytes().any(special)
}

/// From internal to external form: Postfix's quote_822_local().
fn quote(local: &str) -> String {
    let mut out = String::with_capacity(local.len() + 2);
    out.push('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\' | '\r') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The keys of access(5) for a host name: the name, then its parents as `parent` or, with `parents` false, as
/// `.parent`. An IP address has no parents.
pub fn domain_keys(name: &str, parents: bool) -> impl Iterator<Item = &str> {
    let has_parents = !domain::is_address(name);
    let plain = (has_parents && parents).then(|| domain::parents(name));
    let dotted = (has_parents && !parents).then(|| domain::dotted_parents(name));
    let above = plain.into_iter().flatten().chain(dotted.into_iter().flatten());
    std::iter::once(name).chain(above)
}

/// The local part without its extension; `None` if it has none (Postfix's split_addr(): never for reserved names
/// such as `owner-list` or `list-request` when the delimiter is `-`, and never at the first character).
fn strip_extension<'a>(local: &'a str, delimiters: &str) -> Option<&'a str> {
    if local.eq_ignore_ascii_case("mailer-daemon") || local.eq_ignore_ascii_case("double-bounce") {
        return None;
    }
    if delimiters.contains('-') && (local.starts_with("owner-") || local.ends_with("-request")) {
        return None;
    }
    let at = local.find(|c| delimiters.contains(c))?;
    (at > 0).then(|| &local[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_converted_and_a_local_part_is_not() {
        let cases = [
            ("bob@m\u{fc}nchen.example", "bob@xn--mnchen-3ya.example"),
            ("m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
            ("b\u{f6}b@m\u{fc}nchen.example", "b\u{f6}b@xn--mnchen-3ya.example"),
            ("b\u{f6}b@example.org", "b\u{f6}b@example.org"),
            ("bob@m\u{fc}nchen..example", "bob@m\u{fc}nchen..example"),
            ("Bob@Example.org", "Bob@Example.org"),
        ];
        for (address, want) in cases {
            assert_eq!(with_a_labels(address), want);
        }
    }

    #[test]
    fn addresses_are_read_as_postfix_reads_them() {
        let cases = [
            ("<user@example.net>", "user@example.net"),
            ("user@example.net", "user@example.net"),
            ("<@a.example,@b.example:user@example.net>", "user@example.net"),
            ("<\"a b\"@example.net>", "a b@example.net"),
            ("<a\\@b@example.net>", "a@b@example.net"),
            ("<\"a b@c\">", "a b@c"),
            ("<\"a@b\"@c>", "a@b@c"),
            ("<(a (b\\)) c)user@example.net(d)>", "user@example.net"),
            ("<\"a(b)\"@example.net>", "a(b)@example.net"),
            ("<>", ""),
            ("", ""),
        ];
        for (wire, want) in cases {
            assert_eq!(Address::from_wire(wire.as_bytes(), None).typed, want, "{wire}");
        }
    }

    #[test]
    fn the_macro_wins_over_the_typed_form() {
        let address = Address::from_wire(b"<Bob>", Some(b"bob@origin.example"));
        assert_eq!((address.typed.as_str(), address.domain()), ("Bob", Some("origin.example")));
        assert_eq!(address.typed_domain(), None);
        assert_eq!(Address::new("<A@Good.Test.>").rewritten, "a@good.test");
    }

    #[test]
    fn a_way_that_the_mta_has_followed_does_not_count() {
        for (typed, rewritten, want) in [
            ("user%b.example@a.example", Some("user@b.example"), false),
            ("user%b.example@a.example", Some("user%b.example@a.example"), true),
            ("user@b.example@a.example", None, true),
            ("b.example!user@a.example", None, true),
            ("user@a.example", None, false),
            ("user%b.example", None, false),
        ] {
            let address = Address::from_wire(typed.as_bytes(), rewritten.map(str::as_bytes));
            assert_eq!(address.is_routed(), want, "{typed} {rewritten:?}");
        }
    }

    fn forms(key: Key<'_>) -> Vec<String> {
        key.forms().map(str::to_owned).collect()
    }

    #[test]
    fn address_keys_come_in_the_order_of_access_5() {
        let want = [
            "user+x@a.example.net",
            "user@a.example.net",
            "a.example.net",
            "example.net",
            "net",
            "user+x@",
            "user@",
        ];
        let keys = |address, delimiters, parents| -> Vec<String> {
            access_keys(address, delimiters, parents).flat_map(forms).collect()
        };
        assert_eq!(keys("user+x@a.example.net", "+", true), want);
        let want = ["user+x@a.net", "a.net", ".net", "user+x@"];
        assert_eq!(keys("user+x@a.net", "", false), want);
        assert_eq!(keys("owner-list@a", "-", true), ["owner-list@a", "a", "owner-list@"]);
        let want = [
            "\"a \\\"b+\"@[::1]",
            "a \"b+@[::1]",
            "\"a \\\"b\"@[::1]",
            "a \"b@[::1]",
            "[::1]",
            "\"a \\\"b+\"@",
        ];
        assert_eq!(keys("a \"b+@[::1]", "+", true)[..6], want);
        assert_eq!(keys("@a", "+", true), ["\"\"@a", "@a", "a", "\"\"@", "@"]);
    }

    #[test]
    fn owners_are_looked_up_in_the_order_of_mail_addr_find() {
        let keys = |address, delimiters, local| -> Vec<String> {
            owner_keys(address, delimiters, local).flat_map(forms).collect()
        };
        assert_eq!(keys("u+x@a.net", "+", true), ["u+x@a.net", "u@a.net", "u+x", "u", "@a.net"]);
        assert_eq!(keys("u+x@a.net", "+", false), ["u+x@a.net", "u@a.net", "@a.net"]);
        assert_eq!(keys("u+x@a.net", "", true), ["u+x@a.net", "u+x", "@a.net"]);
        assert_eq!(keys("u", "", true), ["u"]);
        assert_eq!(keys("u.@a", "", true), ["\"u.\"@a", "u.@a", "\"u.\"", "u.", "@a"]);
    }

    #[test]
    fn an_address_as_name_has_no_parents() {
        let keys = |name, parents| domain_keys(name, parents).collect::<Vec<_>>();
        assert_eq!(keys("192.0.2.1", true), ["192.0.2.1"]);
        assert_eq!(keys("mail.foo.cn", true), ["mail.foo.cn", "foo.cn", "cn"]);
        assert_eq!(keys("mail.foo.cn", false), ["mail.foo.cn", ".foo.cn", ".cn"]);
        assert_eq!(keys(".foo.cn", true), [".foo.cn", "cn"]);
        assert_eq!(keys(".foo.cn", false), [".foo.cn", ".cn"]);
        assert_eq!(keys("a..cn", true), ["a..cn", ".cn"]);
        assert_eq!(keys("a..cn", false), ["a..cn", "..cn", ".cn"]);
        assert_eq!(keys("cn.", true), ["cn."]);
    }
}
