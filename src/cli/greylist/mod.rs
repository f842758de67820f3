//! `mailward greylist`: look into the greylist and change it, whether the daemon runs or not: both write the same file.

mod exemptions;
mod list;
mod show;
mod stats;
mod which;

use super::{Exit, Failure};
use crate::{
    config::source::Source,
    greylist::Ages,
    smtp::text::escaped,
    store::{Filter, GreylistStore, PURGE_STEP, StoreError, sqlite::SqliteStore},
    time::{Clock, SystemClock, Timestamp, parse_duration},
};
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};
use tokio::runtime;
use which::Which;

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
            list::list(&store.list(filter).await?, args.json, now, out)
        }
        Command::Show { what } => show::show(&show::found(store, what).await?, args.json, now, out),
        Command::Pass { which } => {
            let count = store.pass(which.some()?, now).await?;
            counted(count, "will pass", args.json, out)
        }
        Command::Forget { which } => {
            let count = store.forget(which.some()?).await?;
            counted(count, "forgotten", args.json, out)
        }
        Command::Open { address, time, reason } => {
            let exemption = exemptions::exemption(address, *time, reason, now);
            store.exempt(exemption.clone()).await?;
            if args.json {
                return json(&exemption, out);
            }
            let until = exemption.until.unwrap_or(now).rfc5322();
            Ok(writeln!(out, "{} is open until {until}", escaped(&exemption.value))?)
        }
        Command::Stats => stats::stats(&store.stats().await?, args.json, out),
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
