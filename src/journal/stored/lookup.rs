//! A question of a recorded step with its answer: `[question, answer, milliseconds]`.

use crate::{
    journal::{terms, words::word},
    lookup::{
        Looked, Lookup,
        answers::{Answer, DnsAnswer},
        greylist::{Greylisted, Wait},
        policy::PolicyAnswer,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// A question as traces show it, without a list's key; its answer; how long it took, in milliseconds.
#[derive(Serialize)]
pub(super) struct WrittenLookup<'a>(String, &'a Answer, u64);

impl<'a> WrittenLookup<'a> {
    pub(super) fn of(looked: &'a Looked) -> Self {
        let took = u64::try_from(looked.took.as_millis()).unwrap_or(u64::MAX);
        Self(question(&looked.lookup), &looked.answer, took)
    }
}

/// A question in the words of traces, without a list's key. A policy service may be asked several times about one
/// recipient: what makes its questions differ stands behind them as a hash.
pub(super) fn question(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Policy(asked) => {
            format!("{lookup} {:08x}", terms::hash(terms::Kind::Id, &asked.attributes))
        }
        Lookup::A(_)
        | Lookup::Aaaa(_)
        | Lookup::Mx(_)
        | Lookup::Ns(_)
        | Lookup::Txt(_)
        | Lookup::Ptr(_)
        | Lookup::Sleep(_)
        | Lookup::Greylist(_) => lookup.to_string(),
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
