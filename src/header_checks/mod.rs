//! Tables of header_checks(5): which fields of a message they are asked for, and what they say.

mod action;
mod content_type;
mod inspector;
mod mime;

pub use action::UNCHANGED;
pub use inspector::{Found, Inspector, Plan, Use};
pub use mime::Class;

use crate::{
    decision::action::Amends,
    origin::{Fault, Word},
    table::{
        Source,
        pattern::{Keys, Notation, Pattern},
        regexp,
        rules::Rules,
        types,
    },
};
use action::Says;

/// A header table that is loaded.
#[derive(Debug)]
pub struct HeaderTable {
    rules: Rules<Pattern, Says>,
    amends: Amends,
    /// Of the text from which it was read.
    digest: u32,
}

impl HeaderTable {
    /// Loads the table of a `type:name` word: `regexp:` or `pcre:`.
    ///
    /// # Errors
    /// When it is of another type, or the file cannot be read. Faults inside go to [`Source::fault`].
    pub fn load(word: &Word, source: &mut dyn Source) -> Result<Self, Fault> {
        const HELP: &str = "write `pcre:/etc/mailward/header_checks`, for example";
        let Some((kind, name)) = word.text.split_once(':') else {
            let message = format!("`{}` is not a table: it has no type", word.text);
            return Err(word.error(message).help(HELP));
        };
        let notation = match kind {
            "regexp" => Notation::Regexp,
            "pcre" => Notation::Pcre,
            _ => {
                let message = format!("a table of the type {kind}: cannot match a header field");
                return Err(word.error(message).help("header tables are of the type regexp: or pcre:"));
            }
        };
        let text = types::rules(word, name, source)?;
        let digest = text.digest();
        let rules = regexp::parse_with(text, (notation, Keys::Headers), source, action::parse);
        let amends = rules.entries().fold(Amends::default(), |amends, says| amends.union(says.amends()));
        Ok(Self { rules, amends, digest })
    }

    /// The digest of its text.
    pub fn digest(&self) -> u32 {
        self.digest
    }

    /// Which changes of a message its entries may ask for.
    pub fn amends(&self) -> Amends {
        self.amends
    }

    /// Whether an entry changes the field that it matches, or puts one before it.
    pub fn edits(&self) -> bool {
        self.rules.entries().any(Says::edits)
    }
}
