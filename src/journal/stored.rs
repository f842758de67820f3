//! The column `record`: what the other columns do not hold of the request, and the steps with their answers, as JSON, so
//! that `sqlite3` can look into it and a later version still reads it. Entries of lists are numbers of the table `rule`;
//! a step that said nothing and asked nothing is its entry's number alone.

mod lookup;
mod read;
pub(super) mod write;

pub use lookup::StoredLookup;

use crate::{
    decision::{self, Deferrals, action::Amendment},
    lookup::{Lookup, answers::Answer},
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        session::Session,
        subject::Subject,
    },
    smtp::reply::Reply,
    time::Timestamp,
};
use lookup::question;
use std::sync::Arc;

/// A record, read.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The decision's name.
    pub id: DecisionId,
    /// The event.
    pub event: Event,
    /// The request's time.
    pub now: Timestamp,
    /// The request's session.
    pub session: Session,
    /// The request's envelope.
    pub envelope: Envelope,
    /// The recipient that was judged.
    pub recipient: Option<Path>,
    /// What earlier events had deferred.
    pub carried: Deferrals,
    /// Digests of what was looked for in the message's header fields and attachments; `None` where nothing was.
    pub content: Option<[u32; 2]>,
    /// The exemption of `mailward allow` that met it.
    pub exemption: Option<Arc<decision::Written>>,
    /// The entries that were evaluated.
    pub steps: Vec<StoredStep>,
    /// What was to be changed in the message.
    pub amendments: Vec<Amendment>,
}

/// A step, read.
#[derive(Clone, Debug)]
pub struct StoredStep {
    /// The number of its entry.
    pub rule: i64,
    /// How deep in restriction classes it stood.
    pub depth: usize,
    /// How it ended, in a word.
    pub word: String,
    /// The reply it brought.
    pub reply: Option<Reply>,
    /// Why.
    pub reason: Option<String>,
    /// What it asked.
    pub lookups: Vec<StoredLookup>,
}
impl StoredStep {
    /// Whether its entry had nothing to say.
    pub fn is_silent(&self) -> bool {
        self.word == "dunno" && self.reason.is_none()
    }
}

impl Stored {
    /// The request as it was.
    pub fn request(&self) -> Request<'_> {
        Request {
            id: self.id,
            event: self.event,
            stage: Stage::Client,
            subject: Subject::Client,
            session: &self.session,
            envelope: &self.envelope,
            recipient: self.recipient.as_ref(),
            message: None,
            now: self.now,
            carried: &self.carried,
            exemption: self.exemption.as_ref(),
        }
    }

    /// The recorded answer to a question. Those of the greylist and of a policy service hold what depends on settings:
    /// where there is only one of its kind, it is the answer.
    pub fn answer(&self, lookup: &Lookup) -> Option<Answer> {
        let shown = question(lookup);
        let all = || self.steps.iter().flat_map(|step| &step.lookups);
        if let Some(found) = all().find(|looked| looked.question() == shown) {
            return found.answer();
        }
        let begin = match lookup {
            Lookup::Greylist(_) => "greylist".to_owned(),
            Lookup::Policy(_) => lookup.to_string(),
            Lookup::A(_)
            | Lookup::Aaaa(_)
            | Lookup::Mx(_)
            | Lookup::Ns(_)
            | Lookup::Txt(_)
            | Lookup::Ptr(_)
            | Lookup::Sleep(_) => return None,
        };
        let alike = |looked: &&StoredLookup| looked.question().starts_with(&begin);
        let mut found = all().filter(alike);
        found.next().filter(|_| found.next().is_none())?.answer()
    }
}
