//! Opening a file: its pragmas, and the numbered migrations that bring its schema up to date.

use super::{Error, File, Kind, Migration, sidecar};
use rusqlite::{Connection, FileControl, OpenFlags, TransactionBehavior};
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};
use tracing::info;

/// The permissions of a new file: readable for the group, so that its members can look in with sqlite3.
const MODE: u32 = 0o640;

/// How long the log may become before it is written back, in bytes.
const LOG: u32 = 16_000 << 10;

/// How many prepared statements are kept.
const STATEMENTS: usize = 32;

/// Opens a file for writing, making it and bringing its schema up to date where needed.
///
/// # Errors
/// When it cannot be opened, belongs to another program, or has a newer schema: then nothing was changed.
pub fn open(file: &File, kind: &Kind) -> Result<Connection, Error> {
    let path = &file.path;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        // Where that fails, opening says why.
        let _ = fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
    }
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    if let Err(error) = made.as_ref()
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(Error::CannotOpen(path.clone(), error.to_string()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(file.busy_timeout)?;
    let found = version(&connection, path, kind)?;
    prepare(&connection, file, kind, found == 0)?;
    if found < number(kind.migrations.len()) {
        backup(&connection, path, kind, found)?;
        migrate(&mut connection, kind)?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Opens a file for reading only, whoever owns it; `None` if there is none, or none of this version's schema.
///
/// # Errors
/// As [`open`].
pub fn open_to_read(file: &File, kind: &Kind) -> Result<Option<Connection>, Error> {
    if !file.path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&file.path, flags)?;
    connection.busy_timeout(file.busy_timeout)?;
    let found = version(&connection, &file.path, kind)?;
    Ok((found == number(kind.migrations.len())).then_some(connection))
}

/// The schema's number.
fn version(connection: &Connection, path: &Path, kind: &Kind) -> Result<i64, Error> {
    super::look::version(connection, path, kind.mark())
}

fn prepare(connection: &Connection, file: &File, kind: &Kind, new: bool) -> rusqlite::Result<()> {
    if new {
        // Both must be set before the first table.
        connection.pragma_update(None, "page_size", kind.page_size)?;
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", file.synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG / kind.page_size)?;
    connection.pragma_update(None, "cache_size", -i64::from(kind.cache_kib))?;
    connection.execute_batch(
        "PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; \
         PRAGMA trusted_schema = OFF;",
    )?;
    // The log stays when the last connection closes, so that members of the group can read without us.
    let mut persist = 1;
    connection.file_control(None::<&str>, FileControl::PersistWal(&mut persist))
}

/// Keeps the file as it is before its schema changes.
fn backup(connection: &Connection, path: &Path, kind: &Kind, found: i64) -> Result<(), Error> {
    let copy = sidecar(path, &format!(".schema{found}"));
    if found == 0 || copy.exists() {
        return Ok(());
    }
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    info!("kept {} of schema {found} as {}", kind.name, copy.display());
    Ok(())
}

/// Applies what is missing, all or nothing.
fn migrate(connection: &mut Connection, kind: &Kind) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, Migration { name, sql }) in
        (1_i64..).zip(kind.migrations).filter(|(number, _)| *number > done)
    {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        info!("{} has schema {number}: {name}", kind.name);
    }
    transaction.pragma_update(None, "application_id", kind.application_id)?;
    transaction.commit()
}

pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
