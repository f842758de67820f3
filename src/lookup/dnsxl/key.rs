//! The customer's key in the name of a paid list: it must be shown to nobody, in no reply, log or trace.

use crate::smtp::domain::Domain;
use serde::Serializer;
use std::borrow::Cow;

/// Below these names lists stand as `KEY.list.NAME`.
static KEYED: &[&str] = &["dq.spamhaus.net", "mail.abusix.zone"];

/// What stands in a trace instead of a key.
const HIDDEN: &str = "[key]";

/// A list's name without its customer's key; `None` if there is none in it.
pub fn without_key(zone: &str) -> Option<&str> {
    let (key, list) = split(zone)?;
    Some(list).filter(|_| !key.is_empty())
}

/// A name that is asked for, with the label above a keyed list hidden.
pub fn masked(name: &Domain) -> Cow<'_, str> {
    let Some((above, list)) = split(name.as_str()) else { return Cow::Borrowed(name.as_str()) };
    let kept = above.rsplit_once('.').map_or("", |(kept, _)| &above[..=kept.len()]);
    Cow::Owned(format!("{kept}{HIDDEN}.{list}"))
}

/// [`masked`], for records.
pub(in crate::lookup) fn serialize<S: Serializer>(name: &Domain, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&masked(name))
}

/// What stands above a keyed list, the key last, and the list's name.
fn split(zone: &str) -> Option<(&str, &str)> {
    let suffix = KEYED.iter().find(|suffix| is_within(zone, suffix) && zone.len() > suffix.len())?;
    let above = &zone[..zone.len() - suffix.len() - 1];
    let (above, list) = above.rsplit_once('.')?;
    Some((above, &zone[zone.len() - suffix.len() - 1 - list.len()..]))
}

/// An entry of a list without the keys of paid lists in it.
pub fn entry_without_keys(entry: &str) -> String {
    let parts = entry.split_inclusive([' ', ',', '=']).map(|part| {
        let end = part.len() - usize::from(part.ends_with([' ', ',', '=']));
        let (word, rest) = part.split_at(end);
        [without_key(word).unwrap_or(word), rest].concat()
    });
    parts.collect()
}

/// Whether a zone is, or is part of, another; in any case of letters: a name is looked at as it was written.
pub fn is_within(zone: &str, above: &str) -> bool {
    let Some(at) = zone.len().checked_sub(above.len()) else { return false };
    let Some((rest, end)) = zone.split_at_checked(at) else { return false };
    end.eq_ignore_ascii_case(above) && (rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::Lookup;

    #[test]
    fn a_key_is_taken_out_of_a_name() {
        let cases = [
            ("secret.zen.dq.spamhaus.net", Some("zen.dq.spamhaus.net")),
            ("a.b.dbl.dq.spamhaus.net", Some("dbl.dq.spamhaus.net")),
            ("secret.combined.mail.abusix.zone", Some("combined.mail.abusix.zone")),
            ("Secret.ZEN.DQ.Spamhaus.NET", Some("ZEN.DQ.Spamhaus.NET")),
            ("zen.dq.spamhaus.net", None),
            ("dq.spamhaus.net", None),
            ("zen.spamhaus.org", None),
            ("notdq.spamhaus.net", None),
            ("bl.example", None),
        ];
        for (zone, shown) in cases {
            assert_eq!(without_key(zone), shown, "{zone}");
        }
    }

    #[test]
    fn a_question_is_recorded_without_its_key() {
        let cases = [
            ("1.2.0.192.secret.zen.dq.spamhaus.net", "1.2.0.192.[key].zen.dq.spamhaus.net"),
            ("a.example.secret.dbl.dq.spamhaus.net", "a.example.[key].dbl.dq.spamhaus.net"),
            ("secret.zen.dq.spamhaus.net", "[key].zen.dq.spamhaus.net"),
            ("1.2.0.192.zen.spamhaus.org", "1.2.0.192.zen.spamhaus.org"),
            ("mail.example", "mail.example"),
        ];
        for (name, shown) in cases {
            let lookup = Lookup::A(Domain::for_query(name).unwrap());
            assert_eq!(lookup.to_string(), format!("A {shown}"));
            assert_eq!(serde_json::to_string(&lookup).unwrap(), format!("{{\"A\":\"{shown}\"}}"));
        }
    }

    #[test]
    fn keys_of_paid_lists_are_taken_out_of_entries() {
        let cases = [
            ("reject", "reject"),
            (
                "reject_rbl_client secret.zen.dq.spamhaus.net=127.0.0.[2..11]",
                "reject_rbl_client zen.dq.spamhaus.net=127.0.0.[2..11]",
            ),
            ("reject_rhsbl_helo secret.dbl.dq.spamhaus.net", "reject_rhsbl_helo dbl.dq.spamhaus.net"),
            ("check_client_access inline:{ a.example=OK }", "check_client_access inline:{ a.example=OK }"),
        ];
        for (entry, want) in cases {
            assert_eq!(entry_without_keys(entry), want);
        }
    }
}
