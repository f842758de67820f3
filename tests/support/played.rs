//! Sessions that are played to a server with a journal, and the commands that look at it afterwards.

use super::{
    directory::Directory,
    milter::{Daemon, From, Session, parse},
};
use mailward::cli::{self, Exit};
use std::{fs, path::PathBuf, time::Duration};

/// A policy of the usual kinds: what is wrong with a client, a sender, a recipient; who waits.
pub const POLICY: &str = r#"
[restrictions]
client = ["reject_unknown_client_hostname"]
sender = ["reject_unknown_sender_domain"]
recipient = ["check_recipient_access inline:{ no@rcpt.example=REJECT }", "greylist"]
[journal]
path = "JOURNAL"
"#;

/// A server with a journal, its configuration in a file.
pub struct Played {
    /// The server, on a clock of its own.
    pub daemon: Daemon,
    /// Where its files are.
    pub directory: Directory,
}

impl Played {
    /// With the usual policy.
    pub async fn start() -> Self {
        Self::start_with(POLICY).await
    }

    /// With another policy, in which `JOURNAL` stands for the journal's path.
    pub async fn start_with(policy: &str) -> Self {
        let directory = Directory::new();
        let policy = policy.replace("JOURNAL", directory.path().join("journal.db").to_str().unwrap());
        fs::write(directory.path().join("mailward.toml"), &policy).unwrap();
        let daemon = Daemon::start_with(parse(&policy, directory.path()), "sender.example A 192.0.2.1").await;
        daemon.server.start_journal();
        Self { daemon, directory }
    }

    /// One mail to one recipient, a while after the one before.
    pub async fn mail(&self, from: &From, helo: &str, sender: &str, recipient: &str, later: u64) {
        self.daemon.clock.advance(Duration::from_secs(later));
        let mut session = Session::open(&self.daemon, from).await;
        session.helo(helo).await;
        session.mail(sender).await;
        if session.rcpt(recipient).await == "continue" {
            session.message().await;
        }
        session.abort().await;
    }

    /// The configuration's path.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("mailward.toml")
    }

    /// What a command says when the journal is closed; ids and the directory replaced.
    pub fn says(&self, arguments: &[&str]) -> String {
        let (exit, out, err) = self.ends(arguments);
        assert_eq!(exit, Exit::Success, "{err}");
        assert!(out.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control()));
        out.replace(self.directory.path().to_str().unwrap(), "DIR")
    }

    /// How a command ends, what it prints and what it complains about.
    pub fn ends(&self, arguments: &[&str]) -> (Exit, String, String) {
        self.daemon.server.journal().unwrap().close();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config = self.config();
        let arguments = [&["mailward"], arguments, &["-c", config.to_str().unwrap()]].concat();
        let exit = cli::run(arguments, &mut out, &mut err);
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }
}

/// A client without a name in DNS.
pub fn nameless() -> From {
    From::resolved("198.51.100.9", "unknown", "unknown", "FAIL")
}

/// Every `44….…` that is a decision's name becomes `ID`.
pub fn without_ids(text: &str) -> String {
    let word = |word: &str| {
        let id = word.split_once('.').is_some_and(|(at, count)| {
            at.len() == 8 && [at, count].iter().all(|part| u64::from_str_radix(part, 16).is_ok())
        });
        if id { "ID".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}
