//! Reading the journal, whether the daemon runs or not: what can be found by an address, a name or an id, and all rows
//! of a time.

mod brief;
mod query;
mod search;

pub use brief::{Asked, Brief, BriefStep, Heard, Steps};
pub use query::Query;

use super::{KIND, Mask, Row, open, row::COLUMNS, stored::Stored, terms::SPAN};
use crate::{
    sqlite::{self, Error},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension};
use search::Tail;
use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    path::Path,
};

/// An entry of a restriction list, as a record numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The list.
    pub stage: String,
    /// The entry as it was written.
    pub entry: String,
    /// Where, `file:line`.
    pub place: String,
}

/// An open journal.
pub struct Reader {
    connection: Connection,
    mask: Mask,
    /// The entries so far.
    entries: RefCell<HashMap<i64, Entry>>,
    tail: OnceCell<Tail>,
}

impl Reader {
    /// Opens the file; `None` if there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or is no journal of this version.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let opened = sqlite::open_to_read(&open::file(path), &KIND)?;
        let Some(connection) = opened else { return Ok(None) };
        connection.execute_batch("PRAGMA cache_size = -16384; PRAGMA mmap_size = 1073741824")?;
        Ok(Some(Self {
            connection,
            mask: Mask::beside(path),
            entries: RefCell::default(),
            tail: OnceCell::new(),
        }))
    }

    /// The time of the oldest row: since when the journal can tell.
    ///
    /// # Errors
    /// When the file cannot be read; so with all of them.
    pub fn begins(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT time FROM journal ORDER BY id LIMIT 1";
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).optional()?.map(Timestamp))
    }

    /// How many rows there are, about: ids are given without gaps.
    pub fn rows(&self) -> Result<i64, Error> {
        let sql = "SELECT coalesce((SELECT max(id) FROM journal) - (SELECT min(id) FROM journal) + 1, 0)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// The row of a decision, with its record.
    pub fn decision(&self, name: &str) -> Result<Option<(Row<'static>, Stored)>, Error> {
        let rows = self.find(&Query::Id(name.to_owned()), None, usize::MAX)?;
        let Some(row) = rows.into_iter().find(|row| row.decision == name && !row.is_message()) else {
            return Ok(None);
        };
        let record = self.record(&row)?;
        Ok(record.map(|record| (row, record)))
    }

    /// The record of a row.
    pub fn record(&self, row: &Row<'_>) -> Result<Option<Stored>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT record FROM journal WHERE id = ?1")?;
        let record: Option<Option<String>> = statement.query_row([row.id], |row| row.get(0)).optional()?;
        Ok(record.flatten().and_then(|record| Stored::read(row, &record)))
    }

    /// The entries that records number.
    pub fn entries(&self) -> Result<HashMap<i64, Entry>, Error> {
        let sql =
            "SELECT id, stage, entry, CASE line WHEN 0 THEN file ELSE file || ':' || line END FROM rule";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, Entry { stage: row.get(1)?, entry: row.get(2)?, place: row.get(3)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number of a configuration by its digest, if it was ever in force.
    pub fn policy(&self, digest: &str) -> Result<Option<i64>, Error> {
        let sql = "SELECT id FROM policy WHERE digest = ?1";
        Ok(self.connection.query_row(sql, [digest], |row| row.get(0)).optional()?)
    }

    /// Every row from a time on, in the order of writing, with its record; `see` says whether to go on.
    pub fn each(
        &self,
        since: Option<Timestamp>,
        mut see: impl FnMut(Row<'static>, Option<Stored>) -> bool,
    ) -> Result<(), Error> {
        let since = since.map_or(i64::MIN, |since| since.0);
        let from = self.first_since(Timestamp(since))?;
        let sql = format!("SELECT {COLUMNS}, record FROM journal WHERE id >= ?1 ORDER BY id");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            let record: Option<String> = row.get("record")?;
            let row = Row::read(row)?;
            if row.time < since {
                continue;
            }
            let row = self.complete(row.into_owned())?;
            let record = record.and_then(|record| Stored::read(&row, &record));
            if !see(row, record) {
                break;
            }
        }
        Ok(())
    }

    /// The row with the words of its entry.
    fn complete<'r>(&self, mut row: Row<'r>) -> Result<Row<'r>, Error> {
        let Some(rule) = row.rule else { return Ok(row) };
        let mut entries = self.entries.borrow_mut();
        if !entries.contains_key(&rule) {
            // The daemon may have added some.
            *entries = self.entries()?;
        }
        if let Some(entry) = entries.get(&rule) {
            let Entry { stage, entry, place } = entry.clone();
            (row.stage, row.entry, row.place) = (Some(stage), Some(entry), Some(place));
        }
        Ok(row)
    }

    /// The first row that may be as late as this, by the spans.
    fn first_since(&self, since: Timestamp) -> Result<i64, Error> {
        let sql = "SELECT coalesce(max(span) + 1, 0) FROM span WHERE newest < ?1";
        let span: i64 = self.connection.query_row(sql, [since.0], |row| row.get(0))?;
        Ok(span.saturating_mul(SPAN))
    }
}
