//! Counts how the restrictions that the sessions reached ended, from the decision records that mailward logs.

use super::vocabulary::{Needs, WITHOUT, Word, words};
use mailward::restriction;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

/// Where the log of this process goes: only the records of decisions are kept.
#[derive(Clone, Debug, Default)]
pub struct Records(Arc<Mutex<Vec<String>>>);

/// How a restriction ended, in the order of the table's columns.
const OUTCOMES: [(char, &str); 4] =
    [('h', "hit"), ('m', "miss"), ('n', "not applicable"), ('t', "temporary")];

/// The counts.
#[derive(Debug, Default)]
pub struct Coverage(BTreeMap<&'static str, [usize; 4]>);

impl Records {
    /// Starts the log of this process.
    pub fn collect() -> Self {
        let records = Self::default();
        let log =
            tracing_subscriber::fmt().without_time().with_level(false).with_target(false).with_ansi(false);
        log.with_max_level(tracing::Level::DEBUG).with_writer(records.clone()).init();
        records
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl io::Write for Records {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(record) = line.strip_prefix(b"decision: ") {
            self.0.lock().unwrap().push(String::from_utf8_lossy(record).into_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Records {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Coverage {
    /// Counts what was logged since the last time.
    pub fn count(&mut self, records: &Records) {
        for record in records.take() {
            let record: Value = serde_json::from_str(&record).unwrap();
            for step in record["steps"].as_array().unwrap() {
                let name = step["rule"]["text"].as_str().unwrap().split(' ').next().unwrap();
                let name = restriction::find(name)
                    .map_or(if name.contains(':') { "" } else { name }, |kind| kind.name);
                let Some(word) = words().find(|word| word.name == name) else { continue };
                let outcome = outcome(word, step, &record["summary"]);
                let at = OUTCOMES.iter().position(|(letter, _)| *letter == outcome).unwrap();
                self.0.entry(word.name).or_default()[at] += 1;
            }
        }
    }

    /// The table restriction × outcome; `-` where a restriction cannot end so.
    pub fn table(&self) -> String {
        let mut out = format!("{:<48}", "");
        OUTCOMES.iter().for_each(|(_, title)| write!(out, "{title:>16}").unwrap());
        for word in words().filter(|word| word.is_known()) {
            write!(out, "\n{:<48}", word.name).unwrap();
            for (at, (letter, _)) in OUTCOMES.iter().enumerate() {
                let count = self.0.get(word.name).map_or(0, |counts| counts[at]);
                let can = word.outcomes.contains(*letter) || count > 0;
                write!(out, "{:>16}", if can { count.to_string() } else { "-".to_owned() }).unwrap();
            }
        }
        out
    }

    /// The cells that should have been filled: restriction and outcome.
    pub fn empty(&self) -> Vec<(&'static str, &'static str)> {
        let cells = words().filter(|word| word.is_known()).flat_map(|word| {
            let wanted =
                OUTCOMES.iter().enumerate().filter(|(_, (letter, _))| word.outcomes.contains(*letter));
            wanted.map(move |(at, (_, title))| (word, at, *title))
        });
        let empty = cells.filter(|(word, at, _)| self.0.get(word.name).is_none_or(|counts| counts[*at] == 0));
        empty.map(|(word, _, title)| (word.name, title)).collect()
    }
}

/// Restrictions that the generator neither has nor is excused from.
pub fn missing() -> Vec<&'static str> {
    let known = |name: &str| {
        words().any(|word| word.name == name) || WITHOUT.iter().any(|(without, _)| *without == name)
    };
    restriction::registry().map(|kind| kind.name).filter(|name| !known(name)).collect()
}

fn outcome(word: &Word, step: &Value, summary: &Value) -> char {
    let lookups = step["lookups"].as_array().unwrap();
    let temporary = lookups.iter().any(|looked| !looked["answer"]["temporary"].is_null());
    // Of the client's names the MTA tells how their search ended.
    let reason = step["reason"].as_str().unwrap_or_default();
    if temporary || word.outcomes.contains('t') && reason == "DNS did not answer" {
        return 't';
    }
    if step["outcome"]["said"] != "dunno" {
        return 'h';
    }
    let text = |name: &str| summary[name].as_str().unwrap_or_default();
    let absent = match word.needs {
        Needs::Nothing => false,
        Needs::ClientName | Needs::ReverseName => text("client").starts_with("unknown["),
        Needs::Helo => text("helo").is_empty(),
        Needs::Sender => text("sender").is_empty(),
        Needs::Recipient => text("recipient").is_empty(),
        Needs::Login => text("login").is_empty(),
    };
    if absent { 'n' } else { 'm' }
}
