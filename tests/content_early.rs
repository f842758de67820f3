//! How much of a message is looked at, in process: what cannot matter is not asked for, and a refusal that is certain is
//! given at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use std::fs;
use support::{
    content::{NAMES, REFUSED, TO, attached, begin, begun, send},
    directory::Directory,
    milter::{Daemon, Session, parse, shown},
};

#[tokio::test]
async fn the_rest_of_a_body_is_skipped_once_nothing_in_it_can_matter() {
    const MEGABYTES: usize = 25 << 20;
    let directory = Directory::new();
    fs::write(directory.path().join("table"), "/^X-Bad:/ REJECT\n").unwrap();
    let policy = "[restrictions]\nend_of_data = ['check_header pcre:table']\n";
    let daemon = Daemon::start_with(parse(policy, directory.path()), "").await;
    let mut session = begun(&daemon, TO).await;
    let plain = (vec![("Subject", " plain".to_owned())], vec![b'x'; MEGABYTES]);
    let (_, answer, sent) = send(&mut session, plain, 65_535).await;
    assert_eq!((answer.as_str(), sent), ("continue", 65_535));
    begin(&mut session, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.exe", MEGABYTES), 65_535).await;
    assert_eq!(answer, "continue");
    assert!(sent > MEGABYTES, "parts may follow: {sent}");
    begin(&mut session, TO).await;
    // A piece that is shorter is the last: there is nothing to skip, and the end must come.
    let short = (vec![("X-Bad", " 1".to_owned())], vec![b'x'; 1_000]);
    let (_, answer, _) = send(&mut session, short, 65_535).await;
    assert_eq!(answer, "550 5.7.1 message content rejected");
    assert!(daemon.counter("body_bytes") < 2 * u64::try_from(MEGABYTES).unwrap());
}

#[tokio::test]
async fn a_forbidden_name_ends_the_looking() {
    const MEGABYTES: usize = 25 << 20;
    let daemon = Daemon::start(NAMES, "").await;
    let mut session = begun(&daemon, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.exe", MEGABYTES), 65_535).await;
    assert_eq!(answer, REFUSED);
    assert!(sent <= 4 * 65_535, "{sent} bytes were wanted though the answer was certain");
    begin(&mut session, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.pdf", MEGABYTES), 65_535).await;
    assert_eq!(answer, "continue");
    assert!(sent > MEGABYTES);
}

/// What is answered to a message, and to which part of it.
async fn heard(
    session: &mut Session,
    (header, body): (Vec<(&str, String)>, Vec<u8>),
) -> (String, &'static str) {
    for (name, value) in header {
        session.milter.header(name, value).await.unwrap();
    }
    let answer = shown(session.milter.eoh().await.unwrap());
    if answer != "continue" {
        return (answer, "header");
    }
    for chunk in body.chunks(65_535) {
        match shown(session.milter.body(chunk.to_vec()).await.unwrap()).as_str() {
            "continue" => {}
            "Skip" => break,
            refusal => return (refusal.to_owned(), "body"),
        }
    }
    (session.message().await.1, "end")
}

#[tokio::test]
async fn a_refusal_is_given_as_soon_as_it_is_certain() {
    let directory = Directory::new();
    fs::write(directory.path().join("table"), "/^X-Bad:/ REJECT\n/^X-Drop:/ DISCARD\n").unwrap();
    let field = |name| (vec![(name, " 1".to_owned())], vec![b'x'; 200_000]);
    let name = |name| attached(name, 200_000);
    let (table, names) = ("'check_header pcre:table'", "'reject_attachment_name'");
    let both = format!("{names}, {table}");
    let behind = |entry: &str| format!("'{entry}', {names}");
    for (what, entries, message, want) in [
        ("a field", table, field("X-Bad"), ("550 5.7.1 message content rejected", "header")),
        ("a name", names, name("a.exe"), (REFUSED, "body")),
        ("a short message", names, attached("a.exe", 100), (REFUSED, "end")),
        ("names are looked for", &both, field("X-Bad"), ("550 5.7.1 message content rejected", "end")),
        ("no permit", &behind("permit_mynetworks"), name("a.exe"), (REFUSED, "body")),
        ("a permit", &behind("permit"), name("a.exe"), ("continue", "end")),
        ("perhaps a permit", &behind("permit_dnswl_client list.example"), name("a.exe"), ("continue", "end")),
        ("dropped", table, field("X-Drop"), ("discard", "end")),
        ("warned of", &behind("warn_if_reject"), name("a.exe"), ("continue", "end")),
        ("nothing", names, name("a.pdf"), ("continue", "end")),
    ] {
        let policy = format!("[restrictions]\nend_of_data = [{entries}]\n");
        let listed = "2.0.0.127.list.example A 127.0.0.2\n1.2.0.192.list.example A 127.0.0.2\n";
        let daemon = Daemon::start_with(parse(&policy, directory.path()), listed).await;
        let mut session = begun(&daemon, TO).await;
        for times in 1..=2 {
            let (answer, moment) = heard(&mut session, message.clone()).await;
            assert_eq!((answer.as_str(), moment), want, "{what}");
            let rejected = if want.0.starts_with('5') { times } else { 0 };
            assert_eq!(daemon.counter("decisions_reject"), rejected, "{what}: decided once");
            begin(&mut session, TO).await;
        }
        session.milter.close().await.unwrap();
        daemon.stop().await;
    }
}
