//! What the store counts and what it does to itself: statistics, purge, the sign of life.

use super::{retries, select};
use crate::{
    greylist::{Ages, KnownBy, identity},
    store::{PURGE_STEP, Purged, RowKey, Stats, UNBOUNDED},
    time::Timestamp,
};
use rusqlite::{Connection, Result, params};
use std::time::Duration;

/// The upper bounds of the classes of delay, in seconds.
const DELAYS: [u64; 8] = [60, 240, 300, 600, 1_800, 3_600, 14_400, UNBOUNDED];

/// Those that let mail pass: a kind that lets nobody pass needs more retries than can be counted.
const KNOWN: &str = "\
    SELECT count(*) FROM known_client WHERE last_seen >= ?1 AND passes >= \
    CASE WHEN sender_domain = '' THEN ?2 WHEN client LIKE 'ptr:%' THEN ?3 ELSE ?4 END";

pub(super) fn stats(connection: &Connection, known: KnownBy) -> Result<Stats> {
    let KnownBy { address, name, network, since } = known;
    let [address, name, network] = [address, name, network].map(|passes| passes.map_or(i64::MAX, i64::from));
    let known = connection.query_row(KNOWN, params![since.0, address, name, network], |row| row.get(0))?;
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let mut stats = Stats {
        known_clients: number(known),
        never_returned: number(one(
            "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'never_returned'",
        )?),
        delays: DELAYS.map(|bound| (bound, 0)).into(),
        first_retries: retries::first_retries(connection)?,
        delay_costs: retries::delay_costs(connection)?,
        ..Stats::default()
    };
    // Once through the table, however large it is.
    let mut statement = connection
        .prepare("SELECT CAST(passed_at - first_seen AS INTEGER), origin = 'admin' OR origin LIKE 'import:%' FROM greylist")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(delay) = row.get::<_, Option<i64>>(0)? else {
            stats.waiting += 1;
            continue;
        };
        stats.passed += 1;
        // What did not pass by a retry of its own says nothing about retries.
        let otherwise: bool = row.get(1)?;
        let class = u64::try_from(delay).ok().filter(|_| !otherwise);
        let class = class.and_then(|delay| stats.delays.iter_mut().find(|(bound, _)| delay < *bound));
        if let Some((_, mails)) = class {
            *mails += 1;
        }
    }
    Ok(stats)
}

/// How many rows of the greylist one step of a purge looks at: less than a millisecond.
const LOOK: usize = 1_000;

/// The next rows behind a key, whether they have expired, and whether they wait.
const LOOK_AT: &str = "\
    SELECT client, sender, recipient, \
    CASE WHEN passed_at IS NULL THEN first_seen < ?4 ELSE last_seen < ?5 END, passed_at IS NULL \
    FROM greylist WHERE (client, sender, recipient) > (?1, ?2, ?3) ORDER BY client, sender, recipient LIMIT ?6";

const HAS_COME_BACK: &str = "SELECT 1 FROM known_client WHERE client = ?1 AND sender_domain = ?2";

const PURGE_WAITING: &str = "\
    DELETE FROM greylist WHERE (client, sender, recipient) > (?1, ?2, ?3) \
    AND (client, sender, recipient) <= (?4, ?5, ?6) AND passed_at IS NULL AND first_seen < ?7";

const PURGE_PASSED: &str = "\
    DELETE FROM greylist WHERE (client, sender, recipient) > (?1, ?2, ?3) \
    AND (client, sender, recipient) <= (?4, ?5, ?6) AND passed_at IS NOT NULL AND last_seen < ?7";

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
pub(super) const PURGES: [&str; 7] = [
    LOOK_AT,
    HAS_COME_BACK,
    PURGE_WAITING,
    PURGE_PASSED,
    PURGE_KNOWN,
    PURGE_CORRESPONDENTS,
    PURGE_EXEMPTIONS,
];

/// One step, from where the last one ended. The greylist's rows are gone through in the order of their keys, so that
/// what is removed together stands together.
pub(super) fn purge(
    connection: &Connection,
    ages: &Ages,
    now: Timestamp,
    after: Option<RowKey>,
) -> Result<Purged> {
    let before = |age: Duration| now.0.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let after = after.unwrap_or_default();
    let look = look(connection, &after, before(ages.waiting), before(ages.passed))?;
    let sweep = |sql: &str, before: i64| -> Result<usize> {
        let Some(up_to) = look.last.as_ref().filter(|_| look.expired > 0) else { return Ok(0) };
        let RowKey { client, sender, recipient } = &after;
        let values = params![client, sender, recipient, up_to.client, up_to.sender, up_to.recipient, before];
        connection.prepare_cached(sql)?.execute(values)
    };
    let mut removed = sweep(PURGE_WAITING, before(ages.waiting))? + sweep(PURGE_PASSED, before(ages.passed))?;
    for (sql, before) in [
        (PURGE_KNOWN, before(ages.known)),
        (PURGE_CORRESPONDENTS, before(ages.known)),
        (PURGE_EXEMPTIONS, now.0),
    ] {
        let left = i64::try_from(PURGE_STEP.saturating_sub(removed)).unwrap_or(0);
        removed += connection.prepare_cached(sql)?.execute(params![before, left])?;
    }
    if look.never_returned > 0 {
        connection
            .prepare_cached(
                "INSERT INTO meta (key, value) VALUES ('never_returned', ?1) \
                 ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + excluded.value",
            )?
            .execute([look.never_returned])?;
    }
    let ended = look.ended && removed < PURGE_STEP;
    Ok(Purged { removed, next: (!ended).then(|| look.last.unwrap_or(after)) })
}

/// What stands behind a key.
struct Look {
    /// The last row that was looked at; at the end of the table the last one that has expired.
    last: Option<RowKey>,
    /// How many have expired: a step's worth at most.
    expired: usize,
    /// How many of these wait, and their clients never came back.
    never_returned: i64,
    /// Whether the table ends there.
    ended: bool,
}

fn look(connection: &Connection, after: &RowKey, waiting_before: i64, passed_before: i64) -> Result<Look> {
    let RowKey { client, sender, recipient } = after;
    let limit = i64::try_from(LOOK).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(LOOK_AT)?;
    let mut rows =
        statement.query(params![client, sender, recipient, waiting_before, passed_before, limit])?;
    let (mut last, mut expired, mut never_returned, mut seen) = (None, 0, 0, 0);
    while let Some(row) = rows.next()? {
        let has_expired: bool = row.get(3)?;
        seen += 1;
        expired += usize::from(has_expired);
        let full = expired == PURGE_STEP || seen == LOOK;
        if full || has_expired {
            let key = select::key(row)?;
            let waits: bool = row.get(4)?;
            never_returned += i64::from(has_expired && waits && !has_come_back(connection, &key)?);
            last = Some(key);
        }
        if full {
            break;
        }
    }
    Ok(Look { last, expired, never_returned, ended: seen < LOOK && expired < PURGE_STEP })
}

/// Whether a client came back with mail of this sender's domain. Then a row may be left though its mail passed: the client
/// was known by then, or another recipient of the message had passed.
fn has_come_back(connection: &Connection, key: &RowKey) -> Result<bool> {
    let domain = key.sender.rsplit_once('@').and_then(|(_, domain)| identity::registrable(domain));
    let Some(domain) = domain else { return Ok(false) };
    connection.prepare_cached(HAS_COME_BACK)?.exists([&key.client, &domain])
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
