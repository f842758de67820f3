//! The journal: every decision with its whole request, and what became of each message, in a database file for `why`,
//! `report` and `replay`.
//!
//! A session hands a record over and goes on; one thread writes in groups. Mail never waits for it: what finds the queue
//! full is counted and lost, and so is at most the last second when the process dies. A fault of the file is logged once
//! and mended where that is possible: a deleted file is made anew, a corrupt one moved aside, everything else tried again
//! while the records wait.
//!
//! Rows are found by [`terms`], hashes of what a person may ask for. They are not indexed one by one, which would cost
//! more than all the rest, but in spans of 4096 rows, sorted once; the rows behind the last span are looked at one by one.

mod open;
mod privacy;
mod queue;
pub mod read;
mod row;
pub mod stored;
pub mod terms;
mod upkeep;
mod words;
mod writer;

pub use open::KIND;
pub use privacy::Mask;
pub use row::{MESSAGE, Row};

use crate::{
    config::settings,
    decision::{Decision, Deferrals, Written},
    request::{
        DecisionId,
        envelope::{Envelope, Path},
        session::Session,
    },
    smtp::reply::Reply,
    sqlite,
    time::{Clock, Timestamp},
};
use queue::Queue;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tracing::{error, warn};
use writer::Writer;

/// How long the end of the process waits for the last rows.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the journal is told.
#[derive(Debug)]
pub enum Entry {
    /// A decision.
    Decision(Box<Record>),
    /// The end of a message.
    Message(Box<Message>),
}

/// A decision with everything that it was made from.
#[derive(Debug)]
pub struct Record {
    /// The decision.
    pub decision: Arc<Decision>,
    /// The request's session.
    pub session: Arc<Session>,
    /// The request's envelope.
    pub envelope: Envelope,
    /// The recipient that was judged.
    pub recipient: Option<Path>,
    /// The request's time.
    pub now: Timestamp,
    /// What earlier events had deferred.
    pub carried: Deferrals,
    /// The exemption of `mailward allow` that met it.
    pub exemption: Option<Arc<Written>>,
    /// The digest of the configuration.
    pub policy: Arc<str>,
    /// Whether it took no effect: `mode = "observe"`.
    pub observed: bool,
}

/// What became of a message.
#[derive(Debug)]
pub struct Message {
    /// When.
    pub now: Timestamp,
    /// Its session.
    pub session: Arc<Session>,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its recipient, if it has only one.
    pub recipient: Option<Path>,
    /// What became of it.
    pub fate: Fate,
    /// The reply, if it was refused.
    pub reply: Option<Reply>,
    /// Whether decisions took no effect.
    pub observed: bool,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing stood in its way here.
    Accepted,
    /// The MTA was told to hold it.
    Held,
    /// Accepted and dropped.
    Discarded,
    /// Refused for now at its end.
    Deferred,
    /// Refused for good at its end.
    Rejected,
    /// It had recipients, but no end came: the client gave up, or somebody else refused it.
    Aborted,
}

impl Fate {
    /// The word in the column `verdict`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Discarded => "discarded",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }
}

impl Message {
    /// The message's name.
    pub fn id(&self) -> DecisionId {
        self.envelope.instance.unwrap_or(DecisionId { at: self.now, count: 0 })
    }
}

/// What the journal counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rows that were written.
    pub written: AtomicU64,
    /// Records that were lost because the queue was full.
    pub dropped: AtomicU64,
    /// Times that the file stopped working.
    pub faults: AtomicU64,
    /// Times that it worked again.
    pub recoveries: AtomicU64,
    /// Corrupt files that were moved aside, and deleted ones that were made anew.
    pub renewals: AtomicU64,
}

impl Counters {
    /// Every counter with its name.
    pub fn all(&self) -> [(&'static str, u64); 5] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("journal_written", of(&self.written)),
            ("journal_dropped", of(&self.dropped)),
            ("journal_faults", of(&self.faults)),
            ("journal_recoveries", of(&self.recoveries)),
            ("journal_renewals", of(&self.renewals)),
        ]
    }
}

/// The running journal. It writes what is queued when it is closed or dropped.
pub struct Journal {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Starts the writer; `None` where nothing is to be recorded, or where there is no thread to be had.
    pub fn start(settings: &settings::Journal, clock: Arc<dyn Clock>) -> Option<Self> {
        let path = settings.path.clone()?;
        let (queue, counters) = (Arc::new(Queue::default()), Arc::new(Counters::default()));
        let writer = Writer::new(path, settings, clock, queue.clone(), counters.clone());
        let thread = match thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run()) {
            Ok(thread) => thread,
            Err(e) => {
                error!("the journal has no thread, nothing is recorded: {e}");
                return None;
            }
        };
        Some(Self { queue, counters, thread: Mutex::new(Some(thread)) })
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
    pub fn note(&self, entry: Entry) {
        if !self.queue.push(entry) && self.counters.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            warn!("the journal cannot follow: decisions are not recorded (counted as journal_dropped)");
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
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
