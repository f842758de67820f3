//! What DNS lists answered, and where two of them agree.

use super::latency::Latencies;
use crate::{
    cli::report::figures::{List, Overlap},
    journal::{
        Row,
        read::{Brief, Entry, Heard},
    },
    lookup::dnsxl::{address_query, key::without_key},
    restriction,
    smtp::domain::Domain,
};
use std::collections::HashMap;

/// Lists that are told apart.
const LIMIT: usize = 100;

/// The lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    places: HashMap<Box<str>, usize>,
    lists: Vec<Cell>,
    /// Decisions in which two lists both listed, by their places, the lower one first.
    both: HashMap<(usize, usize), u64>,
    /// What an entry asks lists for, by its number.
    uses: HashMap<i64, Use>,
    /// The lists of one decision.
    heard: Vec<(usize, Heard, bool)>,
}

#[derive(Debug, Default)]
struct Cell {
    zone: Box<str>,
    figures: List,
    cost: Latencies,
}

/// What an entry asks lists for.
#[derive(Clone, Debug)]
enum Use {
    /// The client's address.
    Address,
    /// Names, of this zone.
    Names(Box<str>),
    /// It asks none.
    Nothing,
}

impl Use {
    fn of(entry: &Entry) -> Self {
        let mut words = entry.entry.split([' ', ',', '\t']).filter(|word| !word.is_empty());
        let (Some(name), Some(argument)) = (words.next(), words.next()) else { return Self::Nothing };
        let name = restriction::find(name).map_or(name, |kind| kind.name);
        if name.starts_with("reject_rhsbl_") || name.starts_with("permit_rhswl_") {
            let zone = argument.split('=').next().unwrap_or_default();
            let zone = without_key(zone).unwrap_or(zone);
            // As it is asked: in lower case, and in A-labels.
            let zone =
                Domain::for_query(zone).map_or_else(|| zone.to_owned(), |zone| zone.as_str().to_owned());
            return Self::Names(zone.to_ascii_lowercase().into());
        }
        match name {
            "reject_rbl_client" | "permit_dnswl_client" | "reject_dnsbl_score" | "greylist_dnsbl_score" => {
                Self::Address
            }
            _ => Self::Nothing,
        }
    }

    /// The zone that a question goes to.
    fn zone<'a>(&'a self, question: &'a str, reversed: &str) -> Option<&'a str> {
        let name = question.strip_prefix("A ")?;
        match self {
            Self::Address => {
                let zone = name.strip_prefix(reversed)?;
                Some(zone.strip_prefix("[key].").unwrap_or(zone))
            }
            Self::Names(zone) => name.ends_with(zone.as_ref()).then_some(zone),
            Self::Nothing => None,
        }
    }
}

impl Lists {
    /// A decision.
    pub(super) fn decided(&mut self, row: &Row<'_>, brief: &Brief<'_>, entries: &HashMap<i64, Entry>) {
        let refuses = matches!(row.verdict.as_ref(), "reject" | "defer");
        let mut reversed = None;
        self.heard.clear();
        for step in &brief.steps.0 {
            if step.asked.is_empty() {
                continue;
            }
            let usage = self
                .uses
                .entry(step.rule)
                .or_insert_with(|| entries.get(&step.rule).map_or(Use::Nothing, Use::of));
            if matches!(usage, Use::Nothing) {
                continue;
            }
            let usage = usage.clone();
            let reversed = reversed
                .get_or_insert_with(|| row.client.as_deref().map_or_else(String::new, reversed_address));
            let decides = refuses && row.rule == Some(step.rule);
            for asked in &step.asked {
                if let Some(zone) = usage.zone(&asked.0, reversed) {
                    self.answered(zone, asked.1, asked.2, decides);
                }
            }
        }
        self.agree();
    }

    fn answered(&mut self, zone: &str, heard: Heard, millis: u64, decides: bool) {
        let Some(place) = self.place(zone) else { return };
        let refused = decides && heard == Heard::Listed;
        if let Some((_, _, known)) = self.heard.iter_mut().find(|(known, _, _)| *known == place) {
            // Asked by two entries, it is one question.
            *known |= refused;
            return;
        }
        self.heard.push((place, heard, refused));
        self.lists[place].cost.add(millis);
    }

    fn place(&mut self, zone: &str) -> Option<usize> {
        if let Some(place) = self.places.get(zone) {
            return Some(*place);
        }
        if self.lists.len() >= LIMIT {
            return None;
        }
        self.places.insert(zone.into(), self.lists.len());
        self.lists.push(Cell { zone: zone.into(), ..Cell::default() });
        Some(self.lists.len() - 1)
    }

    /// Counts what the lists of one decision said, and which of them agree.
    fn agree(&mut self) {
        let listed: Vec<usize> = self
            .heard
            .iter()
            .filter(|(_, heard, _)| *heard == Heard::Listed)
            .map(|(place, ..)| *place)
            .collect();
        for (place, heard, refused) in &self.heard {
            let figures = &mut self.lists[*place].figures;
            figures.asked += 1;
            *match heard {
                Heard::Listed => &mut figures.listed,
                Heard::Clean => &mut figures.clean,
                Heard::TimedOut => &mut figures.timed_out,
                Heard::Void | Heard::Aside | Heard::Failed | Heard::Other => &mut figures.failed,
            } += 1;
            figures.refused += u64::from(*refused);
            figures.alone += u64::from(*heard == Heard::Listed && listed.len() == 1);
        }
        for (at, one) in listed.iter().enumerate() {
            for other in &listed[at + 1..] {
                *self.both.entry((*one.min(other), *one.max(other))).or_default() += 1;
            }
        }
    }

    /// The figures, the list that listed most first, and which of them agree.
    pub(super) fn figures(self) -> (Vec<List>, Vec<Overlap>) {
        let mut order: Vec<usize> = (0..self.lists.len()).collect();
        let weight = |at: &usize| (self.lists[*at].figures.listed, self.lists[*at].figures.asked);
        order.sort_by_key(|at| std::cmp::Reverse(weight(at)));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
        let both = self.both.iter().map(|((one, other), both)| {
            let (one, other) = (place[*one], place[*other]);
            Overlap { one: one.min(other), other: one.max(other), both: *both }
        });
        let mut overlaps: Vec<Overlap> = both.collect();
        overlaps.sort_by_key(|overlap| (overlap.one, overlap.other));
        let list = |at: &usize| {
            let Cell { zone, figures, cost } = &self.lists[*at];
            List { zone: zone.to_string(), cost: cost.figures(), ..figures.clone() }
        };
        (order.iter().map(list).collect(), overlaps)
    }
}

/// An address as lists are asked for it, with a dot behind it.
fn reversed_address(address: &str) -> String {
    let zone = Domain::for_query("x");
    let query = address.parse().ok().zip(zone).and_then(|(address, zone)| address_query(address, &zone));
    query.and_then(|name| name.as_str().strip_suffix('x').map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_by_its_entry_and_the_client() {
        let zone = |text: &str, question: &str| {
            let entry = Entry { stage: "client".into(), entry: text.into(), place: "f:1".into() };
            Use::of(&entry).zone(question, &reversed_address("192.0.2.1")).map(str::to_owned)
        };
        let cases = [
            ("reject_rbl_client bl.example=127.0.0.2", "A 1.2.0.192.bl.example", Some("bl.example")),
            ("reject_dnsbl_score main", "A 1.2.0.192.[key].zen.dq.spamhaus.net", Some("zen.dq.spamhaus.net")),
            ("reject_rbl_client bl.example", "TXT 1.2.0.192.bl.example", None),
            ("reject_rbl_client bl.example", "A 1.2.0.193.bl.example", None),
            ("reject_rhsbl_sender DBL.example=127.0.1.2", "A a.example.dbl.example", Some("dbl.example")),
            (
                "reject_rhsbl_helo k.dbl.dq.spamhaus.net",
                "A a.b.[key].dbl.dq.spamhaus.net",
                Some("dbl.dq.spamhaus.net"),
            ),
            ("check_client_a_access hash:/x", "A 1.2.0.192.bl.example", None),
            ("reject", "A 1.2.0.192.bl.example", None),
        ];
        for (entry, question, want) in cases {
            assert_eq!(zone(entry, question).as_deref(), want, "{entry}");
        }
        assert_eq!(reversed_address("nobody"), "");
    }
}
