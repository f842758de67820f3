//! `mailward why` and `mailward replay` on sessions that were played: whole texts are compared.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::cli::{self, Exit};
use std::{fs, path::PathBuf, process::Command, time::Duration};
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
        Self::start_with(POLICY).await
    }

    async fn start_with(policy: &str) -> Self {
        let directory = Directory::new();
        let policy = policy.replace("JOURNAL", directory.path().join("journal.db").to_str().unwrap());
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
        let (exit, out, err) = self.ends(arguments);
        assert_eq!(exit, Exit::Success, "{err}");
        assert!(out.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control()));
        out.replace(self.directory.path().to_str().unwrap(), "DIR")
    }
}

impl Played {
    /// How a command ends, what it prints and what it complains about.
    fn ends(&self, arguments: &[&str]) -> (Exit, String, String) {
        self.daemon.server.journal().unwrap().close();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config = self.config();
        let arguments = [&["mailward"], arguments, &["-c", config.to_str().unwrap()]].concat();
        let exit = cli::run(arguments, &mut out, &mut err);
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }
}

/// Where the first chapter of the story ends, before its reply.
const DELAYED: usize = 200;

const STORY: &str = "\
01 May 00:00:00  DELAYED    192.0.2.80 mta3.sender.example
                 <a@sender.example> -> <eva@rcpt.example>
                 Greylisted by `greylist` (test.toml:5). Came back 01 May
                 00:07:27 from 192.0.2.81 after 7 min 27 s: accepted as
                 4dZ1TJ2Pz3z.
                 reply: 450 4.2.0 <eva@rcpt.example>: Recipient address
                 rejected: Greylisted, please try again in 4 minutes
                 steps: mailward why ID

01 May 01:07:27  DEFERRED   198.51.100.9 (no name; says x)
                 <b@sender.example> -> <eva@rcpt.example>
                 Refused for now by `reject_unknown_client_hostname`
                 (test.toml:3).
                 reply: 450 4.7.25 Client host rejected: cannot find your
                 hostname, [198.51.100.9]
                 steps: mailward why ID
                 What the sender must do: The sending server's address needs a
                 PTR record in DNS whose name leads back to the same address.
                 Whoever gave the server its address sets it.
                 To let it in:
    mailward allow add client 198.51.100.9 --reason \"…\" --expires 30d

01 May 01:08:27  REJECTED   192.0.2.81 mta4.sender.example
                 <a@sender.example> -> <no@rcpt.example>
                 Refused by `check_recipient_access inline:{
                 no@rcpt.example=REJECT }` (test.toml:5).
                 reply: 554 5.7.1 <no@rcpt.example>: Recipient address
                 rejected: Access denied
                 steps: mailward why ID
                 What the sender must do: Nothing by itself: this server's
                 administrator refuses such mail. The recipient can ask the
                 administrator to lift it.
                 To let it in, change the entry in test.toml:5.

Times are UTC. The journal begins 01 May 00:00:00.
";

const LETTER: &str = "\
The mail from <b@sender.example> to <eva@rcpt.example> that came from
198.51.100.9 (no name; says x) on 01 May 01:07:27 UTC was refused for now by
our mail server. It answered:

    450 4.7.25 Client host rejected: cannot find your hostname,
    [198.51.100.9]

What has to be mended: The sending server's address needs a PTR record in
DNS whose name leads back to the same address. Whoever gave the server its
address sets it.
";

const STEPS: &str = "\
01 May 01:07:27 UTC  RCPT from unknown[198.51.100.9], id ID
helo x, <b@sender.example> -> <eva@rcpt.example>
 client      reject_unknown_client_hostname
             defer  (test.toml:3)
             450 4.7.25 Client host rejected: cannot find your hostname,
             [198.51.100.9]
             no PTR record
verdict: defer by `reject_unknown_client_hostname` (test.toml:3)
         450 4.7.25 Client host rejected: cannot find your hostname, [198.51.100.9]
";

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

/// Every `44….…` that is a decision's name becomes `ID`.
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
    let got = without_ids(&played.says(&["why", "sender.example"]));
    assert_eq!(got, STORY);
    for what in ["192.0.2.80", "192.0.2.0/24", "a@sender.example", "4dZ1TJ2Pz3z"] {
        let got = without_ids(&played.says(&["why", what]));
        assert!(got.starts_with(&STORY[..DELAYED]), "{what}: {got}");
    }
    let got = played.says(&["why", "198.51.100.9", "--for-sender"]);
    assert_eq!(got, LETTER);
    let got = played.says(&["why", "b@sender.example", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&got).unwrap();
    let only = &told["deliveries"][0];
    assert_eq!(only["end"], "deferred");
    assert_eq!(only["place"], "test.toml:3");
    assert_eq!(only["command"], "mailward allow add client 198.51.100.9 --reason \"…\" --expires 30d");
    let id = only["id"].as_str().unwrap();
    assert_eq!(without_ids(&played.says(&["why", id])), STEPS);
    let got = played.says(&["explain", "--replay", id]);
    assert!(got.ends_with("hostname, [198.51.100.9]\nas recorded\n"), "{got}");
    played.daemon.stop().await;
}

const OBSERVED: &str = "\
01 May 00:00:00  (observed) REJECTED 192.0.2.80 mta3.sender.example
                 <a@sender.example> -> <no@rcpt.example>
                 Would have been refused by `check_recipient_access inline:{
                 no@rcpt.example=REJECT }` (test.toml:5); it was accepted as
                 4dZ1TJ2Pz3z, because mode was observe.
                 reply: 554 5.7.1 <no@rcpt.example>: Recipient address
                 rejected: Access denied
                 steps: mailward why ID
                 What the sender must do: Nothing by itself: this server's
                 administrator refuses such mail. The recipient can ask the
                 administrator to lift it.
                 To let it in once mode is enforce, change the entry in
                 test.toml:5.

Times are UTC. The journal begins 01 May 00:00:00.
";

const OBSERVED_LETTER: &str = "\
The mail from <a@sender.example> to <no@rcpt.example> that came from
192.0.2.80 mta3.sender.example on 01 May 00:00:00 UTC was accepted by our
mail server as 4dZ1TJ2Pz3z. A rule that is only tried out would have refused
it with:

    554 5.7.1 <no@rcpt.example>: Recipient address rejected: Access denied

Nothing has to be mended: this server's administrator refuses such mail. The
recipient can ask the administrator to lift it.
";

#[tokio::test]
async fn a_mail_that_was_only_observed_was_accepted() {
    let played = Played::start_with(&format!("mode = 'observe'{POLICY}")).await;
    let good = From::named("mta3.sender.example", "192.0.2.80");
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<no@rcpt.example>", 0).await;
    assert_eq!(without_ids(&played.says(&["why", "sender.example"])), OBSERVED);
    assert_eq!(played.says(&["why", "sender.example", "--for-sender"]), OBSERVED_LETTER);
    played.daemon.stop().await;
}

#[tokio::test]
async fn where_there_is_nothing_to_send_nothing_is_printed() {
    let played = Played::start().await;
    let nameless = From::resolved("198.51.100.9", "unknown", "unknown", "FAIL");
    for _ in 0..2 {
        played.mail(&nameless, "x", "<b@sender.example>", "<eva@rcpt.example>", 60).await;
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
async fn what_never_came_is_said_to_have_not_come() {
    let played = Played::start().await;
    let good = From::named("mta3.sender.example", "192.0.2.80");
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 0).await;
    let got = played.says(&["why", "other.example"]);
    let want = "\
Nothing from or to other.example since 01 May 00:00:00 UTC, when the journal
begins: it did not reach this filter.
What the MTA refused before it asked mailward, and what never connected, is not
in the journal: the MTA's own log may show it.
";
    assert_eq!(got, want);
    let want = "\
No mail with queue id, id or login 4dZ1TJ2Pz3y since 01 May 00:00:00 UTC, when
the journal begins: it did not reach this filter.
";
    let got = played.says(&["why", "4dZ1TJ2Pz3y"]);
    assert!(got.starts_with(want), "{got}");
    played.daemon.stop().await;
}

#[tokio::test]
async fn a_question_that_finds_nothing_for_sure_is_refused() {
    let played = Played::start().await;
    let want = "mailward: say what to ask about, such as an address or a domain: see `mailward why --help`\n";
    for what in ["", " ", "<>", "@"] {
        assert_eq!(played.ends(&["why", what]), (Exit::Usage, String::new(), want.to_owned()), "{what:?}");
    }
    let (exit, out, err) = played.ends(&["why", "192.0.2.80", "--limit", "0"]);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
    assert!(err.contains("invalid value '0' for '--limit <NUMBER>'"), "{err}");
    played.daemon.stop().await;
}

#[tokio::test]
async fn what_is_let_in_by_now_is_not_advised_again() {
    let played = Played::start().await;
    let nameless = From::resolved("198.51.100.9", "unknown", "unknown", "FAIL");
    played.mail(&nameless, "x", "<b@sender.example>", "<eva@rcpt.example>", 0).await;
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

#[tokio::test]
async fn what_a_client_writes_reaches_no_terminal_unescaped() {
    let played = Played::start().await;
    let evil = "\u{1b}[2J\u{202e}\u{9b}31m<script>'\"\\";
    let from = From::resolved("192.0.2.80", "unknown", evil, "FORGED");
    played.mail(&from, evil, &format!("<{evil}@sender.example>"), &format!("<{evil}@rcpt.example>"), 0).await;
    let told: serde_json::Value =
        serde_json::from_str(&played.says(&["why", "192.0.2.80", "--json"])).unwrap();
    let id = told["deliveries"][0]["id"].as_str().unwrap();
    for arguments in [
        &["why", "192.0.2.80"][..],
        &["why", id],
        &["why", id, "--json"],
        &["explain", "--replay", id],
        &["explain", "--replay", id, "--json"],
        &["why", "192.0.2.80", "--json"],
        &["why", "192.0.2.80", "--for-sender"],
        &["replay"],
        &["replay", "--json"],
    ] {
        // `says` refuses control characters.
        let printed = played.says(arguments);
        assert!(!printed.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{arguments:?}: {printed}");
    }
    played.daemon.stop().await;
}

#[tokio::test]
async fn a_replay_under_a_changed_rule_tells_exactly_what_it_concerns() {
    let played = Played::start().await;
    let good = From::named("mta3.sender.example", "192.0.2.80");
    let nameless = From::resolved("198.51.100.9", "unknown", "unknown", "FAIL");
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 0).await;
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 447).await;
    played.mail(&nameless, "x", "<b@sender.example>", "<eva@rcpt.example>", 1).await;
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
