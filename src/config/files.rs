//! Reading the files that a configuration names: bounded, regular, UTF-8.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The largest configuration that is read, in bytes.
pub(super) const CONFIG_LIMIT: u64 = 16 << 20;
/// The largest table that is read, in bytes: some millions of lines.
const TABLE_LIMIT: u64 = 256 << 20;

/// Where the configuration's tables come from.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&mut self, path: &Path) -> Result<String, Unreadable>;
}

/// Why a file gives no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not there.
    Missing,
    /// No permission, a directory, a link to nothing, too large, or not UTF-8 in which line.
    Because(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no such file or directory",
            Self::Because(reason) => reason,
        })
    }
}

/// The file system.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Where relative paths begin.
    pub base: PathBuf,
}

impl Disk {
    /// Relative paths are below the directory of this file.
    pub fn beside(file: &Path) -> Self {
        Self { base: file.parent().unwrap_or(Path::new("")).to_owned() }
    }
}

impl Files for Disk {
    fn read(&mut self, path: &Path) -> Result<String, Unreadable> {
        read(&self.base.join(path), TABLE_LIMIT)
    }
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, Unreadable> {
    let bytes = read_bytes(path, limit).map_err(|error| unreadable(path, &error))?;
    let bytes = bytes.map_err(Unreadable::Because)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Unreadable::Because(format!("line {line} is not UTF-8"))
    })
}

fn read_bytes(path: &Path, limit: u64) -> io::Result<Result<Vec<u8>, String>> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Ok(Err("it is a directory".to_owned()));
    }
    if !metadata.is_file() {
        return Ok(Err("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Ok(Err(format!("it is larger than {} MiB", limit >> 20)));
    }
    Ok(Ok(bytes))
}

fn unreadable(path: &Path, error: &io::Error) -> Unreadable {
    match (error.kind(), path.symlink_metadata()) {
        (io::ErrorKind::NotFound, Err(_)) => Unreadable::Missing,
        (io::ErrorKind::NotFound, Ok(_)) => {
            Unreadable::Because("it is a link to a file that is not there".to_owned())
        }
        _ => Unreadable::Because(reason(error)),
    }
}

/// The operating system's words without the number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let bare = text.split(" (os error").next().unwrap_or(&text);
    bare.to_lowercase()
}
