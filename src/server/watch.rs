//! The watch on DNS block and allow lists: asks their test points beside the mail, listens to ordinary answers, and keeps
//! lists that cannot be believed from being asked. What is believed when stands in [`dnsxl_health`].
//!
//! [`dnsxl_health`]: crate::lookup::dnsxl_health

use super::{counters::Counters, metrics::ListMetrics};
use crate::{
    dns::Dns,
    lookup::{
        Lookup,
        answers::{Answer, DnsAnswer},
        dnsxl::{ListKind, ListUse, key::without_key},
        dnsxl_health::{CONFIRM, Change, Health, State, Trouble, judge, test_points, void},
    },
    smtp::domain::Domain,
};
use futures_util::future::join_all;
use std::{
    hash::{BuildHasher, RandomState},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

/// A name below this is asked for when no list answers at all: if nothing answers this either, the resolver is at fault.
const CONTROL: &str = "com";

/// The lists of one policy and what is known about them. A reload makes a new one that goes on with what was known.
#[derive(Clone)]
pub struct Watch {
    /// Longer zones first: the innermost zone is the one that a question is about.
    lists: Arc<[Watched]>,
    shared: Arc<Shared>,
}

/// What the watches of all policies share.
struct Shared {
    counters: Arc<Counters>,
    /// Rung when a list should be tested sooner than planned.
    sooner: Notify,
    /// Held while lists are tested, so that two tests at once do not count as two in a row.
    testing: tokio::sync::Mutex<()>,
}

/// A list of the policy.
#[derive(Clone)]
struct Watched {
    /// Where it is used first; `allows` only if no use of it refuses.
    list: ListUse,
    /// Whether it has test points.
    tested: bool,
    /// The questions below the zone.
    points: [Lookup; 2],
    known: Arc<Known>,
}

/// What is known about a list, over reloads.
struct Known {
    /// Whether it is set aside, for whoever is about to ask it.
    aside: AtomicBool,
    metrics: ListMetrics,
    planned: Mutex<Planned>,
}

/// What is believed of a list, and when it is tested.
struct Planned {
    health: Health,
    tested: Option<Instant>,
    due: Instant,
}

/// What is believed of a list, for whoever prints it.
#[derive(Clone, Debug)]
pub struct ListState {
    /// The list.
    pub list: ListUse,
    /// What is believed.
    pub state: State,
}

impl Watch {
    /// A watch on no list.
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        let shared = Shared { counters, sooner: Notify::new(), testing: tokio::sync::Mutex::new(()) };
        Self { lists: Arc::new([]), shared: Arc::new(shared) }
    }

    /// The watch on the lists of another policy, all of which are due for a test. What is known about a list that stays
    /// is kept; a list that goes is forgotten with the last session that asks it.
    pub(super) fn follow(&self, uses: Vec<ListUse>, untested: &[Domain]) -> Self {
        let mut lists: Vec<Watched> = Vec::new();
        for list in uses {
            if let Some(same) = lists.iter_mut().find(|other| other.is(&list)) {
                same.list.allows &= list.allows;
                continue;
            }
            // A zone too long for its test points is too long for every other question, too.
            let Some(points) = test_points(&list.zone, list.kind) else { continue };
            let tested = !untested.contains(&list.zone);
            let before = self.lists.iter().find(|other| other.is(&list) && other.tested == tested);
            let known = before.map_or_else(|| Arc::new(Known::new()), |before| before.known.clone());
            known.lock().due = Instant::now();
            lists.push(Watched { list, tested, points, known });
        }
        lists.sort_by_key(|watched| std::cmp::Reverse(watched.list.zone.as_str().len()));
        Self { lists: lists.into(), shared: self.shared.clone() }
    }

    /// Makes whoever waits for a test look again at what is due.
    pub(super) fn wake(&self) {
        self.shared.sooner.notify_one();
    }

    /// The lists and what is believed of them, in the order of their places.
    pub fn states(&self) -> Vec<ListState> {
        let state = |watched: &Watched| ListState {
            list: watched.list.clone(),
            state: watched.known.lock().health.state().clone(),
        };
        let mut states: Vec<ListState> = self.lists.iter().map(state).collect();
        states.sort_by_key(|state| (state.list.origin.line, state.list.origin.column));
        states
    }

    /// The lists' zones with what they answered.
    pub(super) fn metrics(&self) -> Vec<(&Domain, &ListMetrics)> {
        self.lists.iter().map(|watched| (&watched.list.zone, &watched.known.metrics)).collect()
    }

    /// The answer to a question that shall not be asked, since its list is set aside.
    pub(super) fn set_aside(&self, lookup: &Lookup) -> Option<Answer> {
        let watched = self.list_of(lookup)?;
        if !watched.known.aside.load(Ordering::Acquire) {
            return None;
        }
        self.shared.counters.lookups_set_aside.add();
        let answer = lookup.set_aside();
        watched.known.metrics.heard(&answer, None);
        Some(answer)
    }

    /// Takes an answer that was given just now after some time, and hands on what of it may be believed.
    pub(super) fn hear(&self, lookup: &Lookup, answer: Answer, took: Duration) -> Answer {
        let Some(watched) = self.list_of(lookup) else { return answer };
        watched.known.metrics.heard(&answer, Some(took));
        // It may have been set aside while the question was on its way.
        if watched.known.aside.load(Ordering::Acquire) {
            return lookup.set_aside();
        }
        if let Answer::A(addresses) = &answer {
            self.overhear(watched, addresses);
        }
        self.believed(lookup, answer)
    }

    /// What of a kept answer may be believed. It is no news: it may be older than the list's last test.
    pub(super) fn recall(&self, lookup: &Lookup, answer: Answer) -> Answer {
        let Some(watched) = self.list_of(lookup) else { return answer };
        watched.known.metrics.heard(&answer, None);
        self.believed(lookup, answer)
    }

    /// An error code and an address elsewhere are no listing, whether the list is set aside or not.
    fn believed(&self, lookup: &Lookup, answer: Answer) -> Answer {
        match &answer {
            Answer::A(addresses) if void(addresses).is_some() => {
                self.shared.counters.list_answers_void.add();
                lookup.set_aside()
            }
            Answer::A(_)
            | Answer::Aaaa(_)
            | Answer::Mx(_)
            | Answer::Text(_)
            | Answer::Policy(_)
            | Answer::Greylist(_) => answer,
        }
    }

    fn overhear(&self, watched: &Watched, answer: &DnsAnswer<Ipv4Addr>) {
        let mut planned = watched.known.lock();
        let (change, soon) = planned.health.overheard(answer);
        match change {
            Some(change) => {
                planned.plan();
                self.carry_out(watched, change);
            }
            None if soon && planned.hasten() => {}
            None => return,
        }
        self.wake();
    }

    /// Makes a change known: to those who ask, in the log, in the counters. Called under the lock of what is known, so
    /// that changes are told in their order.
    fn carry_out(&self, watched: &Watched, change: Change) {
        let ListUse { zone, allows, origin, .. } = &watched.list;
        // A customer's key is nobody's business who reads the log.
        let zone = without_key(zone.as_str()).unwrap_or(zone.as_str());
        match change {
            Change::SetAside(trouble) => {
                watched.known.aside.store(true, Ordering::Release);
                self.shared.counters.lists_set_aside.add();
                let mail = if *allows { "permits" } else { "refuses" };
                warn!(
                    "the list {zone} ({origin}) is set aside and {mail} no mail until it behaves again: it {trouble}; {}",
                    trouble.advice()
                );
            }
            Change::TakenBack => {
                watched.known.aside.store(false, Ordering::Release);
                self.shared.counters.lists_taken_back.add();
                info!("the list {zone} ({origin}) behaves again: it is asked from now on");
            }
        }
    }

    /// Tests all lists now, whenever they are due.
    pub(super) async fn test_all(&self, dns: &Dns) {
        self.test(dns, |_| true).await;
    }

    /// Tests the lists that are due.
    pub(super) async fn test_due(&self, dns: &Dns) {
        let now = Instant::now();
        self.test(dns, |planned| planned.due <= now).await;
    }

    /// Waits until a list is due for a test, or may be.
    pub(super) async fn due(&self) {
        match self.lists.iter().map(|watched| watched.known.lock().due).min() {
            Some(due) => {
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.shared.sooner.notified() => {}
                }
            }
            None => self.shared.sooner.notified().await,
        }
    }

    async fn test(&self, dns: &Dns, wanted: impl Fn(&Planned) -> bool) {
        let _alone = self.shared.testing.lock().await;
        let lists: Vec<&Watched> = self.lists.iter().filter(|list| wanted(&list.known.lock())).collect();
        let found = join_all(lists.iter().map(|list| list.ask(dns))).await;
        let all_silent = found.iter().all(|found| matches!(found, Some(Trouble::Silent(_))));
        let in_the_dark = !lists.is_empty() && all_silent && nothing_answers(dns).await;
        if in_the_dark {
            debug!("the DNS lists cannot be tested: nothing answers");
        }
        for (watched, found) in lists.into_iter().zip(found) {
            let mut planned = watched.known.lock();
            planned.tested = Some(Instant::now());
            if in_the_dark {
                planned.health.untestable();
            } else if let Some(change) = planned.health.tested(found) {
                if change == Change::TakenBack {
                    // What it said in its bad hours must not be believed now.
                    dns.forget_below(&watched.list.zone);
                }
                self.carry_out(watched, change);
            }
            planned.plan();
        }
    }

    /// The watched list that a question asks; a zone's own name is no such question.
    fn list_of(&self, lookup: &Lookup) -> Option<&Watched> {
        if self.lists.is_empty() {
            return None;
        }
        let (Lookup::A(name) | Lookup::Txt(name)) = lookup else { return None };
        let below = |watched: &Watched| {
            let rest = name.as_str().strip_suffix(watched.list.zone.as_str())?;
            rest.strip_suffix('.').map(is_reversed_address)
        };
        let mut found = None;
        for watched in self.lists.iter() {
            match (below(watched), watched.list.kind) {
                (Some(true), ListKind::Address) => return Some(watched),
                // A zone that is asked for both: a reversed address is asked of the list of addresses.
                (Some(_), ListKind::Name) => found = found.or(Some(watched)),
                (Some(false), ListKind::Address) | (None, _) => {}
            }
        }
        found
    }
}

impl Watched {
    fn is(&self, list: &ListUse) -> bool {
        self.list.zone == list.zone && self.list.kind == list.kind
    }

    /// Asks the test points, past the cache.
    async fn ask(&self, dns: &Dns) -> Option<Trouble> {
        let [listed, unlisted] = &self.points;
        match tokio::join!(dns.ask_anew(listed), dns.ask_anew(unlisted)) {
            (Answer::A(listed), Answer::A(unlisted)) => {
                judge(self.list.kind, self.tested, &listed, &unlisted)
            }
            // Answers have the type of their questions.
            _ => None,
        }
    }
}

impl Known {
    fn new() -> Self {
        let planned = Planned { health: Health::default(), tested: None, due: Instant::now() };
        Self { aside: AtomicBool::new(false), metrics: ListMetrics::default(), planned: Mutex::new(planned) }
    }

    fn lock(&self) -> MutexGuard<'_, Planned> {
        // Nothing that is done under the lock can leave it half changed.
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Planned {
    /// Plans the next test, with a tenth of chance so that the tests of many lists and servers spread.
    fn plan(&mut self) {
        let span = self.health.next_test();
        let chance = u32::try_from(RandomState::new().hash_one(()) % 201).unwrap_or(100);
        self.due = Instant::now() + span * (900 + chance) / 1000;
    }

    /// Plans the next test as soon as tests may follow each other; whether that is sooner than planned.
    fn hasten(&mut self) -> bool {
        let earliest = self.tested.map_or(self.due, |tested| tested + CONFIRM);
        let sooner = earliest < self.due;
        self.due = self.due.min(earliest);
        sooner
    }
}

/// Whether not even the control question is answered: for a name that nobody has asked for before, since a resolver that is
/// cut off answers others from what it keeps.
async fn nothing_answers(dns: &Dns) -> bool {
    match Domain::for_query(&format!("{:016x}.{CONTROL}", RandomState::new().hash_one(()))) {
        Some(name) => dns.ask_anew(&Lookup::Ns(name)).await.is_temporary(),
        None => false,
    }
}

/// Whether the part of a name before its zone is an address in reverse: four numbers, or 32 nibbles (RFC 5782 2.1, 2.4).
fn is_reversed_address(labels: &str) -> bool {
    let nibble = |label: &str| label.len() == 1 && label.bytes().all(|b| b.is_ascii_hexdigit());
    match labels.split('.').count() {
        4 => labels.split('.').all(|label| label.parse::<u8>().is_ok()),
        32 => labels.split('.').all(nibble),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
