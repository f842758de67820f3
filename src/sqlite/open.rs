//! Opening a file: its pragmas, and the numbered migrations that bring its schema up to date.

use super::{Error, File, Kind, Log, Migration, Trouble, sidecar};
use rusqlite::{Connection, FileControl, OpenFlags, TransactionBehavior};
use rustix::fs::statvfs;
use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};
use tracing::info;

/// The permissions of a new file: readable for the group, so that its members can look in with sqlite3.
const MODE: u32 = 0o640;

/// How many prepared statements are kept.
const STATEMENTS: usize = 32;

/// Opens a file for writing, making it and bringing its schema up to date where needed.
///
/// # Errors
/// When it cannot be opened, belongs to another program, or has a newer schema: then nothing was changed.
pub fn open(file: &File, kind: &Kind) -> Result<Connection, Error> {
    make(&file.path).map_err(|e| Error::CannotOpen(file.path.clone(), e.to_string()))?;
    opened(file, kind, true)
}

/// The same for a command beside a server, to which alone bringing the schema up to date belongs.
///
/// # Errors
/// As [`open`], and when the schema is older.
pub fn open_as_it_is(file: &File, kind: &Kind) -> Result<Connection, Error> {
    opened(file, kind, false)
}

/// The same for a file that somebody else makes; `None` if there is none.
///
/// # Errors
/// As [`open`].
pub fn open_existing(file: &File, kind: &Kind) -> Result<Option<Connection>, Error> {
    match fs::metadata(&file.path) {
        Ok(_) => opened(file, kind, true).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::CannotOpen(file.path.clone(), e.to_string())),
    }
}

/// Opens a file that the writer has open, for its checkpoints.
///
/// # Errors
/// When it cannot be opened.
pub fn open_beside(file: &File) -> Result<Connection, Error> {
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", file.synchronous)?;
    persist_log(&connection)?;
    Ok(connection)
}

/// Opens a file for reading only, whoever owns it; `None` if there is none, or nothing in it.
///
/// # Errors
/// As [`open_as_it_is`].
pub fn open_to_read(file: &File, kind: &Kind) -> Result<Option<Connection>, Error> {
    if !file.path.exists() {
        return Ok(None);
    }
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(file.busy_timeout)?;
    let found = version(&connection, &file.path, kind)?;
    up_to_date(found, file, kind)?;
    Ok((found > 0).then_some(connection))
}

/// Whether a file can be used by this version, without changing anything.
///
/// # Errors
/// [`Error::Newer`] and [`Error::Foreign`]; whatever else is wrong may be mended later.
pub fn check(file: &File, kind: &Kind) -> Result<(), Error> {
    match open_to_read(file, kind) {
        Err(error @ (Error::Newer { .. } | Error::Foreign(_))) => Err(error),
        Ok(_) | Err(Error::Older { .. } | Error::CannotOpen(..) | Error::Failed(..)) => Ok(()),
    }
}

/// Makes a file where there is none: as the owner of its directory, who is the daemon, for root may be the first who
/// needs it.
fn make(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    if let Some(directory) = directory {
        // Where that fails, making the file says why.
        let _ = fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(file) if rustix::process::geteuid().is_root() => {
            let owner = fs::metadata(directory.unwrap_or(Path::new(".")))?;
            fchown(file, Some(owner.uid()), Some(owner.gid()))
        }
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

fn connect(file: &File, mode: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(&file.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn opened(file: &File, kind: &Kind, may_migrate: bool) -> Result<Connection, Error> {
    let mut connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(file.busy_timeout)?;
    let found = version(&connection, &file.path, kind)?;
    if !may_migrate {
        up_to_date(found, file, kind)?;
    }
    prepare(&connection, file, kind, found == 0)?;
    if found < number(kind.migrations.len()) {
        backup(&connection, &file.path, kind, found)?;
        migrate(&mut connection, &file.path, kind)?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Whether a file needs no migration; one without tables is only to be made.
fn up_to_date(found: i64, file: &File, kind: &Kind) -> Result<(), Error> {
    let known = number(kind.migrations.len());
    if found == 0 || found == known {
        return Ok(());
    }
    Err(Error::Older { path: file.path.clone(), found, known })
}

/// The schema's number.
fn version(connection: &Connection, path: &Path, kind: &Kind) -> Result<i64, Error> {
    super::look::version(connection, path, kind.mark())
}

fn prepare(connection: &Connection, file: &File, kind: &Kind, new: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", file.synchronous)?;
    connection.pragma_update(None, "cache_size", -i64::from(kind.cache_kib))?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;")?;
    let pages = match kind.log {
        Log::Ahead { pages } => pages,
        Log::Rollback => return Ok(()),
    };
    if new {
        // Both must be set before the first table, and before the log.
        connection.pragma_update(None, "page_size", kind.page_size)?;
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "wal_autocheckpoint", pages)?;
    connection.execute_batch("PRAGMA journal_size_limit = 67108864")?;
    persist_log(connection)
}

/// The log stays when the last connection closes, so that members of the group can read without us.
fn persist_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut persist = 1;
    connection.file_control(None::<&str>, FileControl::PersistWal(&mut persist))
}

/// Keeps the file as it is before its rows change. The copy has its name only when it is whole and on disk: a full disk or
/// a kill leaves none that passes for one.
fn backup(connection: &Connection, path: &Path, kind: &Kind, found: i64) -> Result<(), Error> {
    let copy = sidecar(path, &format!(".schema{found}"));
    let missing =
        usize::try_from(found).ok().and_then(|done| kind.migrations.get(done..)).unwrap_or_default();
    if found == 0 || copy.exists() || !missing.iter().any(|migration| migration.changes_rows) {
        return Ok(());
    }
    let unfinished = sidecar(path, &format!(".schema{found}.unfinished"));
    let cannot = |e: io::Error| Error::CannotOpen(copy.clone(), e.to_string());
    room_for(connection, path, &copy)?;
    forget(&unfinished).map_err(cannot)?;
    let written = connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()]);
    if let Err(e) = written {
        // The disk may be full, and the next try begins anew.
        let _ = forget(&unfinished);
        return Err(e.into());
    }
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(cannot)?;
    fs::rename(&unfinished, &copy).map_err(cannot)?;
    info!("kept {} of schema {found} as {}", kind.name, copy.display());
    Ok(())
}

/// Whether a copy has room, which holds no free pages: to find that out by filling the disk would be everybody's trouble.
fn room_for(connection: &Connection, path: &Path, copy: &Path) -> Result<(), Error> {
    let Ok(disk) = statvfs(path) else { return Ok(()) };
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    let takes = u64::try_from(pages.saturating_mul(number("page_size")?)).unwrap_or(u64::MAX);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free > takes {
        return Ok(());
    }
    let why = format!("{} takes {takes} bytes, {free} are free", copy.display());
    Err(Error::Failed(Trouble::Full, why))
}

/// Removes a file, if it is there.
fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Applies what is missing, all or nothing.
fn migrate(connection: &mut Connection, path: &Path, kind: &Kind) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, Migration { name, sql, .. }) in
        (1_i64..).zip(kind.migrations).filter(|(number, _)| *number > done)
    {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        if done > 0 {
            info!("{} has schema {number}: {name}", kind.name);
        }
    }
    transaction.pragma_update(None, "application_id", kind.application_id)?;
    transaction.commit()?;
    if done == 0 {
        // A path with a mistake in it is seen by that.
        info!("{} begins in {}: there was none", kind.name, path.display());
    }
    Ok(())
}

pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
