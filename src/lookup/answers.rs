//! Answers to lookups, in the kinds that Postfix tells apart.

use super::{Lookup, greylist::Greylisted, policy::PolicyAnswer};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

/// What DNS said about one name and type: the statuses of Postfix's dns_lookup().
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsAnswer<T> {
    /// At least one valid record, in the order of the reply.
    Records(Arc<[T]>),
    /// NXDOMAIN, or the name has no record of this type; also a CNAME chain without end.
    NotFound,
    /// RFC 7505: one of the mail exchangers is `.`.
    NullMx,
    /// Every record of the reply was malformed.
    Invalid,
    /// The name belongs to a block or allow list that is set aside: not asked, and it says nothing.
    SetAside,
    /// The server refused the question for good: FORMERR, NOTIMP.
    Failed(&'static str),
    /// Could not be found out now: SERVFAIL, REFUSED, time-out, network error, deadline. The words say which.
    Temporary(&'static str),
}

impl<T> DnsAnswer<T> {
    /// The records; empty for everything else.
    pub fn records(&self) -> &[T] {
        match self {
            Self::Records(records) => records,
            Self::NotFound
            | Self::NullMx
            | Self::Invalid
            | Self::SetAside
            | Self::Failed(_)
            | Self::Temporary(_) => &[],
        }
    }

    /// The answer without its records.
    pub fn status(&self) -> DnsStatus {
        match self {
            Self::Records(_) => DnsStatus::Found,
            Self::NotFound | Self::SetAside => DnsStatus::NotFound,
            Self::NullMx => DnsStatus::NullMx,
            Self::Invalid => DnsStatus::Invalid,
            Self::Failed(_) => DnsStatus::Failed,
            Self::Temporary(_) => DnsStatus::Temporary,
        }
    }
}

/// How a lookup ended. The order is Postfix's strength when one name is asked for several types: the strongest wins
/// (dns_lookup.c: OK > POLICY > RETRY > INVAL > FAIL > NULLMX > NOTFOUND).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsStatus {
    /// DNS_NOTFOUND.
    NotFound,
    /// DNS_NULLMX.
    NullMx,
    /// DNS_FAIL.
    Failed,
    /// DNS_INVAL.
    Invalid,
    /// DNS_RETRY.
    Temporary,
    /// DNS_OK.
    Found,
}

/// A mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Mx {
    /// The preference, lowest first in delivery; replies keep their order.
    pub preference: u16,
    /// The host's name, without trailing dot; it may be an address or nonsense.
    pub exchange: Arc<str>,
}

/// An answer of any type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To [`Lookup::A`].
    A(DnsAnswer<Ipv4Addr>),
    /// To [`Lookup::Aaaa`].
    Aaaa(DnsAnswer<Ipv6Addr>),
    /// To [`Lookup::Mx`].
    Mx(DnsAnswer<Mx>),
    /// To [`Lookup::Ns`], [`Lookup::Txt`] (the strings of a record joined) and [`Lookup::Ptr`].
    Text(DnsAnswer<Arc<str>>),
    /// To [`Lookup::Policy`].
    Policy(PolicyAnswer),
    /// To [`Lookup::Greylist`].
    Greylist(Greylisted),
}

impl Answer {
    /// Whether the answer may differ a moment later, so that it must not outlive its event.
    pub fn is_temporary(&self) -> bool {
        self.status() == DnsStatus::Temporary
    }

    /// The answer without its records.
    pub fn status(&self) -> DnsStatus {
        match self {
            Self::A(answer) => answer.status(),
            Self::Aaaa(answer) => answer.status(),
            Self::Mx(answer) => answer.status(),
            Self::Text(answer) => answer.status(),
            Self::Policy(PolicyAnswer::Action(_)) => DnsStatus::Found,
            Self::Policy(PolicyAnswer::Failed(_)) => DnsStatus::Temporary,
            Self::Policy(PolicyAnswer::NotAsked) => DnsStatus::NotFound,
            Self::Greylist(Greylisted::Unavailable(_)) => DnsStatus::Temporary,
            Self::Greylist(_) => DnsStatus::Found,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(answer) => show(f, answer, ToString::to_string),
            Self::Aaaa(answer) => show(f, answer, ToString::to_string),
            Self::Mx(answer) => show(f, answer, |mx| format!("{} {}", mx.preference, mx.exchange)),
            Self::Text(answer) => show(f, answer, ToString::to_string),
            Self::Policy(answer) => answer.fmt(f),
            Self::Greylist(said) => said.fmt(f),
        }
    }
}

fn show<T>(f: &mut fmt::Formatter<'_>, answer: &DnsAnswer<T>, text: impl Fn(&T) -> String) -> fmt::Result {
    match answer {
        DnsAnswer::Records(records) => {
            let records: Vec<String> = records.iter().map(text).collect();
            f.write_str(&crate::smtp::text::escaped(&records.join(", ")))
        }
        DnsAnswer::NotFound => f.write_str("not found"),
        DnsAnswer::NullMx => f.write_str("null MX"),
        DnsAnswer::Invalid => f.write_str("malformed reply"),
        DnsAnswer::SetAside => f.write_str("list set aside, not asked"),
        DnsAnswer::Failed(reason) | DnsAnswer::Temporary(reason) => f.write_str(reason),
    }
}

/// An answer and how long it took.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// From question to answer; zero from a cache.
    pub took: Duration,
}

/// The answers that are there, for one event.
#[derive(Clone, Debug, Default)]
pub struct Answers(HashMap<Lookup, Answered>);

impl Answers {
    /// No answers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to a question, if it is there.
    pub fn get(&self, lookup: &Lookup) -> Option<&Answered> {
        self.0.get(lookup)
    }

    /// Stores an answer.
    pub fn insert(&mut self, lookup: Lookup, answer: Answer, took: Duration) {
        self.0.insert(lookup, Answered { answer, took });
    }
}
