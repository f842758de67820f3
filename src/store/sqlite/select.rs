//! Which rows a filter means, and work on many of them in steps: they are looked for while others may write, and changed
//! a few at a time, so that no mail waits for its answer until millions of rows were read.

use super::count;
use crate::{
    store::{Between, Entry, Filter, KnownFilter, RowKey},
    time::Timestamp,
};
use rusqlite::{Connection, Result, Row, params_from_iter, types::Value};
use std::sync::Arc;

/// How many rows one step looks at.
const SCAN: u32 = 10_000;

/// The columns of an [`Entry`]; of what somebody wrote as text, what is a number.
pub(super) const COLUMNS: &str = "client, sender, recipient, first_seen, last_seen, \
    CAST(passed_at AS INTEGER), deferred, passed, last_ip, last_name, origin";

pub(super) fn entry(row: &Row<'_>) -> Result<Entry> {
    Ok(Entry {
        client: row.get(0)?,
        sender: row.get(1)?,
        recipient: row.get(2)?,
        first_seen: Timestamp(row.get(3)?),
        last_seen: Timestamp(row.get(4)?),
        passed_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        deferred: count(row, 6)?,
        passed: count(row, 7)?,
        last_ip: row.get(8)?,
        last_name: row.get(9)?,
        origin: row.get(10)?,
    })
}

/// Conditions joined by AND, with the values of their parameters in order.
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// What a filter lets through.
    pub(super) fn of(filter: &Filter) -> Self {
        let mut all = Self { sql: "1".to_owned(), values: Vec::new() };
        if let Some(client) = &filter.client {
            all.client(client);
        }
        if !filter.between.is_empty() {
            all.any(filter.between.iter().map(Self::between));
        }
        if let Some(passed) = filter.passed {
            all.and(if passed { "passed_at IS NOT NULL" } else { "passed_at IS NULL" }, []);
        }
        if let Some(before) = filter.seen_before {
            all.and("last_seen < ?", [Value::from(before.0)]);
        }
        if let Some(after) = filter.seen_after {
            all.and("last_seen > ?", [Value::from(after.0)]);
        }
        all
    }

    fn between(Between { sender, recipient }: &Between) -> Self {
        let mut all = Self { sql: "1".to_owned(), values: Vec::new() };
        for (column, wanted) in [("sender", sender), ("recipient", recipient)] {
            match wanted {
                Some(end) if end.starts_with('@') => {
                    let text = || Value::from(end.clone());
                    all.and(&format!("substr({column}, -length(?)) = ?"), [text(), text()]);
                }
                Some(whole) => all.and(&format!("{column} = ?"), [Value::from(whole.clone())]),
                None => {}
            }
        }
        all
    }

    /// A network or a domain can only be the key, and keys have an index; an address is the last one of some keys.
    fn client(&mut self, client: &str) {
        let value = || Value::from(client.to_owned());
        if is_key(client) {
            self.and("client = ?", [value()]);
        } else {
            self.and("(client = ? OR last_ip = ?)", [value(), value()]);
        }
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn any(&mut self, others: impl Iterator<Item = Self>) {
        let mut sql = Vec::new();
        for other in others {
            sql.push(other.sql);
            self.values.extend(other.values);
        }
        self.and(&format!("({})", sql.join(" OR ")), []);
    }

    /// Behind or up to a key, in the order of the primary key.
    fn and_key(&mut self, comparison: &str, key: &RowKey) {
        let RowKey { client, sender, recipient } = key;
        let values = [client, sender, recipient].map(|part| Value::from(part.clone()));
        self.and(&format!("(client, sender, recipient) {comparison} (?, ?, ?)"), values);
    }
}

fn is_key(client: &str) -> bool {
    client.contains('/') || client.starts_with("ptr:")
}

pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Entry>> {
    let Conditions { sql, mut values } = Conditions::of(filter);
    values.push(Value::from(filter.limit.map_or(-1, i64::from)));
    let sql = format!(
        "SELECT {COLUMNS} FROM greylist WHERE {sql} ORDER BY last_seen DESC, client, sender, recipient LIMIT ?"
    );
    connection.prepare(&sql)?.query_map(params_from_iter(values), entry)?.collect()
}

/// What one step found, and where the next one begins; `None` at the end.
pub(super) struct Found {
    pub(super) keys: Vec<RowKey>,
    pub(super) next: Option<RowKey>,
}

/// Looks for the keys of a filter's rows, behind a key, among so many rows as one step looks at.
pub(super) fn find(connection: &Connection, filter: &Filter, after: Option<&RowKey>) -> Result<Found> {
    let mut range = Conditions::of(&Filter::default());
    if let Some(client) = filter.client.as_ref().filter(|client| is_key(client)) {
        range.client(client);
    }
    if let Some(after) = after {
        range.and_key(">", after);
    }
    let sql = format!(
        "SELECT client, sender, recipient FROM greylist NOT INDEXED WHERE {} \
         ORDER BY client, sender, recipient LIMIT 1 OFFSET {}",
        range.sql,
        SCAN - 1
    );
    let next = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(range.values), key)?
        .next()
        .transpose()?;
    let mut wanted = Conditions::of(filter);
    if let Some(after) = after {
        wanted.and_key(">", after);
    }
    if let Some(next) = &next {
        wanted.and_key("<=", next);
    }
    // By the primary key: another index would be gone through whole in every step.
    let sql = format!("SELECT client, sender, recipient FROM greylist NOT INDEXED WHERE {}", wanted.sql);
    let mut statement = connection.prepare_cached(&sql)?;
    let keys = statement.query_map(params_from_iter(wanted.values), key)?.collect::<Result<_>>()?;
    Ok(Found { keys, next })
}

/// The key in a row's first columns.
pub(super) fn key(row: &Row<'_>) -> Result<RowKey> {
    Ok(RowKey { client: row.get(0)?, sender: row.get(1)?, recipient: row.get(2)? })
}

/// What is done to the rows of a filter.
#[derive(Clone)]
pub(super) enum Change {
    /// They pass at their next attempt.
    Pass(Timestamp),
    /// They are removed, with these known clients.
    Forget(Option<Arc<KnownFilter>>),
}

/// Lets the rows of these keys pass, where the filter still lets them through.
pub(super) fn pass(
    connection: &Connection,
    filter: &Filter,
    keys: &[RowKey],
    now: Timestamp,
) -> Result<usize> {
    let conditions = Conditions::of(filter);
    let sql = format!(
        "UPDATE greylist SET passed_at = ?, last_seen = ?, origin = 'admin' WHERE passed_at IS NULL AND {} \
         AND client = ? AND sender = ? AND recipient = ?",
        conditions.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let times = [Value::from(now.0), Value::from(now.0)];
    let mut changed = 0;
    for RowKey { client, sender, recipient } in keys {
        let key = [client, sender, recipient].map(|part| Value::from(part.clone()));
        let values = times.iter().chain(&conditions.values).cloned().chain(key);
        changed += statement.execute(params_from_iter(values))?;
    }
    Ok(changed)
}
