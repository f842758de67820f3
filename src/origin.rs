//! Where a setting, a list element or a table entry was written, and what is wrong with it.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The place in a file where something was written.
///
/// Lines and columns count from 1, columns in characters. Defaults that stand in no file have line 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Origin {
    /// The file as the administrator named it.
    pub file: Arc<str>,
    /// The line, from 1; 0 where there is no line.
    pub line: u32,
    /// The column in characters, from 1; 0 where there is no column.
    pub column: u32,
}

impl Origin {
    /// A place in a file.
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }

    /// The origin of what stands in no file: a built-in default, or a value given on the command line.
    pub fn builtin(what: &'static str) -> Self {
        Self { file: what.into(), line: 0, column: 0 }
    }

    /// The same line, some characters further to the right.
    pub fn right(&self, characters: usize) -> Self {
        let column = self.column.saturating_add(u32::try_from(characters).unwrap_or(u32::MAX));
        Self { file: self.file.clone(), line: self.line, column }
    }
}

/// `file:line`, the form of log lines and traces.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// How bad a [`Fault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot do what was meant, but does no harm; the configuration is used.
    Warning,
    /// The configuration is refused.
    Error,
}

/// An administrator's mistake, found at load: what is wrong, where, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Error or warning.
    pub severity: Severity,
    /// Where the faulty text begins.
    pub origin: Origin,
    /// How many characters are faulty (the carets); at least 1.
    pub width: usize,
    /// What is wrong, naming the thing and the value; lower case, no full stop.
    pub message: String,
    /// The way out, if there is one to name.
    pub help: Option<String>,
}

impl Fault {
    /// An error over `width` characters from `origin`.
    pub fn error(origin: &Origin, width: usize, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            origin: origin.clone(),
            width: width.max(1),
            message: message.into(),
            help: None,
        }
    }

    /// A warning over `width` characters from `origin`.
    pub fn warning(origin: &Origin, width: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, width, message) }
    }

    /// The same fault with the way out.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A word of a list entry and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Where it begins.
    pub origin: Origin,
}

impl Word {
    /// An error about this word.
    pub fn error(&self, message: impl Into<String>) -> Fault {
        Fault::error(&self.origin, self.text.chars().count(), message)
    }
}
