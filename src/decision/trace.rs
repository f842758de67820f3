//! The one way of printing how a decision came about, for people: each step with its place, outcome, reason and lookups,
//! then the verdict. A decision that was just made and one of the journal look alike.

use super::{Decision, Outcome, Rule, Step, Verdict};
use crate::{
    origin::Origin,
    smtp::text::{escaped, printable, wrap},
};
use std::fmt::Write as _;

/// A step, ready to be printed.
#[derive(Debug)]
pub struct Line<'a> {
    /// How deep in restriction classes it stands.
    pub depth: usize,
    /// The list.
    pub stage: &'a str,
    /// The entry as it was written.
    pub entry: &'a str,
    /// How it ended, in a word or some.
    pub outcome: &'a str,
    /// The entry's file and line.
    pub place: &'a str,
    /// What it brought, why, and what it asked: each a line of its own.
    pub notes: Vec<String>,
}

/// How a decision ended, ready to be printed.
#[derive(Debug)]
pub struct End<'a> {
    /// What became of the mail, such as `deferred`.
    pub word: &'a str,
    /// The entry that decided, and its place; `None` at the end of the lists.
    pub by: Option<(&'a str, &'a str)>,
    /// What the client was told.
    pub reply: Option<&'a str>,
}

/// What became of a mail that passed.
pub const ACCEPTED: &str = "accepted";
/// What became of a mail that heard a 4xx.
pub const DEFERRED: &str = "deferred";
/// What became of a mail that heard a 5xx.
pub const REFUSED: &str = "refused";
/// What became of a mail that was taken and given to nobody.
pub const DROPPED: &str = "accepted and dropped";

/// Below an entry stand what it found and why.
const INDENT: &str = "            ";
/// The columns for a list's name.
const STAGE: usize = 10;
/// The columns for an entry.
const ENTRY: usize = 41;
/// The deepest step that is still moved to the right; a journal may hold any number.
const DEEPEST: usize = 10;

/// The trace of a decision that was just made; in lines of so many columns, as far as entries and words allow it.
pub fn trace(decision: &Decision, columns: usize) -> String {
    let mut out = String::new();
    for step in &decision.steps {
        let place = place(&step.rule.written.origin);
        line(&mut out, &shown(step, &place), columns);
    }
    let by = decision.rule.as_ref().map(|Rule { written, .. }| (&*written.text, place(&written.origin)));
    let by = by.as_ref().map(|(entry, place)| (*entry, place.as_str()));
    let reply = decision.reply().map(ToString::to_string);
    let word = match &decision.verdict {
        Verdict::Pass => ACCEPTED,
        Verdict::Reply(reply) if reply.code.class() == 4 => DEFERRED,
        Verdict::Reply(_) => REFUSED,
        Verdict::Discard(_) => DROPPED,
    };
    end(&mut out, &End { word, by, reply: reply.as_deref() }, columns);
    out
}

fn shown<'a>(step: &'a Step, place: &'a str) -> Line<'a> {
    let reply = step.reply().map(ToString::to_string);
    let lookups = step.lookups.iter().map(ToString::to_string);
    Line {
        depth: step.depth,
        stage: step.rule.stage.key(),
        entry: &step.rule.written.text,
        outcome: match &step.outcome {
            Outcome::Said(action) => action.word(),
            Outcome::Warned(_) => "only warned",
            Outcome::Softened(_) => "softened by defer_if_reject",
            Outcome::EndOfClass => "no decision",
        },
        place,
        notes: reply.into_iter().chain(step.reason.as_deref().map(str::to_owned)).chain(lookups).collect(),
    }
}

/// A place without the directories of its file, so that a line holds it.
fn place(origin: &Origin) -> String {
    let shown = origin.to_string();
    shown.rsplit('/').next().map_or_else(String::new, |name| escaped(name).into_owned())
}

/// Prints a step.
pub fn line(out: &mut String, line: &Line<'_>, columns: usize) {
    let Line { depth, stage, entry, outcome, place, notes } = line;
    // The administrator's own words: a backslash of a pattern stays one.
    let entry = format!("{}{}", "  ".repeat(*depth.min(&DEEPEST)), printable(entry, '?'));
    let pad = columns.saturating_sub(INDENT.len() + ENTRY + 1 + outcome.chars().count());
    // One list has a longer name than the others.
    let room = ENTRY - stage.len().saturating_sub(STAGE).min(ENTRY);
    let _ = if entry.chars().count() <= room && place.chars().count() < pad {
        writeln!(out, " {stage:<STAGE$} {entry:<room$} {outcome}{place:>pad$}")
    } else {
        writeln!(out, " {stage:<STAGE$} {entry}").and_then(|()| writeln!(out, "{INDENT}{outcome}  {place}"))
    };
    for note in notes {
        below(out, note, columns);
    }
}

/// Prints the verdict.
pub fn end(out: &mut String, end: &End<'_>, columns: usize) {
    let _ = match end.by {
        Some((entry, place)) => {
            writeln!(out, " {:<STAGE$} {} by {} ({place})", "verdict", end.word, printable(entry, '?'))
        }
        None => writeln!(out, " {:<STAGE$} {}: the lists ran to their end", "verdict", end.word),
    };
    if let Some(reply) = end.reply {
        below(out, reply, columns);
    }
}

fn below(out: &mut String, text: &str, columns: usize) {
    for line in wrap(&escaped(text), columns.saturating_sub(INDENT.len() + 1)) {
        let _ = writeln!(out, "{INDENT}{line}");
    }
}
