//! A database file of ours in SQLite: made, recognised, brought up to date by numbered migrations, and what its faults
//! are called. What the tables hold is for whoever opens the file.

mod look;
mod open;

pub use look::{Contents, Mark, Soundness, look};
pub use open::{check, open, open_as_it_is, open_beside, open_existing, open_to_read};

use rusqlite::{Connection, ErrorCode, FileControl};
use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A kind of database file.
#[derive(Debug)]
pub struct Kind {
    /// What it is called in the log: `the journal`, `the greylist`.
    pub name: &'static str,
    /// Marks a file as ours (PRAGMA application_id).
    pub application_id: i64,
    /// All schema changes; the first leads to schema 1.
    pub migrations: &'static [Migration],
    /// PRAGMA page_size of a new file, in bytes.
    pub page_size: u32,
    /// PRAGMA cache_size of the writer, in KiB.
    pub cache_kib: u32,
    /// How its changes are kept until they are in the file.
    pub log: Log,
}

/// Where changes stand first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// In a log beside the file: readers and the writer do not wait for one another.
    Ahead {
        /// PRAGMA wal_autocheckpoint: with so many pages in it the writer itself copies it back.
        pages: u32,
    },
    /// In SQLite's rollback journal: for a small file that changes rarely, since no other file stays beside it.
    Rollback,
}

/// A schema change.
#[derive(Debug)]
pub struct Migration {
    /// Its name.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
    /// Whether rows change, so that a copy of the file is kept; not for what is only found faster.
    pub changes_rows: bool,
}

/// A file and how it is opened.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path.
    pub path: PathBuf,
    /// SQLite's word for how sure a commit is on disk: `off`, `normal`, `full`.
    pub synchronous: &'static str,
    /// How long a lock of another process is waited for.
    pub busy_timeout: Duration,
}

/// Why a database cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be opened or made.
    CannotOpen(PathBuf, String),
    /// Its schema is newer than this program knows.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The highest number known.
        known: i64,
    },
    /// Its schema is older, and only the daemon may bring it up to date.
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The number wanted.
        known: i64,
    },
    /// It belongs to another program.
    Foreign(PathBuf),
    /// The database failed: in our words, and in SQLite's.
    Failed(Trouble, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotOpen(path, why) => write!(f, "cannot open {}: {why}", path.display()),
            Self::Newer { path, found, known } => write!(
                f,
                "{} has schema {found}, this version knows {known}: it was written by a newer mailward",
                path.display()
            ),
            Self::Older { path, found, known } => write!(
                f,
                "{} has schema {found}, this version works with {known}: the daemon of this version brings it up to date",
                path.display()
            ),
            Self::Foreign(path) => write!(f, "{} is the database of another program", path.display()),
            Self::Failed(trouble, why) => write!(f, "{trouble}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// What is wrong, in a few words; the same fault has the same words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::CannotOpen(..) => "cannot be opened",
            Self::Newer { .. } => "newer schema",
            Self::Older { .. } => "older schema",
            Self::Foreign(_) => "another program's database",
            Self::Failed(trouble, _) => trouble.words(),
        }
    }

    /// What kind of failure of the database it is.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Failed(trouble, _) => Some(*trouble),
            Self::CannotOpen(..) | Self::Newer { .. } | Self::Older { .. } | Self::Foreign(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let trouble = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Locked,
            Some(ErrorCode::DiskFull) => Trouble::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Trouble::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Corrupt,
            Some(ErrorCode::CannotOpen) => Trouble::CannotOpen,
            Some(ErrorCode::SystemIoFailure) => Trouble::Disk,
            Some(ErrorCode::OutOfMemory) => Trouble::Memory,
            _ => Trouble::Other,
        };
        Self::Failed(trouble, error.to_string())
    }
}

/// How a database failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another process holds a lock.
    Locked,
    /// The disk is full.
    Full,
    /// It cannot be written.
    ReadOnly,
    /// It is no database, or a broken one.
    Corrupt,
    /// The file went away, or its directory.
    CannotOpen,
    /// The disk fails.
    Disk,
    /// Out of memory.
    Memory,
    /// Anything else.
    Other,
}

impl Trouble {
    /// The failure that these words are for.
    pub fn from_words(words: &str) -> Option<Self> {
        let all = [
            Self::Locked,
            Self::Full,
            Self::ReadOnly,
            Self::Corrupt,
            Self::CannotOpen,
            Self::Disk,
            Self::Memory,
            Self::Other,
        ];
        all.into_iter().find(|trouble| trouble.words() == words)
    }

    /// What is wrong, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Locked => "the database is locked",
            Self::Full => "the disk is full",
            Self::ReadOnly => "the database is read-only",
            Self::Corrupt => "the database is corrupt",
            Self::CannotOpen => "the database cannot be opened",
            Self::Disk => "the disk fails",
            Self::Memory => "out of memory",
            Self::Other => "the database fails",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Whether the file of an open connection was deleted or replaced.
pub fn has_moved(connection: &Connection) -> bool {
    let mut moved = 0;
    connection.file_control(None::<&str>, FileControl::HasMoved(&mut moved)).is_ok() && moved != 0
}

/// Keeps a corrupt file, with its log, for whoever wants to look into it: under the name that comes back.
///
/// # Errors
/// What cannot be moved, and why.
pub fn move_aside(path: &Path, now: i64) -> Result<PathBuf, String> {
    let end = format!(".corrupt-{now}");
    for part in ["", "-wal", "-shm"] {
        let (from, to) = (sidecar(path, part), sidecar(path, &format!("{end}{part}")));
        if from.exists() {
            fs::rename(&from, &to).map_err(|e| format!("cannot move {} aside: {e}", from.display()))?;
        }
    }
    Ok(sidecar(path, &end))
}

/// The path with something behind its name: `journal.db-wal`.
pub fn sidecar(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}
