//! What a server knows of itself: since when it runs, with which configuration, and what becomes of its log.

use crate::{log::Drops, time::Timestamp};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A server's life so far.
#[derive(Debug)]
pub struct Life {
    /// When it began.
    pub started: Timestamp,
    introduced: OnceLock<Introduction>,
    loads: Mutex<Loads>,
}

/// What the server is told by whoever starts it.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// Where it listens, in the words of the configuration.
    pub socket: String,
    /// Where its configuration comes from.
    pub source: String,
    /// The log's drops; `None` where nobody counts them.
    pub drops: Option<Drops>,
}

/// When configurations were loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loads {
    /// The one in force.
    pub loaded: Timestamp,
    /// A later one that was refused.
    pub refused: Option<Timestamp>,
}

impl Life {
    pub(super) fn new(now: Timestamp) -> Self {
        let loads = Mutex::new(Loads { loaded: now, refused: None });
        Self { started: now, introduced: OnceLock::new(), loads }
    }

    /// Tells the server about itself; only the first time counts.
    pub fn introduce(&self, introduction: Introduction) {
        let _ = self.introduced.set(introduction);
    }

    /// What it was told.
    pub fn introduction(&self) -> Introduction {
        self.introduced.get().cloned().unwrap_or_default()
    }

    /// When configurations were loaded.
    pub fn loads(&self) -> Loads {
        *self.lock()
    }

    pub(super) fn loaded(&self, now: Timestamp) {
        *self.lock() = Loads { loaded: now, refused: None };
    }

    pub(super) fn refused(&self, now: Timestamp) {
        self.lock().refused = Some(now);
    }

    fn lock(&self) -> MutexGuard<'_, Loads> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
