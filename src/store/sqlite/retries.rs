//! When those who passed came back for the first time: counters that help to choose `delay`.
//!
//! A row keeps its first and its last attempt and their number. At the moment in which it passes that is enough: after one
//! deferred attempt the retry that passes is the first; after two the last attempt was the first retry; after more, the
//! mean distance is what the first retry took at most, since senders come less often the longer they wait.

use crate::{greylist::judge::Row, store::DelayCost, time::Timestamp};
use rusqlite::{Connection, Result, params};

/// Counts a mail that passes now; `waiting` is its row until now.
pub(super) fn note(connection: &Connection, waiting: &Row, now: Timestamp) -> Result<()> {
    let after = |then: Timestamp| then.0.saturating_sub(waiting.first_seen.0).max(0);
    let waited = after(now);
    let (first, last) = match waiting.deferred {
        0 => return Ok(()),
        1 => (waited, waited),
        tries => (after(waiting.last_seen) / i64::from(tries - 1), after(waiting.last_seen)),
    };
    connection
        .prepare_cached(
            "UPDATE first_retry SET mails = mails + 1 \
             WHERE below = (SELECT min(below) FROM first_retry WHERE below > ?1)",
        )?
        .execute([first])?;
    connection
        .prepare_cached(
            "UPDATE delay_cost SET mails = mails + (delay <= ?3), further = further + (delay > ?3), waited = waited + \
             CASE WHEN delay <= ?1 THEN ?1 WHEN delay <= ?2 THEN ?2 WHEN delay <= ?3 THEN ?3 ELSE 0 END",
        )?
        .execute(params![first, last, waited])?;
    Ok(())
}

/// Upper bounds of the classes in seconds, and how many mails came back first within each.
pub(super) fn first_retries(connection: &Connection) -> Result<Vec<(u64, u64)>> {
    let mut statement = connection.prepare("SELECT below, mails FROM first_retry ORDER BY below")?;
    statement.query_map([], |row| Ok((number(row, 0)?, number(row, 1)?)))?.collect()
}

/// What each delay would have cost.
pub(super) fn delay_costs(connection: &Connection) -> Result<Vec<DelayCost>> {
    let mut statement =
        connection.prepare("SELECT delay, mails, waited, further FROM delay_cost ORDER BY delay")?;
    let cost = |row: &rusqlite::Row<'_>| {
        Ok(DelayCost {
            delay: number(row, 0)?,
            mails: number(row, 1)?,
            waited: number(row, 2)?,
            further: number(row, 3)?,
        })
    };
    statement.query_map([], cost)?.collect()
}

fn number(row: &rusqlite::Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(|value| u64::try_from(value).unwrap_or(0))
}
