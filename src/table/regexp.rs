//! `regexp:` and `pcre:` tables: patterns in file order (regexp_table(5), pcre_table(5)).

use super::{
    Source, lines,
    lines::Line,
    pattern::{Notation, Pattern},
    right_hand,
    rules::{Begin, Builder, Rules, begin, negation},
    template::Groups,
};
use crate::origin::Fault;
use std::ops::Range;

/// Reads a file.
///
/// Postfix: leaves out rules with faults; here: errors, because a rule that is left out lets through what it refuses.
pub fn parse(file: &str, text: &str, notation: Notation, source: &mut dyn Source) -> Rules<Pattern> {
    let mut rules = Builder::default();
    lines::each(file, text, source, |line, source| match begin(line) {
        Begin::EndIf => rules.close(line, source),
        Begin::If(length) => {
            let pattern = pattern(line, length, notation).and_then(|(pattern, rest)| {
                let rest = line.trim(rest..line.text.len());
                if rest.is_empty() {
                    return Ok(pattern);
                }
                Err(line.error(rest, "nothing may stand behind the pattern of an `if`"))
            });
            let pattern = pattern.map_err(|fault| source.fault(fault)).ok();
            rules.open(pattern, line, 0..length);
        }
        Begin::Rule => match pattern(line, 0, notation) {
            Ok((pattern, rest)) => rule(&mut rules, pattern, line, rest, source),
            Err(fault) => source.fault(fault),
        },
    });
    rules.finish(source)
}

fn rule(rules: &mut Builder<Pattern>, pattern: Pattern, line: &Line, rest: usize, source: &mut dyn Source) {
    let action = line.trim(rest..line.text.len());
    if action.is_empty() {
        let fault = line.error(0..line.text.len(), "the pattern has no action");
        source.fault(fault.help("write the action behind it, such as `OK`, `DUNNO` or `REJECT`"));
        return;
    }
    let groups = if pattern.is_negated() { Groups::Negated } else { Groups::Numbered(pattern.groups()) };
    let Some(entry) = right_hand::parse(line, action, groups, source) else { return };
    let wants_groups = entry.has_groups();
    rules.entry(pattern.with_groups(wants_groups), entry);
}

/// The pattern at `at`, and where the rest begins.
fn pattern(line: &Line, at: usize, notation: Notation) -> Result<(Pattern, usize), Fault> {
    let (negated, start) = negation(line, at);
    let (span, close) = delimited(line, start)?;
    let after = &line.text[close..];
    let flags = close..close + after.find([' ', '\t']).unwrap_or(after.len());
    let end = flags.end;
    Ok((Pattern::compile(line, span, flags, notation, negated)?, end))
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
        let message = format!("`{}` is no pattern: it stands in no slashes", &line.text[start..end]);
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
