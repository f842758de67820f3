//! Tables of fixed strings: the text files that postmap(1) reads, without postmap.

use super::{
    Source,
    action::Entry,
    keys,
    lines::{self, Line},
    right_hand,
    template::Groups,
};
use std::{
    collections::{HashMap, hash_map},
    ops::Range,
};

/// Keys in lower case, each with its entry.
#[derive(Debug, Default)]
pub struct Fixed {
    entries: HashMap<Box<str>, Entry>,
    longest: usize,
}

/// What happens to the second entry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It is left out with a warning, as postmap does.
    Warn,
    /// Postfix would not use the table at all: `texthash:`.
    Refuse,
}

impl Fixed {
    /// Reads a file: key, white space, action.
    ///
    /// Postfix: postmap leaves out a key without an action; here: an error, because the entry is missed.
    pub fn parse(file: &str, text: &str, duplicates: Duplicates, source: &mut dyn Source) -> Self {
        let mut table = Self::default();
        lines::each(file, text, source, |line, source| {
            let Some((key, span, rest)) = key(line, 0..line.text.len(), source) else { return };
            let action = line.trim(rest..line.text.len());
            if key.is_empty() {
                source.fault(line.error(span, "an empty key"));
            } else if action.is_empty() {
                let fault = line.error(span, format!("key `{key}` has no action"));
                source.fault(fault.help("write the action behind it, such as `OK`, `DUNNO` or `REJECT`"));
            } else if let Some(entry) = right_hand::parse(line, action, Groups::Plain, source) {
                warn_about_colon(&key, line, &span, source);
                table.insert(&key, entry, line, span, duplicates, source);
            }
        });
        table
    }

    /// Adds an entry unless its key is there.
    pub fn insert(
        &mut self,
        key: &str,
        entry: Entry,
        line: &Line,
        span: Range<usize>,
        duplicates: Duplicates,
        source: &mut dyn Source,
    ) {
        let key = key.to_lowercase();
        if let Some(fault) = keys::never(&key, line, span.clone(), source.parents()) {
            source.fault(fault);
        }
        self.longest = self.longest.max(key.len());
        match self.entries.entry(key.into()) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
            }
            hash_map::Entry::Occupied(first) => {
                let (key, place) = (first.key(), &first.get().origin);
                source.fault(match duplicates {
                    Duplicates::Warn => line
                        .warning(span, format!("key `{key}` stands at {place} already; that entry counts"))
                        .help("remove one of the two"),
                    Duplicates::Refuse => line
                        .error(span, format!("key `{key}` stands at {place} already"))
                        .help("remove one of the two; Postfix would not use this texthash: table at all"),
                });
            }
        }
    }

    /// The entry of a key that is in lower case.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        // A name of many labels is asked for once per label: what is too long is not even hashed.
        if key.len() > self.longest { None } else { self.entries.get(key) }
    }

    /// All entries, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

/// postmap's warning about lines of an aliases(5) file.
fn warn_about_colon(key: &str, line: &Line, span: &Range<usize>, source: &mut dyn Source) {
    let Some(bare) = key.strip_suffix(':') else { return };
    if bare.contains(':') {
        return;
    }
    let fault = line.warning(span.clone(), format!("key `{key}` ends with a colon; is this an alias file?"));
    source.fault(fault.help(format!("write `{bare}`")));
}

/// The key that begins at `span`, where it stands, and where the rest begins: a word, or a text in quotes in which a
/// backslash takes the next character as it is.
pub fn key(
    line: &Line,
    span: Range<usize>,
    source: &mut dyn Source,
) -> Option<(String, Range<usize>, usize)> {
    let text = &line.text[span.clone()];
    if !text.starts_with('"') {
        let end = span.start + text.find([' ', '\t']).unwrap_or(text.len());
        return Some((line.text[span.start..end].to_owned(), span.start..end, end));
    }
    let mut key = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => {
                let end = span.start + at + 1;
                return Some((key, span.start..end, end));
            }
            '\\' => key.extend(characters.next().map(|(_, c)| c)),
            c => key.push(c),
        }
    }
    source.fault(line.error(span, "the quote is not closed").help("end the key with `\"`"));
    None
}
