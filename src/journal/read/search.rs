//! Finding rows by their terms, the latest first: in the spans that are indexed, and in those behind them, which are read
//! once.

use super::{Query, Reader};
use crate::{
    journal::{
        Row,
        row::COLUMNS,
        terms::{self, HIT, SPAN},
    },
    request::DecisionId,
    sqlite::Error,
    time::Timestamp,
};
use rusqlite::params;
use std::ops::Range;

/// So many spans are looked at together: what is frequent is found in the latest.
const SPANS: i64 = 64;

/// The rows of a message stand within so many seconds behind what its name says: longer than any session lasts.
const SESSION: i64 = 24 * 3_600;

/// A clock may have been set back by so many seconds meanwhile.
const SET_BACK: i64 = 3_600;

/// Something to look for in the index.
struct Sought {
    hash: u32,
    /// The spans in which it can be.
    spans: Range<i64>,
}

/// The spans of the index, in their order.
struct Indexed(Vec<Span>);

struct Span {
    number: i64,
    oldest: i64,
    newest: i64,
}

impl Indexed {
    fn read(reader: &Reader) -> Result<Self, Error> {
        let sql = "SELECT span, oldest, newest FROM span ORDER BY span";
        let mut statement = reader.connection.prepare_cached(sql)?;
        let spans = statement.query_map([], |row| {
            Ok(Span { number: row.get(0)?, oldest: row.get(1)?, newest: row.get(2)? })
        })?;
        Ok(Self(spans.collect::<Result<_, _>>()?))
    }

    /// The first span that is not indexed yet.
    fn end(&self) -> i64 {
        self.0.last().map_or(0, |span| span.number.saturating_add(1))
    }

    /// The first span, indexed or not, with rows that may be as late as this.
    fn first_since(&self, since: i64) -> i64 {
        let old = self.0.iter().rev().find(|span| span.newest < since);
        old.map_or(0, |span| span.number.saturating_add(1))
    }

    /// The spans in which something can be: the name of a decision or message says when it was made.
    fn spans(&self, query: &Query, all: &Range<i64>) -> Range<i64> {
        let id = match query {
            Query::Id(id) => DecisionId::from_shown(id),
            Query::Address(_) | Query::Network(_) | Query::Name(_) | Query::Mailbox(_) | Query::Queue(_) => {
                None
            }
        };
        let Some(DecisionId { at: Timestamp(at), .. }) = id else { return all.clone() };
        let (from, to) = (at.saturating_sub(SET_BACK), at.saturating_add(SESSION));
        let within = |span: &&Span| span.newest >= from && span.oldest <= to;
        let first = self.0.iter().find(within).map_or(all.end, |span| span.number);
        let last = self.0.iter().rfind(within).map_or(first, |span| span.number.saturating_add(1));
        first.max(all.start)..last.min(all.end)
    }
}

/// The terms of the rows behind the index, with the rows' numbers.
#[derive(Default)]
pub(super) struct Tail(Vec<(u32, i64)>);

impl Tail {
    fn hits(&self, hash: u32, ids: &mut Vec<i64>) {
        let begin = self.0.partition_point(|(known, _)| *known < hash);
        let here = self.0[begin..].iter().take_while(|(known, _)| *known == hash);
        ids.extend(here.map(|(_, id)| *id));
    }
}

impl Reader {
    /// The latest rows about something, at most `limit`, the latest first.
    ///
    /// # Errors
    /// When the file cannot be read; so with all of them.
    pub fn find(
        &self,
        query: &Query,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Row<'static>>, Error> {
        self.find_any(std::slice::from_ref(query), since, limit)
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

    /// The latest rows about any of several things.
    fn find_any(
        &self,
        wanted: &[Query],
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Row<'static>>, Error> {
        let masked: Vec<Query> = wanted.iter().filter_map(|query| query.masked(&self.mask)).collect();
        let queries: Vec<&Query> = wanted.iter().chain(&masked).collect();
        let since = since.map_or(i64::MIN, |since| since.0);
        let indexed = Indexed::read(self)?;
        let first = indexed.first_since(since).saturating_mul(SPAN);
        let mut found = Vec::new();
        let mut see = |row: Row<'_>| {
            if row.time >= since && queries.iter().any(|query| query.matches(&row)) {
                found.push(self.complete(row.into_owned())?);
            }
            Ok(found.len() < limit)
        };
        let spans = indexed.first_since(since)..indexed.end();
        let sought =
            |query: &&Query| Some(Sought { hash: query.hash()?, spans: indexed.spans(query, &spans) });
        let sought: Option<Vec<Sought>> = queries.iter().map(sought).collect();
        match sought {
            Some(sought) => self.search(&sought, spans, &mut see)?,
            // Nothing that rows are indexed by, such as a very large network.
            None => self.descend(first, &mut see)?,
        }
        Ok(found)
    }

    /// Looks at the rows that the index has, the latest first, until `see` has enough.
    fn search(
        &self,
        sought: &[Sought],
        spans: Range<i64>,
        see: &mut impl FnMut(Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut ids = Vec::new();
        let tail = self.tail(spans.end)?;
        sought.iter().for_each(|sought| tail.hits(sought.hash, &mut ids));
        if !self.look(&mut ids, see)? {
            return Ok(());
        }
        let mut end = spans.end;
        while end > spans.start {
            let begin = end.saturating_sub(SPANS).max(spans.start);
            for Sought { hash, spans } in sought {
                self.hits(*hash, begin.max(spans.start)..end.min(spans.end), &mut ids)?;
            }
            if !self.look(&mut ids, see)? {
                return Ok(());
            }
            end = begin;
        }
        Ok(())
    }

    /// Shows rows, the latest first, and forgets their numbers: false if `see` has enough.
    fn look(
        &self,
        ids: &mut Vec<i64>,
        see: &mut impl FnMut(Row<'_>) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        ids.sort_unstable();
        ids.dedup();
        let sql = format!("SELECT {COLUMNS} FROM journal WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        while let Some(id) = ids.pop() {
            let mut rows = statement.query([id])?;
            if let Some(row) = rows.next()?
                && !see(Row::read(row)?)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The terms of the rows behind the index: as they were when they were first asked for.
    fn tail(&self, span: i64) -> Result<&Tail, Error> {
        if let Some(tail) = self.tail.get() {
            return Ok(tail);
        }
        let mut tail = Tail::default();
        let sql = format!("SELECT {COLUMNS} FROM journal WHERE id >= ?1");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([span.saturating_mul(SPAN)])?;
        let mut hashes = Vec::new();
        while let Some(row) = rows.next()? {
            let row = Row::read(row)?;
            hashes.clear();
            terms::of(&row, &mut hashes);
            tail.0.extend(hashes.iter().map(|hash| (*hash, row.id)));
        }
        tail.0.sort_unstable();
        Ok(self.tail.get_or_init(|| tail))
    }

    /// Looks at rows one by one, the latest first, until `see` has enough.
    fn descend(&self, first: i64, see: &mut impl FnMut(Row<'_>) -> Result<bool, Error>) -> Result<(), Error> {
        let sql = format!("SELECT {COLUMNS} FROM journal WHERE id >= ?1 ORDER BY id DESC");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([first])?;
        while let Some(row) = rows.next()? {
            if !see(Row::read(row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The rows that the index has for a term in some spans.
    fn hits(&self, hash: u32, spans: Range<i64>, ids: &mut Vec<i64>) -> Result<(), Error> {
        if spans.is_empty() {
            return Ok(());
        }
        let (bucket, prefix) = terms::bucket(hash);
        let mut statement = self
            .connection
            .prepare_cached("SELECT span, hits FROM term WHERE bucket = ?1 AND span >= ?2 AND span < ?3")?;
        let mut rows = statement.query(params![bucket, spans.start, spans.end])?;
        while let Some(row) = rows.next()? {
            let span: i64 = row.get(0)?;
            let hits = row.get_ref(1)?.as_blob().unwrap_or_default();
            let (hits, _) = hits.as_chunks::<HIT>();
            let begin = hits.partition_point(|hit| terms::parts(*hit).0 < prefix);
            let here = hits[begin..].iter().map(|hit| terms::parts(*hit));
            let here = here.take_while(|(found, _)| *found == prefix);
            ids.extend(here.map(|(_, place)| span.saturating_mul(SPAN).saturating_add(place)));
        }
        Ok(())
    }
}
