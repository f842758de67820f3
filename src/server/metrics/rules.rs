//! How often each entry of the policy decided, and how. An entry is found by its place in memory, which decisions share
//! with the policy: nothing is compared or copied for a decision.

use super::exposition::{Labels, Value};
use crate::{
    config::settings::Mode,
    counter::Counter,
    decision::{Decision, Verdict, Written},
    lookup::dnsxl::key::entry_without_keys,
    policy::Policy,
    request::{Event, Stage},
    server::status,
};
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many entries are counted by themselves; all others together. So many samples a scrape still takes.
const LIMIT: usize = 2_000;
/// The name of those others.
const OTHERS: &str = "others";
/// The name of what decides where no entry does.
const END: &str = "end of lists";
/// The name of all exemptions.
const ALLOW: &str = "allow";

/// The verdicts, in the order of the counters.
const ACTIONS: [&str; 4] = ["permit", "defer", "reject", "discard"];

/// The entries of one policy.
pub(in crate::server) struct Rules {
    entries: HashMap<usize, Arc<Cell>>,
    end: Arc<Cell>,
    allow: Arc<Cell>,
    others: Arc<Cell>,
}

/// The decisions of one entry in one mode.
#[derive(Debug)]
struct Cell {
    name: Name,
    counts: [[Counter; ACTIONS.len()]; Stage::ALL.len()],
}

/// What an entry is called: by it, it is found again after a reload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    rule: Box<str>,
    place: Box<str>,
    mode: &'static str,
}

/// Decisions by action, reason, stage and mode.
type Totals = BTreeMap<(&'static str, String, &'static str, &'static str), u64>;

/// The entries of all policies so far.
#[derive(Debug, Default)]
pub(in crate::server) struct AllRules(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    current: BTreeMap<Name, Arc<Cell>>,
    /// Those that a reload took away; sessions that began before it may still use them.
    retired: Vec<Arc<Cell>>,
    /// What entries that nobody uses any more have decided.
    gone: Totals,
}

impl AllRules {
    /// The entries of a policy; those that were there before go on counting.
    pub(in crate::server) fn of(&self, policy: &Policy, mode: Mode) -> Rules {
        let mut known = self.lock();
        let before = mem::take(&mut known.current);
        let mut cells = BTreeMap::new();
        let mode = status::mode(mode);
        let mut cell = |rule: &str, place: String| {
            let name = Name { rule: entry_without_keys(rule).into(), place: place.into(), mode };
            let kept = before.get(&name).cloned();
            let new = || Arc::new(Cell::new(name.clone()));
            cells.entry(name.clone()).or_insert_with(|| kept.unwrap_or_else(new)).clone()
        };
        let (end, allow) = (cell(END, String::new()), cell(ALLOW, String::new()));
        let others = cell(OTHERS, String::new());
        let entries = policy.entries().take(LIMIT).map(|entry| {
            let written = &entry.written;
            (address(written), cell(&written.text, written.origin.to_string()))
        });
        let entries = entries.collect();
        let retired = before.into_iter().filter(|(name, _)| !cells.contains_key(name));
        known.retired.extend(retired.map(|(_, cell)| cell));
        known.current = cells;
        Rules { entries, end, allow, others }
    }

    /// How often each entry of the policy in force decided.
    pub(in crate::server) fn hits(&self) -> Vec<(Labels, Value)> {
        let known = self.lock();
        let sample = |cell: &Arc<Cell>| {
            let Name { rule, place, mode } = &cell.name;
            let all = cell.counts.iter().flatten().map(Counter::get).sum();
            let labels =
                vec![("rule", rule.to_string()), ("where", place.to_string()), ("mode", (*mode).to_owned())];
            (labels, Value::Count(all))
        };
        known.current.values().map(sample).collect()
    }

    /// All decisions since the start.
    pub(in crate::server) fn totals(&self) -> Vec<(Labels, Value)> {
        let mut known = self.lock();
        let (used, unused): (Vec<_>, Vec<_>) =
            mem::take(&mut known.retired).into_iter().partition(|cell| Arc::strong_count(cell) > 1);
        let Known { gone, .. } = &mut *known;
        unused.iter().for_each(|cell| cell.add_to(gone));
        known.retired = used;
        let mut totals = known.gone.clone();
        known.current.values().chain(&known.retired).for_each(|cell| cell.add_to(&mut totals));
        let sample = |((action, reason, stage, mode), count): ((&str, String, &str, &str), u64)| {
            let labels = vec![
                ("action", action.to_owned()),
                ("reason", reason),
                ("stage", stage.to_owned()),
                ("mode", mode.to_owned()),
            ];
            (labels, Value::Count(count))
        };
        totals.into_iter().map(sample).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    /// Counts a decision.
    pub(in crate::server) fn count(&self, decision: &Decision) {
        let (cell, stage) = match &decision.rule {
            Some(rule) => (self.cell(&rule.written), rule.stage),
            None => (&*self.end, last_list(decision.event)),
        };
        let action = match &decision.verdict {
            Verdict::Pass => 0,
            Verdict::Reply(reply) if reply.code.class() == 4 => 1,
            Verdict::Reply(_) => 2,
            Verdict::Discard(_) => 3,
        };
        if let Some(count) = cell.counts.get(stage as usize).and_then(|counts| counts.get(action)) {
            count.add();
        }
    }

    fn cell(&self, written: &Arc<Written>) -> &Cell {
        let fallback = if *written.origin.file == *crate::allow::FILE { &self.allow } else { &self.others };
        self.entries.get(&address(written)).unwrap_or(fallback)
    }
}

impl Cell {
    fn new(name: Name) -> Self {
        Self { name, counts: Default::default() }
    }

    fn add_to(&self, totals: &mut Totals) {
        let reason = match &*self.name.rule {
            END => "end_of_lists",
            rule => rule.split([' ', ',']).next().unwrap_or(rule),
        };
        for (stage, counts) in Stage::ALL.iter().zip(&self.counts) {
            for (action, count) in ACTIONS.iter().zip(counts) {
                if count.get() > 0 {
                    let key = (*action, reason.to_owned(), stage.key(), self.name.mode);
                    *totals.entry(key).or_default() += count.get();
                }
            }
        }
    }
}

/// Where an entry lies; the policy keeps it there as long as its [`Rules`] live.
fn address(written: &Arc<Written>) -> usize {
    Arc::as_ptr(written).addr()
}

/// The list of an event, for decisions that none of its entries made.
fn last_list(event: Event) -> Stage {
    match event {
        Event::Connect => Stage::Client,
        Event::Helo => Stage::Helo,
        Event::Mail => Stage::Sender,
        Event::Rcpt => Stage::Recipient,
        Event::Data => Stage::Data,
        Event::EndOfMessage => Stage::EndOfData,
    }
}
