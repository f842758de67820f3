//! An address as a log, a customer, `why` or `list` shows it, and the senders and recipients of the rows it may stand for.
//!
//! The table has senders without what changes from message to message, and names in U-labels may have come in A-labels.

use crate::{
    cli::{Exit, Failure},
    greylist::Settings,
    smtp::{
        address::{Address, with_a_labels, with_u_labels},
        domain::Domain,
        text::{cut, escaped},
    },
    store::Between,
};

/// How much of a wrong value a message shows, in bytes.
pub(super) const SHOWN_LIMIT: usize = 80;

/// The argument that names a sender.
const SENDER: &str = "--sender";

/// The null sender, as logs and `list` show it.
const NULL: &str = "<>";

/// An address, or all of a domain, in each form in which a row may have it: the part from `@` on for a domain.
pub(super) type Forms = Vec<String>;

/// Reads a sender, or `@DOMAIN`.
///
/// # Errors
/// An empty word, and a domain without `@`.
pub(super) fn sender(text: &str) -> Result<Forms, Failure> {
    if text.trim() == NULL { Ok(vec![String::new()]) } else { mailbox(SENDER, text) }
}

/// Reads a recipient, or `@DOMAIN`.
///
/// # Errors
/// As [`sender`]; the null sender, which is no recipient.
pub(super) fn recipient(text: &str) -> Result<Forms, Failure> {
    if text.trim() == NULL {
        return Err(Failure::Says(Exit::Usage, "`<>` is the null sender: no mail goes to it".to_owned()));
    }
    mailbox("--recipient", text)
}

fn mailbox(argument: &str, text: &str) -> Result<Forms, Failure> {
    if text.trim().is_empty() {
        let null = if argument == SENDER { ", for the null sender write '<>'" } else { "" };
        let message = format!("{argument} is empty: leave it out for whomever{null}");
        return Err(Failure::Says(Exit::Usage, message));
    }
    if is_domain(text) {
        let shown = escaped(cut(text.trim(), SHOWN_LIMIT));
        let message = format!("`{shown}` is a domain: for all of its addresses write {argument} @{shown}");
        return Err(Failure::Says(Exit::Usage, message));
    }
    Ok(forms(text))
}

/// Whether a word without `@` can only be a domain. A sender that looks so is written in brackets.
pub(super) fn is_domain(text: &str) -> bool {
    let text = text.trim();
    text.contains('.') && Domain::for_query(text).is_some()
}

/// The forms of an address or `@DOMAIN`: without brackets and quotes, in lower case, with A-labels and with U-labels.
pub(super) fn forms(text: &str) -> Forms {
    let text = text.trim();
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text).to_lowercase();
    // `list` shows addresses without their quotes, a log may show them with them.
    let address = Address::new(text);
    let mut all = Forms::new();
    for form in [bare.as_str(), &address.internal()] {
        for form in [with_a_labels(form), with_u_labels(form), form.into()] {
            // The null sender is nobody's other form: `""`, `()`.
            if !form.is_empty() && !all.iter().any(|known| *known == form) {
                all.push(form.into_owned());
            }
        }
    }
    all
}

/// The rows that mail from one of these senders to one of these recipients may have; `None`: from or to whomever.
pub(super) fn between(settings: &Settings, from: Option<&Forms>, to: Option<&Forms>) -> Vec<Between> {
    let recipients: Vec<Option<&String>> = to.map_or_else(|| vec![None], |to| to.iter().map(Some).collect());
    let mut all = Vec::new();
    for recipient in recipients {
        let Some(from) = from else {
            all.extend(recipient.map(|to| Between { sender: None, recipient: Some(to.clone()) }));
            continue;
        };
        for sender in from {
            for between in of_pair(settings, sender, recipient) {
                if !all.contains(&between) {
                    all.push(between);
                }
            }
        }
    }
    all
}

/// The rows that mail from this sender may have: as it is written, for `list` shows it so; and as it is normalised.
fn of_pair(settings: &Settings, sender: &str, recipient: Option<&String>) -> Vec<Between> {
    let row =
        |sender: String, to: Option<&str>| Between { sender: Some(sender), recipient: to.map(str::to_owned) };
    let to = recipient.map(String::as_str);
    let mut all = vec![row(sender.to_owned(), to)];
    if sender.is_empty() || sender.starts_with('@') {
        return all;
    }
    let whole = to.filter(|to| !to.starts_with('@'));
    all.push(row(settings.sender_key(sender, whole.unwrap_or_default()), to));
    if whole.is_none() {
        let domain = to.unwrap_or_default();
        let named = embedded(sender).into_iter().filter(|named| named.ends_with(domain));
        all.extend(named.map(|named| row(settings.sender_key(sender, &named), Some(&with_a_labels(&named)))));
    }
    all
}

/// How many recipients are tried that may stand in a sender.
const EMBEDDED_LIMIT: usize = 32;

/// The recipients that a VERP sender may name, such as `bob@example.org` of `bounce-1-bob=example.org@list.example`. Where
/// they begin and end it does not say.
fn embedded(sender: &str) -> Vec<String> {
    let separator = |c: char| "-+_.#*=".contains(c);
    let local = sender.rsplit_once('@').map_or(sender, |(local, _)| local);
    let Some((before, domain)) = local.rsplit_once('=') else { return Vec::new() };
    let starts = || [0].into_iter().chain(before.match_indices(separator).map(|(at, _)| at + 1));
    let ends = || domain.match_indices(separator).map(|(at, _)| at).chain([domain.len()]);
    let pairs = ends().rev().flat_map(|end| starts().map(move |start| (&before[start..], &domain[..end])));
    let named = pairs.filter(|(user, domain)| !user.is_empty() && is_domain(domain));
    named.map(|(user, domain)| format!("{user}@{domain}")).take(EMBEDDED_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_for_in_all_its_forms() {
        let cases: [(&str, &[&str]); 8] = [
            ("Bob@Example.org", &["bob@example.org"]),
            (" <bob@example.org> ", &["bob@example.org"]),
            ("\"a b\"@example.org", &["\"a b\"@example.org", "a b@example.org"]),
            ("@Example.org", &["@example.org"]),
            ("root", &["root"]),
            ("\"\"", &["\"\""]),
            ("@m\u{fc}nchen.example", &["@xn--mnchen-3ya.example", "@m\u{fc}nchen.example"]),
            ("b@xn--mnchen-3ya.example", &["b@xn--mnchen-3ya.example", "b@m\u{fc}nchen.example"]),
        ];
        for (text, want) in cases {
            assert_eq!(forms(text), want, "{text}");
        }
    }

    #[test]
    fn an_empty_word_and_a_bare_domain_name_nobody() {
        let cases = [
            ("", "--sender is empty: leave it out for whomever, for the null sender write '<>'"),
            (" ", "--sender is empty: leave it out for whomever, for the null sender write '<>'"),
            (
                "Example.org",
                "`Example.org` is a domain: for all of its addresses write --sender @Example.org",
            ),
        ];
        for (text, want) in cases {
            assert!(matches!(sender(text), Err(Failure::Says(Exit::Usage, said)) if said == want), "{text}");
        }
        assert!(matches!(recipient("<>"), Err(Failure::Says(Exit::Usage, _))));
        assert!(matches!(sender("<>"), Ok(forms) if forms == [""]));
        assert!(matches!(sender("<example.org>"), Ok(forms) if forms == ["example.org"]));
    }

    #[test]
    fn the_recipient_in_a_sender_is_one_that_may_be_meant() {
        let cases: [(&str, &[&str]); 5] = [
            (
                "bounce-1-bob=b.example@l.example",
                &["bounce-1-bob@b.example", "1-bob@b.example", "bob@b.example"],
            ),
            ("bob=b.example-77@l.example", &["bob@b.example-77", "bob@b.example"]),
            ("srs0=hhh=tt=b.example=bob@l.example", &[]),
            ("bob@l.example", &[]),
            ("=@", &[]),
        ];
        for (sender, want) in cases {
            assert_eq!(embedded(sender), want, "{sender}");
        }
        assert_eq!(embedded(&format!("{}=b.example@l.example", "x-".repeat(99))).len(), EMBEDDED_LIMIT);
    }
}
