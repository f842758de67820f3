//! Durations sorted into buckets, with atomics alone: nobody who measures waits for anybody.

use super::exposition::Value;
use crate::counter::Counter;
use std::time::Duration;

/// A histogram of durations.
#[derive(Debug)]
pub(in crate::server) struct Histogram {
    /// The buckets' upper bounds in seconds, which belong to them.
    bounds: &'static [f64],
    /// How many there are in each bucket; one more than there are bounds.
    counts: Box<[Counter]>,
    micros: Counter,
}

impl Histogram {
    pub(in crate::server) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds, counts, micros: Counter::default() }
    }

    /// Takes a duration.
    pub(in crate::server) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.add();
        }
        self.micros.add_all(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// What it shows now.
    pub(in crate::server) fn value(&self) -> Value {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(self.counts.iter().map(Counter::get)).collect();
        Value::Histogram { sum: Duration::from_micros(self.micros.get()).as_secs_f64(), buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for millis in [0, 100, 101, 1_000, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let Value::Histogram { sum, buckets } = histogram.value() else { panic!("no histogram") };
        assert_eq!(buckets, [(0.1, 2), (1.0, 2), (f64::INFINITY, 1)]);
        assert!((sum - 61.201).abs() < 1e-9, "{sum}");
    }
}
