//! What the writer does about its file: opening it, keeping a corrupt one aside, saying a fault once, and its end.

use super::{
    super::{exemptions, open},
    Writer,
};
use crate::{
    config::settings,
    sqlite::{self, Trouble},
    store::StoreError,
};
use rusqlite::Connection;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// How long a store that cannot be opened is left alone at least.
const PAUSE: Duration = Duration::from_millis(200);
/// And so many times as long as the attempt took.
const REST: u32 = 10;
/// But no longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a lock is waited for while it is known to be held: the mails of the time before have waited long enough.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);

impl Writer {
    /// The connection, opened if there is none. A file that was deleted or replaced under us is left.
    pub(super) fn open(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.as_ref().is_some_and(sqlite::has_moved) {
            add(&self.counters.renewals);
            warn!("{} was deleted or replaced: it is made anew", self.settings.path.display());
            self.connection = None;
        }
        if self.connection.is_none() {
            let begun = Instant::now();
            if let (Some(fault), Some(next)) = (self.fault, self.next_try)
                && begun < next
            {
                return Err(StoreError::Busy(fault));
            }
            let opened = self.opened();
            let trouble = match &opened {
                Err(StoreError::Database(error)) => error.trouble(),
                Err(StoreError::Busy(_)) | Ok(_) => None,
            };
            self.next_try = Some(Instant::now() + rest(begun.elapsed(), trouble));
            match opened {
                Ok(connection) => {
                    self.rescue(&connection);
                    (self.connection, self.in_use) = (Some(connection), None);
                }
                Err(error) => {
                    let words = error.words();
                    self.failed(error);
                    return Err(StoreError::Busy(words));
                }
            }
        }
        self.connection.as_mut().ok_or(StoreError::Busy("it is not open"))
    }

    /// Opens the file; a corrupt one is moved aside first.
    fn opened(&mut self) -> Result<Connection, StoreError> {
        let file = open::file(&self.settings);
        if !self.mends {
            return Ok(sqlite::open_as_it_is(&file, &open::KIND)?);
        }
        let opened = sqlite::open(&file, &open::KIND).or_else(|error| {
            if self.moved_aside(&error) { sqlite::open(&file, &open::KIND) } else { Err(error) }
        });
        Ok(opened?)
    }

    /// Keeps a corrupt file for whoever wants to look into it: whether it was one and its place is free now.
    fn moved_aside(&mut self, error: &sqlite::Error) -> bool {
        let sqlite::Error::Failed(Trouble::Corrupt, why) = error else { return false };
        if !self.mends {
            return false;
        }
        self.connection = None;
        let path = &self.settings.path;
        match sqlite::move_aside(path, self.clock.now().0) {
            Ok(aside) => {
                add(&self.counters.renewals);
                let (path, shown) = (path.display(), aside.display());
                error!("{path} is corrupt ({why}): moved aside as {shown}, a new one begins");
                self.aside = Some(aside);
                true
            }
            Err(e) => {
                debug!("{e}");
                false
            }
        }
    }

    /// Takes over what an administrator has set from a corrupt file, as far as it can be read: who opted out would wait
    /// again, and nobody would know.
    fn rescue(&mut self, connection: &Connection) {
        let Some(aside) = self.aside.take() else { return };
        let settings = settings::Greylist { path: aside, ..self.settings.clone() };
        let rescued = exemptions::rescue(&open::file(&settings), connection, self.clock.now());
        let aside = settings.path.display();
        match rescued {
            Ok(0) => info!("no exemption was found in {aside}"),
            Ok(count) => info!("{count} exemptions are taken over from {aside}"),
            Err(why) => error!(
                "the exemptions in {aside} cannot be read ({why}): whoever opted out or in is greylisted as all others"
            ),
        }
    }

    /// Says a fault once, and mends what can be mended.
    pub(super) fn failed(&mut self, error: StoreError) {
        let StoreError::Database(error) = error else { return };
        if self.moved_aside(&error) {
            return;
        }
        let words = error.words();
        if self.fault != Some(words) {
            let path = self.settings.path.display();
            error!("the greylist in {path} cannot be used, on_store_failure of [greylist] decides: {error}");
            // Another fault on top of one is no second outage.
            if self.fault.replace(words).is_none() {
                add(&self.counters.faults);
            }
        }
        // SQLite opens for reading what it cannot open for writing, and would stay so: a new try may fare better. A lock
        // or a full disk goes away under an open file.
        if !matches!(error.trouble(), Some(Trouble::Locked | Trouble::Full)) {
            self.connection = None;
        }
        if let Some(connection) = &self.connection {
            let _ = connection.busy_timeout(SHORT_PATIENCE.min(self.settings.busy_timeout));
        }
    }

    pub(super) fn recovered(&mut self) {
        if self.fault.take().is_some() {
            add(&self.counters.recoveries);
            info!("the greylist works again");
            if let Some(connection) = &self.connection {
                let _ = connection.busy_timeout(self.settings.busy_timeout);
            }
        }
    }
}

/// How long a file is left alone that could not be opened. What failed after a long time, such as a migration that has no
/// room, is not begun again at once; a lock was only waited for.
fn rest(took: Duration, trouble: Option<Trouble>) -> Duration {
    match trouble {
        Some(Trouble::Locked) => PAUSE,
        Some(_) | None => took.saturating_mul(REST).clamp(PAUSE, LONGEST_PAUSE),
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_rests_long_and_a_lock_never() {
        let cases = [
            (0, Some(Trouble::Full), 200),
            (5_000, Some(Trouble::Full), 50_000),
            (5_000, None, 50_000),
            (600_000, Some(Trouble::Disk), 300_000),
            (5_000, Some(Trouble::Locked), 200),
        ];
        for (took, trouble, want) in cases {
            let want = Duration::from_millis(want);
            assert_eq!(rest(Duration::from_millis(took), trouble), want, "{took} {trouble:?}");
        }
    }
}
