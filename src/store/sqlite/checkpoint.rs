//! Checkpoints beside the writer (sqlite.org/wal.html section 3.1): on its own thread their copying and syncing would hold up
//! every answer meanwhile, and a purge makes them frequent.

use crate::sqlite::{self, Error, File, Trouble};
use rusqlite::Connection;
use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};
use tracing::{debug, warn};

/// After how many changed rows a checkpoint is due. One changes a page of 4,000 bytes, sometimes two; what several of them
/// change in one page is copied once. Whoever closes the file last copies the rest, and others wait for it.
const CHANGES: u64 = 2_000;

/// How often the log is copied at most until nothing is added meanwhile; each time there is less.
const PASSES: usize = 5;

/// What the writer knows of the checkpoints.
pub(super) struct Checkpoints {
    file: File,
    /// The connection's count of changes when the last one was asked for.
    changes: u64,
    /// To the thread, which begins with the first one that is due.
    due: Option<SyncSender<()>>,
}

impl Checkpoints {
    pub(super) fn new(file: File) -> Self {
        Self { file, changes: 0, due: None }
    }

    /// Asks for one if enough has changed. Where none can be made, the writer's own remains.
    pub(super) fn after(&mut self, connection: &Connection) {
        let changes = connection.total_changes();
        // A connection that was opened anew counts anew.
        if changes.abs_diff(self.changes) < CHANGES {
            return;
        }
        self.changes = changes;
        let due = self.due.get_or_insert_with(|| start(self.file.clone()));
        // While one is under way, the next waits; more than that need not.
        let _ = due.try_send(());
    }
}

fn start(file: File) -> SyncSender<()> {
    let (due, asked) = sync_channel(1);
    let thread = thread::Builder::new().name("greylist-wal".to_owned());
    if let Err(e) = thread.spawn(move || run(&file, &asked)) {
        warn!("the greylist has no thread for checkpoints, its writer makes them: {e}");
    }
    due
}

fn run(file: &File, asked: &Receiver<()>) {
    let mut works = true;
    for () in asked {
        let result = checkpoint(file);
        match &result {
            Ok((pages, copied)) => debug!("checkpoint: {copied} of {pages} pages"),
            // Whoever holds the lock makes the store fail, which is said there.
            Err(Error::Failed(Trouble::Locked, _)) => continue,
            Err(error) if works => warn!("checkpoints of the greylist fail, its writer makes them: {error}"),
            Err(_) => {}
        }
        works = result.is_ok();
    }
}

/// Copies the log's pages into the file; how many the log has, and how many of them are copied. The file is opened each
/// time: it may be another one by now.
fn checkpoint(file: &File) -> Result<(i64, i64), Error> {
    let connection = sqlite::open_beside(file)?;
    let counts = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
    let pass = || connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], counts);
    let mut last = pass()?;
    for _ in 1..PASSES {
        let next = pass()?;
        // Nothing was written meanwhile: the writer begins the log anew.
        if next == last {
            break;
        }
        last = next;
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::settings, store::sqlite::open};

    /// A directory of the test's own.
    struct Place(std::path::PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_checkpoint_goes_on_beside_a_writer_and_leaves_the_log() {
        let place = Place(std::env::temp_dir().join(format!("mailward-checkpoint-{}", std::process::id())));
        let path = place.0.join("greylist.db");
        let file = open::file(&settings::Greylist { path: path.clone(), ..settings::Greylist::default() });
        assert!(checkpoint(&file).is_err(), "there is no file");
        assert!(!path.exists(), "and none is made");
        let writer = sqlite::open(&file, &open::KIND).unwrap();
        let insert = "INSERT INTO meta (key, value) VALUES (?1, '')";
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        writer.execute(insert, ["not committed"]).unwrap();
        let (pages, copied) = checkpoint(&file).unwrap();
        assert!(pages > 0 && copied == pages, "{copied} of {pages}");
        writer.execute_batch("COMMIT").unwrap();
        checkpoint(&file).unwrap();
        writer.execute(insert, ["begins the log anew"]).unwrap();
        assert!(checkpoint(&file).unwrap().0 < pages);
        drop(writer);
        assert!(checkpoint(&file).is_ok(), "it is the last that closes the file");
        assert!(sqlite::sidecar(&path, "-wal").exists());
    }
}
