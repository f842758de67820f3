//! The figures of a report, plain data from which text, page and JSON are made; and whether they add up.
//!
//! What is counted are *attempts* to deliver to one recipient: each RCPT TO, and each refusal before it, is one. An
//! attempt ends once, at one moment of the dialogue, in one way.

mod ends;
mod sums;

pub(super) use ends::{Ends, Moment, Outcome, Step};

use super::health::Light;
use serde::Serialize;

/// A report.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    /// The program's version.
    pub(super) version: &'static str,
    /// The machine.
    pub(super) host: String,
    /// The period, in Unix seconds.
    pub(super) period: Period,
    /// Whether decisions took effect.
    pub(super) mode: Mode,
    /// How everything is at the moment of the report.
    pub(super) health: Vec<Light>,
    /// Recorded decisions by their verdict.
    pub(super) decisions: Decisions,
    /// What became of the attempts.
    pub(super) attempts: Attempts,
    /// From connection to acceptance: one for each [`Moment`], in order.
    pub(super) funnel: Vec<Step>,
    /// The attempts over time.
    pub(super) times: Times,
    /// The entries of the lists, those that stopped most first.
    pub(super) rules: Vec<Rule>,
    /// DNS lists, those that listed most first.
    pub(super) lists: Vec<List>,
    /// Decisions in which two lists both listed, by their places in `lists`.
    pub(super) overlaps: Vec<Overlap>,
    /// Greylisting.
    pub(super) greylist: Greylist,
    /// What may have been refused wrongly, the likeliest first.
    pub(super) suspects: Vec<Suspect>,
    /// The networks whose mail was stopped most often.
    pub(super) networks: Networks,
}

/// A period, and since when the journal can tell of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Period {
    /// Its beginning.
    pub(super) from: i64,
    /// Its end: the time of the report.
    pub(super) to: i64,
    /// The oldest row of the journal.
    pub(super) journal_begins: Option<i64>,
}

/// Whether decisions took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Mode {
    /// Whether the configuration says `observe` now.
    pub(super) observes_now: bool,
    /// Decisions that took effect.
    pub(super) enforced: u64,
    /// Decisions of `mode = "observe"`.
    pub(super) observed: u64,
}

impl Mode {
    /// Whether what is reported is what would have happened.
    pub(super) fn is_observed(self) -> bool {
        if self.observed + self.enforced == 0 { self.observes_now } else { self.enforced == 0 }
    }

    /// Whether it was changed in between.
    pub(super) fn is_mixed(self) -> bool {
        self.observed > 0 && self.enforced > 0
    }
}

/// Recorded decisions by their verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Decisions {
    /// All of them.
    pub(super) all: u64,
    /// That let the command pass.
    pub(super) permit: u64,
    /// That refused for now.
    pub(super) defer: u64,
    /// That refused for good.
    pub(super) reject: u64,
    /// That dropped the message.
    pub(super) discard: u64,
    /// Those of `all` whose steps cannot be read.
    pub(super) unreadable: u64,
}

/// What became of the attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Attempts {
    /// How many began, counted as they came.
    pub(super) all: u64,
    /// How they ended.
    #[serde(flatten)]
    pub(super) ends: Ends,
    /// Those of the stopped ones that were stopped only in `mode = "observe"`.
    pub(super) only_observed: u64,
    /// Those of the accepted ones whose sender had logged in.
    pub(super) logged_in: u64,
    /// Those of the accepted ones that had waited for the greylist and came back.
    pub(super) came_back: u64,
}

/// The attempts over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    /// The width of a column, in seconds.
    pub(super) width: i64,
    /// The columns, each from its beginning on.
    pub(super) columns: Vec<Column>,
}

/// The attempts of one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Column {
    /// When it begins.
    pub(super) from: i64,
    /// How the attempts that began in it ended.
    #[serde(flatten)]
    pub(super) ends: Ends,
}

/// What an entry of a list did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Rule {
    /// The entry as it was written, without keys of paid lists; or what stands for none.
    pub(super) entry: String,
    /// Where it stands.
    pub(super) place: String,
    /// The attempts that it stopped.
    #[serde(flatten)]
    pub(super) ends: Ends,
    /// Those in which no other entry that was looked at would have refused.
    pub(super) alone: u64,
    /// Decisions in which it would have refused, but for warn_if_reject.
    pub(super) warned: u64,
    /// Decisions that it permitted.
    pub(super) permitted: u64,
    /// How long its questions took.
    pub(super) cost: Latency,
}

/// How long answers took. Each figure is at most 15 % above the true one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Latency {
    /// Decisions in which something was asked.
    pub(super) asked: u64,
    /// Those of them in which it took a millisecond or longer.
    pub(super) waited: u64,
    /// Half of those took at most so many milliseconds.
    pub(super) median_ms: Option<u64>,
    /// 95 of 100 took at most so many milliseconds.
    pub(super) p95_ms: Option<u64>,
}

/// A DNS list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct List {
    /// Its zone, without a key.
    pub(super) zone: String,
    /// Decisions in which it was asked.
    pub(super) asked: u64,
    /// That it listed.
    pub(super) listed: u64,
    /// That it did not list.
    pub(super) clean: u64,
    /// In which it did not answer in time.
    pub(super) timed_out: u64,
    /// In which it failed, answered with an error code, or was set aside.
    pub(super) failed: u64,
    /// Those of `listed` in which no other list listed.
    pub(super) alone: u64,
    /// Those of `listed` in which the entry that asked it refused.
    pub(super) refused: u64,
    /// How long it took.
    pub(super) cost: Latency,
}

/// Decisions in which two lists both listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Overlap {
    /// One, by its place.
    pub(super) one: usize,
    /// The other.
    pub(super) other: usize,
    /// How often.
    pub(super) both: u64,
}

/// Greylisting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Greylist {
    /// First contacts of the period that were asked to come back.
    pub(super) contacts: u64,
    /// Those that came back and passed.
    pub(super) came_back: u64,
    /// Those that did not, so far.
    pub(super) still_out: u64,
    /// First contacts that were not followed, since there were too many.
    pub(super) unfollowed: u64,
    /// Attempts that came back too early.
    pub(super) early: u64,
    /// Attempts refused because their network has too many waiting.
    pub(super) too_many: u64,
    /// Those that passed and had begun to wait before the period.
    pub(super) from_before: u64,
    /// Decisions that passed at once: known triplets and clients, correspondents, exempt and listed ones.
    pub(super) known: u64,
    /// Decisions in which the database did not answer.
    pub(super) unavailable: u64,
    /// Decisions that only would have waited: `mode = "observe"`.
    pub(super) would_wait: u64,
    /// How long those waited that passed, in the classes of [`DELAYS`].
    pub(super) delays: [u64; DELAYS.len()],
}

/// The classes of delays: upper bound in seconds, and label.
pub(super) const DELAYS: [(i64, &str); 10] = [
    (300, "5 min"),
    (600, "10 min"),
    (900, "15 min"),
    (1_800, "30 min"),
    (3_600, "1 h"),
    (7_200, "2 h"),
    (14_400, "4 h"),
    (43_200, "12 h"),
    (86_400, "1 d"),
    (i64::MAX, "more"),
];

/// What may have been refused wrongly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Suspect {
    /// The client of the last refusal.
    pub(super) client: String,
    /// Its verified name.
    pub(super) client_name: Option<String>,
    /// The sender of the last refusal.
    pub(super) sender: String,
    /// The recipient of the last refusal.
    pub(super) recipient: String,
    /// The entry that refused.
    pub(super) entry: String,
    /// Where it stands.
    pub(super) place: String,
    /// How the last attempt ended.
    pub(super) outcome: Outcome,
    /// How often it was refused.
    pub(super) count: u64,
    /// When it was refused last.
    pub(super) last: i64,
    /// Why it may have been wrong.
    pub(super) signs: Vec<String>,
    /// What would admit it.
    pub(super) command: String,
    /// The last refusal's decision, for `mailward why`.
    pub(super) id: String,
}

/// The networks whose mail was stopped most often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Networks {
    /// The worst first.
    pub(super) worst: Vec<Network>,
    /// How many networks had mail stopped, as far as they were told apart.
    pub(super) told_apart: u64,
    /// By how much a count may be too low, where there were too many networks to tell all apart.
    pub(super) uncertain_by: u64,
}

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Network {
    /// It.
    pub(super) network: String,
    /// The verified name that was seen last in it.
    pub(super) name: Option<String>,
    /// How its attempts ended that were stopped or taken.
    #[serde(flatten)]
    pub(super) ends: Ends,
    /// Its stopped attempts over time, in as many columns as [`SPARKS`].
    pub(super) over_time: Vec<u32>,
}

/// Columns of a network's own time axis.
pub(super) const SPARKS: usize = 24;
