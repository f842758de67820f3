//! The open file and what the writer knows of it: the next row's number, the numbers of entries and configurations, and
//! the terms of the span that is being filled.

use crate::{
    decision::{Rule, Written},
    journal::{
        Entry, Mask, Record, Row,
        row::{COLUMNS, INSERT},
        stored,
        terms::{self, BUCKETS, HIT, SPAN},
    },
    request::Stage,
    sqlite,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{collections::HashMap, sync::Arc};

/// So many entries are kept in mind; a configuration has some dozens.
const RULES: usize = 10_000;

/// The file.
pub(super) struct Book {
    connection: Connection,
    known: Known,
}

/// What is known of the file. After a failed commit it is read anew.
struct Known {
    next: i64,
    /// By the place of the entry in memory; it is held, so that no other can take its place.
    rules: HashMap<(Stage, usize), (i64, Arc<Written>)>,
    policies: HashMap<Arc<str>, i64>,
    /// The hits of the rows of the current span: bucket in the highest byte, then hash, then place.
    hits: Vec<u64>,
    oldest: i64,
    newest: i64,
    scratch: Vec<u32>,
}

impl Book {
    /// Reads what must be known.
    pub(super) fn open(connection: Connection) -> Result<Self, sqlite::Error> {
        let max = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let last = max("SELECT max(id) FROM journal")?;
        let span = max("SELECT max(span) FROM span")?.map_or(0, |span| span.saturating_add(1));
        let next = last.map_or(0, |last| last.saturating_add(1)).max(span.saturating_mul(SPAN));
        let mut known = Known {
            next,
            rules: HashMap::new(),
            policies: HashMap::new(),
            hits: Vec::new(),
            oldest: i64::MAX,
            newest: i64::MIN,
            scratch: Vec::new(),
        };
        {
            // Rows of a span that the process before did not come to index, and of the one that it had begun.
            let mut statement = connection.prepare(&format!(
                "SELECT {COLUMNS} FROM journal j LEFT JOIN rule r ON r.id = j.rule WHERE j.id >= ?1 ORDER BY j.id"
            ))?;
            let rows = statement.query_map([next - next.rem_euclid(SPAN)], Row::read)?;
            for row in rows {
                known.index(&row?);
            }
        }
        Ok(Self { connection, known })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Writes a group in one commit. After an error the book must be opened anew.
    pub(super) fn write(&mut self, group: &[Entry], mask: &Mask) -> Result<(), sqlite::Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for entry in group {
                let mut row = Row::of(entry, mask);
                let mut text = String::new();
                if let Entry::Decision(record) = entry {
                    text = self.known.record(&transaction, record, mask, &mut row)?;
                }
                row.id = self.known.next;
                row.insert(&mut insert, &text)?;
                self.known.next += 1;
                self.known.index(&row);
                if self.known.next.rem_euclid(SPAN) == 0 {
                    self.known.close_span(&transaction)?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Known {
    /// Numbers the row's entry and configuration; the record's text.
    fn record(
        &mut self,
        transaction: &Transaction<'_>,
        record: &Record,
        mask: &Mask,
        row: &mut Row<'_>,
    ) -> rusqlite::Result<String> {
        row.policy = Some(self.policy(transaction, record)?);
        row.rule = match &record.decision.rule {
            Some(rule) => Some(self.rule(transaction, rule)?),
            None => None,
        };
        let text = stored::write(record, |rule| self.rule(transaction, rule))?;
        Ok(mask.record(record, text))
    }

    fn policy(&mut self, transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<i64> {
        if let Some(number) = self.policies.get(&record.policy) {
            return Ok(*number);
        }
        transaction
            .prepare_cached("INSERT OR IGNORE INTO policy (digest, first_used) VALUES (?1, ?2)")?
            .execute(params![record.policy, record.now.0])?;
        let number = transaction
            .prepare_cached("SELECT id FROM policy WHERE digest = ?1")?
            .query_row([&record.policy], |row| row.get(0))?;
        self.policies.insert(record.policy.clone(), number);
        Ok(number)
    }

    fn rule(&mut self, transaction: &Transaction<'_>, rule: &Rule) -> rusqlite::Result<i64> {
        let key = (rule.stage, Arc::as_ptr(&rule.written).addr());
        if let Some((number, _)) = self.rules.get(&key) {
            return Ok(*number);
        }
        if self.rules.len() >= RULES {
            self.rules.clear();
        }
        let Written { text, origin } = rule.written.as_ref();
        let place = params![rule.stage.key(), text, origin.file, origin.line, origin.column];
        let known = transaction
            .prepare_cached(
                "SELECT id FROM rule WHERE stage = ?1 AND entry = ?2 AND file = ?3 AND line = ?4 AND column = ?5",
            )?
            .query_row(place, |row| row.get(0))
            .optional()?;
        let number = match known {
            Some(number) => number,
            None => {
                transaction
                    .prepare_cached(
                        "INSERT INTO rule (stage, entry, file, line, column) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(place)?;
                transaction.last_insert_rowid()
            }
        };
        self.rules.insert(key, (number, rule.written.clone()));
        Ok(number)
    }

    /// Notes by what a row can be found.
    fn index(&mut self, row: &Row<'_>) {
        self.scratch.clear();
        terms::of(row, &mut self.scratch);
        let place = u64::try_from(row.id.rem_euclid(SPAN)).unwrap_or(0);
        self.hits.extend(self.scratch.iter().map(|hash| u64::from(*hash) << 16 | place));
        self.oldest = self.oldest.min(row.time);
        self.newest = self.newest.max(row.time);
    }

    /// Writes the index of the span that has just been filled.
    fn close_span(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let span = (self.next - 1).div_euclid(SPAN);
        self.hits.sort_unstable();
        let mut insert = transaction
            .prepare_cached("INSERT OR REPLACE INTO term (bucket, span, hits) VALUES (?1, ?2, ?3)")?;
        let mut rest = self.hits.as_slice();
        let mut blob = Vec::new();
        for bucket in 0..BUCKETS as u64 {
            let count = rest.partition_point(|hit| hit >> 40 <= bucket);
            let (here, behind) = rest.split_at(count);
            rest = behind;
            blob.clear();
            for hit in here {
                blob.extend_from_slice(&hit.to_be_bytes()[8 - HIT..]);
            }
            insert.execute(params![i64::try_from(bucket).unwrap_or(0), span, blob])?;
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO span (span, oldest, newest) VALUES (?1, ?2, ?3)")?
            .execute([span, self.oldest, self.newest])?;
        self.hits.clear();
        (self.oldest, self.newest) = (i64::MAX, i64::MIN);
        Ok(())
    }
}
