//! How many rows each network began to wait for within the hour: the cap on what a flood can write.
//!
//! In memory and not in the table, where rows of several networks may share one name. A restart forgets it, which costs
//! some rows.

use crate::time::Timestamp;
use std::collections::HashMap;

/// So many networks are counted; with more, all begin anew.
const NETWORKS: usize = 65_536;
/// A period of counting, in seconds.
const HOUR: i64 = 3_600;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Networks {
    hour: i64,
    counts: HashMap<String, u32>,
}

impl Networks {
    /// Whether the network may have one more new row; 0 stands for no limit.
    pub(super) fn has_room(&mut self, network: &str, now: Timestamp, limit: u32) -> bool {
        let hour = now.0.div_euclid(HOUR);
        if hour != self.hour || self.counts.len() >= NETWORKS {
            (self.hour, self.counts) = (hour, HashMap::new());
        }
        limit == 0 || self.counts.get(network).is_none_or(|count| *count < limit)
    }

    /// One more new row.
    pub(super) fn begins(&mut self, network: &str) {
        *self.counts.entry(network.to_owned()).or_default() += 1;
    }

    /// One of its rows passed: it does not count any more.
    pub(super) fn passes(&mut self, network: &str) {
        if let Some(count) = self.counts.get_mut(network) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_room_again_when_a_row_passes_or_the_hour_is_over() {
        let (mut networks, now) = (Networks::default(), Timestamp(36_000));
        for _ in 0..2 {
            assert!(networks.has_room("a", now, 2));
            networks.begins("a");
        }
        assert!(!networks.has_room("a", now, 2) && networks.has_room("b", now, 2));
        assert!(networks.has_room("a", now, 0), "no limit");
        networks.passes("a");
        assert!(networks.has_room("a", now, 2));
        networks.begins("a");
        assert!(!networks.has_room("a", Timestamp(39_599), 2));
        assert!(networks.has_room("a", Timestamp(39_600), 2));
    }

    #[test]
    fn memory_is_bounded() {
        let mut networks = Networks::default();
        for number in 0..NETWORKS * 2 {
            networks.has_room("x", Timestamp(0), 1);
            networks.begins(&number.to_string());
        }
        assert!(networks.counts.len() <= NETWORKS);
    }
}
