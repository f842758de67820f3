//! The exemptions in SQLite, `allow.db`: a small file that the command line writes and the daemon reads. Each change is a
//! transaction of its own, with SQLite's rollback journal, so that no other file stays beside it.

use crate::{
    allow::{self, Exemption},
    sqlite::{self, Error, File, Kind, Log, Mark, Migration},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::Serialize;
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Exemptions; `ALOW` marks the file.
const KIND: Kind = Kind {
    name: "allow.db",
    application_id: 0x414c_4f57,
    migrations: &[Migration {
        name: "0001_allow",
        sql: include_str!("../../migrations/allow/0001_allow.sql"),
        changes_rows: true,
    }],
    page_size: 4_096,
    cache_kib: 2_000,
    log: Log::Rollback,
};

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
        KIND.mark()
    }

    /// Opens the file; `None` if there is none. A lock of another process is waited for with `patience`.
    ///
    /// # Errors
    /// When it cannot be opened, belongs to another program, or has a newer schema.
    pub fn open(path: &Path, patience: Duration) -> Result<Option<Self>, Error> {
        let (path, identity) = (path.to_owned(), identity(path));
        let connection = sqlite::open_existing(&file(&path, patience), &KIND)?;
        Ok(connection.map(|connection| Self { connection, path, identity }))
    }

    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_make(path: &Path, patience: Duration) -> Result<Self, Error> {
        let connection = sqlite::open(&file(path, patience), &KIND)?;
        Ok(Self { connection, path: path.to_owned(), identity: identity(path) })
    }

    /// Whether the file was deleted, or another has taken its name.
    pub fn has_moved(&self) -> bool {
        identity(&self.path) != self.identity
    }

    /// A number that changes when somebody else changes the file.
    ///
    /// # Errors
    /// When the database fails.
    pub fn version(&self) -> Result<i64, Error> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// All exemptions as they are judged by. Kinds that this version does not know are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn exemptions(&self) -> Result<Vec<Exemption>, Error> {
        let known = |row: Allowed| {
            let Allowed { id, value, expires, .. } = row;
            allow::Kind::from_word(&row.kind).map(|kind| Exemption { id, kind, value, expires })
        };
        Ok(self.list()?.into_iter().filter_map(known).collect())
    }

    /// All exemptions, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(&self) -> Result<Vec<Allowed>, Error> {
        let mut statement = self.connection.prepare("SELECT * FROM allow ORDER BY id")?;
        let rows = statement.query_map([], allowed)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Adds an exemption, or gives one that is there a new reason, author and end: what it is now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add(&self, new: &Allowed) -> Result<Allowed, Error> {
        let Allowed { kind, value, reason, author, created, expires, .. } = new;
        let sql = "INSERT INTO allow (kind, value, reason, author, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (kind, value) DO UPDATE SET reason = ?3, author = ?4, expires = ?6 RETURNING *";
        let values = params![kind, value, reason, author, created.0, expires.map(|at| at.0)];
        Ok(self.connection.query_row(sql, values, allowed)?)
    }

    /// Removes an exemption: what it was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove(&self, id: i64) -> Result<Option<Allowed>, Error> {
        let sql = "DELETE FROM allow WHERE id = ?1 RETURNING *";
        Ok(self.connection.query_row(sql, [id], allowed).optional()?)
    }

    /// Notes how often exemptions were used, all together.
    ///
    /// # Errors
    /// When the database fails: nothing was noted.
    pub fn note(&mut self, hits: &[Hits]) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let sql =
                "UPDATE allow SET hits = hits + ?2, last_hit = max(coalesce(last_hit, 0), ?3) WHERE id = ?1";
            let mut statement = transaction.prepare(sql)?;
            for Hits { id, count, last } in hits {
                statement.execute(params![id, i64::try_from(*count).unwrap_or(i64::MAX), last.0])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// The file of a path. Each change is on disk when the command that made it ends.
fn file(path: &Path, patience: Duration) -> File {
    File { path: path.to_owned(), synchronous: "full", busy_timeout: patience }
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
