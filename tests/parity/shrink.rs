//! Makes a failing set and session smaller as long as the two sides still differ.

use super::{
    lists::{Argument, ListSet},
    stand::{Case, Played, Stand},
};
use crate::support::directory::Directory;

/// How many smaller cases one Postfix plays at once.
const AT_ONCE: usize = 16;
/// How many times smaller ones are sought.
const ROUNDS: usize = 40;

/// The smallest case found, of one session, and how it went. `None` if the difference does not come again.
pub fn shrink(stand: &Stand, case: Case) -> Option<(Case, Played)> {
    let mut best = failing(stand, vec![case])?;
    for _ in 0..ROUNDS {
        let mut smaller = smaller(&best.0);
        smaller.retain(|case| is_accepted(stand, &case.set));
        let found = smaller.chunks(AT_ONCE).find_map(|cases| failing(stand, cases.to_vec()));
        let Some(found) = found else { break };
        best = found;
    }
    Some(best)
}

/// The first of some cases whose sides differ.
fn failing(stand: &Stand, cases: Vec<Case>) -> Option<(Case, Played)> {
    let played = stand.play(&cases);
    let all = cases.into_iter().zip(played);
    all.filter_map(|(case, mut played)| Some((case, played.pop()?))).find(|(_, played)| {
        played.difference.as_ref().is_some_and(|difference| !difference.postfix.starts_with('('))
    })
}

fn is_accepted(stand: &Stand, set: &ListSet) -> bool {
    let directory = Directory::new();
    set.write_tables(directory.path());
    stand.config(set, directory.path()).is_ok()
}

/// The case with one part less each; whole lists and messages first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut try_set = |change: &dyn Fn(&mut ListSet)| {
        let mut smaller = case.clone();
        change(&mut smaller.set);
        all.push(smaller);
    };
    for at in 0..case.set.lists.len() {
        try_set(&|set| set.lists = vec![set.lists[at].clone()]);
        try_set(&|set| set.lists[at].1.truncate(1));
    }
    try_set(&|set| set.settings.clear());
    for at in 0..case.set.lists.len() {
        try_set(&|set| drop(set.lists.remove(at)));
    }
    for at in 0..case.set.settings.len() {
        try_set(&|set| drop(set.settings.remove(at)));
    }
    for (at, (_, entries)) in case.set.lists.iter().enumerate() {
        for entry in 0..entries.len() {
            try_set(&|set| drop(set.lists[at].1.remove(entry)));
        }
    }
    for (at, (name, entries)) in case.set.classes.iter().enumerate() {
        if !case.set.entries().any(|entry| entry.name == *name)
            && !case.set.tables().any(|table| table.text().join(" ").contains(name))
        {
            try_set(&|set| drop(set.classes.remove(at)));
        }
        for entry in 0..entries.len() {
            try_set(&|set| drop(set.classes[at].1.remove(entry)));
        }
    }
    for (at, (_, entries)) in case.set.lists.iter().enumerate() {
        for (number, entry) in entries.iter().enumerate() {
            if entry.warn_if_reject {
                try_set(&|set| set.lists[at].1[number].warn_if_reject = false);
            }
            for (argument, word) in entry.arguments.iter().enumerate() {
                let Argument::Table(table) = word else { continue };
                for line in 0..table.lines.len().saturating_sub(1).min(1) * table.lines.len() {
                    try_set(&|set| {
                        if let Argument::Table(table) = &mut set.lists[at].1[number].arguments[argument] {
                            table.lines.remove(line);
                        }
                    });
                }
            }
        }
    }
    let mut shorter = shorter(case);
    shorter.append(&mut all);
    shorter.retain(|smaller| smaller.size() < case.size());
    shorter
}

impl Case {
    fn size(&self) -> usize {
        let steps: usize = self.sessions.iter().map(|session| session.steps.len()).sum();
        let lines: usize = self.set.tables().map(|table| table.lines.len()).sum();
        let warnings = self.set.entries().filter(|entry| entry.warn_if_reject).count();
        let entries = self.set.entries().count() + self.set.classes.len() + self.set.lists.len();
        steps + lines + warnings + entries + self.set.settings.len()
    }
}

/// The case with a step less of its session each; at first with whole messages less.
fn shorter(case: &Case) -> Vec<Case> {
    let steps = &case.sessions[0].steps;
    let mails: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].starts_with("MAIL")).collect();
    let ends = mails.iter().skip(1).copied().chain([steps.len()]);
    let messages = mails.iter().copied().zip(ends).filter(|_| mails.len() > 1);
    let one = (0..steps.len()).map(|at| (at, at + 1));
    let without = |(from, to): (usize, usize)| {
        let mut shorter = case.clone();
        shorter.sessions[0].steps.drain(from..to);
        shorter
    };
    let cut = |at: usize| without((at, steps.len()));
    let half = [steps.len() / 2, steps.len() - steps.len() / 4];
    half.into_iter().filter(|at| *at < steps.len()).map(cut).chain(messages.chain(one).map(without)).collect()
}
