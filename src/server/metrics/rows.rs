//! How many rows the greylist's tables have. To count millions takes a second, so it is done now and then, in the thread
//! of a scrape, and never in the one that answers mail.

use crate::store::sqlite::rows;
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a count is good.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// The last count.
#[derive(Debug, Default)]
pub(super) struct Rows(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    at: Instant,
    tables: Vec<(&'static str, u64)>,
}

impl Rows {
    /// The tables and their rows; none while there is no file that can be read.
    pub(super) fn of(&self, path: &Path) -> Vec<(&'static str, u64)> {
        // Two scrapes at once: the second one waits for the count.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(counted) if counted.at.elapsed() < FRESH => counted.tables.clone(),
            Some(_) | None => {
                // What cannot be read is told by the counters of faults.
                let Ok(Some(tables)) = rows::count(path) else { return Vec::new() };
                *last = Some(Counted { at: Instant::now(), tables: tables.clone() });
                tables
            }
        }
    }
}
