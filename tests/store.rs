//! What every store of the greylist must do, and what SQLite's does when its file is in trouble.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    config::settings,
    greylist::Ages,
    lookup::greylist::{Greylisted, Observation, Outgoing, Profile, Terms, Voucher, Wait},
    store::{
        Entry, Exemption, ExemptionKind, Filter, GreylistStore, PURGE_STEP, StoreError, sqlite::SqliteStore,
    },
    time::{FixedClock, Timestamp},
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
use support::directory::Directory;

const T: i64 = 1_146_441_600;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

fn settings(directory: &Directory) -> settings::Greylist {
    settings::Greylist {
        path: directory.path().join("greylist.db"),
        busy_timeout: Duration::from_millis(20),
        ..settings::Greylist::default()
    }
}

fn sqlite(directory: &Directory) -> SqliteStore {
    SqliteStore::new(&settings(directory), None, Arc::new(FixedClock::at(Timestamp(T))))
}

/// An attempt of `192.0.2.1`, some seconds after T.
fn attempt(sender: &str, after: i64) -> Observation {
    let (_, domain) = sender.rsplit_once('@').unwrap_or(("", ""));
    let voucher = |client: &str, sender_domain: &str, passes| Voucher {
        client: client.to_owned(),
        sender_domain: sender_domain.to_owned(),
        passes,
    };
    Observation {
        clients: vec!["192.0.2.0/24".to_owned()],
        network: "192.0.2.0/24".to_owned(),
        sender: sender.to_owned(),
        recipient: "to@rcpt.example".to_owned(),
        vouchers: vec![voucher("192.0.2.1", "", 2), voucher("192.0.2.0/24", domain, 1)],
        address: "192.0.2.1".to_owned(),
        name: String::new(),
        now: Timestamp(T + after),
        observed: false,
        brief: false,
        correspondent: sender.to_owned(),
        terms: Terms::default(),
    }
}

async fn say(store: &dyn GreylistStore, observation: Observation) -> String {
    match store.observe(Arc::new(observation)).await {
        Greylisted::Waits { left, why } => format!("{why:?} {}", left.as_secs()),
        Greylisted::Opened { waited } => format!("opened {}", waited.as_secs()),
        other => format!("{other:?}"),
    }
}

async fn rows(store: &dyn GreylistStore) -> Vec<Entry> {
    store.list(Filter::default()).await.unwrap()
}

async fn says(store: &dyn GreylistStore, steps: &[(&str, i64, &str)]) {
    for (sender, after, want) in steps {
        assert_eq!(say(store, attempt(sender, *after)).await, *want, "{sender} {after}");
    }
}

/// The contract: each part gets a store of its own.
macro_rules! contract {
    ($($name:ident,)*) => { $(
        #[tokio::test]
        async fn $name() {
            let directory = Directory::new();
            contract::$name(&sqlite(&directory)).await;
        }
    )* };
}

contract! {
    a_retry_after_the_delay_passes_and_then_all_do,
    a_network_is_known_for_one_sender_domain_and_an_address_after_two_hours,
    rows_under_every_name_count_and_the_strongest_is_written,
    a_network_at_its_limit_waits_without_a_row_until_one_passes,
    exemptions_hold_for_recipients_and_domains_until_their_time,
    only_those_who_opted_in_are_greylisted_where_that_is_asked,
    whom_a_user_wrote_to_answers_without_waiting,
    a_clock_that_was_set_back_makes_nobody_wait_twice,
    looking_changes_nothing,
    rows_are_listed_passed_and_forgotten_by_filter,
    a_purge_takes_steps_and_leaves_what_lives,
    postgrey_s_client_list_counts_hours_and_sees_no_triplet,
    many_at_once_are_each_answered,
}

mod contract {
    use super::*;

    pub(super) async fn a_retry_after_the_delay_passes_and_then_all_do(store: &dyn GreylistStore) {
        let steps = [
            ("a@x.example", 0, "New 240"),
            ("a@x.example", 100, "EarlyRetry 140"),
            ("b@x.example", 200, "New 240"),
            ("a@x.example", 239, "EarlyRetry 1"),
            ("a@x.example", 240, "opened 240"),
            ("a@x.example", 241, "Known"),
        ];
        says(store, &steps).await;
        let row = rows(store).await.into_iter().find(|row| row.sender == "a@x.example").unwrap();
        assert_eq!((row.first_seen, row.passed_at), (Timestamp(T), Some(Timestamp(T + 240))));
        assert_eq!((row.deferred, row.passed, row.origin.as_str()), (3, 1, "smtp"));
    }

    pub(super) async fn a_network_is_known_for_one_sender_domain_and_an_address_after_two_hours(
        store: &dyn GreylistStore,
    ) {
        let steps = [
            ("a@x.example", 0, "New 240"),
            ("a@x.example", 240, "opened 240"),
            ("other@x.example", 241, "Known"),
            ("a@y.example", 300, "New 240"),
            ("a@y.example", 540, "opened 240"),
            ("a@z.example", 600, "New 240"),
            ("a@z.example", 240 + HOUR, "opened 3240"),
            ("a@w.example", 241 + HOUR, "Known"),
            ("a@w.example", 241 + HOUR + 59 * DAY, "Known"),
            ("a@w.example", 241 + HOUR + 119 * DAY + 1, "New 240"),
        ];
        says(store, &steps).await;
    }

    pub(super) async fn rows_under_every_name_count_and_the_strongest_is_written(store: &dyn GreylistStore) {
        let named = |after| Observation {
            clients: vec!["ptr:example.org".to_owned(), "198.51.100.0/24".to_owned()],
            vouchers: Vec::new(),
            ..attempt("a@x.example", after)
        };
        let unnamed = |after| Observation { clients: vec!["198.51.100.0/24".to_owned()], ..named(after) };
        let moved = |after| Observation {
            clients: vec!["ptr:example.org".to_owned(), "203.0.113.0/24".to_owned()],
            ..named(after)
        };
        assert_eq!(say(store, unnamed(0)).await, "New 240");
        assert_eq!(say(store, named(100)).await, "EarlyRetry 140", "its name could not be found out before");
        let clients: Vec<String> = rows(store).await.into_iter().map(|row| row.client).collect();
        assert_eq!(clients, ["ptr:example.org"]);
        assert_eq!(say(store, moved(240)).await, "opened 240", "another machine of the domain");
        assert_eq!(say(store, moved(250)).await, "Passed");
        assert_eq!(say(store, unnamed(260)).await, "New 240");
    }

    pub(super) async fn a_network_at_its_limit_waits_without_a_row_until_one_passes(
        store: &dyn GreylistStore,
    ) {
        let limited = |sender: &str, after| {
            let terms = Terms { waiting_limit: 2, ..Terms::default() };
            Observation { terms, vouchers: Vec::new(), ..attempt(sender, after) }
        };
        for (sender, after, want) in [
            ("a@x.example", 0, "New 240"),
            ("b@x.example", 0, "New 240"),
            ("c@x.example", 0, "TooMany 240"),
            ("c@x.example", 239, "TooMany 240"),
            ("a@x.example", 240, "opened 240"),
            ("c@x.example", 241, "New 240"),
            ("d@x.example", 242, "TooMany 240"),
            ("d@x.example", HOUR, "New 240"),
        ] {
            assert_eq!(say(store, limited(sender, after)).await, want, "{sender} {after}");
        }
    }

    fn exemption(kind: ExemptionKind, value: &str, until: Option<i64>) -> Exemption {
        let until = until.map(|after| Timestamp(T + after));
        let (value, reason) = (value.to_owned(), "a test".to_owned());
        Exemption { kind, value, until, reason, created: Timestamp(T) }
    }

    pub(super) async fn exemptions_hold_for_recipients_and_domains_until_their_time(
        store: &dyn GreylistStore,
    ) {
        store.exempt(exemption(ExemptionKind::Open, "to@rcpt.example", Some(60))).await.unwrap();
        let steps =
            [("a@x.example", 0, "Exempt"), ("a@x.example", 59, "Exempt"), ("a@x.example", 60, "New 240")];
        says(store, &steps).await;
        store.exempt(exemption(ExemptionKind::OptOut, "rcpt.example", None)).await.unwrap();
        says(store, &[("a@x.example", 61, "Exempt")]).await;
        let other = Observation { recipient: "to@other.example".to_owned(), ..attempt("a@x.example", 62) };
        assert_eq!(say(store, other).await, "New 240");
    }

    pub(super) async fn only_those_who_opted_in_are_greylisted_where_that_is_asked(
        store: &dyn GreylistStore,
    ) {
        let asked = || {
            let terms = Terms { opt_in: true, ..Terms::default() };
            Observation { terms, ..attempt("a@x.example", 0) }
        };
        assert_eq!(say(store, asked()).await, "Exempt");
        store.exempt(exemption(ExemptionKind::OptIn, "rcpt.example", None)).await.unwrap();
        assert_eq!(say(store, asked()).await, "New 240");
    }

    pub(super) async fn whom_a_user_wrote_to_answers_without_waiting(store: &dyn GreylistStore) {
        let outgoing = Outgoing {
            local: "to@rcpt.example".to_owned(),
            remote: vec!["a@x.example".to_owned()],
            now: Timestamp(T),
        };
        store.learn(outgoing.clone()).await.unwrap();
        let steps = [
            ("a@x.example", 0, "Correspondent"),
            ("b@x.example", 0, "New 240"),
            ("a@x.example", 60 * DAY, "Correspondent"),
            ("a@x.example", 60 * DAY + 1, "New 240"),
        ];
        says(store, &steps).await;
        store.learn(Outgoing { now: Timestamp(T + 60 * DAY), ..outgoing }).await.unwrap();
        says(store, &[("a@x.example", 60 * DAY + 2, "Correspondent")]).await;
        let other = Observation { recipient: "other@rcpt.example".to_owned(), ..attempt("a@x.example", 0) };
        assert_eq!(say(store, other).await, "New 240");
    }

    pub(super) async fn a_clock_that_was_set_back_makes_nobody_wait_twice(store: &dyn GreylistStore) {
        let plain = |sender: &str, after| Observation { vouchers: Vec::new(), ..attempt(sender, after) };
        for (sender, after, want) in [
            ("a@x.example", 0, "New 240"),
            ("a@x.example", 240, "opened 240"),
            ("a@x.example", 240 - DAY, "Passed"),
            ("b@x.example", 300, "New 240"),
            ("b@x.example", 300 - DAY, "New 240"),
            ("b@x.example", 540 - DAY, "opened 240"),
            ("b@x.example", DAY, "Passed"),
        ] {
            assert_eq!(say(store, plain(sender, after)).await, want, "{sender} {after}");
        }
    }

    pub(super) async fn looking_changes_nothing(store: &dyn GreylistStore) {
        let peek = |after| store.peek(Arc::new(attempt("a@x.example", after)));
        let new = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };
        assert_eq!(peek(0).await, new);
        assert_eq!(rows(store).await, []);
        say(store, attempt("a@x.example", 0)).await;
        let before = rows(store).await;
        assert_eq!(peek(240).await, Greylisted::Opened { waited: Duration::from_secs(240) });
        assert_eq!(rows(store).await, before);
    }

    pub(super) async fn rows_are_listed_passed_and_forgotten_by_filter(store: &dyn GreylistStore) {
        for (number, sender) in ["a@x.example", "b@x.example", "a@y.example"].into_iter().enumerate() {
            say(store, attempt(sender, i64::try_from(number).unwrap())).await;
        }
        let sender = |sender: &str| Filter { sender: Some(sender.to_owned()), ..Filter::default() };
        let found = |rows: Vec<Entry>| rows.into_iter().map(|row| row.sender).collect::<Vec<_>>();
        assert_eq!(found(store.list(sender("@x.example")).await.unwrap()), ["b@x.example", "a@x.example"]);
        assert_eq!(found(store.list(sender("x.example")).await.unwrap()), [""; 0]);
        assert_eq!(found(store.list(sender("%@x.example' OR 1 --")).await.unwrap()), [""; 0]);
        let limited = Filter { limit: Some(1), ..Filter::default() };
        assert_eq!(found(store.list(limited).await.unwrap()), ["a@y.example"]);
        let address = Filter { client: Some("192.0.2.1".to_owned()), ..Filter::default() };
        assert_eq!(store.list(address).await.unwrap().len(), 3);
        assert_eq!(store.pass(sender("a@x.example"), Timestamp(T + 10)).await.unwrap(), 1);
        assert_eq!(say(store, attempt("a@x.example", 11)).await, "Passed");
        let waiting = Filter { passed: Some(false), ..Filter::default() };
        assert_eq!(found(store.list(waiting.clone()).await.unwrap()), ["a@y.example", "b@x.example"]);
        assert_eq!(store.forget(waiting).await.unwrap(), 2);
        let stats = store.stats().await.unwrap();
        assert_eq!((stats.waiting, stats.passed, stats.never_returned), (0, 1, 0));
        assert_eq!(stats.delays[0], (60, 1));
    }

    pub(super) async fn a_purge_takes_steps_and_leaves_what_lives(store: &dyn GreylistStore) {
        let terms = Terms { waiting_limit: 0, ..Terms::default() };
        for number in 0..PURGE_STEP + 3 {
            let observation = attempt(&format!("{number}@x.example"), 0);
            say(store, Observation { terms: terms.clone(), vouchers: Vec::new(), ..observation }).await;
        }
        let unlimited = |after| Observation { terms: terms.clone(), ..attempt("passed@y.example", after) };
        say(store, unlimited(0)).await;
        assert_eq!(say(store, unlimited(240)).await, "opened 240");
        let Terms { retry_window, max_age, known_max_age, .. } = terms;
        let ages = Ages { waiting: retry_window, passed: max_age, known: known_max_age };
        let purge = |after| store.purge(ages, Timestamp(T + after));
        assert_eq!(purge(25 * HOUR).await.unwrap(), 0, "exactly at the end of the window it lives");
        assert_eq!(purge(25 * HOUR + 1).await.unwrap(), PURGE_STEP);
        assert_eq!(purge(25 * HOUR + 1).await.unwrap(), 3);
        let stats = store.stats().await.unwrap();
        assert_eq!((stats.waiting, stats.passed, stats.known_clients), (0, 1, 2));
        assert_eq!(stats.never_returned, u64::try_from(PURGE_STEP + 3).unwrap());
        assert_eq!(purge(36 * DAY + 241).await.unwrap(), 1);
        assert_eq!(purge(60 * DAY + 241).await.unwrap(), 2);
        assert_eq!(purge(60 * DAY + 241).await.unwrap(), 0);
    }

    pub(super) async fn postgrey_s_client_list_counts_hours_and_sees_no_triplet(store: &dyn GreylistStore) {
        let postgrey = |sender: &str, after| {
            let terms = Terms {
                profile: Profile::Postgrey,
                delay: Duration::from_secs(300),
                waiting_limit: 0,
                ..Terms::default()
            };
            let mut observation = Observation { terms, ..attempt(sender, after) };
            observation.vouchers =
                vec![Voucher { client: "192.0.2.1".to_owned(), sender_domain: String::new(), passes: 5 }];
            observation
        };
        for number in 0..5 {
            let (sender, after) = (format!("{number}@x.example"), number * (HOUR + 300));
            assert_eq!(say(store, postgrey(&sender, after)).await, "New 300");
            assert_eq!(say(store, postgrey(&sender, after + 300)).await, "opened 300");
        }
        let after = 5 * (HOUR + 300);
        assert_eq!(say(store, postgrey("new@x.example", after)).await, "Known");
        assert_eq!(rows(store).await.len(), 5);
    }

    pub(super) async fn many_at_once_are_each_answered(store: &dyn GreylistStore) {
        let terms = Terms { waiting_limit: 0, ..Terms::default() };
        let all = (0..1_000).map(|number| {
            let observation = attempt(&format!("{number}@x.example"), 0);
            store.observe(Arc::new(Observation { terms: terms.clone(), ..observation }))
        });
        let new = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };
        assert!(futures_util::future::join_all(all).await.into_iter().all(|said| said == new));
        assert_eq!(rows(store).await.len(), 1_000);
    }
}

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
    let store = sqlite(&directory);
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
        assert_eq!(matches!(refused, StoreError::Newer { found: 99, known: 1, .. }), newer, "{refused}");
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
