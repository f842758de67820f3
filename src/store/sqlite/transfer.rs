//! Rows that come in from elsewhere and go out: a step at a time, in the order of the primary key.

use super::{count, exemptions, select};
use crate::{
    greylist::Ages,
    store::{Entry, KnownClient, KnownKey, Merged, Record, RowKey, merge},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// Takes over records: what is there already is only made better by them.
pub(super) fn import(
    connection: &Connection,
    records: &[Record],
    ages: &Ages,
    now: Timestamp,
) -> Result<Merged> {
    let mut all = Merged::default();
    for record in records {
        let outcome = match record {
            Record::Row(row) => merge::row(find_row(connection, row)?.as_ref(), row, ages, now),
            Record::Known(known) => merge::known(find_known(connection, known)?.as_ref(), known, ages, now),
            Record::Exemption(new) => merge::exemption(exemptions::find(connection, new)?.as_ref(), new, now),
        };
        match outcome {
            merge::Outcome::Expired => all.expired += 1,
            merge::Outcome::Same => all.same += 1,
            merge::Outcome::Added(record) => {
                write(connection, &record)?;
                all.added += 1;
            }
            merge::Outcome::Changed(record) => {
                write(connection, &record)?;
                all.changed += 1;
            }
        }
    }
    Ok(all)
}

fn find_row(connection: &Connection, row: &Entry) -> Result<Option<Entry>> {
    let sql = format!(
        "SELECT {} FROM greylist WHERE client = ?1 AND sender = ?2 AND recipient = ?3",
        select::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([&row.client, &row.sender, &row.recipient], select::entry).optional()
}

const KNOWN: &str = "client, sender_domain, passes, last_pass, first_seen, last_seen, hits, origin";

fn find_known(connection: &Connection, known: &KnownClient) -> Result<Option<KnownClient>> {
    let sql = format!("SELECT {KNOWN} FROM known_client WHERE client = ?1 AND sender_domain = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([&known.client, &known.sender_domain], known_client).optional()
}

fn known_client(row: &Row<'_>) -> Result<KnownClient> {
    Ok(KnownClient {
        client: row.get(0)?,
        sender_domain: row.get(1)?,
        passes: count(row, 2)?,
        last_pass: Timestamp(row.get(3)?),
        first_seen: Timestamp(row.get(4)?),
        last_seen: Timestamp(row.get(5)?),
        hits: count(row, 6)?,
        origin: row.get(7)?,
    })
}

fn write(connection: &Connection, record: &Record) -> Result<usize> {
    match record {
        Record::Exemption(exemption) => exemptions::exempt(connection, exemption),
        Record::Row(row) => connection
            .prepare_cached(
                "REPLACE INTO greylist (client, sender, recipient, first_seen, last_seen, passed_at, deferred, passed, \
                 last_ip, last_name, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                row.client,
                row.sender,
                row.recipient,
                row.first_seen.0,
                row.last_seen.0,
                row.passed_at.map(|at| at.0),
                row.deferred,
                row.passed,
                row.last_ip,
                row.last_name,
                row.origin
            ]),
        Record::Known(known) => connection
            .prepare_cached(
                "REPLACE INTO known_client (client, sender_domain, passes, last_pass, first_seen, last_seen, hits, \
                 origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                known.client,
                known.sender_domain,
                known.passes,
                known.last_pass.0,
                known.first_seen.0,
                known.last_seen.0,
                known.hits,
                known.origin
            ]),
    }
}

/// The next rows behind a key.
pub(super) fn rows(connection: &Connection, after: Option<&RowKey>, limit: usize) -> Result<Vec<Entry>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let order = "ORDER BY client, sender, recipient LIMIT";
    let columns = select::COLUMNS;
    match after {
        None => connection
            .prepare_cached(&format!("SELECT {columns} FROM greylist {order} ?1"))?
            .query_map([limit], select::entry)?
            .collect(),
        Some(RowKey { client, sender, recipient }) => {
            let sql = format!(
                "SELECT {columns} FROM greylist WHERE (client, sender, recipient) > (?1, ?2, ?3) {order} ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map(params![client, sender, recipient, limit], select::entry)?.collect()
        }
    }
}

/// The next known clients behind a key.
pub(super) fn known(
    connection: &Connection,
    after: Option<&KnownKey>,
    limit: usize,
) -> Result<Vec<KnownClient>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (client, domain) = after.map_or(("", ""), |key| (key.client.as_str(), key.sender_domain.as_str()));
    let sql = format!(
        "SELECT {KNOWN} FROM known_client WHERE (client, sender_domain) > (?1, ?2) \
         ORDER BY client, sender_domain LIMIT ?3"
    );
    connection.prepare_cached(&sql)?.query_map(params![client, domain, limit], known_client)?.collect()
}
