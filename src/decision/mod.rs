//! The shared record of a decision: what was asked, every step, and the verdict. Log, `explain` and later `why` and
//! `report` print this one value.

pub mod action;
pub mod text;
pub mod trace;

use crate::{
    lookup::{
        Looked, Lookup,
        answers::Answer,
        greylist::{Greylisted, Observation},
    },
    origin::Origin,
    request::{DecisionId, Event, Request, Stage},
    smtp::reply::Reply,
};
use action::{Action, Amendment};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Refused, for now or for good.
    Reply(Reply),
    /// Accepted and dropped, with all recipients.
    Discard(String),
}

/// What is carried from list to list: the first reason for which a permit must become a deferral.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Deferrals {
    /// Postfix's defer_if_permit slot.
    pub if_permit: Option<Deferral>,
    /// What the message hears at DATA: the greylist's answer to the null sender.
    pub at_data: Option<Deferral>,
    /// The DISCARD that was said about a recipient who was deferred all the same: no list runs for further recipients.
    pub discard: Option<(String, Rule)>,
}

/// A deferral and the entry that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Deferral {
    /// The reply, should it come to that.
    pub reply: Reply,
    /// The entry.
    pub rule: Rule,
}

/// The list entry that decided.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rule {
    /// The list it stands in.
    pub stage: Stage,
    /// The entry, which the policy and every decision share: a step costs one count of references.
    #[serde(flatten)]
    pub written: Arc<Written>,
}

/// A list entry as the administrator wrote it.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Written {
    /// The entry with its arguments, without warn_if_reject.
    pub text: Box<str>,
    /// Where it stands.
    pub origin: Origin,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What the restriction said.
    Said(Action),
    /// It refused or deferred under warn_if_reject: only logged.
    Warned(Reply),
    /// It refused, and an earlier defer_if_reject made that temporary.
    Softened(Reply),
    /// A class ran to its end without a decision.
    EndOfClass,
}

/// One entry that was evaluated. It is kept small: a decision has one for each entry, and most have nothing to say.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The entry.
    pub rule: Rule,
    /// How deep in restriction classes it stands; 0 is the list itself.
    pub depth: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where the restriction said so.
    pub reason: Option<Box<str>>,
    /// The questions it asked, with their answers.
    pub lookups: Box<[Looked]>,
}

impl Step {
    /// The reply it brought.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.outcome {
            Outcome::Said(action) => action.reply(),
            Outcome::Warned(reply) | Outcome::Softened(reply) => Some(reply),
            Outcome::EndOfClass => None,
        }
    }

    /// Whether the entry could not do its work because of what the configuration or a table says.
    pub fn is_fault(&self) -> bool {
        matches!(self.outcome, Outcome::Said(Action::Fault(_)))
    }
}

/// Something to be logged beside the decision: INFO, WARN, warn_if_reject, HOLD …
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Postfix's word: `info`, `warn`, `hold`, `reject_warning` …
    pub word: &'static str,
    /// The text.
    pub text: String,
    /// The entry.
    pub rule: Rule,
}

/// What the decision was about, in the words of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// `name[address]`.
    pub client: String,
    /// The HELO name.
    pub helo: Option<String>,
    /// The sender as typed; empty for the null sender.
    pub sender: Option<String>,
    /// The recipient as typed.
    pub recipient: Option<String>,
    /// The SASL login.
    pub login: Option<String>,
    /// The queue id.
    pub queue_id: Option<String>,
}

impl Summary {
    /// The words for a request.
    pub fn of(request: &Request<'_>) -> Self {
        let typed = |path: &crate::request::envelope::Path| path.address.typed.clone();
        Self {
            client: request.session.client.host(),
            helo: request.helo().map(str::to_owned),
            sender: request.sender().map(typed),
            recipient: request.recipient.map(typed),
            login: request.session.login.as_ref().map(|login| login.name.clone()),
            queue_id: request.envelope.queue_id.clone(),
        }
    }
}

/// One answer to one event, with its whole history.
#[derive(Clone, Debug, Serialize)]
pub struct Decision {
    /// Its name.
    pub id: DecisionId,
    /// The event.
    pub event: Event,
    /// What it was about.
    pub summary: Summary,
    /// The answer.
    pub verdict: Verdict,
    /// The entry that decided; `None` where the lists ran to their end.
    pub rule: Option<Rule>,
    /// Every entry that was evaluated, in order.
    pub steps: Vec<Step>,
    /// What is to be changed in the message at its end.
    pub amendments: Vec<Amendment>,
    /// What else is to be logged.
    pub remarks: Vec<Remark>,
    /// What the next event of the session starts with.
    pub deferrals: Deferrals,
}

impl Decision {
    /// What was asked of the greylist, and what it said.
    pub fn greylisted(&self) -> Option<(&Observation, Greylisted)> {
        let looked = self.steps.iter().rev().flat_map(|step| &step.lookups);
        looked.into_iter().find_map(|looked| match (&looked.lookup, &looked.answer) {
            (Lookup::Greylist(observation), Answer::Greylist(said)) => Some((observation.as_ref(), *said)),
            _ => None,
        })
    }

    /// The reply of a refusal.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.verdict {
            Verdict::Reply(reply) => Some(reply),
            Verdict::Pass | Verdict::Discard(_) => None,
        }
    }

    /// Why an entry decided: what its restriction said about it, else what its lookups found.
    pub fn reason(&self, rule: &Rule) -> Option<String> {
        let reply = self.reply();
        let brings = |step: &&Step| step.rule == *rule && step.reply() == reply;
        let is = |step: &&Step| step.rule == *rule;
        let step = self.steps.iter().rev().find(brings).or_else(|| self.steps.iter().rev().find(is))?;
        let found = || step.lookups.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        step.reason.as_deref().map(str::to_owned).or_else(|| Some(found()).filter(|found| !found.is_empty()))
    }
}
