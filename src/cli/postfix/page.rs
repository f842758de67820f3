//! The lines of the printed file: comments that fit a terminal, strings as TOML reads them, and which line holds what.

use super::{
    document::{Item, Place, Value},
    lists::Entry,
};
use crate::smtp::text;
use std::{borrow::Cow, collections::HashSet};

/// The columns of a comment.
const COLUMNS: usize = 78;
/// How much of an entry is shown that is a comment only, in bytes.
const SHOWN: usize = 1_000;

/// The lines as they are written.
#[derive(Default)]
pub(super) struct Page {
    /// The text so far.
    pub(super) text: String,
    /// What can be turned into a comment, by its line.
    pub(super) places: Vec<(u32, Place)>,
    lines: u32,
}

impl Page {
    /// A line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
    }

    /// A paragraph of a comment.
    pub(super) fn comment(&mut self, indent: &str, text: &str) {
        for line in comment(indent, text) {
            self.line(&line);
        }
    }

    /// A key with all that stands above it.
    pub(super) fn item(&mut self, place: Place, item: &Item) {
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
    let lines = text::wrap(&text, COLUMNS - indent.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_toml_reads_them() {
        let cases = [
            ("a b", "\"a b\""),
            ("a\\b\"", "'a\\b\"'"),
            ("it's \\", "\"it's \\\\\""),
            ("\0\u{202e}", "\"\\U00000000\\U0000202e\""),
            ("", "\"\""),
        ];
        for (text, want) in cases {
            assert_eq!(quoted(text), want);
        }
    }
}
