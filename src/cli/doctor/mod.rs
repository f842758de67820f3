//! `mailward doctor`: the whole installation, line by line, each problem with the way to mend it.
//!
//! What there is to know is gathered in [`look`]; the checks beside it are pure functions of that.

mod configuration;
mod daemon;
mod database;
mod dns;
mod finding;
mod look;
mod machine;
mod overlap;
mod postfix;
mod socket;
#[cfg(test)]
mod testing;

use super::{Exit, ascii_json, columns, configured::suggested};
use crate::config::source::Source;
use finding::{Finding, Level};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Check the whole installation, and say how to mend it.
///
/// Looks at the daemon, its configuration, its socket, Postfix, DNS and its lists,
/// the databases, the clock and the systemd unit; changes nothing. A probe is sent
/// through Postfix that only mailward can answer. Works without the daemon, without
/// Postfix, and as any user, who sees less than root.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward doctor
  mailward doctor --config-dir /etc/postfix --config-dir /etc/postfix-out --json

Exit status, as of a monitoring plugin:
  0  all is well, or worth a note
  1  warn: mail is filtered, but not as it should be
  2  FAIL: mail is not filtered, or a part of the policy does not work")]
pub(super) struct Args {
    /// mailward's configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The Postfix instance with this directory, and no other; may be given more than once
    #[arg(long, value_name = "DIR")]
    config_dir: Vec<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    level: Level,
    findings: &'a [Finding],
}

/// Runs the command.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> io::Result<Exit> {
    let findings = examine(args);
    let level = finding::worst(&findings);
    if args.json {
        ascii_json(&Report { level, findings: &findings }, out)?;
    } else {
        let columns = columns();
        findings.iter().try_for_each(|finding| finding.print(columns, out))?;
    }
    Ok(level.exit())
}

fn examine(args: &Args) -> Vec<Finding> {
    let source = Source::find(args.config.as_deref());
    let loaded = source.load();
    let config = loaded.config.as_ref();
    let found = look::daemon(config);
    let status = found.status();
    let unit = look::machine::unit();
    let installed = unit.as_ref().is_some_and(|unit| unit.enabled != "not-found" && !unit.enabled.is_empty());

    let run = (!installed).then(|| suggested("run", &source));
    let mut findings = daemon::check(&found, env!("CARGO_PKG_VERSION"), run.as_deref());
    findings.extend(configuration::check(&configuration::Facts {
        source: source.to_string(),
        check: suggested("check-config", &source),
        diagnostics: &loaded.diagnostics,
        digest: config.map(|config| &*config.digest),
        running: status.map(|status| &status.configuration),
    }));
    let socket = look::socket(config, status);
    findings.extend(socket::check(&socket));
    findings.extend(look::postfix::instances(&args.config_dir, &socket, &source, config));
    if let Some(config) = config {
        findings.extend(look::dns(&source, status));
        let files = look::database::files(config, status);
        findings.extend(files.iter().flat_map(database::check));
    }
    findings.extend(machine::clock(&look::machine::clock(config)));
    findings.extend(machine::unit(unit.as_ref(), status.is_some()));
    findings
}
