//! Turns lookups into answers: the cache first, then everything that is left at once, until the deadline. Each lookup
//! goes to its adapter.

use super::{counters::Counters, watch::Watch};
use crate::{
    dns::Dns,
    lookup::{
        Lookup,
        answers::{Answer, Answers, DnsAnswer},
        greylist::Greylisted,
        policy::PolicyAnswer,
    },
    policy_service::PolicyServices,
    store::GreylistStore,
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// What the deadline answers.
const DEADLINE: &str = "no answer before the deadline";

/// Who is asked.
#[derive(Clone)]
pub struct Answerer {
    dns: Arc<Dns>,
    watch: Watch,
    services: Arc<PolicyServices>,
    greylist: Option<Arc<dyn GreylistStore>>,
    counters: Arc<Counters>,
    /// Nothing is asked that writes.
    reads_only: bool,
}

impl Answerer {
    /// An answerer over a resolver and the policy services, without a greylist. The watch stands before and behind the
    /// resolver.
    pub fn new(dns: Arc<Dns>, watch: Watch, services: Arc<PolicyServices>, counters: Arc<Counters>) -> Self {
        Self { dns, watch, services, greylist: None, counters, reads_only: false }
    }

    /// The same with a greylist.
    pub fn with_greylist(self, greylist: Arc<dyn GreylistStore>) -> Self {
        Self { greylist: Some(greylist), ..self }
    }

    /// The same for commands that change nothing: the greylist is only looked at, and policy services are not asked.
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
            if let Lookup::Sleep(seconds) = lookup {
                sleep_until(wakes(began, seconds, deadline)).await;
                return (lookup, Answer::Text(DnsAnswer::NotFound), began.elapsed());
            }
            let answer = match timeout_at(deadline, self.ask(&lookup)).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.counters.lookups_timed_out.add();
                    lookup.temporary(DEADLINE)
                }
            };
            let took = began.elapsed();
            let answer = self.watch.hear(&lookup, answer, took);
            if let Answer::Greylist(Greylisted::Unavailable(_)) = answer {
                self.counters.greylist_unavailable.add();
            }
            (lookup, answer, took)
        });
        for (lookup, answer, took) in join_all(asked).await {
            answers.insert(lookup, answer, took);
        }
    }

    /// The answer that takes no time.
    fn known(&self, lookup: &Lookup) -> Option<Answer> {
        match lookup {
            Lookup::Policy(_) => self.reads_only.then(|| lookup.not_found()),
            Lookup::Greylist(_) | Lookup::Sleep(_) => None,
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
            Lookup::Greylist(observation) => Answer::Greylist(match &self.greylist {
                Some(store) if self.reads_only => store.peek(observation.clone()).await,
                Some(store) => store.observe(observation.clone()).await,
                None => Greylisted::Unavailable("there is no store"),
            }),
            Lookup::A(_)
            | Lookup::Aaaa(_)
            | Lookup::Mx(_)
            | Lookup::Ns(_)
            | Lookup::Txt(_)
            | Lookup::Ptr(_)
            | Lookup::Sleep(_) => self.dns.ask(lookup).await,
        }
    }
}

/// When a pause ends: after its seconds, but so that half of the time up to the deadline is left for questions.
fn wakes(now: Instant, seconds: u32, deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now) / 2;
    now + Duration::from_secs(seconds.into()).min(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_leaves_half_of_the_time() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(20);
        let cases = [(0, 0), (3, 3), (10, 10), (11, 10), (u32::MAX, 10)];
        for (seconds, want) in cases {
            assert_eq!(wakes(now, seconds, deadline), now + Duration::from_secs(want), "{seconds}");
        }
        assert_eq!(wakes(now, 5, now), now);
    }
}
