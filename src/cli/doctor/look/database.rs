//! The database files.

use super::{
    super::database::{Disk, Facts, State},
    rights::{self, Account},
};
use crate::{
    config::{settings::Config, source::allow_file},
    journal,
    server::status::Status,
    sqlite::{Error, Mark, Trouble, look, sidecar},
    store::{allow::AllowFile, sqlite::SqliteStore},
};
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a look into a file may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The daemon's user, as the package makes it, and where it writes.
const USER: &str = "mailward";
const STATE: &str = "/var/lib/mailward";

/// The files that the policy uses.
pub(in crate::cli::doctor) fn files(config: &Config, status: Option<&Status>) -> Vec<Facts> {
    let greylist = config.policy.greylists().then(|| {
        let works = status.and_then(|status| status.greylist.as_ref()).map(|greylist| greylist.works);
        facts("the greylist", config.greylist.located().path, (SqliteStore::mark(), true), works, status)
    });
    let journal = config.journal.located().path.map(|path| {
        let works = status.and_then(|status| status.journal.as_ref()).map(|journal| journal.file.works);
        facts("the journal", path, (journal::KIND.mark(), true), works, status)
    });
    let works = status.map(|status| status.exemptions.file.works);
    let allow = Some(allow_file()).filter(|path| !matches!(path.try_exists(), Ok(false)));
    // It is never moved aside: what it says an administrator has decided, and nobody else knows.
    let allow = allow.map(|path| facts("the exemptions", path, (AllowFile::mark(), false), works, status));
    [greylist, journal, allow].into_iter().flatten().collect()
}

fn facts(
    name: &'static str,
    path: PathBuf,
    (mark, renewed): (Mark, bool),
    works: Option<bool>,
    status: Option<&Status>,
) -> Facts {
    let account = match status {
        Some(status) => Account::of_process(status.pid),
        // Who else would start it there?
        None => Account::named(USER).filter(|_| path.starts_with(STATE)),
    };
    let writable = account.map(|account| {
        let enter = rights::WRITE | rights::ENTER;
        let directory = path.parent().and_then(|directory| account.barrier(directory, enter));
        let barrier = directory.or_else(|| account.barrier(&path, rights::READ | rights::WRITE));
        barrier.map_or(Ok(()), Err)
    });
    let (state, disk) = (state(&path, mark), disk(&path));
    Facts { name, path, mark, renewed, state, works, disk, writable }
}

fn state(path: &Path, mark: Mark) -> State {
    match File::open(path) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return State::Missing,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return State::Denied,
        Err(e) => return State::Fails(e.to_string()),
    }
    let size = |end: &str| fs::metadata(sidecar(path, end)).map_or(0, |metadata| metadata.len());
    match look(path, mark, PATIENCE) {
        Ok(contents) => State::Read { contents, sizes: (size(""), size("-wal")) },
        Err(Error::Newer { found, known, .. }) => State::Newer(found, known),
        Err(Error::Foreign(_)) => State::Foreign,
        // Whoever may not make the log's index beside the file cannot read it.
        Err(Error::Failed(Trouble::CannotOpen | Trouble::ReadOnly, _)) if !is_root() => State::Denied,
        Err(e @ (Error::Older { .. } | Error::CannotOpen(..) | Error::Failed(..))) => {
            State::Fails(e.to_string())
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The disk of a file, or of the place where it will be.
fn disk(path: &Path) -> Option<Disk> {
    let found = path.ancestors().find_map(|place| statvfs(place).ok())?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    Some(Disk { free, read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY) })
}
