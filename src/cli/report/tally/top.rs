//! The most frequent keys of a stream in bounded memory: Metwally, Agrawal and El Abbadi, "Efficient Computation of
//! Frequent and Top-k Elements in Data Streams" (2005). Exact as long as there are no more keys than places; beyond that
//! a key takes the place of the rarest, and a count is too low by what its key had before, at most `uncertain_by`.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

/// The keys that are counted, with what is known of each.
#[derive(Debug)]
pub(super) struct Top<K, V> {
    places: usize,
    kept: HashMap<K, Kept<V>>,
    /// By how much each weighs, the lightest first; the number tells those of a weight apart.
    order: BTreeSet<(u64, u64, K)>,
    numbers: u64,
    uncertain_by: u64,
}

#[derive(Debug)]
struct Kept<V> {
    weight: u64,
    number: u64,
    value: V,
}

impl<K: Clone + Eq + Hash + Ord, V: Default> Top<K, V> {
    /// With so many places.
    pub(super) fn new(places: usize) -> Self {
        Self { places, kept: HashMap::new(), order: BTreeSet::new(), numbers: 0, uncertain_by: 0 }
    }

    /// One more of a key: what is known of it.
    pub(super) fn add(&mut self, key: &K) -> &mut V {
        let before = match self.kept.get(key) {
            Some(kept) => {
                self.order.remove(&(kept.weight, kept.number, key.clone()));
                kept.weight
            }
            None if self.kept.len() >= self.places => self.forget_lightest(),
            None => 0,
        };
        self.numbers += 1;
        let (weight, number) = (before + 1, self.numbers);
        self.order.insert((weight, number, key.clone()));
        let kept =
            self.kept.entry(key.clone()).or_insert_with(|| Kept { weight, number, value: V::default() });
        (kept.weight, kept.number) = (weight, number);
        &mut kept.value
    }

    /// What is known of a key, if it has a place.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        self.kept.get_mut(key).map(|kept| &mut kept.value)
    }

    fn forget_lightest(&mut self) -> u64 {
        let Some((weight, _, key)) = self.order.pop_first() else { return 0 };
        self.kept.remove(&key);
        self.uncertain_by = self.uncertain_by.max(weight);
        weight
    }

    /// By how much a count may be too low.
    pub(super) fn uncertain_by(&self) -> u64 {
        self.uncertain_by
    }

    /// Everything that has a place, in no order.
    pub(super) fn into_all(self) -> impl ExactSizeIterator<Item = (K, V)> {
        self.kept.into_iter().map(|(key, kept)| (key, kept.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_keep_their_places_however_many_others_pass() {
        let mut top: Top<u32, u64> = Top::new(10);
        for round in 0..1_000 {
            for frequent in 0..3 {
                *top.add(&frequent) += 1;
            }
            *top.add(&(1_000 + round)) += 1;
        }
        let uncertain = top.uncertain_by();
        assert!(uncertain <= 4_000 / 10, "{uncertain}");
        assert_eq!(top.into_all().len(), 10);
        let mut top: Top<u32, u64> = Top::new(10);
        (0..10).for_each(|key| *top.add(&key) += 1);
        (0..10).for_each(|key| *top.add(&key) += 1);
        assert_eq!((top.uncertain_by(), top.get(&3).copied(), top.get(&11).copied()), (0, Some(2), None));
        let mut kept: Vec<(u32, u64)> = top.into_all().collect();
        kept.sort_unstable();
        assert_eq!(kept, (0..10).map(|key| (key, 2)).collect::<Vec<_>>());
    }
}
