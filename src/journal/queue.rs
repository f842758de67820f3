//! The bounded queue between the sessions and the writer. A session wakes nobody but for the first record of a group.

use super::sheet::Sheet;
use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many records may wait: a second of more than any server decides, some 20 MiB as they usually are.
const LIMIT: usize = 16_384;

/// How many bytes of text they may have: whoever writes long names and addresses shall not fill the memory.
const BYTES: usize = 32 << 20;

/// With so many the writer does not wait for more. Each commit writes some pages again that the one before has begun.
const GROUP: usize = 1_024;

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
    sheets: Vec<Sheet>,
    bytes: usize,
    closed: bool,
    ended: bool,
}

impl State {
    fn is_full(&self) -> bool {
        self.sheets.len() >= LIMIT || self.bytes >= BYTES
    }
}

impl Queue {
    /// Puts a record in; false if there is no room.
    pub(super) fn push(&self, sheet: Sheet) -> bool {
        let mut state = self.lock();
        if state.is_full() || state.closed {
            return false;
        }
        state.bytes += sheet.bytes();
        state.sheets.push(sheet);
        let count = state.sheets.len();
        drop(state);
        if count == 1 || count == GROUP {
            self.filled.notify_one();
        }
        true
    }

    /// Takes everything, in the order in which it came, after waiting for something until the time is over, and then
    /// shortly for more; `into` is empty, and its room is used for what comes next. Whether nothing more comes.
    pub(super) fn take(&self, into: &mut Vec<Sheet>, patience: Duration) -> bool {
        let empty = |state: &mut State| state.sheets.is_empty() && !state.closed;
        let few = |state: &mut State| state.sheets.len() < GROUP && !state.closed;
        let waited = self.filled.wait_timeout_while(self.lock(), patience, empty);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut state = if state.sheets.is_empty() {
            state
        } else {
            let waited = self.filled.wait_timeout_while(state, GATHER, few);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        mem::swap(&mut state.sheets, into);
        state.bytes = 0;
        state.closed
    }

    /// Whether there is no room.
    pub(super) fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().sheets.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_fill_the_queue_before_their_number_does() {
        let queue = Queue::default();
        let long = || Sheet::of_text("x".repeat(1 << 20));
        assert_eq!((0..100).filter(|_| queue.push(long())).count(), 32);
        assert!(queue.is_full());
        let mut taken = Vec::new();
        queue.take(&mut taken, Duration::ZERO);
        assert_eq!((taken.len(), queue.push(long())), (32, true));
    }
}
