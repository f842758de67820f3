//! Identical questions in flight are asked once.
//!
//! Each question runs in a task of its own: who asked may stop waiting without harm to the others, and an answer that
//! comes after the caller's deadline is there for the next session.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::lookup::{Lookup, answers::Answer};

type Slot = Arc<watch::Sender<Option<Answer>>>;

/// The questions in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<Lookup, Slot>>);

/// What the caller does about his question.
#[derive(Debug)]
pub(super) enum Joined {
    /// Ask it; nobody does yet.
    First(Ticket, Waiter),
    /// Wait for the answer to somebody else's.
    Other(Waiter),
}

/// The duty to ask a question. Dropped without an answer, those who wait learn that there will be none.
#[derive(Debug)]
pub(super) struct Ticket {
    questions: Arc<InFlight>,
    lookup: Lookup,
    slot: Slot,
}

/// The hope for an answer.
#[derive(Debug)]
pub(super) struct Waiter(watch::Receiver<Option<Answer>>);

impl InFlight {
    pub(super) fn join(self: &Arc<Self>, lookup: &Lookup) -> Joined {
        match self.lock().entry(lookup.clone()) {
            hash_map::Entry::Occupied(entry) => Joined::Other(Waiter(entry.get().subscribe())),
            hash_map::Entry::Vacant(entry) => {
                let (sender, receiver) = watch::channel(None);
                let slot = Arc::new(sender);
                entry.insert(Arc::clone(&slot));
                let ticket = Ticket { questions: Arc::clone(self), lookup: lookup.clone(), slot };
                Joined::First(ticket, Waiter(receiver))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lookup, Slot>> {
        // Nothing that is done under the lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    pub(super) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Completes when nobody waits any more; then nobody can join either.
    pub(super) async fn abandoned(&self) {
        loop {
            self.slot.closed().await;
            let mut questions = self.questions.lock();
            if self.slot.receiver_count() == 0 {
                questions.remove(&self.lookup);
                return;
            }
        }
    }

    /// Hands the answer to all who wait. The cache must have it already, lest somebody asks again in between.
    pub(super) fn answer(self, answer: Answer) {
        self.questions.lock().remove(&self.lookup);
        self.slot.send_replace(Some(answer));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut questions = self.questions.lock();
        // After abandoned() somebody else may ask the same question.
        if questions.get(&self.lookup).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot)) {
            questions.remove(&self.lookup);
        }
    }
}

impl Waiter {
    /// The answer; `None` if the question ended without one, which only the end of the program or a bug explains.
    pub(super) async fn wait(mut self) -> Option<Answer> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
