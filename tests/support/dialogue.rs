//! Dialogue files: SMTP sessions with the replies that must come, played against Postfix's own restriction lists and
//! against the same lists in mailward. `tests/postfix/README` says how they are written.

#[path = "dialogue/in_process.rs"]
mod in_process;
#[path = "dialogue/play.rs"]
mod play;

pub use in_process::{Played, Scene, VERDICTS};
pub use play::{MailQueue, Mta, Player, Update};

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
};

/// The lists a file may fill, by their name in mailward.toml.
const STAGES: [&str; 6] = ["client", "helo", "sender", "recipient", "data", "end_of_data"];

/// Postfix's answers to what never reaches a milter.
const MTA_ITSELF: &[&str] =
    &["503 ", "221 ", "501 5.1.7", "554 5.5.1 Error: no valid recipients", "554 mx.example.test"];

/// Who decides: Postfix's own lists, or mailward as the milter of a Postfix without lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Postfix,
    Milter,
}

/// A file, read.
#[derive(Debug)]
pub struct Dialogue {
    /// Where it stands, for messages.
    pub path: PathBuf,
    /// Its `@only SIDE` head: the side it is played on, if not on both.
    pub only: Option<Side>,
    restrictions: Vec<(String, Vec<String>)>,
    main_cf: Vec<String>,
    policy: Vec<String>,
    tables: Vec<(String, Vec<String>)>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// The first line, counted from 1, and the number of lines.
    line: usize,
    lines: usize,
    only: Option<Side>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A new connection, and who the client is said to be.
    Connect {
        xclient: Option<String>,
        helo: Option<String>,
    },
    Send(Vec<u8>),
    Expect(Vec<String>),
    /// Header and body up to the final dot, sent after the 354.
    Message(Vec<String>),
    Delivered {
        from: String,
        to: Vec<String>,
        header: Vec<String>,
    },
    Held,
    Discarded,
}

impl Dialogue {
    /// Reads every `*.smtp` file of a directory, in the order of their names.
    pub fn read_all(directory: &Path) -> Vec<Self> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "smtp")).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Reads a file.
    ///
    /// # Panics
    /// With file and line, if it is not written as it should be.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut dialogue = Self {
            path: path.to_owned(),
            only: None,
            restrictions: Vec::new(),
            main_cf: Vec::new(),
            policy: Vec::new(),
            tables: Vec::new(),
            steps: Vec::new(),
        };
        let mut lines: VecDeque<(usize, &str)> =
            text.lines().enumerate().map(|(at, line)| (at + 1, line)).collect();
        let mut only = None;
        while let Some((line, text)) = lines.pop_front() {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(text) = text.strip_prefix("S:") {
                dialogue.expect(line, text, only, &mut lines);
            } else if let Some(text) = text.strip_prefix("C:") {
                let bytes = unescape(text.strip_prefix(' ').unwrap_or(text));
                dialogue.step(line, only, Kind::Send(bytes));
            } else if let Some(directive) = text.strip_prefix('@') {
                let (name, argument) = directive.split_once(' ').unwrap_or((directive, ""));
                match (name, argument) {
                    ("only", side) if dialogue.steps.is_empty() => dialogue.only = Some(self::side(side)),
                    ("only", side) => only = Some(self::side(side)),
                    ("both", "") => only = None,
                    _ => dialogue.directive((line, only), name, argument, block(&mut lines)),
                }
            } else {
                panic!("{}:{line}: cannot read `{text}`", path.display());
            }
        }
        dialogue
    }

    /// The file's name without directory and ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// The parameters of an smtpd whose own lists decide; `directory` holds the file's tables.
    pub fn main_cf(&self, directory: &Path) -> Vec<String> {
        let lists = self.restrictions.iter();
        let lists = lists.map(|(stage, list)| format!("smtpd_{stage}_restrictions = {}", list.join(", ")));
        let lines = self.main_cf.iter().cloned().chain(lists);
        lines.map(|line| line.replace("$DIR", &directory.display().to_string())).collect()
    }

    /// The same as mailward.toml.
    pub fn policy(&self, directory: &Path) -> String {
        let lists = self.restrictions.iter().map(|(stage, list)| format!("{stage} = {list:?}"));
        // The harness's main.cf trusts loopback too.
        let own = !self.policy.iter().any(|line| line.starts_with("mynetworks"));
        let own = own.then(|| "mynetworks = [\"127.0.0.0/8\"]".to_owned());
        let lines = own
            .into_iter()
            .chain(self.policy.iter().cloned())
            .chain(["[restrictions]".to_owned()])
            .chain(lists);
        let lines: Vec<String> = lines.collect();
        lines.join("\n").replace("$DIR", &directory.display().to_string()) + "\n"
    }

    /// Writes the file's tables into a directory.
    pub fn write_tables(&self, directory: &Path) {
        for (name, lines) in &self.tables {
            fs::write(directory.join(name), lines.join("\n") + "\n").unwrap();
        }
    }

    fn step(&mut self, line: usize, only: Option<Side>, kind: Kind) {
        self.steps.push(Step { line, lines: 1, only, kind });
    }

    /// A reply: all its `S:` lines, up to the one without `-` after the code.
    fn expect(&mut self, line: usize, first: &str, only: Option<Side>, lines: &mut VecDeque<(usize, &str)>) {
        let mut reply = vec![first.trim_start().to_owned()];
        while reply.last().is_some_and(|line| line.as_bytes().get(3) == Some(&b'-')) {
            let Some(next) = lines.front().and_then(|(_, text)| text.strip_prefix("S:")) else { break };
            reply.push(next.trim_start().to_owned());
            lines.pop_front();
        }
        self.steps.push(Step { line, lines: reply.len(), only, kind: Kind::Expect(reply) });
    }

    fn directive(&mut self, at: (usize, Option<Side>), name: &str, argument: &str, block: Vec<String>) {
        let (line, only) = at;
        match name {
            "restrictions" if STAGES.contains(&argument) => {
                self.restrictions.push((argument.to_owned(), block))
            }
            "maincf" => self.main_cf.extend(block),
            "policy" => self.policy.extend(block),
            "table" => self.tables.push((argument.to_owned(), block)),
            "client" => self.client(line, only, argument),
            "new" => self.step(line, only, Kind::Connect { xclient: None, helo: None }),
            "message" => self.step(line, only, Kind::Message(block)),
            "delivered" => {
                let from = attribute(argument, "from").unwrap_or_default();
                let to = attribute(argument, "to").unwrap_or_default();
                let mut to: Vec<String> = to.split(',').map(str::to_owned).collect();
                to.sort();
                self.step(line, only, Kind::Delivered { from, to, header: block });
            }
            "held" => self.step(line, only, Kind::Held),
            "discarded" => self.step(line, only, Kind::Discarded),
            _ => panic!("{}:{line}: unknown `@{name} {argument}`", self.path.display()),
        }
    }

    /// A new connection from a foreign client, and its XCLIENT command.
    fn client(&mut self, line: usize, only: Option<Side>, arguments: &str) {
        let get = |name| attribute(arguments, name);
        let address = get("addr").unwrap_or_else(|| panic!("{}:{line}: no addr", self.path.display()));
        let address = if address.contains(':') { format!("IPV6:{address}") } else { address };
        let name = get("name").unwrap_or_else(|| "[UNAVAILABLE]".to_owned());
        let reverse = get("reverse").unwrap_or_else(|| name.clone());
        let mut xclient = format!("XCLIENT ADDR={address} NAME={name} REVERSE_NAME={reverse}");
        for (attribute, value) in [("PORT", get("port")), ("LOGIN", get("login"))] {
            if let Some(value) = value {
                xclient += &format!(" {attribute}={value}");
            }
        }
        self.step(line, only, Kind::Connect { xclient: Some(xclient), helo: get("helo") });
    }
}

fn side(name: &str) -> Side {
    match name {
        "postfix" => Side::Postfix,
        "milter" => Side::Milter,
        _ => panic!("`@only {name}`: neither postfix nor milter"),
    }
}

/// The indented lines that follow, without their indentation; an empty line between two of them belongs to them.
fn block(lines: &mut VecDeque<(usize, &str)>) -> Vec<String> {
    let mut block = Vec::new();
    loop {
        let indented = |at: usize| lines.get(at).and_then(|(_, text)| text.strip_prefix("    "));
        let empty = lines.front().is_some_and(|(_, text)| text.is_empty());
        match indented(0) {
            Some(text) => block.push(text.to_owned()),
            None if empty && indented(1).is_some() => block.push(String::new()),
            None => return block,
        }
        lines.pop_front();
    }
}

fn attribute(arguments: &str, name: &str) -> Option<String> {
    let mut words = arguments.split_whitespace().filter_map(|word| word.split_once('='));
    words.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// `\xNN` is a byte, `\\` a backslash.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let (byte, length) = match after.as_bytes() {
            [b'x', _, _, ..] => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            _ => (b'\\', usize::from(after.starts_with('\\'))),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}
