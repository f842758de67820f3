//! Exemptions of recipients, as an administrator sets, lists and takes them back.

use crate::{
    store::{Exemption, ExemptionKind},
    time::Timestamp,
};
use rusqlite::{Connection, Result, params};

pub(super) fn exempt(connection: &Connection, exemption: &Exemption) -> Result<()> {
    let Exemption { kind, value, until, reason, created } = exemption;
    connection.execute(
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
    Ok(())
}

/// Takes back every exemption of a recipient or domain.
pub(super) fn revoke(connection: &Connection, value: &str) -> Result<usize> {
    connection.execute("DELETE FROM exemption WHERE value = ?1", [value])
}

/// Those that hold; what has expired is only waiting to be removed.
pub(super) fn exemptions(connection: &Connection, now: Timestamp) -> Result<Vec<Exemption>> {
    let mut statement = connection.prepare(
        "SELECT kind, value, until, reason, created FROM exemption WHERE until IS NULL OR until > ?1 \
         ORDER BY kind, value",
    )?;
    let mut rows = statement.query([now.0])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        // Whatever else somebody wrote there with sqlite3 has no meaning.
        let Some(kind) = ExemptionKind::from_word(row.get_ref(0)?.as_str().unwrap_or_default()) else {
            continue;
        };
        all.push(Exemption {
            kind,
            value: row.get(1)?,
            until: row.get::<_, Option<i64>>(2)?.map(Timestamp),
            reason: row.get(3)?,
            created: Timestamp(row.get(4)?),
        });
    }
    Ok(all)
}
