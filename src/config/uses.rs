//! Which class stands where: classes that contain themselves, and entries whose list runs before the event they need.

use crate::{
    decision::action::ClassId,
    origin::{Fault, Word},
    request::{Event, Stage},
    restriction,
};
use std::ops::Range;

/// A list: a stage's, a class's, or one on the right-hand side of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Stage(Stage),
    Class(ClassId),
}

/// An entry and the first event at which it has something to look at.
#[derive(Debug)]
pub(super) struct Needs {
    pub(super) owner: Owner,
    pub(super) event: Event,
    /// Whether it may ask for a change of the message.
    pub(super) amends: bool,
    /// Whether it asks the greylist, which is about one recipient.
    pub(super) greylists: bool,
    pub(super) word: Word,
}

/// A class that stands in a list.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) owner: Owner,
    pub(super) class: ClassId,
    pub(super) word: Word,
}

/// What can only be judged when all lists are there.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// All entries but classes.
    pub(super) needs: Vec<Needs>,
    /// All classes in lists.
    pub(super) classes: Vec<Use>,
}

impl Uses {
    /// All faults; `classes` of the `lists` numbered lists are classes, those behind them stand in tables.
    pub(super) fn judge(&self, delay_reject: bool, classes: usize, lists: usize) -> Vec<Fault> {
        let mut faults = self.cycles(lists);
        // Which event a table is asked at is not followed: its lists may run at any.
        let latest = self.latest(delay_reject, classes..lists, lists);
        let latest_known = self.latest(delay_reject, lists..lists, lists);
        for Needs { owner, event, amends, greylists, word } in &self.needs {
            let runs = |latest: &[Option<Event>]| match owner {
                Owner::Stage(stage) => Some(stage.event(delay_reject)),
                Owner::Class(class) => latest.get(class.0).copied().flatten(),
            };
            if let Some(runs) = runs(&latest_known).filter(|runs| *greylists && *runs > Event::Rcpt) {
                faults.push(many_recipients(word, runs));
            }
            let Some(runs) = runs(&latest) else { continue };
            let name = &word.text;
            if *amends && !greylists && runs < Event::Mail {
                let message = format!(
                    "HOLD, DISCARD, PREPEND, REDIRECT and BCC of `{name}` do nothing here: at {} there is no message",
                    runs.word()
                );
                let fault = Fault::warning(&word.origin, name.chars().count(), message);
                faults.push(fault.help("move it to the sender list, or set `delay_reject = true`"));
            }
            if runs >= *event {
                continue;
            }
            let message = format!(
                "`{name}` can never match here: the list runs at {}, it needs {}",
                runs.word(),
                event.word()
            );
            let fault = Fault::warning(&word.origin, name.chars().count(), message);
            faults.push(fault.help("move it to a later list, or set `delay_reject = true`"));
        }
        faults
    }

    /// The first entry of a kind in the configuration itself.
    pub(super) fn first(&self, kind: &str, classes: usize) -> Option<Word> {
        let mut entries = self.needs.iter().filter(|entry| match entry.owner {
            Owner::Stage(_) => true,
            Owner::Class(ClassId(class)) => class < classes,
        });
        let is = |word: &Word| restriction::find(&word.text).is_some_and(|found| found.name == kind);
        entries.find(|entry| is(&entry.word)).map(|entry| entry.word.clone())
    }

    /// The last event at which each class runs; `None` for those that stand in no list.
    /// Those of `last` may run at the last of all.
    fn latest(&self, delay_reject: bool, last: Range<usize>, lists: usize) -> Vec<Option<Event>> {
        let within = self.within(lists);
        let mut latest = vec![None; lists];
        let mut work: Vec<(usize, Event)> = last.map(|list| (list, Event::EndOfMessage)).collect();
        for Use { owner, class, .. } in &self.classes {
            if let Owner::Stage(stage) = owner {
                work.push((class.0, stage.event(delay_reject)));
            }
        }
        while let Some((class, event)) = work.pop() {
            let Some(known) = latest.get_mut(class).filter(|known| **known < Some(event)) else { continue };
            *known = Some(event);
            work.extend(within[class].iter().map(|inner| (inner.class.0, event)));
        }
        latest
    }

    /// For each numbered list the classes that stand in it.
    fn within(&self, lists: usize) -> Vec<Vec<&Use>> {
        let mut within = vec![Vec::new(); lists];
        for used in &self.classes {
            if let Owner::Class(class) = used.owner
                && let Some(inner) = within.get_mut(class.0)
            {
                inner.push(used);
            }
        }
        within
    }

    /// The uses with which a class comes to contain itself. Without recursion: a chain of classes may be long.
    fn cycles(&self, lists: usize) -> Vec<Fault> {
        let within = self.within(lists);
        let mut done = vec![false; lists];
        let mut open = vec![false; lists];
        let mut faults = Vec::new();
        for start in 0..lists {
            let mut path = vec![(start, 0)];
            while let Some((class, next)) = path.last_mut() {
                let class = *class;
                open[class] = true;
                let Some(Use { class: ClassId(inner), word, .. }) =
                    within[class].get(*next).filter(|_| !done[class])
                else {
                    (done[class], open[class]) = (true, false);
                    path.pop();
                    continue;
                };
                *next += 1;
                if open[*inner] {
                    faults.push(word.error(format!("the class `{}` contains itself", word.text)));
                } else if !done[*inner] {
                    path.push((*inner, 0));
                }
            }
        }
        faults
    }
}

/// A warning about an entry that asks the greylist where a message has no single recipient.
fn many_recipients(word: &Word, runs: Event) -> Fault {
    let message = format!(
        "`{}` lets every message with more than one recipient pass here: the list runs at {}",
        word.text,
        runs.word()
    );
    Fault::warning(&word.origin, word.text.chars().count(), message)
        .help("move it to the end of the recipient list")
}
