//! `mailward why`: what happened to the mail of an address, a domain, a client, and what to do about it.

mod admitted;
mod advice;
mod letter;
mod steps;
mod story;
mod text;
mod unanswered;

use super::{Exit, Failure, ascii_json, columns, configured, span::span};
use crate::{
    config::{
        settings::Config,
        source::{Source, allow_file},
    },
    journal::{
        Row,
        read::{Query, Reader},
        stored::Stored,
    },
    sqlite,
    time::{Clock, SystemClock, Timestamp},
};
use admitted::Admitted;
pub(super) use advice::admission;
use clap::{Args as ClapArgs, value_parser};
use serde_json::json;
use std::{
    borrow::Cow,
    collections::HashSet,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use story::{Chapter, End};
pub(super) use text::date;

/// Rows of which a story is told at most: those of some hundred messages.
const ROWS: usize = 2_000;
/// Mails that waited, of which the other attempts are looked up.
const WAITING: usize = 20;

/// Tell what happened to mail, and why.
///
/// Reads the journal, whether the daemon runs or not.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward why billing.example
  mailward why 192.0.2.0/24 --since 2d
  mailward why 4dZ1TJ2Pz3z
  mailward why invoices@billing.example --for-sender

WHAT is a mail address, a domain, an IP address or network, a host name, a
login, a queue id, or the id= of a log line, which prints every step of that
decision.")]
pub(super) struct Args {
    /// What to ask about
    what: String,
    /// Configuration file, which names the journal
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only the last time, such as 7d
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Duration>,
    /// At most so many deliveries, the latest
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = value_parser!(u64).range(1..))]
    limit: u64,
    /// Print a text that can be sent to the other side
    #[arg(long, conflicts_with = "json")]
    for_sender: bool,
    /// Print data as JSON
    #[arg(long)]
    json: bool,
}

impl From<sqlite::Error> for Failure {
    fn from(error: sqlite::Error) -> Self {
        Self::database("the journal", &error)
    }
}

/// Runs the command.
///
/// # Errors
/// Without a journal, when it cannot be read, or when there is no mail to write to its sender about.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.what.trim_matches(|c: char| c.is_whitespace() || "<>[]@.".contains(c)).is_empty() {
        let message = "say what to ask about, such as an address or a domain: see `mailward why --help`";
        return Err(Failure::Says(Exit::Usage, message.to_owned()));
    }
    let (reader, path) = open(args.config.as_deref())?;
    let now = SystemClock.now();
    let since = since(args.since, now);
    let meanings = Query::meanings(&args.what);
    if let Some(Query::Id(name)) = meanings.first()
        && let Some((row, record)) = reader.decision(name)?
    {
        return one(&reader, &row, &record, args.json, out);
    }
    let mut found = Vec::new();
    for meaning in &meanings {
        found = reader.find(meaning, since, ROWS)?;
        if !found.is_empty() {
            break;
        }
    }
    let rows = whole(&reader, found)?;
    let mut chapters = story::tell(&rows);
    unanswered::note(&mut chapters, &rows, &reader)?;
    Admitted::read(&allow_file()).note(&mut chapters, now);
    let begins = reader.begins()?;
    let is_id = matches!(meanings.first(), Some(Query::Id(_) | Query::Queue(_)));
    let nothing = || text::nothing(&args.what, is_id, since, begins, columns());
    if args.for_sender {
        if chapters.is_empty() {
            return Err(Failure::Says(Exit::Data, nothing()));
        }
        return Ok(out.write_all(letter::letter(&chapters).as_bytes())?);
    }
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let chapters = chapters.split_off(chapters.len().saturating_sub(limit));
    if args.json {
        let value = json!({ "what": args.what, "since": since, "journal_begins": begins,
            "journal": path, "deliveries": advice::with(&chapters) });
        return Ok(ascii_json(&value, out)?);
    }
    let told = match chapters.is_empty() {
        true => nothing(),
        false => text::timeline(&chapters, begins, columns()),
    };
    Ok(out.write_all(told.as_bytes())?)
}

/// The journal of a configuration, and its path.
pub(super) fn open(config: Option<&Path>) -> Result<(Reader, PathBuf), Failure> {
    let (source, config) = configuration(config)?;
    journal(&source, &config)
}

/// The configuration, which names the journal.
pub(super) fn configuration(file: Option<&Path>) -> Result<(Source, Config), Failure> {
    let source = Source::find(file);
    let config = configured::read(&source)?;
    Ok((source, config))
}

/// Its journal, and the path.
pub(super) fn journal(source: &Source, config: &Config) -> Result<(Reader, PathBuf), Failure> {
    let Some(path) = config.journal.located().path else {
        let message = format!("{source} keeps no journal: [journal] path is empty");
        return Err(Failure::Says(Exit::Unavailable, message));
    };
    match Reader::open(&path)? {
        Some(reader) => Ok((reader, path)),
        None => {
            let message = format!("there is no journal yet in {}", path.display());
            Err(Failure::Says(Exit::Unavailable, message))
        }
    }
}

/// The time that lies so far back.
pub(super) fn since(back: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
    let seconds = i64::try_from(back?.as_secs()).unwrap_or(i64::MAX);
    Some(Timestamp(now.0.saturating_sub(seconds)))
}

/// The rows with all others of their messages, and with what came back of what had to wait; in the order of writing.
fn whole(reader: &Reader, found: Vec<Row<'static>>) -> Result<Vec<Row<'static>>, Failure> {
    let names: HashSet<String> =
        found.iter().filter_map(|row| row.message.as_ref()).map(|name| name.clone().into_owned()).collect();
    let mut rows = reader.messages(&names.into_iter().collect::<Vec<_>>())?;
    rows.extend(found.into_iter().filter(|row| row.message.is_none()));
    rows.sort_unstable_by_key(|row| row.id);
    let waits = |chapter: &Chapter| chapter.end == End::Waits;
    let told = story::tell(&rows);
    let began = told
        .iter()
        .rev()
        .filter(|chapter| waits(chapter))
        .map(|chapter| (chapter.time, &chapter.sender, &chapter.recipient));
    let began: Vec<_> = began.take(WAITING).map(|(time, s, r)| (time, s.clone(), r.clone())).collect();
    // And where the wait of one that came back began.
    let back = rows.iter().rev().filter_map(|row| {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let began = row.time.saturating_sub(row.waited?);
        Some((began, owned(&row.sender), owned(&row.recipient)))
    });
    let mut related = Vec::new();
    for (time, sender, recipient) in began.into_iter().chain(back.take(WAITING)) {
        let (Some(sender), Some(recipient)) = (sender, recipient) else { continue };
        let who = if sender.is_empty() { &recipient } else { &sender };
        let same = |text: &Option<Cow<'_, str>>, want: &str| {
            text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(want))
        };
        let near = reader.find(&Query::Mailbox(who.to_lowercase()), Some(Timestamp(time)), ROWS)?;
        let near =
            near.into_iter().filter(|row| same(&row.sender, &sender) && same(&row.recipient, &recipient));
        related.extend(near.filter_map(|row| row.message).map(Cow::into_owned));
    }
    related.sort_unstable();
    related.dedup();
    rows.extend(reader.messages(&related)?);
    rows.sort_unstable_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    Ok(rows)
}

/// Every step of one decision.
fn one(
    reader: &Reader,
    row: &Row<'_>,
    record: &Stored,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let entries = reader.entries()?;
    if as_json {
        let value = steps::steps_json(row, record, &entries);
        return Ok(ascii_json(&value, out)?);
    }
    Ok(out.write_all(steps::steps(row, record, &entries, columns()).as_bytes())?)
}
