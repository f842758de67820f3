//! The language of reply templates: Postfix's mac_expand, with every reference known when it is read.
//!
//! `$name`, `${name}`, `$(name)`, `${name?text}`, `${name?{text}:{else}}`, `${name:else}`, and for the name a comparison
//! `{a} == {b}` (`!=`, `<`, `<=`, `>=`, `>`); `$$` is a dollar. Texts are templates themselves.
//!
//! Postfix: reads the text of a branch when it is taken; here: when the configuration is loaded, because a fault in
//! it should not wait for the first mail that takes it.

use super::variable::Variable;
use std::{borrow::Cow, cmp::Ordering};

/// How deep references may nest; nobody writes more than three.
const DEPTH: usize = 32;

/// The longest text that is made, in bytes; a reply holds 510.
const LIMIT: usize = 4096;

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expansion(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Value(Variable),
    Choice { test: Test, then: Expansion, otherwise: Expansion },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// The variable is not empty.
    Set(Variable),
    Compare(Expansion, Operator, Expansion),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    GreaterOrEqual,
    Greater,
}

/// What is wrong from a byte of the template on, and how many bytes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    fn new(at: usize, length: usize, message: impl Into<String>) -> Self {
        Self { at, length, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Expansion {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        template(Piece { text, at: 0 }, 0)
    }

    /// The text, with the values that `value` gives.
    pub(super) fn expand<'v>(&self, value: &dyn Fn(Variable) -> Cow<'v, str>) -> String {
        let mut out = String::new();
        self.append(&mut out, value);
        out
    }

    /// Whether a variable stands anywhere in it.
    pub(super) fn uses(&self, variable: Variable) -> bool {
        self.0.iter().any(|part| match part {
            Part::Text(_) => false,
            Part::Value(used) => *used == variable,
            Part::Choice { test, then, otherwise } => {
                let tested = match test {
                    Test::Set(used) => *used == variable,
                    Test::Compare(left, _, right) => left.uses(variable) || right.uses(variable),
                };
                tested || then.uses(variable) || otherwise.uses(variable)
            }
        })
    }

    fn append<'v>(&self, out: &mut String, value: &dyn Fn(Variable) -> Cow<'v, str>) {
        for part in &self.0 {
            if out.len() > LIMIT {
                return;
            }
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(variable) => filtered(out, &value(*variable)),
                Part::Choice { test, then, otherwise } => {
                    let branch = if test.holds(value) { then } else { otherwise };
                    branch.append(out, value);
                }
            }
        }
    }

    /// Nothing at all.
    pub(super) fn empty() -> Self {
        Self(Vec::new())
    }

    fn text(text: &str) -> Self {
        Self(if text.is_empty() { Vec::new() } else { vec![Part::Text(text.into())] })
    }
}

/// smtpd_expansion_filter: what stands outside printable ASCII becomes `_`, byte by byte.
fn filtered(out: &mut String, value: &str) {
    for c in value.chars() {
        if matches!(c, ' '..='~' | '\t') {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('_', c.len_utf8()));
        }
    }
}

impl Test {
    fn holds<'v>(&self, value: &dyn Fn(Variable) -> Cow<'v, str>) -> bool {
        match self {
            Self::Set(variable) => !value(*variable).is_empty(),
            Self::Compare(left, operator, right) => {
                let order = compare(&left.expand(value), &right.expand(value));
                match operator {
                    Operator::Equal => order.is_eq(),
                    Operator::NotEqual => order.is_ne(),
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::GreaterOrEqual => order.is_ge(),
                    Operator::Greater => order.is_gt(),
                }
            }
        }
    }
}

/// Two numbers by their value, anything else by its bytes.
fn compare(left: &str, right: &str) -> Ordering {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !(number(left) && number(right)) {
        return left.cmp(right);
    }
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// A part of the template, and where it begins.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    /// What follows the first `bytes`.
    fn after(self, bytes: usize) -> Self {
        Self { text: &self.text[bytes..], at: self.at + bytes }
    }

    fn up_to(self, bytes: usize) -> Self {
        Self { text: &self.text[..bytes], at: self.at }
    }

    fn trimmed(self) -> Self {
        self.after(self.text.len() - self.text.trim_start().len())
    }

    fn wrong(self, message: impl Into<String>) -> Wrong {
        Wrong::new(self.at, self.text.len().max(1), message)
    }

    /// What the bracket at the beginning encloses, and what stands behind it; `None` if it is not closed.
    fn bracketed(self) -> Option<(Self, Self)> {
        let open = self.text.chars().next()?;
        let close = if open == '(' { ')' } else { '}' };
        let mut level = 0_usize;
        for (at, c) in self.text.char_indices() {
            if c == open {
                level += 1;
            } else if c == close {
                level = level.checked_sub(1)?;
                if level == 0 {
                    return Some((self.up_to(at).after(1), self.after(at + 1)));
                }
            }
        }
        None
    }
}

fn template(mut rest: Piece<'_>, depth: usize) -> Result<Expansion, Wrong> {
    if depth > DEPTH {
        return Err(rest.wrong("references are nested too deep"));
    }
    let mut parts = Vec::new();
    let mut plain = String::new();
    while let Some(dollar) = rest.text.find('$') {
        plain.push_str(&rest.text[..dollar]);
        rest = rest.after(dollar);
        if rest.text.starts_with("$$") {
            plain.push('$');
            rest = rest.after(2);
            continue;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        let name = rest.after(1);
        if name.text.starts_with(['{', '(']) {
            let Some((inner, behind)) = name.bracketed() else {
                return Err(rest.wrong(format!("`{}` is not closed", &rest.text[..2])));
            };
            parts.push(reference(inner, rest, depth)?);
            rest = behind;
        } else {
            let length = name_length(name.text);
            if length == 0 {
                return Err(Wrong::new(rest.at, 1, "`$` without a name").help("write `$$` for a dollar"));
            }
            parts.push(Part::Value(variable(name.up_to(length))?));
            rest = name.after(length);
        }
    }
    plain.push_str(rest.text);
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Ok(Expansion(parts))
}

/// What stands within `${…}`; `whole` begins with its dollar.
fn reference(inner: Piece<'_>, whole: Piece<'_>, depth: usize) -> Result<Part, Wrong> {
    let inner = inner.trimmed();
    if inner.text.is_empty() {
        return Err(Wrong::new(whole.at, 3, "`${}` without a name"));
    }
    if inner.text.starts_with('{') {
        let (test, rest) = comparison(inner, depth)?;
        let (then, otherwise) = match branches(rest, depth)? {
            Some(branches) => branches,
            None => (Expansion::text("true"), Expansion::empty()),
        };
        return Ok(Part::Choice { test, then, otherwise });
    }
    let length = name_length(inner.text);
    let rest = inner.after(length).trimmed();
    if !rest.text.is_empty() && !rest.text.starts_with(['?', ':']) {
        let first = rest.text.chars().next().map_or(1, char::len_utf8);
        let message = format!("`{}` cannot stand in a name", &rest.text[..first]);
        return Err(Wrong::new(rest.at, first, message));
    }
    if length == 0 {
        return Err(Wrong::new(whole.at, 2, "`${` without a name"));
    }
    let variable = variable(inner.up_to(length))?;
    Ok(match branches(rest, depth)? {
        Some((then, otherwise)) => Part::Choice { test: Test::Set(variable), then, otherwise },
        None => Part::Value(variable),
    })
}

/// `{a} == {b}`, and what follows it.
fn comparison(piece: Piece<'_>, depth: usize) -> Result<(Test, Piece<'_>), Wrong> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let (left, rest) = operand(piece, depth)?;
    let Some((word, operator)) = OPERATORS.iter().find(|(word, _)| rest.text.starts_with(word)) else {
        let wrong = Wrong::new(rest.at, 1, "a comparison is missing");
        return Err(wrong.help("write `==`, `!=`, `<`, `<=`, `>=` or `>` behind the braces"));
    };
    let (right, rest) = operand(rest.after(word.len()).trimmed(), depth)?;
    Ok((Test::Compare(left, *operator, right), rest))
}

fn operand(piece: Piece<'_>, depth: usize) -> Result<(Expansion, Piece<'_>), Wrong> {
    if !piece.text.starts_with('{') {
        return Err(Wrong::new(piece.at, 1, "what is compared stands in braces").help("write `{text}`"));
    }
    let Some((inner, behind)) = piece.bracketed() else {
        return Err(piece.wrong("`{` is not closed"));
    };
    Ok((template(inner, depth + 1)?, behind.trimmed()))
}

/// `?text`, `?{text}:{else}` or `:else`; `None` where nothing follows.
fn branches(rest: Piece<'_>, depth: usize) -> Result<Option<(Expansion, Expansion)>, Wrong> {
    if rest.text.is_empty() {
        return Ok(None);
    }
    if rest.text.starts_with(':') {
        return Ok(Some((Expansion::empty(), last_branch(rest.after(1), depth)?)));
    }
    if !rest.text.starts_with('?') {
        return Err(rest.wrong("`?` or `:` is missing"));
    }
    let text = rest.after(1);
    if !text.trimmed().text.starts_with('{') {
        return Ok(Some((template(text, depth + 1)?, Expansion::empty())));
    }
    let (then, rest) = operand(text.trimmed(), depth)?;
    if rest.text.is_empty() {
        return Ok(Some((then, Expansion::empty())));
    }
    if !rest.text.starts_with(':') {
        return Err(rest.wrong("`:` is missing").help("write `${name?{text}:{else}}`"));
    }
    Ok(Some((then, last_branch(rest.after(1), depth)?)))
}

/// What stands behind the `:`, in braces or to the end.
fn last_branch(text: Piece<'_>, depth: usize) -> Result<Expansion, Wrong> {
    if !text.trimmed().text.starts_with('{') {
        return template(text, depth + 1);
    }
    let (otherwise, rest) = operand(text.trimmed(), depth)?;
    if rest.text.is_empty() { Ok(otherwise) } else { Err(rest.wrong("nothing may stand behind the braces")) }
}

fn name_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

fn variable(name: Piece<'_>) -> Result<Variable, Wrong> {
    Variable::find(name.text).ok_or_else(|| {
        let wrong = name.wrong(format!("unknown variable `{}`", name.text));
        match Variable::near(name.text) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help("`mailward restrictions reject_rbl_client` lists them"),
        }
    })
}

#[cfg(test)]
mod tests;
