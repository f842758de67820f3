//! `mailward allow`: exemptions, made and removed whether the daemon runs or not. It is told, so that they are in force at
//! once.

use super::{Exit, Failure, control, readable, span::span};
use crate::{
    allow::{self, Kind},
    config::source::{Source, allow_file},
    server::control::Request,
    smtp::text::{escaped, wrap},
    sqlite,
    store::allow::{AllowFile, Allowed},
    time::{Clock, SystemClock, Timestamp},
};
use clap::{Args as ClapArgs, Subcommand};
use std::{env, io::Write, path::PathBuf, time::Duration};

/// How long another command or the daemon may hold the file.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest reason, in bytes.
const REASON_LIMIT: usize = 1_000;

/// Let in whom the lists would refuse, and see who is.
///
/// An exemption answers like a `permit` at the head of the lists client, helo,
/// sender, recipient and data: nothing in them is asked, no greylist either. The
/// list end_of_data, which looks into messages, runs all the same; and what the
/// MTA itself refuses stays refused. Every trace and log line names the exemption.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward allow add client 192.0.2.1 --reason 'partner' --expires 30d
  mailward allow add domain example.org --reason 'ticket 4711'
  mailward allow list --unused 180d
  mailward allow remove 12

KIND is
  client     the client's address
  network    the client's network, such as 192.0.2.0/24
  domain     clients whose verified name is this domain or below it
  sender     the envelope sender: an address, or @DOMAIN for all of a domain.
             Anybody can forge it: prefer one of the three above
  recipient  the recipient: an address, or @DOMAIN for all of a domain")]
pub(super) struct Args {
    /// Configuration file: where the daemon's control socket is
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
    /// Add an exemption, or give one that is there another reason and end
    #[command(after_help = "Example:\n  mailward allow add client 192.0.2.1 --reason partner --expires 30d")]
    Add {
        /// client, network, domain, sender or recipient
        #[arg(value_parser = kind)]
        kind: Kind,
        /// Whom
        value: String,
        /// Why, for whoever looks later
        #[arg(long, default_value = "")]
        reason: String,
        /// For how long, such as 12h or 30d; without it for good
        #[arg(long, value_name = "TIME", value_parser = span)]
        expires: Option<Duration>,
        /// Who wants it; by default who called sudo, or the login name
        #[arg(long)]
        author: Option<String>,
    },
    /// List the exemptions, with how often they were used
    #[command(after_help = "Example:\n  mailward allow list --unused 180d")]
    List {
        /// Only those that nobody needed for so long
        #[arg(long, value_name = "TIME", value_parser = span)]
        unused: Option<Duration>,
    },
    /// Remove an exemption by its number, or by kind and value
    #[command(after_help = "Examples:\n  mailward allow remove 12\n  mailward allow remove client 192.0.2.1")]
    Remove {
        /// The number, or kind and value
        #[arg(required = true, num_args = 1..=2, value_names = ["NUMBER|KIND", "VALUE"])]
        which: Vec<String>,
    },
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).ok_or_else(|| "write client, network, domain, sender or recipient".to_owned())
}

/// Runs the command.
///
/// # Errors
/// A value that names nobody, a file that cannot be used, an exemption that is not there.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let path = allow_file();
    readable("the exemptions' file", &path)?;
    let unusable = |error: sqlite::Error| Failure::database(path.display(), &error);
    let now = SystemClock.now();
    match &args.command {
        Command::Add { kind, value, reason, expires, author } => {
            let new = new(*kind, value, reason, *expires, author.as_deref(), now)?;
            let file = AllowFile::open_or_make(&path, PATIENCE).map_err(unusable)?;
            let made = file.add(&new).map_err(unusable)?;
            changed(args, &made, "is let in", now, out)
        }
        Command::List { unused } => {
            let file = AllowFile::open(&path, PATIENCE).map_err(unusable)?;
            let mut rows = file.map_or(Ok(Vec::new()), |file| file.list()).map_err(unusable)?;
            let since = unused.map(|unused| before(now, unused));
            rows.retain(|row| since.is_none_or(|since| row.last_hit.unwrap_or(row.created) < since));
            list(&rows, args.json, now, out)
        }
        Command::Remove { which } => {
            let file = AllowFile::open(&path, PATIENCE).map_err(unusable)?;
            let rows = file.as_ref().map_or(Ok(Vec::new()), AllowFile::list).map_err(unusable)?;
            let id = found(&rows, which)?.id;
            let removed = file.map_or(Ok(None), |file| file.remove(id)).map_err(unusable)?;
            let removed = removed.ok_or_else(|| missing(which))?;
            changed(args, &removed, "is no longer let in", now, out)
        }
    }
}

fn new(
    kind: Kind,
    value: &str,
    reason: &str,
    expires: Option<Duration>,
    author: Option<&str>,
    now: Timestamp,
) -> Result<Allowed, Failure> {
    let value = allow::read(kind, value).map_err(|e| Failure::Says(Exit::Data, e.to_string()))?;
    if reason.len() > REASON_LIMIT {
        return Err(Failure::Says(Exit::Data, format!("a reason has at most {REASON_LIMIT} bytes")));
    }
    let seconds = expires.map(|time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    let name = |variable| env::var(variable).ok().filter(|name| !name.is_empty());
    let caller = || ["SUDO_USER", "LOGNAME", "USER"].into_iter().find_map(name).unwrap_or_default();
    Ok(Allowed {
        id: 0,
        kind: kind.word().to_owned(),
        value,
        reason: reason.to_owned(),
        author: author.map_or_else(caller, str::to_owned),
        created: now,
        expires: seconds.map(|seconds| Timestamp(now.0.saturating_add(seconds))),
        hits: 0,
        last_hit: None,
    })
}

/// The row of `12`, `#12` or `client 192.0.2.1`.
fn found<'a>(rows: &'a [Allowed], which: &[String]) -> Result<&'a Allowed, Failure> {
    let found = match which {
        [number] => {
            let id = number.strip_prefix('#').unwrap_or(number).parse::<i64>().map_err(|_| {
                let message =
                    format!("`{}` is not a number of `allow list`; or write kind and value", escaped(number));
                Failure::Says(Exit::Usage, message)
            })?;
            rows.iter().find(|row| row.id == id)
        }
        [word, value, ..] => {
            let kind = kind(word).map_err(|help| Failure::Says(Exit::Usage, help))?;
            let value = allow::read(kind, value).map_err(|e| Failure::Says(Exit::Data, e.to_string()))?;
            rows.iter().find(|row| row.kind == kind.word() && row.value == value)
        }
        [] => None,
    };
    found.ok_or_else(|| missing(which))
}

fn missing(which: &[String]) -> Failure {
    let which = which.join(" ");
    Failure::Says(Exit::Data, format!("there is no exemption {}: see `mailward allow list`", escaped(&which)))
}

/// Tells the daemon, and the administrator what holds now.
fn changed(
    args: &Args,
    row: &Allowed,
    what: &str,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let told = told(args);
    if args.json {
        return json(row, out);
    }
    let Allowed { id, kind, value, .. } = row;
    let end = if what == "is let in" { format!(", {}", until(row, now)) } else { String::new() };
    writeln!(out, "#{id} {kind} {} {what}{end}", escaped(value))?;
    writeln!(out, "{told}")?;
    if what == "is let in" && kind == Kind::Sender.word() {
        writeln!(out, "anybody can forge a sender: client, network or domain are safer")?;
    }
    Ok(())
}

/// A daemon that cannot be told looks by itself.
fn told(args: &Args) -> String {
    let config = Source::find(args.config.as_deref()).load().config;
    let socket = config.map(|config| config.control_socket).unwrap_or_default().located();
    match socket.map(|path| control::ask(&path, &Request::AllowChanged)) {
        Some(Ok(_)) => "in force now".to_owned(),
        Some(Err(control::Unanswered::Silent(_))) => "in force when the daemon runs".to_owned(),
        Some(Err(control::Unanswered::Denied | control::Unanswered::Says(_))) | None => {
            "in force within a few seconds".to_owned()
        }
    }
}

fn list(rows: &[Allowed], as_json: bool, now: Timestamp, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json(&rows, out);
    }
    if rows.is_empty() {
        writeln!(out, "no exemption")?;
    }
    for row in rows {
        let Allowed { id, kind, value, reason, author, created, hits, last_hit, .. } = row;
        writeln!(out, "#{id} {} {}", escaped(kind), escaped(value))?;
        let times = if *hits == 1 { "time" } else { "times" };
        let last = last_hit.map(|at| format!(", last {}", at.rfc5322())).unwrap_or_default();
        let by = if author.is_empty() { String::new() } else { format!("by {author}, ") };
        let made = format!("{by}{}, {}", created.rfc5322(), until(row, now));
        for text in [reason.clone(), made, format!("used {hits} {times}{last}")] {
            for line in wrap(&escaped(&text), 76) {
                writeln!(out, "    {line}")?;
            }
        }
    }
    Ok(())
}

fn until(row: &Allowed, now: Timestamp) -> String {
    match row.expires {
        None => "for good".to_owned(),
        Some(at) if at <= now => format!("expired {}", at.rfc5322()),
        Some(at) => format!("until {}", at.rfc5322()),
    }
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)))
}

fn json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
    Ok(writeln!(out, "{text}")?)
}
