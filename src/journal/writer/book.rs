//! The open file and what the writer knows of it: the next row's number, the numbers of entries and configurations, and
//! the terms of the span that is being filled.

use crate::{
    decision::Written,
    journal::{
        Mask, Row,
        roster::{Listed, Roster},
        row::{COLUMNS, INSERT},
        sheet::{Numbers, Sheet},
        stored::write,
        terms::{self, BUCKETS, SPAN},
    },
    sqlite,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::sync::Arc;

/// The file.
pub(super) struct Book {
    connection: Connection,
    known: Known,
}

/// What is known of the file. After a failed commit it is read anew.
struct Known {
    /// The oldest row's number.
    first: i64,
    next: i64,
    filed: Filed,
    /// The hits of the rows of the current span: hash and place.
    hits: Vec<(u32, u16)>,
    oldest: i64,
    newest: i64,
    scratch: Vec<u32>,
    text: String,
}

/// What the file calls the entries and configurations of a roster.
#[derive(Default)]
struct Filed {
    roster: Arc<Roster>,
    rules: Vec<Option<i64>>,
    policies: Vec<Option<i64>>,
}

impl Book {
    /// Reads what must be known.
    pub(super) fn open(connection: Connection) -> Result<Self, sqlite::Error> {
        let max = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let last = max("SELECT max(id) FROM journal")?;
        let span = max("SELECT max(span) FROM span")?.map_or(0, |span| span.saturating_add(1));
        let next = last.map_or(0, |last| last.saturating_add(1)).max(span.saturating_mul(SPAN));
        let known = Known {
            first: next,
            next,
            filed: Filed::default(),
            hits: Vec::new(),
            oldest: i64::MAX,
            newest: i64::MIN,
            scratch: Vec::new(),
            text: String::new(),
        };
        let mut book = Self { connection, known };
        book.find_first()?;
        book.index_missing()?;
        Ok(book)
    }

    /// Indexes the rows of spans that were not come to, and those of the span that is begun.
    fn index_missing(&mut self) -> Result<(), sqlite::Error> {
        let Known { first, next, .. } = self.known;
        let last = next.div_euclid(SPAN);
        for span in first.div_euclid(SPAN)..=last {
            let is_there = "SELECT EXISTS (SELECT 1 FROM span WHERE span = ?1)";
            if self.connection.query_row(is_there, [span], |row| row.get(0))? {
                continue;
            }
            {
                let sql = format!("SELECT {COLUMNS} FROM journal WHERE id >= ?1 AND id < ?2 ORDER BY id");
                let mut statement = self.connection.prepare_cached(&sql)?;
                let begin = span.saturating_mul(SPAN);
                let mut rows = statement.query([begin, begin.saturating_add(SPAN)])?;
                while let Some(row) = rows.next()? {
                    self.known.index(&Row::read(row)?);
                }
            }
            if span < last && !self.known.hits.is_empty() {
                let transaction =
                    self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                self.known.close_span(&transaction, span)?;
                transaction.commit()?;
            }
        }
        Ok(())
    }

    /// Reads which row is the oldest.
    pub(super) fn find_first(&mut self) -> Result<(), sqlite::Error> {
        let first: Option<i64> =
            self.connection.query_row("SELECT min(id) FROM journal", [], |row| row.get(0))?;
        self.known.first = first.unwrap_or(self.known.next);
        Ok(())
    }

    /// How many rows there are, about: numbers are given without gaps, but for a few at the end of a process.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.known.next.saturating_sub(self.known.first)).unwrap_or(0)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Writes a group in one commit. After an error the book must be opened anew.
    pub(super) fn write(&mut self, group: &[Sheet], mask: &Mask) -> Result<(), sqlite::Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for sheet in group {
                let mut row = Row::of(sheet, mask);
                row.id = self.known.next;
                if let Some(numbers) = &sheet.record {
                    self.known.record(&transaction, sheet, numbers, &mut row)?;
                    let text = mask.record(&sheet.secrets, &self.known.text);
                    row.insert(&mut insert, Some(&text))?;
                } else {
                    row.insert(&mut insert, None)?;
                }
                self.known.next += 1;
                self.known.index(&row);
                if self.known.next.rem_euclid(SPAN) == 0 {
                    self.known.close_span(&transaction, row.id.div_euclid(SPAN))?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Known {
    /// Numbers the row's entry and configuration, and puts the record's text together.
    fn record(
        &mut self,
        transaction: &Transaction<'_>,
        sheet: &Sheet,
        numbers: &Numbers,
        row: &mut Row<'_>,
    ) -> rusqlite::Result<()> {
        let Self { filed, text, .. } = self;
        if !Arc::ptr_eq(&filed.roster, &numbers.roster) {
            *filed = Filed { roster: numbers.roster.clone(), ..Filed::default() };
        }
        row.policy = Some(filed.policy(transaction, numbers.policy, sheet.time)?);
        row.rule = numbers.rule.map(|rule| filed.rule(transaction, rule)).transpose()?;
        write::whole(&sheet.parts(numbers), |entry| filed.rule(transaction, entry), text)
    }

    /// Notes by what a row can be found.
    fn index(&mut self, row: &Row<'_>) {
        self.scratch.clear();
        terms::of(row, &mut self.scratch);
        let place = u16::try_from(row.id.rem_euclid(SPAN)).unwrap_or(0);
        self.hits.extend(self.scratch.iter().map(|hash| (*hash, place)));
        self.oldest = self.oldest.min(row.time);
        self.newest = self.newest.max(row.time);
    }

    /// Writes the index of a span that is full.
    fn close_span(&mut self, transaction: &Transaction<'_>, span: i64) -> rusqlite::Result<()> {
        self.hits.sort_unstable();
        let mut insert = transaction
            .prepare_cached("INSERT OR REPLACE INTO term (bucket, span, hits) VALUES (?1, ?2, ?3)")?;
        let mut rest = self.hits.as_slice();
        let mut blob = Vec::new();
        for bucket in 0..BUCKETS {
            let count = rest.partition_point(|(hash, _)| terms::bucket(*hash).0 <= bucket);
            let (here, behind) = rest.split_at(count);
            rest = behind;
            blob.clear();
            for (hash, place) in here {
                blob.extend_from_slice(&terms::hit(*hash, *place));
            }
            insert.execute(params![bucket, span, blob])?;
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO span (span, oldest, newest) VALUES (?1, ?2, ?3)")?
            .execute([span, self.oldest, self.newest])?;
        self.hits.clear();
        (self.oldest, self.newest) = (i64::MAX, i64::MIN);
        Ok(())
    }
}

impl Filed {
    fn policy(&mut self, transaction: &Transaction<'_>, number: u32, now: i64) -> rusqlite::Result<i64> {
        if let Some(known) = known(&self.policies, number) {
            return Ok(known);
        }
        let digest = self.roster.open().digest(number).unwrap_or_default();
        transaction
            .prepare_cached("INSERT OR IGNORE INTO policy (digest, first_used) VALUES (?1, ?2)")?
            .execute(params![digest, now])?;
        let id = transaction
            .prepare_cached("SELECT id FROM policy WHERE digest = ?1")?
            .query_row([digest], |row| row.get(0))?;
        keep(&mut self.policies, number, id);
        Ok(id)
    }

    fn rule(&mut self, transaction: &Transaction<'_>, number: u32) -> rusqlite::Result<i64> {
        if let Some(known) = known(&self.rules, number) {
            return Ok(known);
        }
        let Some(entry) = self.roster.open().entry(number) else {
            // The roster has given the number.
            return Ok(0);
        };
        let id = file(transaction, &entry)?;
        keep(&mut self.rules, number, id);
        Ok(id)
    }
}

/// The number of an entry in the file; it is entered if it is not there.
fn file(transaction: &Transaction<'_>, (stage, written): &Listed) -> rusqlite::Result<i64> {
    let Written { text, origin } = written.as_ref();
    let place = params![stage.key(), text, origin.file, origin.line, origin.column];
    let known = transaction
        .prepare_cached(
            "SELECT id FROM rule WHERE stage = ?1 AND entry = ?2 AND file = ?3 AND line = ?4 AND column = ?5",
        )?
        .query_row(place, |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    transaction
        .prepare_cached("INSERT INTO rule (stage, entry, file, line, column) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(place)?;
    Ok(transaction.last_insert_rowid())
}

fn known(ids: &[Option<i64>], number: u32) -> Option<i64> {
    ids.get(usize::try_from(number).ok()?).copied().flatten()
}

fn keep(ids: &mut Vec<Option<i64>>, number: u32, id: i64) {
    let at = usize::try_from(number).unwrap_or(0);
    if ids.len() <= at {
        ids.resize(at + 1, None);
    }
    ids[at] = Some(id);
}
