//! What the journal does when its file is in trouble: mail flows, at most the last second is lost, and what can be
//! mended is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    config::settings,
    journal::{Counters, Entry, Fate, Journal, Message, read::Reader},
    request::{DecisionId, envelope::Envelope, session},
    time::{FixedClock, Timestamp},
};
use rusqlite::Connection;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use support::{
    directory::Directory,
    mailward::MailwardInstance,
    milter::{Daemon, From, Session, parse},
};

const T: i64 = 1_146_441_600;

fn settings(directory: &Directory) -> settings::Journal {
    settings::Journal { path: Some(path(directory)), ..settings::Journal::default() }
}

fn path(directory: &Directory) -> PathBuf {
    directory.path().join("journal.db")
}

fn start(directory: &Directory) -> Journal {
    Journal::start(&settings(directory), Arc::new(FixedClock::at(Timestamp(T)))).unwrap()
}

/// A journal whose file is there and in use: one row is written.
fn begun(directory: &Directory) -> Journal {
    let journal = start(directory);
    note(&journal, 0, 1);
    written(&journal, 1);
    journal
}

/// Waits for so many rows.
fn written(journal: &Journal, rows: u64) {
    until(journal, |counters| counters.written.load(Ordering::Relaxed) == rows);
}

/// Waits until the writer has met the fault.
fn faulty(journal: &Journal) {
    until(journal, |counters| counters.faults.load(Ordering::Relaxed) == 1);
}

/// Notes so many messages, from a number on.
fn note(journal: &Journal, from: u32, count: u32) {
    for number in from..from + count {
        let instance = Some(DecisionId { at: Timestamp(T), count: number });
        journal.note(&Entry::Message(Message {
            now: Timestamp(T),
            session: &session::Session::default(),
            envelope: &Envelope { instance, ..Envelope::default() },
            recipient: None,
            fate: Fate::Accepted,
            reply: None,
            observed: false,
        }));
    }
}

/// The rows of the file.
fn rows(directory: &Directory) -> usize {
    let mut rows = 0;
    let Some(reader) = Reader::open(&path(directory)).unwrap() else { return 0 };
    reader
        .each(None, |_, _| {
            rows += 1;
            true
        })
        .unwrap();
    rows
}

/// Waits until something holds of the counters; it comes by itself.
fn until(journal: &Journal, holds: impl Fn(&Counters) -> bool) {
    let begin = Instant::now();
    while !holds(journal.counters()) {
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", journal.counters());
        std::thread::yield_now();
    }
}

/// Faults, recoveries, renewals and lost records.
fn counted(journal: &Journal) -> [u64; 4] {
    let Counters { faults, recoveries, renewals, dropped, .. } = journal.counters();
    [faults, recoveries, renewals, dropped].map(|counter| counter.load(Ordering::Relaxed))
}

#[test]
fn a_locked_journal_loses_nothing_and_goes_on() {
    let directory = Directory::new();
    let journal = begun(&directory);
    let other = Connection::open(path(&directory)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    note(&journal, 1, 100);
    faulty(&journal);
    other.execute_batch("COMMIT").unwrap();
    written(&journal, 101);
    journal.close();
    assert_eq!((rows(&directory), counted(&journal)), (101, [1, 1, 0, 0]));
}

#[test]
fn a_deleted_journal_is_made_anew_and_a_corrupt_one_moved_aside() {
    let directory = Directory::new();
    let journal = begun(&directory);
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(directory.path().join(format!("journal.db{end}"))).unwrap();
    }
    note(&journal, 1, 1);
    written(&journal, 2);
    journal.close();
    assert_eq!((rows(&directory), counted(&journal)), (1, [0, 0, 1, 0]));
    fs::write(path(&directory), "no database".repeat(1_000)).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(directory.path().join(format!("journal.db{end}")));
    }
    let journal = start(&directory);
    note(&journal, 2, 1);
    written(&journal, 1);
    journal.close();
    assert_eq!((rows(&directory), counted(&journal)), (1, [0, 0, 1, 0]));
    assert!(directory.path().join(format!("journal.db.corrupt-{T}")).exists());
}

#[test]
fn a_newer_journal_and_another_programs_database_are_left_alone() {
    let directory = Directory::new();
    start(&directory).close();
    assert!(Journal::check(&settings(&directory)).is_ok());
    let connection = Connection::open(path(&directory)).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let found = Journal::check(&settings(&directory)).unwrap_err().to_string();
    assert!(
        found.ends_with("has schema 99, this version knows 2: it was written by a newer mailward"),
        "{found}"
    );
    connection.execute_batch("PRAGMA application_id = 5; PRAGMA user_version = 1").unwrap();
    let found = Journal::check(&settings(&directory)).unwrap_err().to_string();
    assert!(found.ends_with("is the database of another program"), "{found}");
}

/// A small file system of the test's own, below a directory.
struct Mount(PathBuf);

impl Mount {
    fn new(directory: &Directory) -> Option<Self> {
        let path = directory.path().to_owned();
        run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs", path.to_str()?]).then_some(Self(path))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_loses_nothing_while_the_queue_has_room() {
    let directory = Directory::new();
    let Some(mount) = Mount::new(&directory) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot mount a file system");
        return support::postfix::say("SKIPPED a_full_disk: cannot mount a file system");
    };
    let journal = begun(&directory);
    let filler = mount.0.join("filler");
    let _ = fs::write(&filler, vec![0; 1 << 20]);
    note(&journal, 1, 5_000);
    faulty(&journal);
    fs::remove_file(filler).unwrap();
    run("mount", &["-o", "remount,size=16m", mount.0.to_str().unwrap()]);
    written(&journal, 5_001);
    journal.close();
    assert_eq!((rows(&directory), counted(&journal)), (5_001, [1, 1, 0, 0]));
    drop(journal);
}

#[test]
fn what_finds_the_queue_full_is_counted_and_nobody_waits() {
    let directory = Directory::new();
    let journal = begun(&directory);
    let other = Connection::open(path(&directory)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    note(&journal, 1, 1);
    faulty(&journal);
    let begin = Instant::now();
    note(&journal, 2, 40_000);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    let dropped = counted(&journal)[3];
    assert!((1..40_000).contains(&dropped), "{dropped}");
    other.execute_batch("COMMIT").unwrap();
    written(&journal, 40_002 - dropped);
    journal.close();
    assert_eq!(rows(&directory) as u64, 40_002 - dropped);
}

#[tokio::test]
async fn mail_flows_and_rules_refuse_while_the_journal_is_locked_or_gone() {
    const POLICY: &str =
        "[restrictions]\nrecipient = ['check_recipient_access inline:{ no@rcpt.example=REJECT }']";
    let directory = Directory::new();
    let mut config = parse(POLICY, directory.path());
    config.journal = settings(&directory);
    let daemon = Daemon::start_with(config, "").await;
    daemon.server.start_journal();
    let journal = daemon.server.journal().unwrap();
    let mails = async || {
        let mut session = Session::open(&daemon, &From::named("a.example", "192.0.2.1")).await;
        session.helo("a.example").await;
        session.mail("<from@sender.example>").await;
        assert!(session.rcpt("<no@rcpt.example>").await.starts_with("554 5.7.1 <no@rcpt.example>"));
        assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
        assert_eq!(session.message().await.1, "continue");
    };
    mails().await;
    written(journal, 3);
    let other = Connection::open(path(&directory)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..20 {
        mails().await;
    }
    faulty(journal);
    mails().await;
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    written(journal, 22 * 3);
    assert_eq!(counted(journal), [1, 1, 0, 0]);
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(directory.path().join(format!("journal.db{end}"))).unwrap();
    }
    mails().await;
    written(journal, 23 * 3);
    journal.close();
    assert_eq!((rows(&directory), counted(journal)), (3, [1, 1, 1, 0]));
    daemon.stop().await;
}

#[test]
fn a_group_waits_less_than_half_a_second_for_others() {
    let directory = Directory::new();
    let journal = begun(&directory);
    // The least of some, since others use the machine too.
    let waits = (1..8).map(|number| {
        let begin = Instant::now();
        note(&journal, number, 1);
        written(&journal, u64::from(number) + 1);
        begin.elapsed()
    });
    let least = waits.min().unwrap();
    assert!(least < Duration::from_millis(500), "{least:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_committed_row_and_the_next_one_goes_on() {
    let directory = Directory::new();
    let socket = directory.path().join("mailward.sock");
    let policy =
        format!("[restrictions]\nrecipient = ['reject']\n[journal]\npath = {:?}\n", path(&directory));
    let mut known = 0;
    for round in 0..3 {
        let answered = 50 * (round + 1);
        let instance = MailwardInstance::start_on(&format!("unix:{}", socket.display()), &policy);
        let from = From::named("a.example", "192.0.2.1");
        let mut session = Session::open_on(&socket, &from).await;
        for _ in 0..answered {
            assert!(session.ordinary().await.starts_with("554 5.7.1 <to@rcpt.example>"));
        }
        let begin = Instant::now();
        // All that was answered before the last second, not only the first group.
        while rows(&directory) < known + answered {
            assert!(begin.elapsed() < Duration::from_secs(30));
            tokio::task::yield_now().await;
        }
        let committed = rows(&directory);
        // In the middle of whatever the writer does; dropping kills.
        session.ordinary().await;
        drop(instance);
        let _ = fs::remove_file(&socket);
        known = rows(&directory);
        assert!(known >= committed, "{known} of {committed}");
        let connection = Connection::open(path(&directory)).unwrap();
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}

#[test]
fn spans_are_found_by_their_index_over_restarts_and_purged_from_the_beginning() {
    use mailward::journal::read::Query;
    let directory = Directory::new();
    for part in 0..5 {
        let journal = start(&directory);
        note(&journal, part * 8_000, 8_000);
        journal.close();
    }
    let reader = Reader::open(&path(&directory)).unwrap().unwrap();
    for number in [0_u32, 1, 7_999, 8_000, 16_383, 16_384, 32_767, 32_768, 39_999] {
        let id = Query::Id(DecisionId { at: Timestamp(T), count: number }.to_string());
        assert_eq!(reader.find(&id, None, 10).unwrap().len(), 1, "{number}");
    }
    drop(reader);
    let clock = Arc::new(FixedClock::at(Timestamp(T)));
    clock.advance(Duration::from_secs(31 * 86_400));
    let journal = Journal::start(&settings(&directory), clock).unwrap();
    let begin = Instant::now();
    while rows(&directory) > 0 {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
    journal.close();
    let connection = Connection::open(path(&directory)).unwrap();
    let terms: i64 = connection.query_row("SELECT count(*) FROM term", [], |row| row.get(0)).unwrap();
    assert_eq!(terms, 0);
}
