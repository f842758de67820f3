//! `mailward postfix`: what has to do with the Postfix on this machine.

mod advice;
mod document;
mod expand;
mod held;
mod import;
mod lists;
mod main_cf;
mod page;
mod parameters;
mod policy;

use super::Failure;
use clap::Subcommand;
use std::io::Write;

/// Take over the restrictions of Postfix.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward postfix import -o mailward.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::Args),
}

/// Runs the command.
///
/// # Errors
/// What the command could not do.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.command {
        Command::Import(args) => import::run(args, out),
    }
}
