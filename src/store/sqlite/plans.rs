//! Tests in a table of a million rows: each statement goes to its rows by a key, and a row takes few bytes.

use super::{
    admin::{self, PURGES},
    find::{KNOWN, find_sql},
    observe::{InUse, STATEMENTS, observe},
    open::KIND,
};
use crate::{
    greylist::Settings,
    lookup::greylist::{Greylisted, Observation, Terms},
    store::{PURGE_STEP, networks::Networks},
    time::Timestamp,
};
use rusqlite::Connection;
use std::time::Duration;

const ROWS: i64 = 1_000_000;
const T: i64 = 1_146_441_600;
/// More than the rows of `fill` take, after insertions in random order.
const BYTES_PER_ROW: i64 = 150;

/// Half of the rows wait since T, half passed then; the order of insertion has nothing to do with that of the keys.
fn fill(connection: &Connection) {
    let sql = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1), \
               mixed (n, m) AS (SELECT n, n * 7368787 % 10000019 FROM number) \
               INSERT INTO greylist (client, sender, recipient, first_seen, last_seen, passed_at, deferred, last_ip) \
               SELECT 'ptr:isp' || (m % 100000) || '.example', 'user@s' || n || '.example', \
               'rcpt' || (m % 5000) || '@example.org', ?2, ?2, CASE n % 2 WHEN 0 THEN ?2 END, 1, '192.0.2.1' FROM mixed";
    connection.execute(sql, [ROWS, T]).unwrap();
}

/// The client and the recipient of row number `n`.
fn names(n: i64) -> (String, String) {
    let m = n * 7_368_787 % 10_000_019;
    (format!("ptr:isp{}.example", m % 100_000), format!("rcpt{}@example.org", m % 5_000))
}

fn attempt(n: i64, sender: String) -> Observation {
    let (client, recipient) = names(n);
    Observation {
        own_domain: true,
        clients: vec![client, "192.0.2.0/24".to_owned()],
        network: "192.0.2.0/24".to_owned(),
        sender,
        recipient,
        vouchers: Vec::new(),
        address: "192.0.2.1".to_owned(),
        name: String::new(),
        now: Timestamp(T + 300),
        observed: false,
        brief: false,
        correspondent: String::new(),
        terms: Terms { waiting_limit: 0, ..Terms::default() },
    }
}

/// The steps of a statement's plan that read a table.
fn reads(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3)).map(Result::unwrap);
    steps.filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH")).collect()
}

#[test]
fn a_million_rows_are_found_by_their_keys_and_take_few_bytes() {
    let connection = Connection::open_in_memory().unwrap();
    for migration in KIND.migrations {
        connection.execute_batch(migration.sql).unwrap();
    }
    fill(&connection);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let bytes = pragma("page_count") * pragma("page_size") / ROWS;
    println!("{bytes} bytes per row");
    assert!(bytes <= BYTES_PER_ROW, "{bytes}");
    // As the planner sees it before and after it has counted.
    for count in ["", "PRAGMA analysis_limit = 400; ANALYZE;"] {
        connection.execute_batch(count).unwrap();
        let find = find_sql(3, 2);
        for sql in STATEMENTS.into_iter().chain(PURGES).chain([find.as_str(), KNOWN]) {
            for step in reads(&connection, sql) {
                let small = step == "SCAN exemption" && PURGES.last() == Some(&sql);
                assert!(step.starts_with("SEARCH") || small, "{count} {step}\n{sql}");
            }
        }
    }
    let mut networks = Networks::default();
    for n in (1..=ROWS).step_by(9_973) {
        let mut say =
            |sender| observe(&connection, &attempt(n, sender), InUse::ALL, Some(&mut networks)).unwrap();
        let want = if n % 2 == 0 {
            Greylisted::Passed
        } else {
            Greylisted::Opened { waited: Duration::from_secs(300) }
        };
        assert_eq!(say(format!("user@s{n}.example")), want, "{n}");
        assert!(matches!(say(format!("new@s{n}.example")), Greylisted::Waits { .. }), "{n}");
    }
    let now = Timestamp(T + 2 * 86_400);
    let purged = admin::purge(&connection, &Settings::default().ages(), now, None).unwrap();
    assert_eq!((purged.removed, purged.next.is_some()), (PURGE_STEP, true));
}
