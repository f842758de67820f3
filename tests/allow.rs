//! Exemptions in the whole server: effective at once, counted, and kept in force whatever becomes of their file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    store::allow::{AllowFile, Allowed},
    time::Timestamp,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session},
};

const REFUSED: &str = "554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied";
const PATIENCE: Duration = Duration::from_millis(100);

/// A server that refuses everybody, with the exemptions of a directory's allow.db.
async fn daemon(directory: &Directory, lists: &str) -> Daemon {
    let daemon = Daemon::start(&format!("[restrictions]\n{lists}\n"), "").await;
    daemon.server.allowances().open(&file(directory));
    daemon
}

fn file(directory: &Directory) -> PathBuf {
    directory.path().join("allow.db")
}

fn allowed(kind: &str, value: &str) -> Allowed {
    Allowed {
        id: 0,
        kind: kind.to_owned(),
        value: value.to_owned(),
        reason: "a partner".to_owned(),
        author: "admin".to_owned(),
        created: Timestamp(1_146_441_600),
        expires: None,
        hits: 0,
        last_hit: None,
    }
}

fn add(path: &Path, new: &Allowed) -> Allowed {
    AllowFile::open_or_make(path, PATIENCE).unwrap().add(new).unwrap()
}

fn listed(path: &Path) -> Vec<Allowed> {
    AllowFile::open(path, PATIENCE).unwrap().unwrap().list().unwrap()
}

/// The answer to the recipient of a new session.
async fn answer(daemon: &Daemon) -> String {
    let client = From::named("mx.example.org", "192.0.2.1");
    Session::open(daemon, &client).await.ordinary().await
}

#[tokio::test]
async fn an_exemption_is_in_force_at_once_counted_and_gone_at_once() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "recipient = ['reject']").await;
    assert_eq!(answer(&daemon).await, REFUSED);
    for (kind, value) in [
        ("client", "192.0.2.1"),
        ("network", "192.0.2.0/24"),
        ("domain", "example.org"),
        ("sender", "@sender.example"),
        ("recipient", "to@rcpt.example"),
    ] {
        let made = add(&file(&directory), &allowed(kind, value));
        assert!(daemon.server.allowances().look().await);
        assert_eq!(answer(&daemon).await, "continue", "{kind}");
        daemon.clock.advance(Duration::from_secs(60));
        assert_eq!(answer(&daemon).await, "continue", "{kind}");
        assert!(daemon.server.allowances().look().await);
        let noted = listed(&file(&directory)).pop().unwrap();
        assert_eq!((noted.id, noted.hits), (made.id, 2));
        AllowFile::open(&file(&directory), PATIENCE).unwrap().unwrap().remove(made.id).unwrap();
        assert!(daemon.server.allowances().look().await);
        assert_eq!(answer(&daemon).await, REFUSED, "{kind}");
    }
    assert_eq!(daemon.counter("decisions_exempted"), 10);
}

#[tokio::test]
async fn an_exemption_passes_the_greylist_but_not_the_content_list() {
    let directory = Directory::new();
    add(&file(&directory), &allowed("client", "192.0.2.1"));
    let daemon = daemon(&directory, "recipient = ['greylist']\nend_of_data = ['reject']").await;
    let client = From::named("mx.example.org", "192.0.2.1");
    let mut session = Session::open(&daemon, &client).await;
    assert_eq!(session.ordinary().await, "continue");
    let (_, answer) = session.message().await;
    assert_eq!(answer, "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied");
    let other = From::named("mx.example.org", "192.0.2.2");
    assert!(Session::open(&daemon, &other).await.ordinary().await.starts_with("450 4.2.0 <to@rcpt.example>"));
}

#[tokio::test]
async fn an_exemption_ends_by_itself_and_a_second_one_gives_it_a_new_end() {
    let directory = Directory::new();
    let daemon = daemon(&directory, "recipient = ['reject']").await;
    let now = 1_146_441_600;
    let first = Allowed { expires: Some(Timestamp(now + 60)), ..allowed("client", "192.0.2.1") };
    let made = add(&file(&directory), &first);
    daemon.server.allowances().look().await;
    daemon.clock.advance(Duration::from_secs(59));
    assert_eq!(answer(&daemon).await, "continue");
    daemon.clock.advance(Duration::from_secs(1));
    assert_eq!(answer(&daemon).await, REFUSED);
    let second = Allowed { expires: None, reason: "for good".to_owned(), ..first };
    let again = add(&file(&directory), &second);
    assert_eq!((again.id, again.reason.as_str(), again.created), (made.id, "for good", made.created));
    daemon.server.allowances().look().await;
    assert_eq!(answer(&daemon).await, "continue");
}

#[tokio::test]
async fn a_file_in_trouble_takes_no_exemption_away_and_rules_go_on_refusing() {
    let directory = Directory::new();
    let path = file(&directory);
    add(&path, &allowed("client", "192.0.2.1"));
    let daemon = daemon(&directory, "recipient = ['reject']").await;
    let other = From::named("mx.example.org", "192.0.2.2");
    let counts = || (daemon.counter("allow_faults"), daemon.counter("allow_recoveries"));

    let lock = rusqlite::Connection::open(&path).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for _ in 0..2 {
        assert_eq!(answer(&daemon).await, "continue");
        daemon.server.allowances().look().await;
        assert_eq!(Session::open(&daemon, &other).await.ordinary().await, REFUSED);
    }
    assert_eq!(counts(), (1, 0), "counted once, however long it lasts");
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    daemon.server.allowances().look().await;
    assert_eq!(counts(), (1, 1));
    assert_eq!(listed(&path)[0].hits, 2, "what was counted meanwhile is not lost");

    let sound = fs::read(&path).unwrap();
    fs::write(&path, "this is no database, but long enough to be looked at as one, as it seems: ".repeat(20))
        .unwrap();
    daemon.server.allowances().look().await;
    assert_eq!(counts(), (2, 1));
    assert_eq!(answer(&daemon).await, "continue");
    assert_eq!(Session::open(&daemon, &other).await.ordinary().await, REFUSED);
    fs::write(&path, sound).unwrap();
    daemon.server.allowances().look().await;
    assert_eq!((counts(), listed(&path)[0].hits), ((2, 2), 3));

    fs::remove_file(&path).unwrap();
    daemon.server.allowances().look().await;
    assert_eq!(answer(&daemon).await, REFUSED, "as after a restart without the file");
    assert_eq!(counts(), (2, 2), "a file that is not there is no fault");
}

#[tokio::test]
async fn a_file_of_a_newer_version_or_another_program_is_left_alone() {
    let directory = Directory::new();
    let path = file(&directory);
    for (sql, want) in [
        ("PRAGMA application_id = 1095520087; PRAGMA user_version = 9; CREATE TABLE t (x);", "newer schema"),
        ("CREATE TABLE t (x);", "another program's database"),
    ] {
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(AllowFile::open(&path, PATIENCE).unwrap_err().words(), want);
        assert_eq!(AllowFile::open_or_make(&path, PATIENCE).unwrap_err().words(), want);
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::remove_file(&path).unwrap();
    }
}
