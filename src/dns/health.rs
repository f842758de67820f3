//! Whether the name servers answer at all: said once when they fall silent and once when they are back.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::counters::{Counters, add};

/// So many questions in a row without any reply are an outage. One alone is often a dead domain, for which a resolver
/// takes longer than we wait.
const SILENT_QUESTIONS: u32 = 10;

/// What is known about the servers together.
#[derive(Debug)]
pub(super) struct Health {
    silent: AtomicU32,
    counters: Arc<Counters>,
}

impl Health {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { silent: AtomicU32::new(0), counters }
    }

    /// A server replied, whatever it said.
    pub(super) fn replied(&self) {
        // The common case must not write to memory that all threads share.
        if self.silent.load(Ordering::Relaxed) != 0
            && self.silent.swap(0, Ordering::Relaxed) >= SILENT_QUESTIONS
        {
            add(&self.counters.recoveries);
            tracing::info!("the DNS servers answer again");
        }
    }

    /// No server replied to a question, in any try.
    pub(super) fn unheard(&self) {
        let silent =
            self.silent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.saturating_add(1)));
        if silent == Ok(SILENT_QUESTIONS - 1) {
            add(&self.counters.outages);
            tracing::warn!(
                questions = SILENT_QUESTIONS,
                "no DNS server answers: lookups are temporary failures until one does"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outage_and_recovery_are_said_once_each() {
        let counters = Arc::new(Counters::default());
        let health = Health::new(Arc::clone(&counters));
        let counts =
            || (counters.outages.load(Ordering::Relaxed), counters.recoveries.load(Ordering::Relaxed));
        for _ in 1..SILENT_QUESTIONS {
            health.unheard();
        }
        health.replied();
        assert_eq!(counts(), (0, 0));
        for round in 1..=2 {
            for _ in 0..3 * SILENT_QUESTIONS {
                health.unheard();
            }
            assert_eq!(counts(), (round, round - 1));
            health.replied();
            health.replied();
            assert_eq!(counts(), (round, round));
        }
    }
}
