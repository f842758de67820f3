//! `mailward report`: what came in, what was refused by what, what waited and came back; in the terminal, as one HTML
//! page, or as JSON, all from the same figures.

mod figures;
mod health;
mod html;
mod tally;
mod text;
mod words;

use super::{
    Exit, Failure, ascii_json, columns, control,
    control::Unanswered,
    metrics::replace,
    span::span,
    why::{self, since},
};
use crate::{
    config::settings::{Config, Mode},
    journal::read::Reader,
    server::{
        control::{Answer, Request},
        status::Status,
    },
    time::{Clock, SystemClock, Timestamp},
};
use clap::Args as ClapArgs;
use figures::{Period, Report};
use health::{Light, State};
use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};
use tally::Tally;

/// Between two words on how far it is, in rows.
const PROGRESS: u64 = 50_000;
/// The permissions of a page, as far as the umask lets it: it names senders and recipients.
const MODE: u32 = 0o640;

/// Report what came in, what was refused by which entry, and what waited.
///
/// Counts attempts to deliver to one recipient: each RCPT TO is one, and each
/// refusal before it. In observe mode it tells what would have happened. Reads
/// the journal, whether the daemon runs or not.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward report
  mailward report --since 7d --html /var/www/html/mail.html
  mailward report --json | jq .funnel

The page needs nothing but itself: no script, and nothing is fetched. Times are
UTC. A million decisions take some 60 MB of memory: 4000 networks and as many
refused senders are told apart, beyond that the most frequent ones, and a page
shows the first rows of each table.")]
pub(super) struct Args {
    /// Configuration file, which names the journal
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The time to report on
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1d")]
    since: Duration,
    /// Write a page to FILE instead; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Without a journal, when it cannot be read, or the page cannot be written.
pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let (source, config) = why::configuration(args.config.as_deref())?;
    let (reader, _) = why::journal(&source, &config)?;
    let now = SystemClock.now();
    let from = since(Some(args.since), now).map_or(0, |from| from.0);
    let period = Period { from, to: now.0, journal_begins: reader.begins()?.map(|begins| begins.0) };
    let mut report = read(&reader, period, err)?;
    report.host = host();
    report.mode.observes_now = config.mode == Mode::Observe;
    report.health = health::lights(&ask(&config), reader.newest()?.map(|newest| newest.0), now.0);
    for wrong in report.contradictions() {
        let says = format!("a bug, the report does not add up: {wrong}");
        report.health.insert(0, Light { name: "sums", state: State::Bad, says });
    }
    if args.json {
        return Ok(ascii_json(&report, out)?);
    }
    let Some(file) = &args.html else {
        let coloured =
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        return Ok(out.write_all(text::write(&report, columns(), coloured).as_bytes())?);
    };
    let page = html::write(&report);
    if file.as_os_str() == "-" {
        return Ok(out.write_all(page.as_bytes())?);
    }
    replace(file, &page, MODE)
        .map_err(|e| Failure::Says(Exit::CannotCreate, format!("cannot write {}: {e}", file.display())))?;
    Ok(writeln!(out, "wrote {}, {} kB", file.display(), page.len().div_ceil(1_000))?)
}

/// The figures of a period; says on a terminal how far it is.
fn read(reader: &Reader, period: Period, err: &mut dyn Write) -> Result<Report, Failure> {
    let entries = reader.entries()?;
    let all = reader.rows()?;
    let shown = io::stderr().is_terminal();
    let (mut tally, mut seen) = (Tally::new(period, &entries), 0_u64);
    let mut wrote: io::Result<()> = Ok(());
    reader.scan(Timestamp(period.from), |row, brief| {
        tally.add(row, brief);
        seen += 1;
        if shown && seen.is_multiple_of(PROGRESS) {
            wrote = write!(err, "\rreport: {seen} of at most {all} rows").and_then(|()| err.flush());
        }
        wrote.is_ok()
    })?;
    wrote?;
    if shown && seen >= PROGRESS {
        write!(err, "\r{:60}\r", "")?;
    }
    Ok(tally.finish())
}

/// What the daemon says about itself.
fn ask(config: &Config) -> Result<Status, Unanswered> {
    let Some(path) = config.control_socket.located() else {
        return Err(Unanswered::Says("control_socket is \"off\": it cannot be asked".to_owned()));
    };
    match control::ask(&path, &Request::Status)? {
        Answer::Status(status) => Ok(*status),
        Answer::Done | Answer::Metrics(_) | Answer::Error(_) => {
            Err(Unanswered::Says("the daemon is of another version".to_owned()))
        }
    }
}

/// The machine's name; nothing where it is not told.
fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
