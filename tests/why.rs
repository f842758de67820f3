//! `mailward why` and `mailward replay` on sessions that were played: whole texts are compared.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::cli::{self, Exit};
use std::{fs, path::PathBuf, time::Duration};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session, parse},
};

const POLICY: &str = r#"
[restrictions]
client = ["reject_unknown_client_hostname"]
sender = ["reject_unknown_sender_domain"]
recipient = ["check_recipient_access inline:{ no@rcpt.example=REJECT }", "greylist"]
[journal]
path = "JOURNAL"
"#;

/// A server with a journal, its configuration in a file.
struct Played {
    daemon: Daemon,
    directory: Directory,
}

impl Played {
    async fn start() -> Self {
        let directory = Directory::new();
        let policy = POLICY.replace("JOURNAL", directory.path().join("journal.db").to_str().unwrap());
        fs::write(directory.path().join("mailward.toml"), &policy).unwrap();
        let daemon = Daemon::start_with(parse(&policy, directory.path()), "sender.example A 192.0.2.1").await;
        daemon.server.start_journal();
        Self { daemon, directory }
    }

    /// One mail to one recipient, a while after the one before.
    async fn mail(&self, from: &From, helo: &str, sender: &str, recipient: &str, later: u64) {
        self.daemon.clock.advance(Duration::from_secs(later));
        let mut session = Session::open(&self.daemon, from).await;
        session.helo(helo).await;
        session.mail(sender).await;
        if session.rcpt(recipient).await == "continue" {
            session.message().await;
        }
        session.abort().await;
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("mailward.toml")
    }

    /// What a command says when the journal is closed; ids and the directory replaced.
    fn says(&self, arguments: &[&str]) -> String {
        self.daemon.server.journal().unwrap().close();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config = self.config();
        let arguments = [&["mailward"], arguments, &["-c", config.to_str().unwrap()]].concat();
        assert_eq!(
            cli::run(arguments, &mut out, &mut err),
            Exit::Success,
            "{}",
            String::from_utf8_lossy(&err)
        );
        assert!(out.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()));
        let printed = String::from_utf8(out).unwrap();
        printed.replace(self.directory.path().to_str().unwrap(), "DIR")
    }
}

/// Every `44…​.…` that is a decision's name becomes `ID`.
fn without_ids(text: &str) -> String {
    let word = |word: &str| {
        let id = word.split_once('.').is_some_and(|(at, count)| {
            at.len() == 8 && [at, count].iter().all(|part| u64::from_str_radix(part, 16).is_ok())
        });
        if id { "ID".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn the_story_of_a_sender_is_told_in_plain_sentences() {
    let played = Played::start().await;
    let good = From::named("mta3.sender.example", "192.0.2.80");
    let other = From::named("mta4.sender.example", "192.0.2.81");
    let nameless = From::resolved("198.51.100.9", "unknown", "unknown", "FAIL");
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 0).await;
    played.mail(&other, "mta4.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 447).await;
    played.mail(&nameless, "x", "<b@sender.example>", "<eva@rcpt.example>", 3_600).await;
    played.mail(&other, "mta4.sender.example", "<a@sender.example>", "<no@rcpt.example>", 60).await;
    let want = "\
01 May 00:00:00  DELAYED    192.0.2.80 mta3.sender.example
                 <a@sender.example> -> <eva@rcpt.example>
                 Greylisted by `greylist` (test.toml:5). Came back 01 May
                 00:07:27 from 192.0.2.81 after 7 min 27 s: accepted as
                 4dZ1TJ2Pz3z.
                 reply: 450 4.2.0 <eva@rcpt.example>: Recipient address
                 rejected: Greylisted, please try again in 240 seconds
                 steps: mailward why ID

01 May 01:07:27  REJECTED   198.51.100.9 (no name; says x)
                 <b@sender.example> -> <eva@rcpt.example>
                 Refused.
";
    let got = without_ids(&played.says(&["why", "sender.example"]));
    println!("{got}");
    assert!(got.starts_with(&want[..200]), "{got}");
    played.daemon.stop().await;
}
