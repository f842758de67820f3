//! The journal: every decision with its whole request, and what became of each message, in a database file for `why`,
//! `report` and `replay`.
//!
//! A session hands a record over and goes on; one thread writes in groups. Mail never waits for it: what finds the queue
//! full is counted and lost, and so is at most the last second when the process dies. A fault of the file is logged once
//! and mended where that is possible: a deleted file is made anew, a corrupt one moved aside, everything else tried again
//! while the records wait.
//!
//! Rows are found by [`terms`], hashes of what a person may ask for. They are not indexed one by one, which would cost
//! more than all the rest, but in spans of thousands of rows, sorted once; the rows behind the last span are read one by one.

mod entry;
mod open;
mod privacy;
mod queue;
pub mod read;
mod roster;
mod row;
mod sheet;
pub mod stored;
pub mod terms;
mod upkeep;
mod words;
mod writer;

pub use entry::{Entry, Fate, Message, Record};
pub use open::KIND;
pub use privacy::Mask;
pub use row::{MESSAGE, Row};

use crate::{
    config::settings::{self, Privacy},
    sqlite,
    time::{Clock, Timestamp},
};
use queue::Queue;
use roster::Roster;
use sheet::Sheet;
use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tracing::{error, warn};
use writer::Writer;

/// How long the end of the process waits for the last rows.
const LAST_WORDS: Duration = Duration::from_secs(2);

crate::counter::counters! {
    /// What the journal counts.
    #[derive(Debug, Default)]
    pub struct Counters of AtomicU64, named "journal_";

    /// Rows that were written to the journal.
    written,
    /// Records that were lost because the journal's queue was full.
    dropped,
    /// Times that the journal's file stopped working.
    faults,
    /// Times that the journal's file worked again.
    recoveries,
    /// Corrupt files of the journal that were moved aside, and deleted ones that were made anew.
    renewals,
}

/// The running journal. It writes what is queued when it is closed or dropped.
pub struct Journal {
    queue: Arc<Queue>,
    /// What the records of now speak of; another one when it is full.
    roster: RwLock<Arc<Roster>>,
    /// Whether addresses are to be hashed.
    hashes: bool,
    counters: Arc<Counters>,
    /// The rows of the file, as the writer knows them.
    rows: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Starts the writer; `None` where nothing is to be recorded, or where there is no thread to be had.
    pub fn start(settings: &settings::Journal, clock: Arc<dyn Clock>) -> Option<Self> {
        let path = settings.path.clone()?;
        let (queue, counters) = (Arc::new(Queue::default()), Arc::new(Counters::default()));
        let rows = Arc::<AtomicU64>::default();
        let writer = Writer::new(path, settings, clock, queue.clone(), counters.clone(), rows.clone());
        let thread = match thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run()) {
            Ok(thread) => thread,
            Err(e) => {
                error!("the journal has no thread, nothing is recorded: {e}");
                return None;
            }
        };
        let hashes = settings.privacy == Privacy::Hash;
        let thread = Mutex::new(Some(thread));
        Some(Self { queue, roster: RwLock::default(), hashes, counters, rows, thread })
    }

    /// Whether the file can be used by this version, without changing anything.
    ///
    /// # Errors
    /// As [`sqlite::check`].
    pub fn check(settings: &settings::Journal) -> Result<(), sqlite::Error> {
        let Some(path) = &settings.path else { return Ok(()) };
        sqlite::check(&open::file(path), &KIND)
    }

    /// The time of the last row; `None` where there is none to be read.
    pub fn newest(settings: &settings::Journal) -> Option<Timestamp> {
        let path = settings.path.as_ref()?;
        let connection = sqlite::open_to_read(&open::file(path), &KIND).ok()??;
        let sql = "SELECT time FROM journal ORDER BY id DESC LIMIT 1";
        connection.query_row(sql, [], |row| row.get(0)).map(Timestamp).ok()
    }

    /// Takes a record; never waits for the file.
    pub fn note(&self, entry: &Entry<'_>) {
        let took = !self.queue.is_full() && self.queue.push(Sheet::of(entry, &self.roster(), self.hashes));
        if !took && self.counters.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            warn!("the journal cannot follow: decisions are not recorded (counted as journal_dropped)");
        }
    }

    /// The roster for another record.
    fn roster(&self) -> Arc<Roster> {
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !roster.open().is_full() {
            return roster;
        }
        let next = Arc::<Roster>::default();
        self.roster.write().unwrap_or_else(PoisonError::into_inner).clone_from(&next);
        next
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many records wait for the writer.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many rows the file has, about: as they are numbered.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Writes what is queued, and ends. Waits two seconds at most.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.queue.close();
        if let Some(thread) = thread {
            if self.queue.wait_ended(LAST_WORDS) {
                // It has said that it is at its end.
                let _ = thread.join();
            } else {
                warn!("the journal does not end in time: its last rows are lost");
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
