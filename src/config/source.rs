//! Where the configuration comes from: a file, or the policy that is built in.

use super::{
    Disk, Loaded, builtin, load, parse,
    settings::{ControlSocket, Greylist, Journal},
};
use std::{
    env, fmt,
    path::{Path, PathBuf},
};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "/etc/mailward/mailward.toml";

/// A configuration's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The shipped policy, with what it writes below the state directory.
    Builtin,
}

impl Source {
    /// The named file; without a name [`DEFAULT_FILE`], and without that the built-in policy.
    pub fn find(named: Option<&Path>) -> Self {
        match named {
            Some(file) => Self::File(file.to_owned()),
            // A file that is there but cannot be looked at is a fault, not a reason to take another.
            None if !matches!(Path::new(DEFAULT_FILE).try_exists(), Ok(false)) => {
                Self::File(DEFAULT_FILE.into())
            }
            None => Self::Builtin,
        }
    }

    /// Reads it.
    pub fn load(&self) -> Loaded {
        match self {
            Self::File(file) => load(file),
            Self::Builtin => parse("built-in policy", builtin(), &mut Disk { base: state_directory() }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Builtin => f.write_str("the built-in policy"),
        }
    }
}

impl Greylist {
    /// The settings with the database's full path: a relative one is below the state directory.
    pub fn located(&self) -> Self {
        Self { path: store_directory().join(&self.path), ..self.clone() }
    }
}

impl ControlSocket {
    /// Its path; `None` if there is none.
    pub fn located(&self) -> Option<PathBuf> {
        const RUNTIME: &str = "/run/mailward";
        const NAME: &str = "control.sock";
        match self {
            Self::At(path) => Some(path.clone()),
            Self::Off => None,
            Self::Usual if Path::new(RUNTIME).is_dir() => Some(Path::new(RUNTIME).join(NAME)),
            Self::Usual => Some(store_directory().join(NAME)),
        }
    }
}

/// The file of the exemptions, below the state directory.
pub fn allow_file() -> PathBuf {
    store_directory().join(crate::allow::FILE)
}

impl Journal {
    /// The settings with the database's full path: a relative one is below the state directory.
    pub fn located(&self) -> Self {
        Self { path: self.path.as_ref().map(|path| store_directory().join(path)), ..self.clone() }
    }
}

/// Where what mailward writes is kept: systemd's directory, that of an installed mailward, or the user's own.
fn store_directory() -> PathBuf {
    if env::var_os("STATE_DIRECTORY").is_none() && Path::new(DEFAULT_FILE).exists() {
        return PathBuf::from("/var/lib/mailward");
    }
    state_directory()
}

/// `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/mailward`, else `~/.local/state/mailward`.
fn state_directory() -> PathBuf {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("STATE_DIRECTORY")
        .or_else(|| variable("XDG_STATE_HOME").map(|home| home.join("mailward")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state/mailward")))
        .unwrap_or_default()
}
