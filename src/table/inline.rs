//! `inline:{ key=value, { key = value with spaces } }`: a table that stands in the configuration (DATABASE_README).

use super::{
    Source,
    hash::{Duplicates, Fixed},
    lines::Line,
    right_hand,
    template::Groups,
};
use crate::origin::{Fault, Word};
use std::ops::Range;

/// How an inline table is written.
const HELP: &str = "write `inline:{ example.net=OK, { example.com = REJECT go away } }`";

/// Reads the table of a word that begins with `inline:`.
///
/// # Errors
/// When the braces around the table are missing. Faults within go to `source`.
pub fn parse(word: &Word, source: &mut dyn Source) -> Result<Fixed, Fault> {
    let line = Line::of_table(word, source);
    let start = word.text.find(':').map_or(0, |colon| colon + 1);
    let span = line.trim(start..line.text.len());
    let braced = line.text[span.clone()].strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let Some(inner) = braced else {
        return Err(word.error("an inline table stands in braces").help(HELP));
    };
    if let Some(at) = line.text.find(|c: char| c.is_control() && !c.is_whitespace()) {
        return Err(line.error(at..at + 1, "a control character in a table"));
    }
    let mut table = Fixed::default();
    let mut empty = true;
    let end = span.start + 1 + inner.len();
    let mut at = span.start + 1;
    while let Some((element, next)) = element(&line, at, end, source) {
        empty = false;
        at = next;
        add(&mut table, &line, element, source);
    }
    if empty {
        return Err(word.error("an inline table without entries").help(HELP));
    }
    Ok(table)
}

/// The next element within `at..end`, without braces around it, and where to go on.
fn element(line: &Line, at: usize, end: usize, source: &mut dyn Source) -> Option<(Range<usize>, usize)> {
    let separator = |c: char| c == ',' || c.is_whitespace();
    let start = at + line.text[at..end].find(|c| !separator(c))?;
    let mut depth = 0usize;
    let mut quoted = false;
    let mut stop = end;
    for (offset, c) in line.text[start..end].char_indices() {
        match c {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted && depth > 0 => depth -= 1,
            c if depth == 0 && !quoted && separator(c) => {
                stop = start + offset;
                break;
            }
            _ => {}
        }
    }
    let text = &line.text[start..stop];
    if !text.starts_with('{') {
        return Some((start..stop, stop));
    }
    if depth > 0 || !text.ends_with('}') || text.len() < 2 {
        source.fault(line.error(start..stop, "the braces around this entry do not match").help(HELP));
        return Some((start..start, stop));
    }
    Some((start + 1..stop - 1, stop))
}

fn add(table: &mut Fixed, line: &Line, element: Range<usize>, source: &mut dyn Source) {
    if element.is_empty() {
        return;
    }
    let span = line.trim(element);
    let text = &line.text[span.clone()];
    let Some(equals) = text.find('=') else {
        return not_an_entry(line, span, source);
    };
    let key_span = line.trim(span.start..span.start + equals);
    if key_span.is_empty() {
        return not_an_entry(line, span, source);
    }
    let action = span.start + equals + 1..span.end;
    let key = &line.text[key_span.clone()];
    let Some(mut entry) = right_hand::parse(line, action, Groups::Plain, source) else {
        return;
    };
    entry.origin = line.origin(key_span.start);
    table.insert(key, entry, line, key_span, Duplicates::Last, source);
}

fn not_an_entry(line: &Line, span: Range<usize>, source: &mut dyn Source) {
    let message = format!("`{}` is not an entry of an inline table", &line.text[span.clone()]);
    source.fault(line.error(span, message).help("write `key=action`, or `{ key = action with text }`"));
}

#[cfg(test)]
mod tests {
    use super::super::{
        AccessTable,
        memory::{Memory, message, word},
    };

    #[test]
    fn entries_are_words_or_stand_in_braces() {
        let mut memory = Memory::default();
        let text = "inline:{ A=OK, { b = REJECT go {away} }, {\"c d\"@x = DUNNO} e, a=REJECT }";
        let table = AccessTable::load(&word(text), &mut memory).unwrap();
        for (key, column) in [("a", 67), ("b", 22), ("\"c d\"@x", 47)] {
            assert_eq!(table.full(key).unwrap().unwrap().entry.origin.column, column, "{key}");
        }
        let want = [
            "m.toml:3:64+1 error: `e` is not an entry of an inline table (write `key=action`, or `{ key = action with text }`)",
            "m.toml:3:67+1 warning: key `a` stands twice; the last entry counts (remove one of the two)",
        ];
        assert_eq!(memory.messages(), want);
    }

    #[test]
    fn faults_stand_at_their_place_in_the_word() {
        const HELP: &str = "(write `inline:{ example.net=OK, { example.com = REJECT go away } }`)";
        for text in ["inline:a=OK", "inline:", "inline:{", "inline:}{"] {
            let fault = AccessTable::load(&word(text), &mut Memory::default()).unwrap_err();
            let want = format!("m.toml:3:5+{} error: an inline table stands in braces {HELP}", text.len());
            assert_eq!(message(&fault), want);
        }
        let fault = AccessTable::load(&word("inline:{ , }"), &mut Memory::default()).unwrap_err();
        assert_eq!(message(&fault), format!("m.toml:3:5+12 error: an inline table without entries {HELP}"));
        let mut memory = Memory::default();
        AccessTable::load(&word("inline:{ .cn=OK, b=REJCT, {c = OK, a=, A=OK }"), &mut memory).unwrap();
        let want = [
            "m.toml:3:14+3 warning: key `.cn` can never match: parent_domain_matches_subdomains makes `cn` match \
             its subdomains (write `cn`)"
                .to_owned(),
            "m.toml:3:24+5 error: unknown action `REJCT` (did you mean `REJECT`?)".to_owned(),
            format!("m.toml:3:31+17 error: the braces around this entry do not match {HELP}"),
        ];
        assert_eq!(memory.messages(), want);
    }
}
