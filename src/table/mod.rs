//! Access tables in Postfix's notation: their back ends, the search order of access(5), and the entries' actions.

pub mod action;
mod braces;
pub mod cidr;
pub mod digest;
pub mod domain_list;
pub mod ere;
pub mod hash;
pub mod inline;
mod keys;
pub mod lines;
#[cfg(test)]
pub(crate) mod memory;
pub mod network_list;
pub mod pattern;
pub mod regexp;
pub mod right_hand;
pub mod rules;
mod search;
pub mod template;
pub mod texts;
pub mod types;

use crate::{
    decision::action::{Action, Amends, ClassId},
    origin::{Fault, Origin, Word},
    request::{Request, subject::Subject},
};
use action::{Entry, MapCodes, Says};
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

    /// Where the pieces of a word stand that do not follow what is before them in the file: behind a line end or an
    /// escape. Each begins at a byte of the word, in order.
    fn pieces(&self, word: &Word) -> Vec<(usize, Origin)> {
        let _ = word;
        Vec::new()
    }

    /// Whether the values are texts and no actions.
    fn values_are_texts(&self) -> bool {
        false
    }
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

    /// What it says of every key, if it is static.
    pub fn always(&self) -> Option<&Says> {
        match &self.content {
            Content::Static(entry) => Some(&entry.says),
            Content::Fixed(_) | Content::Networks(_) | Content::Patterns(_) | Content::Nothing => None,
        }
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
                // As inet_pton(), which takes no leading zeros.
                let Ok(address) = key.parse() else { return Ok(None) };
                let found = rules.find(|pattern| Ok(pattern.matches(address)))?;
                Ok(found.map(|(_, entry)| Hit::new(entry, key)))
            }
            Content::Patterns(rules) => {
                let Some((pattern, entry)) = rules.find(|pattern| pattern.matches(key.as_bytes()))? else {
                    return Ok(None);
                };
                Ok(Some(Hit { groups: pattern.captured(key.as_bytes())?, ..Hit::new(entry, key) }))
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

    /// Whether parts of keys are worth being looked up: a static table has answered the complete key already.
    fn has_partial(&self) -> bool {
        match self.content {
            Content::Fixed(_) => true,
            Content::Static(_) | Content::Networks(_) | Content::Patterns(_) | Content::Nothing => false,
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
    if key.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{
        memory::{Memory, word},
        *,
    };
    use crate::smtp::address::Address;

    /// Pieces of which tables are made, put together without sense.
    const PIECES: [&str; 48] = [
        "\n",
        "\n ",
        " ",
        "\t",
        "#",
        "\"",
        "\\",
        "/",
        "!",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "$",
        "$1",
        "${",
        "*",
        "+",
        "?",
        "{2,3}",
        ".",
        "^",
        "|",
        "-",
        "[:",
        ":]",
        ":",
        "@",
        ",",
        "=",
        "if",
        "endif",
        "if /a/",
        "a",
        "Z",
        "é",
        "\0",
        "\u{85}",
        "REJECT",
        "PREPEND X: ",
        "BCC ",
        "550 ",
        "10.0.0.0/8",
        "2001:db8::1",
        "REJCT",
        "OK",
    ];

    #[test]
    fn no_table_and_no_key_can_do_harm() {
        let mut state = 42u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..4_000 {
            let text: String = (0..random(24)).map(|_| PIECES[random(PIECES.len())]).collect();
            let key: String = (0..random(6)).map(|_| PIECES[random(PIECES.len())]).collect();
            let mut memory = Memory::default();
            let mut tables: Vec<_> =
                ["hash", "texthash", "cidr", "regexp", "pcre"].map(|kind| memory.load(kind, &text)).into();
            let inline = ["inline", "cidr", "regexp", "pcre"].map(|kind| format!("{kind}:{{{text}}}"));
            let more = [format!("inline:{text}"), format!("pcre:{{{{{text}}}}}"), format!("static:{text}")];
            for text in inline.into_iter().chain(more) {
                tables.extend(AccessTable::load(&word(&text), &mut memory));
            }
            for table in &tables {
                let _ = table.by_client(&key, "2001:db8::1".parse().ok(), true);
                let _ = table.by_mail_address(&Address::new(&key), "+-", false);
            }
            for fault in &memory.faults {
                assert!(
                    fault.width > 0 && fault.origin.line > 0 && fault.origin.column > 0,
                    "{fault:?} {text:?}"
                );
            }
        }
    }

    #[test]
    fn short_keys_are_cut_at_their_separators_without_an_empty_rest() {
        let table = Memory::default().load("hash", "\"\" OK\n: OK\n");
        assert_eq!(table.by_address("::1".parse().unwrap()).unwrap().unwrap().key, ":");
        assert_eq!(table.by_address("1.2.3.4".parse().unwrap()).unwrap(), None);
    }
}
