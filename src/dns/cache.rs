//! Answers that are known already, bounded in bytes.
//!
//! moka keeps the bound and chooses what leaves (TinyLFU: a flood of names that are asked once does not push out the
//! ones that are asked all the time). Until when an answer holds is decided here, by the clock that was given.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use moka::{notification::RemovalCause, sync};

use super::counters::Counters;
use crate::{
    lookup::{
        Lookup,
        answers::{Answer, DnsAnswer, DnsStatus},
    },
    smtp::domain::Domain,
    time::{Clock, Timestamp},
};

/// The longest time an answer is kept, in seconds; the limit of common resolvers is a day, but an administrator who
/// mends his zone wants to see his mail arrive.
const LONGEST: u32 = 3600;
/// The same for "not found" and other answers without records (RFC 2308 section 5 proposes one to three hours at most;
/// greylisted clients come back sooner).
const LONGEST_NEGATIVE: u32 = 900;
/// A TTL of zero would make the entries of one list ask again and again.
const SHORTEST: u32 = 1;
/// How long a temporary failure is kept, in seconds: against storms only.
const TEMPORARY: u32 = 5;
/// What an entry takes beside its names and records, measured with a million of them: key, value, the places in moka's
/// table and queues.
const ENTRY_BYTES: usize = 500;

#[derive(Clone, Debug)]
struct Entry {
    answer: Answer,
    stored: Timestamp,
    until: Timestamp,
}

/// The cache.
pub(super) struct Cache {
    entries: sync::Cache<Lookup, Entry>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("bytes", &self.entries.weighted_size()).finish_non_exhaustive()
    }
}

impl Cache {
    pub(super) fn new(size_bytes: u64, clock: Arc<dyn Clock>, counters: Arc<Counters>) -> Self {
        let entries = sync::Cache::builder()
            .max_capacity(size_bytes)
            .weigher(|lookup, entry: &Entry| {
                u32::try_from(ENTRY_BYTES + question_bytes(lookup) + answer_bytes(&entry.answer))
                    .unwrap_or(u32::MAX)
            })
            // What nobody asks for again goes, too.
            .time_to_live(Duration::from_secs(u64::from(LONGEST)))
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counters.evictions.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        Self { entries, clock }
    }

    pub(super) fn get(&self, lookup: &Lookup) -> Option<Answer> {
        let entry = self.entries.get(lookup)?;
        let now = self.clock.now();
        // A clock that was set back must not make an answer live longer.
        (entry.stored <= now && now < entry.until).then_some(entry.answer)
    }

    /// Keeps an answer for `ttl` seconds, within the limits of its kind.
    pub(super) fn insert(&self, lookup: Lookup, answer: Answer, ttl: u32) {
        let seconds = match answer.status() {
            DnsStatus::Found | DnsStatus::NullMx => ttl.clamp(SHORTEST, LONGEST),
            DnsStatus::NotFound | DnsStatus::Invalid | DnsStatus::Failed => {
                ttl.clamp(SHORTEST, LONGEST_NEGATIVE)
            }
            DnsStatus::Temporary => TEMPORARY,
        };
        let stored = self.clock.now();
        let until = Timestamp(stored.0.saturating_add(i64::from(seconds)));
        self.entries.insert(lookup, Entry { answer, stored, until });
    }

    /// Forgets what is known of a name and of all names below it.
    pub(super) fn forget_below(&self, zone: &Domain) {
        let below = |name: &Domain| {
            name.as_str()
                .strip_suffix(zone.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        for (lookup, _) in self.entries.iter() {
            if name_of(&lookup).is_some_and(below) {
                self.entries.invalidate(lookup.as_ref());
            }
        }
    }

    /// The bytes in use, after the housekeeping that otherwise happens by the way.
    pub(super) fn settled_bytes(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }
}

fn question_bytes(lookup: &Lookup) -> usize {
    name_of(lookup).map_or(0, |name| name.as_str().len())
}

fn name_of(lookup: &Lookup) -> Option<&Domain> {
    match lookup {
        Lookup::A(name) | Lookup::Aaaa(name) | Lookup::Mx(name) | Lookup::Ns(name) | Lookup::Txt(name) => {
            Some(name)
        }
        Lookup::Ptr(_) | Lookup::Policy(_) | Lookup::Greylist(_) | Lookup::Sleep(_) => None,
    }
}

fn answer_bytes(answer: &Answer) -> usize {
    fn of<T>(answer: &DnsAnswer<T>, text: impl Fn(&T) -> usize) -> usize {
        answer.records().iter().map(|record| size_of::<T>() + text(record)).sum()
    }
    // Each text is an allocation of its own, with its counts and the allocator's share.
    let text = |text: &str| text.len() + 32;
    match answer {
        Answer::A(answer) => of(answer, |_| 0),
        Answer::Aaaa(answer) => of(answer, |_| 0),
        Answer::Mx(answer) => of(answer, |mx| text(&mx.exchange)),
        Answer::Text(answer) => of(answer, |record| text(record)),
        Answer::Policy(_) | Answer::Greylist(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{smtp::domain::Domain, time::FixedClock};
    use std::net::Ipv4Addr;

    fn cache(size: u64) -> (Cache, Arc<FixedClock>, Arc<Counters>) {
        let clock = Arc::new(FixedClock::at(Timestamp(1_000_000)));
        let counters = Arc::new(Counters::default());
        (Cache::new(size, Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&counters)), clock, counters)
    }

    fn a(name: &str) -> Lookup {
        Lookup::A(Domain::for_query(name).unwrap())
    }

    fn records() -> Answer {
        Answer::A(DnsAnswer::Records([Ipv4Addr::new(192, 0, 2, 1)].into()))
    }

    #[test]
    fn an_answer_holds_for_its_ttl_within_the_limits_of_its_kind() {
        let lookup = a("mail.example");
        let cases = [
            (records(), 300, 300),
            (records(), 0, 1),
            (records(), u32::MAX, 3600),
            (Answer::Mx(DnsAnswer::NullMx), 7200, 3600),
            (lookup.not_found(), 60, 60),
            (lookup.not_found(), 86_400, 900),
            (Answer::A(DnsAnswer::Invalid), 86_400, 900),
            (Answer::A(DnsAnswer::Failed("x")), 60, 60),
            (lookup.temporary("x"), 86_400, 5),
            (lookup.temporary("x"), 0, 5),
        ];
        for (answer, ttl, seconds) in cases {
            let (cache, clock, _) = cache(1 << 20);
            cache.insert(lookup.clone(), answer.clone(), ttl);
            clock.advance(Duration::from_secs(seconds - 1));
            assert_eq!(cache.get(&lookup), Some(answer.clone()), "{answer} {ttl}");
            clock.advance(Duration::from_secs(1));
            assert_eq!(cache.get(&lookup), None, "{answer} {ttl}");
        }
    }

    #[test]
    fn a_clock_set_back_lengthens_nothing() {
        let clock = Arc::new(FixedClock::at(Timestamp(1_000_000)));
        let (mut cache, ..) = cache(1 << 20);
        cache.clock = clock;
        cache.insert(a("mail.example"), records(), 300);
        cache.clock = Arc::new(FixedClock::at(Timestamp(1_000)));
        assert_eq!(cache.get(&a("mail.example")), None);
    }

    #[test]
    fn a_hundred_thousand_names_stay_within_the_bytes() {
        let size = 1 << 20;
        let (cache, _, counters) = cache(size);
        for n in 0..100_000 {
            cache.insert(a(&format!("name-{n}.example")), records(), 300);
        }
        assert!(cache.settled_bytes() <= size, "{}", cache.settled_bytes());
        assert!(counters.evictions.load(Ordering::Relaxed) > 90_000);
    }

    #[test]
    fn a_name_that_is_asked_all_the_time_survives_a_flood() {
        let (cache, ..) = cache(1 << 20);
        let popular = a("zen.example");
        cache.insert(popular.clone(), records(), 300);
        for n in 0..20_000 {
            cache.insert(a(&format!("name-{n}.example")), records(), 300);
            assert_eq!(cache.get(&popular), Some(records()), "{n}");
        }
    }
}
