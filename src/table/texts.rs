//! Tables whose values are texts and no actions: lists of domains, the owners of addresses (DATABASE_README).

use super::{
    AccessTable, Found, Hit, Source,
    action::{Entry, Says},
    pattern::GaveUp,
};
use crate::{
    decision::action::ClassId,
    origin::{Fault, Origin, Word},
};
use std::borrow::Cow;

/// A table of texts.
#[derive(Debug)]
pub struct TextTable(AccessTable);

impl TextTable {
    /// Loads the table of a `type:name` word.
    ///
    /// # Errors
    /// When the type is unknown or the file cannot be read. Faults inside go to [`Source::fault`].
    pub fn load(word: &Word, source: &mut dyn Source) -> Result<Self, Fault> {
        AccessTable::load(word, &mut Texts(source)).map(Self)
    }

    /// All entries: those of fixed strings in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.entries()
    }

    /// The value of a complete key, which every type of table can look up.
    ///
    /// # Errors
    /// When a pattern takes too long; so with [`partial`](Self::partial).
    pub fn full(&self, key: &str) -> Result<Option<Cow<'_, str>>, GaveUp> {
        value(self.0.full(key))
    }

    /// The value of a complete key, and where it begins.
    ///
    /// # Errors
    /// When a pattern takes too long.
    pub fn text(&self, key: &str) -> Result<Option<(String, &Origin)>, GaveUp> {
        let Some(Hit { entry, groups, .. }) = self.0.full(key)? else { return Ok(None) };
        let Says::Text(text, origin) = &entry.says else { return Ok(None) };
        Ok(Some((text.expand(&groups).into_owned(), origin)))
    }

    /// The value of a part of a key in lower case, which only tables of fixed strings have.
    ///
    /// # Errors
    /// Never, for the sake of its callers.
    pub fn partial(&self, key: &str) -> Result<Option<Cow<'_, str>>, GaveUp> {
        value(Ok(self.0.partial(key)))
    }
}

fn value(found: Found<'_>) -> Result<Option<Cow<'_, str>>, GaveUp> {
    let Some(Hit { entry, groups, .. }) = found? else { return Ok(None) };
    Ok(match &entry.says {
        Says::Text(text, _) => Some(Cow::Owned(text.expand(&groups).into_owned())),
        Says::Dunno
        | Says::Ok
        | Says::Refuse(..)
        | Says::DeferIfPermit(_)
        | Says::DeferIfReject(_)
        | Says::Discard(_)
        | Says::Hold(_)
        | Says::Redirect(_)
        | Says::Bcc(_)
        | Says::Prepend { .. }
        | Says::Remark(..)
        | Says::Class(_) => None,
    })
}

/// A source that reads values as texts.
struct Texts<'a>(&'a mut dyn Source);

impl Source for Texts<'_> {
    fn read(&mut self, path: &str) -> Result<String, String> {
        self.0.read(path)
    }

    fn class(&mut self, list: &str, origin: &Origin) -> ClassId {
        self.0.class(list, origin)
    }

    fn fault(&mut self, fault: Fault) {
        self.0.fault(fault);
    }

    fn parents(&self) -> bool {
        self.0.parents()
    }

    fn pieces(&self, word: &Word) -> Vec<(usize, Origin)> {
        self.0.pieces(word)
    }

    fn values_are_texts(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::memory::{Memory, word};

    fn load(memory: &mut Memory, kind: &str, text: &str) -> TextTable {
        memory.files.insert("t", text.to_owned());
        TextTable::load(&word(&format!("{kind}:t")), memory).unwrap()
    }

    #[test]
    fn values_are_what_stands_there() {
        let mut memory = Memory::default();
        let table = load(&mut memory, "hash", "@Example.net  ann, bob\n.cn REJECT\n192.0.2.0/24 $1 x\n");
        let value = |key: &str| table.full(key).unwrap().map(Cow::into_owned);
        assert_eq!(value("@example.NET").as_deref(), Some("ann, bob"));
        assert_eq!(value(".cn").as_deref(), Some("REJECT"));
        assert_eq!(value("192.0.2.0/24").as_deref(), Some("$1 x"));
        assert_eq!(value("cn"), None);
        assert_eq!(memory.messages(), [""; 0]);
    }

    #[test]
    fn groups_of_a_pattern_go_into_the_value_and_parts_of_keys_do_not_match() {
        let mut memory = Memory::default();
        let table = load(&mut memory, "pcre", "/^(.*)@example\\.net$/ ${1}, postmaster\n");
        assert_eq!(table.full("ann@example.net").unwrap().as_deref(), Some("ann, postmaster"));
        assert_eq!(table.partial("ann@example.net").unwrap(), None);
        load(&mut memory, "pcre", "/a/ $1\n");
        let want = "t:1:5+2 error: `$1`: the pattern has no group (put the part of the pattern that is wanted in \
                    parentheses)";
        assert_eq!(memory.messages(), [want]);
    }

    #[test]
    fn a_key_without_a_value_is_missed() {
        let mut memory = Memory::default();
        load(&mut memory, "hash", "example.net\n");
        let want = "t:1:1+11 error: key `example.net` has no value (write any word behind it, such as `OK`)";
        assert_eq!(memory.messages(), [want]);
    }

    #[test]
    fn a_text_is_told_with_its_place() {
        let mut memory = Memory::default();
        let mut text = |kind: &str, content: &str, key: &str| {
            let table = load(&mut memory, kind, content);
            let found = table.text(key).unwrap();
            found.map(|(text, origin)| format!("{text} at {}:{}", origin.line, origin.column))
        };
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(text("hash", "# x\n.a.b  $c ${d}\n", ".A.b"), at("$c ${d} at 2:7"));
        assert_eq!(text("hash", "a.b OK\n", "x.a.b"), None);
        assert_eq!(text("regexp", "/^(.*)=/ $$c $1\n", "a=b"), at("$c a at 1:10"));
        assert_eq!(text("pcre", "/^a/ OK\n", "b"), None);
        assert_eq!(text("cidr", "10.0.0.0/8 no action\n", "10.1.2.3"), at("no action at 1:12"));
        assert_eq!(memory.messages(), [""; 0]);
        for (table, key) in [("inline:{ { a = b c } }", "a"), ("static:{ b c }", "any")] {
            let table = TextTable::load(&word(table), &mut memory).unwrap();
            assert_eq!(table.text(key).unwrap().map(|(text, _)| text).as_deref(), Some("b c"));
        }
    }
}
