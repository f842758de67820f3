//! The bounded queue between the sessions and the writer. A session wakes nobody but for the first record of a group.

use super::Entry;
use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many records may wait: a second of more than any server decides, some 20 MiB at most.
const LIMIT: usize = 16_384;

/// With so many the writer does not wait for more: they are still in the processor's cache.
const GROUP: usize = 128;

/// How long the first record of a group waits for others.
const GATHER: Duration = Duration::from_millis(250);

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something for the writer, or the end.
    filled: Condvar,
    /// The writer has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    closed: bool,
    ended: bool,
}

/// What the writer found.
pub(super) struct Taken {
    /// The records, in the order in which they came.
    pub(super) entries: Vec<Entry>,
    /// Whether nothing more comes.
    pub(super) closed: bool,
}

impl Queue {
    /// Puts a record in; false if there is no room.
    pub(super) fn push(&self, entry: Entry) -> bool {
        let mut state = self.lock();
        if state.entries.len() >= LIMIT || state.closed {
            return false;
        }
        state.entries.push(entry);
        let count = state.entries.len();
        drop(state);
        if count == 1 || count == GROUP {
            self.filled.notify_one();
        }
        true
    }

    /// Takes everything, after waiting for something until the time is over, and then shortly for more.
    pub(super) fn take(&self, patience: Duration) -> Taken {
        let empty = |state: &mut State| state.entries.is_empty() && !state.closed;
        let few = |state: &mut State| state.entries.len() < GROUP && !state.closed;
        let waited = self.filled.wait_timeout_while(self.lock(), patience, empty);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut state = if state.entries.is_empty() {
            state
        } else {
            let waited = self.filled.wait_timeout_while(state, GATHER, few);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        Taken { entries: mem::take(&mut state.entries), closed: state.closed }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Waits without taking anything, or until the end comes: whether it came.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let waited = self.filled.wait_timeout_while(self.lock(), time, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// The writer has ended.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.ended.notify_all();
    }

    /// Waits for the writer's end: whether it came.
    pub(super) fn wait_ended(&self, time: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), time, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
