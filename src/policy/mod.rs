//! The policy: restriction lists, classes, and the loop that evaluates them.

pub mod content;
mod deferral;
pub mod evaluate;
#[cfg(test)]
mod tests;

use crate::{
    decision::{Written, action::Amends},
    lookup::dnsxl::ListUse,
    origin::Origin,
    request::{Event, Stage},
    restriction::Restriction,
};
use std::sync::Arc;

/// All lists and how they are evaluated.
#[derive(Debug)]
pub struct Policy {
    /// One list per stage, in the order of [`Stage::ALL`].
    pub lists: [List; 6],
    /// The restriction classes, and the lists on the right-hand sides of tables; [`ClassId`] is the place in here.
    ///
    /// [`ClassId`]: crate::decision::action::ClassId
    pub classes: Vec<List>,
    /// As smtpd_delay_reject: client, helo and sender lists run at RCPT TO. Default true.
    pub delay_reject: bool,
    /// Whether the lookups of later entries are asked early. Default true.
    pub lookahead: bool,
    /// Where `helo_required` is set, as smtpd_helo_required: MAIL without HELO is refused. Default: nowhere.
    pub helo_required: Option<Arc<Written>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lists: Default::default(),
            classes: Vec::new(),
            delay_reject: true,
            lookahead: true,
            helo_required: None,
        }
    }
}

impl Policy {
    /// The list of a stage.
    pub fn list(&self, stage: Stage) -> &List {
        &self.lists[stage as usize]
    }

    /// The stages whose lists run at an event, in order, without the empty ones.
    pub fn stages(&self, event: Event) -> impl Iterator<Item = Stage> + '_ {
        Stage::ALL.into_iter().filter(move |stage| {
            stage.event(self.delay_reject) == event && !self.list(*stage).entries.is_empty()
        })
    }

    /// Whether the policy has anything to say at an event.
    pub fn judges(&self, event: Event) -> bool {
        event == Event::Mail && self.helo_required.is_some() || self.stages(event).next().is_some()
    }

    /// Whether mail may be greylisted.
    pub fn greylists(&self) -> bool {
        self.lists
            .iter()
            .chain(&self.classes)
            .flat_map(|list| &list.entries)
            .any(|e| e.restriction.greylists())
    }

    /// Which changes of a message the policy may ask for.
    pub fn amends(&self) -> Amends {
        self.entries().fold(Amends::default(), |amends, entry| amends.union(entry.restriction.amends()))
    }

    /// Every use of a DNS block or allow list.
    pub fn dnsxl(&self) -> Vec<ListUse> {
        self.entries().flat_map(|entry| entry.restriction.lists()).collect()
    }

    /// Every entry of every list and class.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lists.iter().chain(&self.classes).flat_map(|list| &list.entries)
    }
}

/// A restriction list.
#[derive(Debug, Default)]
pub struct List {
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// One entry of a list.
#[derive(Debug)]
pub struct Entry {
    /// The entry as written.
    pub written: Arc<Written>,
    /// Whether warn_if_reject stands before it.
    pub warn_only: bool,
    /// The rule.
    pub restriction: Box<dyn Restriction>,
}

impl Entry {
    /// An entry as it was written.
    pub fn new(text: &str, origin: Origin, warn_only: bool, restriction: Box<dyn Restriction>) -> Self {
        Self { written: Arc::new(Written { text: text.into(), origin }), warn_only, restriction }
    }
}
