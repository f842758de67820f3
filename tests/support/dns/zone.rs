//! The zone text of the tests' DNS server, and what the server shall do for each question.
//!
//! A line is `name TYPE [prefix…] value`; `#` begins a comment. Names are written with or without the final dot,
//! `*.example` is a wildcard, `\032` is the byte 32, and a PTR line may be written by address. Types are A, AAAA, MX, NS, TXT, PTR, CNAME,
//! SOA (seven fields, or only the negative TTL), and `*` for every type.
//!
//! Values beside records: `SERVFAIL`, `REFUSED`, `FORMERR`, `NOTIMP`, `TIMEOUT` (no reply), `MALFORMED` (a record whose
//! data is broken, after the good ones), `GARBAGE` (a reply of random bytes), `NOSOA` (NXDOMAIN without SOA), `NODATA`.
//!
//! Prefixes: `TTL=60`; `DELAY=200ms`; `TOGETHER=8` (answered when eight such questions wait, so only if they are asked
//! at once); `ONLY` (a CNAME whose target is not added); `OWNER=name` (the record is sent under that name); `SPOOF`
//! (forged replies come before the true one).

use hickory_proto::rr::{
    Name, RData,
    rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT},
};
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

/// What one line says.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Record { owner: Option<Name>, ttl: u32, data: Box<RData> },
    Malformed,
    Servfail,
    Refused,
    Formerr,
    Notimp,
    Timeout,
    Garbage,
    NoSoa,
    NoData,
}

/// The lines of one name and type.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) values: Vec<Value>,
    pub(super) delay: Duration,
    pub(super) together: usize,
    pub(super) only: bool,
    pub(super) spoof: bool,
}

/// A zone text, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Zone {
    names: HashMap<String, BTreeMap<String, Entry>>,
}

/// What the zone holds for a question.
pub(super) enum Found<'a> {
    Entry(&'a Entry),
    NoData,
    NoName,
}

impl Zone {
    pub(super) fn parse(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap().trim();
            if !line.is_empty() {
                zone.line(line);
            }
        }
        zone
    }

    fn line(&mut self, line: &str) {
        let mut words = line.split_whitespace().peekable();
        let name = key(words.next().unwrap());
        let kind = words.next().unwrap_or_else(|| panic!("no type in `{line}`")).to_ascii_uppercase();
        let entry = self.names.entry(name).or_default().entry(kind.clone()).or_default();
        let (mut owner, mut ttl) = (None, 300);
        while let Some(word) = words.peek() {
            match word.split_once('=') {
                Some(("TTL", seconds)) => ttl = seconds.parse().unwrap(),
                Some(("DELAY", delay)) => entry.delay = milliseconds(delay),
                Some(("TOGETHER", number)) => entry.together = number.parse().unwrap(),
                Some(("OWNER", name)) => owner = Some(self::name(name)),
                None if *word == "ONLY" => entry.only = true,
                None if *word == "SPOOF" => entry.spoof = true,
                _ => break,
            }
            words.next();
        }
        let words: Vec<&str> = words.collect();
        entry.values.push(value(&kind, &words, owner, ttl, line));
    }

    /// The lines for a question: the exact name first, then the nearest wildcard, which an existing name hides.
    pub(super) fn find(&self, name: &str, kind: &str) -> Found<'_> {
        let mut candidates = vec![name.to_owned()];
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            candidates.push(format!("*.{parent}"));
            rest = parent;
        }
        let Some(types) = candidates.iter().find_map(|candidate| self.names.get(candidate)) else {
            return Found::NoName;
        };
        match types.get(kind).or_else(|| types.get("*")).or_else(|| types.get("CNAME")) {
            Some(entry) => Found::Entry(entry),
            None => Found::NoData,
        }
    }

    /// The SOA of the nearest zone above a name; of the root with a negative TTL of 60 s if none is written.
    pub(super) fn soa(&self, name: &str) -> (Name, u32, RData) {
        let mut rest = Some(name);
        while let Some(zone) = rest {
            if let Some(entry) = self.names.get(zone).and_then(|types| types.get("SOA"))
                && let Some(Value::Record { ttl, data, .. }) = entry.values.first()
            {
                return (self::name(zone), *ttl, RData::clone(data));
            }
            rest = zone.split_once('.').map(|(_, parent)| parent);
        }
        (Name::root(), 300, soa(60))
    }
}

/// The form in which names are compared: lower case, no final dot, addresses as reverse names.
pub(super) fn key(name: &str) -> String {
    if let Ok(address) = name.parse::<IpAddr>() {
        return key(&Name::from(address).to_ascii());
    }
    match name.strip_prefix("*.") {
        Some(parent) => format!("*.{}", key(parent)),
        None if name == "*" => name.to_owned(),
        // One spelling of what hickory writes with escapes.
        None => self::name(name).to_ascii().trim_end_matches('.').to_ascii_lowercase(),
    }
}

/// Reads a name with the escapes of RFC 1035 section 5.1; it may hold any bytes.
pub(super) fn name(text: &str) -> Name {
    let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => labels.push(Vec::new()),
            b'\\' => {
                let byte = bytes.next().unwrap();
                let byte = if byte.is_ascii_digit() {
                    let digits = [byte, bytes.next().unwrap(), bytes.next().unwrap()];
                    str::from_utf8(&digits).unwrap().parse().unwrap()
                } else {
                    byte
                };
                labels.last_mut().unwrap().push(byte);
            }
            _ => labels.last_mut().unwrap().push(byte),
        }
    }
    let labels = labels.iter().map(Vec::as_slice).filter(|label| !label.is_empty());
    let mut name = Name::from_labels(labels).unwrap_or_else(|error| panic!("name `{text}`: {error}"));
    name.set_fqdn(true);
    name
}

fn soa(minimum: u32) -> RData {
    RData::SOA(SOA::new(name("ns.invalid"), name("admin.invalid"), 1, 3600, 600, 86_400, minimum))
}

fn milliseconds(text: &str) -> Duration {
    let number = text.strip_suffix("ms").unwrap_or_else(|| panic!("delay `{text}` is not in ms"));
    Duration::from_millis(number.parse().unwrap())
}

fn value(kind: &str, words: &[&str], owner: Option<Name>, ttl: u32, line: &str) -> Value {
    match words {
        ["SERVFAIL"] => Value::Servfail,
        ["REFUSED"] => Value::Refused,
        ["FORMERR"] => Value::Formerr,
        ["NOTIMP"] => Value::Notimp,
        ["TIMEOUT"] => Value::Timeout,
        ["MALFORMED"] => Value::Malformed,
        ["GARBAGE"] => Value::Garbage,
        ["NOSOA"] => Value::NoSoa,
        ["NODATA"] => Value::NoData,
        _ => Value::Record { owner, ttl, data: Box::new(data(kind, words, line)) },
    }
}

fn data(kind: &str, words: &[&str], line: &str) -> RData {
    match (kind, words) {
        ("A", [address]) => RData::A(A(address.parse().unwrap())),
        ("AAAA", [address]) => RData::AAAA(AAAA(address.parse().unwrap())),
        ("MX", [preference, exchange]) => RData::MX(MX::new(preference.parse().unwrap(), name(exchange))),
        ("NS", [target]) => RData::NS(NS(name(target))),
        ("PTR", [target]) => RData::PTR(PTR(name(target))),
        ("CNAME", [target]) => RData::CNAME(CNAME(name(target))),
        ("TXT", words) => RData::TXT(TXT::new(strings(&words.join(" ")))),
        ("SOA", [minimum]) => soa(minimum.parse().unwrap()),
        ("SOA", [mname, rname, serial, refresh, retry, expire, minimum]) => RData::SOA(SOA::new(
            name(mname),
            name(rname),
            serial.parse().unwrap(),
            refresh.parse().unwrap(),
            retry.parse().unwrap(),
            expire.parse().unwrap(),
            minimum.parse().unwrap(),
        )),
        _ => panic!("cannot read `{line}`"),
    }
}

/// `"one" "two"` are two strings, anything without quotes is one.
fn strings(text: &str) -> Vec<String> {
    if !text.starts_with('"') {
        return vec![text.to_owned()];
    }
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}
