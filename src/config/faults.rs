//! The faults of one load, collected: bounded, in the order of the files, each with its source line.

use super::{diagnostic::Diagnostic, text::Text, words::Token};
use crate::origin::{Fault, Origin, Severity, Word};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// How many errors, and how many warnings, are kept; the rest are counted.
const LIMIT: usize = 500;
/// The shortest word that can be the beginning of a longer one, in characters.
const BEGINNING: usize = 8;
/// The longest word for which a suggestion is looked for, in bytes.
const SUGGESTION_LIMIT: usize = 64;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Lines of the configuration with a syntax error: what else seems wrong in them is a consequence.
    broken: HashSet<u32>,
    /// Words with escapes, by line and column: how long they are, and how long they are in the file.
    escaped: HashMap<(u32, u32), (usize, usize)>,
}

impl Faults {
    /// Takes a syntax error.
    pub(super) fn syntax(&mut self, fault: Fault, text: &Text) {
        if self.broken.insert(fault.origin.line) {
            self.push(fault, Some(text));
        }
    }

    /// Remembers a word that is longer in the file than by itself, so that the carets cover all of it.
    pub(super) fn written(&mut self, token: &Token) {
        let Word { text, origin } = &token.word;
        let width = text.chars().count();
        if token.width != width {
            self.escaped.insert((origin.line, origin.column), (width, token.width));
        }
        token.group.iter().flatten().for_each(|token| self.written(token));
    }

    /// Whether a syntax error stands in this line of the configuration.
    pub(super) fn is_broken(&self, origin: &Origin) -> bool {
        self.broken.contains(&origin.line)
    }

    /// Takes a fault in the configuration itself.
    pub(super) fn here(&mut self, mut fault: Fault, text: &Text) {
        if let Some((width, written)) = self.escaped.get(&(fault.origin.line, fault.origin.column))
            && *width == fault.width
        {
            fault.width = *written;
        }
        if !self.is_broken(&fault.origin) {
            self.push(fault, Some(text));
        }
    }

    /// Takes any fault; `text` is the file that it is in, if that is at hand.
    pub(super) fn push(&mut self, fault: Fault, text: Option<&Text>) {
        let count = match fault.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= LIMIT {
            self.found.push(Diagnostic::new(fault, text));
        }
    }

    /// Whether further errors are only counted: nothing need be looked up for them.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= LIMIT
    }

    /// Whether the configuration is refused.
    pub(super) fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// All faults: those of the configuration first, then file by file, each by line.
    pub(super) fn finish(mut self, name: &str) -> Vec<Diagnostic> {
        let mut files: Vec<Arc<str>> = vec![name.into()];
        for diagnostic in &self.found {
            if !files.contains(&diagnostic.fault.origin.file) {
                files.push(diagnostic.fault.origin.file.clone());
            }
        }
        let place = |origin: &Origin| files.iter().position(|file| *file == origin.file);
        self.found.sort_by_cached_key(|found| {
            let origin = &found.fault.origin;
            (place(origin), origin.line, origin.column)
        });
        self.found.dedup();
        let whole = Origin::new(name, 0, 0);
        for (count, word) in [(self.errors, "errors"), (self.warnings, "warnings")] {
            if count > LIMIT {
                let message = format!("{} more {word} are not shown", count - LIMIT);
                let make = if word == "errors" { Fault::error } else { Fault::warning };
                self.found.push(Diagnostic::new(make(&whole, 1, message), None));
            }
        }
        self.found
    }
}

/// The known word that is most like an unknown one, if any is like it: misspelt, or misspelt and cut off.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > SUGGESTION_LIMIT {
        return None;
    }
    let folded = word.to_lowercase().replace('-', "_");
    let distance = |candidate: &str| {
        let whole = strsim::damerau_levenshtein(&folded, candidate);
        let begins = [folded.len().saturating_sub(1), folded.len(), folded.len() + 1];
        let begun =
            begins.iter().filter(|_| folded.len() >= BEGINNING).filter_map(|length| candidate.get(..*length));
        let begun = begun.map(|begin| strsim::damerau_levenshtein(&folded, begin) + 1).min();
        begun.map_or(whole, |begun| begun.min(whole))
    };
    let limit = folded.chars().count() / 4 + 1;
    known.map(|known| (distance(known), known)).filter(|(far, _)| *far <= limit).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near_or_none() {
        let known = ["reject_unknown_helo_hostname", "reject_unknown_sender_domain", "permit", "reject"];
        let cases = [
            ("reject_unknown_hlo", Some("reject_unknown_helo_hostname")),
            ("reject_unknown_sender_domian", Some("reject_unknown_sender_domain")),
            ("reject-unknown-sender-domain", Some("reject_unknown_sender_domain")),
            ("Permitt", Some("permit")),
            ("greylist", None),
            ("", None),
        ];
        for (word, want) in cases {
            assert_eq!(did_you_mean(word, known.into_iter()), want, "{word}");
        }
    }
}
