//! The thread that writes: records in groups, one commit a group. A group that cannot be written is kept and tried
//! again, while the queue has room for what comes meanwhile.

mod book;

use super::{Counters, KIND, Mask, open, queue::Queue, sheet::Sheet, upkeep::Upkeep};
use crate::{
    config::settings::{self, Privacy},
    sqlite::{self, Trouble},
    time::Clock,
};
use book::Book;
use std::{
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tracing::{error, info, warn};

/// How long a file in trouble is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// How many records one commit takes at most.
const GROUP: usize = 4_096;

/// The thread's state.
pub(super) struct Writer {
    path: PathBuf,
    privacy: Privacy,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    rows: Arc<AtomicU64>,
    upkeep: Upkeep,
    mask: Option<Mask>,
    book: Option<Book>,
    /// What was taken and is not written yet.
    held: Vec<Sheet>,
    /// What is wrong, as it was logged; `None` while all is well.
    fault: Option<&'static str>,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        settings: &settings::Journal,
        clock: Arc<dyn Clock>,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
        rows: Arc<AtomicU64>,
    ) -> Self {
        let upkeep = Upkeep::new(settings, clock.clone());
        Self {
            path,
            privacy: settings.privacy,
            clock,
            queue,
            counters,
            rows,
            upkeep,
            mask: None,
            book: None,
            held: Vec::new(),
            fault: None,
        }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        // What is wrong with the file is logged now, not at the first mail.
        if let Err(e) = self.open() {
            self.failed(&e);
        }
        // A bug must not end the journal until the next restart. What it was about would only cause it again.
        while catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            error!("bug: the journal's writer panicked; it begins anew");
            let lost = u64::try_from(mem::take(&mut self.held).len()).unwrap_or(u64::MAX);
            self.counters.dropped.fetch_add(lost, Ordering::Relaxed);
            self.book = None;
        }
        self.book = None;
        self.queue.end();
    }

    fn work(&mut self) {
        loop {
            let mut closed = false;
            if self.held.is_empty() {
                closed = self.queue.take(&mut self.held, self.upkeep.due_in());
            }
            let ended = match self.write() {
                Ok(()) => closed && self.queue.len() == 0,
                Err(e) => {
                    self.failed(&e);
                    // At the end there is nothing to wait for.
                    closed || self.queue.rest(PAUSE)
                }
            };
            if ended {
                return;
            }
            self.maintain();
        }
    }

    /// Writes what is held, in groups.
    fn write(&mut self) -> Result<(), sqlite::Error> {
        while !self.held.is_empty() {
            self.open()?;
            let (Some(book), Some(mask)) = (&mut self.book, &self.mask) else { return Ok(()) };
            let group = self.held.len().min(GROUP);
            book.write(&self.held[..group], mask)?;
            self.held.drain(..group);
            self.counters.written.fetch_add(u64::try_from(group).unwrap_or(0), Ordering::Relaxed);
            self.rows.store(book.rows(), Ordering::Relaxed);
            self.recovered();
        }
        Ok(())
    }

    /// Opens the file if it is not; one that was deleted or replaced under us is left.
    fn open(&mut self) -> Result<(), sqlite::Error> {
        if self.book.as_ref().is_some_and(|book| sqlite::has_moved(book.connection())) {
            add(&self.counters.renewals);
            warn!("{} was deleted or replaced: it is made anew", self.path.display());
            self.book = None;
        }
        if self.book.is_none() {
            let connection = sqlite::open(&open::file(&self.path), &KIND)?;
            if self.mask.is_none() {
                let mask = Mask::open(self.privacy, &self.path).map_err(|e| self.no_key(&e))?;
                self.mask = Some(mask);
            }
            let book = Book::open(connection)?;
            self.rows.store(book.rows(), Ordering::Relaxed);
            self.book = Some(book);
        }
        Ok(())
    }

    /// Without its key nothing may be written: it would be readable.
    fn no_key(&self, error: &io::Error) -> sqlite::Error {
        sqlite::Error::CannotOpen(sqlite::sidecar(&self.path, ".key"), error.to_string())
    }

    /// Says a fault once, and mends what can be mended.
    fn failed(&mut self, error: &sqlite::Error) {
        // What the file holds is read anew: the commit did not come.
        self.book = None;
        if error.trouble() == Some(Trouble::Corrupt) {
            add(&self.counters.renewals);
            let path = self.path.display();
            match sqlite::move_aside(&self.path, self.clock.now().0) {
                Ok(aside) => error!("{path} is corrupt ({error}): moved aside as {}", aside.display()),
                Err(e) => error!("{path} is corrupt ({error}), and {e}"),
            }
            return;
        }
        let words = error.words();
        if self.fault != Some(words) {
            error!("the journal cannot be written, mail flows all the same: {error}");
            // Another fault on top of one is no second outage.
            if self.fault.replace(words).is_none() {
                add(&self.counters.faults);
            }
        }
    }

    fn recovered(&mut self) {
        if self.fault.take().is_some() {
            add(&self.counters.recoveries);
            info!("the journal works again");
        }
    }

    fn maintain(&mut self) {
        if !self.upkeep.due_in().is_zero() {
            return;
        }
        let result = match (self.open(), &mut self.book) {
            (Ok(()), Some(book)) => {
                let result = self.upkeep.step(book.connection_mut()).and_then(|()| book.find_first());
                self.rows.store(book.rows(), Ordering::Relaxed);
                result
            }
            (Ok(()), None) => Ok(()),
            (Err(error), _) => Err(error),
        };
        if let Err(error) = result {
            self.upkeep.pause();
            self.failed(&error);
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
