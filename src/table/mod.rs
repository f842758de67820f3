//! Access tables in Postfix's notation: their back ends, the search order of access(5), and the entries' actions.

use crate::{
    decision::action::{Amends, ClassId},
    origin::{Fault, Origin, Word},
};

/// What loading a table needs from outside: the core reads no files.
pub trait Source {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in the words of the operating system.
    fn read(&mut self, path: &str) -> Result<String, String>;

    /// Interns a restriction list that stands on a table's right-hand side.
    fn class(&mut self, list: &str, origin: &Origin) -> ClassId;

    /// Takes a fault inside the table; loading goes on, so that all of them come out.
    fn fault(&mut self, fault: Fault);

    /// `parent_domain_matches_subdomains`, for warnings about keys that can never match.
    fn parents(&self) -> bool;
}

/// A table that is loaded.
#[derive(Debug)]
pub struct AccessTable {}

impl AccessTable {
    /// Loads the table of a `type:name` word, such as `hash:/etc/mailward/access` or `inline:{ a=OK }`.
    ///
    /// # Errors
    /// When the type is unknown or the file cannot be read. Faults inside go to [`Source::fault`].
    pub fn load(word: &Word, source: &mut dyn Source) -> Result<Self, Fault> {
        let _ = source;
        Err(word.error("no tables yet"))
    }

    /// Which changes of a message its entries may ask for.
    pub fn amends(&self) -> Amends {
        Amends::default()
    }
}
