//! The logical lines of a table file, each with the way back to where its characters stand (postconf(5), "logical
//! line"; Postfix's readllines()).

use super::{Source, digest::digest};
use crate::origin::{Fault, Origin, Word};
use std::{ops::Range, sync::Arc};

/// A logical line: what one or several lines of a file say together, without the white space at the end.
#[derive(Clone, Debug)]
pub struct Line {
    file: Arc<str>,
    /// The text; continuation lines keep the white space they begin with.
    pub text: String,
    marks: Vec<Mark>,
}

/// Where a piece of the text begins in the file.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: usize,
    line: u32,
    column: u32,
}

impl Line {
    /// A word as a line of its own.
    pub fn of_word(word: &Word) -> Self {
        let Origin { file, line, column } = word.origin.clone();
        Self { file, text: word.text.clone(), marks: vec![Mark { at: 0, line, column }] }
    }

    /// A table that stands in the configuration as a line of its own.
    pub fn of_table(word: &Word, source: &dyn Source) -> Self {
        let mut line = Self::of_word(word);
        let pieces = source.pieces(word).into_iter();
        line.marks.extend(pieces.map(|(at, Origin { line, column, .. })| Mark { at, line, column }));
        line
    }

    /// A part of the line as a line of its own, without line ends.
    pub fn part(&self, span: Range<usize>) -> Self {
        let Origin { line, column, .. } = self.origin(span.start);
        let first = Mark { at: 0, line, column };
        let within = self.marks.iter().filter(|mark| mark.at > span.start && mark.at < span.end);
        let marks = within.map(|mark| Mark { at: mark.at - span.start, ..*mark });
        let text = self.text[span.clone()].replace(['\r', '\n'], " ");
        Self { file: self.file.clone(), text, marks: [first].into_iter().chain(marks).collect() }
    }

    /// Where the character at a byte of the text stands in the file.
    pub fn origin(&self, at: usize) -> Origin {
        let mark = self.mark(at);
        let right = self.text.get(mark.at..at).map_or(0, |text| text.chars().count());
        Origin::new(self.file.clone(), mark.line, mark.column).right(right)
    }

    /// An error about a part of the text.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault::error(&self.origin(span.start), self.width(span), message)
    }

    /// A warning about a part of the text.
    pub fn warning(&self, span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault::warning(&self.origin(span.start), self.width(span), message)
    }

    /// The part of the text within `span`, without white space on either side.
    pub fn trim(&self, span: Range<usize>) -> Range<usize> {
        let part = &self.text[span.clone()];
        let start = span.start + (part.len() - part.trim_start().len());
        start..start + part.trim().len()
    }

    fn mark(&self, at: usize) -> Mark {
        let after = self.marks.partition_point(|mark| mark.at <= at);
        self.marks.get(after.saturating_sub(1)).copied().unwrap_or(Mark { at: 0, line: 0, column: 0 })
    }

    /// The carets stay on the line of the file on which the fault begins.
    fn width(&self, span: Range<usize>) -> usize {
        let next = self.marks.iter().map(|mark| mark.at).find(|at| *at > span.start);
        let end = next.map_or(span.end, |next| next.min(span.end));
        self.text.get(span.start..end).map_or(1, |text| text.trim_end().chars().count())
    }
}

/// What a table is read from.
#[derive(Debug)]
pub enum Text<'a> {
    /// A file, and what it holds.
    File(&'a str, String),
    /// The rules of an inline table.
    Lines(Vec<Line>),
}

impl Text<'_> {
    /// A digest of the rules, wherever they stand.
    pub fn digest(&self) -> u32 {
        match self {
            Self::File(_, text) => digest(text),
            Self::Lines(lines) => digest(&lines.iter().map(|line| &line.text).collect::<Vec<_>>()),
        }
    }

    /// Gives each logical line to `each`, as [`each`] does.
    pub fn each(self, source: &mut dyn Source, mut given: impl FnMut(&Line, &mut dyn Source)) {
        match self {
            Self::File(file, text) => each(file, &text, source, given),
            Self::Lines(lines) => {
                for line in &lines {
                    if is_plain(line, source) {
                        given(line, source);
                    }
                }
            }
        }
    }
}

/// Gives each logical line of a file to `each`. Comments and empty lines are left out, also between a line and its
/// continuation. What no table can hold is reported here: a line that continues nothing, and control characters.
///
/// Postfix: takes control characters as they are; here: errors, because they can never be part of a key or a reply.
pub fn each(file: &str, text: &str, source: &mut dyn Source, mut each: impl FnMut(&Line, &mut dyn Source)) {
    let lines = Lines { file: file.into(), rest: physical(text), ahead: None };
    for line in lines {
        if line.text.starts_with([' ', '\t']) {
            let start = line.text.len() - line.text.trim_start().len();
            let fault =
                line.error(start..line.text.len(), "a line that begins with a blank continues nothing");
            source.fault(fault.help("remove the blanks at its beginning"));
        } else if is_plain(&line, source) {
            each(&line, source);
        }
    }
}

/// Whether no control character stands in a line.
fn is_plain(line: &Line, source: &mut dyn Source) -> bool {
    let Some((at, c)) = line.text.char_indices().find(|(_, c)| c.is_control() && *c != '\t') else {
        return true;
    };
    let message = format!("control character U+{:04X}", u32::from(c));
    source.fault(line.error(at..at + c.len_utf8(), message));
    false
}

/// The lines of a file with their numbers, without line ends and a byte order mark, only those that say something.
fn physical(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..).zip(text.split('\n')).filter_map(|(number, line)| {
        let line = line.trim_end();
        let said = line.trim_start();
        (!said.is_empty() && !said.starts_with('#')).then_some((number, line))
    })
}

struct Lines<'a, I: Iterator<Item = (u32, &'a str)>> {
    file: Arc<str>,
    rest: I,
    ahead: Option<(u32, &'a str)>,
}

impl<'a, I: Iterator<Item = (u32, &'a str)>> Iterator for Lines<'a, I> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let (number, first) = self.ahead.take().or_else(|| self.rest.next())?;
        let marks = vec![Mark { at: 0, line: number, column: 1 }];
        let mut line = Line { file: self.file.clone(), text: first.to_owned(), marks };
        for (number, next) in self.rest.by_ref() {
            if !next.starts_with([' ', '\t']) {
                self.ahead = Some((number, next));
                break;
            }
            line.marks.push(Mark { at: line.text.len(), line: number, column: 1 });
            line.text.push_str(next);
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::memory::Memory, *};

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut memory = Memory::default();
        let mut lines = Vec::new();
        each("t", text, &mut memory, |line, _| {
            let last = line.origin(line.text.len() - 1);
            lines.push((line.text.clone(), format!("{}:{}", last.line, last.column)));
        });
        (lines, memory.messages())
    }

    #[test]
    fn lines_continue_and_comments_do_not_end_them() {
        let text = "\u{feff}a b\r\n# c\n\n  d \n   # e\n\tf\nlast é x";
        let (lines, faults) = read(text);
        let want = [("a b  d\tf", "6:2"), ("last é x", "7:8")];
        assert_eq!(lines, want.map(|(text, at)| (text.to_owned(), at.to_owned())));
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn what_no_table_can_hold_is_reported() {
        let (lines, faults) = read("# x\n  a OK\nb \u{7}OK\nc O\0K");
        assert_eq!(lines, []);
        let want = [
            "t:2:3+4 error: a line that begins with a blank continues nothing (remove the blanks at its beginning)",
            "t:3:3+1 error: control character U+0007",
            "t:4:4+1 error: control character U+0000",
        ];
        assert_eq!(faults, want);
    }
}
