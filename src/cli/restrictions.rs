//! `mailward restrictions`: what can stand in a restriction list, and the manual of each.

use super::{Exit, columns, man};
use crate::{
    config::did_you_mean,
    request::Event,
    restriction::{
        self, Kind, elsewhere,
        topics::{TOPICS, Topic},
    },
    smtp::text,
};
use serde::Serialize;
use std::io::{self, Write};

/// List what can stand in a restriction list, or explain one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mailward restrictions reject_unknown_helo_hostname\n  mailward restrictions --man | man -l -"
)]
pub(super) struct Args {
    /// The restriction or topic to explain; old names are understood
    name: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Print all of them as the manual page mailward-restrictions(5)
    #[arg(long, conflicts_with_all = ["name", "json"])]
    man: bool,
}

/// An access table alone in a list.
const TABLE: &str = "type:table";

/// What `--json` prints of a restriction.
#[derive(Serialize)]
struct Shown {
    name: &'static str,
    aliases: &'static [&'static str],
    usage: &'static str,
    needs: Event,
    manual: &'static str,
}

impl From<&Kind> for Shown {
    fn from(kind: &Kind) -> Self {
        let Kind { name, aliases, usage, needs, manual, .. } = *kind;
        Self { name, aliases, usage, needs, manual }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let Some(name) = &args.name else { return list(args, out) };
    if let Some(topic) = TOPICS.iter().find(|topic| topic.name.eq_ignore_ascii_case(name)) {
        return explain_topic(topic, args.json, out);
    }
    // A table alone is explained with the check that it stands for in the client list.
    let kind = if name.contains(':') { "check_client_access" } else { name };
    let Some(kind) = restriction::find(kind) else { return unknown(name, err) };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &Shown::from(kind))?;
        writeln!(out)?;
        return Ok(Exit::Success);
    }
    explain(kind, name, out)?;
    Ok(Exit::Success)
}

/// By the stage from which on each has something to look at, and by name.
fn list(args: &Args, out: &mut dyn Write) -> io::Result<Exit> {
    let mut kinds: Vec<&Kind> = restriction::registry().collect();
    kinds.sort_by_key(|kind| (kind.needs, kind.name));
    if args.man {
        man::restrictions::write(&kinds, out)?;
        return Ok(Exit::Success);
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &kinds.into_iter().map(Shown::from).collect::<Vec<_>>())?;
        writeln!(out)?;
        return Ok(Exit::Success);
    }
    let columns = columns();
    for (number, some) in kinds.chunk_by(|one, other| one.needs == other.needs).enumerate() {
        if let Some(kind) = some.first() {
            writeln!(out, "{}{}", if number == 0 { "" } else { "\n" }, heading(kind.needs))?;
        }
        for kind in some {
            let head = format!("{} {}", kind.name, kind.usage);
            writeln!(out, "  {}", head.trim_end())?;
            let first = kind.manual.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            writeln!(out, "      {}", fit(first.trim(), columns - 6))?;
        }
    }
    writeln!(out, "\nIn the client, helo, sender and recipient lists, without a name before it:\n  {TABLE}")?;
    writeln!(out, "      {}", fit("Looks up in an access table what the list is about.", columns - 6))?;
    writeln!(out, "\nTopics:")?;
    for topic in TOPICS {
        writeln!(out, "  {}\n      {}.", topic.name, topic.heading)?;
    }
    Ok(Exit::Success)
}

fn explain_topic(topic: &Topic, as_json: bool, out: &mut dyn Write) -> io::Result<Exit> {
    let Topic { name, heading, manual } = *topic;
    if as_json {
        let shown = serde_json::json!({ "name": name, "heading": heading, "manual": manual });
        serde_json::to_writer_pretty(&mut *out, &shown)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{heading}\n\n{}", manual.trim())?;
    }
    Ok(Exit::Success)
}

/// Where the restrictions that need an event first make sense. With delay_reject the lists before it run at RCPT TO, so
/// that they may stand there too.
pub(super) fn heading(needs: Event) -> &'static str {
    match needs {
        Event::Connect => "From the client list on (what is known at CONNECT):",
        Event::Helo => "From the helo list on (HELO):",
        Event::Mail => "From the sender list on (MAIL FROM):",
        Event::Rcpt => "From the recipient list on (RCPT TO):",
        Event::Data => "From the data list on (DATA):",
        Event::EndOfMessage => "In the end_of_data list (the end of the message):",
    }
}

fn explain(kind: &Kind, asked: &str, out: &mut dyn Write) -> io::Result<()> {
    if asked.contains(':') {
        writeln!(out, "A table alone stands for the check of its list, in the client list for:\n")?;
    } else if !asked.eq_ignore_ascii_case(kind.name) {
        writeln!(out, "{} is an old name of {}.\n", asked.to_lowercase(), kind.name)?;
    }
    writeln!(out, "{}\n", format!("{} {}", kind.name, kind.usage).trim_end())?;
    writeln!(out, "{}", kind.manual.trim())?;
    if !kind.aliases.is_empty() {
        writeln!(out, "\nOld names: {}", kind.aliases.join(", "))?;
    }
    Ok(())
}

fn unknown(name: &str, err: &mut dyn Write) -> io::Result<Exit> {
    if let Some(elsewhere) = elsewhere::elsewhere(name) {
        writeln!(err, "mailward: {elsewhere}\n  help: {}", elsewhere.keep)?;
        return Ok(Exit::Usage);
    }
    writeln!(err, "mailward: unknown restriction `{}`", text::escaped(name))?;
    let known = restriction::registry().flat_map(|kind| kind.aliases.iter().copied().chain([kind.name]));
    let known = known.chain(TOPICS.iter().map(|topic| topic.name));
    match did_you_mean(name, known) {
        Some(known) => writeln!(err, "  help: did you mean `{known}`?")?,
        None => writeln!(err, "  help: `mailward restrictions` lists them all")?,
    }
    Ok(Exit::Usage)
}

/// Cuts a line that is too long at a blank.
fn fit(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let cut: String = line.chars().take(columns - 1).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    format!("{}…", whole.trim_end_matches([',', ';', ':']))
}
