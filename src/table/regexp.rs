//! `regexp:` and `pcre:` tables: patterns in file order (regexp_table(5), pcre_table(5)).

use super::{
    Source,
    lines::{Line, Text},
    pattern::{Keys, Notation, Pattern},
    right_hand,
    rules::{Begin, Builder, INDENTED, Rules, begin, negation},
    template::Groups,
};
use crate::origin::Fault;
use std::ops::Range;

/// Reads the rules.
///
/// Postfix: leaves out rules with faults; here: errors, because a rule that is left out lets through what it refuses.
pub fn parse(text: Text<'_>, notation: Notation, source: &mut dyn Source) -> Rules<Pattern> {
    parse_with(text, (notation, Keys::Words), source, |line, action, groups, source| {
        let entry = right_hand::parse(line, action, groups, source)?;
        let wants_groups = entry.has_groups();
        Some((entry, wants_groups))
    })
}

/// Reads rules whose actions `read` reads: the entry, and whether its text wants what the groups matched.
pub fn parse_with<E>(
    text: Text<'_>,
    (notation, keys): (Notation, Keys),
    source: &mut dyn Source,
    mut read: impl FnMut(&Line, Range<usize>, Groups, &mut dyn Source) -> Option<(E, bool)>,
) -> Rules<Pattern, E> {
    let mut rules = Builder::default();
    text.each(source, |line, source| match begin(line) {
        Begin::EndIf => rules.close(line, source),
        Begin::If(length) => {
            let pattern = pattern(line, length, notation, keys).and_then(|(pattern, rest)| {
                let rest = line.trim(rest..line.text.len());
                if rest.is_empty() {
                    return Ok(pattern);
                }
                Err(line.error(rest, "nothing may stand behind the pattern of an `if`").help(INDENTED))
            });
            let pattern = pattern.map_err(|fault| source.fault(fault)).ok();
            rules.open(pattern, line, 0..length);
        }
        Begin::Rule => {
            let (pattern, rest) = match pattern(line, 0, notation, keys) {
                Ok(read) => read,
                Err(fault) => return source.fault(fault),
            };
            let action = line.trim(rest..line.text.len());
            if action.is_empty() {
                let fault = line.error(0..line.text.len(), "the pattern has no action");
                return source
                    .fault(fault.help("write the action behind it, such as `OK`, `DUNNO` or `REJECT`"));
            }
            let groups =
                if pattern.is_negated() { Groups::Negated } else { Groups::Numbered(pattern.groups()) };
            let Some((entry, wants_groups)) = read(line, action, groups, source) else { return };
            rules.entry(pattern.with_groups(wants_groups), entry);
        }
    });
    rules.finish(source)
}

/// The pattern at `at`, and where the rest begins.
fn pattern(line: &Line, at: usize, notation: Notation, keys: Keys) -> Result<(Pattern, usize), Fault> {
    let (negated, start) = negation(line, at);
    let (span, close) = delimited(line, start)?;
    let after = &line.text[close..];
    let flags = close..close + after.find([' ', '\t']).unwrap_or(after.len());
    let end = flags.end;
    Ok((Pattern::compile(line, span, flags, (notation, keys), negated)?, end))
}

/// The text between the delimiter at `start` and the next one without a backslash before it, and the place behind.
fn delimited(line: &Line, start: usize) -> Result<(Range<usize>, usize), Fault> {
    const HELP: &str = "write `/pattern/ action`";
    let rest = &line.text[start..];
    let Some(delimiter) = rest.chars().next() else {
        return Err(line.error(0..line.text.len(), "a pattern is missing").help(HELP));
    };
    if delimiter.is_alphanumeric() {
        let end = start + rest.find([' ', '\t']).unwrap_or(rest.len());
        let message = format!("`{}` is not a pattern: it stands in no slashes", &line.text[start..end]);
        return Err(line.error(start..end, message).help(HELP));
    }
    let open = start + delimiter.len_utf8();
    let mut characters = line.text[open..].char_indices();
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == delimiter {
            return Ok((open..open + at, open + at + c.len_utf8()));
        }
    }
    let message = format!("the pattern is not closed: its second `{delimiter}` is missing");
    Err(line.error(start..line.text.len(), message).help(HELP))
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;

    fn lines(kind: &str, text: &str, cases: &[(&str, Option<u32>)]) {
        let mut memory = Memory::default();
        let table = memory.load(kind, text);
        assert_eq!(memory.messages(), [""; 0]);
        for (key, want) in cases {
            let line = table.full(key).unwrap().map(|hit| hit.entry.origin.line);
            assert_eq!(line, *want, "{kind} {key}");
        }
    }

    #[test]
    fn patterns_are_tried_in_order_with_their_flags() {
        let text = "/^a\\/b$/ OK\n!/[.]/ REJECT\nif /\\.net$/\n/^Case/i OK\n!/^x/ DUNNO\nendif\n\
                    if !/\\.org$/\n|^hash\\.#|\n   REJECT hash\nendif\n/./ DUNNO\n";
        let cases = [
            ("a/b", Some(1)),
            ("nodots", Some(2)),
            ("Case.net", Some(4)),
            ("case.net", Some(5)),
            ("x.net", Some(11)),
            ("A/B", Some(1)),
        ];
        for kind in ["regexp", "pcre"] {
            lines(kind, text, &cases);
            lines(kind, text, &[("hash.#", Some(8)), ("a.org", Some(11))]);
        }
    }

    #[test]
    fn the_flags_of_pcre_are_those_of_pcre_table_5() {
        lines("pcre", "/b c/x OK\n", &[("abcd", Some(1)), ("b c", None)]);
        lines("pcre", "/b c/A OK\n", &[("b c", Some(1)), ("ab c", None)]);
        lines("pcre", "/b|c #z/xA OK\n", &[("b", Some(1)), ("c", Some(1)), ("ab", None)]);
        lines("pcre", "/a.b/s OK\n", &[("axb", Some(1)), ("a\nb", None)]);
        lines("pcre", "/a.b/ OK\n", &[("a\nb", Some(1))]);
        lines("pcre", "/^a.b$/EXU OK\n", &[("AéB", Some(1))]);
    }

    #[test]
    fn every_fault_names_its_place() {
        const PATTERN: &str = "(write `/pattern/ action`)";
        let text = "/a OK\n/(/ OK\n/a/q OK\nexample.net OK\n/a/\nif /a/ OK\nendif\n!/(a)/ REJECT $1\n/a/ REJECT $1\nif\nendif\n";
        let mut memory = Memory::default();
        memory.load("pcre", text);
        let want = [
            format!("t:1:1+5 error: the pattern is not closed: its second `/` is missing {PATTERN}"),
            "t:2:3+1 error: bad pattern: missing closing parenthesis".to_owned(),
            "t:3:4+1 error: unknown flag `q` behind the pattern (the flags of pcre: are i, m, s, x, A, E, U and X)"
                .to_owned(),
            format!("t:4:1+11 error: `example.net` is not a pattern: it stands in no slashes {PATTERN}"),
            "t:5:1+3 error: the pattern has no action (write the action behind it, such as `OK`, `DUNNO` or `REJECT`)"
                .to_owned(),
            "t:6:8+2 error: nothing may stand behind the pattern of an `if` \
             (write its rules on the lines below, without blanks before them)".to_owned(),
            "t:8:15+2 error: `$1` in a negated rule: there is no text that the pattern matched (write `$$` for a `$`)"
                .to_owned(),
            "t:9:12+2 error: `$1`: the pattern has no group \
             (put the part of the pattern that is wanted in parentheses)"
                .to_owned(),
            format!("t:10:1+2 error: a pattern is missing {PATTERN}"),
        ];
        assert_eq!(memory.messages(), want);
        let mut memory = Memory::default();
        memory.load("regexp", "/a/x OK\n/a/s OK\n/\\d/ OK\n/(?i)a/ OK\n/a(/ OK\n");
        let want = [
            "t:1:4+1 error: basic regular expressions are not possible \
             (remove the flag `x` and write an extended expression)",
            "t:2:4+1 error: unknown flag `s` behind the pattern (the flags of regexp: are i and m)",
            "t:3:2+2 error: bad pattern: `\\d` is the letter `d` in a regexp: table \
             (write `[0-9]` for digits, or use a table of the type pcre:)",
            "t:4:3+1 error: bad pattern: `(?` is not known here (use a table of the type pcre:)",
            "t:5:3+1 error: bad pattern: this parenthesis is not closed (write `\\(` for the character itself)",
        ];
        assert_eq!(memory.messages(), want);
    }

    #[test]
    fn a_pattern_that_takes_too_long_is_given_up() {
        let mut memory = Memory::default();
        let table = memory.load("pcre", "# x\n/(a+)+$/ REJECT\n");
        let error = table.full(&format!("{}b", "a".repeat(40))).unwrap_err();
        assert_eq!(error.to_string(), "the pattern at t:2 was given up: match limit exceeded");
        assert_eq!(table.full("aaaa").unwrap().unwrap().entry.origin.line, 2);
        let error = table.full(&"a".repeat(2_049)).unwrap_err();
        assert_eq!(error.to_string(), "the pattern at t:2 was given up: a key of 2049 bytes");
        let table = memory.load("regexp", "/^(x|xx)+$/ REJECT\n");
        assert!(table.full(&format!("{}!", "x".repeat(400))).is_err());
    }

    #[test]
    fn tables_of_patterns_are_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&Memory::default().load("pcre", "/a/ OK\n"));
    }
}
