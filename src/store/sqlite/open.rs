//! The greylist's file.

use crate::{
    config::settings,
    sqlite::{File, Kind, Log, Migration},
};

/// A greylist; `GRYL` marks the file.
pub(super) const KIND: Kind = Kind {
    name: "the greylist",
    application_id: 0x4752_594c,
    migrations: &[
        Migration {
            name: "0001_greylist",
            sql: include_str!("../../../migrations/sqlite/0001_greylist.sql"),
            changes_rows: true,
        },
        Migration {
            name: "0002_retries",
            sql: include_str!("../../../migrations/sqlite/0002_retries.sql"),
            changes_rows: true,
        },
        Migration {
            name: "0003_no_indices",
            sql: include_str!("../../../migrations/sqlite/0003_no_indices.sql"),
            changes_rows: false,
        },
    ],
    page_size: 4_096,
    cache_kib: 16_384,
    // Rarely, since other checkpoints are made beside the writer, and short, since these have copied most.
    log: Log::Ahead { pages: 16_000 },
};

/// The file of the settings.
pub(super) fn file(settings: &settings::Greylist) -> File {
    let settings::Greylist { path, synchronous, busy_timeout } = settings;
    File { path: path.clone(), synchronous: synchronous.word(), busy_timeout: *busy_timeout }
}
