//! What the journal is told: decisions and the ends of messages, as the server has them. Nothing of them is kept.

use crate::{
    decision::{Decision, Deferrals, Written},
    request::{
        DecisionId,
        envelope::{Envelope, Path},
        session::Session,
    },
    smtp::reply::Reply,
    time::Timestamp,
};
use std::sync::Arc;

/// What the journal is told.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A decision.
    Decision(Record<'a>),
    /// The end of a message.
    Message(Message<'a>),
}

/// A decision with everything that it was made from.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The request's session.
    pub session: &'a Session,
    /// The request's envelope.
    pub envelope: &'a Envelope,
    /// The recipient that was judged.
    pub recipient: Option<&'a Path>,
    /// The request's time.
    pub now: Timestamp,
    /// What earlier events had deferred.
    pub carried: &'a Deferrals,
    /// The exemption of `mailward allow` that met it.
    pub exemption: Option<&'a Written>,
    /// Digests of what was looked for in the message's header fields and attachments; `None` where nothing was.
    pub content: Option<[u32; 2]>,
    /// The digest of the configuration.
    pub policy: &'a Arc<str>,
    /// Whether it took no effect: `mode = "observe"`.
    pub observed: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// When.
    pub now: Timestamp,
    /// Its session.
    pub session: &'a Session,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// Its recipient, if it has only one.
    pub recipient: Option<&'a Path>,
    /// What became of it.
    pub fate: Fate,
    /// The reply, if it was refused.
    pub reply: Option<&'a Reply>,
    /// Whether decisions took no effect.
    pub observed: bool,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing stood in its way here.
    Accepted,
    /// The MTA was told to hold it.
    Held,
    /// Accepted and dropped.
    Discarded,
    /// Refused for now at its end.
    Deferred,
    /// Refused for good at its end.
    Rejected,
    /// It had recipients, but no end came: the client gave up, or somebody else refused it.
    Aborted,
}

impl Fate {
    /// The word in the column `verdict`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Discarded => "discarded",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }
}

impl Message<'_> {
    /// The message's name.
    pub fn id(&self) -> DecisionId {
        self.envelope.instance.unwrap_or(DecisionId { at: self.now, count: 0 })
    }
}
