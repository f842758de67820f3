//! Plays a dialogue file against a server in this process through the milter protocol: this module is the MTA. What
//! Postfix answers out of its own is passed over, every answer of the filter is compared as a whole.

use super::{Dialogue, Kind, MTA_ITSELF, Side, attribute};
use crate::support::{
    directory::Directory,
    milter::{Daemon, From, Session, parse},
    policy_server::PolicyServer,
};
use mailward::config::settings::Config;
use std::{collections::VecDeque, fs, path::Path};

/// The verdicts by their names in the counters and in the journal.
pub const VERDICTS: [&str; 4] = ["permit", "defer", "reject", "discard"];

/// What a server in this process needs to play a file: its tables, its policy service and its policy.
pub struct Scene {
    pub dialogue: Dialogue,
    pub directory: Directory,
    /// The policy, as in mailward.toml.
    pub policy: String,
    _service: Option<PolicyServer>,
}

impl Scene {
    /// Those of all files that are played in this process, and the zone of all of them.
    pub fn all() -> (String, impl Iterator<Item = Self>) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postfix");
        let zone = fs::read_to_string(root.join("zone")).unwrap();
        let here = |dialogue: &Dialogue| dialogue.only != Some(Side::Postfix);
        (zone, Dialogue::read_all(&root).into_iter().filter(here).map(Self::of))
    }

    fn of(dialogue: Dialogue) -> Self {
        let directory = Directory::new();
        dialogue.write_tables(directory.path());
        let service = directory.path().join("policy");
        let service = service.exists().then(|| PolicyServer::from_file(&service));
        let address = service.as_ref().map(|service| service.address().to_string()).unwrap_or_default();
        let policy = dialogue.policy(directory.path()).replace("$POLICY", &address);
        Self { dialogue, directory, policy, _service: service }
    }

    /// The policy, read.
    pub fn config(&self) -> Config {
        parse(&self.policy, self.directory.path())
    }

    /// Plays the file with a server of this configuration, which it stops in the end.
    pub async fn play(&self, daemon: Daemon) -> Played {
        let mut played = InProcess::new(&self.dialogue, &daemon).play().await;
        played.verdicts = VERDICTS.map(|verdict| daemon.counter(&format!("decisions_{verdict}")));
        if let Some(journal) = daemon.server.journal() {
            journal.close();
        }
        daemon.stop().await;
        played
    }
}

/// What came of a file.
#[derive(Debug, Default)]
pub struct Played {
    /// How many answers of the filter were compared.
    pub compared: usize,
    /// Each fault.
    pub faults: Vec<String>,
    /// Every command that reached the filter, or `CONNECT`, with the answer.
    pub answers: Vec<(String, String)>,
    /// How many decisions of each of [`VERDICTS`] the server counted.
    pub verdicts: [u64; 4],
}

/// The MTA's side of one file.
struct InProcess<'a> {
    dialogue: &'a Dialogue,
    daemon: &'a Daemon,
    session: Option<Session>,
    commands: VecDeque<String>,
    /// The filter dropped the message, or refused the connection: Postfix asks nothing more about it.
    silent: bool,
    /// What the filter answered at CONNECT, which Postfix says at MAIL.
    refused: Option<String>,
    played: Played,
}

impl<'a> InProcess<'a> {
    fn new(dialogue: &'a Dialogue, daemon: &'a Daemon) -> Self {
        let commands = VecDeque::new();
        let played = Played::default();
        Self { dialogue, daemon, session: None, commands, silent: false, refused: None, played }
    }

    /// Plays the whole file.
    async fn play(mut self) -> Played {
        let steps =
            self.dialogue.steps.iter().filter(|step| step.only.is_none_or(|only| only == Side::Milter));
        for step in steps {
            match &step.kind {
                Kind::Connect { xclient, helo } => self.connect(xclient.as_deref(), helo.as_deref()).await,
                Kind::Send(line) => self.commands.push_back(String::from_utf8_lossy(line).into_owned()),
                Kind::Message(_) => self.commands.push_back(".".to_owned()),
                Kind::Expect(reply) => {
                    // A greeting answers no command.
                    if let Some(command) = self.commands.pop_front() {
                        self.command(step.line, &command, &reply[0]).await;
                    }
                }
                Kind::Delivered { .. } | Kind::Held | Kind::Discarded => {}
            }
        }
        self.played
    }

    async fn connect(&mut self, xclient: Option<&str>, helo: Option<&str>) {
        let from = client(xclient.unwrap_or("XCLIENT ADDR=127.0.0.1 NAME=localhost REVERSE_NAME=localhost"));
        let session = Session::open(self.daemon, &from).await;
        self.played.answers.push(("CONNECT".to_owned(), session.connected.clone()));
        self.refused = Some(session.connected.clone()).filter(|answer| answer.starts_with(['4', '5']));
        self.silent = self.refused.is_some();
        self.session = Some(session);
        self.commands.clear();
        if let Some(helo) = helo {
            self.command(0, &format!("EHLO {helo}"), "250").await;
        }
    }

    async fn command(&mut self, line: usize, command: &str, expected: &str) {
        if MTA_ITSELF.iter().any(|own| expected.starts_with(own)) {
            return;
        }
        let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
        let verb = verb.to_ascii_uppercase();
        if let (Some(refused), "MAIL") = (&self.refused, verb.as_str()) {
            let refused = refused.clone();
            return self.compare(line, expected, &refused);
        }
        if self.refused.is_some() {
            return;
        }
        let Some(session) = &mut self.session else { panic!("line {line}: no connection") };
        let path = argument.split_once(':').map_or("", |(_, path)| path.trim());
        let answer = match verb.as_str() {
            "EHLO" | "HELO" => {
                session.abort().await;
                self.silent = false;
                session.helo(argument).await
            }
            "MAIL" => {
                self.silent = false;
                session.mail(path).await
            }
            "RSET" => {
                self.silent = false;
                session.abort().await
            }
            // The filter does not see it.
            _ if self.silent => return self.compare(line, expected, "continue"),
            "AUTH" => {
                session.login = Some("user".to_owned());
                "continue".to_owned()
            }
            "RCPT" => session.rcpt(path).await,
            "DATA" => session.data().await,
            "." => {
                session.nothing_in_it().await;
                session.message().await.1
            }
            _ => return,
        };
        self.silent |= answer == "discard";
        self.played.answers.push((verb, answer.clone()));
        self.compare(line, expected, &answer);
    }

    fn compare(&mut self, line: usize, expected: &str, answer: &str) {
        self.played.compared += 1;
        let passes = matches!(answer, "continue" | "no reply" | "discard");
        let same = match expected.strip_suffix('…') {
            _ if passes => expected.starts_with(['2', '3']),
            Some(prefix) => answer.starts_with(prefix),
            None => expected == answer,
        };
        if !same {
            let file = self.dialogue.path.display();
            self.played.faults.push(format!("{file}:{line}:\n  expected {expected}\n  got      {answer}"));
        }
    }
}

/// The client that an XCLIENT command makes, as Postfix tells of it.
fn client(xclient: &str) -> From {
    let get = |name| attribute(xclient, name).unwrap_or_default();
    let known = |name: &str| if name.starts_with('[') { "unknown".to_owned() } else { name.to_owned() };
    let (name, reverse) = (get("NAME"), get("REVERSE_NAME"));
    let resolve = match (name.as_str(), reverse.as_str()) {
        ("[TEMPUNAVAIL]", _) => "TEMP",
        ("[UNAVAILABLE]", "[UNAVAILABLE]") => "FAIL",
        ("[UNAVAILABLE]", _) => "FORGED",
        _ => "OK",
    };
    let address = get("ADDR");
    let address = address.strip_prefix("IPV6:").unwrap_or(&address);
    let port = attribute(xclient, "PORT").and_then(|port| port.parse().ok()).unwrap_or(40_000);
    From {
        login: attribute(xclient, "LOGIN"),
        port,
        ..From::resolved(address, &known(&name), &known(&reverse), resolve)
    }
}
