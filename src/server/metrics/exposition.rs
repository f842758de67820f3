//! Metrics as plain data, and as Prometheus' text format, version 0.0.4. prometheus-client writes names, labels and
//! numbers; OpenMetrics, which is what it writes, differs from the older format in three kinds of comment lines.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Registry,
};
use std::{collections::HashMap, fmt};

/// The Content-Type of [`text`](render).
pub(in crate::server) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is common to all names.
const PREFIX: &str = "mailward_";

/// Labels of one sample.
pub(in crate::server) type Labels = Vec<(&'static str, String)>;

/// A metric with all its samples.
#[derive(Debug)]
pub(in crate::server) struct Family {
    /// Its name without the prefix and without `_total`.
    pub(in crate::server) name: &'static str,
    /// What it is, in one line.
    pub(in crate::server) help: String,
    pub(in crate::server) kind: Kind,
    pub(in crate::server) samples: Vec<(Labels, Value)>,
}

/// What kind of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A sample's value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server) enum Value {
    Count(u64),
    Number(f64),
    /// The sum in seconds, and upper bounds with how many lie in each bucket alone.
    Histogram {
        sum: f64,
        buckets: Vec<(f64, u64)>,
    },
}

impl Family {
    /// A counter with one sample.
    pub(in crate::server) fn counter(name: &'static str, help: impl Into<String>, count: u64) -> Self {
        Self::new(Kind::Counter, name, help, [(Vec::new(), Value::Count(count))])
    }

    /// A gauge with one sample.
    pub(in crate::server) fn gauge(name: &'static str, help: impl Into<String>, number: f64) -> Self {
        Self::new(Kind::Gauge, name, help, [(Vec::new(), Value::Number(number))])
    }

    /// A metric of these samples; those with the same labels become one, as the format wants it.
    pub(in crate::server) fn new(
        kind: Kind,
        name: &'static str,
        help: impl Into<String>,
        samples: impl IntoIterator<Item = (Labels, Value)>,
    ) -> Self {
        let mut all: Vec<(Labels, Value)> = Vec::new();
        let mut places = HashMap::new();
        for (labels, value) in samples {
            let place = *places.entry(labels.clone()).or_insert(all.len());
            match all.get_mut(place) {
                Some((_, known)) => known.add(value),
                None => all.push((labels, value)),
            }
        }
        Self { name, help: help.into(), kind, samples: all }
    }
}

impl Value {
    /// Takes another value of the same kind: counts are added, of two states the higher one holds.
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Number(number), Self::Number(other)) => *number = number.max(other),
            (Self::Histogram { sum, buckets }, Self::Histogram { sum: more, buckets: others }) => {
                *sum += more;
                buckets.iter_mut().zip(others).for_each(|((_, count), (_, more))| *count += more);
            }
            (Self::Count(_) | Self::Number(_) | Self::Histogram { .. }, _) => {}
        }
    }
}

/// All families as text. Empty if it cannot be written, which a text in memory always can.
pub(in crate::server) fn render(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collected(families)));
    let mut open_metrics = String::new();
    match text::encode_registry(&mut open_metrics, &registry) {
        Ok(()) => classic(&open_metrics),
        Err(fmt::Error) => String::new(),
    }
}

/// OpenMetrics names a counter without `_total` in its comments; the older format names it as its samples.
fn classic(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let typed = lines.peek().copied().unwrap_or(line);
        let counts = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        match (line.strip_prefix("# HELP "), line.strip_prefix("# TYPE ")) {
            (Some(rest), _) if counts(typed) => comment(&mut out, "# HELP ", rest),
            (_, Some(rest)) if counts(line) => comment(&mut out, "# TYPE ", rest),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

fn comment(out: &mut String, word: &str, rest: &str) {
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    out.extend([word, name, "_total ", rest]);
}

#[derive(Debug)]
struct Collected(Vec<Family>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, kind, samples } in &self.0 {
            let kind = match kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let name = format!("{PREFIX}{name}");
            let mut metric = encoder.encode_descriptor(&name, help, None, kind)?;
            for (labels, value) in samples {
                if labels.is_empty() {
                    sample(&mut metric, value)?;
                } else {
                    sample(&mut metric.encode_family(labels)?, value)?;
                }
            }
        }
        Ok(())
    }
}

fn sample(metric: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
    const NONE: Option<&Exemplar<Labels, f64>> = None;
    match value {
        Value::Count(count) => metric.encode_counter(count, NONE),
        Value::Number(number) => metric.encode_gauge(number),
        Value::Histogram { sum, buckets } => {
            let all = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<Labels>(*sum, all, buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_older_format_with_labels_escaped() {
        let hostile = "a\"b\\c\nd\u{fc}".to_owned();
        let histogram = Value::Histogram { sum: 1.5, buckets: vec![(0.1, 1), (f64::INFINITY, 2)] };
        let text = render(vec![
            Family::counter("ones", "Ones.", 7),
            Family::gauge("now", "How it is.", 0.5),
            Family::new(Kind::Counter, "sum", "Once.", [2, 3].map(|n| (Vec::new(), Value::Count(n)))),
            Family::new(Kind::Counter, "twos", "Twos.", [(vec![("zone", hostile)], Value::Count(2))]),
            Family::new(Kind::Histogram, "seconds", "Time.", [(vec![("zone", "z".to_owned())], histogram)]),
        ]);
        let want = "\
# HELP mailward_ones_total Ones.
# TYPE mailward_ones_total counter
mailward_ones_total 7
# HELP mailward_now How it is.
# TYPE mailward_now gauge
mailward_now 0.5
# HELP mailward_sum_total Once.
# TYPE mailward_sum_total counter
mailward_sum_total 5
# HELP mailward_twos_total Twos.
# TYPE mailward_twos_total counter
mailward_twos_total{zone=\"a\\\"b\\\\c\\nd\u{fc}\"} 2
# HELP mailward_seconds Time.
# TYPE mailward_seconds histogram
mailward_seconds_sum{zone=\"z\"} 1.5
mailward_seconds_count{zone=\"z\"} 3
mailward_seconds_bucket{le=\"0.1\",zone=\"z\"} 1
mailward_seconds_bucket{le=\"+Inf\",zone=\"z\"} 3
";
        assert_eq!(text, want);
    }
}
