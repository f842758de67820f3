//! What the writer does between groups: removing what has expired in small steps, and giving space back.

use super::{SharedAges, admin};
use crate::{
    greylist::judge::since,
    store::PURGE_STEP,
    time::{Clock, Timestamp},
};
use rusqlite::{Connection, Result};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::warn;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Between two steps of a round: the mails in between wait for one step at most. A million rows take half an hour.
const BREATH: Duration = Duration::from_millis(200);
/// How often the planner's statistics are brought up to date.
const OPTIMIZE: Duration = Duration::from_secs(24 * 3_600);
/// A clock that goes wrong by so much between two rounds is not trusted.
const LEAP: Duration = Duration::from_secs(24 * 3_600);
/// For so long.
const DISTRUST: Duration = Duration::from_secs(3_600);
/// Free pages given back in one step.
const PAGES: usize = 256;

/// When the next step is due, and whether the clock can be trusted.
pub(super) struct Upkeep {
    ages: SharedAges,
    clock: Arc<dyn Clock>,
    due: Instant,
    optimized: Instant,
    /// The clock at the last round, and when that was.
    last: Option<(Timestamp, Instant)>,
    trusted_from: Instant,
}

impl Upkeep {
    pub(super) fn new(ages: SharedAges, clock: Arc<dyn Clock>) -> Self {
        let now = Instant::now();
        Self { ages, clock, due: now + BREATH, optimized: now, last: None, trusted_from: now }
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
    pub(super) fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let (now, instant) = (self.clock.now(), Instant::now());
        self.judge_clock(connection, now, instant)?;
        self.pause();
        if instant < self.trusted_from {
            return Ok(());
        }
        let ages = *self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let removed = admin::purge(&transaction, &ages, now)?;
        admin::beat(&transaction, now)?;
        transaction.commit()?;
        if removed >= PURGE_STEP {
            self.due = instant + BREATH;
            return Ok(());
        }
        let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if usize::try_from(free).unwrap_or(0) > PAGES {
            // As a batch, which is stepped to its end: one step alone frees one page.
            connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            self.due = instant + BREATH;
        }
        if instant.duration_since(self.optimized) >= OPTIMIZE {
            connection.execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize;")?;
            self.optimized = instant;
        }
        Ok(())
    }

    /// A clock that leapt would expire everything at once: it is watched for an hour before anything is removed.
    fn judge_clock(&mut self, connection: &Connection, now: Timestamp, instant: Instant) -> Result<()> {
        let (then, passed) = match self.last {
            Some((then, at)) => (then, instant.duration_since(at)),
            None => match admin::heartbeat(connection)? {
                Some(then) => (then, Duration::ZERO),
                None => (now, Duration::ZERO),
            },
        };
        self.last = Some((now, instant));
        let ahead = since(then, now).saturating_sub(passed);
        let behind = since(now, then);
        if ahead > LEAP || behind > LEAP {
            warn!("the clock leapt by more than a day, or mailward did not run: nothing expires for an hour");
            self.trusted_from = instant + DISTRUST;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{greylist::Settings, store::sqlite::schema::MIGRATIONS, time::FixedClock};
    use std::sync::Mutex;

    const T: i64 = 1_146_441_600;
    const DAY: u64 = 86_400;

    /// A database with rows that have waited since T.
    fn database(rows: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0].sql).unwrap();
        for row in 0..rows {
            let sql = "INSERT INTO greylist (client, sender, recipient, first_seen, last_seen) \
                       VALUES (?1, 's', 'r', ?2, ?2)";
            connection.execute(sql, rusqlite::params![row.to_string(), T]).unwrap();
        }
        connection
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM greylist", [], |row| row.get(0)).unwrap()
    }

    fn upkeep(clock: &Arc<FixedClock>) -> Upkeep {
        Upkeep::new(Arc::new(Mutex::new(Settings::default().ages())), clock.clone())
    }

    #[test]
    fn what_has_expired_goes_in_steps_with_a_breath_between() {
        let clock = Arc::new(FixedClock::at(Timestamp(T)));
        let mut connection = database(i64::try_from(PURGE_STEP).unwrap() + 1);
        let mut upkeep = upkeep(&clock);
        upkeep.step(&mut connection).unwrap();
        assert!(rows(&connection) > 100, "nothing has expired");
        // A day and an hour is the window; the clock may go so far in two rounds without being distrusted.
        for _ in 0..2 {
            clock.advance(Duration::from_secs(DAY));
            upkeep.step(&mut connection).unwrap();
        }
        assert_eq!(rows(&connection), 1);
        assert!(upkeep.due_in() <= BREATH);
        upkeep.step(&mut connection).unwrap();
        assert_eq!(rows(&connection), 0);
        assert!(upkeep.due_in() > BREATH);
    }

    #[test]
    fn nothing_expires_for_an_hour_after_the_clock_leapt() {
        let clock = Arc::new(FixedClock::at(Timestamp(T)));
        let mut connection = database(1);
        let mut upkeep = upkeep(&clock);
        upkeep.step(&mut connection).unwrap();
        clock.advance(Duration::from_secs(40 * DAY));
        upkeep.step(&mut connection).unwrap();
        upkeep.step(&mut connection).unwrap();
        assert_eq!(rows(&connection), 1, "the clock leapt while we ran");
        let mut restarted = self::upkeep(&clock);
        restarted.step(&mut connection).unwrap();
        assert_eq!(rows(&connection), 1, "or while we did not");
        upkeep.trusted_from = Instant::now();
        upkeep.step(&mut connection).unwrap();
        assert_eq!(rows(&connection), 0, "the hour is over");
    }
}
