//! Looking at a database file without changing anything: whose it is, its schema, and whether it is sound.

use super::{Error, Kind, open::number};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{path::Path, sync::mpsc, thread, time::Duration};

/// What a file of a kind is recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// PRAGMA application_id.
    pub application_id: i64,
    /// The highest schema that this version knows.
    pub schema: i64,
}

impl Kind {
    /// What its files are recognised by.
    pub fn mark(&self) -> Mark {
        Mark { application_id: self.application_id, schema: number(self.migrations.len()) }
    }
}

/// What a look finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its schema; 0 in a file without any tables.
    pub schema: i64,
    /// Whether it has a write-ahead log.
    pub wal: bool,
    /// Whether its pages hold together.
    pub soundness: Soundness,
}

/// What PRAGMA quick_check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// Nothing is wrong.
    Sound,
    /// What is wrong first.
    Broken(String),
    /// The time was not enough to look at all of it.
    Unknown,
}

/// Looks at a file for at most about `patience`, also while others write to it.
///
/// # Errors
/// When it cannot be read, belongs to another program, or has a newer schema.
pub fn look(path: &Path, mark: Mark, patience: Duration) -> Result<Contents, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    let schema = version(&connection, path, mark)?;
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let soundness = quick_check(&connection, patience)?;
    Ok(Contents { schema, wal: journal == "wal", soundness })
}

/// The schema's number. All is read at one moment: another process may be making the file just now.
pub(super) fn version(connection: &Connection, path: &Path, mark: Mark) -> Result<i64, Error> {
    let moment = connection.unchecked_transaction()?;
    let pragma = |name| moment.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = pragma("user_version")?;
    let application = pragma("application_id")?;
    let tables: i64 = moment.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    moment.finish()?;
    if application != mark.application_id && (application != 0 || tables != 0) {
        return Err(Error::Foreign(path.to_owned()));
    }
    if found > mark.schema {
        return Err(Error::Newer { path: path.to_owned(), found, known: mark.schema });
    }
    Ok(found)
}

/// A large file takes longer than a person waits: then the question is given up.
fn quick_check(connection: &Connection, patience: Duration) -> rusqlite::Result<Soundness> {
    let interrupt = connection.get_interrupt_handle();
    let (done, waits) = mpsc::channel::<()>();
    let timer = thread::spawn(move || {
        if waits.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    // It has nothing to say.
    let _ = timer.join();
    match said {
        Ok(said) if said == "ok" => Ok(Soundness::Sound),
        Ok(said) => Ok(Soundness::Broken(said)),
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(Soundness::Unknown),
        Err(e) => Err(e),
    }
}
