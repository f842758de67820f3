//! What each entry of the lists did.

use super::latency::Latencies;
use crate::{
    cli::report::figures::{Ends, Outcome, Rule},
    journal::{
        Row,
        read::{Brief, Entry},
    },
    lookup::dnsxl::key::entry_without_keys,
};
use std::collections::{BTreeMap, HashMap};

/// Entries that are told apart; all others stand together.
const LIMIT: usize = 2_000;
/// The number of those others, and of none.
const OTHERS: i64 = -1;
const NONE: i64 = -2;

/// The entries by their numbers.
#[derive(Debug, Default)]
pub(super) struct Rules(HashMap<i64, Cell>);

#[derive(Clone, Debug, Default)]
struct Cell {
    ends: Ends,
    alone: u64,
    warned: u64,
    permitted: u64,
    cost: Latencies,
}

impl Rules {
    /// A decision: what its entries asked, which of them only warned, and which one permitted.
    pub(super) fn decided(&mut self, row: &Row<'_>, brief: Option<&Brief<'_>>) {
        if let ("permit", Some(rule)) = (row.verdict.as_ref(), row.rule) {
            self.cell(rule).permitted += 1;
        }
        for step in brief.iter().flat_map(|brief| &brief.steps.0) {
            if step.warned {
                self.cell(step.rule).warned += 1;
            }
            // They are asked at once: the slowest counts.
            if let Some(slowest) = step.asked.iter().map(|asked| asked.2).max() {
                self.cell(step.rule).cost.add(slowest);
            }
        }
    }

    /// An attempt was stopped by an entry, or by none.
    pub(super) fn stopped(&mut self, rule: Option<i64>, outcome: Outcome, alone: bool) {
        let cell = self.cell(rule.unwrap_or(NONE));
        cell.ends.add(outcome);
        cell.alone += u64::from(alone);
    }

    fn cell(&mut self, rule: i64) -> &mut Cell {
        let known = self.0.len() < LIMIT || self.0.contains_key(&rule);
        self.0.entry(if known || rule < 0 { rule } else { OTHERS }).or_default()
    }

    /// The figures; what reads the same is one.
    pub(super) fn figures(self, entries: &HashMap<i64, Entry>) -> Vec<Rule> {
        let mut together: BTreeMap<(String, String), Cell> = BTreeMap::new();
        for (number, cell) in self.0 {
            let name = match (number, entries.get(&number)) {
                (NONE, _) => ("(no entry of a list)".to_owned(), String::new()),
                (_, Some(entry)) => (entry_without_keys(&entry.entry), entry.place.clone()),
                (_, None) => ("(other entries)".to_owned(), String::new()),
            };
            let all = together.entry(name).or_default();
            all.ends.add_all(&cell.ends);
            all.alone += cell.alone;
            all.warned += cell.warned;
            all.permitted += cell.permitted;
            all.cost.add_all(&cell.cost);
        }
        let figures = |((entry, place), cell): ((String, String), Cell)| Rule {
            entry,
            place,
            ends: cell.ends,
            alone: cell.alone,
            warned: cell.warned,
            permitted: cell.permitted,
            cost: cell.cost.figures(),
        };
        let mut rules: Vec<Rule> = together.into_iter().map(figures).collect();
        let weight = |rule: &Rule| (rule.ends.all(), rule.warned, rule.permitted, rule.cost.waited);
        rules.sort_by_key(|rule| std::cmp::Reverse(weight(rule)));
        rules
    }
}

/// Whether the deciding entry is the only one that would have refused, as far as the steps tell: entries behind the one
/// that refuses are not looked at.
pub(super) fn is_alone(row: &Row<'_>, brief: Option<&Brief<'_>>) -> bool {
    let Some(brief) = brief else { return false };
    row.rule.is_some() && !brief.steps.0.iter().any(|step| step.refuses && Some(step.rule) != row.rule)
}
