//! The policy: restriction lists, classes, and the loop that evaluates them.

mod deferral;
pub mod evaluate;
#[cfg(test)]
mod tests;

use crate::{
    decision::action::Amends,
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
}

impl Default for Policy {
    fn default() -> Self {
        Self { lists: Default::default(), classes: Vec::new(), delay_reject: true, lookahead: true }
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
        let entries = self.lists.iter().chain(&self.classes).flat_map(|list| &list.entries);
        entries.fold(Amends::default(), |amends, entry| amends.union(entry.restriction.amends()))
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
    /// The entry as written, with its arguments, without warn_if_reject.
    pub text: Arc<str>,
    /// Where it stands.
    pub origin: Origin,
    /// Whether warn_if_reject stands before it.
    pub warn_only: bool,
    /// The rule.
    pub restriction: Box<dyn Restriction>,
}
