//! Where restrictions get their tables from: each is read once, its faults shown in its own lines.

use super::{Files, faults::Faults, text::Text, words};
use crate::{
    decision::action::ClassId,
    header_checks::HeaderTable,
    origin::{Fault, Origin, Word},
    restriction::args::Tables,
    table::{AccessTable, Source, texts::TextTable},
};
use std::{collections::HashMap, path::Path, rc::Rc, sync::Arc};

/// The largest file whose text is kept after its table is loaded, in bytes: what the restriction that uses the table
/// has to say about it then shows its line.
const KEPT: usize = 8 << 20;

/// A restriction list on the right-hand side of a table. It is built after the tables, so that it may name the very
/// table in which it stands.
#[derive(Clone, Debug)]
pub(super) struct RightHand {
    /// The list.
    pub(super) list: Word,
    /// The file it stands in, if that is at hand.
    pub(super) text: Option<Rc<Text>>,
}

/// Reads and keeps tables while restrictions are made.
pub(super) struct Loader<'a> {
    /// The configuration.
    pub(super) text: Rc<Text>,
    /// What is wrong so far.
    pub(super) faults: Faults,
    /// How many classes `[classes]` defines: right-hand sides are numbered behind them.
    pub(super) classes: usize,
    /// The right-hand sides in the order of their numbers.
    pub(super) right_hands: Vec<RightHand>,
    /// The classes that `[classes]` defines.
    pub(super) names: HashMap<String, ClassId>,
    /// `parent_domain_matches_subdomains`.
    pub(super) parents: bool,
    files: &'a mut dyn Files,
    /// Every table by its `type:name`, or why there is none.
    tables: HashMap<String, Result<Arc<AccessTable>, Fault>>,
    header_tables: HashMap<String, Result<Arc<HeaderTable>, Fault>>,
    /// By its text and its place: each keeps its own origin.
    interned: HashMap<(String, Origin), ClassId>,
    /// The files that were read, for the lines of diagnostics.
    texts: Vec<Rc<Text>>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(text: Rc<Text>, faults: Faults, files: &'a mut dyn Files) -> Self {
        Self {
            text,
            faults,
            classes: 0,
            right_hands: Vec::new(),
            names: HashMap::new(),
            parents: true,
            files,
            tables: HashMap::new(),
            header_tables: HashMap::new(),
            interned: HashMap::new(),
            texts: Vec::new(),
        }
    }

    /// Loads a table of texts. Faults within are reported here; an `Err` is about the word.
    pub(super) fn texts(&mut self, word: &Word) -> Result<Arc<TextTable>, Fault> {
        TextTable::load(word, self).map(Arc::new)
    }

    fn text_of(&self, origin: &Origin) -> Option<Rc<Text>> {
        let mut texts = self.texts.iter().chain([&self.text]);
        texts.find(|text| text.name == origin.file).cloned()
    }
}

impl Tables for Loader<'_> {
    fn table(&mut self, word: &Word) -> Result<Arc<AccessTable>, Fault> {
        if let Some(known) = self.tables.get(&word.text) {
            // The same table at another place is wrong there too.
            return known.clone().map_err(|fault| Fault { origin: word.origin.clone(), ..fault });
        }
        let loaded = AccessTable::load(word, self).map(Arc::new);
        self.texts.retain(|text| text.text.len() <= KEPT);
        self.tables.insert(word.text.clone(), loaded.clone());
        loaded
    }

    fn header_table(&mut self, word: &Word) -> Result<Arc<HeaderTable>, Fault> {
        if let Some(known) = self.header_tables.get(&word.text) {
            return known.clone().map_err(|fault| Fault { origin: word.origin.clone(), ..fault });
        }
        let loaded = HeaderTable::load(word, self).map(Arc::new);
        self.texts.retain(|text| text.text.len() <= KEPT);
        self.header_tables.insert(word.text.clone(), loaded.clone());
        loaded
    }

    fn warn(&mut self, fault: Fault) {
        Source::fault(self, fault);
    }
}

impl Source for Loader<'_> {
    fn read(&mut self, path: &str) -> Result<String, String> {
        let text = self.files.read(Path::new(path)).map_err(|reason| reason.to_string())?;
        self.texts.push(Rc::new(Text::new(path, text.clone())));
        Ok(text)
    }

    fn class(&mut self, list: &str, origin: &Origin) -> ClassId {
        // A million entries that name the same class need no list each.
        if let Some(class) = self.names.get(list.trim()) {
            return *class;
        }
        let key = (list.to_owned(), origin.clone());
        if let Some(known) = self.interned.get(&key) {
            return *known;
        }
        let id = ClassId(self.classes + self.right_hands.len());
        let word = Word { text: list.to_owned(), origin: origin.clone() };
        self.right_hands.push(RightHand { list: word, text: self.text_of(origin) });
        self.interned.insert(key, id);
        id
    }

    fn fault(&mut self, fault: Fault) {
        if fault.origin.file == self.text.name {
            let text = self.text.clone();
            return self.faults.here(fault, &text);
        }
        let text = self.text_of(&fault.origin);
        self.faults.push(fault, text.as_deref());
    }

    fn parents(&self) -> bool {
        self.parents
    }

    fn pieces(&self, word: &Word) -> Vec<(usize, Origin)> {
        if word.origin.file != self.text.name { Vec::new() } else { words::pieces(word, &self.text) }
    }
}
