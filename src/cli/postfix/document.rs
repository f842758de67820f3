//! A mailward.toml in the making: lists and settings of which some are comments, and the way to make it load.

use super::lists::Entry;
use crate::{
    config::{self, Files, Loaded, diagnostic::Diagnostic, keys},
    smtp::text,
};
use std::{borrow::Cow, collections::HashSet};

/// The columns of a comment.
const COLUMNS: usize = 78;
/// How often what does not load becomes a comment.
const ROUNDS: usize = 40;
/// How many warnings of a table are shown at the entry that names it.
const NOTES: usize = 3;
/// How much of an entry is shown that is a comment only, in bytes.
const SHOWN: usize = 1_000;
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
type Place = (usize, usize, Option<usize>);

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
                .is_some_and(|text| text.split([' ', ',', '}']).any(|word| word.ends_with(&table)))
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

/// The lines as they are written.
#[derive(Default)]
struct Page {
    text: String,
    lines: u32,
    places: Vec<(u32, Place)>,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
    }

    fn comment(&mut self, indent: &str, text: &str) {
        for line in comment(indent, text) {
            self.line(&line);
        }
    }

    fn item(&mut self, place: Place, item: &Item) {
        let Item { key, comment, value, off } = item;
        self.line("");
        if !comment.is_empty() {
            self.comment("", comment);
        }
        if let Some(off) = off {
            self.comment("", off);
        }
        let sign = if off.is_some() { "#" } else { "" };
        let (section, number, _) = place;
        match value {
            Value::Plain(value) => {
                if off.is_none() {
                    self.places.push((self.lines + 1, place));
                }
                self.line(&format!("{sign}{} = {}", name(key), shown(value, off.is_some())));
            }
            Value::List(entries) => {
                if off.is_none() {
                    self.places.push((self.lines + 1, place));
                }
                self.line(&format!("{sign}{} = [", name(key)));
                self.entries(sign, (section, number), entries);
                self.line(&format!("{sign}]"));
            }
        }
    }

    fn entries(&mut self, sign: &str, (section, item): (usize, usize), entries: &[Entry]) {
        let mut before = None;
        // What was said once of a list need not be said at each of its uses.
        let mut told = HashSet::new();
        let indent = if sign.is_empty() { "    " } else { "" };
        for (number, entry) in entries.iter().enumerate() {
            let Entry { text, was, off, notes, .. } = entry;
            if let Some(off) = off.as_ref().filter(|off| before != Some(*off)) {
                self.comment(indent, off);
            }
            before = off.as_ref();
            for note in notes {
                if told.insert(note) {
                    self.comment(indent, note);
                }
            }
            let is_comment = off.is_some() || !sign.is_empty();
            let mark = if is_comment { "#" } else { "" };
            let line = format!("{indent}{mark}{},", shown(&quoted(text), is_comment));
            let was = was
                .as_ref()
                .map(|was| format!("  # was: {}", text::printable(text::cut(was, SHOWN), '?')))
                .unwrap_or_default();
            // Beyond the terminal's edge nobody reads it: then it stands above.
            let fits = line.chars().count() + was.chars().count() <= COLUMNS + 2;
            if !fits && !was.is_empty() {
                self.comment(indent, was.trim_start_matches([' ', '#']));
            }
            if !is_comment {
                self.places.push((self.lines + 1, (section, item, Some(number))));
            }
            self.line(&if fits { format!("{line}{was}") } else { line });
        }
    }
}

/// A paragraph as the lines of a comment; an empty one is a lone `#`.
pub(super) fn comment(indent: &str, text: &str) -> Vec<String> {
    let text = text::printable(text::cut(text, SHOWN), '?');
    let lines = keys::wrap(&text, COLUMNS - indent.len());
    if lines.is_empty() {
        return vec![format!("{indent}#")];
    }
    lines.into_iter().map(|line| format!("{indent}# {line}")).collect()
}

/// A key as TOML writes it.
fn name(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { quoted(key) }
}

/// A string as TOML writes it: between single quotes where that saves escapes.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |text: &str| matches!(text::printable(text, '?'), Cow::Borrowed(_));
    if is_plain(text) && !text.contains('\'') && text.contains(['\\', '"']) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_plain(c.encode_utf8(&mut [0; 4])) => out.push(c),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// A value as it is shown: in a comment only its beginning.
fn shown(value: &str, is_comment: bool) -> String {
    if !is_comment || value.len() <= SHOWN {
        return value.to_owned();
    }
    format!("{}…", text::cut(value, SHOWN))
}
