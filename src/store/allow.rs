//! The exemptions in SQLite, `allow.db`: a small file that the command line writes and the daemon reads. Each change is a
//! transaction of its own, with SQLite's rollback journal, so that no other file stays beside it.

use super::{StoreError, sqlite::failed};
use crate::{
    allow::{Exemption, Kind},
    sqlite::Mark,
    time::Timestamp,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use serde::Serialize;
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    time::Duration,
};

/// `ALOW`: marks the file as ours (PRAGMA application_id).
const APPLICATION_ID: i64 = 0x414c_4f57;
/// The permissions of a new file: readable for the group, so that its members can look in with sqlite3.
const MODE: u32 = 0o640;
/// All schema changes; the first leads to schema 1.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/allow/0001_allow.sql")];

/// An exemption with all that is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub kind: String,
    /// Whom it lets in.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub author: String,
    /// When.
    pub created: Timestamp,
    /// Until when; `None` for good.
    pub expires: Option<Timestamp>,
    /// How many decisions it made.
    pub hits: u64,
    /// The last of them.
    pub last_hit: Option<Timestamp>,
}

/// How often an exemption was used since that was last noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The exemption's number.
    pub id: i64,
    /// How many decisions it made.
    pub count: u64,
    /// The time of the last.
    pub last: Timestamp,
}

/// The open file.
#[derive(Debug)]
pub struct AllowFile {
    connection: Connection,
    path: PathBuf,
    /// Device and inode: another file may take the name.
    identity: Option<(u64, u64)>,
}

impl AllowFile {
    /// What the file is recognised by.
    pub fn mark() -> Mark {
        Mark { application_id: APPLICATION_ID, schema: i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX) }
    }

    /// Opens the file; `None` if there is none. A lock of another process is waited for with `patience`.
    ///
    /// # Errors
    /// When it cannot be opened, belongs to another program, or has a newer schema.
    pub fn open(path: &Path, patience: Duration) -> Result<Option<Self>, StoreError> {
        match fs::metadata(path) {
            Ok(_) => Self::opened(path, patience).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::CannotOpen(path.to_owned(), e.to_string())),
        }
    }

    /// Opens the file, and makes it where there is none: as the owner of its directory, who is the daemon.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_make(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let cannot = |e: std::io::Error| StoreError::CannotOpen(path.to_owned(), e.to_string());
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory {
            // Where that fails, opening says why.
            let _ = fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
        }
        match fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
            Ok(_) => {
                let owner = fs::metadata(directory.unwrap_or(Path::new("."))).map_err(cannot)?;
                if rustix::process::geteuid().is_root() {
                    chown(path, Some(owner.uid()), Some(owner.gid())).map_err(cannot)?;
                }
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(cannot(e)),
        }
        Self::opened(path, patience)
    }

    fn opened(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let identity = identity(path);
        let mut connection = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
        connection.busy_timeout(patience).map_err(|e| failed(&e))?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let found = pragma("user_version").map_err(|e| failed(&e))?;
        let application = pragma("application_id").map_err(|e| failed(&e))?;
        let tables = "SELECT count(*) FROM sqlite_master";
        let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(|e| failed(&e))?;
        if application != APPLICATION_ID && (application != 0 || tables != 0) {
            return Err(StoreError::Foreign(path.to_owned()));
        }
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(StoreError::Newer { path: path.to_owned(), found, known });
        }
        if found < known {
            migrate(&mut connection).map_err(|e| failed(&e))?;
        }
        connection.pragma_update(None, "trusted_schema", "off").map_err(|e| failed(&e))?;
        Ok(Self { connection, path: path.to_owned(), identity })
    }

    /// Whether the file was deleted, or another has taken its name.
    pub fn has_moved(&self) -> bool {
        identity(&self.path) != self.identity
    }

    /// A number that changes when somebody else changes the file.
    ///
    /// # Errors
    /// When the database fails.
    pub fn version(&self) -> Result<i64, StoreError> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|e| failed(&e))
    }

    /// All exemptions as they are judged by. Kinds that this version does not know are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn exemptions(&self) -> Result<Vec<Exemption>, StoreError> {
        let known = |row: Allowed| {
            let Allowed { id, value, expires, .. } = row;
            Kind::from_word(&row.kind).map(|kind| Exemption { id, kind, value, expires })
        };
        Ok(self.list()?.into_iter().filter_map(known).collect())
    }

    /// All exemptions, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(&self) -> Result<Vec<Allowed>, StoreError> {
        let list = || {
            let mut statement = self.connection.prepare("SELECT * FROM allow ORDER BY id")?;
            let rows = statement.query_map([], allowed)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        list().map_err(|e| failed(&e))
    }

    /// Adds an exemption, or gives one that is there a new reason, author and end: what it is now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add(&self, new: &Allowed) -> Result<Allowed, StoreError> {
        let Allowed { kind, value, reason, author, created, expires, .. } = new;
        let sql = "INSERT INTO allow (kind, value, reason, author, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (kind, value) DO UPDATE SET reason = ?3, author = ?4, expires = ?6 RETURNING *";
        let values = params![kind, value, reason, author, created.0, expires.map(|at| at.0)];
        self.connection.query_row(sql, values, allowed).map_err(|e| failed(&e))
    }

    /// Removes an exemption: what it was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove(&self, id: i64) -> Result<Option<Allowed>, StoreError> {
        let sql = "DELETE FROM allow WHERE id = ?1 RETURNING *";
        self.connection.query_row(sql, [id], allowed).optional().map_err(|e| failed(&e))
    }

    /// Notes how often exemptions were used, all together.
    ///
    /// # Errors
    /// When the database fails: nothing was noted.
    pub fn note(&mut self, hits: &[Hits]) -> Result<(), StoreError> {
        let mut note = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let sql = "UPDATE allow SET hits = hits + ?2, last_hit = max(coalesce(last_hit, 0), ?3) WHERE id = ?1";
                let mut statement = transaction.prepare(sql)?;
                for Hits { id, count, last } in hits {
                    statement.execute(params![id, i64::try_from(*count).unwrap_or(i64::MAX), last.0])?;
                }
            }
            transaction.commit()
        };
        note().map_err(|e| failed(&e))
    }
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in (1_i64..).zip(MIGRATIONS).filter(|(number, _)| *number > done) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// A row, which anybody may have written with sqlite3.
fn allowed(row: &Row<'_>) -> rusqlite::Result<Allowed> {
    let hits: i64 = row.get("hits")?;
    Ok(Allowed {
        id: row.get("id")?,
        kind: row.get("kind")?,
        value: row.get("value")?,
        reason: row.get("reason")?,
        author: row.get("author")?,
        created: Timestamp(row.get("created")?),
        expires: row.get::<_, Option<i64>>("expires")?.map(Timestamp),
        hits: u64::try_from(hits).unwrap_or(0),
        last_hit: row.get::<_, Option<i64>>("last_hit")?.map(Timestamp),
    })
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
