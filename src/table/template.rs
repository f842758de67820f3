//! The text of a table entry, with the places into which a pattern's groups go (regexp_table(5), pcre_table(5)).

use super::lines::Line;
use crate::origin::Fault;
use std::{borrow::Cow, ops::Range};

/// Which `$1` the text of an entry may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// None: the table is not one of patterns, and `$` is a character like any other.
    Plain,
    /// `$1` to this number.
    Numbered(usize),
    /// None: the pattern is negated, so nothing was matched that could be put in.
    Negated,
}

/// A text, whole or with places for groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Group(usize),
}

/// The longest text that groups are put into, in bytes: a header line (RFC 5322 section 2.1.1).
const LIMIT: usize = 998;

impl Template {
    /// Reads `$1`, `${1}`, `$(1)` and `$$`.
    ///
    /// # Errors
    /// When `$` is followed by something else, by a number without a group, or stands in a negated rule.
    pub fn parse(line: &Line, span: Range<usize>, groups: Groups) -> Result<Self, Fault> {
        let text = &line.text[span.clone()];
        if groups == Groups::Plain || !text.contains('$') {
            return Ok(Self::text(text));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
            plain.push_str(&text[at..dollar]);
            let (reference, length) = reference(&text[dollar..]);
            let place = span.start + dollar..span.start + dollar + length;
            match reference {
                Reference::Dollar => plain.push('$'),
                Reference::Group(number) => {
                    check_group(line, place, number, groups)?;
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain).into()));
                    }
                    parts.push(Part::Group(number));
                }
                Reference::Other => {
                    let fault = line.error(place, "`$` is followed by no number");
                    return Err(
                        fault.help("write `$1` or `${1}` for what the first group matched, `$$` for a `$`")
                    );
                }
            }
            at = dollar + length;
        }
        plain.push_str(&text[at..]);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self(parts))
    }

    /// A text without places.
    pub fn text(text: &str) -> Self {
        Self(if text.is_empty() { Vec::new() } else { vec![Part::Text(text.into())] })
    }

    /// Whether nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, if there are no places in it.
    pub fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether any group goes in.
    pub fn has_groups(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Group(_)))
    }

    /// The same as bytes, of at most so many.
    pub fn expand_bytes(&self, groups: &[Vec<u8>], limit: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Group(number) => out.extend(groups.get(*number - 1).into_iter().flatten()),
            }
        }
        out.truncate(limit);
        out
    }

    /// The text with the groups put in; one that did not take part in the match is empty.
    pub fn expand(&self, groups: &[String]) -> Cow<'_, str> {
        if let Some(text) = self.as_text() {
            return Cow::Borrowed(text);
        }
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(number) => out.push_str(groups.get(*number - 1).map_or("", String::as_str)),
            }
        }
        out.truncate(crate::smtp::text::cut(&out, LIMIT).len());
        Cow::Owned(out)
    }
}

fn check_group(line: &Line, place: Range<usize>, number: usize, groups: Groups) -> Result<(), Fault> {
    let shown = line.text[place.clone()].to_owned();
    match groups {
        Groups::Negated => Err(line
            .error(place, format!("`{shown}` in a negated rule: there is no text that the pattern matched"))
            .help("write `$$` for a `$`")),
        Groups::Plain => Ok(()),
        Groups::Numbered(count) if (1..=count).contains(&number) => Ok(()),
        Groups::Numbered(0) => Err(line
            .error(place, format!("`{shown}`: the pattern has no group"))
            .help("put the part of the pattern that is wanted in parentheses")),
        Groups::Numbered(count) => {
            let message = format!("`{shown}`: the pattern's groups are numbered from 1 to {count}");
            Err(line.error(place, message))
        }
    }
}

enum Reference {
    Dollar,
    Group(usize),
    Other,
}

/// What the `$` at the beginning of `text` stands for, and how many bytes that is.
fn reference(text: &str) -> (Reference, usize) {
    let rest = &text[1..];
    if rest.starts_with('$') {
        return (Reference::Dollar, 2);
    }
    let (open, close) = match rest.as_bytes().first() {
        Some(b'{') => (1, "}"),
        Some(b'(') => (1, ")"),
        _ => (0, ""),
    };
    let inner = &rest[open..];
    let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match inner[..digits].parse() {
        Ok(number) if inner[digits..].starts_with(close) => {
            (Reference::Group(number), 1 + open + digits + close.len())
        }
        _ => (Reference::Other, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Origin, Word};

    fn parse(text: &str, groups: Groups) -> Result<Template, String> {
        let word = Word { text: text.to_owned(), origin: Origin::new("t", 1, 1) };
        let line = Line::of_word(&word);
        Template::parse(&line, 0..text.len(), groups)
            .map_err(|fault| format!("{}+{}: {}", fault.origin.column, fault.width, fault.message))
    }

    #[test]
    fn groups_are_put_in_as_regexp_table_5_says() {
        let groups = ["one".to_owned(), String::new(), "three".to_owned()];
        let cases = [
            ("plain", "plain"),
            ("", ""),
            ("a $1 b", "a one b"),
            ("${1}2 $(3)", "one2 three"),
            ("$2|$$1", "|$1"),
        ];
        for (text, want) in cases {
            let template = parse(text, Groups::Numbered(3)).unwrap();
            assert_eq!(template.expand(&groups), want, "{text}");
        }
        assert_eq!(parse("$1 $x", Groups::Plain).unwrap().expand(&[]), "$1 $x");
        let long = parse("$1", Groups::Numbered(1)).unwrap();
        assert_eq!(long.expand(&["é".repeat(5_000)]).len(), LIMIT);
    }

    #[test]
    fn references_to_nothing_are_errors() {
        let cases = [
            ("a $x", Groups::Numbered(1), "3+1: `$` is followed by no number"),
            ("a $", Groups::Numbered(1), "3+1: `$` is followed by no number"),
            ("${1", Groups::Numbered(1), "1+1: `$` is followed by no number"),
            ("$0", Groups::Numbered(1), "1+2: `$0`: the pattern's groups are numbered from 1 to 1"),
            ("x ${12}", Groups::Numbered(2), "3+5: `${12}`: the pattern's groups are numbered from 1 to 2"),
            ("$1", Groups::Numbered(0), "1+2: `$1`: the pattern has no group"),
            ("$1", Groups::Negated, "1+2: `$1` in a negated rule: there is no text that the pattern matched"),
            ("$99999999999999999999999", Groups::Numbered(1), "1+1: `$` is followed by no number"),
        ];
        for (text, groups, want) in cases {
            assert_eq!(parse(text, groups).unwrap_err(), want, "{text}");
        }
    }
}
