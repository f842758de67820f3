//! Postfix's two deferral slots: "defer this, if it would be permitted" and "defer this, if it would be rejected".
//!
//! smtpd_check.c defer_if(): each slot keeps the *first* reason.

use crate::{
    decision::{Deferral, Rule},
    smtp::reply::Reply,
};

/// The slots of one event.
#[derive(Debug)]
pub(super) struct Slots {
    /// Survives from list to list, and with `delay_reject = false` from event to event.
    pub(super) if_permit: Option<Deferral>,
    /// Empty at the start of each list.
    pub(super) if_reject: Option<Deferral>,
}

impl Slots {
    /// What earlier events left.
    pub(super) fn carried(if_permit: Option<Deferral>) -> Self {
        Self { if_permit, if_reject: None }
    }

    /// A list begins.
    pub(super) fn start_list(&mut self) {
        self.if_reject = None;
    }

    /// Keeps a reason to turn a permit into a deferral, unless there is one.
    pub(super) fn permit_becomes(&mut self, reply: &Reply, rule: &Rule) {
        self.if_permit.get_or_insert_with(|| Deferral { reply: reply.clone(), rule: rule.clone() });
    }

    /// Keeps a reason to turn a 5xx of this list into a 4xx, unless there is one.
    pub(super) fn reject_becomes(&mut self, reply: &Reply, rule: &Rule) {
        self.if_reject.get_or_insert_with(|| Deferral { reply: reply.clone(), rule: rule.clone() });
    }

    /// The deferral that takes the place of a refusal: only a 5xx is replaced.
    pub(super) fn instead_of(&self, reply: &Reply) -> Option<&Deferral> {
        self.if_reject.as_ref().filter(|_| reply.code.class() == 5)
    }

    /// Whether neither permit nor reject can be final, so that the rest of the list is not worth asking.
    pub(super) fn settle_list(&self) -> bool {
        self.if_permit.is_some() && self.if_reject.is_some()
    }
}
