//! What the writer does between groups: removing what has expired in small steps, and giving space back.

use super::{SharedAges, admin};
use crate::{
    greylist::judge::since,
    store::RowKey,
    time::{Clock, Timestamp},
};
use rusqlite::{Connection, Result};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{info, warn};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Between two steps of a round: the mails in between wait for one step at most. A million rows take half an hour.
const BREATH: Duration = Duration::from_millis(200);
/// After going through all rows it rests so many times as long as that took: a table that large loses little by it.
const REST: u32 = 3;
/// How often the planner's statistics are brought up to date.
const OPTIMIZE: Duration = Duration::from_secs(24 * 3_600);
/// A clock that goes wrong by so much between two rounds is not trusted: far less than anything lives, so that a step of
/// a day expires nothing.
const LEAP: Duration = Duration::from_secs(3_600);
/// For so long.
const DISTRUST: Duration = Duration::from_secs(3_600);
/// Free pages given back in one step.
const PAGES: usize = 256;

/// When the next step is due, and whether the clock can be trusted.
pub(super) struct Upkeep {
    ages: SharedAges,
    clock: Arc<dyn Clock>,
    due: Instant,
    /// Where the last step of the purge ended; `None` before it begins.
    place: Option<RowKey>,
    /// When it began, and from when it may begin again.
    begun: Instant,
    rested: Instant,
    /// The clock at the last sign of life.
    beaten: Option<Timestamp>,
    optimized: Instant,
    /// The clock at the last round, and when that was.
    last: Option<(Timestamp, Instant)>,
    trusted_from: Instant,
}

impl Upkeep {
    pub(super) fn new(ages: SharedAges, clock: Arc<dyn Clock>) -> Self {
        let now = Instant::now();
        Self {
            ages,
            clock,
            due: now + BREATH,
            place: None,
            begun: now,
            rested: now,
            beaten: None,
            optimized: now,
            last: None,
            trusted_from: now,
        }
    }

    /// How long until there is something to do.
    pub(super) fn due_in(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Leaves it until the next round.
    pub(super) fn pause(&mut self) {
        self.due = Instant::now() + ROUND;
    }

    #[cfg(test)]
    pub(super) fn hurry(&mut self) {
        self.due = Instant::now();
    }

    /// One step.
    pub(super) fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let (now, instant) = (self.clock.now(), Instant::now());
        self.judge_clock(connection, now, instant)?;
        self.pause();
        if instant < self.trusted_from {
            return Ok(());
        }
        if self.beaten.is_none_or(|then| now < then || since(then, now) >= ROUND) {
            admin::beat(connection, now)?;
            self.beaten = Some(now);
        }
        if self.place.is_some() || instant >= self.rested {
            self.purge(connection, now, instant)?;
        }
        if self.place.is_some() {
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

    /// One step of the purge.
    fn purge(&mut self, connection: &mut Connection, now: Timestamp, instant: Instant) -> Result<()> {
        if self.place.is_none() {
            self.begun = instant;
        }
        let ages = *self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let purged = admin::purge(&transaction, &ages, now, self.place.take())?;
        transaction.commit()?;
        self.place = purged.next;
        self.rested = instant + instant.duration_since(self.begun).saturating_mul(REST);
        Ok(())
    }

    /// A clock that leapt would expire everything at once: it is watched for an hour before anything is removed.
    fn judge_clock(&mut self, connection: &Connection, now: Timestamp, instant: Instant) -> Result<()> {
        let running = self.last.is_some();
        let (then, passed) = match self.last {
            Some((then, at)) => (then, instant.duration_since(at)),
            None => (admin::heartbeat(connection)?.unwrap_or(now), Duration::ZERO),
        };
        self.last = Some((now, instant));
        let leapt = since(then, now).saturating_sub(passed).max(since(now, then));
        if leapt >= LEAP {
            let seconds = leapt.as_secs();
            if running {
                warn!("the clock leapt by {seconds} s: nothing expires for an hour");
            } else {
                // Nobody can tell which.
                info!("the clock leapt by {seconds} s or mailward did not run: nothing expires for an hour");
            }
            self.trusted_from = instant + DISTRUST;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        greylist::Settings,
        sqlite,
        store::{
            PURGE_STEP,
            sqlite::open::{self, KIND},
        },
        time::FixedClock,
    };
    use std::sync::Mutex;

    const T: i64 = 1_146_441_600;
    const DAY: i64 = 86_400;

    /// A database with rows that have waited since T.
    fn database(rows: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(KIND.migrations[0].sql).unwrap();
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
        let all = i64::try_from(PURGE_STEP).unwrap() + 1;
        let mut connection = database(all);
        let mut upkeep = upkeep(&clock);
        upkeep.step(&mut connection).unwrap();
        assert_eq!(rows(&connection), all, "nothing has expired");
        // A day and an hour is the window; so far the clock may go between two rounds without being distrusted.
        for _ in 0..26 {
            assert_eq!(rows(&connection), all);
            clock.advance(LEAP - Duration::from_secs(1));
            upkeep.step(&mut connection).unwrap();
        }
        assert_eq!(rows(&connection), 1);
        assert!(upkeep.due_in() <= BREATH);
        upkeep.step(&mut connection).unwrap();
        assert_eq!(rows(&connection), 0);
        assert!(upkeep.due_in() > BREATH);
    }

    #[test]
    fn a_step_of_a_day_expires_nothing() {
        for (step, waited) in [(DAY, 7_200), (-DAY, 0), (DAY / 2, 50_000)] {
            let clock = Arc::new(FixedClock::at(Timestamp(T)));
            let mut connection = database(501);
            let mut upkeep = upkeep(&clock);
            for _ in 0..waited / 1_800 {
                upkeep.step(&mut connection).unwrap();
                clock.advance(Duration::from_secs(1_800));
            }
            upkeep.step(&mut connection).unwrap();
            clock.set(Timestamp(clock.now().0 + step));
            upkeep.step(&mut connection).unwrap();
            upkeep.step(&mut connection).unwrap();
            let mut restarted = self::upkeep(&clock);
            restarted.step(&mut connection).unwrap();
            assert_eq!(rows(&connection), 501, "{step}");
            // Set right again: everything lives as if nothing had been.
            clock.set(Timestamp(clock.now().0 - step));
            upkeep.trusted_from = Instant::now();
            upkeep.step(&mut connection).unwrap();
            upkeep.trusted_from = Instant::now();
            upkeep.step(&mut connection).unwrap();
            assert_eq!(rows(&connection), 501, "{step} and back");
        }
    }

    #[test]
    fn nothing_expires_for_an_hour_after_the_clock_leapt() {
        let clock = Arc::new(FixedClock::at(Timestamp(T)));
        let mut connection = database(1);
        let mut upkeep = upkeep(&clock);
        upkeep.step(&mut connection).unwrap();
        clock.set(Timestamp(T + 40 * DAY));
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

    #[test]
    fn the_planner_learns_once_a_day_how_large_the_tables_are() {
        let clock = Arc::new(FixedClock::at(Timestamp(T)));
        let mut connection = database(1_000);
        assert_eq!(rows(&connection), 1_000);
        let mut upkeep = upkeep(&clock);
        upkeep.step(&mut connection).unwrap();
        let known = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'";
        let is_known = |connection: &Connection| connection.query_row(known, [], |row| row.get::<_, i64>(0));
        assert_eq!(is_known(&connection), Ok(0));
        upkeep.optimized = Instant::now().checked_sub(OPTIMIZE).unwrap();
        upkeep.step(&mut connection).unwrap();
        assert_eq!(is_known(&connection), Ok(1));
    }

    #[test]
    fn what_is_purged_is_given_back_to_the_file_system() {
        let path = std::env::temp_dir().join(format!("mailward-upkeep-{}.db", std::process::id()));
        let settings = crate::config::settings::Greylist { path: path.clone(), ..Default::default() };
        let mut connection = sqlite::open(&open::file(&settings), &KIND).unwrap();
        let row = "INSERT INTO greylist (client, sender, recipient, first_seen, last_seen) \
                   WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
                   SELECT printf('192.0.%d.0/24', i), 'sender@x.example', 'to@rcpt.example', ?1, ?1 FROM n";
        connection.execute(row, [T]).unwrap();
        let size = |connection: &Connection| {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            std::fs::metadata(&path).unwrap().len()
        };
        let full = size(&connection);
        let clock = Arc::new(FixedClock::at(Timestamp(T + 26 * 3_600)));
        let mut upkeep = upkeep(&clock);
        // Those of the purge, then some that give pages back.
        while upkeep.due_in() <= BREATH {
            upkeep.step(&mut connection).unwrap();
        }
        assert_eq!(rows(&connection), 0);
        let empty = size(&connection);
        // What is below one step's pages stays for the next rows.
        assert!(empty < full / 2 && empty < 2 << 20, "{full} {empty}");
        drop(connection);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(sqlite::sidecar(&path, end));
        }
    }
}
