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
    /// What stands in the file.
    rows: u64,
    known_clients: u64,
    exemptions: u64,
    unused: u64,
    faulty: u64,
    faults: Vec<String>,
    became: Became,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

/// What became of it: passed rows make known clients too.
#[derive(Debug, Default, Serialize)]
struct Became {
    rows: Merged,
    known_clients: Merged,
    exemptions: Merged,
}

/// A kind of record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Row,
    Known,
    Exemption,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Row, Self::Known, Self::Exemption];

    pub(super) fn of(record: &Record) -> Self {
        match record {
            Record::Row(_) => Self::Row,
            Record::Known(_) => Self::Known,
            Record::Exemption(_) => Self::Exemption,
        }
    }
}

impl Report {
    pub(super) fn new(from: Format, dry_run: bool) -> Self {
        Self {
            from: from.to_string(),
            dry_run,
            rows: 0,
            known_clients: 0,
            exemptions: 0,
            unused: 0,
            faulty: 0,
            faults: Vec::new(),
            became: Became::default(),
            stopped: None,
        }
    }

    /// Counts an entry of the file by its own record, which is the first.
    pub(super) fn count(&mut self, records: &[Record]) {
        match records.first().map(Kind::of) {
            Some(Kind::Row) => self.rows += 1,
            Some(Kind::Known) => self.known_clients += 1,
            Some(Kind::Exemption) => self.exemptions += 1,
            None => {}
        }
    }

    /// Counts what became of records of one kind.
    pub(super) fn merged(&mut self, kind: Kind, merged: Merged) {
        let all = match kind {
            Kind::Row => &mut self.became.rows,
            Kind::Known => &mut self.became.known_clients,
            Kind::Exemption => &mut self.became.exemptions,
        };
        *all = all.and(merged);
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
        let exemptions = self.exemptions;
        let Self { from, rows, known_clients, unused, faulty, became, .. } = self;
        let out = &mut context.out;
        let some = |count: u64, what| counted(usize::try_from(count).unwrap_or(usize::MAX), what);
        let (rows, known_clients) = (some(*rows, "row"), some(*known_clients, "known client"));
        let unused = if *unused == 1 { "1 entry".to_owned() } else { format!("{unused} entries") };
        // Only ours has them.
        let read = match exemptions {
            0 => format!("{rows} and {known_clients}"),
            count => format!("{rows}, {known_clients} and {}", some(count, "exemption")),
        };
        writeln!(out, "{from}: {read}, {unused} of no use, {faulty} faulty")?;
        if self.dry_run {
            let Became { rows, known_clients, exemptions: own } = became;
            let mut fresh =
                format!("{} and {}", some(rows.added, "row"), some(known_clients.added, "known client"));
            if exemptions > 0 {
                fresh = some(own.added, "exemption");
            }
            let old = rows.expired + known_clients.expired + own.expired;
            writeln!(out, "{fresh} would be taken over, {old} are too old; nothing was changed")?;
            return Ok(());
        }
        let kinds: &[_] = if exemptions > 0 {
            &[("exemptions", became.exemptions)]
        } else {
            &[("rows", became.rows), ("known clients", became.known_clients)]
        };
        for (what, merged) in kinds {
            let Merged { added, changed, same, expired } = merged;
            writeln!(
                out,
                "{what:<14} {added} new, {changed} improved, {same} changed nothing, \
                 {expired} too old"
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
        let Became { rows, known_clients, exemptions } = &report.became;
        let taken = rows.and(*known_clients).and(*exemptions);
        write!(err, "\r{read} entries read, {} records taken over", taken.added + taken.changed)?;
        err.flush()
    }

    /// Ends the line.
    pub(super) fn end(&mut self, err: &mut dyn Write) -> io::Result<()> {
        if self.shown { writeln!(err) } else { Ok(()) }
    }
}
