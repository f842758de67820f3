//! `mailward metrics`: the running daemon's metrics in Prometheus' text format.

use super::{Exit, Failure, configured, control, control::Unanswered};
use crate::{
    config::source::Source,
    server::control::{Answer, Request},
};
use clap::Args as ClapArgs;
use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The permissions of the file: node_exporter is another user, and nothing in it is secret.
const MODE: u32 = 0o644;

/// Print the running daemon's metrics in Prometheus' text format.
///
/// For node_exporter's textfile collector, from a timer; where Prometheus can
/// reach the machine itself, `listen` of [metrics] needs no timer.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward metrics
  mailward metrics -o /var/lib/prometheus/node-exporter/mailward.prom

Exit status 69 if the daemon does not answer: the file is then removed, so that
the metrics go missing instead of standing still.")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write this file, in one step, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the daemon does not answer, or the file cannot be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let text = fetch(args).inspect_err(|_| {
        if let Some(file) = &args.output {
            // One that is not there is as good.
            let _ = fs::remove_file(file);
        }
    })?;
    match &args.output {
        None => Ok(out.write_all(text.as_bytes())?),
        Some(file) => replace(file, &text, MODE)
            .map_err(|e| Failure::Says(Exit::InputOutput, format!("cannot write {}: {e}", file.display()))),
    }
}

fn fetch(args: &Args) -> Result<String, Failure> {
    let source = Source::find(args.config.as_deref());
    let config = configured::located(&source)?;
    let Some(path) = config.control_socket.located() else {
        let message = "control_socket is \"off\": nobody can be asked".to_owned();
        return Err(Failure::Says(Exit::Configuration, message));
    };
    let says = |what: Unanswered| format!("{what} ({})", path.display());
    match control::ask(&path, &Request::Metrics) {
        Ok(Answer::Metrics(text)) => Ok(text),
        Ok(Answer::Status(_) | Answer::Done | Answer::Error(_)) => {
            Err(Failure::Says(Exit::Unavailable, "the daemon is of another version".to_owned()))
        }
        Err(what) => Err(Failure::Says(Exit::Unavailable, says(what))),
    }
}

/// Replaces a file in one step: nobody reads half of it. A new one gets the permissions `mode`, as far as the umask lets it.
pub(super) fn replace(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = OsString::from(file);
    // node_exporter reads *.prom only, and a web server's index lists no page that is half written.
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
