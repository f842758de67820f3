//! Rows on their way from or to another place: what `mailward greylist import` and `export` carry.

use super::{Entry, Exemption};
use crate::time::Timestamp;
use serde::Serialize;

/// The primary key of a row; the default stands before all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowKey {
    /// The client's key.
    pub client: String,
    /// The sender's key.
    pub sender: String,
    /// The recipient.
    pub recipient: String,
}

/// The primary key of a known client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// The client: an address, a network or a domain.
    pub client: String,
    /// The sender domain; empty: whatever the sender.
    pub sender_domain: String,
}

/// A known client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownClient {
    /// The client: an address, a network or a domain.
    pub client: String,
    /// The only sender domain for which it counts; empty: whatever the sender.
    pub sender_domain: String,
    /// Proven retries.
    pub passes: u32,
    /// When the last one was counted.
    pub last_pass: Timestamp,
    /// The first proven retry.
    pub first_seen: Timestamp,
    /// The last mail.
    pub last_seen: Timestamp,
    /// Mails that passed by it, as far as they were noted.
    pub hits: u32,
    /// Where it comes from.
    pub origin: String,
}

/// Something to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A row of the greylist.
    Row(Entry),
    /// A known client.
    Known(KnownClient),
    /// An exemption.
    Exemption(Exemption),
}

/// What became of records that were taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// New ones.
    pub added: u64,
    /// Those that made one better that was there.
    pub changed: u64,
    /// Those that changed nothing.
    pub same: u64,
    /// Those too old to count.
    pub expired: u64,
}

impl Merged {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            added: self.added + other.added,
            changed: self.changed + other.changed,
            same: self.same + other.same,
            expired: self.expired + other.expired,
        }
    }
}
