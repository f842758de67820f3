//! How many rows each network began to wait for within the hour: the cap on what a flood can write.
//!
//! In memory, since the table does not say of a row under a verified name from which network it came. What was forgotten
//! by a restart, or because there were too many networks, is counted again from the rows under the network itself, once
//! a network and within that hour only; rows under names are not, so those of a network with names may be twice as many.

use crate::time::Timestamp;
use std::collections::HashMap;

/// So many networks are counted; with more, all begin anew.
const NETWORKS: usize = 65_536;
/// A period of counting, in seconds.
const HOUR: i64 = 3_600;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Networks {
    hour: Option<i64>,
    /// Whether counts of this hour were lost.
    forgotten: bool,
    counts: HashMap<String, u32>,
}

impl Networks {
    /// Whether the network may have one more new row; 0 stands for no limit. `count` counts the rows that a network,
    /// of which nothing is known any more, began to wait for since a moment.
    ///
    /// # Errors
    /// Those of `count`.
    pub(super) fn has_room<E>(
        &mut self,
        network: &str,
        now: Timestamp,
        limit: u32,
        count: impl FnOnce(Timestamp) -> Result<u32, E>,
    ) -> Result<bool, E> {
        let hour = now.0.div_euclid(HOUR);
        if self.hour != Some(hour) {
            (self.forgotten, self.counts) = (self.hour.is_none(), HashMap::new());
            self.hour = Some(hour);
        } else if self.counts.len() >= NETWORKS {
            (self.forgotten, self.counts) = (true, HashMap::new());
        }
        if limit == 0 {
            return Ok(true);
        }
        let begun = match self.counts.get(network) {
            Some(begun) => *begun,
            None if self.forgotten => {
                let begun = count(Timestamp(hour.saturating_mul(HOUR)))?;
                self.counts.insert(network.to_owned(), begun);
                begun
            }
            None => 0,
        };
        Ok(begun < limit)
    }

    /// One more new row.
    pub(super) fn begins(&mut self, network: &str) {
        let begun = self.counts.entry(network.to_owned()).or_default();
        *begun = begun.saturating_add(1);
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
    use std::convert::Infallible;

    fn has_room(networks: &mut Networks, network: &str, now: i64, limit: u32, in_table: u32) -> bool {
        let count = |_| Ok::<u32, Infallible>(in_table);
        networks.has_room(network, Timestamp(now), limit, count).unwrap_or_default()
    }

    #[test]
    fn a_network_has_room_again_when_a_row_passes_or_the_hour_is_over() {
        let mut networks = Networks::default();
        let room = |networks: &mut Networks, network, now, limit| has_room(networks, network, now, limit, 0);
        for _ in 0..2 {
            assert!(room(&mut networks, "a", 36_000, 2));
            networks.begins("a");
        }
        assert!(!room(&mut networks, "a", 36_000, 2) && room(&mut networks, "b", 36_000, 2));
        assert!(room(&mut networks, "a", 36_000, 0), "no limit");
        networks.passes("a");
        assert!(room(&mut networks, "a", 36_000, 2));
        networks.begins("a");
        assert!(!room(&mut networks, "a", 39_599, 2));
        assert!(room(&mut networks, "a", 39_600, 2));
    }

    #[test]
    fn what_a_restart_forgot_is_counted_once_and_in_the_first_hour_only() {
        let mut networks = Networks::default();
        let mut asked = Vec::new();
        for (network, now) in [("a", 36_001), ("a", 36_002), ("b", 39_599), ("c", 39_600), ("a", 39_600)] {
            let count = |since: Timestamp| {
                asked.push((network, since.0));
                Ok::<u32, Infallible>(2)
            };
            let room = networks.has_room(network, Timestamp(now), 2, count).unwrap_or_default();
            assert_eq!(room, now >= 39_600, "{network} {now}");
        }
        assert_eq!(asked, [("a", 36_000), ("b", 36_000)]);
        let failing = Networks::default().has_room("a", Timestamp(0), 2, |_| Err("no"));
        assert_eq!(failing, Err("no"));
    }

    #[test]
    fn memory_is_bounded_and_what_did_not_fit_is_counted_in_the_table() {
        let mut networks = Networks::default();
        for number in 0..NETWORKS * 2 {
            has_room(&mut networks, "x", 36_000, 1, 0);
            networks.begins(&number.to_string());
        }
        assert!(networks.counts.len() <= NETWORKS + 1);
        assert!(!has_room(&mut networks, "y", 36_000, 1, 1));
    }
}
