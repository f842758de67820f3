//! The question to the greylist and its answer: one recipient of one mail, with everything that the store needs to
//! judge it in one transaction.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// One attempt to deliver to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Observation {
    /// The names under which a retry of this client is recognised, the strongest first.
    pub clients: Vec<String>,
    /// The client's network, for which waiting rows are counted.
    pub network: String,
    /// The normalised sender; empty for the null sender.
    pub sender: String,
    /// The normalised recipient.
    pub recipient: String,
    /// The entries of known clients under which this mail passes without waiting.
    pub vouchers: Vec<Voucher>,
    /// The client's address: evidence, and the cause of no decision.
    pub address: String,
    /// The client's verified name; empty without one.
    pub name: String,
    /// The time of the attempt.
    pub now: Timestamp,
    /// Whether the answer takes no effect: warn_if_reject, or `mode = "observe"`.
    pub observed: bool,
    /// Whether a proof is forgotten after `retry_window`: that of the null sender, whose pairs with a recipient anybody
    /// can write. Not at once: of two recipients of a message each would have to wait for the other again and again.
    pub brief: bool,
    /// The sender as it came, in lower case: whom a local user may have written to. Empty where that does not count.
    pub correspondent: String,
    /// Whether the client's verified name lies in the sender's own domain. Without that anybody could write the name of
    /// a correspondent.
    pub own_domain: bool,
    /// How it is judged.
    #[serde(skip)]
    pub terms: Terms,
}

/// An entry of known clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Voucher {
    /// The client: an address, a network or a domain.
    pub client: String,
    /// The only sender domain for which it counts; empty: whatever the sender.
    pub sender_domain: String,
    /// How many proven retries it takes.
    pub passes: u32,
}

/// The numbers by which rows are judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Whose rules.
    pub profile: Profile,
    /// How long a first attempt waits. Default 4 min.
    pub delay: Duration,
    /// Until when after the first attempt a retry counts. Default 25 h.
    pub retry_window: Duration,
    /// How long a passed row lives without traffic, unless it is a brief one. Default 36 d.
    pub max_age: Duration,
    /// How long a known client is remembered without traffic. Default 60 d.
    pub known_max_age: Duration,
    /// How far apart two passes must be to count both, and how often a row's last use is noted. Default 1 h.
    pub known_spacing: Duration,
    /// How many new waiting rows a network may have within an hour; 0: any number. Default 200.
    pub waiting_limit: u32,
    /// Whether only recipients that opted in are greylisted. Default no.
    pub opt_in: bool,
}

impl Default for Terms {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            profile: Profile::Mailward,
            delay: Duration::from_secs(240),
            retry_window: Duration::from_secs(25 * 3_600),
            max_age: Duration::from_secs(36 * DAY),
            known_max_age: Duration::from_secs(60 * DAY),
            known_spacing: Duration::from_secs(3_600),
            waiting_limit: 200,
            opt_in: false,
        }
    }
}

/// Whose verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Our own.
    #[default]
    Mailward,
    /// Those of postgrey 1.37.
    Postgrey,
}

/// What the greylist says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Greylisted {
    /// Wait.
    Waits {
        /// How much longer.
        left: Duration,
        /// Why.
        why: Wait,
    },
    /// The retry that proves the client to be a mail server.
    Opened {
        /// How long it waited.
        waited: Duration,
    },
    /// It was opened before.
    Passed,
    /// The client has proven itself with other mail.
    Known,
    /// The recipient has written to the sender, whose domain the client is of.
    Correspondent,
    /// The recipient is exempt for a while or for good.
    Exempt,
    /// A list of exceptions names it; the rule itself says so, and no store was asked.
    Whitelisted(Whitelist),
    /// The store does not answer; the words say why.
    Unavailable(&'static str),
}

/// A list of exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whitelist {
    /// `whitelist_clients`.
    Client,
    /// `whitelist_recipients`.
    Recipient,
}

/// In postgrey's words.
impl fmt::Display for Whitelist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client whitelist",
            Self::Recipient => "recipient whitelist",
        })
    }
}

/// Why a mail waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The first attempt.
    New,
    /// The first attempt in the name of somebody to whom the recipient has written, from a client that is not known to
    /// be theirs.
    NewCorrespondent,
    /// Not long enough ago.
    EarlyRetry,
    /// Its network has too many waiting rows: none was made.
    TooMany,
}

impl Greylisted {
    /// Whether a retry has proven that this client delivers like a mail server.
    pub fn is_proof(self) -> bool {
        match self {
            Self::Opened { .. } | Self::Passed | Self::Known => true,
            Self::Waits { .. }
            | Self::Correspondent
            | Self::Exempt
            | Self::Whitelisted(_)
            | Self::Unavailable(_) => false,
        }
    }
}

/// The words of postgrey's log behind `reason=`.
impl fmt::Display for Greylisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits { why: Wait::New, .. } => f.write_str("new"),
            Self::Waits { why: Wait::NewCorrespondent, .. } => {
                f.write_str("new in the name of somebody whom the recipient wrote to")
            }
            Self::Waits { left, why: Wait::EarlyRetry } => {
                write!(f, "early-retry ({}s missing)", left.as_secs())
            }
            Self::Waits { why: Wait::TooMany, .. } => f.write_str("too many waiting from this network"),
            Self::Opened { .. } | Self::Passed => f.write_str("triplet found"),
            Self::Known => f.write_str("client AWL"),
            Self::Correspondent => f.write_str("the recipient wrote to the sender"),
            Self::Exempt => f.write_str("recipient exempt"),
            Self::Whitelisted(whitelist) => whitelist.fmt(f),
            Self::Unavailable(why) => write!(f, "store unavailable: {why}"),
        }
    }
}

/// What was asked, in traces.
impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.clients.join(" or ");
        let shown = format!("{clients}, <{}>, <{}>", self.sender, self.recipient);
        f.write_str(&crate::smtp::text::escaped(&shown))
    }
}

/// Mail of a local user: those it went to may answer without waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The local sender, in lower case.
    pub local: String,
    /// Whom it went to, in lower case.
    pub remote: Vec<String>,
    /// When.
    pub now: Timestamp,
}
