//! How the server is: what `mailward status` shows.

use super::{Server, watch::ListState};
use crate::{
    config::settings::Mode,
    lookup::{dnsxl::key::without_key, dnsxl_health::State},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything about a running server at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// When it began.
    pub started: Timestamp,
    /// The time of this answer.
    pub now: Timestamp,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Where it listens, in the words of the configuration.
    pub socket: String,
    /// The configuration in force.
    pub configuration: Configuration,
    /// Connections of the MTA.
    pub sessions: Sessions,
    /// Decisions since the start.
    pub decisions: Decisions,
    /// The DNS lists of the policy.
    pub lists: Vec<List>,
    /// The resolver.
    pub resolver: Resolver,
    /// The greylist's store; `None` where the policy does not greylist.
    pub greylist: Option<Working>,
    /// The exemptions.
    pub exemptions: Exempted,
    /// The journal; `None` where none is kept.
    #[serde(default)]
    pub journal: Option<Recorded>,
    /// Log lines that were dropped, since the log took none.
    pub log_dropped: u64,
    /// Bugs that were caught.
    pub bugs: u64,
}

/// A configuration and how it came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Where it comes from.
    pub source: String,
    /// When it was loaded.
    pub loaded: Timestamp,
    /// When a later one was refused because it has faults.
    pub refused: Option<Timestamp>,
}

/// Connections of the MTA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Now.
    pub now: u64,
    /// The most at once so far.
    pub most: u64,
    /// How many are served at once: max_sessions.
    pub limit: u64,
    /// Since the start.
    pub total: u64,
}

/// Decisions by their kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// That let the command pass.
    pub permit: u64,
    /// That refused for now.
    pub defer: u64,
    /// That refused for good.
    pub reject: u64,
    /// That dropped the message.
    pub discard: u64,
    /// Those of `defer` and of observed mail in which the greylist said to wait.
    pub greylisted: u64,
    /// Those in which an exemption let mail past a list.
    pub exempted: u64,
}

impl Decisions {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.permit + self.defer + self.reject + self.discard
    }
}

/// A DNS list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Its zone, without the key of a customer.
    pub zone: String,
    /// Where it is used first.
    pub place: String,
    /// `sound`, `unknown` (not tested yet) or `set_aside`.
    pub state: String,
    /// Why it is set aside.
    pub trouble: Option<String>,
    /// What the administrator should do about it.
    pub advice: Option<String>,
}

/// The resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Whether its servers answer.
    pub answers: bool,
    /// Questions that were asked of them.
    pub questions: u64,
    /// Tries without a reply in time.
    pub timeouts: u64,
    /// Times that they fell silent.
    pub outages: u64,
}

/// Something that fails and recovers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Working {
    /// Whether it works now.
    pub works: bool,
    /// Times that it stopped working.
    pub faults: u64,
    /// Times that it worked again.
    pub recoveries: u64,
}

impl Working {
    fn new(faults: u64, recoveries: u64) -> Self {
        Self { works: faults <= recoveries, faults, recoveries }
    }
}

/// The exemptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempted {
    /// How many there are, expired ones among them.
    pub count: u64,
    /// Their file.
    pub file: Working,
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Rows that were written.
    pub written: u64,
    /// Records that were lost because the queue was full.
    pub dropped: u64,
    /// Its file.
    pub file: Working,
}

impl Server {
    /// How the server is now.
    pub fn status(&self) -> Status {
        let running = self.running();
        let introduction = self.life.introduction();
        let loads = self.life.loads();
        let counters = &self.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let dns = running.dns.counters();
        let (outages, back) = (of(&dns.outages), of(&dns.recoveries));
        let store = self.greylist.counters();
        let greylists = running.config.policy.greylists();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.life.started,
            now: self.clock.now(),
            mode: mode(running.config.mode).to_owned(),
            socket: introduction.socket,
            configuration: Configuration {
                source: introduction.source,
                loaded: loads.loaded,
                refused: loads.refused,
            },
            sessions: Sessions {
                now: whole(self.drain.active()),
                most: whole(self.drain.most()),
                limit: whole(self.max_sessions),
                total: counters.sessions.get(),
            },
            decisions: Decisions {
                permit: counters.decisions_permit.get(),
                defer: counters.decisions_defer.get(),
                reject: counters.decisions_reject.get(),
                discard: counters.decisions_discard.get(),
                greylisted: counters.greylist_deferred.get(),
                exempted: counters.decisions_exempted.get(),
            },
            lists: running.watch.states().iter().map(list).collect(),
            resolver: Resolver {
                answers: outages <= back,
                questions: of(&dns.questions),
                timeouts: of(&dns.timeouts),
                outages,
            },
            greylist: greylists.then(|| Working::new(of(&store.faults), of(&store.recoveries))),
            exemptions: Exempted {
                count: whole(self.allowances.snapshot().len()),
                file: Working::new(counters.allow_faults.get(), counters.allow_recoveries.get()),
            },
            journal: self.journal().map(|journal| {
                let counters = journal.counters();
                Recorded {
                    written: of(&counters.written),
                    dropped: of(&counters.dropped),
                    file: Working::new(of(&counters.faults), of(&counters.recoveries)),
                }
            }),
            log_dropped: introduction.drops.map_or(0, |drops| drops.count()),
            bugs: counters.bugs.get(),
        }
    }
}

/// The word of a mode.
pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    }
}

fn list(ListState { list, state }: &ListState) -> List {
    let zone = list.zone.as_str();
    let (word, trouble) = match state {
        State::Unknown => ("unknown", None),
        State::Sound => ("sound", None),
        State::SetAside(trouble) => ("set_aside", Some(trouble)),
    };
    List {
        zone: without_key(zone).unwrap_or(zone).to_owned(),
        place: list.origin.to_string(),
        state: word.to_owned(),
        trouble: trouble.map(ToString::to_string),
        advice: trouble.map(|trouble| trouble.advice().to_owned()),
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
