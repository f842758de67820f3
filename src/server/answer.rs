//! Turns lookups into answers: the cache first, then everything that is left at once, until the deadline.

use super::{counters::Counters, watch::Watch};
use crate::{
    dns::Dns,
    lookup::{Lookup, answers::Answers},
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
    watch: Watch,
    counters: Arc<Counters>,
}

impl Answerer {
    /// An answerer over a resolver. The watch stands before and behind it.
    pub fn new(dns: Arc<Dns>, watch: Watch, counters: Arc<Counters>) -> Self {
        Self { dns, watch, counters }
    }

    /// Answers every lookup. None is left open: what has no answer at the deadline is `Temporary`.
    pub async fn answer(&self, lookups: Vec<Lookup>, answers: &mut Answers, deadline: Instant) {
        let mut open = Vec::new();
        for lookup in lookups {
            if let Some(answer) = self.watch.set_aside(&lookup) {
                answers.insert(lookup, answer, Duration::ZERO);
                continue;
            }
            match self.dns.cached(&lookup) {
                Some(answer) => {
                    let answer = self.watch.recall(&lookup, answer);
                    answers.insert(lookup, answer, Duration::ZERO);
                }
                None => open.push(lookup),
            }
        }
        if open.is_empty() {
            return;
        }
        let asked = open.into_iter().map(|lookup| async {
            let began = Instant::now();
            let answer = match timeout_at(deadline, self.dns.ask(&lookup)).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.counters.lookups_timed_out.add();
                    lookup.temporary(DEADLINE)
                }
            };
            let answer = self.watch.hear(&lookup, answer);
            (lookup, answer, began.elapsed())
        });
        for (lookup, answer, took) in join_all(asked).await {
            answers.insert(lookup, answer, took);
        }
    }
}
