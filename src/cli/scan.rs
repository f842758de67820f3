//! `mailward scan`: the parts of messages with every attachment name in every reading, and which one is banned.

use super::{Exit, Failure, configured, parts};
use crate::{
    attachment::{Walker, Watch, budget::Budget, facts::Facts, rules::NameRules},
    config::{settings::Config, source::Source},
    restriction::content::Looks,
    smtp::text::escaped,
};
use clap::Args as ClapArgs;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The longest piece of a line that is read at once, in bytes.
const PIECE: u64 = 65_536;

/// Print the parts of messages, every attachment name in every reading, and which one is banned.
///
/// Reads single messages and mbox files. Nothing is asked, sent or changed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward scan suspicious.eml
  mailward scan --json - < suspicious.eml
  mailward scan -c /etc/mailward/mailward.toml /var/mail/quarantine

Names are judged by the sets of rules that the restrictions of the configuration
use: [attachments] and [attachments.NAME]. Exit status 1: something is banned.")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    /// Messages or mbox files; - is standard input
    #[arg(value_name = "MESSAGE", required = true)]
    messages: Vec<PathBuf>,
}

/// What was found in one message.
#[derive(Debug, Serialize)]
struct Scanned {
    file: String,
    /// The message's number in its file, from 1.
    number: usize,
    facts: Facts,
}

/// Runs the command.
///
/// # Errors
/// A faulty configuration, a file that cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let source = Source::find(args.config.as_deref());
    let config = configured::read(&source)?;
    let (names, rules) = sets(&config);
    let watch = Arc::new(Watch { rules, limits: config.attachments.clone(), keep_tree: true });
    let budget = Budget::new(config.limits.container_memory);
    let (mut all, mut banned) = (Vec::new(), false);
    for file in &args.messages {
        let walker = || Walker::new(watch.clone(), budget.clone());
        let mut found = |number, facts: Facts| {
            banned |= facts.findings.iter().flatten().any(|finding| finding.banned);
            let scanned = Scanned { file: file.display().to_string(), number, facts };
            if args.json {
                all.push(scanned);
                return Ok(());
            }
            print(&scanned, &names, out)
        };
        read(file, walker, &mut found)?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &all).map_err(|e| Failure::from(io::Error::from(e)))?;
        writeln!(out)?;
    }
    Ok(if banned { Exit::Found } else { Exit::Success })
}

/// The sets of rules that the policy uses, with their names; without any that of `[attachments]`.
pub(super) fn sets(config: &Config) -> (Vec<String>, Vec<Arc<NameRules>>) {
    let lists = config.policy.lists.iter().chain(&config.policy.classes);
    let used: Vec<Arc<NameRules>> = lists
        .flat_map(|list| &list.entries)
        .filter_map(|entry| match entry.restriction.looks()? {
            Looks::Attachments(rules) => Some(rules),
            Looks::Headers(_) | Looks::Size | Looks::Own(_) => None,
        })
        .collect();
    let is_used = |rules: &Arc<NameRules>| used.iter().any(|used| Arc::ptr_eq(used, rules));
    let all = config.settings.attachments.iter();
    all.filter(|(name, rules)| is_used(&rules.names) || used.is_empty() && name.is_empty())
        .map(|(name, rules)| (name.clone(), rules.names.clone()))
        .unzip()
}

/// Walks over each message of a file.
fn read(
    file: &Path,
    walker: impl Fn() -> Walker,
    found: &mut dyn FnMut(usize, Facts) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed =
        |e: io::Error| Failure::Says(Exit::InputOutput, format!("cannot read {}: {e}", file.display()));
    let mut input: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(file).map_err(failed)?))
    };
    let (mut number, mut open) = (1, walker());
    let (mut piece, mut state) = (Vec::new(), Lines::default());
    loop {
        piece.clear();
        if input.by_ref().take(PIECE).read_until(b'\n', &mut piece).map_err(failed)? == 0 {
            break;
        }
        match state.next(&piece) {
            Line::Content => drop(open.raw(&piece)),
            Line::Envelope => {}
            Line::NextMessage => {
                found(number, std::mem::replace(&mut open, walker()).finish())?;
                number += 1;
            }
        }
    }
    found(number, open.finish())
}

/// What a line of a file is.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Content,
    /// The `From ` line before the first message of an mbox.
    Envelope,
    /// The one before another.
    NextMessage,
}

/// Follows the lines of a file. An mbox begins with a `From ` line, and each further message with one behind an empty
/// line (RFC 4155).
#[derive(Debug, Default)]
struct Lines {
    began: bool,
    is_mbox: bool,
    /// The piece goes on a line.
    continues: bool,
    after_empty: bool,
}

impl Lines {
    fn next(&mut self, piece: &[u8]) -> Line {
        let first = !std::mem::replace(&mut self.began, true);
        let begins = !self.continues && piece.starts_with(b"From ");
        let after_empty = std::mem::replace(&mut self.after_empty, matches!(piece, b"\n" | b"\r\n"));
        self.after_empty &= !self.continues;
        self.continues = !piece.ends_with(b"\n");
        self.is_mbox |= first && begins;
        match (self.is_mbox && begins, first) {
            (true, true) => Line::Envelope,
            (true, false) if after_empty => Line::NextMessage,
            (true, false) | (false, _) => Line::Content,
        }
    }
}

fn print(scanned: &Scanned, sets: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let Scanned { file, number, facts } = scanned;
    let which = if *number > 1 { format!(", message {number}") } else { String::new() };
    writeln!(out, "{}{which}", escaped(file))?;
    parts::print(facts, sets, out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_told_from_a_message_and_parted_at_its_envelopes() {
        let lines = |text: &str| {
            let mut lines = Lines::default();
            let shown = |line: &str| match lines.next(line.as_bytes()) {
                Line::Content => 'c',
                Line::Envelope => 'e',
                Line::NextMessage => 'n',
            };
            text.split_inclusive('\n').map(shown).collect::<String>()
        };
        assert_eq!(lines("From a\nX: y\n\nFrom b\nFrom c\n\nFrom d\n"), "eccnccn");
        assert_eq!(lines("X: y\n\nFrom b\n"), "ccc");
        assert_eq!(lines("From a\r\n\r\nFrom b\r\n"), "ecn");
    }
}
