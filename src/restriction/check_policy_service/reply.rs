//! The action that a policy service answers, read as the right-hand side of an access table.

use crate::{
    decision::action::ClassId,
    origin::{Fault, Origin, Severity, Word},
    table::{
        Source,
        action::{Entry, Says},
        lines::Line,
        right_hand,
        template::Groups,
    },
};
use std::collections::HashMap;

/// What stands for a class that there is not; it never leaves this file.
const NO_CLASS: ClassId = ClassId(usize::MAX);

/// Reads an action that stands in the configuration.
///
/// # Errors
/// When it is neither an action that a milter can carry out nor a class.
pub(super) fn read(word: &Word, classes: &HashMap<String, ClassId>) -> Result<Entry, Fault> {
    let line = Line::of_word(word);
    let mut answer = Answer { classes, fault: None };
    let entry = right_hand::parse(&line, 0..line.text.len(), Groups::Plain, &mut answer);
    match (entry, answer.fault) {
        (Some(Entry { says: Says::Class(NO_CLASS), .. }), _) | (None, None) => {
            Err(word.error(format!("`{}` is neither an action nor a class", word.text)))
        }
        (None, Some(fault)) => Err(fault),
        (Some(entry), _) => Ok(entry),
    }
}

/// As [`read`], for what a service answered; `origin` is that of the entry. Nothing is DUNNO, as in Postfix.
pub(super) fn read_text(
    text: &str,
    origin: &Origin,
    classes: &HashMap<String, ClassId>,
) -> Result<Entry, Fault> {
    if text.trim().is_empty() {
        return Ok(Entry { origin: origin.clone(), says: Says::Dunno });
    }
    read(&Word { text: text.to_owned(), origin: origin.clone() }, classes)
}

/// An answer reaches no file, defines no class, and its faults are not the configuration's.
struct Answer<'a> {
    classes: &'a HashMap<String, ClassId>,
    fault: Option<Fault>,
}

impl Source for Answer<'_> {
    fn read(&mut self, path: &str) -> Result<String, String> {
        Err(format!("`{path}` is not read for an answer"))
    }

    fn class(&mut self, list: &str, _: &Origin) -> ClassId {
        self.classes.get(list).copied().unwrap_or(NO_CLASS)
    }

    fn fault(&mut self, fault: Fault) {
        if fault.severity == Severity::Error {
            self.fault = Some(fault);
        }
    }

    fn parents(&self) -> bool {
        true
    }
}
