//! `mailward why` on sessions that were played: whole texts are compared.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::cli::Exit;
use support::{
    milter::From,
    played::{POLICY, Played, nameless, without_ids},
};

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
 client     reject_unknown_client_hostname            defer          test.toml:3
            450 4.7.25 Client host rejected: cannot find your hostname,
            [198.51.100.9]
            no PTR record
 verdict    deferred by reject_unknown_client_hostname (test.toml:3)
            450 4.7.25 Client host rejected: cannot find your hostname,
            [198.51.100.9]
";

#[tokio::test]
async fn the_story_of_a_sender_is_told_in_plain_sentences() {
    let played = Played::start().await;
    let good = From::named("mta3.sender.example", "192.0.2.80");
    let other = From::named("mta4.sender.example", "192.0.2.81");
    played.mail(&good, "mta3.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 0).await;
    played.mail(&other, "mta4.sender.example", "<a@sender.example>", "<eva@rcpt.example>", 447).await;
    played.mail(&nameless(), "x", "<b@sender.example>", "<eva@rcpt.example>", 3_600).await;
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
    let (_, reply) = STEPS.split_once("(test.toml:3)\n").unwrap();
    assert!(got.ends_with(&format!("(mailward.toml:3)\n{reply}as recorded\n")), "{got}");
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
