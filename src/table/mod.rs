//! Access tables in Postfix's notation: their back ends, the search order of access(5), and the entries' actions.

pub mod action;
pub mod cidr;
pub mod ere;
pub mod hash;
pub mod inline;
mod keys;
pub mod lines;
#[cfg(test)]
pub(crate) mod memory;
pub mod pattern;
pub mod regexp;
pub mod right_hand;
pub mod rules;
mod search;
pub mod template;
mod types;

use crate::{
    decision::action::{Action, Amends, ClassId},
    origin::{Fault, Origin, Word},
    request::{Request, subject::Subject},
    smtp::domain,
};
use action::{Entry, MapCodes};
use hash::Fixed;
use pattern::{GaveUp, Pattern};
use rules::Rules;
use std::borrow::Cow;

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
pub struct AccessTable {
    content: Content,
    amends: Amends,
}

#[derive(Debug)]
enum Content {
    /// `hash:` and its kin, `inline:`.
    Fixed(Fixed),
    /// `static:`: the same for every key.
    Static(Entry),
    /// `cidr:`.
    Networks(Rules<cidr::Pattern>),
    /// `regexp:` and `pcre:`.
    Patterns(Rules<Pattern>),
    /// `static:` with a faulty action: says nothing.
    Nothing,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<'t> {
    /// The entry.
    pub entry: &'t Entry,
    /// The key that was looked up.
    pub key: String,
    groups: Vec<String>,
}

/// The result of a search; the error is a pattern that was given up, which is a temporary failure.
pub type Found<'t> = Result<Option<Hit<'t>>, GaveUp>;

impl AccessTable {
    /// Loads the table of a `type:name` word, such as `hash:/etc/mailward/access` or `inline:{ a=OK }`.
    ///
    /// # Errors
    /// When the type is unknown or the file cannot be read. Faults inside go to [`Source::fault`].
    pub fn load(word: &Word, source: &mut dyn Source) -> Result<Self, Fault> {
        let mut table = Self { content: types::load(word, source)?, amends: Amends::default() };
        table.amends = table.entries().fold(Amends::default(), |amends, entry| amends.union(entry.amends()));
        Ok(table)
    }

    /// Which changes of a message its entries may ask for.
    pub fn amends(&self) -> Amends {
        self.amends
    }

    /// All entries: those of fixed strings in no order.
    pub fn entries(&self) -> Box<dyn Iterator<Item = &Entry> + '_> {
        match &self.content {
            Content::Fixed(fixed) => Box::new(fixed.entries()),
            Content::Static(entry) => Box::new(std::iter::once(entry)),
            Content::Networks(rules) => Box::new(rules.entries()),
            Content::Patterns(rules) => Box::new(rules.entries()),
            Content::Nothing => Box::new(std::iter::empty()),
        }
    }

    /// Looks up a complete key, as every type of table can: case counts for patterns only, and they ignore it unless
    /// told otherwise.
    fn full(&self, key: &str) -> Found<'_> {
        match &self.content {
            Content::Fixed(_) | Content::Static(_) | Content::Nothing => Ok(self.partial(&fold(key))),
            Content::Networks(rules) => {
                let Some(address) = domain::address(key) else { return Ok(None) };
                let found = rules.find(|pattern| Ok(pattern.matches(address)))?;
                Ok(found.map(|(_, entry)| Hit::new(entry, key)))
            }
            Content::Patterns(rules) => {
                let Some((pattern, entry)) = rules.find(|pattern| pattern.matches(key))? else {
                    return Ok(None);
                };
                Ok(Some(Hit { groups: pattern.captured(key)?, ..Hit::new(entry, key) }))
            }
        }
    }

    /// Looks up a part of a key, in lower case: only tables of fixed strings can.
    fn partial(&self, key: &str) -> Option<Hit<'_>> {
        match &self.content {
            Content::Fixed(fixed) => fixed.get(key).map(|entry| Hit::new(entry, key)),
            Content::Static(entry) => Some(Hit::new(entry, key)),
            Content::Networks(_) | Content::Patterns(_) | Content::Nothing => None,
        }
    }

    /// Whether parts of keys are worth being looked up.
    fn has_partial(&self) -> bool {
        match self.content {
            Content::Fixed(_) => true,
            // A complete key was found already.
            Content::Static(_) | Content::Nothing => false,
            Content::Networks(_) | Content::Patterns(_) => false,
        }
    }
}

impl<'t> Hit<'t> {
    fn new(entry: &'t Entry, key: &str) -> Self {
        Self { entry, key: key.to_owned(), groups: Vec::new() }
    }

    /// What the entry says about a subject.
    pub fn action(&self, subject: Subject, request: &Request<'_>, codes: MapCodes) -> Action {
        self.entry.action(&self.groups, subject, request, codes)
    }
}

/// A key in lower case, as Postfix folds them for fixed strings.
fn fold(key: &str) -> Cow<'_, str> {
    if key.chars().all(|c| c.is_ascii() && !c.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.to_lowercase())
}
