//! `$name` in the values of main.cf, replaced with bounded effort (postconf(5), "General format": `$name`, `${name}`,
//! `${name?text}`, `${name:text}`).

use super::main_cf::MainCf;
use std::cell::Cell;

/// How deep values may refer to values: beyond it they refer to themselves.
const DEPTH: usize = 20;

/// How long a reference in brackets may be, in characters.
const LENGTH: usize = 1_024;

/// What may be expanded in all, so that no file makes memory or time grow without bound.
#[derive(Debug)]
pub(super) struct Budget {
    names: Cell<usize>,
    bytes: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { names: Cell::new(100_000), bytes: Cell::new(4 << 20) }
    }
}

impl Budget {
    /// Takes one name and so many bytes; false when nothing is left.
    fn take(&self, bytes: usize) -> bool {
        let (Some(names), Some(left)) =
            (self.names.get().checked_sub(1), self.bytes.get().checked_sub(bytes))
        else {
            return false;
        };
        self.names.set(names);
        self.bytes.set(left);
        true
    }
}

impl MainCf {
    /// Replaces every reference. What names nothing known, or only itself, stays as it is written.
    pub(super) fn expand(&self, value: &str) -> String {
        let mut out = String::with_capacity(value.len());
        self.append(value, 0, &mut out);
        out
    }

    fn append(&self, value: &str, depth: usize, out: &mut String) {
        let mut rest = value;
        while let Some((before, behind)) = rest.split_once('$') {
            out.push_str(before);
            if !self.budget.take(0) {
                out.push('$');
                rest = behind;
                break;
            }
            let (written, reference) = reference(behind);
            let text = match reference {
                Reference::Dollar => Some("$"),
                Reference::Value(name) => self.effective(name),
                Reference::If(name, set, unset) => {
                    let is_set = self.effective(name).is_some_and(|value| !value.is_empty());
                    Some(if is_set { set } else { unset })
                }
                Reference::Other => None,
            };
            match text {
                Some("$") => out.push('$'),
                Some(text) if depth < DEPTH && self.budget.take(text.len()) => {
                    self.append(text, depth + 1, out);
                }
                Some(_) | None => {
                    out.push('$');
                    out.push_str(&behind[..written]);
                }
            }
            rest = &behind[written..];
        }
        out.push_str(rest);
    }
}

/// What stands behind a `$`.
#[derive(Debug, PartialEq, Eq)]
enum Reference<'a> {
    /// `$$`
    Dollar,
    /// `$name`, `${name}`, `$(name)`
    Value(&'a str),
    /// `${name?text}`, `${name:text}`: the text if the value is not empty, and the text if it is.
    If(&'a str, &'a str, &'a str),
    /// Comparisons, and what is no reference.
    Other,
}

/// Reads what stands behind a `$`, and how many bytes it takes.
fn reference(text: &str) -> (usize, Reference<'_>) {
    let close = match text.as_bytes().first() {
        Some(b'$') => return (1, Reference::Dollar),
        Some(b'{') => '}',
        Some(b'(') => ')',
        Some(_) | None => {
            let name = name_at(text);
            let reference = if name.is_empty() { Reference::Other } else { Reference::Value(name) };
            return (name.len(), reference);
        }
    };
    let Some(end) = closing(text, close) else { return (0, Reference::Other) };
    (end + 1, inner(&text[1..end]))
}

fn inner(body: &str) -> Reference<'_> {
    let body = body.trim();
    let name = name_at(body);
    if name.is_empty() {
        return Reference::Other;
    }
    let rest = body[name.len()..].trim_start();
    if rest.is_empty() {
        return Reference::Value(name);
    }
    let (set, text) = match (rest.strip_prefix('?'), rest.strip_prefix(':')) {
        (Some(text), _) => (true, text),
        (None, Some(text)) => (false, text),
        (None, None) => return Reference::Other,
    };
    let (first, second) = alternatives(text);
    if set { Reference::If(name, first, second) } else { Reference::If(name, "", first) }
}

/// `{a}:{b}` as two texts; anything else is one.
fn alternatives(text: &str) -> (&str, &str) {
    let trimmed = text.trim();
    let Some(end) = trimmed.starts_with('{').then(|| closing(trimmed, '}')).flatten() else {
        return (text, "");
    };
    let behind = trimmed[end + 1..].trim_start();
    if behind.is_empty() {
        return (&trimmed[1..end], "");
    }
    let second = behind.strip_prefix(':').map(str::trim);
    let second = second.and_then(|second| second.strip_prefix('{')?.strip_suffix('}'));
    second.map_or((text, ""), |second| (&trimmed[1..end], second))
}

/// Where the bracket with which the text begins is closed.
fn closing(text: &str, close: char) -> Option<usize> {
    let open = text.chars().next()?;
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().take(LENGTH) {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_as_postfix_does() {
        let main_cf = MainCf::parse(b"a = 1\nempty =\nb = x${a}y\nloop = $loop\ntwo = $$a $b");
        let cases = [
            ("$a,$b", "1,x1y"),
            ("$(a)", "1"),
            ("${a?yes}${empty?no}${none?no}", "yes"),
            ("${a:no}${empty:yes}", "yes"),
            ("${a?{p}:{q}}${empty?{p}:{q}}${a?{p}}", "pqp"),
            ("${empty?{a b}:{c $a}}", "c 1"),
            ("$two", "$a x1y"),
            ("$none ${none} $", "$none ${none} $"),
            ("$loop", "$loop"),
            ("${{1} == {1} ? {x} : {y}}", "${{1} == {1} ? {x} : {y}}"),
            ("${a", "${a"),
            ("${", "${"),
            ("$default_database_type:$config_directory/x", "hash:/etc/postfix/x"),
        ];
        for (value, want) in cases {
            assert_eq!(main_cf.expand(value), want, "{value}");
        }
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut text = String::new();
        for level in 0..30 {
            text.push_str(&format!("p{level} = {}\n", format!("$p{}", level + 1).repeat(50)));
        }
        text.push_str("p30 =\n");
        let main_cf = MainCf::parse(text.as_bytes());
        let expanded = main_cf.expand("$p0 $p15");
        assert!(expanded.len() < 16 << 20, "{}", expanded.len());
        let main_cf = MainCf::parse(format!("a = {}\nb = $a$a$a$a$a$a", "x".repeat(1 << 20)).as_bytes());
        assert!(main_cf.expand("$b$b$b").len() < 16 << 20);
    }
}
