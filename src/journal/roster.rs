//! The entries and configurations that records speak of, each with a number of this process: a record carries numbers,
//! and the writer asks what they stand for only once.

use crate::{
    decision::{Rule, Written},
    request::Stage,
};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many entries a roster holds; a configuration has some dozens.
const LIMIT: usize = 10_000;

/// What has a number.
#[derive(Debug, Default)]
pub(super) struct Roster(Mutex<Known>);

/// An entry in its list.
pub(super) type Listed = (Stage, Arc<Written>);

#[derive(Debug, Default)]
struct Known {
    /// By the place of the entry in memory; it is held, so that no other can take its place.
    numbers: HashMap<Place, u32, BuildHasherDefault<PlaceHasher>>,
    entries: Vec<Listed>,
    policies: Vec<Arc<str>>,
}

/// The roster while a record is written.
pub(super) struct Open<'a>(MutexGuard<'a, Known>);

impl Roster {
    /// Opens it, to number what a record speaks of.
    pub(super) fn open(&self) -> Open<'_> {
        Open(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open<'_> {
    /// Whether it is time for another.
    pub(super) fn is_full(&self) -> bool {
        self.0.entries.len() >= LIMIT || self.0.policies.len() >= LIMIT
    }

    /// The number of an entry.
    pub(super) fn number(&mut self, rule: &Rule) -> u32 {
        let Known { numbers, entries, .. } = &mut *self.0;
        *numbers.entry(Place(rule.stage, Arc::as_ptr(&rule.written).addr())).or_insert_with(|| {
            entries.push((rule.stage, rule.written.clone()));
            last(entries.len())
        })
    }

    /// The number of a configuration.
    pub(super) fn policy(&mut self, digest: &Arc<str>) -> u32 {
        let policies = &mut self.0.policies;
        // The latest is the one that is in force.
        match policies.iter().rposition(|known| Arc::ptr_eq(known, digest)) {
            Some(at) => last(at + 1),
            None => {
                policies.push(digest.clone());
                last(policies.len())
            }
        }
    }

    /// The entry that has a number.
    pub(super) fn entry(&self, number: u32) -> Option<Listed> {
        self.0.entries.get(usize::try_from(number).ok()?).cloned()
    }

    /// The configuration that has a number.
    pub(super) fn digest(&self, number: u32) -> Option<Arc<str>> {
        self.0.policies.get(usize::try_from(number).ok()?).cloned()
    }
}

/// The number of the last of so many.
fn last(count: usize) -> u32 {
    u32::try_from(count - 1).unwrap_or(u32::MAX)
}

/// An entry's list and its place in memory.
#[derive(Debug, PartialEq, Eq)]
struct Place(Stage, usize);

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Places are many bytes apart, stages few.
        state.write_usize(self.1 ^ self.0 as usize);
    }
}

/// Nobody outside chooses places in memory: one multiplication mixes them well enough, a dozen times a record.
#[derive(Debug, Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, number: usize) {
        let mixed = (self.0 ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    #[test]
    fn an_entry_has_one_number_in_each_list_and_another_than_its_equal() {
        let written = |text: &str| Arc::new(Written { text: text.into(), origin: Origin::builtin("test") });
        let rule = |stage, written: &Arc<Written>| Rule { stage, written: written.clone() };
        let (one, two) = (written("reject"), written("reject"));
        let roster = Roster::default();
        let mut open = roster.open();
        let numbers =
            [(Stage::Client, &one), (Stage::Helo, &one), (Stage::Client, &two), (Stage::Client, &one)]
                .map(|(stage, written)| open.number(&rule(stage, written)));
        assert_eq!(numbers, [0, 1, 2, 0]);
        let (stage, found) = open.entry(1).unwrap();
        assert!(stage == Stage::Helo && Arc::ptr_eq(&found, &one));
        assert!(open.entry(3).is_none() && !open.is_full());
        let digests: [Arc<str>; 2] = ["a".into(), "b".into()];
        let numbers = [0, 1, 0].map(|at: usize| open.policy(&digests[at]));
        assert_eq!(numbers, [0, 1, 0]);
        assert_eq!(open.digest(1), Some(digests[1].clone()));
    }
}
