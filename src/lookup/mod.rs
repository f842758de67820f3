//! Questions that rules ask of the outside, and the handle through which they ask.
//!
//! A rule never waits: it asks [`Lookups`], and an answer that is not there yet is [`Pending`]. The edge asks what
//! is wanted and evaluates again.

pub mod answers;
pub mod dnsxl;
pub mod dnsxl_health;
pub mod greylist;
mod handle;
pub mod identity;
pub mod policy;

pub use handle::{Looked, Lookups, Pending};

use crate::smtp::domain::Domain;
use answers::{Answer, DnsAnswer};
use dnsxl::key::masked;
use greylist::{Greylisted, Observation};
use policy::{PolicyAnswer, PolicyQuestion};
use serde::Serialize;
use std::{fmt, net::IpAddr, sync::Arc};

/// A question to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Lookup {
    /// IPv4 addresses of a name.
    A(#[serde(serialize_with = "dnsxl::key::serialize")] Domain),
    /// IPv6 addresses of a name.
    Aaaa(#[serde(serialize_with = "dnsxl::key::serialize")] Domain),
    /// Mail exchangers of a domain.
    Mx(#[serde(serialize_with = "dnsxl::key::serialize")] Domain),
    /// Name servers of a domain.
    Ns(#[serde(serialize_with = "dnsxl::key::serialize")] Domain),
    /// Texts of a name; in the answer each byte that is not printable ASCII is a blank.
    Txt(#[serde(serialize_with = "dnsxl::key::serialize")] Domain),
    /// The names of an address.
    Ptr(IpAddr),
    /// What a policy service says. It may keep a greylist or count.
    Policy(Box<PolicyQuestion>),
    /// Not a question but a pause of so many seconds, which the edge makes: it is never asked ahead.
    Sleep(u32),
    /// An attempt to deliver, for the greylist: noted and judged at once.
    Greylist(Arc<Observation>),
}

impl Lookup {
    /// Whether asking changes something, such as a greylist's row. Such a question is never asked ahead, and only when
    /// every list of the event is otherwise settled and would permit.
    pub fn writes(&self) -> bool {
        match self {
            Self::A(_) | Self::Aaaa(_) | Self::Mx(_) | Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) => false,
            Self::Sleep(_) => false,
            Self::Policy(_) => true,
            Self::Greylist(_) => true,
        }
    }

    /// Whether it only passes time.
    pub fn sleeps(&self) -> bool {
        match self {
            Self::Sleep(_) => true,
            Self::A(_)
            | Self::Aaaa(_)
            | Self::Mx(_)
            | Self::Ns(_)
            | Self::Txt(_)
            | Self::Ptr(_)
            | Self::Policy(_)
            | Self::Greylist(_) => false,
        }
    }

    /// The answer "no such records", in the question's type; to a policy service that nobody asked.
    pub fn not_found(&self) -> Answer {
        match self {
            Self::A(_) => Answer::A(DnsAnswer::NotFound),
            Self::Aaaa(_) => Answer::Aaaa(DnsAnswer::NotFound),
            Self::Mx(_) => Answer::Mx(DnsAnswer::NotFound),
            Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) | Self::Sleep(_) => Answer::Text(DnsAnswer::NotFound),
            Self::Policy(_) => Answer::Policy(PolicyAnswer::NotAsked),
            Self::Greylist(_) => Answer::Greylist(Greylisted::Exempt),
        }
    }

    /// The answer of a list that is set aside, in the question's type.
    pub fn set_aside(&self) -> Answer {
        match self {
            Self::A(_) => Answer::A(DnsAnswer::SetAside),
            Self::Aaaa(_) => Answer::Aaaa(DnsAnswer::SetAside),
            Self::Mx(_) => Answer::Mx(DnsAnswer::SetAside),
            Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) | Self::Sleep(_) => Answer::Text(DnsAnswer::SetAside),
            Self::Policy(_) => Answer::Policy(PolicyAnswer::NotAsked),
            Self::Greylist(_) => Answer::Greylist(Greylisted::Exempt),
        }
    }

    /// The answer "could not be found out", in the question's type.
    pub fn temporary(&self, reason: &'static str) -> Answer {
        match self {
            Self::A(_) => Answer::A(DnsAnswer::Temporary(reason)),
            Self::Aaaa(_) => Answer::Aaaa(DnsAnswer::Temporary(reason)),
            Self::Mx(_) => Answer::Mx(DnsAnswer::Temporary(reason)),
            Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) | Self::Sleep(_) => {
                Answer::Text(DnsAnswer::Temporary(reason))
            }
            Self::Policy(_) => Answer::Policy(PolicyAnswer::Failed(reason)),
            Self::Greylist(_) => Answer::Greylist(Greylisted::Unavailable(reason)),
        }
    }
}

/// `A mail.example.net`, the form of traces.
impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(name) => write!(f, "A {}", masked(name)),
            Self::Aaaa(name) => write!(f, "AAAA {}", masked(name)),
            Self::Mx(name) => write!(f, "MX {}", masked(name)),
            Self::Ns(name) => write!(f, "NS {}", masked(name)),
            Self::Txt(name) => write!(f, "TXT {}", masked(name)),
            Self::Ptr(address) => write!(f, "PTR {address}"),
            Self::Policy(question) => question.fmt(f),
            Self::Sleep(seconds) => write!(f, "SLEEP {seconds}"),
            Self::Greylist(observation) => write!(f, "greylist {observation}"),
        }
    }
}
