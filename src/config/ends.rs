//! Entries that never run, because one before them always ends the list: `permit`, `reject`, a class that ends with
//! such an entry, a table that says the same of everything.

use crate::{
    decision::action::ClassId,
    origin::{Fault, Origin, Word},
    policy::{Entry, List, Policy},
    request::{Event, Stage},
    restriction::Ends,
};
use std::collections::HashMap;

/// How deep classes within classes are followed.
const DEPTH: usize = 100;

/// How an entry ends its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Always.
    Always,
    /// Except for recipients that choose their own way.
    Mostly,
}

/// A class, the event at which it runs if that is known, and whether it stands under warn_if_reject.
type Place = (ClassId, Option<Event>, bool);

/// Which entries end their lists.
pub(super) struct Enders<'p> {
    policy: &'p Policy,
    known: HashMap<Place, Option<How>>,
}

impl<'p> Enders<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        Self { policy, known: HashMap::new() }
    }

    /// How an entry ends its list, which runs at `event` if that is known.
    pub(super) fn ends(&mut self, entry: &Entry, event: Option<Event>) -> Option<How> {
        self.entry(entry, event, false, 0)
    }

    fn entry(&mut self, entry: &Entry, event: Option<Event>, warn: bool, depth: usize) -> Option<How> {
        let warn = warn || entry.warn_only;
        match entry.restriction.ends(event) {
            Ends::Never => None,
            Ends::Permits => Some(How::Always),
            Ends::PermitsOrdinary => Some(How::Mostly),
            // Under warn_if_reject only a permit still ends the list.
            Ends::Refuses => (!warn).then_some(How::Always),
            Ends::As(class) => self.class((class, event, warn), depth),
        }
    }

    fn class(&mut self, place: Place, depth: usize) -> Option<How> {
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        // A class that contains itself is an error of its own.
        self.known.insert(place, None);
        let policy = self.policy;
        let (ClassId(class), event, warn) = place;
        let entries =
            policy.classes.get(class).filter(|_| depth < DEPTH).map_or(&[][..], |list| &list.entries);
        let how = entries.iter().find_map(|entry| self.entry(entry, event, warn, depth + 1));
        self.known.insert(place, how);
        how
    }
}

/// A warning for each list with entries that never run. `warned` has the `warn_if_reject` before an entry, by the
/// entry's place.
pub(super) fn judge(policy: &Policy, warned: &HashMap<Origin, Word>) -> Vec<Fault> {
    let mut enders = Enders::new(policy);
    let stages =
        Stage::ALL.into_iter().map(|stage| (policy.list(stage), Some(stage.event(policy.delay_reject))));
    let lists = stages.chain(policy.classes.iter().map(|list| (list, None)));
    lists.filter_map(|(list, event)| dead(list, event, &mut enders, warned)).collect()
}

fn dead(
    list: &List,
    event: Option<Event>,
    enders: &mut Enders<'_>,
    warned: &HashMap<Origin, Word>,
) -> Option<Fault> {
    let ended = list.entries.iter().enumerate();
    let (at, how) = ended.filter_map(|(at, entry)| Some((at, enders.ends(entry, event)?))).next()?;
    let first = list.entries.get(at + 1)?;
    let count = list.entries.len() - at - 1;
    let end = &list.entries[at].written.text;
    let (entries, run, them) = match count {
        1 => ("this entry".to_owned(), "runs", "it"),
        _ => (format!("these {count} entries"), "run", "them"),
    };
    let message = match how {
        How::Always => format!("{entries} never {run}: `{end}` before {them} ends the list"),
        How::Mostly => {
            format!("{entries} hardly ever {run}: `{end}` before {them} permits every ordinary recipient")
        }
    };
    let origin = &first.written.origin;
    let name = first.written.text.split(' ').next().unwrap_or_default();
    let (origin, name) = warned.get(origin).map_or((origin, name), |warn| (&warn.origin, &warn.text));
    Some(Fault::warning(origin, name.chars().count(), message))
}
