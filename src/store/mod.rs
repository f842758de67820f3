//! Where the greylist is kept. One trait, so that several mail servers may share one store later.

pub mod allow;
pub mod known;
pub mod merge;
mod networks;
pub mod sqlite;
mod transfer;

use crate::{
    greylist::{Ages, KnownBy, identity::Prefixes},
    lookup::greylist::{Greylisted, Observation, Outgoing},
    time::Timestamp,
};
use futures_util::future::BoxFuture;
pub use known::KnownFilter;
use serde::{Serialize, Serializer};
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};
pub use transfer::{KnownClient, KnownKey, Merged, Record, RowKey};

/// A store of the greylist. An answer is given only when everything it depends on is committed.
pub trait GreylistStore: Send + Sync {
    /// Notes an attempt and judges it, in one transaction. A store that fails says
    /// [`Greylisted::Unavailable`] within bounded time.
    fn observe(&self, observation: Arc<Observation>) -> BoxFuture<'_, Greylisted>;

    /// Remembers whom a local user wrote to.
    fn learn(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Judges an attempt and changes nothing.
    fn peek(&self, observation: Arc<Observation>) -> BoxFuture<'_, Greylisted>;

    /// The rows that a filter lets through, the latest first.
    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>>;

    /// Lets the waiting rows of a filter pass at their next attempt, in steps beside the traffic: how many.
    fn pass(&self, filter: Filter, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Removes the rows of a filter, and the known clients by whose entries such mail would pass all the same (see
    /// [`KnownFilter`]), in steps beside the traffic: how many.
    fn forget(&self, filter: Filter, prefixes: Prefixes) -> BoxFuture<'_, Result<Forgotten, StoreError>>;

    /// Sets an exemption. An opt-in takes the place of an opt-out of the same recipient or domain, and the reverse.
    fn exempt(&self, exemption: Exemption) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes back all exemptions of a recipient or a domain: how many.
    fn revoke(&self, value: String) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// The exemptions that hold.
    fn exemptions(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Exemption>, StoreError>>;

    /// Takes over records in one transaction; what is there is only made better. All of them or none.
    fn import(
        &self,
        records: Vec<Record>,
        ages: Ages,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Merged, StoreError>>;

    /// The next rows behind a key, in the order of keys.
    fn rows_after(&self, key: Option<RowKey>, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>>;

    /// The next known clients behind a key, in the order of keys.
    fn known_after(
        &self,
        key: Option<KnownKey>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KnownClient>, StoreError>>;

    /// What is in the store; known clients are those that let mail pass.
    fn stats(&self, known: KnownBy) -> BoxFuture<'_, Result<Stats, StoreError>>;

    /// Removes one step of what has expired, from where the last step ended or from the beginning.
    fn purge(
        &self,
        ages: Ages,
        now: Timestamp,
        after: Option<RowKey>,
    ) -> BoxFuture<'_, Result<Purged, StoreError>>;
}

crate::counter::counters! {
    /// What a store counts.
    #[derive(Debug, Default)]
    pub struct Counters of AtomicU64, named "greylist_";

    /// Times that the greylist's store stopped working.
    faults,
    /// Times that the greylist's store worked again.
    recoveries,
    /// Corrupt files of the greylist that were moved aside, and deleted ones that were made anew.
    renewals,
}

/// How many rows one step of a purge removes at most.
pub const PURGE_STEP: usize = 100;

/// What one step of a purge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many rows it removed.
    pub removed: usize,
    /// Where the next one goes on; `None` at the end.
    pub next: Option<RowKey>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// How many rows.
    pub rows: usize,
    /// How many known clients; `None` if the filter was not about them.
    pub known_clients: Option<usize>,
}

/// Which rows. What is `None` lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The client's key, or its last address.
    pub client: Option<String>,
    /// From whom to whom: any of these; empty: all.
    pub between: Vec<Between>,
    /// Only those that passed, or only those that wait.
    pub passed: Option<bool>,
    /// Last seen before this time.
    pub seen_before: Option<Timestamp>,
    /// Last seen after this time.
    pub seen_after: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// From whom to whom. What is `None` is whoever it may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// The sender's key, or the part of it that begins with `@`.
    pub sender: Option<String>,
    /// The recipient, or the part of it that begins with `@`.
    pub recipient: Option<String>,
}

/// A row of the greylist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The client's key.
    pub client: String,
    /// The sender's key.
    pub sender: String,
    /// The recipient.
    pub recipient: String,
    /// When its wait began.
    pub first_seen: Timestamp,
    /// The last attempt that was noted.
    pub last_seen: Timestamp,
    /// When it passed.
    pub passed_at: Option<Timestamp>,
    /// Deferred attempts.
    pub deferred: u32,
    /// Noted attempts that passed.
    pub passed: u32,
    /// The last client's address.
    pub last_ip: Option<String>,
    /// The last client's verified name.
    pub last_name: Option<String>,
    /// Where it comes from: `smtp`, `observe` …
    pub origin: String,
}

/// An exemption of a recipient or a recipient domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exemption {
    /// What kind.
    pub kind: ExemptionKind,
    /// The recipient's address or domain, in lower case.
    pub value: String,
    /// Until when; `None` for good.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Kinds of exemptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExemptionKind {
    /// Not greylisted for a while, such as to wait for a code.
    Open,
    /// Greylisted where only those are who wish to be.
    OptIn,
    /// Never greylisted.
    OptOut,
}

impl ExemptionKind {
    /// The kind that says the contrary, of which only one can hold.
    pub fn contrary(self) -> Option<Self> {
        match self {
            Self::Open => None,
            Self::OptIn => Some(Self::OptOut),
            Self::OptOut => Some(Self::OptIn),
        }
    }

    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OptIn => "opt_in",
            Self::OptOut => "opt_out",
        }
    }

    /// The kind of a word in the table.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::OptIn, Self::OptOut].into_iter().find(|kind| kind.word() == word)
    }
}

/// What is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Rows that wait.
    pub waiting: u64,
    /// Rows that passed.
    pub passed: u64,
    /// Clients that are known well enough to pass without waiting.
    pub known_clients: u64,
    /// Rows that were removed without ever having come back, nor had any mail of the same sender domain from the client.
    pub never_returned: u64,
    /// How long what passed had waited: upper bound in seconds, and how many; only what passed by its own retry.
    #[serde(serialize_with = "classes")]
    pub delays: Vec<(u64, u64)>,
    /// When those who passed came back for the first time: upper bound in seconds, and how many.
    #[serde(serialize_with = "classes")]
    pub first_retries: Vec<(u64, u64)>,
    /// What other delays would have cost those who passed.
    pub delay_costs: Vec<DelayCost>,
}

/// The bound of a class that has none.
pub const UNBOUNDED: u64 = u64::MAX >> 1;

/// Classes as objects; the last has no bound, and JSON no number for that.
fn classes<S: Serializer>(classes: &[(u64, u64)], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Class {
        below: Option<u64>,
        mails: u64,
    }
    let class = |(bound, mails): &(u64, u64)| Class {
        below: Some(*bound).filter(|bound| *bound < UNBOUNDED),
        mails: *mails,
    };
    to.collect_seq(classes.iter().map(class))
}

/// What a delay would have cost those who passed under the one that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DelayCost {
    /// The delay in seconds.
    pub delay: u64,
    /// Mails that would have passed at an attempt that was made.
    pub mails: u64,
    /// How long these would have waited, in seconds, together.
    pub waited: u64,
    /// Mails that would have had to come a further time.
    pub further: u64,
}

/// Why the store cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// Its database cannot be used.
    Database(crate::sqlite::Error),
    /// The store's thread is gone or has too much to do.
    Busy(&'static str),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Busy(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<crate::sqlite::Error> for StoreError {
    fn from(error: crate::sqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl StoreError {
    /// The words for the answer to a mail.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Database(error) => error.words(),
            Self::Busy(what) => what,
        }
    }
}
