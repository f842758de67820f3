//! DNS lists that are asked twice for one mail: in one list of restrictions, in two, by way of classes, or as a site of
//! a scored list.

use super::ends::Enders;
use crate::{
    decision::action::ClassId,
    lookup::dnsxl::filter::Filter,
    origin::{Fault, Origin},
    policy::{Entry, List, Policy},
    request::{Event, Stage},
    restriction::{
        self, Ends,
        scored_list::{ScoredList, Site},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// How deep classes within classes are followed.
const DEPTH: usize = 20;

/// How many questions are compared with each other: no mail server asks more lists.
const QUESTIONS: usize = 1_000;

/// The restrictions that a scored list is compared with.
const BLOCK: &str = "reject_rbl_client";
const SCORE: &str = "reject_dnsbl_score";

/// What an entry asks.
struct Question<'p> {
    kind: &'static str,
    /// The list, or the name of a scored one.
    list: String,
    /// Which answers count; all of them without one.
    filter: Option<Filter>,
    /// Whether it is a site of a scored list.
    is_site: bool,
    warn_only: bool,
    /// The list in which it stands.
    within: &'p List,
    entry: &'p Entry,
    /// The entry of the stage's list by which it is reached, if that is a class.
    by: Option<&'p Entry>,
}

/// A warning for each entry whose answer an earlier one has asked for already. Classes that only tables name run for
/// some mail, so each is looked at by itself.
pub(super) fn judge(policy: &Policy, scored: &BTreeMap<String, Arc<ScoredList>>) -> Vec<Fault> {
    let mut walk = Walk {
        policy,
        scored,
        enders: Enders::new(policy),
        seen: vec![false; policy.classes.len()],
        asked: Vec::new(),
        faults: Vec::new(),
    };
    for stage in Stage::ALL {
        walk.list(policy.list(stage), Some(stage.event(policy.delay_reject)), None, 0);
    }
    for (class, list) in policy.classes.iter().enumerate() {
        if !walk.seen[class] {
            walk.asked.clear();
            walk.list(list, None, None, 0);
        }
    }
    walk.faults
}

struct Walk<'p> {
    policy: &'p Policy,
    scored: &'p BTreeMap<String, Arc<ScoredList>>,
    enders: Enders<'p>,
    /// The classes that stand in some list.
    seen: Vec<bool>,
    asked: Vec<Question<'p>>,
    faults: Vec<Fault>,
}

impl<'p> Walk<'p> {
    fn list(&mut self, list: &'p List, event: Option<Event>, by: Option<&'p Entry>, depth: usize) {
        for entry in &list.entries {
            if let Ends::As(ClassId(class)) = entry.restriction.ends(event) {
                let policy = self.policy;
                if let Some(list) =
                    policy.classes.get(class).filter(|_| depth < DEPTH && self.asked.len() < QUESTIONS)
                {
                    self.seen[class] = true;
                    self.list(list, event, by.or(Some(entry)), depth + 1);
                }
            } else {
                self.entry(entry, list, by);
            }
            if self.enders.ends(entry, event).is_some() {
                break;
            }
        }
    }

    fn entry(&mut self, entry: &'p Entry, within: &'p List, by: Option<&'p Entry>) {
        for question in self.questions(entry, within, by) {
            if let Some(fault) = self.asked.iter().find_map(|earlier| question.again(earlier)) {
                self.faults.push(fault);
            }
            if self.asked.len() < QUESTIONS {
                self.asked.push(question);
            }
        }
    }

    fn questions(&self, entry: &'p Entry, within: &'p List, by: Option<&'p Entry>) -> Vec<Question<'p>> {
        let lists = entry.restriction.lists();
        let Some((name, argument)) = entry.written.text.split_once(' ').filter(|_| !lists.is_empty()) else {
            return Vec::new();
        };
        let Some(kind) = restriction::find(name).map(|kind| kind.name) else { return Vec::new() };
        let question = |list: String, filter| Question {
            kind,
            list,
            filter,
            is_site: false,
            warn_only: entry.warn_only,
            within,
            entry,
            by,
        };
        if let Some(list) = self.scored.get(argument) {
            let site = |site: &Site| Question {
                is_site: true,
                ..question(site.list.used.zone.to_string(), site.list.filter.clone())
            };
            let sites = list.sites.iter().filter(|site| kind == SCORE && site.weight > 0).map(site);
            return sites.chain([question(argument.to_owned(), None)]).collect();
        }
        // Logs show lists without their keys, the lists themselves have them.
        let filter = argument
            .split_once('=')
            .and_then(|(_, filter)| Filter::parse(filter, &entry.written.origin).ok());
        lists.first().map(|used| question(used.zone.to_string(), filter)).into_iter().collect()
    }
}

impl Question<'_> {
    /// A warning if an earlier question has asked the same.
    fn again(&self, earlier: &Self) -> Option<Fault> {
        if self.list != earlier.list {
            return None;
        }
        let (entry, first) = (&*self.entry.written, &*earlier.entry.written);
        let name = entry.text.split(' ').next().unwrap_or_default();
        if self.is_site || earlier.is_site {
            let (site, other) = if self.is_site { (self, earlier) } else { (earlier, self) };
            let decides = !other.is_site && other.kind == BLOCK;
            let same = other.filter.is_none() || other.filter == site.filter;
            if !decides || !same || self.warn_only || earlier.warn_only {
                return None;
            }
            let scored = site.entry.written.text.rsplit(' ').next().unwrap_or_default();
            let message = format!(
                "`{}` and {} ask the same list: whom `{}` refuses, the scored list `{scored}` counts in vain",
                entry.text,
                place(&first.origin, &entry.origin),
                other.entry.written.text,
            );
            let fault = Fault::warning(&entry.origin, name.chars().count(), message);
            return Some(fault.help("take one of the two out"));
        }
        let same = earlier.filter.is_none() || earlier.filter == self.filter;
        if self.kind != earlier.kind || !same || earlier.warn_only && !self.warn_only {
            return None;
        }
        if entry.origin == first.origin {
            // The class stands in the lists twice.
            let (by, before) = (&*self.by?.written, &*earlier.by?.written);
            let message = format!(
                "`{}` asks `{}` again: {} has asked it",
                by.text,
                entry.text,
                place(&before.origin, &by.origin)
            );
            let fault = Fault::warning(&by.origin, by.text.chars().count(), message);
            return Some(fault.help("take one of the two out"));
        }
        let place = place(&first.origin, &entry.origin);
        let beside = std::ptr::eq(self.within, earlier.within);
        let message = match beside {
            true => format!("`{}` changes nothing: {place} asks the same list", entry.text),
            // What stands before the one may exempt whom the other meets.
            false => format!("`{}` asks again what {place} asks", entry.text),
        };
        let help = match beside {
            true => "take one of the two out",
            false => "take one of the two out, unless each meets other mail",
        };
        Some(Fault::warning(&entry.origin, name.chars().count(), message).help(help))
    }
}

/// Where the first of two entries stands, as seen from the second.
fn place(first: &Origin, second: &Origin) -> String {
    if first.file == second.file { format!("line {}", first.line) } else { first.to_string() }
}
