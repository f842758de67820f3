//! The rows of the tables, counted beside the writer.

use rusqlite::{Connection, OpenFlags, Result};
use std::{path::Path, time::Duration};

/// The tables that grow with the traffic.
const TABLES: [&str; 3] = ["greylist", "known_client", "correspondent"];

/// How long a lock is waited for; readers seldom meet one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts the rows of the tables that grow; `None` if there is no file.
///
/// # Errors
/// When it cannot be read.
pub fn count(path: &Path) -> Result<Option<Vec<(&'static str, u64)>>> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let count = |table: &'static str| {
        let rows: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok((table, u64::try_from(rows).unwrap_or(0)))
    };
    TABLES.into_iter().map(count).collect::<Result<_>>().map(Some)
}
