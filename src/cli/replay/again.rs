//! Deciding a recorded request again from its recorded answers.

use crate::{
    config::settings::Config,
    decision::{Decision, Deferrals},
    journal::{Row, stored::Stored},
    lookup::{Lookup, answers::Answers},
    policy::evaluate::{Progress, evaluate},
    request::{Event, Request},
    restriction::content::Looks,
};
use std::{collections::HashMap, time::Duration};

/// As many rounds as the server takes at most.
const ROUNDS: usize = 2_000;
/// Messages under way whose deferrals are kept in mind.
const MESSAGES: usize = 20_000;

/// What the configuration makes of a recorded request.
#[derive(Debug)]
pub(in crate::cli) struct Redone {
    /// The decision; `None` where no list runs at this event.
    pub(in crate::cli) decision: Option<Decision>,
    /// Questions that the decision rests on and whose answers are not recorded.
    pub(in crate::cli) untold: Vec<String>,
    /// Whether it would meet the greylist, which it did not then.
    pub(in crate::cli) greylists: bool,
}

/// A configuration on its way through the recorded requests, in their order.
pub(in crate::cli) struct Again<'a> {
    config: &'a Config,
    /// Whether it looks at the content of messages, which is not recorded.
    looks: bool,
    /// What RCPT left for DATA under this configuration, by the message's name.
    left: HashMap<String, Deferrals>,
}

impl<'a> Again<'a> {
    pub(in crate::cli) fn new(config: &'a Config) -> Self {
        let is_content = |looks| matches!(looks, Looks::Headers(_) | Looks::Attachments(_));
        let looks = config.policy.entries().filter_map(|entry| entry.restriction.looks()).any(is_content);
        Self { config, looks, left: HashMap::new() }
    }

    /// Decides a request.
    pub(in crate::cli) fn decide(&mut self, record: &Stored) -> Redone {
        let message = record.envelope.instance.map(|id| id.to_string());
        let mut carried = record.carried.clone();
        if record.event >= Event::Data
            && let Some(left) = message.as_ref().and_then(|message| self.left.get(message))
        {
            carried.at_data.clone_from(&left.at_data);
        }
        let request = Request { carried: &carried, ..record.request() };
        let policy = &self.config.policy;
        let deferred = record.event == Event::Rcpt && carried.if_permit.is_some();
        let due = record.event >= Event::Data && carried.at_data.is_some();
        if !(policy.judges(record.event) || deferred || due) {
            return Redone { decision: None, untold: Vec::new(), greylists: false };
        }
        let mut redone = self.evaluate(record, &request);
        if record.event == Event::EndOfMessage && self.looks {
            redone.untold.push("the content of the message".to_owned());
        }
        if let (Event::Rcpt, Some(message), Some(decision)) = (record.event, message, &redone.decision) {
            self.leave(message, record, decision);
        }
        redone
    }

    /// What a recipient leaves for DATA, as the server keeps it.
    fn leave(&mut self, message: String, record: &Stored, decision: &Decision) {
        if self.left.len() >= MESSAGES {
            self.left.clear();
        }
        let left = self.left.entry(message).or_default();
        if let Some(deferral) = &decision.deferrals.at_data {
            left.at_data.get_or_insert_with(|| deferral.clone());
        }
        let passed = decision.greylisted().is_some_and(|(_, said)| said.is_proof());
        if (passed || record.envelope.greylist_passed) && !self.config.settings.greylist.per_recipient {
            left.at_data = None;
        }
    }

    /// A message came to its end.
    pub(in crate::cli) fn ended(&mut self, row: &Row<'_>) {
        if let Some(message) = &row.message {
            self.left.remove(message.as_ref());
        }
    }

    fn evaluate(&self, record: &Stored, request: &Request<'_>) -> Redone {
        let mut answers = Answers::new();
        let mut missing: Vec<Lookup> = Vec::new();
        for _ in 0..ROUNDS {
            match evaluate(&self.config.policy, request, &answers) {
                Progress::Done(decision) => {
                    let used =
                        decision.steps.iter().flat_map(|step| &step.lookups).map(|looked| &looked.lookup);
                    let used: Vec<&Lookup> = used.filter(|lookup| missing.contains(lookup)).collect();
                    let greylist = |lookup: &&&Lookup| matches!(lookup, Lookup::Greylist(_));
                    let untold = used.iter().filter(|lookup| !greylist(lookup));
                    return Redone {
                        untold: untold.map(ToString::to_string).collect(),
                        greylists: used.iter().any(|lookup| greylist(&lookup)),
                        decision: Some(*decision),
                    };
                }
                Progress::Wants(lookups) => {
                    for lookup in lookups {
                        let answer = record.answer(&lookup).unwrap_or_else(|| {
                            missing.push(lookup.clone());
                            lookup.not_found()
                        });
                        answers.insert(lookup, answer, Duration::ZERO);
                    }
                }
            }
        }
        Redone { decision: None, untold: vec!["an evaluation without end".to_owned()], greylists: false }
    }
}
