//! What changes under another configuration: counted, by the rule that makes the difference, with samples.

use super::again::Redone;
use crate::{
    decision::Verdict,
    journal::Row,
    smtp::text::{escaped, wrap},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

/// Where the words about a rule begin.
const INDENT: usize = 11;
/// Samples of each rule.
const SAMPLES: usize = 3;
/// Rules that are told apart.
const RULES: usize = 500;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    decisions: u64,
    same: u64,
    untold: u64,
    /// What was missing for those, and for how many.
    missing: BTreeMap<String, u64>,
    unreadable: u64,
    groups: BTreeMap<(Change, String), Group>,
}

/// How a verdict changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    NewlyRefused,
    NewlyAccepted,
    OtherwiseRefused,
}

impl Change {
    const ALL: [Self; 3] = [Self::NewlyRefused, Self::NewlyAccepted, Self::OtherwiseRefused];

    fn words(self) -> &'static str {
        match self {
            Self::NewlyRefused => "newly refused",
            Self::NewlyAccepted => "newly accepted",
            Self::OtherwiseRefused => "refused otherwise",
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Group {
    count: u64,
    samples: Vec<Sample>,
}

#[derive(Debug, Serialize)]
struct Sample {
    id: String,
    client: String,
    sender: Option<String>,
    recipient: Option<String>,
    before: Option<String>,
    now: Option<String>,
    greylisted_first: bool,
}

impl Tally {
    /// A recorded decision and what becomes of it.
    pub(super) fn add(&mut self, row: &Row<'_>, redone: &Redone) {
        self.decisions += 1;
        if !redone.untold.is_empty() {
            self.untold += 1;
            self.miss(&redone.untold);
            return;
        }
        if redone.is_as_recorded {
            self.same += 1;
            return;
        }
        let verdict = redone.decision.as_ref().map_or(&Verdict::Pass, |decision| &decision.verdict);
        let (word, reply) = match verdict {
            Verdict::Pass => ("permit", None),
            Verdict::Discard(_) => ("discard", None),
            Verdict::Reply(reply) if reply.code.class() == 4 => ("defer", Some(reply.to_string())),
            Verdict::Reply(reply) => ("reject", Some(reply.to_string())),
        };
        let before = row.reply.as_deref().filter(|_| matches!(row.verdict.as_ref(), "defer" | "reject"));
        if word == row.verdict && (reply.as_deref() == before) {
            self.same += 1;
            return;
        }
        let rule = redone.decision.as_ref().and_then(|decision| decision.rule.as_ref());
        let now = rule.map(|rule| format!("{} ({})", rule.written.text, rule.written.origin));
        let then =
            row.entry.as_ref().zip(row.place.as_ref()).map(|(entry, place)| format!("{entry} ({place})"));
        let (change, rule) = match (row.verdict == "permit", word == "permit") {
            (true, _) => (Change::NewlyRefused, now),
            (false, true) => (Change::NewlyAccepted, then),
            (false, false) => (Change::OtherwiseRefused, now),
        };
        let mut key = (change, rule.unwrap_or_else(|| "the end of the lists".to_owned()));
        if self.groups.len() >= RULES && !self.groups.contains_key(&key) {
            key.1 = "other rules".to_owned();
        }
        let group = self.groups.entry(key).or_default();
        group.count += 1;
        if group.samples.len() < SAMPLES {
            let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
            let name = text(&row.client_name).unwrap_or_default();
            group.samples.push(Sample {
                id: row.decision.clone().into_owned(),
                client: format!("{name}[{}]", row.client.as_deref().unwrap_or("unknown")),
                sender: text(&row.sender),
                recipient: text(&row.recipient),
                before: before.map(str::to_owned),
                now: reply,
                greylisted_first: redone.greylists,
            });
        }
    }

    /// Notes what is missing; questions by their kind, since each is asked about another name.
    fn miss(&mut self, untold: &[String]) {
        let kind = |what: &String| match what.split_once(' ') {
            Some((kind, _)) if kind.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                format!("answers to {kind}")
            }
            Some(_) | None => what.clone(),
        };
        let kinds: BTreeSet<String> = untold.iter().map(kind).collect();
        for kind in kinds {
            let is_known = self.missing.contains_key(&kind) || self.missing.len() < RULES;
            let kind = if is_known { kind } else { "other things".to_owned() };
            *self.missing.entry(kind).or_default() += 1;
        }
    }

    /// A decision whose record cannot be read.
    pub(super) fn unreadable(&mut self) {
        self.decisions += 1;
        self.unreadable += 1;
    }

    fn count(&self, change: Change) -> u64 {
        self.groups.iter().filter(|((kind, _), _)| *kind == change).map(|(_, group)| group.count).sum()
    }

    /// The sums, then the rules with their samples.
    pub(super) fn print(&self, columns: usize, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:>9}  decisions", self.decisions)?;
        writeln!(out, "{:>9}  the same", self.same)?;
        for change in Change::ALL {
            writeln!(out, "{:>9}  {}", self.count(change), change.words())?;
        }
        writeln!(out, "{:>9}  cannot be told: something is not recorded", self.untold)?;
        if self.unreadable > 0 {
            writeln!(out, "{:>9}  cannot be read", self.unreadable)?;
        }
        if !self.missing.is_empty() {
            writeln!(out, "\nnot recorded:")?;
        }
        for (what, count) in &self.missing {
            counted(*count, what, columns, out)?;
        }
        let mut last = None;
        for ((change, rule), group) in &self.groups {
            if last != Some(change) {
                writeln!(out, "\n{}:", change.words())?;
                last = Some(change);
            }
            counted(group.count, rule, columns, out)?;
            for sample in &group.samples {
                sample.print(columns, out)?;
            }
        }
        Ok(())
    }

    /// The same as data.
    pub(super) fn json(&self) -> Value {
        let group = |((change, rule), group): (&(Change, String), &Group)| json!({ "change": change, "rule": rule, "count": group.count, "samples": group.samples });
        json!({
            "decisions": self.decisions,
            "same": self.same,
            "newly_refused": self.count(Change::NewlyRefused),
            "newly_accepted": self.count(Change::NewlyAccepted),
            "refused_otherwise": self.count(Change::OtherwiseRefused),
            "cannot_be_told": self.untold,
            "not_recorded": self.missing,
            "cannot_be_read": self.unreadable,
            "changes": self.groups.iter().map(group).collect::<Vec<_>>(),
        })
    }
}

impl Sample {
    fn print(&self, columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let path = |text: &Option<String>| {
            text.as_deref().map_or_else(|| "-".to_owned(), |text| format!("<{}>", escaped(text)))
        };
        let client = escaped(&self.client);
        paragraph(
            "",
            &format!("{client} {} -> {}", path(&self.sender), path(&self.recipient)),
            columns,
            out,
        )?;
        let replies = [("was: ", &self.before), ("now: ", &self.now)];
        for (when, reply) in replies.iter().filter_map(|(when, reply)| Some((when, reply.as_ref()?))) {
            paragraph(when, &escaped(reply), columns, out)?;
        }
        if self.greylisted_first {
            paragraph("now: ", "greylisted first", columns, out)?;
        }
        paragraph("id ", &escaped(&self.id), columns, out)
    }
}

/// A count and what it counts.
fn counted(count: u64, what: &str, columns: usize, out: &mut dyn Write) -> io::Result<()> {
    for (number, line) in wrap(&escaped(what), columns.saturating_sub(INDENT)).iter().enumerate() {
        let count = if number == 0 { count.to_string() } else { String::new() };
        writeln!(out, "{count:>9}  {line}")?;
    }
    Ok(())
}

/// A text below a rule, its lines below one another.
fn paragraph(word: &str, text: &str, columns: usize, out: &mut dyn Write) -> io::Result<()> {
    let lines = wrap(text, columns.saturating_sub(INDENT + word.len()));
    for (number, line) in lines.iter().enumerate() {
        let word = if number == 0 { word } else { &" ".repeat(word.len()) };
        writeln!(out, "{:INDENT$}{word}{line}", "")?;
    }
    Ok(())
}
