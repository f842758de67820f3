//! Turns lookups into answers: the cache first, then everything that is left at once, until the deadline.

use super::counters::Counters;
use crate::{
    dns::Dns,
    lookup::{
        Lookup,
        answers::{Answer, Answers},
        greylist::Greylisted,
    },
    store::GreylistStore,
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// What the deadline answers.
const DEADLINE: &str = "no answer before the deadline";

/// Who is asked.
#[derive(Clone)]
pub struct Answerer {
    dns: Arc<Dns>,
    greylist: Option<Arc<dyn GreylistStore>>,
    /// Whether nothing may be written.
    peeks: bool,
    counters: Arc<Counters>,
}

impl Answerer {
    /// An answerer over a resolver.
    pub fn new(dns: Arc<Dns>, counters: Arc<Counters>) -> Self {
        Self { dns, greylist: None, peeks: false, counters }
    }

    /// The same with a greylist.
    pub fn with_greylist(self, greylist: Arc<dyn GreylistStore>) -> Self {
        Self { greylist: Some(greylist), ..self }
    }

    /// The same, but what is asked changes nothing.
    pub fn peeking(&self) -> Self {
        Self { peeks: true, ..self.clone() }
    }

    /// Answers every lookup. None is left open: what has no answer at the deadline is `Temporary`.
    pub async fn answer(&self, lookups: Vec<Lookup>, answers: &mut Answers, deadline: Instant) {
        let mut open = Vec::new();
        for lookup in lookups {
            let cached = if lookup.writes() { None } else { self.dns.cached(&lookup) };
            match cached {
                Some(answer) => answers.insert(lookup, answer, Duration::ZERO),
                None => open.push(lookup),
            }
        }
        if open.is_empty() {
            return;
        }
        let asked = open.into_iter().map(|lookup| async {
            let began = Instant::now();
            let answer = match timeout_at(deadline, self.ask(&lookup)).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.counters.lookups_timed_out.add();
                    lookup.temporary(DEADLINE)
                }
            };
            if let Answer::Greylist(Greylisted::Unavailable(_)) = answer {
                self.counters.greylist_unavailable.add();
            }
            (lookup, answer, began.elapsed())
        });
        for (lookup, answer, took) in join_all(asked).await {
            answers.insert(lookup, answer, took);
        }
    }

    async fn ask(&self, lookup: &Lookup) -> Answer {
        let Lookup::Greylist(observation) = lookup else { return self.dns.ask(lookup).await };
        Answer::Greylist(match &self.greylist {
            Some(store) if self.peeks => store.peek(observation.clone()).await,
            Some(store) => store.observe(observation.clone()).await,
            None => Greylisted::Unavailable("there is no store"),
        })
    }
}
