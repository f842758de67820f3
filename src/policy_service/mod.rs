//! Policy services: asks [`PolicyQuestion`]s by the policy delegation protocol of Postfix's SMTPD_POLICY_README, over
//! connections that are kept.
//!
//! A request never takes longer than its own time limit, waiting for a place included, and each service has places of
//! its own: one that hangs holds up no other.

mod connection;
mod pool;

use crate::{
    config::settings,
    lookup::policy::{Endpoint, PolicyAnswer, PolicyQuestion},
};
use connection::Failure;
use pool::Pool;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::time::timeout;

/// The adapter. There are as many pools as the configuration names services.
#[derive(Debug)]
pub struct PolicyServices {
    settings: settings::PolicyService,
    pools: Mutex<HashMap<Endpoint, Arc<Pool>>>,
    counters: Arc<Counters>,
}

/// What the adapter counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were asked.
    pub requests: AtomicU64,
    /// Connections that were made.
    pub connections: AtomicU64,
    /// Kept connections that turned out to be closed while a request was on its way.
    pub retries: AtomicU64,
    /// Requests without an answer.
    pub failures: AtomicU64,
}

impl PolicyServices {
    /// An adapter without connections.
    pub fn new(settings: &settings::PolicyService) -> Self {
        Self { settings: settings.clone(), pools: Mutex::default(), counters: Arc::default() }
    }

    /// Asks. The future may be dropped at any time; its connection is closed then.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn ask(&self, question: &PolicyQuestion) -> PolicyAnswer {
        count(&self.counters.requests);
        let pool = self.pool(&question.service);
        let request = format!("{}\n", question.attributes);
        let asked = timeout(question.time_limit, pool.request(request.as_bytes())).await;
        let answer = asked.unwrap_or(Err(Failure::TimedOut));
        pool.health(answer.as_ref().err());
        match answer {
            Ok(action) => PolicyAnswer::Action(action.into()),
            Err(failure) => {
                count(&self.counters.failures);
                PolicyAnswer::Failed(failure.reason())
            }
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn pool(&self, service: &Endpoint) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Pool::new(service.clone(), self.settings.max_in_flight, self.counters.clone()));
        pools.entry(service.clone()).or_insert_with(new).clone()
    }
}

/// Counts one.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
