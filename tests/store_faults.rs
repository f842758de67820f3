//! What the greylist's store in SQLite does when its file is in trouble: mail flows, and what can be mended is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    lookup::greylist::{Greylisted, Observation, Terms},
    sqlite::Error,
    store::{Exemption, ExemptionKind, GreylistStore, StoreError, sqlite::SqliteStore},
    time::Timestamp,
};
use rusqlite::Connection;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use support::{
    directory::Directory,
    greylist::{T, attempt, impatient, rows, say, says, settings, sqlite},
};

fn unavailable(why: &str) -> String {
    format!("Unavailable({why:?})")
}

fn beside(directory: &Directory) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_locked_database_is_waited_for_shortly_and_works_again() {
    let directory = Directory::new();
    let store = impatient(&directory);
    says(&store, &[("a@x.example", 0, "New 240")]).await;
    let other = Connection::open(settings(&directory).path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = unavailable("the database is locked");
    says(&store, &[("a@x.example", 240, &locked), ("a@x.example", 241, &locked)]).await;
    other.execute_batch("COMMIT").unwrap();
    says(&store, &[("a@x.example", 242, "opened 242")]).await;
    assert_eq!(counted(&store), (1, 1, 0));
}

/// Faults, recoveries and renewals.
fn counted(store: &SqliteStore) -> (u64, u64, u64) {
    let counters = store.counters();
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    (of(&counters.faults), of(&counters.recoveries), of(&counters.renewals))
}

/// A small file system of the test's own, below a directory.
struct Mount(PathBuf);

impl Mount {
    fn new(directory: &Directory) -> Option<Self> {
        let path = directory.path().to_owned();
        run("mount", &["-t", "tmpfs", "-o", "size=512k", "tmpfs", path.to_str()?]).then_some(Self(path))
    }

    fn remount(&self, how: &str) {
        assert!(run("mount", &["-o", &format!("remount,{how}"), self.0.to_str().unwrap()]));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

/// Says that a test needs rights it has not; in CI nothing may be skipped.
fn skipped(test: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: cannot mount a file system");
    support::postfix::say(&format!("SKIPPED {test}: cannot mount a file system"));
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_stops_nobody_and_room_mends_it() {
    let directory = Directory::new();
    let Some(mount) = Mount::new(&directory) else {
        return skipped("a_full_disk_stops_nobody_and_room_mends_it");
    };
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 0, "New 240")]).await;
    let filler = mount.0.join("filler");
    let _ = fs::write(&filler, vec![0; 512 << 10]);
    let full = unavailable("the disk is full");
    let mut said = String::new();
    // The log has some room of its own.
    for number in 0..500 {
        let observation = attempt(&format!("{}@x.example", "y".repeat(number)), 1);
        let terms = Terms { waiting_limit: 0, ..Terms::default() };
        said = say(&store, Observation { terms, ..observation }).await;
        if said != "New 240" {
            break;
        }
    }
    assert_eq!(said, full);
    fs::remove_file(filler).unwrap();
    says(&store, &[("a@x.example", 240, "opened 240")]).await;
    assert_eq!(counted(&store), (1, 1, 0));
    drop(store);
}

#[test]
fn a_copy_before_a_migration_is_not_begun_where_it_has_no_room() {
    let directory = Directory::new();
    let Some(mount) = Mount::new(&directory) else {
        return skipped("a_copy_before_a_migration_is_not_begun_where_it_has_no_room");
    };
    let path = settings(&directory).path;
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../migrations/sqlite/0001_greylist.sql")).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 1196579148; PRAGMA user_version = 1; \
         INSERT INTO meta (key, value) VALUES ('long', hex(zeroblob(140000)))",
    )
    .unwrap();
    let error = SqliteStore::make(&settings(&directory)).unwrap_err().to_string();
    let copy = mount.0.join("greylist.db.schema1");
    assert!(error.contains(&format!("{} takes ", copy.display())), "{error}");
    assert!(!copy.exists());
    // What is free in the file is not in the copy.
    old.execute_batch("DELETE FROM meta").unwrap();
    drop(old);
    SqliteStore::make(&settings(&directory)).unwrap();
    assert!(copy.exists());
}

#[tokio::test]
async fn a_file_system_that_became_read_only_stops_nobody() {
    let directory = Directory::new();
    let Some(mount) = Mount::new(&directory) else {
        return skipped("a_file_system_that_became_read_only_stops_nobody");
    };
    {
        let store = sqlite(&directory);
        says(&store, &[("a@x.example", 0, "New 240")]).await;
    }
    // The writer's thread ends soon after its store; until then the file is open for writing.
    while !run("mount", &["-o", "remount,ro", mount.0.to_str().unwrap()]) {
        std::thread::yield_now();
    }
    let store = sqlite(&directory);
    let said = say(&store, attempt("a@x.example", 240)).await;
    assert!(said.starts_with("Unavailable"), "{said}");
    let peeked = store.peek(Arc::new(attempt("a@x.example", 240))).await;
    assert!(matches!(peeked, Greylisted::Opened { .. } | Greylisted::Unavailable(_)), "{peeked:?}");
    mount.remount("rw");
    // Each opening is followed by a short pause in which it is not tried again.
    let mended = async {
        loop {
            let said = say(&store, attempt("a@x.example", 240)).await;
            if !said.starts_with("Unavailable") {
                break said;
            }
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(30), mended).await.unwrap();
    assert_eq!((said.as_str(), counted(&store)), ("opened 240", (1, 1, 0)));
}

#[tokio::test]
async fn a_deleted_file_is_made_anew() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 0, "New 240")]).await;
    fs::remove_file(settings(&directory).path).unwrap();
    says(&store, &[("a@x.example", 240, "New 240"), ("a@x.example", 480, "opened 240")]).await;
    assert!(settings(&directory).path.exists());
}

#[tokio::test]
async fn a_corrupt_file_is_moved_aside() {
    for (offset, bytes) in [
        (0, "no database at all, and longer than a header of one would be; ".repeat(4)),
        (4096, "x".repeat(40_000)),
    ] {
        let directory = Directory::new();
        let path: PathBuf = settings(&directory).path;
        {
            let store = sqlite(&directory);
            says(&store, &[("a@x.example", 0, "New 240")]).await;
        }
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(connection);
        let mut content = fs::read(&path).unwrap();
        content.truncate(offset);
        content.extend_from_slice(bytes.as_bytes());
        fs::write(&path, content).unwrap();
        let store = sqlite(&directory);
        let first = say(&store, attempt("a@x.example", 240)).await;
        assert!(first == "New 240" || first == unavailable("the database is corrupt"), "{first}");
        assert!(say(&store, attempt("a@x.example", 241)).await.starts_with(['N', 'E']));
        let aside = format!("greylist.db.corrupt-{T}");
        assert!(beside(&directory).contains(&aside), "{:?}", beside(&directory));
    }
}

#[tokio::test]
async fn a_newer_or_foreign_database_is_refused_and_not_touched() {
    for (sql, newer) in [
        ("PRAGMA application_id = 1196579148; PRAGMA user_version = 99; CREATE TABLE t (x);", true),
        ("CREATE TABLE accounts (x); PRAGMA user_version = 3;", false),
    ] {
        let directory = Directory::new();
        let path = settings(&directory).path;
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = SqliteStore::check(&settings(&directory)).unwrap_err();
        let StoreError::Database(refused) = refused else { panic!("{refused}") };
        assert_eq!(matches!(refused, Error::Newer { found: 99, known: 3, .. }), newer, "{refused}");
        let store = sqlite(&directory);
        assert!(say(&store, attempt("a@x.example", 0)).await.starts_with("Unavailable"));
        assert_eq!((fs::read(&path).unwrap(), beside(&directory)), (before, vec!["greylist.db".to_owned()]));
    }
    let directory = Directory::new();
    SqliteStore::check(&settings(&directory)).unwrap();
    assert_eq!(beside(&directory), [""; 0], "a look makes no file");
}

#[tokio::test]
async fn nonsense_in_a_column_stops_nobody() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 0, "New 240")]).await;
    // Anybody of the group may write with sqlite3.
    let other = Connection::open(settings(&directory).path).unwrap();
    other.execute_batch("UPDATE greylist SET deferred = -7, passed = 9999999999999").unwrap();
    says(&store, &[("a@x.example", 240, "opened 240")]).await;
}

#[tokio::test]
async fn a_row_of_other_types_is_as_good_as_none_for_its_own_mail_only() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 0, "New 240"), ("b@x.example", 0, "New 240")]).await;
    says(&store, &[("b@x.example", 240, "opened 240")]).await;
    let other = Connection::open(settings(&directory).path).unwrap();
    let nonsense = "UPDATE greylist SET passed_at = datetime('now') WHERE sender = 'a@x.example';
                    UPDATE known_client SET last_pass = 'yesterday';";
    other.execute_batch(nonsense).unwrap();
    assert_eq!(rows(&store).await.len(), 2);
    says(&store, &[("b@x.example", 241, "Passed"), ("a@x.example", 241, "New 240")]).await;
    says(&store, &[("a@x.example", 481, "opened 240")]).await;
    assert_eq!(counted(&store), (0, 0, 0));
}

#[tokio::test]
async fn what_an_administrator_set_is_saved_from_a_corrupt_file() {
    let directory = Directory::new();
    let path = settings(&directory).path;
    {
        let store = sqlite(&directory);
        let exemption = Exemption {
            kind: ExemptionKind::OptOut,
            value: "to@rcpt.example".to_owned(),
            until: None,
            reason: "asked for it".to_owned(),
            created: Timestamp(T),
        };
        store.exempt(exemption).await.unwrap();
        says(&store, &[("a@x.example", 0, "Exempt")]).await;
    }
    let connection = Connection::open(&path).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'greylist'";
    let page: u32 = connection.query_row(root, [], |row| row.get(0)).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    let mut content = fs::read(&path).unwrap();
    let page = usize::try_from(page).unwrap();
    content[(page - 1) * 4_096..page * 4_096].fill(b'x');
    fs::write(&path, content).unwrap();
    let store = sqlite(&directory);
    let other = Observation { recipient: "other@rcpt.example".to_owned(), ..attempt("a@x.example", 1) };
    assert_eq!(say(&store, other.clone()).await, unavailable("the database is corrupt"));
    assert_eq!(say(&store, other).await, "New 240");
    says(&store, &[("a@x.example", 2, "Exempt")]).await;
}

#[tokio::test]
async fn the_file_is_readable_for_the_group_and_keeps_its_log() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 0, "New 240")]).await;
    drop(store);
    let mode = fs::metadata(settings(&directory).path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(beside(&directory).contains(&"greylist.db-wal".to_owned()));
    let connection = Connection::open(settings(&directory).path).unwrap();
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(one("PRAGMA integrity_check"), "ok");
    assert_eq!(one("SELECT first_seen FROM waiting"), "2006-05-01 00:00:00Z");
    assert_eq!(one("SELECT count(*) || '' FROM passed"), "0");
    assert_eq!(one("SELECT count(*) || '' FROM known_clients"), "0");
}
