//! The journal's file.

use crate::sqlite::{File, Kind, Log, Migration};
use std::{path::Path, time::Duration};

/// How long a lock of another process is waited for: records wait meanwhile, mail does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// A journal; `JRNL` marks the file.
pub const KIND: Kind = Kind {
    name: "the journal",
    application_id: 0x4a52_4e4c,
    migrations: &[
        Migration {
            name: "0001_journal",
            sql: include_str!("../../migrations/journal/0001_journal.sql"),
            changes_rows: true,
        },
        Migration {
            name: "0002_spans",
            sql: include_str!("../../migrations/journal/0002_spans.sql"),
            changes_rows: false,
        },
    ],
    // Rows are only appended: large pages take fewer calls.
    page_size: 16_384,
    cache_kib: 4_096,
    log: Log::Ahead { pages: 1_000 },
};

/// The file of a path.
pub(super) fn file(path: &Path) -> File {
    File { path: path.to_owned(), synchronous: "normal", busy_timeout: PATIENCE }
}
