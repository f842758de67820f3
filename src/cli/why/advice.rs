//! What to do about a mail that was refused: what the sender mends, and the command that would let it in.

use super::story::{Chapter, End};
use crate::{
    journal::Row,
    restriction::mend::{self, Exempt, Mend},
};
use serde_json::{Value, json};

/// Why a mail did not get through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// What the sender has to mend.
    pub(super) sender: &'static str,
    /// The command that would let it in, if there is one.
    pub(super) command: Option<String>,
}

impl Advice {
    /// The advice about a chapter; `None` where nothing was refused.
    pub(super) fn of(chapter: &Chapter) -> Option<Self> {
        let rule = chapter.rule.as_deref().filter(|_| chapter.is_refused())?;
        let Mend { sender, exempt } = mend::of(rule);
        Some(Self { sender, command: command(chapter, exempt) })
    }
}

/// The chapters with the advice about each.
pub(super) fn with(chapters: &[Chapter]) -> Vec<Value> {
    let one = |chapter: &Chapter| {
        let mut value = json!(chapter);
        if let (Some(advice), Some(fields)) = (Advice::of(chapter), value.as_object_mut()) {
            fields.insert("sender_must".to_owned(), json!(advice.sender));
            fields.insert("command".to_owned(), json!(advice.command));
        }
        value
    };
    chapters.iter().map(one).collect()
}

/// The command that would have let in what one decision refused.
pub(in crate::cli) fn admission(row: &Row<'_>) -> Option<String> {
    Advice::of(&Chapter::of(row))?.command
}

fn command(chapter: &Chapter, exempt: Exempt) -> Option<String> {
    // A hash in place of an address names nobody on a command line.
    let plain = |address: &&String| !address.is_empty() && !is_masked(address);
    let (sender, recipient) =
        (chapter.sender.as_ref().filter(plain), chapter.recipient.as_ref().filter(plain));
    if chapter.end == End::Waits
        && let (Some(sender), Some(recipient)) = (sender, recipient)
    {
        let (sender, recipient) = (quoted(&sender.to_lowercase())?, quoted(&recipient.to_lowercase())?);
        return Some(format!("mailward greylist pass --sender {sender} --recipient {recipient}"));
    }
    let (kind, value) = match exempt {
        Exempt::Client => ("client", chapter.client.as_ref()?),
        Exempt::Sender => ("sender", sender?),
        Exempt::Recipient => ("recipient", recipient?),
        Exempt::Nothing => return None,
    };
    Some(format!("mailward allow add {kind} {} --reason \"…\" --expires 30d", quoted(value)?))
}

/// Whether the local part is a hash: `[journal] privacy = "hash"`.
pub(super) fn is_masked(address: &str) -> bool {
    let hash = address.split('@').next().and_then(|local| local.strip_prefix("h:"));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A client's word as a shell takes it; `None` for one that cannot be pasted.
fn quoted(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.:_/+-=".contains(c);
    if word.is_empty() || word.starts_with('-') || word.len() > 300 {
        return None;
    }
    if word.chars().all(plain) {
        return Some(word.to_owned());
    }
    let shown = word.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    shown.then(|| format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn what_is_kept_as_a_hash_is_named_in_no_command() {
        let row = |entry: &str, sender: &'static str| Row {
            verdict: "defer".into(),
            entry: Some(entry.to_owned()),
            client: Some(Cow::Borrowed("192.0.2.1")),
            sender: Some(Cow::Borrowed(sender)),
            recipient: Some(Cow::Borrowed("b@c.example")),
            ..Row::default()
        };
        let cases = [
            (
                "greylist",
                "a@b.example",
                Some("mailward greylist pass --sender a@b.example --recipient b@c.example"),
            ),
            (
                "greylist",
                "h:0123456789abcdef@b.example",
                Some("mailward allow add client 192.0.2.1 --reason \"…\" --expires 30d"),
            ),
            ("reject_unknown_sender_domain", "h:0123456789abcdef@b.example", None),
            (
                "reject_unknown_sender_domain",
                "h:1@b.example",
                Some("mailward allow add sender h:1@b.example --reason \"…\" --expires 30d"),
            ),
        ];
        for (entry, sender, want) in cases {
            assert_eq!(admission(&row(entry, sender)).as_deref(), want, "{entry} {sender}");
        }
    }

    #[test]
    fn what_a_client_wrote_cannot_leave_its_place_in_a_command() {
        let cases = [
            ("a@b.example", Some("a@b.example")),
            ("a+b=c@b.example", Some("a+b=c@b.example")),
            ("$(reboot)@b.example", Some("'$(reboot)@b.example'")),
            ("o'x;ls@b.example", Some("'o'\\''x;ls@b.example'")),
            ("a\u{1b}[2J@b.example", None),
            ("a\u{202e}@b.example", None),
            ("a\nb@b.example", None),
            ("--all", None),
            ("", None),
        ];
        for (word, want) in cases {
            assert_eq!(quoted(word).as_deref(), want, "{word:?}");
        }
    }
}
