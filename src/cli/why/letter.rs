//! A text for the other side: what happened to its last mail, and what it has to mend. No rule and no file is named, and
//! no hash that stands in the journal for somebody.

use super::{
    advice::{Advice, is_masked},
    story::{Chapter, End},
    text::{client, date, path, queue},
};
use crate::smtp::text::{escaped, wrap};
use std::{borrow::Cow, fmt::Write as _};

/// How a hash begins in the journal, and how many hexadecimal digits follow.
const MARK: &str = "h:";
const DIGITS: usize = 16;

/// The text about the last mail that was refused; where none was, about the last that would have been, or was accepted.
pub(super) fn letter(chapters: &[Chapter]) -> String {
    let refused = |chapter: &&Chapter| Advice::of(chapter).is_some() && !chapter.observed;
    let would = |chapter: &&Chapter| Advice::of(chapter).is_some();
    let count = chapters.iter().filter(refused).count();
    let last = chapters.iter().rfind(refused).or_else(|| chapters.iter().rfind(would)).or(chapters.last());
    let Some(chapter) = last else { return String::new() };
    let mut out = String::new();
    let about = about(chapter, count);
    let Some(advice) = Advice::of(chapter) else {
        push(&mut out, &format!("{about} {}.", fate(chapter, chapter.end)));
        return out;
    };
    let how = match (chapter.observed, chapter.end) {
        (true, _) => {
            let fate = fate(chapter, chapter.fate.unwrap_or(End::Open));
            format!("{fate}. A rule that is only tried out would have refused it with:")
        }
        (false, End::Rejected) => "was refused by our mail server. It answered:".to_owned(),
        (false, _) => "was refused for now by our mail server. It answered:".to_owned(),
    };
    push(&mut out, &format!("{about} {how}"));
    if let Some(reply) = &chapter.reply {
        let _ = writeln!(out);
        for line in wrap(&escaped(&without_hashes(reply)), 72) {
            let _ = writeln!(out, "    {line}");
        }
        let _ = writeln!(out);
    }
    push(&mut out, &mended(&advice));
    out
}

/// Which mail it is about.
fn about(chapter: &Chapter, count: usize) -> String {
    let who = |address: &Option<String>, masked: &str| match address {
        Some(address) if is_masked(address) => masked.to_owned(),
        Some(_) | None => path(address),
    };
    let from = chapter.sender.as_ref().map(|_| who(&chapter.sender, "the sender's address"));
    let to = chapter.recipient.as_ref().map(|_| who(&chapter.recipient, "one of our users"));
    let mut about = match (&from, &to) {
        (None, None) => "The connection".to_owned(),
        _ => "The mail".to_owned(),
    };
    let _ = from.map(|from| write!(about, " from {from}"));
    let _ = to.map(|to| write!(about, " to {to}"));
    if about != "The connection" {
        about.push_str(" that came");
    }
    let _ = write!(about, " from {} on {} UTC", client(chapter), date(chapter.time));
    if count > 1 {
        let _ = write!(about, ", the latest of {count},");
    }
    about
}

/// What became of a mail that nothing here refused.
fn fate(chapter: &Chapter, end: End) -> String {
    match end {
        End::Accepted | End::Held | End::Discarded => {
            format!("was accepted by our mail server{}", queue(chapter))
        }
        End::Aborted => {
            "was not refused by our filter, but did not come to its end: the connection broke off, or \
                         our mail server refused it"
                .to_owned()
        }
        End::Open | End::Waits | End::Deferred | End::Rejected => {
            "was not refused by our mail server, as far as is recorded".to_owned()
        }
    }
}

/// What has to be mended, as a sentence also where it is nothing.
fn mended(advice: &Advice) -> String {
    match advice.sender.strip_prefix("Nothing") {
        Some(rest) => {
            let rest = rest.trim_start_matches(" by itself").trim_start_matches(',');
            format!("Nothing has to be mended{rest}")
        }
        None => format!("What has to be mended: {}", advice.sender),
    }
}

/// A reply with `...` in place of each hash.
fn without_hashes(reply: &str) -> Cow<'_, str> {
    if !reply.contains(MARK) {
        return reply.into();
    }
    let mut out = String::with_capacity(reply.len());
    let mut rest = reply;
    while let Some(at) = rest.find(MARK) {
        let (before, found) = rest.split_at(at);
        let hash = &found.as_bytes()[MARK.len()..];
        let digits = hash.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let end = if digits == DIGITS { MARK.len() + DIGITS } else { MARK.len() };
        let (taken, behind) = found.split_at(end);
        out.push_str(before);
        out.push_str(if digits == DIGITS { "..." } else { taken });
        rest = behind;
    }
    out.push_str(rest);
    out.into()
}

fn push(out: &mut String, text: &str) {
    for line in wrap(text, 76) {
        out.push_str(&line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Row;

    fn chapter(words: [Option<&'static str>; 4]) -> Chapter {
        let [sender, recipient, reply, entry] = words;
        Chapter::of(&Row {
            verdict: "defer".into(),
            entry: entry.map(str::to_owned),
            client: Some("192.0.2.1".into()),
            helo: Some("x".into()),
            sender: sender.map(Into::into),
            recipient: recipient.map(Into::into),
            reply: reply.map(Into::into),
            ..Row::default()
        })
    }

    #[test]
    fn what_is_not_known_or_not_to_be_told_is_left_out() {
        let from = "that came from 192.0.2.1 (no name; says x) on 01 Jan 00:00:00 UTC";
        let cases = [
            (
                None,
                None,
                1,
                "The connection from 192.0.2.1 (no name; says x) on 01 Jan 00:00:00 UTC".to_owned(),
            ),
            (Some("a@b.example"), None, 1, format!("The mail from <a@b.example> {from}")),
            (
                Some("h:0123456789abcdef@b.example"),
                Some("h:fedcba9876543210@c.example"),
                4,
                format!("The mail from the sender's address to one of our users {from}, the latest of 4,"),
            ),
        ];
        for (sender, recipient, count, want) in cases {
            assert_eq!(about(&chapter([sender, recipient, None, None]), count), want);
        }
        let cases = [
            ("450 <h:0123456789abcdef@b.example>: x", "450 <...@b.example>: x"),
            ("h:0123456789abcdefh:0123456789abcdef", "......"),
            ("450 <h:0123@b.example> path:", "450 <h:0123@b.example> path:"),
            ("h:0123456789abcdef0", "h:0123456789abcdef0"),
        ];
        for (reply, want) in cases {
            assert_eq!(without_hashes(reply), want);
        }
    }

    #[test]
    fn nothing_to_mend_is_a_sentence() {
        let want = "\
The connection from 192.0.2.1 (no name; says x) on 01 Jan 00:00:00 UTC was
refused for now by our mail server. It answered:

    450 4.2.0 Greylisted

Nothing has to be mended if it is a mail server: it tries again by itself
within minutes to hours, from the same network. A program that sends only
once has to hand its mail to a mail server.
";
        assert_eq!(letter(&[chapter([None, None, Some("450 4.2.0 Greylisted"), Some("greylist")])]), want);
    }
}
