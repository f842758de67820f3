//! The connections to one policy service: how many are in use at once, and those that wait for the next request.

use super::{
    Counters,
    connection::{Connection, Failure},
    count,
};
use crate::lookup::policy::Endpoint;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tracing::{info, warn};

/// Connections that are kept for later; each may be a process of the service's.
const IDLE_LIMIT: usize = 8;
/// How long one is kept: smtpd_policy_service_max_idle.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// The connections to a service.
#[derive(Debug)]
pub(super) struct Pool {
    service: Endpoint,
    places: Semaphore,
    idle: Mutex<Idle>,
    failing: AtomicBool,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one used last is at the end, and the first to be used again.
    connections: Vec<(Connection, Instant)>,
    /// Whether a task waits to close them.
    swept: bool,
}

impl Pool {
    /// A pool with so many places.
    pub(super) fn new(service: Endpoint, places: usize, counters: Arc<Counters>) -> Self {
        let places = Semaphore::new(places);
        Self { service, places, idle: Mutex::default(), failing: AtomicBool::new(false), counters }
    }

    /// Sends a request and reads the action, as soon as there is a place. A kept connection that the service has closed
    /// meanwhile is replaced once.
    pub(super) async fn request(self: &Arc<Self>, request: &[u8]) -> Result<String, Failure> {
        // The places are never closed.
        let _place = self.places.acquire().await.map_err(|_| Failure::TimedOut)?;
        if let Some(mut kept) = self.take() {
            match kept.exchange(request).await {
                Err(Failure::Closed) => {
                    count(&self.counters.retries);
                    // The others were made before the same end.
                    self.idle().connections.clear();
                }
                Ok(action) => {
                    self.keep(kept);
                    return Ok(action);
                }
                Err(failure) => return Err(failure),
            }
        }
        let mut fresh = Connection::open(&self.service).await?;
        count(&self.counters.connections);
        let action = fresh.exchange(request).await?;
        self.keep(fresh);
        Ok(action)
    }

    /// Says in the log when the service begins to fail and when it is back. After a failure nothing is kept:
    /// connections that died without a word would each cost a time limit.
    pub(super) fn health(&self, failure: Option<&Failure>) {
        if failure.is_some() {
            self.idle().connections.clear();
        }
        let failed = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(Failure::Unreachable(error)) if !failed => {
                warn!(
                    "the policy service {} cannot be reached: {error}; default_action counts",
                    self.service
                );
            }
            Some(failure) if !failed => {
                warn!("the policy service {}: {}; default_action counts", self.service, failure.reason());
            }
            None if failed => info!("the policy service {} answers again", self.service),
            Some(_) | None => {}
        }
    }

    /// A kept connection that can be used.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some((connection, _)) = idle.connections.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        if !connection.is_usable() {
            return;
        }
        let mut idle = self.idle();
        if idle.connections.len() < IDLE_LIMIT {
            idle.connections.push((connection, Instant::now()));
        }
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what nobody used for long; whether anything is left to be closed later.
    fn close_old(&self) -> bool {
        let mut idle = self.idle();
        idle.connections.retain(|(_, since)| since.elapsed() < IDLE_TIME);
        idle.swept = !idle.connections.is_empty();
        idle.swept
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes unused connections until there are none, or no pool.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE_TIME).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old()) {
            return;
        }
    }
}
