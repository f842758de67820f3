//! The command line: one file per command, here only what they share.

mod allow;
mod attach;
mod check_config;
mod configured;
mod control;
mod doctor;
mod explain;
mod greylist;
mod man;
pub mod message;
mod metrics;
mod parts;
mod postfix;
mod prepare;
mod probe;
mod replay;
mod report;
mod restrictions;
mod run;
mod scan;
mod span;
mod status;
mod why;

use crate::{
    sqlite::{self, Trouble},
    store::StoreError,
};
use clap::{Parser, Subcommand};
use rustix::{
    fs::{Access, access},
    io::Errno,
};
use std::{
    fmt::{Display, Write as _},
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// A mail filter (milter) for Postfix and Sendmail that explains every decision.
#[derive(Debug, Parser)]
#[command(name = "mailward", version, disable_help_subcommand = true, max_term_width = 80, after_help = EXAMPLE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "Example:\n  mailward check-config -c conf/mailward.toml";

#[derive(Debug, Subcommand)]
enum Command {
    Allow(allow::Args),
    Run(run::Args),
    CheckConfig(check_config::Args),
    Completions(man::Completions),
    Doctor(doctor::Args),
    Explain(explain::Args),
    Greylist(greylist::Args),
    Man(man::Args),
    Metrics(metrics::Args),
    Postfix(postfix::Args),
    Prepare(prepare::Args),
    Replay(replay::Args),
    Report(report::Args),
    Restrictions(restrictions::Args),
    Scan(scan::Args),
    Status(status::Args),
    Why(why::Args),
}

/// How a command ended: the codes of sysexits.h that mailward uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Success,
    /// 1, of a monitoring plugin: something is wrong, but mail is served.
    Warning,
    /// 2, of a monitoring plugin: mail is not served.
    Critical,
    /// 3, of a monitoring plugin: it could not be found out.
    Unknown,
    /// 1: `scan` found something banned.
    Found,
    /// 64, EX_USAGE: the command line is wrong.
    Usage,
    /// 65, EX_DATAERR: what was given gives nothing that works.
    Data,
    /// 69, EX_UNAVAILABLE: the system does not give what is needed.
    Unavailable,
    /// 73, EX_CANTCREAT: the socket cannot be bound.
    CannotCreate,
    /// 74, EX_IOERR: a file cannot be read, or output cannot be written.
    InputOutput,
    /// 75, EX_TEMPFAIL: what is needed is in use: later it works.
    Temporary,
    /// 78, EX_CONFIG: the configuration is refused.
    Configuration,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
            Self::Found => 1,
            Self::Usage => 64,
            Self::Data => 65,
            Self::Unavailable => 69,
            Self::CannotCreate => 73,
            Self::InputOutput => 74,
            Self::Temporary => 75,
            Self::Configuration => 78,
        }
    }
}

/// Why a command could not do its work.
enum Failure {
    /// What a person must know, and the code.
    Says(Exit, String),
    /// The greylist cannot be used; its commands say which file that is.
    Greylist(StoreError),
    /// The output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// A database that cannot be used; `what` is what people call it.
    fn database(what: impl Display, error: &sqlite::Error) -> Self {
        let exit = match error {
            sqlite::Error::Newer { .. } | sqlite::Error::Foreign(_) => Exit::Configuration,
            sqlite::Error::Older { .. } => Exit::Unavailable,
            sqlite::Error::Failed(Trouble::Locked, _) => Exit::Temporary,
            sqlite::Error::CannotOpen(..) | sqlite::Error::Failed(..) => Exit::InputOutput,
        };
        Self::Says(exit, format!("{what}: {error}"))
    }
}

/// Says what SQLite says less clearly: that whoever asks may not look into a file of the daemon's.
///
/// # Errors
/// When the file is there, or may be, and is not to be read by this user.
fn readable(what: &str, path: &Path) -> Result<(), Failure> {
    // Not opened: SQLite's locks in this process would end when it is closed.
    if access(path, Access::READ_OK) != Err(Errno::ACCESS) {
        return Ok(());
    }
    let path = path.display();
    let message =
        format!("{what} {path} cannot be read: permission denied: ask as root or as a member of its group");
    Err(Failure::Says(Exit::InputOutput, message))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    // Not locked: the log's thread writes to stderr too, as long as `run` serves.
    let exit = run(std::env::args_os(), &mut io::stdout(), &mut io::stderr());
    ExitCode::from(exit.code())
}

/// Runs the program: `arguments` begin with its own name, answers go to `out`, complaints to `err`.
pub fn run<A>(arguments: A, out: &mut dyn Write, err: &mut dyn Write) -> Exit
where
    A: IntoIterator,
    A::Item: Into<std::ffi::OsString> + Clone,
{
    let (written, exit) = match Cli::try_parse_from(arguments) {
        Ok(cli) => finish(dispatch(cli.command, out, err).and_then(|exit| out.flush().map(|()| exit))),
        Err(error) if error.use_stderr() => (write!(err, "{error}"), Exit::Usage),
        Err(help) => (write!(out, "{help}").and_then(|()| out.flush()), Exit::Success),
    };
    match written {
        Ok(()) => exit,
        // Whoever reads has enough, as with `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
        Err(error) => {
            // Nothing is left to do where complaints cannot be written either.
            let _ = writeln!(err, "mailward: the output cannot be written: {error}");
            Exit::InputOutput
        }
    }
}

/// A closed pipe cuts the output off, not the command's success.
fn finish(result: io::Result<Exit>) -> (io::Result<()>, Exit) {
    match result {
        Ok(exit) => (Ok(()), exit),
        Err(error) => (Err(error), Exit::Success),
    }
}

fn dispatch(command: Command, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    match command {
        // Unbuffered: what standard output does not take is no reason to fail at the end of the service.
        Command::Run(args) => ended(run::run(&args, out), err),
        Command::Allow(args) => buffered(out, |out| ended(allow::run(&args, out), err)),
        Command::CheckConfig(args) => buffered(out, |out| check_config::run(&args, out)),
        Command::Completions(args) => buffered(out, |out| ended(man::completions(&args, out), err)),
        Command::Doctor(args) => buffered(out, |out| doctor::run(&args, out)),
        Command::Explain(args) => buffered(out, |out| ended(explain::run(&args, out), err)),
        Command::Greylist(args) => buffered(out, |out| {
            let result = greylist::run(&args, out, err);
            ended(result, err)
        }),
        Command::Metrics(args) => buffered(out, |out| ended(metrics::run(&args, out), err)),
        Command::Postfix(args) => buffered(out, |out| ended(postfix::run(&args, out), err)),
        Command::Replay(args) => ended(replay::run(&args, out, err), err),
        Command::Report(args) => buffered(out, |out| {
            let result = report::run(&args, out, err);
            ended(result, err)
        }),
        Command::Scan(args) => buffered(out, |out| match scan::run(&args, out) {
            Ok(exit) => Ok(exit),
            Err(failure) => ended(Err(failure), err),
        }),
        Command::Man(args) => buffered(out, |out| ended(man::run(&args, out), err)),
        Command::Prepare(args) => buffered(out, |out| ended(prepare::run(&args, out), err)),
        Command::Restrictions(args) => buffered(out, |out| restrictions::run(&args, out, err)),
        Command::Status(args) => buffered(out, |out| status::run(&args, out)),
        Command::Why(args) => buffered(out, |out| ended(why::run(&args, out), err)),
    }
}

/// Makes many small writes few.
fn buffered(out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> io::Result<Exit>) -> io::Result<Exit> {
    let mut out = io::BufWriter::new(out);
    let exit = write(&mut out)?;
    out.flush()?;
    Ok(exit)
}

/// Says why a command failed.
fn ended(result: Result<(), Failure>, err: &mut dyn Write) -> io::Result<Exit> {
    match result {
        Ok(()) => Ok(Exit::Success),
        Err(Failure::Output(error)) => Err(error),
        Err(Failure::Says(exit, message)) => {
            writeln!(err, "mailward: {}", message.trim_end())?;
            Ok(exit)
        }
        Err(Failure::Greylist(error)) => {
            writeln!(err, "mailward: the greylist: {error}")?;
            Ok(Exit::InputOutput)
        }
    }
}

/// Data as JSON in ASCII: what a client wrote does nothing to a terminal, whatever it is.
fn ascii_json(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = ascii(&serde_json::to_string_pretty(value)?);
    writeln!(out, "{text}")
}

/// JSON without any byte that is not printable ASCII.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if c == '\n' || (c.is_ascii() && !c.is_ascii_control()) {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

/// The columns of the terminal that output goes to, within reason; 80 where it goes elsewhere.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.map_or(80, |size| usize::from(size.ws_col).clamp(60, 160))
}
