//! What the DNS adapter counts, for `status` and for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counters since the start.
#[derive(Debug, Default, Serialize)]
pub struct Counters {
    /// Answers out of the cache.
    pub cache_hits: AtomicU64,
    /// Questions that found the same one in flight and waited for its answer.
    pub merged: AtomicU64,
    /// Questions that were not in the cache and had to be asked.
    pub questions: AtomicU64,
    /// Questions given up before they were sent, since nobody waited any more.
    pub abandoned: AtomicU64,
    /// Messages sent to servers.
    pub sent: AtomicU64,
    /// Replies cut for UDP, asked again by TCP.
    pub truncated: AtomicU64,
    /// Messages that came but belong to no question of ours.
    pub mismatched: AtomicU64,
    /// Tries without a reply in time.
    pub timeouts: AtomicU64,
    /// Tries that ended with a network error.
    pub network_errors: AtomicU64,
    /// SERVFAIL, REFUSED and NOTIMP.
    pub refusals: AtomicU64,
    /// Answers "temporary failure", for whatever reason.
    pub temporary: AtomicU64,
    /// Times that the servers fell silent.
    pub outages: AtomicU64,
    /// Times that they came back.
    pub recoveries: AtomicU64,
    /// Answers that left the cache, or did not enter it, for want of room.
    pub evictions: AtomicU64,
}

/// Counts one.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
