//! Why nothing can be read of what is to be imported: the file cannot be read, or it is not what it was said to be.

use crate::{
    cli::{Exit, Failure},
    smtp::text::escaped,
    sqlite,
};
use std::path::Path;

/// Why, in words for whoever named the file.
pub(super) enum Unreadable {
    /// It cannot be read.
    File(String),
    /// There is nothing in it that this format has.
    Content(String),
}

impl Unreadable {
    /// The same of one file among several.
    pub(super) fn of(self, name: &str) -> Self {
        match self {
            Self::File(why) => Self::File(format!("{name}: {why}")),
            Self::Content(why) => Self::Content(format!("{name}: {why}")),
        }
    }

    /// What the command says of it.
    pub(super) fn failure(self, file: &Path) -> Failure {
        let (exit, why) = match self {
            Self::File(why) => (Exit::InputOutput, why),
            Self::Content(why) => (Exit::Data, why),
        };
        Failure::Says(exit, format!("{}: {}", file.display(), escaped(&why)))
    }
}

/// Words about the content.
impl<T: Into<String>> From<T> for Unreadable {
    fn from(why: T) -> Self {
        Self::Content(why.into())
    }
}

/// A database of SQLite that is none, or that cannot be read.
pub(super) fn database(error: rusqlite::Error) -> Unreadable {
    let error = sqlite::Error::from(error);
    match error.trouble() {
        Some(sqlite::Trouble::Locked | sqlite::Trouble::Disk | sqlite::Trouble::CannotOpen) => {
            Unreadable::File(error.words().to_owned())
        }
        Some(_) | None => Unreadable::Content(error.words().to_owned()),
    }
}
