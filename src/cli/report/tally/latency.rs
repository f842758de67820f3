//! How long answers took, sorted into classes: a few bytes however many there are.

use crate::cli::report::figures::Latency;

/// The upper bounds of the classes in milliseconds, some 15 % apart where whole numbers allow it.
const BOUNDS: [u64; 56] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 19, 22, 25, 28, 32, 36, 41, 47, 54, 62, 71, 81, 93,
    107, 123, 141, 162, 186, 214, 246, 283, 325, 374, 430, 494, 568, 653, 751, 864, 994, 1_143, 1_314, 1_511,
    1_738, 1_999, 2_500, 3_000, 5_000, 7_000, 10_000, 30_000,
];

/// The classes.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    asked: u64,
    classes: [u64; BOUNDS.len() + 1],
}

impl Default for Latencies {
    fn default() -> Self {
        Self { asked: 0, classes: [0; BOUNDS.len() + 1] }
    }
}

impl Latencies {
    /// One more. What took no millisecond was known, and counts only as asked.
    pub(super) fn add(&mut self, millis: u64) {
        self.asked += 1;
        if millis > 0 {
            let class = BOUNDS.partition_point(|bound| *bound < millis);
            self.classes[class] += 1;
        }
    }

    /// Those of another too.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.asked += other.asked;
        self.classes.iter_mut().zip(other.classes).for_each(|(class, more)| *class += more);
    }

    /// What they come to.
    pub(super) fn figures(&self) -> Latency {
        let waited: u64 = self.classes.iter().sum();
        let quantile = |of_hundred: u64| {
            let wanted = (waited * of_hundred).div_ceil(100);
            let mut seen = 0;
            let class = self.classes.iter().position(|class| {
                seen += class;
                seen >= wanted
            })?;
            // Beyond the last bound it is the last: no question takes longer.
            (waited > 0).then(|| BOUNDS[class.min(BOUNDS.len() - 1)])
        };
        Latency { asked: self.asked, waited, median_ms: quantile(50), p95_ms: quantile(95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_bounds_of_what_was_waited_for() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.figures(), Latency::default());
        latencies.add(0);
        let none = Latency { asked: 1, ..Latency::default() };
        assert_eq!(latencies.figures(), none);
        (1..=100).for_each(|millis| latencies.add(millis));
        let want = Latency { asked: 101, waited: 100, median_ms: Some(54), p95_ms: Some(107) };
        assert_eq!(latencies.figures(), want);
        let mut twice = latencies.clone();
        twice.add_all(&latencies);
        assert_eq!(twice.figures(), Latency { asked: 202, waited: 200, ..want });
        latencies.add(u64::MAX);
        assert_eq!(latencies.figures().waited, 101);
    }
}
