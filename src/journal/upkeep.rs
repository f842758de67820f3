//! What the writer does between groups: removing what is older than `keep` or beyond `max_size`, in small steps.

use super::terms::{BUCKETS, SPAN};
use crate::{config::settings, sqlite, time::Clock};
use rusqlite::{Connection, TransactionBehavior};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Between two steps of a round.
const BREATH: Duration = Duration::from_millis(100);
/// Rows removed in one step.
const STEP: i64 = 1_000;
/// Free pages given back in one step.
const PAGES: u64 = 256;

/// When the next step is due.
pub(super) struct Upkeep {
    keep: Duration,
    max_size: u64,
    clock: Arc<dyn Clock>,
    due: Instant,
}

impl Upkeep {
    pub(super) fn new(settings: &settings::Journal, clock: Arc<dyn Clock>) -> Self {
        Self { keep: settings.keep, max_size: settings.max_size, clock, due: Instant::now() + BREATH }
    }

    /// How long until there is something to do.
    pub(super) fn due_in(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Leaves it until the next round.
    pub(super) fn pause(&mut self) {
        self.due = Instant::now() + ROUND;
    }

    /// One step.
    pub(super) fn step(&mut self, connection: &mut Connection) -> Result<(), sqlite::Error> {
        self.pause();
        let removed = self.purge(connection)?;
        let (pages, free, size) = pages(connection)?;
        // Rows that come need pages too; only what is beyond the limit or much is given back.
        if free > PAGES && (removed == 0 || pages.saturating_mul(size) > self.max_size) {
            connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            self.due = Instant::now() + BREATH;
        }
        if removed >= STEP {
            self.due = Instant::now() + BREATH;
        }
        Ok(())
    }

    /// Removes the oldest rows that are too old, or as many as make room: how many.
    fn purge(&self, connection: &mut Connection) -> Result<i64, sqlite::Error> {
        let (pages, free, size) = pages(connection)?;
        let full = pages.saturating_sub(free).saturating_mul(size) > self.max_size;
        let keep = i64::try_from(self.keep.as_secs()).unwrap_or(i64::MAX);
        let before = if full { i64::MAX } else { self.clock.now().0.saturating_sub(keep) };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first: Option<i64> =
            transaction.query_row("SELECT min(id) FROM journal", [], |row| row.get(0))?;
        let Some(first) = first else { return Ok(0) };
        // In the order of writing, and only from the beginning: a clock that went wrong for a while keeps rows longer.
        let end: i64 = transaction.query_row(
            "SELECT coalesce((SELECT min(id) FROM (SELECT id, time FROM journal WHERE id < ?1 ORDER BY id LIMIT ?2) \
             WHERE time >= ?3), ?1)",
            [first.saturating_add(STEP), STEP, before],
            |row| row.get(0),
        )?;
        let removed = transaction.execute("DELETE FROM journal WHERE id < ?1", [end])?;
        let span = end.div_euclid(SPAN);
        if first.div_euclid(SPAN) < span {
            for bucket in 0..BUCKETS {
                transaction
                    .prepare_cached("DELETE FROM term WHERE bucket = ?1 AND span < ?2")?
                    .execute([i64::from(bucket), span])?;
            }
            transaction.execute("DELETE FROM span WHERE span < ?1", [span])?;
        }
        transaction.commit()?;
        Ok(i64::try_from(removed).unwrap_or(0))
    }
}

/// Pages of the file, free ones, and the size of one.
fn pages(connection: &Connection) -> rusqlite::Result<(u64, u64, u64)> {
    let number = |name| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?;
        Ok::<_, rusqlite::Error>(u64::try_from(value).unwrap_or(0))
    };
    Ok((number("page_count")?, number("freelist_count")?, number("page_size")?))
}
