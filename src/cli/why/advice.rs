//! What to do about a mail that was refused: what the sender mends, and the command that would let it in.

use super::{
    admitted::By,
    story::{Chapter, End},
    text::date,
};
use crate::{
    allow::{self, Kind},
    journal::Row,
    restriction::mend::{self, Exempt, HELO_REQUIRED, Mend},
    smtp::text::escaped,
};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The list that runs whatever exemptions there are.
const CONTENT: &str = "end_of_data";

/// Why a mail did not get through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// What the sender has to mend.
    pub(super) sender: Cow<'static, str>,
    /// The command that would let it in, if there is one.
    pub(super) command: Option<String>,
    /// What else would, or why nothing need be done; `None` where it is to change the entry.
    pub(super) note: Option<String>,
}

impl Advice {
    /// The advice about a chapter; `None` where nothing was refused.
    pub(super) fn of(chapter: &Chapter) -> Option<Self> {
        let rule = chapter.rule.as_deref().filter(|_| chapter.is_refused())?;
        let Mend { sender, exempt } = mend::of(rule);
        let exempt = if is_content(chapter) { Exempt::Nothing } else { exempt };
        let sender = match &chapter.unanswered {
            Some(what) => format!(
                "Nothing at first: we could not look up {} in DNS. If that persists, see its name servers, or our \
                 resolver.",
                escaped(what)
            )
            .into(),
            None => sender.into(),
        };
        let command = command(chapter, exempt).filter(|_| chapter.admitted.is_none());
        Some(Self { sender, command, note: note(chapter) })
    }
}

/// Whether the list refused that looks at the content.
fn is_content(chapter: &Chapter) -> bool {
    chapter.stage.as_deref() == Some(CONTENT)
}

/// Whether a mail is refused by entries that an exemption passes by.
pub(super) fn reaches_lists(chapter: &Chapter) -> bool {
    chapter.rule.as_deref() != Some(HELO_REQUIRED) && !is_content(chapter)
}

/// What is to be done where it is neither a command nor the entry.
fn note(chapter: &Chapter) -> Option<String> {
    if let Some(By { id, since }) = &chapter.admitted {
        let since = date(since.0);
        return Some(format!("Already let in by #{id} of `mailward allow list`, since {since}."));
    }
    let place = chapter.place.as_deref().map_or_else(String::new, |place| format!(" in {}", escaped(place)));
    (chapter.rule.as_deref() == Some(HELO_REQUIRED)).then(|| {
        format!("No exemption lets it in: the client has to greet, or {HELO_REQUIRED} is taken out{place}.")
    })
}

/// The chapters with the advice about each.
pub(super) fn with(chapters: &[Chapter]) -> Vec<Value> {
    let one = |chapter: &Chapter| {
        let mut value = json!(chapter);
        if let (Some(advice), Some(fields)) = (Advice::of(chapter), value.as_object_mut()) {
            fields.insert("sender_must".to_owned(), json!(advice.sender));
            fields.insert("command".to_owned(), json!(advice.command));
            fields.insert("note".to_owned(), json!(advice.note));
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
        let (sender, recipient) = (quoted(&address(sender))?, quoted(&address(recipient))?);
        return Some(format!("mailward greylist pass --sender {sender} --recipient {recipient}"));
    }
    let client = || add(Kind::Client, chapter.client.as_ref()?);
    match exempt {
        Exempt::Client => client(),
        // Some senders name nobody, such as one without a domain.
        Exempt::Sender => add(Kind::Sender, sender?).or_else(client),
        Exempt::Recipient => add(Kind::Recipient, recipient?),
        Exempt::Nothing => None,
    }
}

/// An address as `mailward greylist` takes it: a word without `@` could be a domain.
fn address(word: &str) -> String {
    let lower = word.to_lowercase();
    if lower.contains('@') { lower } else { format!("<{lower}>") }
}

/// The command that exempts somebody; `None` where `allow add` would refuse it.
fn add(kind: Kind, value: &str) -> Option<String> {
    allow::read(kind, value).ok()?;
    Some(format!("mailward allow add {} {} --reason \"…\" --expires 30d", kind.word(), quoted(value)?))
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
    use crate::time::Timestamp;

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
                "b.example",
                Some("mailward greylist pass --sender '<b.example>' --recipient b@c.example"),
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
    fn only_what_lets_in_is_advised() {
        let row = |entry: &str, stage: &str, sender: &'static str| Row {
            verdict: "reject".into(),
            entry: Some(entry.to_owned()),
            stage: Some(stage.to_owned()),
            place: Some("f:1".to_owned()),
            client: Some(Cow::Borrowed("192.0.2.1")),
            sender: Some(Cow::Borrowed(sender)),
            recipient: Some(Cow::Borrowed("b@c.example")),
            ..Row::default()
        };
        let client = Some("mailward allow add client 192.0.2.1 --reason \"…\" --expires 30d");
        let greet = "No exemption lets it in: the client has to greet, or helo_required is taken out in f:1.";
        let cases = [
            ("helo_required", "helo", "a@b.example", None, Some(greet)),
            ("reject_multi_recipient_bounce", "data", "", client, None),
            ("reject_non_fqdn_sender", "sender", "alice", client, None),
            (
                "reject_non_fqdn_sender",
                "sender",
                "a@b.example",
                Some("mailward allow add sender a@b.example --reason \"…\" --expires 30d"),
                None,
            ),
            ("reject_rbl_client bl.example", "client", "a@b.example", client, None),
            ("reject_rbl_client bl.example", "end_of_data", "a@b.example", None, None),
        ];
        for (entry, stage, sender, command, note) in cases {
            let advice = Advice::of(&Chapter::of(&row(entry, stage, sender))).unwrap();
            assert_eq!(
                (advice.command.as_deref(), advice.note.as_deref()),
                (command, note),
                "{entry} {sender}"
            );
        }
    }

    #[test]
    fn what_is_already_let_in_is_not_advised_again() {
        let row = Row {
            verdict: "reject".into(),
            entry: Some("reject_rbl_client bl.example".to_owned()),
            client: Some(Cow::Borrowed("192.0.2.1")),
            ..Row::default()
        };
        let mut chapter = Chapter::of(&row);
        chapter.admitted = Some(By { id: 8, since: Timestamp(1_146_441_600) });
        let Advice { command, note, .. } = Advice::of(&chapter).unwrap();
        let want = "Already let in by #8 of `mailward allow list`, since 01 May 00:00:00.";
        assert_eq!((command, note.as_deref()), (None, Some(want)));
    }

    #[test]
    fn the_sender_is_told_what_is_really_missing() {
        let row =
            |entry: &str| Row { verdict: "defer".into(), entry: Some(entry.to_owned()), ..Row::default() };
        let cases = [
            ("helo_required", None, "The client has to greet (HELO or EHLO) before MAIL."),
            (
                "reject_unknown_reverse_client_hostname",
                None,
                "The sending server's address needs a PTR record in DNS. Whoever gave the server its address sets it.",
            ),
            (
                "reject_unknown_sender_domain",
                Some("b.example"),
                "Nothing at first: we could not look up b.example in DNS. If that persists, see its name servers, or our resolver.",
            ),
        ];
        for (entry, unanswered, want) in cases {
            let mut chapter = Chapter::of(&row(entry));
            chapter.unanswered = unanswered.map(str::to_owned);
            assert_eq!(Advice::of(&chapter).unwrap().sender, want);
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
