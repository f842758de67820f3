//! The column `record`: the request, the steps and the answers of a decision as JSON, so that `sqlite3` can look into it
//! and a later version still reads it. Entries of lists are numbers of the table `rule`; a step that said nothing and
//! asked nothing is its entry's number alone.

use super::{Record, words::word};
use crate::{
    decision::{Deferrals, Outcome, Rule, Step, action::Amendment},
    lookup::{
        Looked, Lookup,
        answers::{Answer, DnsAnswer},
        greylist::{Greylisted, Wait},
        policy::PolicyAnswer,
    },
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        session::Session,
        subject::Subject,
    },
    smtp::reply::Reply,
    time::Timestamp,
};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// What is written.
#[derive(Serialize)]
struct Written<'a> {
    id: DecisionId,
    event: Event,
    now: Timestamp,
    session: &'a Session,
    envelope: &'a Envelope,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<&'a Deferrals>,
    steps: Vec<WrittenStep<'a>>,
    #[serde(skip_serializing_if = "<[Amendment]>::is_empty")]
    amendments: &'a [Amendment],
}

/// A step and the number of its entry.
struct WrittenStep<'a>(i64, &'a Step);

impl Serialize for WrittenStep<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(rule, step) = self;
        let word = step.word();
        if word == "dunno" && step.depth == 0 && step.reason.is_none() && step.lookups.is_empty() {
            return serializer.serialize_i64(*rule);
        }
        let lookups: Vec<WrittenLookup<'_>> = step.lookups.iter().map(WrittenLookup::of).collect();
        (rule, step.depth, word, step.reply(), &step.reason, lookups).serialize(serializer)
    }
}

/// A question as traces show it, without a list's key; its answer; how long it took, in milliseconds.
#[derive(Serialize)]
struct WrittenLookup<'a>(String, &'a Answer, u64);

impl<'a> WrittenLookup<'a> {
    fn of(looked: &'a Looked) -> Self {
        let took = u64::try_from(looked.took.as_millis()).unwrap_or(u64::MAX);
        Self(looked.lookup.to_string(), &looked.answer, took)
    }
}

/// The record as JSON; `number` tells the number of an entry.
///
/// # Errors
/// Those of `number`.
pub(super) fn write<E>(
    record: &Record,
    mut number: impl FnMut(&Rule) -> Result<i64, E>,
) -> Result<String, E> {
    let Record { decision, session, envelope, recipient, now, carried, .. } = record;
    let mut steps = Vec::with_capacity(decision.steps.len());
    for step in &decision.steps {
        steps.push(WrittenStep(number(&step.rule)?, step));
    }
    let written = Written {
        id: decision.id,
        event: decision.event,
        now: *now,
        session,
        envelope,
        recipient: recipient.as_ref(),
        carried: Some(carried).filter(|carried| **carried != Deferrals::default()),
        steps,
        amendments: &decision.amendments,
    };
    // None of these types has a map with keys that JSON cannot take, which is all that can fail.
    Ok(serde_json::to_string(&written).unwrap_or_default())
}

/// A record, read.
#[derive(Clone, Debug, Deserialize)]
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
    #[serde(default)]
    pub carried: Deferrals,
    /// The entries that were evaluated.
    #[serde(default)]
    pub steps: Vec<StoredStep>,
    /// What was to be changed in the message.
    #[serde(default)]
    pub amendments: Vec<Amendment>,
}

/// A step, read.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "ReadStep")]
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

#[derive(Deserialize)]
#[serde(untagged)]
enum ReadStep {
    Silent(i64),
    Full(i64, usize, String, Option<Reply>, Option<String>, Vec<StoredLookup>),
}

impl From<ReadStep> for StoredStep {
    fn from(step: ReadStep) -> Self {
        let (rule, depth, word, reply, reason, lookups) = match step {
            ReadStep::Silent(rule) => (rule, 0, "dunno".to_owned(), None, None, Vec::new()),
            ReadStep::Full(rule, depth, word, reply, reason, lookups) => {
                (rule, depth, word, reply, reason, lookups)
            }
        };
        Self { rule, depth, word, reply, reason, lookups }
    }
}

/// A question and its answer, read.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredLookup(String, Value, u64);

impl StoredLookup {
    /// The question, as traces show it.
    pub fn question(&self) -> &str {
        &self.0
    }

    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_millis(self.2)
    }

    /// The answer; `None` if this version cannot read it.
    pub fn answer(&self) -> Option<Answer> {
        let (kind, value) = (self.0.split(' ').next()?, &self.1);
        Some(match kind {
            "A" => Answer::A(dns(value)?),
            "AAAA" => Answer::Aaaa(dns(value)?),
            "MX" => Answer::Mx(dns(value)?),
            "NS" | "TXT" | "PTR" | "SLEEP" => Answer::Text(dns(value)?),
            "POLICY" => Answer::Policy(policy(value)?),
            "greylist" => Answer::Greylist(greylisted(value)?),
            _ => return None,
        })
    }
}

impl Stored {
    /// Reads the column.
    pub fn read(record: &str) -> Option<Self> {
        serde_json::from_str(record).ok()
    }

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
            now: self.now,
            carried: &self.carried,
        }
    }

    /// The recorded answer to a question. The greylist's question holds names that depend on its settings: there is only
    /// one answer of its kind.
    pub fn answer(&self, lookup: &Lookup) -> Option<Answer> {
        let shown = lookup.to_string();
        let greylist = matches!(lookup, Lookup::Greylist(_));
        let mut all = self.steps.iter().flat_map(|step| &step.lookups);
        let found = all.find(|looked| match greylist {
            true => looked.question().split(' ').next() == Some("greylist"),
            false => looked.question() == shown,
        })?;
        found.answer()
    }
}

fn dns<T: DeserializeOwned>(value: &Value) -> Option<DnsAnswer<T>> {
    if let Some(text) = value.as_str() {
        return match text {
            "not_found" => Some(DnsAnswer::NotFound),
            "null_mx" => Some(DnsAnswer::NullMx),
            "invalid" => Some(DnsAnswer::Invalid),
            "set_aside" => Some(DnsAnswer::SetAside),
            _ => None,
        };
    }
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "records" => Some(DnsAnswer::Records(Vec::<T>::deserialize(value).ok()?.into())),
        "failed" => Some(DnsAnswer::Failed(word(value.as_str()?))),
        "temporary" => Some(DnsAnswer::Temporary(word(value.as_str()?))),
        _ => None,
    }
}

fn policy(value: &Value) -> Option<PolicyAnswer> {
    if value.as_str() == Some("not_asked") {
        return Some(PolicyAnswer::NotAsked);
    }
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "action" => Some(PolicyAnswer::Action(value.as_str()?.into())),
        "failed" => Some(PolicyAnswer::Failed(word(value.as_str()?))),
        _ => None,
    }
}

fn greylisted(value: &Value) -> Option<Greylisted> {
    if let Some(text) = value.as_str() {
        return match text {
            "passed" => Some(Greylisted::Passed),
            "known" => Some(Greylisted::Known),
            "correspondent" => Some(Greylisted::Correspondent),
            "exempt" => Some(Greylisted::Exempt),
            _ => None,
        };
    }
    let (kind, value) = value.as_object()?.iter().next()?;
    let time = |name| Duration::deserialize(value.get(name)?).ok();
    match kind.as_str() {
        "waits" => {
            Some(Greylisted::Waits { left: time("left")?, why: Wait::deserialize(value.get("why")?).ok()? })
        }
        "opened" => Some(Greylisted::Opened { waited: time("waited")? }),
        "unavailable" => Some(Greylisted::Unavailable(word(value.as_str()?))),
        _ => None,
    }
}

impl Step {
    /// How it ended, in the word of a record.
    fn word(&self) -> &'static str {
        match &self.outcome {
            Outcome::Said(action) => action.word(),
            Outcome::Warned(_) => "only warned",
            Outcome::Softened(_) => "softened by defer_if_reject",
            Outcome::EndOfClass => "no decision",
        }
    }
}
