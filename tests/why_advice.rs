//! What `mailward why` advises, to the administrator and in the letter to a sender: nothing that is done by now, nothing for
//! what was nobody's fault.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::cli::Exit;
use std::process::Command;
use support::{
    milter::From,
    played::{POLICY, Played, nameless},
};

#[tokio::test]
async fn where_there_is_nothing_to_send_nothing_is_printed() {
    let played = Played::start().await;
    for _ in 0..2 {
        played.mail(&nameless(), "x", "<b@sender.example>", "<eva@rcpt.example>", 60).await;
    }
    let (exit, out, err) = played.ends(&["why", "other.example", "--for-sender"]);
    assert_eq!((exit, out.as_str()), (Exit::Data, ""));
    assert!(err.starts_with("mailward: Nothing from or to other.example since 01 May"), "{err}");
    let want = "\
The mail from <b@sender.example> to <eva@rcpt.example> that came from
198.51.100.9 (no name; says x) on 01 May 00:02:00 UTC, the latest of 2, was
refused for now by our mail server. It answered:
";
    let got = played.says(&["why", "sender.example", "--for-sender", "--limit", "1"]);
    assert!(got.starts_with(want), "{got}");
    played.daemon.stop().await;
}

#[tokio::test]
async fn what_is_let_in_by_now_is_not_advised_again() {
    let played = Played::start().await;
    played.mail(&nameless(), "x", "<b@sender.example>", "<eva@rcpt.example>", 0).await;
    played.daemon.server.journal().unwrap().close();
    let mailward = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
        command
            .args(arguments)
            .arg("-c")
            .arg(played.config())
            .env("STATE_DIRECTORY", played.directory.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    mailward(&["allow", "add", "network", "198.51.100.0/24"]);
    let got = mailward(&["why", "198.51.100.9"]);
    assert!(
        got.contains("\n                 Already let in by #1 of `mailward allow list`, since "),
        "{got}"
    );
    assert!(!got.contains("To let it in"), "{got}");
    mailward(&["allow", "remove", "1"]);
    let got = mailward(&["why", "198.51.100.9"]);
    assert!(got.contains("\n    mailward allow add client 198.51.100.9 --reason"), "{got}");
    played.daemon.stop().await;
}

#[tokio::test]
async fn nobody_is_blamed_for_what_dns_did_not_answer() {
    let played = Played::start().await;
    let silent = From::resolved("198.51.100.9", "unknown", "unknown", "TEMP");
    played.mail(&silent, "x", "<b@sender.example>", "<eva@rcpt.example>", 0).await;
    let got = played.says(&["why", "198.51.100.9", "--for-sender"]);
    let want = "
Nothing has to be mended at first: we could not look up the name of
198.51.100.9 in DNS. If that persists, see its name servers, or our
resolver.
";
    assert!(got.ends_with(want), "{got}");
    played.daemon.stop().await;
}

/// The arguments of the one command that `why` advises.
fn advised(told: &str) -> Vec<&str> {
    let command = told.lines().find_map(|line| line.trim().strip_prefix("mailward greylist pass ")).unwrap();
    [&["greylist", "pass"], &command.split(' ').collect::<Vec<_>>()[..]].concat()
}

#[tokio::test]
async fn the_command_that_lets_a_sender_in_works_as_it_is_printed() {
    let played =
        Played::start_with(&format!("{POLICY}[greylist]\nstore = 'sqlite:JOURNAL.greylist'\n")).await;
    let named = From::resolved("192.0.2.1", "sender.example", "sender.example", "OK");
    let senders = [
        "plain@sender.example",
        "news+5@sender.example",
        "bounce-1234567-eva=rcpt.example@sender.example",
        "SRS0=HHH=TT=orig.example=bob@sender.example",
        "prvs=1234abcdef=bob@sender.example",
    ];
    for sender in senders {
        played.mail(&named, "x", &format!("<{sender}>"), "<eva@rcpt.example>", 0).await;
    }
    played.daemon.server.journal().unwrap().close();
    let mailward = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
        command.args(arguments).arg("-c").arg(played.config());
        let output = command.env("STATE_DIRECTORY", played.directory.path()).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for sender in senders {
        let (told, complaint) = mailward(&["why", sender]);
        assert_eq!(complaint, "", "{sender}");
        assert_eq!(mailward(&advised(&told)), ("1 row will pass\n".to_owned(), String::new()), "{told}");
    }
    played.daemon.stop().await;
}
