//! `mailward postfix`: what has to do with the Postfix on this machine.

mod advice;
mod attach;
mod document;
mod expand;
mod held;
pub(super) mod import;
pub(super) mod instance;
pub(super) mod lists;
mod main_cf;
pub(super) mod milters;
mod page;
mod parameters;
pub(super) mod policy;
pub(super) mod probe;

use super::Failure;
use clap::Subcommand;
use std::io::Write;

/// Attach mailward to Postfix, or take over Postfix's restrictions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward postfix attach --dry-run
  mailward postfix import -o mailward.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Attach(attach::Attach),
    Detach(attach::Detach),
    Import(import::Args),
    Status(attach::Status),
}

/// Runs the command.
///
/// # Errors
/// What the command could not do.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.command {
        Command::Attach(args) => attach::attach(args, out),
        Command::Detach(args) => attach::detach(args, out),
        Command::Import(args) => import::run(args, out),
        Command::Status(args) => attach::status(args, out),
    }
}
