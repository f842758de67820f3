//! Exemptions of recipients, as an administrator sets, lists and takes them back.

use super::open;
use crate::{
    sqlite::{self, Error, File},
    store::{Exemption, ExemptionKind},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

pub(super) fn exempt(connection: &Connection, exemption: &Exemption) -> Result<usize> {
    let Exemption { kind, value, until, reason, created } = exemption;
    let changed = connection.execute(
        "INSERT INTO exemption (kind, value, until, reason, created) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (kind, value) DO UPDATE SET until = excluded.until, reason = excluded.reason, \
         created = excluded.created",
        params![kind.word(), value, until.map(|until| until.0), reason, created.0],
    )?;
    if let Some(contrary) = kind.contrary() {
        connection.execute(
            "DELETE FROM exemption WHERE kind = ?1 AND value = ?2",
            params![contrary.word(), value],
        )?;
    }
    Ok(changed)
}

/// Takes back every exemption of a recipient or domain.
pub(super) fn revoke(connection: &Connection, value: &str) -> Result<usize> {
    connection.execute("DELETE FROM exemption WHERE value = ?1", [value])
}

/// Takes over those of another file that hold; how many.
///
/// # Errors
/// When they cannot be read, or not be written.
pub(super) fn rescue(from: &File, to: &Connection, now: Timestamp) -> std::result::Result<usize, Error> {
    let found = match sqlite::open_to_read(from, &open::KIND)? {
        Some(connection) => exemptions(&connection, now)?,
        None => return Ok(0),
    };
    let transaction = to.unchecked_transaction()?;
    for exemption in &found {
        exempt(&transaction, exemption)?;
    }
    transaction.commit()?;
    Ok(found.len())
}

/// Those that hold; what has expired is only waiting to be removed.
pub(super) fn exemptions(connection: &Connection, now: Timestamp) -> Result<Vec<Exemption>> {
    let mut statement = connection.prepare(
        "SELECT until, reason, created, kind, value FROM exemption WHERE until IS NULL OR until > ?1 \
         ORDER BY kind, value",
    )?;
    let mut rows = statement.query([now.0])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        // Whatever else somebody wrote there with sqlite3 has no meaning.
        let Some(kind) = ExemptionKind::from_word(row.get_ref(3)?.as_str().unwrap_or_default()) else {
            continue;
        };
        all.push(read(row, kind, row.get(4)?)?);
    }
    Ok(all)
}

/// The one of the same kind and value.
pub(super) fn find(connection: &Connection, like: &Exemption) -> Result<Option<Exemption>> {
    let mut statement = connection
        .prepare_cached("SELECT until, reason, created FROM exemption WHERE kind = ?1 AND value = ?2")?;
    let found = |row: &Row<'_>| read(row, like.kind, like.value.clone());
    statement.query_row([like.kind.word(), &like.value], found).optional()
}

/// An exemption whose end, reason and beginning are a row's first columns.
fn read(row: &Row<'_>, kind: ExemptionKind, value: String) -> Result<Exemption> {
    let until = row.get::<_, Option<i64>>(0)?.map(Timestamp);
    Ok(Exemption { kind, value, until, reason: row.get(1)?, created: Timestamp(row.get(2)?) })
}
