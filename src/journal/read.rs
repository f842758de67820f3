//! Reading the journal, whether the daemon runs or not: what can be found by an address, a name or an id, and all rows
//! of a time.

mod brief;
mod query;

pub use brief::{Asked, Brief, BriefStep, Heard, Steps};
pub use query::Query;

use super::{
    KIND, Mask, Row, open,
    row::COLUMNS,
    stored::Stored,
    terms::{HIT, SPAN},
};
use crate::{
    sqlite::{self, Error},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{collections::HashMap, path::Path};

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
        Ok(Some(Self { connection, mask: Mask::beside(path) }))
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

    /// The latest rows about something, at most `limit`, the latest first.
    pub fn find(
        &self,
        query: &Query,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Row<'static>>, Error> {
        self.find_any(std::slice::from_ref(query), since, limit)
    }

    /// The same about any of several things.
    fn find_any(
        &self,
        wanted: &[Query],
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Row<'static>>, Error> {
        let masked: Vec<Query> = wanted.iter().filter_map(|query| query.masked(&self.mask)).collect();
        let queries: Vec<&Query> = wanted.iter().chain(&masked).collect();
        let since = since.map_or(i64::MIN, |since| since.0);
        let mut found = Vec::new();
        let mut see = |row: Row<'static>| {
            if row.time >= since && queries.iter().any(|query| query.matches(&row)) {
                found.push(row);
            }
            found.len() < limit
        };
        let indexed = self.indexed()?;
        if !self.descend(indexed, i64::MAX, &mut see)? {
            return Ok(found);
        }
        let hashes: Option<Vec<u32>> = queries.iter().map(|query| query.hash()).collect();
        let Some(hashes) = hashes else {
            // Nothing that rows are indexed by, such as a very large network.
            let from = self.first_since(Timestamp(since))?;
            self.descend(from, indexed, &mut see)?;
            return Ok(found);
        };
        let mut ids = Vec::new();
        for hash in hashes {
            self.hits(hash, since, &mut ids)?;
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        for id in ids {
            if let Some(row) = self.row(id)?
                && !see(row)
            {
                break;
            }
        }
        Ok(found)
    }

    /// The rows about some messages, in the order of writing.
    pub fn messages(&self, names: &[String]) -> Result<Vec<Row<'static>>, Error> {
        // At once: the rows behind the index are looked at one by one.
        let names: Vec<Query> = names.iter().cloned().map(Query::Id).collect();
        let mut rows = if names.is_empty() { Vec::new() } else { self.find_any(&names, None, usize::MAX)? };
        rows.sort_unstable_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        Ok(rows)
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

    /// Every row from a time on, in the order of writing, with its record; `see` says whether to go on.
    pub fn each(
        &self,
        since: Option<Timestamp>,
        mut see: impl FnMut(Row<'static>, Option<Stored>) -> bool,
    ) -> Result<(), Error> {
        let since = since.map_or(i64::MIN, |since| since.0);
        let from = self.first_since(Timestamp(since))?;
        let mut statement = self.connection.prepare(&format!(
            "SELECT {COLUMNS}, j.record FROM journal j LEFT JOIN rule r ON r.id = j.rule WHERE j.id >= ?1 ORDER BY j.id"
        ))?;
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            let record: Option<String> = row.get("record")?;
            let row = Row::read(row)?;
            let record = record.and_then(|record| Stored::read(&row, &record));
            if row.time >= since && !see(row, record) {
                break;
            }
        }
        Ok(())
    }

    /// The first row that may be as late as this, by the spans.
    fn first_since(&self, since: Timestamp) -> Result<i64, Error> {
        let sql = "SELECT coalesce(max(span) + 1, 0) FROM span WHERE newest < ?1";
        let span: i64 = self.connection.query_row(sql, [since.0], |row| row.get(0))?;
        Ok(span.saturating_mul(SPAN))
    }

    /// The first row that is not indexed yet.
    fn indexed(&self) -> Result<i64, Error> {
        let sql = "SELECT coalesce(max(span) + 1, 0) FROM span";
        let span: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(span.saturating_mul(SPAN))
    }

    /// Looks at the rows of `from..to` from the end: false if `see` has enough.
    fn descend(&self, from: i64, to: i64, see: &mut impl FnMut(Row<'static>) -> bool) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM journal j LEFT JOIN rule r ON r.id = j.rule WHERE j.id >= ?1 AND j.id < ?2 \
             ORDER BY j.id DESC"
        ))?;
        let rows = statement.query_map([from, to], Row::read)?;
        for row in rows {
            if !see(row?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(&self, id: i64) -> Result<Option<Row<'static>>, Error> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM journal j LEFT JOIN rule r ON r.id = j.rule WHERE j.id = ?1"
        ))?;
        Ok(statement.query_row([id], Row::read).optional()?)
    }

    /// The rows that the index has for a term.
    fn hits(&self, hash: u32, since: i64, ids: &mut Vec<i64>) -> Result<(), Error> {
        let (bucket, rest) = (hash >> 24, hash & 0xff_ffff);
        let first = self.first_since(Timestamp(since))?.div_euclid(SPAN);
        let mut statement = self
            .connection
            .prepare_cached("SELECT span, hits FROM term WHERE bucket = ?1 AND span >= ?2 ORDER BY span")?;
        let mut rows = statement.query(params![bucket, first])?;
        while let Some(row) = rows.next()? {
            let span: i64 = row.get(0)?;
            let hits = row.get_ref(1)?.as_blob().unwrap_or_default();
            let (hits, _) = hits.as_chunks::<HIT>();
            let prefix = |hit: &[u8; HIT]| u32::from_be_bytes([0, hit[0], hit[1], hit[2]]);
            let begin = hits.partition_point(|hit| prefix(hit) < rest);
            for hit in hits[begin..].iter().take_while(|hit| prefix(hit) == rest) {
                let place = i64::from(u16::from_be_bytes([hit[3], hit[4]]));
                ids.push(span.saturating_mul(SPAN).saturating_add(place));
            }
        }
        Ok(())
    }
}
