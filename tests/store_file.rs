//! The greylist's file as others see it: before a schema change, with the sqlite3 of the system, with the queries of the README.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::store::{GreylistStore, sqlite::SqliteStore};
use rusqlite::Connection;
use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use support::{
    directory::Directory,
    greylist::{attempt, known_by, rows, say, says, settings, sqlite},
};

const FIRST_SCHEMA: &str = include_str!("../migrations/sqlite/0001_greylist.sql");

#[tokio::test]
async fn the_file_is_kept_as_it_was_before_its_schema_changes() {
    let directory = Directory::new();
    let path = settings(&directory).path;
    let old = Connection::open(&path).unwrap();
    old.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = wal").unwrap();
    old.execute_batch(FIRST_SCHEMA).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1; PRAGMA application_id = 1196579148; \
         INSERT INTO greylist (client, sender, recipient, first_seen, last_seen, deferred) \
         VALUES ('192.0.2.0/24', 'a@x.example', 'to@rcpt.example', 1146441600, 1146441600, 1)",
    )
    .unwrap();
    drop(old);
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 240, "opened 240")]).await;
    assert_eq!(
        store.stats(known_by()).await.unwrap().first_retries.iter().map(|(_, mails)| mails).sum::<u64>(),
        1
    );
    let version = |path: &Path| -> (i64, String, i64) {
        let connection = Connection::open(path).unwrap();
        let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let check = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        (one("PRAGMA user_version"), check, one("SELECT count(*) FROM waiting"))
    };
    assert_eq!(version(&path), (3, "ok".to_owned(), 0));
    let kept = directory.path().join("greylist.db.schema1");
    assert_eq!(version(&kept), (1, "ok".to_owned(), 1), "as it was before");
}

#[tokio::test]
async fn a_copy_that_was_not_finished_passes_for_none() {
    let directory = Directory::new();
    let path = settings(&directory).path;
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../migrations/sqlite/0001_greylist.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 1196579148; PRAGMA user_version = 1").unwrap();
    drop(old);
    // A directory with something in it cannot be taken for a file to begin anew with.
    let place = directory.path().join("greylist.db.schema1.unfinished");
    fs::create_dir_all(place.join("full")).unwrap();
    let said = say(&sqlite(&directory), attempt("a@x.example", 0)).await;
    assert!(said.starts_with("Unavailable"), "{said}");
    let version = || -> i64 {
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    assert_eq!(version(), 1, "without a copy nothing changes");
    fs::remove_dir_all(&place).unwrap();
    directory.file("greylist.db.schema1.unfinished", "cut off");
    says(&sqlite(&directory), &[("a@x.example", 0, "New 240")]).await;
    assert_eq!(version(), 3);
    let kept = Connection::open(directory.path().join("greylist.db.schema1")).unwrap();
    let check: String = kept.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!((check.as_str(), place.exists()), ("ok", false));
}

#[test]
fn who_opens_the_file_while_another_makes_it_takes_it_for_no_stranger_s() {
    for round in 0..30 {
        let directory = Directory::new();
        let path = settings(&directory).path;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let looks = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let said = SqliteStore::check_as_it_is(&settings(&directory));
                    let foreign = said.is_err_and(|error| error.words() == "another program's database");
                    assert!(!foreign, "round {round}");
                }
            });
            for _ in 0..20 {
                let connection = Connection::open(&path).unwrap();
                let sql = format!(
                    "BEGIN; {FIRST_SCHEMA}; PRAGMA user_version = 1; PRAGMA application_id = 1196579148; COMMIT"
                );
                connection.execute_batch(&sql).unwrap();
                drop(connection);
                fs::remove_file(&path).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            looks.join().unwrap();
        });
    }
}

/// Runs the system's sqlite3 on the file, for reading only; `None` where there is none.
fn sqlite3(directory: &Directory, command: &str) -> Option<String> {
    let path = settings(directory).path;
    let run = Command::new("sqlite3").args(["-readonly", "-bail"]).arg(path).arg(command).output();
    let Ok(output) = run else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "sqlite3 is not installed");
        support::postfix::say("SKIPPED store_file: sqlite3 is not installed");
        return None;
    };
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn the_system_s_sqlite3_shows_tables_and_views() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    says(&store, &[("a@x.example", 0, "New 240"), ("b@y.example", 0, "New 240")]).await;
    says(&store, &[("a@x.example", 240, "opened 240")]).await;
    let Some(tables) =
        sqlite3(&directory, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY 1")
    else {
        return;
    };
    let names: Vec<&str> = tables.lines().collect();
    let want = [
        "correspondent",
        "delay_cost",
        "exemption",
        "first_retry",
        "greylist",
        "known_client",
        "known_clients",
        "meta",
        "passed",
        "waiting",
    ];
    assert_eq!(names, want);
    for (sql, want) in [
        (
            "SELECT client, sender, recipient, first_seen, last_try, tries, last_ip, origin FROM waiting",
            "192.0.2.0/24|b@y.example|to@rcpt.example|2006-05-01 00:00:00Z|2006-05-01 00:00:00Z|1|192.0.2.1|smtp\n",
        ),
        (
            "SELECT client, sender, delayed_seconds, passed_at, deferred, passed FROM passed",
            "192.0.2.0/24|a@x.example|240|2006-05-01 00:04:00Z|1|1\n",
        ),
        (
            "SELECT client, sender_domain, passes, hits, first_seen FROM known_clients ORDER BY client, sender_domain",
            "192.0.2.0/24|x.example|1|0|2006-05-01 00:04:00Z\n192.0.2.1||1|0|2006-05-01 00:04:00Z\n",
        ),
    ] {
        assert_eq!(sqlite3(&directory, sql).unwrap(), want);
    }
    assert_eq!(rows(&store).await.len(), 2, "the store goes on");
}

/// The queries that the README gives, each with the question above it.
fn readme() -> Vec<(String, String)> {
    let text = include_str!("../README.md");
    let behind = text.split_once("Five questions to `sqlite3").unwrap().1;
    let block = behind.lines().skip_while(|line| *line != "```sql").skip(1);
    let mut all: Vec<(String, String)> = Vec::new();
    for line in block.take_while(|line| *line != "```") {
        match (line.trim().strip_prefix("-- "), all.last_mut()) {
            (Some(question), _) => all.push((question.to_owned(), String::new())),
            (None, Some((_, query))) => {
                query.push_str(line);
                query.push('\n');
            }
            (None, None) => panic!("no question above: {line}"),
        }
    }
    all
}

#[tokio::test]
async fn the_readme_s_five_queries_answer() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    let retry = [("a@x.example", 0, "New 240"), ("a@x.example", 240, "opened 240")];
    says(&store, &retry).await;
    let to = |after| mailward::lookup::greylist::Observation {
        recipient: "bob@example.org".to_owned(),
        ..attempt("news@example.net", after)
    };
    assert_eq!(say(&store, to(300)).await, "New 240");
    // Times of today, where a question is about the last days.
    let writer = Connection::open(settings(&directory).path).unwrap();
    writer
        .execute("UPDATE greylist SET passed_at = strftime('%s', 'now') - 60, first_seen = strftime('%s', 'now') - 420 \
                  WHERE passed_at IS NOT NULL", [])
        .unwrap();
    let queries = readme();
    assert_eq!(queries.len(), 5);
    for (question, query) in queries {
        let answers = writer.prepare(&query).unwrap().query([]).unwrap().next().unwrap().is_some();
        assert!(answers, "{question}");
        if let Some(shown) = sqlite3(&directory, &query) {
            assert!(!shown.is_empty(), "{question}");
        }
    }
}

/// All schemas.
const SCHEMAS: [&str; 5] = [
    FIRST_SCHEMA,
    include_str!("../migrations/sqlite/0002_retries.sql"),
    include_str!("../migrations/sqlite/0003_no_indices.sql"),
    include_str!("../migrations/journal/0001_journal.sql"),
    include_str!("../migrations/allow/0001_allow.sql"),
];

/// The functions in a text of SQL: names with a bracket right behind them.
fn functions(sql: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = |(at, _): (usize, &str)| &sql[sql[..at].rfind(|c| !is_name(c)).map_or(0, |end| end + 1)..at];
    sql.match_indices('(').map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_schemas_and_the_readme_s_queries_need_no_new_sqlite3() {
    // Debian 11 has 3.34, which was tried on all of these; a version further back knows them too.
    let known = ["CAST", "count", "datetime", "strftime", "typeof"];
    // STRICT since 3.37, -> since 3.38, FULL and RIGHT JOIN and IS DISTINCT FROM since 3.39, MATERIALIZED since 3.35 …
    let new = [
        "STRICT",
        "->",
        "FULL",
        "RIGHT",
        "DISTINCT FROM",
        "MATERIALIZED",
        "GENERATED",
        "STORED",
        "NULLS",
        "FILTER",
        "RETURNING",
    ];
    let queries = readme().into_iter().map(|(_, query)| query);
    let schemas = SCHEMAS.map(|sql| {
        sql.lines()
            .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
            .collect::<Vec<_>>()
            .join("\n")
    });
    for sql in queries.chain(schemas) {
        assert!(functions(&sql).iter().all(|name| known.contains(name)), "{:?}", functions(&sql));
        for word in new {
            assert!(!sql.to_uppercase().contains(word), "{word} in {sql}");
        }
    }
    assert_eq!(functions("SELECT iif(a, unixepoch(b), 1) IN (SELECT 1)"), ["iif", "unixepoch"]);
}
