//! The configuration: reading mailward.toml and its tables, collecting every fault.
//!
//! [`load`] reads files, [`parse`] gets them from its caller. TOML becomes typed values by the table of keys
//! ([`keys`]), those become the [`Config`]; nothing stops at the first fault.

mod asked;
mod attachments;
mod build;
pub mod diagnostic;
mod digest;
mod dns_lists;
mod ends;
mod faults;
mod files;
mod greylist;
pub mod keys;
mod lists;
mod loader;
mod raw;
pub mod settings;
pub mod source;
mod syntax;
mod text;
mod uses;
mod values;
mod words;

pub(crate) use faults::did_you_mean;
pub(crate) use files::reason;
pub use files::{Disk, Files, Unreadable};

use crate::origin::{Fault, Origin};
use diagnostic::Diagnostic;
use digest::Digesting;
use faults::Faults;
use settings::Config;
use std::{path::Path, rc::Rc};
use text::Text;

/// What came out of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` if there is an error among the diagnostics.
    pub config: Option<Config>,
    /// All errors and warnings, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

/// How the fault of a file begins of which nothing is known.
const UNREAD: &str = "cannot be read";

impl Loaded {
    /// Why the file itself gave nothing, as `cannot be read: no such file or directory`; `None` if its text was read.
    pub fn unread(&self) -> Option<&str> {
        let [only] = self.diagnostics.as_slice() else { return None };
        let fault = &only.fault;
        let is_file = self.config.is_none() && fault.origin.line == 0 && fault.message.starts_with(UNREAD);
        is_file.then_some(fault.message.as_str())
    }
}

/// The shipped policy: what `run` uses when there is no file. It reads no other file.
pub fn builtin() -> &'static str {
    include_str!("../../conf/mailward.toml")
}

/// Reads a configuration file and its tables; relative paths of tables are below the file's directory.
pub fn load(path: &Path) -> Loaded {
    let name = path.display().to_string();
    let mut files = Disk::beside(path);
    match files::read(path, files::CONFIG_LIMIT) {
        Ok(text) => parse(&name, &text, &mut files),
        Err(reason) => {
            let fault = Fault::error(&Origin::new(name, 0, 0), 1, format!("{UNREAD}: {reason}"));
            Loaded { config: None, diagnostics: vec![Diagnostic::new(fault, None)] }
        }
    }
}

/// Reads a configuration from its text; `name` stands in diagnostics and traces, `files` gives the tables.
pub fn parse(name: &str, text: &str, files: &mut dyn Files) -> Loaded {
    let text = Rc::new(Text::new(name, text.to_owned()));
    let mut faults = Faults::default();
    let raw = raw::read(&text, &mut faults);
    let mut files = Digesting::new(&text.text, files);
    let (mut config, faults) = build::build(&raw, text, faults, &mut files);
    config.digest = files.finish();
    let config = (!faults.any_error()).then_some(config);
    Loaded { config, diagnostics: faults.finish(name) }
}

#[cfg(test)]
mod tests;
