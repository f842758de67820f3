//! `mailward replay`: what a changed rule concerns, to the mail. The content of messages is not kept: what can be told again
//! is told, and for the rest the rule that looked is named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::cli::{self, Exit};
use serde_json::{Value, json};
use std::fs;
use support::{
    directory::Directory,
    milter::{Daemon, From, Session, parse, shown},
    played::{Played, nameless, without_ids},
};

const POLICY: &str = r#"
[restrictions]
recipient = ["permit"]
end_of_data = [
    "check_header regexp:{ { /^Subject:.*spam/ REJECT } }",
    "reject_attachment_name",
]
[attachments]
banned = ["exe"]
"#;

/// A message whose only part has a name.
async fn send(session: &mut Session, subject: &str, name: &str) -> String {
    session.mail("<from@sender.example>").await;
    session.rcpt("<to@rcpt.example>").await;
    let part = format!(" application/octet-stream; name=\"{name}\"");
    for (field, value) in [("Subject", format!(" {subject}")), ("Content-Type", part)] {
        session.milter.header(field, value).await.unwrap();
    }
    let answer = shown(session.milter.eoh().await.unwrap());
    if answer != "continue" {
        return answer;
    }
    session.milter.body(b"x\r\n".to_vec()).await.unwrap();
    session.message().await.1
}

/// Counts of decisions, of the same, newly refused, newly accepted and refused otherwise, and what is not recorded.
fn told(directory: &Directory, policy: &str) -> ([u64; 5], Value) {
    let file = directory.path().join("other.toml");
    fs::write(&file, policy).unwrap();
    let journal = directory.path().join("journal.db");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["mailward", "replay", "--json", "--config", file.to_str().unwrap(), "--journal"];
    let arguments = [&arguments[..], &[journal.to_str().unwrap()]].concat();
    assert_eq!(cli::run(arguments, &mut out, &mut err), Exit::Success, "{}", String::from_utf8_lossy(&err));
    let value: Value = serde_json::from_slice(&out).unwrap();
    let names = ["decisions", "same", "newly_refused", "newly_accepted", "refused_otherwise"];
    (names.map(|name| value[name].as_u64().unwrap()), value["not_recorded"].clone())
}

#[tokio::test]
async fn messages_in_which_nothing_was_found_are_told_again_and_for_others_the_rule_is_named() {
    let policy = POLICY;
    let directory = Directory::new();
    let mut config = parse(policy, directory.path());
    config.journal.path = Some(directory.path().join("journal.db"));
    let daemon = Daemon::start_with(config, "").await;
    daemon.server.start_journal();
    let mut session = Session::open(&daemon, &From::named("client.example", "192.0.2.1")).await;
    session.helo("helo.example").await;
    for (subject, name, answer) in [
        ("one", "a.txt", "continue"),
        ("two", "b.txt", "continue"),
        ("spam", "c.txt", "550 5.7.1 message content rejected"),
        ("three", "d.exe", "550 5.7.1 Message refused: attachment \"d.exe\" has a forbidden name (exe)"),
    ] {
        assert_eq!(send(&mut session, subject, name).await, answer);
    }
    daemon.server.journal().unwrap().close();
    let file = directory.path().join("other.toml");
    let rule = |entry: &str, line: u32| format!("what {entry} ({}:{line}) finds", file.display());
    let (header, names) = ("check_header regexp:{ { /^Subject:.*spam/ REJECT } }", "reject_attachment_name");

    // Four recipients and four messages.
    assert_eq!(told(&directory, policy), ([8, 8, 0, 0, 0], json!({})));

    // A change elsewhere: nothing was found in two, and the two others rest on what was found.
    let elsewhere = policy.replace("\"permit\"", "\"reject\"");
    let missing = json!({ rule(header, 5): 1, rule(names, 6): 1 });
    assert_eq!(told(&directory, &elsewhere), ([8, 2, 4, 0, 0], missing));

    // They look for something else.
    let other = policy.replace("[\"exe\"]", "[\"txt\"]");
    let missing = json!({ rule(header, 5): 1, rule(names, 6): 3 });
    assert_eq!(told(&directory, &other), ([8, 4, 0, 0, 0], missing));

    // Nothing looks any more: that what was refused for its content is accepted can be told.
    let (begin, rest) = policy.split_once("end_of_data").unwrap();
    let none = format!("{begin}{}", &rest[rest.find("\n[att").unwrap()..]);
    assert_eq!(told(&directory, &none), ([8, 6, 0, 2, 0], json!({})));

    // A rule in front of them that decides needs nothing of the message.
    let before = policy.replace("end_of_data = [", "end_of_data = [ \"reject\",");
    assert_eq!(told(&directory, &before), ([8, 4, 2, 0, 2], json!({})));
    daemon.stop().await;
}

const CHANGED: &str = "\
DIR/mailward.toml on what was recorded since 01 May 00:00:00 UTC
        4  decisions
        0  the same
        1  newly refused
        1  newly accepted
        1  refused otherwise
        1  cannot be told: something is not recorded

not recorded:
        1  answers to A
        1  answers to AAAA
        1  answers to MX

newly refused:
        1  check_recipient_access inline:{ eva@rcpt.example=REJECT }
           (DIR/mailward.toml:5)
           mta3.sender.example[192.0.2.80] <a@sender.example> ->
           <eva@rcpt.example>
           now: 554 5.7.1 <eva@rcpt.example>: Recipient address rejected: Access
                denied
           id ID

newly accepted:
        1  check_recipient_access inline:{ no@rcpt.example=REJECT }
           (test.toml:5)
           mta3.sender.example[192.0.2.80] <a@sender.example> ->
           <no@rcpt.example>
           was: 554 5.7.1 <no@rcpt.example>: Recipient address rejected: Access
                denied
           now: greylisted first
           id ID

refused otherwise:
        1  check_recipient_access inline:{ eva@rcpt.example=REJECT }
           (DIR/mailward.toml:5)
           mta3.sender.example[192.0.2.80] <a@sender.example> ->
           <eva@rcpt.example>
           was: 450 4.2.0 <eva@rcpt.example>: Recipient address rejected:
                Greylisted, please try again in 4 minutes
           now: 554 5.7.1 <eva@rcpt.example>: Recipient address rejected: Access
                denied
           id ID
";

#[tokio::test]
async fn a_replay_under_a_changed_rule_tells_exactly_what_it_concerns() {
    let played = Played::start().await;
    let good = From::named("mta3.sender.example", "192.0.2.80");
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 0).await;
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 447).await;
    played.mail(&nameless(), "x", "<b@sender.example>", "<eva@rcpt.example>", 1).await;
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<no@rcpt.example>", 1).await;
    played.daemon.server.journal().unwrap().close();
    let policy = fs::read_to_string(played.config()).unwrap();
    let same =
        "        4  decisions\n        4  the same\n        0  newly refused\n        0  newly accepted\n";
    assert!(played.says(&["replay"]).contains(same));
    let changed = policy
        .replace("\"reject_unknown_client_hostname\"", "")
        .replace("no@rcpt.example=REJECT", "eva@rcpt.example=REJECT");
    fs::write(played.config(), changed).unwrap();
    let got = without_ids(&played.says(&["replay"]));
    assert_eq!(got, CHANGED);
    played.daemon.stop().await;
}
