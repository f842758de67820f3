//! Deciding a recorded request again from its recorded answers.

use crate::{
    attachment::budget::Budget,
    config::settings::Config,
    decision::{Decision, Deferrals, Written},
    journal::{
        Row,
        read::{Entry, Reader},
        stored::{Stored, StoredStep},
    },
    lookup::{Lookup, answers::Answers},
    policy::{
        content::Content,
        evaluate::{Progress, evaluate},
    },
    request::{Event, Request},
    restriction::content::Looks,
    sqlite,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// As many rounds as the server takes at most.
const ROUNDS: usize = 2_000;
/// Messages under way whose deferrals are kept in mind.
const MESSAGES: usize = 20_000;

/// What the configuration makes of a recorded request.
#[derive(Debug, Default)]
pub(in crate::cli) struct Redone {
    /// The decision; `None` where no list runs at this event.
    pub(in crate::cli) decision: Option<Decision>,
    /// What the decision rests on and is not recorded: questions, and what entries find in the message.
    pub(in crate::cli) untold: Vec<String>,
    /// Whether it would meet the greylist, which it did not then.
    pub(in crate::cli) greylists: bool,
    /// Whether something found in the message decided, under this very configuration: it would decide so again.
    pub(in crate::cli) is_as_recorded: bool,
}

/// A configuration on its way through the recorded requests, in their order.
pub(in crate::cli) struct Again<'a> {
    config: &'a Config,
    /// The entries that look at the content of messages, by their places in memory: with which of the digests.
    looking: HashMap<usize, usize>,
    /// What they look for in header fields and in attachments, in a digest each.
    content: [u32; 2],
    /// The entries that records number.
    entries: HashMap<i64, Entry>,
    /// The number of this very configuration in the journal, if it was in force.
    own: Option<i64>,
    /// What RCPT left for DATA under this configuration, by the message's name.
    left: HashMap<String, Deferrals>,
}

impl<'a> Again<'a> {
    /// A configuration, and the journal whose requests come.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(in crate::cli) fn new(config: &'a Config, reader: &Reader) -> Result<Self, sqlite::Error> {
        let looking = config.policy.entries().filter_map(|entry| {
            let kind = match entry.restriction.looks()? {
                Looks::Headers(_) => 0,
                Looks::Attachments(_) => 1,
                Looks::Size | Looks::Own(_) => return None,
            };
            Some((address(&entry.written), kind))
        });
        let looking = looking.collect();
        let budget = Budget::new(config.limits.container_memory);
        let content = Content::of(&config.policy, &config.attachments, budget).digests();
        let (entries, own) = (reader.entries()?, reader.policy(&config.digest)?);
        Ok(Self { config, looking, content, entries, own, left: HashMap::new() })
    }

    /// Decides a request.
    pub(in crate::cli) fn decide(&mut self, row: &Row<'_>, record: &Stored) -> Redone {
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
            return Redone::default();
        }
        let mut redone = self.evaluate(record, &request);
        let is_own = row.policy.is_some() && row.policy == self.own;
        if record.event == Event::EndOfMessage && !self.looking.is_empty() {
            let unseen = self.unseen(record, &redone);
            match is_own && unseen.is_some() {
                true => redone.is_as_recorded = true,
                false => redone.untold.extend(unseen),
            }
        }
        if let (Event::Rcpt, Some(message), Some(decision)) = (record.event, message, &redone.decision) {
            self.leave(message, record, decision);
        }
        redone
    }

    /// The first entry that was asked about the message and of which is not known what it says: it found something then,
    /// or looks for something else now.
    fn unseen(&self, record: &Stored, redone: &Redone) -> Option<String> {
        let silent = |text: &str| {
            let named = |rule| self.entries.get(&rule).is_some_and(|entry| entry.entry == text);
            record.steps.iter().find(|step| named(step.rule)).is_some_and(StoredStep::is_silent)
        };
        let same = |kind: usize| record.content.is_some_and(|content| content[kind] == self.content[kind]);
        let mut steps = redone.decision.iter().flat_map(|decision| &decision.steps);
        let unseen = steps.find(|step| {
            let kind = self.looking.get(&address(&step.rule.written));
            kind.is_some_and(|kind| !(same(*kind) && silent(&step.rule.written.text)))
        });
        let Written { text, origin } = unseen?.rule.written.as_ref();
        Some(format!("what {text} ({origin}) finds"))
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
                        is_as_recorded: false,
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
        Redone { untold: vec!["an evaluation without end".to_owned()], ..Redone::default() }
    }
}

/// The place of an entry in memory, which the decisions of its policy share.
fn address(written: &Arc<Written>) -> usize {
    Arc::as_ptr(written).addr()
}
