//! The networks whose mail is stopped most often.

use super::{network, top::Top};
use crate::{
    cli::report::figures::{Network, Networks, Outcome, SPARKS},
    journal::Row,
};
use ipnet::IpNet;

/// Networks that are told apart; beyond that the most frequent ones.
const PLACES: usize = 4_000;
/// How many networks are told.
const TOLD: usize = 100;

/// The networks.
#[derive(Debug)]
pub(super) struct Offenders {
    top: Top<IpNet, Network>,
    from: i64,
    seconds: i64,
}

impl Offenders {
    /// In a stretch of time.
    pub(super) fn new(from: i64, to: i64) -> Self {
        Self { top: Top::new(PLACES), from, seconds: to.saturating_sub(from).max(1) }
    }

    /// An attempt of the row's client ended.
    pub(super) fn ended(&mut self, row: &Row<'_>, outcome: Outcome, time: i64) {
        let Some((network, _)) = network(row) else { return };
        if !outcome.is_stopped() {
            if let Some(known) = self.top.get(&network) {
                known.ends.add(outcome);
            }
            return;
        }
        let columns = i64::try_from(SPARKS).unwrap_or(1);
        let at = time.saturating_sub(self.from).saturating_mul(columns) / self.seconds;
        let known = self.top.add(&network);
        known.ends.add(outcome);
        known.over_time.resize(SPARKS, 0);
        let at = usize::try_from(at.clamp(0, columns - 1)).unwrap_or(0);
        if let Some(column) = known.over_time.get_mut(at) {
            *column = column.saturating_add(1);
        }
        let name = row.client_name.as_deref().filter(|name| *name != "unknown");
        if name.is_some() && known.name.as_deref() != name {
            known.name = name.map(str::to_owned);
        }
    }

    /// The figures.
    pub(super) fn figures(self) -> Networks {
        let uncertain_by = self.top.uncertain_by();
        let all = self.top.into_all();
        let told_apart = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let mut worst: Vec<Network> =
            all.map(|(network, known)| Network { network: network.to_string(), ..known }).collect();
        worst.sort_by(|a, b| (b.ends.stopped(), &a.network).cmp(&(a.ends.stopped(), &b.network)));
        worst.truncate(TOLD);
        Networks { worst, told_apart, uncertain_by }
    }
}
