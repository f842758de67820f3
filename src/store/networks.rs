//! How many rows each network began to wait for within the hour: the cap on what a flood can write.
//!
//! In memory, since the table does not say of a row under a verified name from which network it came. What was forgotten
//! by a restart, or because there were too many networks, is counted again from the rows under the network itself, once
//! a network and within that hour only; rows under names are not, so those of a network with names may be twice as many.
//!
//! Whoever has one IPv6 network of 64 bits mostly has 65,536: those of 48 bits are counted too.

use crate::time::Timestamp;
use ipnet::Ipv6Net;
use std::collections::HashMap;

/// So many networks are counted; with more, all begin anew.
const NETWORKS: usize = 65_536;
/// A period of counting, in seconds.
const HOUR: i64 = 3_600;
/// The length of the IPv6 networks that are counted beside a client's own.
const WIDE: u8 = 48;
/// How many times as many rows such a network may have.
const WIDE_LIMIT: u32 = 16;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Networks {
    hour: Option<i64>,
    /// Whether counts of this hour were lost.
    forgotten: bool,
    counts: HashMap<String, u32>,
    /// What the counts were before the changes that may still be undone, in their order.
    before: Vec<(String, Option<u32>)>,
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
        // A request that began in the last hour may come late.
        if self.hour.is_none_or(|counted| hour > counted || hour < counted.saturating_sub(1)) {
            self.begin_anew(self.hour.is_none());
            self.hour = Some(hour);
        } else if self.counts.len() >= NETWORKS {
            self.begin_anew(true);
        }
        if limit == 0 {
            return Ok(true);
        }
        let wide = wide(network).and_then(|wide| self.counts.get(&wide));
        if wide.is_some_and(|begun| *begun >= limit.saturating_mul(WIDE_LIMIT)) {
            return Ok(false);
        }
        let begun = match self.counts.get(network) {
            Some(begun) => *begun,
            None if self.forgotten => {
                let begun = count(Timestamp(hour.saturating_mul(HOUR)))?;
                self.counts.insert(network.to_owned(), begun);
                // It may have counted rows that are not committed yet.
                self.before.push((network.to_owned(), None));
                begun
            }
            None => 0,
        };
        Ok(begun < limit)
    }

    /// One more new row.
    pub(super) fn begins(&mut self, network: &str) {
        self.change(network.to_owned(), |begun| begun.saturating_add(1));
        if let Some(wide) = wide(network) {
            self.change(wide, |begun| begun.saturating_add(1));
        }
    }

    /// One of its rows passed: it does not count any more.
    pub(super) fn passes(&mut self, network: &str) {
        for network in wide(network).into_iter().chain([network.to_owned()]) {
            if self.counts.contains_key(&network) {
                self.change(network, |begun| begun.saturating_sub(1));
            }
        }
    }

    /// What was counted since the last time is committed.
    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    /// What was counted since the last time has not happened: its transaction was undone.
    pub(super) fn undo(&mut self) {
        while let Some((network, begun)) = self.before.pop() {
            match begun {
                Some(begun) => self.counts.insert(network, begun),
                None => self.counts.remove(&network),
            };
        }
    }

    fn change(&mut self, network: String, to: impl FnOnce(u32) -> u32) {
        let begun = self.counts.get(&network).copied();
        self.counts.insert(network.clone(), to(begun.unwrap_or(0)));
        self.before.push((network, begun));
    }

    fn begin_anew(&mut self, forgotten: bool) {
        (self.forgotten, self.counts, self.before) = (forgotten, HashMap::new(), Vec::new());
    }
}

/// The wider network around one of IPv6.
fn wide(network: &str) -> Option<String> {
    if !network.contains(':') {
        return None;
    }
    let network: Ipv6Net = network.parse().ok()?;
    let wide = Ipv6Net::new(network.addr(), WIDE).ok().filter(|_| network.prefix_len() > WIDE)?;
    Some(wide.trunc().to_string())
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
    fn a_mail_that_comes_late_into_the_next_hour_does_not_bring_the_last_one_back() {
        let mut networks = Networks::default();
        assert!(has_room(&mut networks, "a", 39_600, 1, 0));
        networks.begins("a");
        for (now, room) in [(39_599, false), (39_601, false), (36_000 - 1, true)] {
            assert_eq!(has_room(&mut networks, "a", now, 1, 0), room, "{now}");
        }
    }

    #[test]
    fn an_ipv6_network_of_48_bits_has_room_for_sixteen_of_64_bits() {
        let mut networks = Networks::default();
        let small = |number: u32| format!("2001:db8:0:{number:x}::/64");
        has_room(&mut networks, "x", 36_000, 1, 0);
        networks.keep();
        for number in 0..WIDE_LIMIT {
            assert!(has_room(&mut networks, &small(number), 36_000, 1, 0), "{number}");
            networks.begins(&small(number));
        }
        assert!(!has_room(&mut networks, &small(99), 36_000, 1, 0));
        assert!(has_room(&mut networks, "2001:db8:1:1::/64", 36_000, 1, 0), "its neighbour");
        networks.passes(&small(0));
        assert!(has_room(&mut networks, &small(99), 36_000, 1, 0));
        for (network, want) in [
            ("192.0.2.0/24", None),
            ("2001:db8:1:2::/64", Some("2001:db8:1::/48")),
            ("2001:db8::/32", None),
            ("2001:db8::7/128", Some("2001:db8::/48")),
        ] {
            assert_eq!(wide(network).as_deref(), want, "{network}");
        }
    }

    #[test]
    fn what_was_not_committed_does_not_count() {
        let mut networks = Networks::default();
        let counted = |networks: &mut Networks, kept: bool| {
            assert!(has_room(networks, "2001:db8::/64", 36_000, 2, 0));
            networks.begins("2001:db8::/64");
            if kept { networks.keep() } else { networks.undo() }
        };
        counted(&mut networks, true);
        for _ in 0..100 {
            counted(&mut networks, false);
        }
        counted(&mut networks, true);
        assert!(!has_room(&mut networks, "2001:db8::/64", 36_000, 2, 0));
        networks.passes("2001:db8::/64");
        networks.undo();
        assert!(!has_room(&mut networks, "2001:db8::/64", 36_000, 2, 0), "nor does a pass");
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
