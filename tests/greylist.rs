//! Greylisting in the whole server in process, with a clock of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use indymilter_test::EomAction;
use mailward::{
    cli::Exit,
    store::{Entry, Filter, GreylistStore, sqlite::SqliteStore},
    time::{Clock, SystemClock, Timestamp},
};
use std::{sync::Arc, time::Duration};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session},
};

const WAIT: &str = "450 4.2.0 <to@rcpt.example>: Recipient address rejected: Greylisted, please try again in";

fn policy(directory: &Directory, greylist: &str, lists: &str) -> String {
    let file = directory.path().join("greylist.db");
    format!("[restrictions]\n{lists}\n[greylist]\nstore = 'sqlite:{}'\n{greylist}\n", file.display())
}

async fn daemon(directory: &Directory, greylist: &str) -> Daemon {
    Daemon::start(&policy(directory, greylist, "recipient = ['greylist']"), "").await
}

async fn rows(directory: &Directory) -> Vec<Entry> {
    let path = directory.path().join("greylist.db");
    let settings = mailward::config::settings::Greylist { path, ..Default::default() };
    SqliteStore::new(&settings, None, Arc::new(SystemClock)).list(Filter::default()).await.unwrap()
}

fn client() -> From {
    From::named("mx1.out.example.org", "192.0.2.1")
}

/// The value of the one header field that a message got.
fn header(actions: &[EomAction]) -> String {
    match actions {
        [EomAction::InsertHeader { index: 0, name, value }] => {
            format!("{}:{}", name.to_str().unwrap(), value.to_str().unwrap())
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_mail_waits_once_and_says_so_when_it_passes() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "").await;
    let clock = daemon.clock.clone();
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, format!("{WAIT} 4 minutes"));
    clock.advance(Duration::from_secs(60));
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, format!("{WAIT} 3 minutes"));
    clock.advance(Duration::from_secs(179));
    // From another machine of the same domain, at the last second of the wait.
    let other = From::named("mx2.out.example.org", "198.51.100.1");
    assert_eq!(Session::open(&daemon, &other).await.ordinary().await, format!("{WAIT} 1 second"));
    clock.advance(Duration::from_secs(1));
    let mut session = Session::open(&daemon, &other).await;
    assert_eq!(session.ordinary().await, "continue");
    assert_eq!(session.rcpt("<second@rcpt.example>").await, "continue", "the rest of the message is clear");
    let (actions, answer) = session.message().await;
    assert_eq!(answer, "continue");
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "X-Greylist: delayed 240 seconds by mailward-{version} at mx.example.test; Mon, 01 May 2006 00:04:00 +0000"
    );
    assert_eq!(header(&actions), want);
    assert_eq!(session.ordinary().await, "continue", "the second message at once");
    assert_eq!(session.message().await, (vec![], "continue".to_owned()), "and without a header");
    session.mail("<another@sender.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue", "the domain is known for this sender");
    session.mail("<from@elsewhere.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, format!("{WAIT} 4 minutes"), "but for no other");
    assert_eq!((daemon.counter("greylist_deferred"), daemon.counter("greylist_unavailable")), (4, 0));
    let rows: Vec<String> = rows(&directory)
        .await
        .iter()
        .map(|row| format!("{} {} {} {}", row.client, row.sender, row.deferred, row.passed))
        .collect();
    assert_eq!(
        rows,
        ["ptr:example.org from@elsewhere.example 1 0", "ptr:example.org from@sender.example 3 1"]
    );
}

#[tokio::test]
async fn only_listed_clients_are_greylisted_by_their_score() {
    let directory = Directory::new();
    let lists = "recipient = ['reject_dnsbl_score main', 'greylist_dnsbl_score main']\n\
                 [dnsbl.main]\nsites = ['bl.example=127.0.0.2*1', 'bl.example=127.0.0.3*3']\n\
                 reject_at = 3\ngreylist_at = 1";
    let zone = "2.0.0.127.bl.example A 127.0.0.2\n\
                1.2.0.192.bl.example A 127.0.0.2\n\
                2.2.0.192.bl.example A 127.0.0.3\n";
    let daemon = Daemon::start(&policy(&directory, "", lists), zone).await;
    let refused = "550 5.7.1 Service unavailable; client [192.0.2.2] blocked using bl.example";
    let wait = format!("{WAIT} 4 minutes");
    for (address, want) in [("192.0.2.1", wait.as_str()), ("192.0.2.2", refused), ("192.0.2.3", "continue")] {
        let from = From::resolved(address, "unknown", "unknown", "FAIL");
        assert_eq!(Session::open(&daemon, &from).await.ordinary().await, want, "{address}");
    }
    assert_eq!(rows(&directory).await.len(), 1);
    daemon.clock.advance(Duration::from_secs(240));
    let from = From::resolved("192.0.2.1", "unknown", "unknown", "FAIL");
    assert_eq!(Session::open(&daemon, &from).await.ordinary().await, "continue");
}

#[tokio::test]
async fn a_refused_mail_leaves_no_row_and_an_observed_one_says_so() {
    let directory = Directory::new();
    let lists = "sender = ['warn_if_reject greylist']\nrecipient = ['check_sender_access inline:{ { bad@sender.example = REJECT } }']";
    let daemon = Daemon::start(&policy(&directory, "", lists), "").await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<bad@sender.example>").await;
    assert!(session.rcpt("<to@rcpt.example>").await.starts_with("554 5.7.1"));
    assert_eq!(rows(&directory).await, []);
    session.mail("<from@sender.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    assert_eq!(rows(&directory).await[0].origin, "observe");
}

#[tokio::test]
async fn the_null_sender_waits_at_data_and_a_probe_hears_nothing() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "").await;
    let wait = "450 4.2.0 Greylisted, please try again in 4 minutes";
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    assert_eq!(session.message().await, (vec![], wait.to_owned()));
    daemon.clock.advance(Duration::from_secs(240));
    session.mail("<>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    let (actions, answer) = session.message().await;
    assert!(header(&actions).starts_with("X-Greylist: delayed 240 seconds"));
    assert_eq!(answer, "continue");
    session.mail("<from@other.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, format!("{WAIT} 4 minutes"), "it vouches for nobody");
}

#[tokio::test]
async fn a_bounce_to_two_who_wait_apart_is_not_deferred_for_ever() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "per_recipient = true\nknown_after = 0").await;
    let wait = |minutes| format!("450 4.2.0 Greylisted, please try again in {minutes} minutes");
    for (recipients, after, want) in [
        (&["a"][..], 0, wait(4)),
        (&["a", "b"], 120, wait(2)),
        // The one has proven itself now, and must not wait anew for the other.
        (&["a", "b"], 120, wait(2)),
        (&["a", "b"], 120, "continue".to_owned()),
    ] {
        daemon.clock.advance(Duration::from_secs(after));
        let mut session = Session::open(&daemon, &client()).await;
        session.helo("helo.example").await;
        session.mail("<>").await;
        for recipient in recipients {
            assert_eq!(session.rcpt(&format!("<{recipient}@rcpt.example>")).await, "continue");
        }
        assert_eq!(session.message().await.1, want, "{recipients:?} {after}");
    }
}

#[tokio::test]
async fn observing_defers_nobody_and_marks_its_rows() {
    let directory = Directory::new();
    let policy = format!("mode = 'observe'\n{}", policy(&directory, "", "recipient = ['greylist']"));
    let daemon = Daemon::start(&policy, "").await;
    let mut session = Session::open(&daemon, &client()).await;
    assert_eq!(session.ordinary().await, "continue");
    session.mail("<>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    assert_eq!(session.message().await, (vec![], "continue".to_owned()));
    let origins: Vec<String> = rows(&directory).await.into_iter().map(|row| row.origin).collect();
    assert_eq!(origins, ["observe", "observe"]);
}

#[tokio::test]
async fn whitelists_are_read_with_what_stands_beside_them() {
    let directory = Directory::new();
    let clients = directory.file("clients", "# ours\nexample.org\n");
    directory.file("clients.local", "198.51.100\n");
    let greylist = format!("whitelist_clients = '{}'", clients.display());
    let daemon = daemon(&directory, &greylist).await;
    for (from, want) in [
        (client(), "continue".to_owned()),
        (From::resolved("198.51.100.1", "unknown", "unknown", "FAIL"), "continue".to_owned()),
        (From::resolved("192.0.2.1", "unknown", "unknown", "FAIL"), format!("{WAIT} 4 minutes")),
    ] {
        assert_eq!(Session::open(&daemon, &from).await.ordinary().await, want, "{from:?}");
    }
}

#[tokio::test]
async fn a_flood_is_deferred_without_rows_and_others_are_not_its_victims() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "waiting_limit = 2").await;
    let bot = From::resolved("192.0.2.1", "unknown", "unknown", "FAIL");
    let mut session = Session::open(&daemon, &bot).await;
    session.helo("helo.example").await;
    for sender in ["a", "b", "c", "d"] {
        session.mail(&format!("<{sender}@sender.example>")).await;
        assert_eq!(session.rcpt("<to@rcpt.example>").await, format!("{WAIT} 4 minutes"));
    }
    assert_eq!(rows(&directory).await.len(), 2);
    let other = From::resolved("198.51.100.1", "unknown", "unknown", "FAIL");
    assert_eq!(Session::open(&daemon, &other).await.ordinary().await, format!("{WAIT} 4 minutes"));
    assert_eq!(rows(&directory).await.len(), 3);
}

#[tokio::test]
async fn a_restart_gives_a_flood_no_new_rows() {
    let directory = Directory::new();
    let bot = From::resolved("192.0.2.1", "unknown", "unknown", "FAIL");
    for round in ["a", "b", "c"] {
        let daemon = daemon(&directory, "waiting_limit = 2").await;
        let mut session = Session::open(&daemon, &bot).await;
        session.helo("helo.example").await;
        for sender in ["x", "y", "z"] {
            session.mail(&format!("<{sender}{round}@sender.example>")).await;
            assert_eq!(session.rcpt("<to@rcpt.example>").await, format!("{WAIT} 4 minutes"));
        }
        drop(session);
        daemon.stop().await;
        assert_eq!(rows(&directory).await.len(), 2, "{round}");
    }
}

#[tokio::test]
async fn a_row_that_was_answered_is_there_after_a_restart() {
    let directory = Directory::new();
    let first = daemon(&directory, "").await;
    assert_eq!(Session::open(&first, &client()).await.ordinary().await, format!("{WAIT} 4 minutes"));
    first.stop().await;
    let second = daemon(&directory, "").await;
    second.clock.advance(Duration::from_secs(240));
    assert_eq!(Session::open(&second, &client()).await.ordinary().await, "continue");
}

#[tokio::test]
async fn a_clock_that_steps_a_day_makes_none_who_passed_wait() {
    const DAY: i64 = 86_400;
    let directory = Directory::new();
    let daemon = daemon(&directory, "").await;
    let clock = daemon.clock.clone();
    let bot = |last: u8| From::resolved(&format!("198.51.100.{last}"), "unknown", "unknown", "FAIL");
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, format!("{WAIT} 4 minutes"));
    clock.advance(Duration::from_secs(240));
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, "continue");
    let begin = clock.now();
    for (step, waits) in [(DAY, true), (0, true), (-DAY, true), (0, false)] {
        clock.set(Timestamp(begin.0 + step));
        assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, "continue", "{step}");
        // Who is new waits the whole wait at each time that the clock shows, and never for ever.
        let want = if waits { format!("{WAIT} 4 minutes") } else { "continue".to_owned() };
        assert_eq!(Session::open(&daemon, &bot(1)).await.ordinary().await, want, "{step}");
    }
    assert_eq!(rows(&directory).await.len(), 2);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_lets_mail_pass_and_rules_refuse() {
    let directory = Directory::new();
    std::fs::create_dir(directory.path().join("greylist.db")).unwrap();
    let lists = "recipient = ['greylist', 'check_recipient_access inline:{ { no@rcpt.example = REJECT } }']";
    let daemon = Daemon::start(&policy(&directory, "", lists), "").await;
    let mut session = Session::open(&daemon, &client()).await;
    assert_eq!(session.ordinary().await, "continue");
    assert!(session.rcpt("<no@rcpt.example>").await.starts_with("554 5.7.1 <no@rcpt.example>"));
    assert_eq!(daemon.counter("greylist_unavailable"), 1);
    let tempfail = policy(&directory, "on_store_failure = 'tempfail'", lists);
    let daemon = Daemon::start(&tempfail, "").await;
    let want = "450 4.2.0 <to@rcpt.example>: Recipient address rejected: Greylisted, please try again later";
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, want);
}

/// Runs `mailward greylist` on a directory's database.
fn command(directory: &Directory, arguments: &[&str]) -> (Exit, String) {
    let (exit, out, err) = support::greylist::command(directory, "", arguments);
    (exit, out + &err)
}

#[tokio::test]
async fn the_command_line_works_beside_the_daemon_and_without_it() {
    let directory = Directory::new();
    let (exit, said) = command(&directory, &["list"]);
    assert!(exit == Exit::Unavailable && said.starts_with("mailward: there is no greylist at "), "{said}");
    let daemon = daemon(&directory, "").await;
    let bot = From::resolved("192.0.2.1", "unknown", "unknown", "FAIL");
    let mut session = Session::open(&daemon, &bot).await;
    assert_eq!(session.ordinary().await, format!("{WAIT} 4 minutes"));
    let (exit, list) = command(&directory, &["list"]);
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((exit, lines.len()), (Exit::Success, 2));
    assert_eq!(lines[0], ["STATE", "LAST", "TRIES", "CLIENT", "SENDER", "RECIPIENT"]);
    assert_eq!((lines[1][0], lines[1][2], lines[1][3]), ("waits", "1", "192.0.2.0/24"));
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert_eq!(command(&directory, &["pass"]).0, Exit::Usage, "never all rows by oversight");
    assert_eq!(command(&directory, &["pass", "--sender", "@SENDER.example"]).1, "1 row will pass\n");
    assert_eq!(session.ordinary().await, "continue");
    assert!(command(&directory, &["show", "192.0.2.1"]).1.contains("passed "));
    assert!(command(&directory, &["show", "192.0.2.9"]).1.starts_with("nothing is known of it\n"));
    assert!(command(&directory, &["stats"]).1.starts_with("waiting         0\npassed          1\n"));
    assert_eq!(command(&directory, &["forget", "--client", "192.0.2.0/24"]).1, "1 row forgotten\n");
    assert_eq!(session.ordinary().await, format!("{WAIT} 4 minutes"));
    drop(session);
    daemon.stop().await;
    let (exit, rows) = command(&directory, &["list", "--json", "--waiting"]);
    assert!(exit == Exit::Success && rows.contains("\"recipient\": \"to@rcpt.example\""), "{rows}");
    assert!(
        command(&directory, &["open", "Bob@rcpt.example", "30m"])
            .1
            .starts_with("bob@rcpt.example is open until")
    );
    // The row is of 2006.
    assert_eq!(command(&directory, &["purge"]).1, "1 row removed\n");
}

#[tokio::test]
async fn an_answer_to_a_user_does_not_wait() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "").await;
    let user = From {
        login: Some("user".to_owned()),
        ..From::resolved("203.0.113.1", "unknown", "unknown", "FAIL")
    };
    let mut session = Session::open(&daemon, &user).await;
    session.helo("helo.example").await;
    session.mail("<To@rcpt.example>").await;
    assert_eq!(session.rcpt("<from@sender.example>").await, "continue");
    assert_eq!(session.rcpt("<unsubscribe-1@sender.example>").await, "continue");
    assert_eq!(session.message().await, (vec![], "continue".to_owned()));
    let theirs = From::named("mail.out.sender.example", "192.0.2.9");
    let mut answer = Session::open(&daemon, &theirs).await;
    assert_eq!(answer.ordinary().await, "continue");
    for other in ["<stranger@sender.example>", "<unsubscribe-1@sender.example>"] {
        answer.mail(other).await;
        assert_eq!(answer.rcpt("<to@rcpt.example>").await, format!("{WAIT} 4 minutes"), "{other}");
    }
    // Anybody can write the name of a correspondent.
    for forger in [client(), From::resolved("192.0.2.9", "unknown", "mail.out.sender.example", "FORGED")] {
        let answer = Session::open(&daemon, &forger).await.ordinary().await;
        assert_eq!(answer, format!("{WAIT} 4 minutes"), "{forger:?}");
    }
    assert_eq!(daemon.counter("greylist_not_learnt"), 0);
}
