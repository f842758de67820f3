//! A [`Source`] in memory, for tests.

use super::{AccessTable, Source};
use crate::{
    decision::action::ClassId,
    origin::{Fault, Origin, Severity, Word},
};
use std::collections::HashMap;

/// Files, and what came out of them.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) files: HashMap<&'static str, String>,
    pub(crate) dotted: bool,
    pub(crate) classes: Vec<String>,
    pub(crate) faults: Vec<Fault>,
}

impl Memory {
    /// Loads a table of one file, called `t`.
    pub(crate) fn load(&mut self, kind: &str, text: &str) -> AccessTable {
        self.files.insert("t", text.to_owned());
        AccessTable::load(&word(&format!("{kind}:t")), self).unwrap()
    }

    /// The faults as `file:line:column+width severity: message (help)`.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.faults.iter().map(message).collect()
    }
}

impl Source for Memory {
    fn read(&mut self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "No such file or directory".to_owned())
    }

    fn class(&mut self, list: &str, origin: &Origin) -> ClassId {
        self.classes.push(format!("{list} at {origin}:{}", origin.column));
        ClassId(self.classes.len() - 1)
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn parents(&self) -> bool {
        !self.dotted
    }
}

/// A word of the configuration.
pub(crate) fn word(text: &str) -> Word {
    Word { text: text.to_owned(), origin: Origin::new("m.toml", 3, 5) }
}

/// A fault in one line.
pub(crate) fn message(fault: &Fault) -> String {
    let Fault { severity, origin, width, message, help } = fault;
    let severity = match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let help = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}:{}:{}+{width} {severity}: {message}{help}", origin.file, origin.line, origin.column)
}
