//! Opening the file: its pragmas, and the numbered migrations that bring its schema up to date.

use super::{failed, sidecar};
use crate::{config::settings, sqlite::Mark, store::StoreError};
use rusqlite::{Connection, FileControl, OpenFlags};
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use tracing::info;

/// `GRYL`: marks the file as ours (PRAGMA application_id).
const APPLICATION_ID: i64 = 0x4752_594c;

/// The permissions of a new file: readable for the group, so that its members can look in with sqlite3.
const MODE: u32 = 0o640;

/// A schema change.
pub(super) struct Migration {
    /// Its name.
    pub(super) name: &'static str,
    /// Its statements.
    pub(super) sql: &'static str,
}

/// All schema changes; the first leads to schema 1.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_greylist", sql: include_str!("../../../migrations/sqlite/0001_greylist.sql") },
    Migration { name: "0002_retries", sql: include_str!("../../../migrations/sqlite/0002_retries.sql") },
];

/// At how many pages of the log the writer itself makes a checkpoint: rarely, since others are made beside it, and short,
/// since these have copied most. 64 MB.
pub(super) const WAL_PAGES: usize = 16_000;

/// How many prepared statements are kept: all that an observation needs.
const STATEMENTS: usize = 32;

/// What the file is recognised by.
pub(super) fn mark() -> Mark {
    Mark { application_id: APPLICATION_ID, schema: number(MIGRATIONS.len()) }
}

/// Opens the file for writing, making it and bringing its schema up to date where needed.
///
/// # Errors
/// When it cannot be opened, belongs to another program, or has a newer schema: then nothing was changed.
pub(super) fn open(
    settings: &settings::Greylist,
    migrations: &[Migration],
) -> Result<Connection, StoreError> {
    let path = &settings.path;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        // Where that fails, opening says why.
        let _ = fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
    }
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    if let Err(error) = made.as_ref()
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(StoreError::CannotOpen(path.clone(), error.to_string()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
    connection.busy_timeout(settings.busy_timeout).map_err(|e| failed(&e))?;
    let found = version(&connection, path, migrations)?;
    prepare(&connection, settings, found == 0).map_err(|e| failed(&e))?;
    if found < number(migrations.len()) {
        backup(&connection, path, found)?;
        migrate(&mut connection, migrations).map_err(|e| failed(&e))?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Opens a file that the writer has open, for its checkpoints.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open_beside(settings: &settings::Greylist) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&settings.path, flags).map_err(|e| failed(&e))?;
    let synchronous = connection.pragma_update(None, "synchronous", settings.synchronous.word());
    synchronous.and_then(|()| persist_log(&connection)).map_err(|e| failed(&e))?;
    Ok(connection)
}

/// Opens the file for reading only, whoever owns it; `None` if there is none.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_read(settings: &settings::Greylist) -> Result<Option<Connection>, StoreError> {
    let path = &settings.path;
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
    connection.busy_timeout(settings.busy_timeout).map_err(|e| failed(&e))?;
    let found = version(&connection, path, MIGRATIONS)?;
    Ok((found == number(MIGRATIONS.len())).then_some(connection))
}

/// The schema's number.
fn version(connection: &Connection, path: &Path, migrations: &[Migration]) -> Result<i64, StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = pragma("user_version").map_err(|e| failed(&e))?;
    let application = pragma("application_id").map_err(|e| failed(&e))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(|e| failed(&e))?;
    if application != APPLICATION_ID && (application != 0 || tables != 0) {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    let known = number(migrations.len());
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

fn prepare(connection: &Connection, settings: &settings::Greylist, new: bool) -> rusqlite::Result<()> {
    if new {
        // Both must be set before the first table.
        connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", settings.synchronous.word())?;
    connection.execute_batch(&format!(
        "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = {WAL_PAGES}; PRAGMA cache_size = -16384; \
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    ))?;
    persist_log(connection)
}

/// The log stays when the last connection closes, so that members of the group can read without us.
fn persist_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut persist = 1;
    connection.file_control(None::<&str>, FileControl::PersistWal(&mut persist))
}

/// Keeps the file as it is before its schema changes.
fn backup(connection: &Connection, path: &Path, found: i64) -> Result<(), StoreError> {
    if found == 0 {
        return Ok(());
    }
    let copy: PathBuf = sidecar(path, &format!(".schema{found}"));
    if copy.exists() {
        return Ok(());
    }
    let text = copy.to_string_lossy().into_owned();
    connection.execute("VACUUM INTO ?1", [text]).map_err(|e| failed(&e))?;
    info!("kept the greylist of schema {found} as {}", copy.display());
    Ok(())
}

/// Applies what is missing, all or nothing.
fn migrate(connection: &mut Connection, migrations: &[Migration]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, migration) in (1_i64..).zip(migrations).filter(|(number, _)| *number > done) {
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        info!("the greylist has schema {number}: {}", migration.name);
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
