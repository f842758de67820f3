//! Everything that can be seen of a server, gathered for one scrape.

use super::{
    exposition::{Family, Kind, Labels, Value, render},
    lists::shown,
};
use crate::{
    config::settings::Mode,
    counter::Counted,
    lookup::dnsxl_health::State,
    server::{Server, status::Status},
};
use std::{ffi::OsString, fs, path::Path, sync::atomic::Ordering};

impl Server {
    /// All metrics, in Prometheus' text format. It looks at the sizes of files, so it may wait for a disk.
    pub fn metrics(&self) -> String {
        let mut families = self.counted_families();
        families.extend(self.measured());
        families.extend(self.lists());
        families.extend(self.state());
        families.extend(self.databases());
        render(families)
    }

    /// Every counter there is, with what it says about itself.
    fn counted_families(&self) -> Vec<Family> {
        let dns = self.running().dns.counters().described();
        let journal = self.journal().into_iter().flat_map(|journal| journal.counters().described());
        let all =
            self.counters.described().chain(dns).chain(self.greylist.counters().described()).chain(journal);
        all.map(|Counted { name, help, count }| {
            let name = if name == "sessions" { "connections" } else { name };
            let help: String = help.concat();
            Family::counter(name, help.trim(), count)
        })
        .collect()
    }

    fn measured(&self) -> Vec<Family> {
        let metrics = &self.metrics;
        let event = |(event, count): (&str, u64)| (labels("event", event), Value::Count(count));
        let events = metrics.greylist.all().map(event);
        let counter = |name, help, samples| Family::new(Kind::Counter, name, help, samples);
        vec![
            counter(
                "messages",
                "Decisions: one for each recipient, DATA and end of message that a list judges.",
                metrics.rules.totals(),
            ),
            counter(
                "rule_hits",
                "Decisions by the entry that made them, of the policy in force.",
                metrics.rules.hits(),
            ),
            counter("greylist", "What the greylist said.", events.collect()),
            Family::new(
                Kind::Histogram,
                "greylist_delay_seconds",
                "How long mail had waited that the greylist let pass.",
                [(Vec::new(), metrics.greylist_delay.value())],
            ),
            Family::new(
                Kind::Histogram,
                "decision_seconds",
                "How long decisions took, with all their lookups.",
                [(Vec::new(), metrics.decision_seconds.value())],
            ),
        ]
    }

    fn lists(&self) -> Vec<Family> {
        let watch = &self.running().watch;
        let lists = watch.metrics();
        let results = lists.iter().flat_map(|(zone, metrics)| metrics.results(zone));
        let seconds = lists.iter().map(|(zone, metrics)| metrics.seconds(zone));
        let aside = watch.states().into_iter().map(|state| {
            let aside = matches!(state.state, State::SetAside(_));
            (labels("zone", &shown(&state.list.zone)), Value::Number(f64::from(u8::from(aside))))
        });
        vec![
            Family::new(Kind::Counter, "dnsbl_queries", "Answers of DNS lists, kept ones too.", results),
            Family::new(Kind::Histogram, "dnsbl_seconds", "How long DNS lists took to answer.", seconds),
            Family::new(Kind::Gauge, "dnsbl_set_aside", "Whether a DNS list is set aside.", aside),
        ]
    }

    fn state(&self) -> Vec<Family> {
        let status = self.status();
        let running = self.running();
        let Status { sessions, configuration, .. } = &status;
        let gauge = |name, help, number| Family::gauge(name, help, number);
        let build = (labels("version", &status.version), Value::Number(1.0));
        let observes = running.config.mode == Mode::Observe;
        let good = configuration.refused.is_none();
        let (started, loaded) = (status.started.0, configuration.loaded.0);
        vec![
            Family::new(Kind::Gauge, "build_info", "The program's version.", [build]),
            gauge("start_time_seconds", "When the daemon began.", approximate(started)),
            gauge("sessions", "Connections of the MTA now.", approximate(sessions.now)),
            gauge("sessions_most", "The most connections at once so far.", approximate(sessions.most)),
            gauge("sessions_limit", "The setting max_sessions.", approximate(sessions.limit)),
            gauge("observing", "Whether decisions take no effect: mode = observe.", flag(observes)),
            gauge("config_last_reload_successful", "Whether the last reload was taken up.", flag(good)),
            gauge(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration in force was loaded.",
                approximate(loaded),
            ),
            gauge("dns_answers", "Whether the DNS servers answer.", flag(status.resolver.answers)),
            gauge(
                "dns_cache_bytes",
                "The bytes of the resolver's cache.",
                approximate(running.dns.cache_bytes()),
            ),
            gauge("exemptions", "Exemptions made by `mailward allow`.", approximate(status.exemptions.count)),
            Family::counter(
                "log_dropped_lines",
                "Log lines dropped, since the log took none.",
                status.log_dropped,
            ),
        ]
    }

    fn databases(&self) -> Vec<Family> {
        let running = self.running();
        let greylist = running.config.greylist.located().path;
        let journal = self.journal().and_then(|_| running.config.journal.located().path);
        let errors = [
            ("greylist", self.greylist.counters().faults.load(Ordering::Relaxed)),
            ("allow", self.counters.allow_faults.get()),
            (
                "journal",
                self.journal().map_or(0, |journal| journal.counters().faults.load(Ordering::Relaxed)),
            ),
        ];
        let files = [
            ("greylist", Some(greylist.as_path())),
            ("allow", self.allowances.path()),
            ("journal", journal.as_deref()),
        ];
        let bytes = files.into_iter().filter_map(|(db, path)| Some((db, size(path?)?)));
        let rows = running.config.policy.greylists().then(|| self.metrics.rows.of(&greylist));
        let rows =
            rows.into_iter().flatten().chain(self.journal().map(|journal| ("journal", journal.rows())));
        let queued =
            self.journal().map(|journal| (Vec::new(), Value::Number(approximate(journal.queued() as u64))));
        vec![
            Family::new(
                Kind::Counter,
                "db_errors",
                "Times that a database stopped working.",
                errors.map(|(db, count)| (labels("db", db), Value::Count(count))),
            ),
            Family::new(
                Kind::Gauge,
                "db_bytes",
                "The bytes of a database, with its log.",
                bytes.map(|(db, size)| (labels("db", db), Value::Number(approximate(size)))),
            ),
            Family::new(
                Kind::Gauge,
                "db_rows",
                "The rows of a table; those of the greylist are counted every quarter of an hour.",
                rows.map(|(table, count)| (labels("table", table), Value::Number(approximate(count)))),
            ),
            Family::new(Kind::Gauge, "journal_queued", "Records that wait for the journal's writer.", queued),
        ]
    }
}

fn labels(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// A whole number as the text format's kind of number, exact below 2^53.
#[allow(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn approximate(number: impl TryInto<i64>) -> f64 {
    number.try_into().unwrap_or(i64::MAX) as f64
}

/// A database's size, with its write-ahead log; `None` if there is none.
fn size(path: &Path) -> Option<u64> {
    let mut log = OsString::from(path);
    log.push("-wal");
    let log = fs::metadata(log).map_or(0, |metadata| metadata.len());
    Some(fs::metadata(path).ok()?.len() + log)
}
