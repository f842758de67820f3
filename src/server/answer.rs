//! Turns lookups into answers: the cache first, then everything that is left at once, until the deadline. Each lookup
//! goes to its adapter.

use super::{counters::Counters, watch::Watch};
use crate::{
    dns::Dns,
    lookup::{
        Lookup,
        answers::{Answer, Answers},
        policy::PolicyAnswer,
    },
    policy_service::PolicyServices,
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
    services: Arc<PolicyServices>,
    counters: Arc<Counters>,
    /// Nothing is asked that writes.
    reads_only: bool,
}

impl Answerer {
    /// An answerer over a resolver and the policy services. The watch stands before and behind the resolver.
    pub fn new(dns: Arc<Dns>, watch: Watch, services: Arc<PolicyServices>, counters: Arc<Counters>) -> Self {
        Self { dns, watch, services, counters, reads_only: false }
    }

    /// The same for commands that change nothing: what writes is not asked, and says so.
    pub fn reading_only(&self) -> Self {
        Self { reads_only: true, ..self.clone() }
    }

    /// Answers every lookup. None is left open: what has no answer at the deadline is `Temporary`.
    pub async fn answer(&self, lookups: Vec<Lookup>, answers: &mut Answers, deadline: Instant) {
        let mut open = Vec::new();
        for lookup in lookups {
            match self.known(&lookup) {
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
            let answer = self.watch.hear(&lookup, answer);
            (lookup, answer, began.elapsed())
        });
        for (lookup, answer, took) in join_all(asked).await {
            answers.insert(lookup, answer, took);
        }
    }

    /// The answer that takes no time.
    fn known(&self, lookup: &Lookup) -> Option<Answer> {
        match lookup {
            Lookup::Policy(_) => self.reads_only.then(|| lookup.not_found()),
            Lookup::A(_)
            | Lookup::Aaaa(_)
            | Lookup::Mx(_)
            | Lookup::Ns(_)
            | Lookup::Txt(_)
            | Lookup::Ptr(_) => self.watch.set_aside(lookup).or_else(|| {
                let answer = self.dns.cached(lookup)?;
                Some(self.watch.recall(lookup, answer))
            }),
        }
    }

    async fn ask(&self, lookup: &Lookup) -> Answer {
        match lookup {
            Lookup::Policy(question) => {
                let answer = self.services.ask(question).await;
                if matches!(answer, PolicyAnswer::Failed(_)) {
                    self.counters.policy_services_failed.add();
                }
                Answer::Policy(answer)
            }
            Lookup::A(_)
            | Lookup::Aaaa(_)
            | Lookup::Mx(_)
            | Lookup::Ns(_)
            | Lookup::Txt(_)
            | Lookup::Ptr(_) => self.dns.ask(lookup).await,
        }
    }
}
