//! Rules in file order with `if … endif` around some of them: what cidr:, regexp: and pcre: tables have in common.

use super::{Source, action, lines::Line};
use std::ops::Range;

/// What helps when rules stand behind an `if`: mostly they are indented, and so continue its line.
pub const INDENTED: &str = "write its rules on the lines below, without blanks before them";

const FOLLOWING: &str = "write the next rule on the line below, without blanks before it";

/// The rules of a table; `P` is what a rule compares the key with, `E` what it says.
#[derive(Debug)]
pub struct Rules<P, E = action::Entry> {
    rules: Vec<Rule<P, E>>,
}

#[derive(Debug)]
enum Rule<P, E> {
    /// A key that matches gets this entry.
    Entry(P, E),
    /// A key that does not match goes on at this place.
    If(P, usize),
}

/// The first word of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// `if`; what follows begins there.
    If(usize),
    /// `endif`.
    EndIf,
    /// A pattern.
    Rule,
}

/// Rules while they are read.
#[derive(Debug)]
pub struct Builder<P, E = action::Entry> {
    rules: Vec<Rule<P, E>>,
    open: Vec<(usize, Line, Range<usize>)>,
}

impl<P, E> Default for Builder<P, E> {
    fn default() -> Self {
        Self { rules: Vec::new(), open: Vec::new() }
    }
}

impl<P, E> Builder<P, E> {
    /// Adds a rule.
    pub fn entry(&mut self, pattern: P, entry: E) {
        self.rules.push(Rule::Entry(pattern, entry));
    }

    /// Opens a block. A block whose pattern is faulty is opened too, so that its `endif` has its place.
    pub fn open(&mut self, pattern: Option<P>, line: &Line, word: Range<usize>) {
        self.open.push((self.rules.len(), line.clone(), word));
        if let Some(pattern) = pattern {
            self.rules.push(Rule::If(pattern, usize::MAX));
        }
    }

    /// Closes the innermost block.
    ///
    /// Postfix: an `endif` without `if` is only warned of; here: an error, because some rule is not where it should be.
    pub fn close(&mut self, line: &Line, source: &mut dyn Source) {
        let word = 0..line.text.find([' ', '\t']).unwrap_or(line.text.len());
        let rest = line.trim(word.end..line.text.len());
        if !rest.is_empty() {
            source.fault(line.error(rest, "nothing may stand behind `endif`").help(FOLLOWING));
        }
        let Some((at, ..)) = self.open.pop() else {
            source.fault(line.error(word, "`endif` without `if`").help("remove it, or write the `if` above"));
            return;
        };
        let end = self.rules.len();
        if let Some(Rule::If(_, skip)) = self.rules.get_mut(at)
            && *skip == usize::MAX
        {
            *skip = end;
        }
    }

    /// The rules, once the file has ended.
    pub fn finish(self, source: &mut dyn Source) -> Rules<P, E> {
        for (_, line, word) in &self.open {
            source.fault(
                line.error(word.clone(), "`if` without `endif`").help("write `endif` behind its last rule"),
            );
        }
        Rules { rules: self.rules }
    }
}

impl<P, E> Rules<P, E> {
    /// The first rule that matches.
    ///
    /// # Errors
    /// What `matches` says of a pattern that cannot be compared.
    pub fn find<X>(&self, mut matches: impl FnMut(&P) -> Result<bool, X>) -> Result<Option<(&P, &E)>, X> {
        let mut at = 0;
        while let Some(rule) = self.rules.get(at) {
            at += 1;
            match rule {
                Rule::Entry(pattern, entry) if matches(pattern)? => return Ok(Some((pattern, entry))),
                Rule::Entry(..) => {}
                Rule::If(pattern, end) => {
                    if !matches(pattern)? {
                        at = *end;
                    }
                }
            }
        }
        Ok(None)
    }

    /// All entries in order.
    pub fn entries(&self) -> impl Iterator<Item = &E> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Entry(_, entry) => Some(entry),
            Rule::If(..) => None,
        })
    }
}

/// What a line begins with. `if` and `endif` are read in any case of letters.
pub fn begin(line: &Line) -> Begin {
    let text = &line.text;
    let length = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    if text[..length].eq_ignore_ascii_case("if") {
        Begin::If(length)
    } else if text[..length].eq_ignore_ascii_case("endif") {
        Begin::EndIf
    } else {
        Begin::Rule
    }
}

/// Takes the `!` before a pattern, each of which turns the sense: whether it is negated, and where the pattern begins.
pub fn negation(line: &Line, at: usize) -> (bool, usize) {
    let rest = &line.text[at..];
    let marks = rest.find(|c: char| c != '!' && c != ' ' && c != '\t').unwrap_or(rest.len());
    let count = rest[..marks].bytes().filter(|b| *b == b'!').count();
    (count % 2 == 1, at + marks)
}
