//! Tables of fixed strings: the text files that postmap(1) reads, without postmap.

use super::{
    Source,
    action::Entry,
    keys,
    lines::{self, Line},
    right_hand,
    template::Groups,
};
use std::{
    collections::{HashMap, hash_map},
    ops::Range,
};

/// Keys in lower case, each with its entry.
#[derive(Debug, Default)]
pub struct Fixed {
    entries: HashMap<Box<str>, Entry>,
    /// One bit for each length of a key in bytes, the highest for all that are longer.
    lengths: u64,
}

/// What happens to the second entry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It is left out with a warning, as postmap does.
    First,
    /// It takes the place of the first, with a warning: `inline:`.
    Last,
    /// Postfix would not use the table at all: `texthash:`.
    Refuse,
}

impl Fixed {
    /// Reads a file: key, white space, action.
    ///
    /// Postfix: postmap leaves out a key without an action; here: an error, because the entry is missed.
    pub fn parse(file: &str, text: &str, duplicates: Duplicates, source: &mut dyn Source) -> Self {
        let mut table = Self::default();
        lines::each(file, text, source, |line, source| {
            let Some(span) = key(line, 0..line.text.len(), source) else { return };
            let action = line.trim(span.end..line.text.len());
            let key = &line.text[span.clone()];
            if action.is_empty() {
                source.fault(if source.values_are_texts() {
                    let fault = line.error(span, format!("key `{key}` has no value"));
                    fault.help("write any word behind it, such as `OK`")
                } else {
                    let fault = line.error(span, format!("key `{key}` has no action"));
                    fault.help("write the action behind it, such as `OK`, `DUNNO` or `REJECT`")
                });
            } else if let Some(entry) = right_hand::parse(line, action, Groups::Plain, source) {
                warn_about_colon(key, line, &span, source);
                table.insert(key, entry, line, span.clone(), duplicates, source);
            }
        });
        table
    }

    /// Adds an entry unless its key is there.
    pub fn insert(
        &mut self,
        key: &str,
        entry: Entry,
        line: &Line,
        span: Range<usize>,
        duplicates: Duplicates,
        source: &mut dyn Source,
    ) {
        let key = key.to_lowercase();
        if !source.values_are_texts()
            && let Some(fault) = keys::never(&key, line, span.clone(), source.parents())
        {
            source.fault(fault);
        }
        self.lengths |= length_bit(&key);
        match self.entries.entry(key.into()) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
            }
            hash_map::Entry::Occupied(mut first) => {
                let (key, place) = (first.key().clone(), first.get().origin.clone());
                source.fault(match duplicates {
                    Duplicates::First => line
                        .warning(span, format!("key `{key}` stands at {place} already; that entry counts"))
                        .help("remove one of the two"),
                    Duplicates::Last => {
                        first.insert(entry);
                        line.warning(span, format!("key `{key}` stands twice; the last entry counts"))
                            .help("remove one of the two")
                    }
                    Duplicates::Refuse => line
                        .error(span, format!("key `{key}` stands at {place} already"))
                        .help("remove one of the two; Postfix would not use this texthash: table at all"),
                });
            }
        }
    }

    /// The entry of a key that is in lower case.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        // A name of many labels is asked for once per label: where no key is as long, it is not even hashed.
        if self.lengths & length_bit(key) == 0 { None } else { self.entries.get(key) }
    }

    /// All entries, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

fn length_bit(key: &str) -> u64 {
    1 << key.len().min(63)
}

/// postmap's warning about lines of an aliases(5) file.
fn warn_about_colon(key: &str, line: &Line, span: &Range<usize>, source: &mut dyn Source) {
    let Some(bare) = key.strip_suffix(':') else { return };
    if bare.contains(':') {
        return;
    }
    let fault = line.warning(span.clone(), format!("key `{key}` ends with a colon; is this an alias file?"));
    source.fault(fault.help(format!("write `{bare}`")));
}

/// The key that `span` begins with: up to the first white space that stands in no quotes. Quotes, and the backslashes
/// within them, are part of the key, as they are part of an address in external form.
pub fn key(line: &Line, span: Range<usize>, source: &mut dyn Source) -> Option<Range<usize>> {
    let mut opened = None;
    let mut characters = line.text[span.clone()].char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => opened = if opened.is_some() { None } else { Some(span.start + at) },
            '\\' => {
                characters.next();
            }
            ' ' | '\t' if opened.is_none() => return Some(span.start..span.start + at),
            _ => {}
        }
    }
    match opened {
        Some(quote) => {
            source.fault(line.error(quote..span.end, "the quote is not closed").help("close it with `\"`"));
            None
        }
        None => Some(span),
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;

    #[test]
    fn keys_are_words_or_quoted_texts_and_case_is_folded() {
        let mut memory = Memory::default();
        let table =
            memory.load("hash", "Example.NET  REJECT one\n  two\n\"A b\\\"c\"@x OK\n1.2.3\tDUNNO\n# x OK\n");
        let mut lines: Vec<_> = table.entries().map(|entry| entry.origin.line).collect();
        lines.sort_unstable();
        assert_eq!((lines, memory.messages()), (vec![1, 3, 4], vec![]));
        for (key, line) in [("example.net", 1), ("EXAMPLE.net", 1), ("\"a b\\\"c\"@x", 3), ("1.2.3", 4)] {
            assert_eq!(table.full(key).unwrap().unwrap().entry.origin.line, line, "{key}");
        }
        assert_eq!(table.full("x").unwrap(), None);
    }

    #[test]
    fn every_fault_of_a_file_comes_out_at_once() {
        let text = "a\nb REJCT\n\"c OK\na: OK\nd OK\nD REJECT\n\"e\" OK\n10.0.0.0/8 OK\n";
        let mut memory = Memory::default();
        let table = memory.load("hash", text);
        let want = [
            "t:1:1+1 error: key `a` has no action (write the action behind it, such as `OK`, `DUNNO` or `REJECT`)",
            "t:2:3+5 error: unknown action `REJCT` (did you mean `REJECT`?)",
            "t:3:1+5 error: the quote is not closed (close it with `\"`)",
            "t:4:1+2 warning: key `a:` ends with a colon; is this an alias file? (write `a`)",
            "t:6:1+1 warning: key `d` stands at t:5 already; that entry counts (remove one of the two)",
            "t:7:1+3 warning: key `\"e\"` can never match: the quotes are part of the key (write `e`)",
            "t:8:1+10 warning: key `10.0.0.0/8` can never match: this table compares texts, not networks \
             (move it to a table of the type cidr:)",
        ];
        assert_eq!(memory.messages(), want);
        assert_eq!(table.full("d").unwrap().unwrap().entry.origin.line, 5);
        let mut memory = Memory::default();
        memory.load("texthash", "d OK\nd OK\n");
        let want = "t:2:1+1 error: key `d` stands at t:1 already \
                    (remove one of the two; Postfix would not use this texthash: table at all)";
        assert_eq!(memory.messages(), [want]);
    }

    #[test]
    fn keys_that_can_never_match_are_warned_of() {
        let dotted = "parent_domain_matches_subdomains makes `cn` match its subdomains";
        let cases = [
            (".cn", Some((dotted, "write `cn`"))),
            ("@example.net", Some(("access tables are not asked for `@domain`", "write `example.net`"))),
            ("10.20.", Some(("networks are looked up without the last dot", "write `10.20`"))),
            (
                "2001:DB8:0::1",
                Some(("IPv6 addresses are looked up in their short form", "write `2001:db8::1`")),
            ),
            (
                "2001:db8::/32",
                Some(("this table compares texts, not networks", "move it to a table of the type cidr:")),
            ),
            ("cn", None),
            ("1.2.3", None),
            ("2001:db8:", None),
            ("user@", None),
            ("<>", None),
            ("a/b@example.net", None),
        ];
        for (key, want) in cases {
            let mut memory = Memory::default();
            memory.load("hash", &format!("{key} REJECT\n"));
            let want = want.map(|(why, help)| {
                let key_folded = key.to_lowercase();
                format!("t:1:1+{} warning: key `{key_folded}` can never match: {why} ({help})", key.len())
            });
            assert_eq!(memory.messages(), Vec::from_iter(want), "{key}");
        }
        let mut memory = Memory { dotted: true, ..Memory::default() };
        memory.load("hash", ".cn REJECT\n");
        assert_eq!(memory.messages(), [""; 0]);
    }
}
