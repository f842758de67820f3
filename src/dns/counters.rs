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
    /// Questions that found no room beside those in flight in all their time.
    pub saturated: AtomicU64,
    /// Answers that left the cache, or did not enter it, for want of room.
    pub evictions: AtomicU64,
}

impl Counters {
    /// Every counter with its name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("dns_cache_hits", &self.cache_hits),
            ("dns_merged", &self.merged),
            ("dns_questions", &self.questions),
            ("dns_abandoned", &self.abandoned),
            ("dns_sent", &self.sent),
            ("dns_truncated", &self.truncated),
            ("dns_mismatched", &self.mismatched),
            ("dns_timeouts", &self.timeouts),
            ("dns_network_errors", &self.network_errors),
            ("dns_refusals", &self.refusals),
            ("dns_temporary", &self.temporary),
            ("dns_outages", &self.outages),
            ("dns_recoveries", &self.recoveries),
            ("dns_saturated", &self.saturated),
            ("dns_evictions", &self.evictions),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .into_iter()
    }
}

/// Counts one.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
