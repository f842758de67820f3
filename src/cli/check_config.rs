//! `mailward check-config`: every fault of the configuration and its tables in one go.

use super::Exit;
use crate::config::{Loaded, diagnostic::Diagnostic, keys, source::Source};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Example:
  mailward check-config -c conf/mailward.toml

Exit code 0: no errors. 78: the configuration would be refused.";

/// Load the configuration and its tables and report all faults.
///
/// Without -c this checks /etc/mailward/mailward.toml, or the built-in policy where that file does not exist.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, after_long_help = long_help())]
pub(super) struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Exit with 78 on warnings too
    #[arg(long)]
    strict: bool,
    /// Print the faults as JSON
    #[arg(long)]
    json: bool,
}

fn long_help() -> String {
    format!("{EXAMPLE}\n\nThe keys of the configuration file with their defaults:\n\n{}", keys::manual())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    errors: usize,
    warnings: usize,
    faults: &'a [Diagnostic],
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> io::Result<Exit> {
    let source = Source::find(args.config.as_deref());
    let name = source.to_string();
    let Loaded { diagnostics, .. } = source.load();
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = diagnostics.len() - errors;
    if args.json {
        serde_json::to_writer_pretty(
            &mut *out,
            &Report { file: &name, errors, warnings, faults: &diagnostics },
        )?;
        writeln!(out)?;
    } else {
        for diagnostic in &diagnostics {
            write!(out, "{diagnostic}")?;
        }
        let summary = summary(errors, warnings);
        writeln!(out, "{}", if diagnostics.is_empty() { format!("{name}: no faults") } else { summary })?;
    }
    let refused = errors > 0 || (args.strict && warnings > 0);
    Ok(if refused { Exit::Configuration } else { Exit::Success })
}

/// `2 errors, 1 warning`.
fn summary(errors: usize, warnings: usize) -> String {
    let counts = [(errors, "error"), (warnings, "warning")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let parts = counts.map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }));
    parts.collect::<Vec<_>>().join(", ")
}
