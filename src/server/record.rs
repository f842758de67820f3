//! What the server tells the journal: each decision, and what became of each message.

use super::{Server, conversation::Conversation};
use crate::{
    config::settings::Mode,
    decision::{Decision, action::Amendment},
    journal::{Entry, Fate, Journal, Message, Record},
    request::Request,
    smtp::reply::Reply,
};
use indymilter::Status;

impl Server {
    /// Starts the journal of the configuration, if it has one.
    pub fn start_journal(&self) {
        let settings = self.running().config.journal.located();
        if let Some(journal) = Journal::start(&settings, self.clock.clone()) {
            // A second one, were there one, would write the last of its rows and end.
            let _ = self.journal.set(journal);
        }
    }

    /// The running journal.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// A decision was made.
    pub(super) fn record(&self, conversation: &Conversation, request: &Request<'_>, decision: &Decision) {
        let Some(journal) = self.journal.get() else { return };
        let config = &conversation.running.config;
        journal.note(&Entry::Decision(Record {
            decision,
            session: &conversation.session,
            envelope: request.envelope,
            recipient: request.recipient,
            now: request.now,
            carried: request.carried,
            exemption: request.exemption.map(|exemption| exemption.as_ref()),
            content: request.message.map(|_| conversation.running.content.digests()),
            policy: &config.digest,
            observed: config.mode == Mode::Observe,
        }));
    }

    /// A message came to its end with this status, and with this reply if it was refused.
    pub(super) fn record_end(&self, conversation: &Conversation, status: Status, reply: Option<&Reply>) {
        let held = |amendment: &Amendment| matches!(amendment, Amendment::Hold(_));
        let enforced = conversation.running.config.mode == Mode::Enforce;
        let fate = match status {
            Status::Discard => Fate::Discarded,
            Status::Reject => Fate::Rejected,
            Status::Tempfail => Fate::Deferred,
            _ if enforced && conversation.transaction.amendments.iter().any(held) => Fate::Held,
            _ => Fate::Accepted,
        };
        self.record_fate(conversation, fate, reply);
    }

    /// A message that had recipients ends without an end.
    pub(super) fn record_abort(&self, conversation: &Conversation) {
        if conversation.transaction.envelope.accepted > 0 {
            self.record_fate(conversation, Fate::Aborted, None);
        }
    }

    fn record_fate(&self, conversation: &Conversation, fate: Fate, reply: Option<&Reply>) {
        let Some(journal) = self.journal.get().filter(|_| !conversation.exempt) else { return };
        journal.note(&Entry::Message(Message {
            now: self.clock.now(),
            session: &conversation.session,
            envelope: &conversation.transaction.envelope,
            recipient: conversation.transaction.only.as_ref(),
            fate,
            reply,
            observed: conversation.running.config.mode == Mode::Observe,
        }));
    }
}
