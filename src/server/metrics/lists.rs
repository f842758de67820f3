//! What DNS lists answered, and how fast.

use super::{
    exposition::{Labels, Value},
    histogram::Histogram,
};
use crate::{
    counter::Counter,
    lookup::{
        answers::{Answer, DnsAnswer},
        dnsxl::key::without_key,
    },
    smtp::domain::Domain,
};
use std::time::Duration;

/// Upper bounds of how long a list takes to answer, in seconds.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

crate::counter::counters! {
    /// Answers of one list, by the label `result`.
    #[derive(Debug, Default)]
    struct Results of Counter, named "";

    /// It lists.
    listed,
    /// It does not list.
    clean,
    /// It answered with an error code, or outside of 127.0.0.0/8.
    refused,
    /// It did not answer in time.
    timeout,
    /// It, or a server on the way to it, failed.
    servfail,
    /// It was not asked, since it is set aside.
    set_aside,
}

/// The answers of one list.
#[derive(Debug)]
pub(in crate::server) struct ListMetrics {
    results: Results,
    seconds: Histogram,
}

impl Default for ListMetrics {
    fn default() -> Self {
        Self { results: Results::default(), seconds: Histogram::new(BOUNDS) }
    }
}

impl ListMetrics {
    /// Takes an answer, before anything of it is disbelieved; `took` if it was asked for, and not kept. Only questions for
    /// addresses count: those for texts follow a listing.
    pub(in crate::server) fn heard(&self, answer: &Answer, took: Option<Duration>) {
        let Answer::A(addresses) = answer else { return };
        let Results { listed, clean, refused, timeout, servfail, set_aside } = &self.results;
        let result = match addresses {
            DnsAnswer::Records(_) if crate::lookup::dnsxl_health::void(addresses).is_some() => refused,
            DnsAnswer::Records(_) => listed,
            DnsAnswer::NotFound | DnsAnswer::NullMx => clean,
            DnsAnswer::SetAside => set_aside,
            // The servers say why; the resolver's own words are about time.
            DnsAnswer::Temporary("SERVFAIL" | "REFUSED") | DnsAnswer::Failed(_) | DnsAnswer::Invalid => {
                servfail
            }
            DnsAnswer::Temporary(_) => timeout,
        };
        result.add();
        if let Some(took) = took {
            self.seconds.observe(took);
        }
    }

    /// The answers, by their results.
    pub(super) fn results(&self, zone: &Domain) -> Vec<(Labels, Value)> {
        let sample = |(result, count): (&str, u64)| {
            let labels = vec![("zone", shown(zone)), ("result", result.to_owned())];
            (labels, Value::Count(count))
        };
        self.results.all().map(sample).collect()
    }

    /// How fast it answers.
    pub(super) fn seconds(&self, zone: &Domain) -> (Labels, Value) {
        (vec![("zone", shown(zone))], self.seconds.value())
    }
}

/// A zone without the key of a customer.
pub(super) fn shown(zone: &Domain) -> String {
    without_key(zone.as_str()).unwrap_or(zone.as_str()).to_owned()
}
