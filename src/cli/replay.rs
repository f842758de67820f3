//! `mailward replay`: decide the recorded sessions again under another configuration, and say what would change.

pub(super) mod again;
mod tally;

use super::{
    Exit, Failure, ascii_json, columns, configured,
    span::span,
    why::{self, date},
};
use crate::{
    config::source::Source,
    journal::read::Reader,
    time::{Clock, SystemClock},
};
use again::Again;
use clap::Args as ClapArgs;
use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use tally::Tally;

/// Between two words on how far it is, in rows.
const PROGRESS: u64 = 200_000;

/// Decide the recorded sessions again under another configuration.
///
/// Says how many verdicts change, and which. Asks nobody: DNS, policy services
/// and the greylist answer as they did.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward replay --config /etc/mailward/mailward.toml.new --since 7d
  mailward replay --config new.toml --journal /var/lib/mailward/journal.db

Each command is decided by itself, after what came before it as it was
recorded. A verdict that depends on what is not recorded is counted apart, by
what is missing; what would meet the greylist only now counts as accepted.
Messages are not kept: what looks into them is told where it had nothing to say
and looks for the same now.")]
pub(super) struct Args {
    /// The configuration to try
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The journal; default: the one that the configuration names
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Only the last time, such as 7d
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Duration>,
    /// Print data as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A faulty configuration, no journal, or one that cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let source = Source::File(args.config.clone());
    let config = configured::read(&source)?;
    let Some(path) = args.journal.clone().or_else(|| config.journal.located().path) else {
        return Err(Failure::Says(Exit::Usage, "give --journal: the configuration keeps none".to_owned()));
    };
    let Some(reader) = Reader::open(&path)? else {
        return Err(Failure::Says(Exit::Unavailable, format!("there is no journal in {}", path.display())));
    };
    let since = why::since(args.since, SystemClock.now());
    let all = reader.rows()?;
    let (mut again, mut tally, mut seen) = (Again::new(&config, &reader)?, Tally::default(), 0_u64);
    let mut wrote: io::Result<()> = Ok(());
    reader.each(since, |row, record| {
        seen += 1;
        if seen.is_multiple_of(PROGRESS) {
            wrote = writeln!(err, "replay: {seen} of at most {all} rows");
        }
        match record {
            Some(record) => {
                let redone = again.decide(&row, &record);
                tally.add(&row, &redone);
            }
            None if row.is_message() => again.ended(&row),
            None => tally.unreadable(),
        }
        wrote.is_ok()
    })?;
    wrote?;
    if args.json {
        return Ok(ascii_json(&tally.json(), out)?);
    }
    let from =
        since.or(reader.begins()?).map_or(String::new(), |from| format!(" since {} UTC", date(from.0)));
    writeln!(out, "{source} on what was recorded{from}")?;
    Ok(tally.print(columns(), out)?)
}
