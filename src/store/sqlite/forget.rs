//! Known clients that are forgotten with rows or without: looked for in steps as [`select`] does with rows.

use super::select::Conditions;
use crate::{
    store::{Filter, KnownFilter, KnownKey, RowKey},
    time::Timestamp,
};
use rusqlite::{Connection, Result, params, params_from_iter, types::Value};

/// How many entries one step looks at.
const SCAN: u32 = 10_000;

/// Removes the rows of these keys, where the filter still lets them through, and the known clients behind them: how many
/// of each.
pub(super) fn rows(
    connection: &Connection,
    filter: &Filter,
    keys: &[RowKey],
    known: Option<&KnownFilter>,
) -> Result<(usize, usize)> {
    let conditions = Conditions::of(filter);
    let sql = format!(
        "DELETE FROM greylist WHERE {} AND client = ? AND sender = ? AND recipient = ? RETURNING last_ip",
        conditions.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (mut removed, mut clients) = (0, 0);
    for RowKey { client, sender, recipient } in keys {
        let key = [client, sender, recipient].map(|part| Value::from(part.clone()));
        let values = conditions.values.iter().cloned().chain(key);
        let last_ip = statement.query_map(params_from_iter(values), |row| row.get::<_, Option<String>>(0))?;
        for last_ip in last_ip.collect::<Result<Vec<_>>>()? {
            removed += 1;
            let Some(known) = known else { continue };
            clients += self::known(connection, known, &known.behind(client, sender, last_ip.as_deref()))?;
        }
    }
    Ok((removed, clients))
}

/// What one step found, and where the next one begins; `None` at the end.
pub(super) struct Found {
    pub(super) keys: Vec<KnownKey>,
    pub(super) next: Option<KnownKey>,
}

/// Looks for the known clients of a filter behind a key, among so many as one step looks at.
pub(super) fn find(connection: &Connection, known: &KnownFilter, after: Option<&KnownKey>) -> Result<Found> {
    let (client, domain) = after.map_or(("", ""), |key| (key.client.as_str(), key.sender_domain.as_str()));
    let mut statement = connection.prepare_cached(
        "SELECT client, sender_domain, last_seen FROM known_client \
         WHERE (client, sender_domain) > (?1, ?2) ORDER BY client, sender_domain LIMIT ?3",
    )?;
    let mut rows = statement.query(params![client, domain, SCAN])?;
    let (mut keys, mut seen, mut next) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let key = KnownKey { client: row.get(0)?, sender_domain: row.get(1)? };
        seen += 1;
        if seen == SCAN {
            next = Some(key.clone());
        }
        if known.means(&key, Timestamp(row.get(2)?)) {
            keys.push(key);
        }
    }
    Ok(Found { keys, next })
}

/// Removes the known clients of these keys, where the filter's times still let them through: how many.
pub(super) fn known(connection: &Connection, known: &KnownFilter, keys: &[KnownKey]) -> Result<usize> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM known_client WHERE client = ?1 AND sender_domain = ?2 AND last_seen > ?3 AND last_seen < ?4",
    )?;
    let after = known.seen_after.map_or(i64::MIN, |after| after.0);
    let before = known.seen_before.map_or(i64::MAX, |before| before.0);
    let mut removed = 0;
    for KnownKey { client, sender_domain } in keys {
        removed += statement.execute(params![client, sender_domain, after, before])?;
    }
    Ok(removed)
}
