//! What a walk writes down: the findings of each set of rules, what could not be followed, and the tree.

use super::{
    budget::{Budget, Lease},
    charset::lenient,
    container::Idle,
    facts::{Facts, Finding, Part, Place, Reading, Reason, SHOWN, Trouble, Unreadable, numbers},
    limits::Limits,
    normal::forms,
    rules::Treatment,
    walker::Watch,
};
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// Names that were judged last; the same text from another reading of a field is not judged again.
const REMEMBERED: usize = 64;
/// Bytes of names that the tree holds.
const TREE_BYTES: usize = 1 << 20;
/// Names in one place of one part that the tree holds.
const TREE_NAMES: usize = 64;

/// The part of which a walk speaks. A body that goes on beside others has one of its own, and so has a message inside a
/// part: which of them sees a byte first depends on the pieces in which they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Here {
    part: String,
    /// What the part is called, for archives that cannot be read.
    called: String,
    /// Where it stands in the tree.
    drawn: usize,
    /// What was found in the header of a message part, for each set of rules, until its body decides whether it counts.
    held: Option<Vec<Vec<Finding>>>,
}

/// The notes of one walk, and what it may still spend.
#[derive(Debug)]
pub(super) struct Record {
    watch: Arc<Watch>,
    budget: Arc<Budget>,
    facts: Facts,
    here: Here,
    judged: VecDeque<u64>,
    parts: usize,
    names: usize,
    members: usize,
    inflated: u64,
    idle: Option<Idle>,
    tree_bytes: usize,
}

impl Record {
    pub(super) fn new(watch: Arc<Watch>, budget: Arc<Budget>) -> Self {
        let facts = Facts {
            findings: vec![Vec::new(); watch.rules.len()],
            tree: watch.keep_tree.then(Vec::new),
            ..Facts::default()
        };
        Self {
            watch,
            budget,
            facts,
            here: Here::default(),
            judged: VecDeque::new(),
            parts: 0,
            names: 0,
            members: 0,
            inflated: 0,
            idle: None,
            tree_bytes: 0,
        }
    }

    pub(super) fn finish(mut self) -> Facts {
        self.release(true);
        for part in self.facts.tree.iter_mut().flatten() {
            part.names.sort();
            part.names.dedup();
        }
        if let Some(tree) = &mut self.facts.tree {
            tree.sort_by_cached_key(|part| {
                (numbers(&part.number), part.media_type.clone(), part.names.clone())
            });
        }
        self.facts
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.watch.limits
    }

    /// Whether nothing in the rest can change the answer: every set of rules has banned something.
    pub(super) fn is_settled(&self) -> bool {
        let banned = |findings: &Vec<Finding>| findings.iter().any(|finding| finding.banned);
        self.facts.tree.is_none() && self.facts.findings.iter().all(banned)
    }

    /// Begins a part. False when there are too many.
    pub(super) fn begin_part(&mut self, number: &str) -> bool {
        self.parts += 1;
        self.here.part.clear();
        self.here.part.push_str(number);
        self.here.called.clear();
        if self.parts > self.watch.limits.parts {
            self.unparsable(Trouble::Parts);
            return false;
        }
        if let Some(tree) = &mut self.facts.tree {
            self.here.drawn = tree.len();
            tree.push(Part { number: number.to_owned(), ..Part::default() });
        }
        true
    }

    /// The media type of the part that was begun last.
    pub(super) fn media_type(&mut self, media_type: &str) {
        if let Some(part) = self.facts.tree.as_mut().and_then(|tree| tree.get_mut(self.here.drawn)) {
            part.media_type = media_type.chars().take(SHOWN).collect();
        }
    }

    /// Memory for a container, if there is some left.
    pub(super) fn lease(&self, bytes: usize) -> Option<Lease> {
        self.budget.take(bytes)
    }

    /// Speaks of another part from now on; the one so far comes back.
    pub(super) fn here(&mut self, here: Here) -> Here {
        std::mem::replace(&mut self.here, here)
    }

    /// The part of which the walk speaks now, for a message inside it.
    pub(super) fn this_part(&mut self) -> Here {
        // What is held back goes on to the message inside: its header decides.
        let held = self.here.held.take();
        Here { held, ..self.here.clone() }
    }

    /// The number of the part that was begun last.
    pub(super) fn part(&self) -> &str {
        &self.here.part
    }

    /// What the part is called by the first name that it has; empty if it has none.
    pub(super) fn called(&self) -> &str {
        &self.here.called
    }

    /// A state of an inflation that is not needed elsewhere.
    pub(super) fn idle(&mut self) -> Option<Idle> {
        self.idle.take()
    }

    /// Keeps such a state for the next member.
    pub(super) fn put_idle(&mut self, idle: Idle) {
        self.idle = Some(idle);
    }

    /// Takes bytes out of what may be inflated; false when it is used up.
    pub(super) fn inflate(&mut self, bytes: usize) -> bool {
        self.inflated = self.inflated.saturating_add(bytes as u64);
        self.inflated <= self.watch.limits.inflated_bytes
    }

    /// Bytes that are held, without the tree.
    pub(super) fn held(&self) -> usize {
        let finding =
            |finding: &Finding| size_of::<Finding>() + finding.written.len() + finding.reading.len();
        let held = self.here.held.iter().flatten().flatten().map(finding);
        size_of::<Self>() + held.chain(self.facts.findings.iter().flatten().map(finding)).sum::<usize>()
    }

    /// Something cannot be followed.
    pub(super) fn unparsable(&mut self, trouble: Trouble) {
        self.facts.unparsable = Some(self.facts.unparsable.map_or(trouble, |known| known.min(trouble)));
    }

    /// Something is read in different ways.
    pub(super) fn ambiguous(&mut self, trouble: Trouble) {
        self.facts.ambiguous = Some(self.facts.ambiguous.map_or(trouble, |known| known.min(trouble)));
    }

    /// From now on findings are held back: whether the names of a message part count is known only from its body.
    pub(super) fn hold(&mut self) {
        self.release(true);
        self.here.held = Some(vec![Vec::new(); self.watch.rules.len()]);
    }

    /// Keeps the names that were held back, or forgets them.
    pub(super) fn release(&mut self, keep: bool) {
        for (rules, findings) in self.here.held.take().into_iter().flatten().enumerate() {
            for finding in findings.into_iter().filter(|_| keep) {
                self.add(rules, finding);
            }
        }
    }

    /// Whether another name inside an archive would be looked at.
    pub(super) fn has_members_left(&self) -> bool {
        self.members < self.watch.limits.archive_members
    }

    /// A name inside an archive. False when there are too many.
    pub(super) fn member(&mut self, written: &[u8], text: &str) -> bool {
        self.members += 1;
        if self.members > self.watch.limits.archive_members {
            return false;
        }
        self.judge(Place::Archive, written, last(text, MEMBER));
        true
    }

    /// A name of the part in one reading.
    pub(super) fn name(&mut self, place: Place, written: &[u8], text: &str) {
        self.names += 1;
        if self.names > self.watch.limits.names {
            self.unparsable(Trouble::Names);
            return;
        }
        let in_body = matches!(place, Place::Begin | Place::YEnc | Place::MacBinary | Place::Tnef);
        if self.here.called.is_empty() && !in_body {
            self.here.called = shown(text);
        }
        self.judge(place, written, text);
    }

    /// An archive whose names cannot be read, or not all of them.
    pub(super) fn unreadable(&mut self, unreadable: Unreadable) {
        for number in 0..self.watch.rules.len() {
            let treatment = self.watch.rules.get(number).map_or(Treatment::Ignore, |rules| rules.archives);
            self.treat(number, treatment, Place::Archive, Reason::Archive(unreadable));
        }
    }

    /// A piece of a message.
    pub(super) fn partial(&mut self) {
        for number in 0..self.watch.rules.len() {
            let treatment = self.watch.rules.get(number).map_or(Treatment::Ignore, |rules| rules.partial);
            self.treat(number, treatment, Place::Type, Reason::Partial);
        }
    }

    fn treat(&mut self, rules: usize, treatment: Treatment, source: Place, reason: Reason) {
        let banned = match treatment {
            Treatment::Ignore => return,
            Treatment::Mark => false,
            Treatment::Reject => true,
        };
        let (written, reading) = (self.here.called.clone(), self.here.called.clone());
        let finding = Finding { banned, written, reading, reason, part: self.here.part.clone(), source };
        self.add(rules, finding);
    }

    fn judge(&mut self, place: Place, written: &[u8], text: &str) {
        let mut hasher = DefaultHasher::new();
        (place as u8, &self.here.part, text).hash(&mut hasher);
        let hash = hasher.finish();
        if self.judged.contains(&hash) {
            return;
        }
        if self.judged.len() == REMEMBERED {
            self.judged.pop_front();
        }
        self.judged.push_back(hash);
        let forms = forms(text);
        let mut banned_by = Vec::new();
        let watch = self.watch.clone();
        for (number, rules) in watch.rules.iter().enumerate() {
            match rules.judge_forms(&forms) {
                Ok(None) => {}
                Ok(Some(verdict)) => {
                    if verdict.banned {
                        banned_by.push(number);
                    }
                    let finding = Finding {
                        banned: verdict.banned,
                        written: shown(&lenient(written)),
                        reading: shown(text),
                        reason: verdict.reason,
                        part: self.here.part.clone(),
                        source: place,
                    };
                    match self.here.held.as_mut().and_then(|held| held.get_mut(number)) {
                        Some(held) => insert(held, finding, watch.limits.findings),
                        None => self.add(number, finding),
                    }
                }
                Err(reason) => {
                    self.facts.gave_up.get_or_insert(reason);
                }
            }
        }
        self.draw(place, text, banned_by);
    }

    fn add(&mut self, rules: usize, finding: Finding) {
        if let Some(findings) = self.facts.findings.get_mut(rules) {
            insert(findings, finding, self.watch.limits.findings);
        }
    }

    fn draw(&mut self, source: Place, text: &str, banned_by: Vec<usize>) {
        let text = shown(text);
        self.tree_bytes = self.tree_bytes.saturating_add(text.len());
        let Some(tree) = self.facts.tree.as_mut().filter(|_| self.tree_bytes <= TREE_BYTES) else { return };
        if let Some(part) = tree.get_mut(self.here.drawn)
            && part.names.iter().filter(|known| known.source == source).count() < TREE_NAMES
        {
            part.names.push(Reading { source, text, banned_by });
        }
    }
}

/// Keeps a finding in its place, as long as there is room or it comes before another. Two readings of a body go on side
/// by side, and which of them finds something first is chance.
fn insert(findings: &mut Vec<Finding>, finding: Finding, most: usize) {
    if let Err(place) = findings.binary_search_by(|known| known.order(&finding)) {
        findings.insert(place, finding);
        findings.truncate(most);
    }
}

/// So many characters of a name inside an archive are looked at.
const MEMBER: usize = 512;

/// The end of a text, as much as is shown.
fn shown(text: &str) -> String {
    last(text, SHOWN).to_owned()
}

/// The last characters of a text.
fn last(text: &str, characters: usize) -> &str {
    let skipped = text.char_indices().rev().nth(characters - 1).map_or(0, |(at, _)| at);
    text.get(skipped..).unwrap_or_default()
}
