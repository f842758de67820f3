//! The story in plain sentences, for the administrator.

use super::{
    advice::Advice,
    story::{Chapter, End},
};
use crate::{
    smtp::text::{escaped, wrap},
    time::Timestamp,
};
use std::{collections::HashSet, fmt::Write as _};

/// Where the sentences begin.
const INDENT: &str = "                 ";

/// All chapters, the latest last; advice stands once for each rule, at its last refusal.
pub(super) fn timeline(chapters: &[Chapter], begins: Option<Timestamp>, columns: usize) -> String {
    let mut parts = Vec::new();
    let mut advised = HashSet::new();
    for chapter in chapters.iter().rev() {
        let mut part = String::new();
        tell(&mut part, chapter, columns);
        if let Some(advice) = Advice::of(chapter)
            && advised.insert(chapter.rule.clone())
        {
            advise(&mut part, chapter, &advice, columns);
        }
        parts.push(part);
    }
    parts.reverse();
    let mut out = parts.join("\n");
    if let Some(begins) = begins {
        let _ = writeln!(out, "\nTimes are UTC. The journal begins {}.", date(begins.0));
    }
    out
}

fn tell(out: &mut String, chapter: &Chapter, columns: usize) {
    let label = label(chapter);
    let label = if chapter.observed { format!("(observed) {label}") } else { label.to_owned() };
    let _ = writeln!(out, "{:<17}{label:<10} {}", date(chapter.time), client(chapter));
    let mut lines = Vec::new();
    if chapter.sender.is_some() || chapter.recipient.is_some() {
        lines.push(format!("{} -> {}", path(&chapter.sender), path(&chapter.recipient)));
    }
    lines.push(sentence(chapter));
    if let Some(reply) = &chapter.reply {
        lines.push(format!("reply: {}", escaped(reply)));
    }
    lines.push(format!("steps: mailward why {}", escaped(&chapter.id)));
    for line in lines {
        paragraph(out, &line, columns);
    }
}

fn advise(out: &mut String, chapter: &Chapter, advice: &Advice, columns: usize) {
    paragraph(out, &format!("What the sender must do: {}", advice.sender), columns);
    let later = if chapter.observed { " once mode is enforce" } else { "" };
    match (&advice.command, &advice.note) {
        (_, Some(note)) => paragraph(out, note, columns),
        // Not wrapped, and with room: it is to be copied.
        (Some(command), None) => {
            let _ = writeln!(out, "{INDENT}To let it in{later}:\n    {command}");
        }
        (None, None) => {
            paragraph(out, &format!("To let it in{later}, change the entry{}.", at(chapter)), columns)
        }
    }
}

fn at(chapter: &Chapter) -> String {
    chapter.place.as_ref().map_or_else(String::new, |place| format!(" in {}", escaped(place)))
}

fn paragraph(out: &mut String, text: &str, columns: usize) {
    for line in wrap(text, columns.saturating_sub(INDENT.len() + 1)) {
        let _ = writeln!(out, "{INDENT}{line}");
    }
}

fn label(chapter: &Chapter) -> &'static str {
    match (chapter.end, &chapter.returned) {
        (End::Accepted | End::Open, Some(_)) => "DELAYED",
        (End::Accepted, None) => "ACCEPTED",
        (End::Open, None) => "PASSED",
        (End::Held, _) => "HELD",
        (End::Discarded, _) => "DISCARDED",
        (End::Waits, _) => "WAITS",
        (End::Deferred, _) => "DEFERRED",
        (End::Rejected, _) => "REJECTED",
        (End::Aborted, _) => "ABORTED",
    }
}

/// What would have come of a mail that went on, and what came of it.
fn observed(chapter: &Chapter) -> String {
    let would = match chapter.end {
        End::Waits => "greylisted",
        End::Deferred => "refused for now",
        End::Discarded => "accepted and dropped",
        End::Rejected | End::Accepted | End::Open | End::Held | End::Aborted => "refused",
    };
    let tries = if chapter.tries > 1 { format!(" {} times", chapter.tries) } else { String::new() };
    let queue = queue(chapter);
    let went = match chapter.fate {
        Some(End::Accepted) => format!("it was accepted{queue}, because mode was observe."),
        Some(End::Aborted) => format!(
            "it passed here, because mode was observe, but the message did not come to its end{queue}: the client \
             broke off, or somebody else refused it."
        ),
        Some(End::Open | End::Held | End::Discarded | End::Waits | End::Deferred | End::Rejected) | None => {
            "it passed, because mode was observe; what became of the message is not recorded.".to_owned()
        }
    };
    format!("Would have been {would}{tries} {}; {went}", by(chapter))
}

/// ` as 4dZ1TJ2Pz3z`, where the queue id is known.
pub(super) fn queue(chapter: &Chapter) -> String {
    chapter.queue_id.as_ref().map_or_else(String::new, |id| format!(" as {}", escaped(id)))
}

fn sentence(chapter: &Chapter) -> String {
    if chapter.is_only_observed() {
        return observed(chapter);
    }
    let mut text = String::new();
    if chapter.returned.is_some() || chapter.end == End::Waits {
        let _ = write!(text, "Greylisted {}", by(chapter));
        if chapter.tries > 1 {
            let _ = write!(text, ", tried {} times", chapter.tries);
        }
        text.push_str(". ");
    }
    if let Some(back) = &chapter.returned {
        let from = match &back.client {
            Some(client) if back.client != chapter.client => format!(" from {}", escaped(client)),
            _ => String::new(),
        };
        let _ = write!(text, "Came back {}{from} after {}: ", date(back.time), span(back.waited));
    }
    let queue = queue(chapter);
    let _ = match chapter.end {
        End::Accepted => write!(text, "accepted{queue}."),
        End::Open => write!(text, "passed; what became of the message is not recorded."),
        End::Held => write!(text, "accepted{queue} and held in the MTA's queue {}.", by(chapter)),
        End::Discarded => write!(text, "accepted and dropped {}.", by(chapter)),
        End::Waits => write!(text, "It has not come back yet."),
        End::Deferred => write!(text, "refused for now {}.", by(chapter)),
        End::Rejected => write!(text, "refused {}.", by(chapter)),
        End::Aborted => write!(
            text,
            "passed here, but the message did not come to its end{queue}: the client broke off, or somebody else refused it."
        ),
    };
    capital(text)
}

fn capital(text: String) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn by(chapter: &Chapter) -> String {
    match (&chapter.rule, &chapter.place) {
        (Some(rule), Some(place)) => format!("by `{}` ({})", escaped(rule), escaped(place)),
        _ => "here".to_owned(),
    }
}

/// The client in words.
pub(super) fn client(chapter: &Chapter) -> String {
    let address = chapter.client.as_deref().unwrap_or("unknown");
    match (&chapter.client_name, &chapter.helo) {
        (Some(name), _) => format!("{} {}", escaped(address), escaped(name)),
        (None, Some(helo)) => format!("{} (no name; says {})", escaped(address), escaped(helo)),
        (None, None) => format!("{} (no name)", escaped(address)),
    }
}

/// An address between brackets, which what is in it cannot end.
pub(super) fn path(address: &Option<String>) -> String {
    match address {
        Some(address) => format!("<{}>", escaped(address).replace(['<', '>'], "?")),
        None => "?".to_owned(),
    }
}

/// `20 Nov 14:02:11`.
pub(in crate::cli) fn date(time: i64) -> String {
    let long = Timestamp(time).rfc5322();
    let part = |from, to| long.get(from..to).unwrap_or_default();
    // `Mon, 01 May 2006 00:00:00 +0000`
    format!("{} {}", part(5, 11), part(17, 25))
}

/// `7 min 27 s`.
fn span(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds.max(0);
    let mut parts = Vec::new();
    for (size, unit) in units {
        if left / size > 0 {
            parts.push(format!("{} {unit}", left / size));
        }
        left %= size;
    }
    parts.truncate(2);
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// What is said where nothing is found; `is_id`: not of somebody.
pub(super) fn nothing(
    what: &str,
    is_id: bool,
    since: Option<Timestamp>,
    begins: Option<Timestamp>,
    columns: usize,
) -> String {
    let what = escaped(what);
    let text = match (begins, since) {
        (None, _) => "The journal is empty: nothing has been recorded yet.".to_owned(),
        (Some(begins), since) => {
            let from = since.filter(|since| *since > begins).unwrap_or(begins);
            format!(
                "{} {what} since {} UTC{}: it did not reach this filter.",
                if is_id { "No mail with queue id, id or login" } else { "Nothing from or to" },
                date(from.0),
                if from == begins { ", when the journal begins" } else { "" }
            )
        }
    };
    let more = "What the MTA refused before it asked mailward, and what never connected, is not in the journal: the MTA's \
                own log may show it.";
    let mut out = wrap(&text, columns).join("\n") + "\n";
    for line in wrap(more, columns) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}
