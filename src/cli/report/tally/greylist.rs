//! Who was asked to come back, and who came.

use super::under_way::stop;
use crate::{
    cli::report::figures::{DELAYS, Greylist},
    journal::{Row, read::Brief},
};
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
};

/// First contacts that are followed until they come back.
const CONTACTS: usize = 200_000;

/// The greylist's rows so far.
#[derive(Debug, Default)]
pub(super) struct Greylisting {
    figures: Greylist,
    hasher: RandomState,
    /// When those that are out came first, by the hash of the sender and the recipient as the greylist takes them.
    out: HashMap<u64, i64>,
    /// The same hash by that of the addresses as they came: where one recipient of a message came back, the greylist is
    /// not asked about the others.
    by_address: HashMap<u64, u64>,
}

impl Greylisting {
    /// A decision.
    pub(super) fn decided(&mut self, row: &Row<'_>, brief: Option<&Brief<'_>>) {
        let Some(word) = row.greylist.as_deref() else {
            if row.event == "RCPT" && stop(row).is_none() && !row.observed && !self.by_address.is_empty() {
                let address = self.address(row);
                if let Some(key) = self.by_address.remove(&address) {
                    self.passed(key, row, false);
                }
            }
            return;
        };
        let mut steps = brief.iter().flat_map(|brief| &brief.steps.0);
        let asked = steps.find_map(|step| {
            let question = step.asked.iter().find_map(|asked| asked.0.strip_prefix("greylist "))?;
            Some((step, question))
        });
        let takes_effect = !row.observed && asked.is_none_or(|(step, _)| step.refuses && !step.warned);
        let whom = asked.map(|(_, question)| question.find(", <").map_or(question, |at| &question[at..]));
        let key = self.hasher.hash_one(whom.unwrap_or_default());
        match word {
            "new" | "early-retry" | "too-many" if !takes_effect => self.figures.would_wait += 1,
            "new" => self.first(key, row),
            "early-retry" => self.figures.early += 1,
            "too-many" => self.figures.too_many += 1,
            "unavailable" => self.figures.unavailable += 1,
            // Nobody was asked to come back.
            _ if row.observed => self.figures.known += 1,
            "opened" => {
                self.passed(key, row, true);
            }
            _ if !self.passed(key, row, false) => self.figures.known += 1,
            _ => {}
        }
    }

    fn first(&mut self, key: u64, row: &Row<'_>) {
        if self.out.contains_key(&key) {
            // Its row expired: it is the same contact, which came too late.
            return;
        }
        if self.out.len() >= CONTACTS || self.by_address.len() >= CONTACTS {
            self.figures.unfollowed += 1;
            return;
        }
        self.figures.contacts += 1;
        self.out.insert(key, row.time);
        let address = self.address(row);
        self.by_address.insert(address, key);
    }

    /// Mail passes: whether it had been out and is back.
    fn passed(&mut self, key: u64, row: &Row<'_>, opened: bool) -> bool {
        let began = self.out.remove(&key);
        let waited = match (row.waited.filter(|_| opened), began) {
            (Some(waited), _) => waited,
            (None, Some(began)) => row.time.saturating_sub(began),
            (None, None) if opened => 0,
            (None, None) => return false,
        };
        match began {
            Some(_) => self.figures.came_back += 1,
            None => self.figures.from_before += 1,
        }
        let class = DELAYS.iter().position(|(bound, _)| waited <= *bound).unwrap_or(DELAYS.len() - 1);
        self.figures.delays[class] += 1;
        true
    }

    fn address(&self, row: &Row<'_>) -> u64 {
        let lower =
            |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_lowercase();
        self.hasher.hash_one((lower(&row.sender), lower(&row.recipient)))
    }

    /// The figures.
    pub(super) fn figures(mut self) -> Greylist {
        self.figures.still_out = u64::try_from(self.out.len()).unwrap_or(u64::MAX);
        self.figures
    }
}
