//! What is measured while decisions are made, and everything that is counted as Prometheus' text. Names after the
//! conventions of Prometheus; no label holds what a client sent.

mod exposition;
mod gather;
pub(super) mod histogram;
pub mod http;
mod lists;
mod rows;
mod rules;

pub(super) use lists::ListMetrics;
pub(super) use rules::Rules;

use crate::{
    config::settings::Config,
    counter::Counter,
    decision::Decision,
    lookup::greylist::{Greylisted, Wait},
};
use histogram::Histogram;
use rows::Rows;
use rules::AllRules;
use std::time::Duration;

/// Upper bounds of how long a decision takes, in seconds.
const DECISION_BOUNDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];
/// Upper bounds of how long greylisted mail waits, in seconds.
const DELAY_BOUNDS: &[f64] = &[300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0];

/// The measurements of a server.
#[derive(Debug)]
pub(super) struct Metrics {
    rules: AllRules,
    greylist: Events,
    decision_seconds: Histogram,
    greylist_delay: Histogram,
    rows: Rows,
}

crate::counter::counters! {
    /// What the greylist said, by the label `event`.
    #[derive(Debug, Default)]
    struct Events of Counter, named "";

    /// A first attempt, which waits.
    new,
    /// A retry that came too early.
    early,
    /// A new attempt of a network that has too many waiting rows.
    too_many,
    /// The retry that opens.
    pass,
    /// Mail that was opened before.
    passed,
    /// A client that has proven itself with other mail.
    known,
    /// An answer to mail of a local user.
    correspondent,
    /// A client or recipient that is exempt or on a whitelist.
    exempt,
    /// The store has no answer.
    unavailable,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            rules: AllRules::default(),
            greylist: Events::default(),
            decision_seconds: Histogram::new(DECISION_BOUNDS),
            greylist_delay: Histogram::new(DELAY_BOUNDS),
            rows: Rows::default(),
        }
    }
}

impl Metrics {
    /// What is counted by the entries of a configuration's policy.
    pub(super) fn rules(&self, config: &Config) -> Rules {
        self.rules.of(&config.policy, config.mode)
    }

    /// Takes a decision and how long it took.
    pub(super) fn decided(&self, rules: &Rules, decision: &Decision, took: Duration) {
        rules.count(decision);
        self.decision_seconds.observe(took);
        if let Some((_, said)) = decision.greylisted() {
            self.greylisted(said);
        }
    }

    fn greylisted(&self, said: Greylisted) {
        let events = &self.greylist;
        let event = match said {
            Greylisted::Waits { why: Wait::New | Wait::NewCorrespondent, .. } => &events.new,
            Greylisted::Waits { why: Wait::EarlyRetry, .. } => &events.early,
            Greylisted::Waits { why: Wait::TooMany, .. } => &events.too_many,
            Greylisted::Opened { waited } => {
                self.greylist_delay.observe(waited);
                &events.pass
            }
            Greylisted::Passed => &events.passed,
            Greylisted::Known => &events.known,
            Greylisted::Correspondent => &events.correspondent,
            Greylisted::Exempt | Greylisted::Whitelisted(_) => &events.exempt,
            Greylisted::Unavailable(_) => &events.unavailable,
        };
        event.add();
    }
}
