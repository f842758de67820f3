//! `mailward greylist`: look into the greylist and change it, whether the daemon runs or not: both write the same file.

mod addresses;
mod change;
mod exempted;
mod exemptions;
mod export;
mod file;
mod import;
mod known;
mod list;
mod show;
mod stats;
mod which;

use super::{Exit, Failure, ascii_json, configured};
use crate::{
    config::{
        settings::{self, Config},
        source::Source,
    },
    greylist::Settings,
    store::{StoreError, sqlite::SqliteStore},
    time::{Clock, SystemClock, Timestamp},
};
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::{io::Write, path::PathBuf, sync::Arc};
use tokio::runtime;

/// Look into the greylist and change it.
///
/// Works while the daemon runs and while it does not.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward greylist list --recipient bob@example.org --waiting
  mailward greylist pass --sender news@example.net
  mailward greylist open bob@example.org 30m --reason 'waits for a code'
  mailward greylist import postgrey /var/lib/postgrey")]
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
    List(list::Args),
    Show(show::Args),
    Pass(change::Pass),
    Forget(change::Forget),
    Open(exemptions::Open),
    OptOut(exemptions::OptOut),
    OptIn(exemptions::OptIn),
    Close(exemptions::Close),
    Exemptions(exemptions::Args),
    Stats(stats::Args),
    Import(import::Args),
    Export(export::Args),
    Purge(change::Purge),
}

/// What a command works with.
struct Context<'a> {
    store: &'a SqliteStore,
    settings: &'a Settings,
    now: Timestamp,
    json: bool,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Greylist(error)
    }
}

/// Runs the command.
///
/// # Errors
/// A faulty configuration, a database that is not there or cannot be used, and what the command could not do.
pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let source = Source::find(args.config.as_deref());
    let config = configured::located(&source)?;
    let file = config.greylist.located();
    let done =
        file::ready(&config, &file, &args.command, err).and_then(|()| work(args, &config, &file, out, err));
    done.map_err(|failure| file::fault(&file.path, failure))
}

/// Works on a file that is ready for it.
fn work(
    args: &Args,
    config: &Config,
    file: &settings::Greylist,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let clock = Arc::new(SystemClock);
    let store = SqliteStore::beside_a_server(file, clock.clone());
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot start: {e}")))?;
    let settings = &config.settings.greylist;
    let mut context = Context { store: &store, settings, now: clock.now(), json: args.json, out, err };
    runtime.block_on(command(&args.command, &mut context))
}

async fn command(command: &Command, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Pass(args) => change::pass(args, context).await,
        Command::Forget(args) => change::forget(args, context).await,
        Command::Open(args) => exemptions::open(args, context).await,
        Command::OptOut(args) => exemptions::opt_out(args, context).await,
        Command::OptIn(args) => exemptions::opt_in(args, context).await,
        Command::Close(args) => exemptions::close(args, context).await,
        Command::Exemptions(args) => exemptions::run(args, context).await,
        Command::Stats(args) => stats::run(args, context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::Export(args) => export::run(args, context).await,
        Command::Purge(args) => change::purge(args, context).await,
    }
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    Ok(ascii_json(value, out)?)
}

/// `3 rows`, `1 row`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
