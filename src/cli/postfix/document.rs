//! A mailward.toml in the making: lists and settings of which some are comments, and the way to make it load.

use super::{lists::Entry, page::Page};
use crate::config::{self, Files, Loaded, diagnostic::Diagnostic};
use std::collections::HashSet;

/// How often what does not load becomes a comment.
const ROUNDS: usize = 40;
/// How many warnings of a table are shown at the entry that names it.
const NOTES: usize = 3;
/// The name of the file in its own diagnostics.
const NAME: &str = "mailward.toml";

/// The file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// What stands above everything: paragraphs of a comment.
    pub(super) head: Vec<String>,
    /// The sections; the first has no name.
    pub(super) sections: Vec<Section>,
}

/// A section, such as `[restrictions]`.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Its name; empty for the keys before all sections.
    pub(super) name: &'static str,
    /// Its keys.
    pub(super) items: Vec<Item>,
}

/// A key.
#[derive(Debug)]
pub(super) struct Item {
    /// Its name.
    pub(super) key: String,
    /// What stands above it.
    pub(super) comment: String,
    /// What it is set to.
    pub(super) value: Value,
    /// Why it is a comment only.
    pub(super) off: Option<String>,
}

/// What a key is set to.
#[derive(Debug)]
pub(super) enum Value {
    /// As TOML writes it.
    Plain(String),
    /// A list, one entry in a line.
    List(Vec<Entry>),
}

/// Where something stands: section, key, entry.
pub(super) type Place = (usize, usize, Option<usize>);

impl Document {
    /// The text of the file, and what stands in which line.
    fn render(&self) -> (String, Vec<(u32, Place)>) {
        let mut page = Page::default();
        for paragraph in &self.head {
            page.comment("", paragraph);
        }
        for (section, Section { name, items }) in self.sections.iter().enumerate() {
            if items.is_empty() {
                continue;
            }
            if !name.is_empty() {
                page.line("");
                page.line(&format!("[{name}]"));
            }
            for (number, item) in items.iter().enumerate() {
                page.item((section, number, None), item);
            }
        }
        (page.text, page.places)
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        self.render().0
    }

    /// All entries of all lists.
    pub(super) fn items_mut(&mut self) -> impl Iterator<Item = &mut Item> {
        self.sections.iter_mut().flat_map(|section| &mut section.items)
    }

    /// Makes comments of what does not load, with the reason, until the rest does.
    ///
    /// # Errors
    /// The faults that cannot be traced to an entry.
    pub(super) fn settle(&mut self, files: &mut dyn Files) -> Result<(), Vec<Diagnostic>> {
        for _ in 0..ROUNDS {
            let (text, places) = self.render();
            let Loaded { diagnostics, .. } = config::parse(NAME, &text, files);
            let errors: Vec<Diagnostic> = diagnostics.into_iter().filter(Diagnostic::is_error).collect();
            if errors.is_empty() {
                return Ok(());
            }
            let mut changed = false;
            for error in &errors {
                let reason = format!("Not taken over: {}", message(error));
                for place in self.places_of(error, &places) {
                    changed |= self.turn_off(place, &reason);
                }
            }
            if !changed {
                return Err(errors);
            }
        }
        let loaded = config::parse(NAME, &self.text(), files);
        Err(loaded.diagnostics.into_iter().filter(Diagnostic::is_error).collect())
    }

    /// Writes what check-config warns of beside the entries.
    ///
    /// # Errors
    /// The faults of a file that does not load.
    pub(super) fn annotate(&mut self, files: &mut dyn Files) -> Result<(), Vec<Diagnostic>> {
        let (text, places) = self.render();
        let Loaded { config, diagnostics } = config::parse(NAME, &text, files);
        if config.is_none() {
            return Err(diagnostics);
        }
        let mut judged = HashSet::new();
        for warning in &diagnostics {
            for place in self.places_of(warning, &places).into_iter().take(1) {
                let first = judged.insert(place);
                let Some(entry) = self.entry(place) else { continue };
                if first {
                    // What the loader says of an entry is newer than what the importer knows.
                    entry.notes.clear();
                }
                match entry.notes.len() {
                    count if count < NOTES => entry.notes.push(format!("check-config: {}", message(warning))),
                    NOTES => entry.notes.push("`mailward check-config` says more of this table.".to_owned()),
                    _ => {}
                }
            }
        }
        let loaded = config::parse(NAME, &self.text(), files);
        if loaded.config.is_some() { Ok(()) } else { Err(loaded.diagnostics) }
    }

    /// What a diagnostic is about: the line it names, or every entry that names its table.
    fn places_of(&self, diagnostic: &Diagnostic, places: &[(u32, Place)]) -> Vec<Place> {
        let origin = &diagnostic.fault.origin;
        if &*origin.file == NAME {
            // An entry ends on its line, but a list goes on: a fault between its lines is the list's.
            let found = places.binary_search_by_key(&origin.line, |(line, _)| *line);
            return found.map(|at| places[at].1).into_iter().collect();
        }
        let table = format!(":{}", origin.file);
        let active = places.iter().filter(|(_, place)| {
            self.text_of(*place)
                .is_some_and(|text| text.split([' ', ',', '}']).any(|word| names(word, &table)))
        });
        active.map(|(_, place)| *place).collect()
    }

    fn text_of(&self, (section, item, entry): Place) -> Option<&str> {
        match &self.sections[section].items[item].value {
            Value::List(entries) => {
                entry.and_then(|entry| entries.get(entry)).map(|entry| entry.text.as_str())
            }
            Value::Plain(value) => Some(value.trim_matches('"')),
        }
    }

    fn entry(&mut self, (section, item, entry): Place) -> Option<&mut Entry> {
        match &mut self.sections[section].items[item].value {
            Value::List(entries) => entry.and_then(|entry| entries.get_mut(entry)),
            Value::Plain(_) => None,
        }
    }

    fn turn_off(&mut self, place: Place, reason: &str) -> bool {
        let (section, item, _) = place;
        let off = match self.entry(place) {
            Some(entry) => &mut entry.off,
            None => &mut self.sections[section].items[item].off,
        };
        if off.is_some() {
            return false;
        }
        *off = Some(reason.to_owned());
        true
    }
}

/// Whether a word names a table's file, with `table` the file behind a colon; in mynetworks it stands alone.
fn names(word: &str, table: &str) -> bool {
    word.ends_with(table) || word.trim_start_matches('!') == &table[1..]
}

/// A diagnostic as the end of a sentence; what stands in a table carries its place.
fn message(diagnostic: &Diagnostic) -> String {
    let fault = &diagnostic.fault;
    let place = match &*fault.origin.file {
        NAME => String::new(),
        _ => format!("{}: ", fault.origin),
    };
    let help = fault.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let end = if help.ends_with(['?', ':']) { "" } else { "." };
    format!("{place}{}{help}{end}", fault.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Unreadable;
    use std::path::Path;

    /// No file can be read but one, which holds a bad line.
    struct One;

    impl Files for One {
        fn read(&mut self, path: &Path) -> Result<String, Unreadable> {
            if path == Path::new("/bad") {
                Ok("a.example REJCT\n".to_owned())
            } else {
                Err(Unreadable::Because("it is gone".to_owned()))
            }
        }
    }

    fn document(section: &'static str, key: &str, entries: &[&str]) -> Document {
        let entry = |text: &&str| Entry { text: (*text).to_owned(), ..Entry::default() };
        let value = Value::List(entries.iter().map(entry).collect());
        let item = Item { key: key.to_owned(), comment: String::new(), value, off: None };
        Document { head: Vec::new(), sections: vec![Section { name: section, items: vec![item] }] }
    }

    #[test]
    fn what_does_not_load_becomes_a_comment_with_the_reason() {
        let entries = ["check_helo_access hash:/gone", "permit", "check_helo_access hash:/bad"];
        let mut document = document("restrictions", "helo", &entries);
        assert_eq!(document.settle(&mut One), Ok(()));
        let want = "
[restrictions]

helo = [
    # Not taken over: cannot read `/gone`: it is gone.
    #\"check_helo_access hash:/gone\",
    \"permit\",
    # Not taken over: /bad:1: unknown action `REJCT`; did you mean `REJECT`?
    #\"check_helo_access hash:/bad\",
]
";
        assert_eq!(document.text(), want);
    }

    #[test]
    fn a_key_that_does_not_load_goes_as_a_whole_and_what_cannot_be_traced_is_told() {
        let mut class = document("classes", "permit", &["reject"]);
        assert_eq!(class.settle(&mut One), Ok(()));
        assert!(class.text().contains("\n#permit = [\n#\"reject\",\n#]\n"), "{}", class.text());
        let mut unknown = document("nonsense", "a", &[]);
        let faults = unknown.settle(&mut One).unwrap_err();
        assert!(faults[0].to_string().contains("nonsense"), "{faults:?}");
    }
}
