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
            if self.give_up() {
                return;
            }
        }
    }

    /// Whether nobody waits any more; then nobody can join either.
    pub(super) fn give_up(&self) -> bool {
        let mut questions = self.questions.lock();
        let unwanted = self.slot.receiver_count() == 0;
        if unwanted {
            questions.remove(&self.lookup);
        }
        unwanted
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn lookup() -> Lookup {
        Lookup::Ptr("192.0.2.1".parse().unwrap())
    }

    fn first(questions: &Arc<InFlight>) -> (Ticket, Waiter) {
        let Joined::First(ticket, waiter) = questions.join(&lookup()) else {
            panic!("somebody asks already")
        };
        (ticket, waiter)
    }

    fn other(questions: &Arc<InFlight>) -> Waiter {
        let Joined::Other(waiter) = questions.join(&lookup()) else { panic!("nobody asks") };
        waiter
    }

    #[test]
    fn all_who_wait_get_the_answer_and_the_next_asks_again() {
        let questions = Arc::default();
        let (ticket, one) = first(&questions);
        let two = other(&questions);
        assert!(ticket.abandoned().now_or_never().is_none());
        ticket.answer(lookup().not_found());
        assert_eq!(one.wait().now_or_never(), Some(Some(lookup().not_found())));
        assert_eq!(two.wait().now_or_never(), Some(Some(lookup().not_found())));
        first(&questions);
    }

    #[test]
    fn a_question_is_abandoned_only_when_nobody_waits() {
        let questions = Arc::default();
        let (ticket, one) = first(&questions);
        drop(one);
        let two = other(&questions);
        assert!(ticket.abandoned().now_or_never().is_none());
        drop(two);
        assert!(ticket.abandoned().now_or_never().is_some());
        let (_newer, waiter) = first(&questions);
        // The end of the abandoned one does not touch the newer one.
        drop(ticket);
        drop(waiter);
        other(&questions);
    }

    #[test]
    fn a_question_that_ends_without_an_answer_leaves_nobody_waiting() {
        let questions = Arc::default();
        let (ticket, waiter) = first(&questions);
        drop(ticket);
        assert_eq!(waiter.wait().now_or_never(), Some(None));
        first(&questions);
    }
}
