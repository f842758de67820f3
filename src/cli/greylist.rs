//! `mailward greylist`: look into the greylist and change it, whether the daemon runs or not: both write the same file.

use super::{Exit, Failure, columns};
use crate::{
    config::source::Source,
    greylist::Ages,
    smtp::text::escaped,
    store::{
        Entry, Exemption, ExemptionKind, Filter, GreylistStore, PURGE_STEP, Stats, StoreError,
        sqlite::SqliteStore,
    },
    time::{Clock, SystemClock, Timestamp, format_duration, parse_duration},
};
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};
use tokio::runtime;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Look into the greylist and change it.
///
/// Works while the daemon runs and while it does not.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward greylist list --recipient bob@example.org --waiting
  mailward greylist pass --sender news@example.net
  mailward greylist open bob@example.org 30m --reason 'waits for a code'")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List rows, the latest first
    #[command(after_help = "Example:\n  mailward greylist list --sender @example.net --waiting")]
    List {
        #[command(flatten)]
        which: Which,
        /// Only those that wait
        #[arg(long, conflicts_with = "passed")]
        waiting: bool,
        /// Only those that passed
        #[arg(long)]
        passed: bool,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// Show all that is known of an address, a domain (@example.net) or a client
    #[command(after_help = "Example:\n  mailward greylist show 192.0.2.1")]
    Show {
        /// A sender, a recipient, an IP address or a client's key such as 192.0.2.0/24
        what: String,
    },
    /// Let waiting mail pass at its next attempt
    #[command(after_help = "Example:\n  mailward greylist pass --sender news@example.net")]
    Pass {
        #[command(flatten)]
        which: Which,
    },
    /// Remove rows: such mail waits again
    #[command(after_help = "Example:\n  mailward greylist forget --client 192.0.2.0/24")]
    Forget {
        #[command(flatten)]
        which: Which,
    },
    /// Do not greylist a recipient for a while
    #[command(after_help = "Example:\n  mailward greylist open bob@example.org 30m")]
    Open {
        /// The recipient's address, or a domain
        address: String,
        /// For how long
        #[arg(value_name = "TIME", value_parser = parse_duration)]
        time: Duration,
        /// Why, for whoever looks later
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// What waits, what passed, and after how long
    #[command(after_help = "Example:\n  mailward greylist stats")]
    Stats,
    /// Remove now what has expired; the daemon does this by itself
    #[command(after_help = "Example:\n  mailward greylist purge")]
    Purge,
}

/// Which rows.
#[derive(Clone, Debug, ClapArgs)]
struct Which {
    /// Of this client: its last address, or its key
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// From this sender, or all of @DOMAIN; as `list` shows it
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// To this recipient, or all of @DOMAIN
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
}

impl Which {
    fn filter(&self) -> Filter {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        Filter {
            client: lower(&self.client),
            sender: lower(&self.sender),
            recipient: lower(&self.recipient),
            ..Filter::default()
        }
    }

    /// The filter of a command that changes rows: never all of them by oversight.
    fn some(&self) -> Result<Filter, Failure> {
        if self.client.is_none() && self.sender.is_none() && self.recipient.is_none() {
            let message = "say which: give --client, --sender or --recipient".to_owned();
            return Err(Failure::Says(Exit::Usage, message));
        }
        Ok(self.filter())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::Newer { .. } | StoreError::Foreign(_) => Exit::Configuration,
            StoreError::CannotOpen(..) | StoreError::Failed(..) => Exit::InputOutput,
            StoreError::Busy(_) => Exit::Unavailable,
        };
        Self::Says(exit, format!("the greylist: {error}"))
    }
}

/// Runs the command.
///
/// # Errors
/// A faulty configuration, a database that is not there or cannot be used.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let source = Source::find(args.config.as_deref());
    let Some(config) = source.load().config else {
        let message = format!("{source} has faults: see `mailward check-config`");
        return Err(Failure::Says(Exit::Configuration, message));
    };
    let settings = config.greylist.located();
    SqliteStore::check(&settings)?;
    // Made by us it might belong to root, and the daemon could not write it.
    if !settings.path.exists() {
        let path = settings.path.display();
        let message =
            format!("there is no greylist at {path}: `mailward run` makes it when a policy greylists");
        return Err(Failure::Says(Exit::Unavailable, message));
    }
    let clock = Arc::new(SystemClock);
    let store = SqliteStore::new(&settings, None, clock.clone());
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot start: {e}")))?;
    runtime.block_on(command(args, &store, config.settings.greylist.ages(), clock.now(), out))
}

async fn command(
    args: &Args,
    store: &SqliteStore,
    ages: Ages,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match &args.command {
        Command::List { which, waiting, passed, limit } => {
            let state = (*waiting || *passed).then_some(*passed);
            let filter = Filter { passed: state, limit: Some(*limit), ..which.filter() };
            list(&store.list(filter).await?, args.json, now, out)
        }
        Command::Show { what } => show(&found(store, what).await?, args.json, now, out),
        Command::Pass { which } => {
            let count = store.pass(which.some()?, now).await?;
            counted(count, "will pass", args.json, out)
        }
        Command::Forget { which } => {
            let count = store.forget(which.some()?).await?;
            counted(count, "forgotten", args.json, out)
        }
        Command::Open { address, time, reason } => {
            let exemption = exemption(address, *time, reason, now);
            store.exempt(exemption.clone()).await?;
            if args.json {
                return json(&exemption, out);
            }
            let until = exemption.until.unwrap_or(now).rfc5322();
            Ok(writeln!(out, "{} is open until {until}", escaped(&exemption.value))?)
        }
        Command::Stats => stats(&store.stats().await?, args.json, out),
        Command::Purge => {
            let mut all = 0;
            loop {
                let removed = store.purge(ages, now).await?;
                all += removed;
                if removed < PURGE_STEP {
                    return counted(all, "removed", args.json, out);
                }
            }
        }
    }
}

fn exemption(address: &str, time: Duration, reason: &str, now: Timestamp) -> Exemption {
    let until = now.0.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    Exemption {
        kind: ExemptionKind::Open,
        value: address.trim_start_matches('@').to_lowercase(),
        until: Some(Timestamp(until)),
        reason: reason.to_owned(),
        created: now,
    }
}

/// The rows in which something stands, in any of the three parts.
async fn found(store: &SqliteStore, what: &str) -> Result<Vec<Entry>, Failure> {
    let what = Some(what.to_lowercase());
    let mut rows: Vec<Entry> = Vec::new();
    for filter in [
        Filter { client: what.clone(), ..Filter::default() },
        Filter { sender: what.clone(), ..Filter::default() },
        Filter { recipient: what, ..Filter::default() },
    ] {
        for row in store.list(filter).await? {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(|e| Failure::from(std::io::Error::from(e)))?;
    Ok(writeln!(out)?)
}

fn counted(count: usize, what: &str, as_json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json(&serde_json::json!({ "rows": count }), out);
    }
    Ok(writeln!(out, "{count} {} {what}", if count == 1 { "row" } else { "rows" })?)
}

fn list(rows: &[Entry], as_json: bool, now: Timestamp, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json(&rows, out);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "no rows")?);
    }
    // What the three names have to share.
    let room = columns().saturating_sub(7 + 6 + 6);
    let widths = [room * 3 / 10, room * 35 / 100, room * 35 / 100];
    let head = ["CLIENT", "SENDER", "RECIPIENT"];
    line(out, "STATE", "LAST", "TRIES", head, widths)?;
    for row in rows {
        let state = if row.passed_at.is_some() { "passed" } else { "waits" };
        let tries = row.deferred.saturating_add(row.passed).to_string();
        let sender = if row.sender.is_empty() { "<>" } else { &row.sender };
        let names = [row.client.as_str(), sender, row.recipient.as_str()];
        line(out, state, &age(row.last_seen, now), &tries, names, widths)?;
    }
    Ok(())
}

fn line(
    out: &mut dyn Write,
    state: &str,
    age: &str,
    tries: &str,
    names: [&str; 3],
    widths: [usize; 3],
) -> Result<(), Failure> {
    let mut text = format!("{state:<7}{age:<6}{tries:<6}");
    for (name, width) in names.into_iter().zip(widths) {
        let shown = fit(&escaped(name), width.saturating_sub(1));
        let pad = width.saturating_sub(shown.width());
        text.push_str(&shown);
        text.extend(std::iter::repeat_n(' ', pad));
    }
    Ok(writeln!(out, "{}", text.trim_end())?)
}

/// A text in so many columns, its end replaced by `…` where it is longer.
fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

/// How long ago, in one unit.
fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(size, _)| seconds >= *size);
    unit.map_or_else(|| format!("{seconds}s"), |(size, unit)| format!("{}{unit}", seconds / size))
}

fn show(rows: &[Entry], as_json: bool, now: Timestamp, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json(&rows, out);
    }
    if rows.is_empty() {
        writeln!(out, "nothing is known of it")?;
    }
    for row in rows {
        let state = match row.passed_at {
            Some(at) => {
                let waited = u64::try_from(at.0.saturating_sub(row.first_seen.0)).unwrap_or(0);
                let waited = format_duration(Duration::from_secs(waited));
                format!("passed {} after {waited}", at.rfc5322())
            }
            None => format!("waits since {}", row.first_seen.rfc5322()),
        };
        let sender = escaped(&row.sender);
        writeln!(out, "{} from <{sender}> to <{}>", escaped(&row.client), escaped(&row.recipient))?;
        writeln!(out, "    {state}")?;
        let seen = age(row.last_seen, now);
        writeln!(out, "    last seen {seen} ago, deferred {} times, passed {}", row.deferred, row.passed)?;
        let name = row.last_name.as_deref().unwrap_or("unknown");
        let address = row.last_ip.as_deref().unwrap_or("unknown");
        writeln!(
            out,
            "    last from {}[{}], origin {}",
            escaped(name),
            escaped(address),
            escaped(&row.origin)
        )?;
    }
    Ok(())
}

fn stats(stats: &Stats, as_json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json(stats, out);
    }
    writeln!(out, "{:<16}{}", "waiting", stats.waiting)?;
    writeln!(out, "{:<16}{}", "passed", stats.passed)?;
    writeln!(out, "{:<16}{}", "known clients", stats.known_clients)?;
    writeln!(out, "{:<16}{}", "never returned", stats.never_returned)?;
    writeln!(out, "\nWhat passed had waited:")?;
    let all = stats.delays.iter().map(|(_, count)| count).sum::<u64>().max(1);
    for (at, (bound, count)) in stats.delays.iter().enumerate() {
        let label = if at + 1 < stats.delays.len() {
            format!("below {}", format_duration(Duration::from_secs(*bound)))
        } else {
            "longer".to_owned()
        };
        let bar = "#".repeat(usize::try_from(count * 40 / all).unwrap_or(0));
        writeln!(out, "{}", format!("  {label:<14}{count:>10}  {bar}").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_their_columns() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer than that", 6), "longe…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
    }

    #[test]
    fn ages_have_one_unit() {
        let cases =
            [(0, "0s"), (59, "59s"), (60, "1m"), (3_600, "1h"), (86_399, "23h"), (200_000, "2d"), (-5, "0s")];
        for (seconds, want) in cases {
            assert_eq!(age(Timestamp(0), Timestamp(seconds)), want);
        }
    }
}
