//! What the DNS adapter counts, for `status` and for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

crate::counter::counters! {
    /// Counters since the start.
    #[derive(Debug, Default, Serialize)]
    pub struct Counters of AtomicU64, named "dns_";

    /// Answers out of the cache.
    cache_hits,
    /// Questions that found the same one in flight and waited for its answer.
    merged,
    /// Questions that were not in the cache and had to be asked.
    questions,
    /// Questions given up before they were sent, since nobody waited any more.
    abandoned,
    /// Messages sent to servers.
    sent,
    /// Replies cut for UDP, asked again by TCP.
    truncated,
    /// Messages that came but belong to no question of ours.
    mismatched,
    /// Tries without a reply in time.
    timeouts,
    /// Tries that ended with a network error.
    network_errors,
    /// SERVFAIL, REFUSED and NOTIMP.
    refusals,
    /// Answers "temporary failure", for whatever reason.
    temporary,
    /// Times that the servers fell silent.
    outages,
    /// Times that they came back.
    recoveries,
    /// Questions that found no room beside those in flight in all their time.
    saturated,
    /// Answers that left the cache, or did not enter it, for want of room.
    evictions,
}

/// Counts one.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
