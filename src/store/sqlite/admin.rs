//! What the store counts and what it does to itself: statistics, purge, the sign of life.

use super::retries;
use crate::{
    greylist::Ages,
    store::{PURGE_STEP, Stats},
    time::Timestamp,
};
use rusqlite::{Connection, Result, params};
use std::time::Duration;

/// The upper bounds of the classes of delay, in seconds.
const DELAYS: [u64; 8] = [60, 240, 300, 600, 1_800, 3_600, 14_400, u64::MAX >> 1];

pub(super) fn stats(connection: &Connection) -> Result<Stats> {
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let mut delays = Vec::with_capacity(DELAYS.len());
    let mut below = 0;
    for bound in DELAYS {
        let counted: i64 = connection.query_row(
            "SELECT count(*) FROM greylist WHERE passed_at IS NOT NULL \
             AND passed_at - first_seen >= ?1 AND passed_at - first_seen < ?2 AND origin NOT LIKE 'import:%'",
            [i64::try_from(below).unwrap_or(i64::MAX), i64::try_from(bound).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )?;
        delays.push((bound, number(counted)));
        below = bound;
    }
    Ok(Stats {
        waiting: number(one("SELECT count(*) FROM greylist WHERE passed_at IS NULL")?),
        passed: number(one("SELECT count(*) FROM greylist WHERE passed_at IS NOT NULL")?),
        known_clients: number(one("SELECT count(*) FROM known_client")?),
        never_returned: number(one(
            "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'never_returned'",
        )?),
        delays,
        first_retries: retries::first_retries(connection)?,
        delay_costs: retries::delay_costs(connection)?,
    })
}

const PURGE_WAITING: &str = "\
    DELETE FROM greylist WHERE (client, sender, recipient) IN \
    (SELECT client, sender, recipient FROM greylist WHERE passed_at IS NULL AND first_seen < ?1 \
    ORDER BY first_seen LIMIT ?2)";

const PURGE_PASSED: &str = "\
    DELETE FROM greylist WHERE (client, sender, recipient) IN \
    (SELECT client, sender, recipient FROM greylist WHERE passed_at IS NOT NULL AND last_seen < ?1 \
    ORDER BY last_seen LIMIT ?2)";

const PURGE_KNOWN: &str = "\
    DELETE FROM known_client WHERE (client, sender_domain) IN \
    (SELECT client, sender_domain FROM known_client WHERE last_seen < ?1 ORDER BY last_seen LIMIT ?2)";

const PURGE_CORRESPONDENTS: &str = "\
    DELETE FROM correspondent WHERE (remote, local) IN \
    (SELECT remote, local FROM correspondent WHERE last_sent < ?1 ORDER BY last_sent LIMIT ?2)";

const PURGE_EXEMPTIONS: &str = "\
    DELETE FROM exemption WHERE (kind, value) IN \
    (SELECT kind, value FROM exemption WHERE until < ?1 LIMIT ?2)";

/// All that a step of a purge runs. The last reads its whole table: it is as long as an administrator made it.
#[cfg(test)]
pub(super) const PURGES: [&str; 5] =
    [PURGE_WAITING, PURGE_PASSED, PURGE_KNOWN, PURGE_CORRESPONDENTS, PURGE_EXEMPTIONS];

/// One step: waiting rows first, since a flood writes those.
pub(super) fn purge(connection: &Connection, ages: &Ages, now: Timestamp) -> Result<usize> {
    let before = |age: Duration| now.0.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let mut left = PURGE_STEP;
    let mut step = |sql: &str, before: i64| -> Result<usize> {
        let removed =
            connection.prepare_cached(sql)?.execute(params![before, i64::try_from(left).unwrap_or(0)])?;
        left = left.saturating_sub(removed);
        Ok(removed)
    };
    let waiting = step(PURGE_WAITING, before(ages.waiting))?;
    let passed = step(PURGE_PASSED, before(ages.passed))?;
    let known = step(PURGE_KNOWN, before(ages.known))?;
    let correspondents = step(PURGE_CORRESPONDENTS, before(ages.known))?;
    let exempt = step(PURGE_EXEMPTIONS, now.0)?;
    if waiting > 0 {
        connection
            .prepare_cached(
                "INSERT INTO meta (key, value) VALUES ('never_returned', ?1) \
                 ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + excluded.value",
            )?
            .execute([i64::try_from(waiting).unwrap_or(0)])?;
    }
    Ok(waiting + passed + known + correspondents + exempt)
}

/// The time of the last sign of life, in `meta`.
pub(super) fn heartbeat(connection: &Connection) -> Result<Option<Timestamp>> {
    let found: Option<i64> = connection.query_row(
        "SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key = 'heartbeat'",
        [],
        |row| row.get(0),
    )?;
    Ok(found.map(Timestamp))
}

pub(super) fn beat(connection: &Connection, now: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('heartbeat', ?1) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute([now.0])?;
    Ok(())
}
