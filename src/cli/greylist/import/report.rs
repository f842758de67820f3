//! What an import says: its counts, its first faults, and on a terminal how far it is.

use super::Format;
use crate::{
    cli::{
        Failure,
        greylist::{Context, counted, json},
    },
    smtp::text::escaped,
    store::{Merged, Record},
};
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};
use tokio::time::Instant;

/// How many faults are shown.
const FAULTS: usize = 10;

/// What was read, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    from: String,
    dry_run: bool,
    rows: u64,
    known_clients: u64,
    exemptions: u64,
    #[serde(flatten)]
    merged: Merged,
    unused: u64,
    faulty: u64,
    faults: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

impl Report {
    pub(super) fn new(from: Format, dry_run: bool) -> Self {
        Self {
            from: from.to_string(),
            dry_run,
            rows: 0,
            known_clients: 0,
            exemptions: 0,
            merged: Merged::default(),
            unused: 0,
            faulty: 0,
            faults: Vec::new(),
            stopped: None,
        }
    }

    /// Counts records that were read.
    pub(super) fn count(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Row(_) => self.rows += 1,
                Record::Known(_) => self.known_clients += 1,
                Record::Exemption(_) => self.exemptions += 1,
            }
        }
    }

    /// Counts what became of records.
    pub(super) fn merged(&mut self, merged: Merged) {
        self.merged = self.merged.and(merged);
    }

    /// Counts an entry without use.
    pub(super) fn unused(&mut self) {
        self.unused += 1;
    }

    /// Counts an entry that cannot be understood.
    pub(super) fn fault(&mut self, place: &str, why: &str) {
        self.faulty += 1;
        if self.faults.len() < FAULTS {
            self.faults.push(format!("{}: {}", escaped(place), escaped(why)));
        }
    }

    /// Whether there were entries, and none could be used.
    pub(super) fn is_useless(&self) -> bool {
        self.rows + self.known_clients + self.exemptions + self.unused == 0
    }

    /// Prints it: the counts as the answer, the faults as complaints.
    pub(super) fn print(&mut self, stopped: Option<&str>, context: &mut Context<'_>) -> Result<(), Failure> {
        self.stopped = stopped.map(|why| escaped(why).into_owned());
        for fault in &self.faults {
            writeln!(context.err, "mailward: {fault}")?;
        }
        let hidden = self.faulty - u64::try_from(self.faults.len()).unwrap_or(self.faulty);
        if hidden > 0 {
            writeln!(context.err, "mailward: and {hidden} more that could not be read")?;
        }
        if context.json {
            return json(self, context.out);
        }
        let Merged { added, changed, same, expired } = self.merged;
        let Self { from, rows, known_clients, exemptions, unused, faulty, .. } = self;
        let out = &mut context.out;
        let some = |count: u64, what| counted(usize::try_from(count).unwrap_or(usize::MAX), what);
        let (rows, known_clients) = (some(*rows, "row"), some(*known_clients, "known client"));
        let unused = if *unused == 1 { "1 entry".to_owned() } else { format!("{unused} entries") };
        // Only ours has them.
        let read = match exemptions {
            0 => format!("{rows} and {known_clients}"),
            count => format!("{rows}, {known_clients} and {}", some(*count, "exemption")),
        };
        writeln!(out, "{from}: {read}, {unused} of no use, {faulty} faulty")?;
        if self.dry_run {
            writeln!(out, "{added} of them would be taken over, {expired} are too old; nothing was changed")?;
        } else {
            writeln!(
                out,
                "{added} new, {changed} better than what was there, {same} changed nothing, {expired} too old"
            )?;
        }
        Ok(())
    }
}

/// From when on a person wants to know how far it is.
const LONG: Duration = Duration::from_secs(2);
/// How often it is said.
const OFTEN: Duration = Duration::from_millis(500);

/// How far it is, on a terminal.
pub(super) struct Progress {
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { next: io::stderr().is_terminal().then(|| Instant::now() + LONG), shown: false }
    }

    /// Says how far it is, where that is wanted and due.
    pub(super) fn show(&mut self, report: &Report, err: &mut dyn Write) -> io::Result<()> {
        let Some(next) = self.next.filter(|next| Instant::now() >= *next) else { return Ok(()) };
        self.next = Some(next + OFTEN);
        self.shown = true;
        let read = report.rows + report.known_clients + report.exemptions;
        write!(err, "\r{read} entries read, {} taken over", report.merged.added + report.merged.changed)?;
        err.flush()
    }

    /// Ends the line.
    pub(super) fn end(&mut self, err: &mut dyn Write) -> io::Result<()> {
        if self.shown { writeln!(err) } else { Ok(()) }
    }
}
