//! POSIX extended regular expressions as the C library reads them, written down for PCRE2 (regex(7)).
//!
//! The languages differ where it hurts: in brackets a backslash is an ordinary character, a repeat operator behind
//! another one repeats the whole, `$` never stands before a line end, and `\d` is the letter `d`. One difference stays:
//! POSIX takes the longest of several alternatives, PCRE2 the first, which shows in `$1` only.

use std::ops::Range;

/// What is wrong with a pattern, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes of the pattern that are wrong.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<&'static str>,
}

/// Writes an extended regular expression in PCRE2's notation; with `multi_line` the anchors are those of lines.
///
/// # Errors
/// What the C library refuses too, and `\d` and its like, which it takes for letters.
pub fn translate(pattern: &str, multi_line: bool) -> Result<String, Mistake> {
    let mut reader = Reader {
        pattern,
        at: 0,
        out: String::with_capacity(pattern.len() + 8),
        groups: Vec::new(),
        opened: 0,
        closed: Vec::new(),
        atom: Atom::None,
    };
    while let Some(c) = reader.next() {
        let start = reader.at - c.len_utf8();
        match c {
            '(' => {
                reader.opened += 1;
                reader.groups.push(Group { start, out: reader.out.len(), number: reader.opened });
                reader.out.push('(');
                reader.atom = Atom::None;
            }
            ')' => match reader.groups.pop() {
                Some(group) => {
                    reader.out.push(')');
                    reader.atom = Atom::At(group.out);
                    reader.closed.push(group.number);
                }
                // The C library takes a parenthesis that closes nothing as it is.
                None => reader.atom("\\)"),
            },
            '|' => {
                reader.out.push('|');
                reader.atom = Atom::None;
            }
            '*' | '+' | '?' => reader.repeat(start, c.encode_utf8(&mut [0; 4]))?,
            '{' => reader.interval(start)?,
            '[' => reader.bracket(start)?,
            '\\' => reader.escape(start)?,
            '^' => reader.anchor("^"),
            '$' => reader.anchor(if multi_line { "$" } else { "\\z" }),
            c => reader.atom(c.encode_utf8(&mut [0; 4])),
        }
    }
    match reader.groups.pop() {
        Some(group) => Err(Mistake {
            span: group.start..group.start + 1,
            message: "bad pattern: this parenthesis is not closed".to_owned(),
            help: Some("write `\\(` for the character itself"),
        }),
        None => Ok(reader.out),
    }
}

struct Reader<'a> {
    pattern: &'a str,
    at: usize,
    out: String,
    groups: Vec<Group>,
    opened: u32,
    /// The numbers of the groups that are complete.
    closed: Vec<u32>,
    atom: Atom,
}

/// An open group: where it begins in the pattern and in the output, and its number.
struct Group {
    start: usize,
    out: usize,
    number: u32,
}

/// What a repeat operator would repeat.
#[derive(Clone, Copy)]
enum Atom {
    /// Nothing.
    None,
    /// An anchor, which cannot be repeated.
    Anchor,
    /// What was written from this place of the output.
    At(usize),
    /// The same, already with an operator behind it.
    Repeated(usize),
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.pattern[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn atom(&mut self, text: &str) {
        self.atom = Atom::At(self.out.len());
        self.out.push_str(text);
    }

    fn anchor(&mut self, text: &str) {
        self.atom = Atom::Anchor;
        self.out.push_str(text);
    }

    fn mistake(&self, start: usize, message: &str, help: &'static str) -> Mistake {
        Mistake { span: start..self.at, message: format!("bad pattern: {message}"), help: Some(help) }
    }

    fn repeat(&mut self, start: usize, operator: &str) -> Result<(), Mistake> {
        match self.atom {
            Atom::At(atom) => self.atom = Atom::Repeated(atom),
            Atom::Repeated(atom) => {
                // PCRE2 would read `a+?` as a lazy and `a++` as a possessive operator.
                self.out.insert_str(atom, "(?:");
                self.out.push(')');
            }
            Atom::None if self.out.ends_with('(') && operator == "?" => {
                return Err(self.mistake(start, "`(?` is not known here", "use a table of the type pcre:"));
            }
            Atom::None | Atom::Anchor => {
                let message = format!("nothing stands before `{operator}` that could be repeated");
                return Err(self.mistake(
                    start,
                    &message,
                    "write a backslash before it for the character itself",
                ));
            }
        }
        self.out.push_str(operator);
        Ok(())
    }

    /// `{3}`, `{3,}`, `{3,5}` or `{,5}`.
    fn interval(&mut self, start: usize) -> Result<(), Mistake> {
        const HELP: &str = "write `{3}`, `{3,}` or `{3,5}`, or `\\{` for the character itself";
        let rest = &self.pattern[self.at..];
        let Some(close) = rest.find('}') else {
            return Err(self.mistake(start, "this brace is not closed", HELP));
        };
        let inner = &rest[..close];
        self.at += close + 1;
        let (least, most) = inner.split_once(',').map_or((inner, None), |(least, most)| (least, Some(most)));
        let number = |text: &str| text.parse::<u16>().ok().filter(|n| *n <= 32_767 && !text.starts_with('+'));
        let least_number =
            if least.is_empty() && most.is_some_and(|m| !m.is_empty()) { Some(0) } else { number(least) };
        let Some(least) = least_number else {
            return Err(self.mistake(start, "this is not a count", HELP));
        };
        let operator = match most {
            None => format!("{{{least}}}"),
            Some("") => format!("{{{least},}}"),
            Some(most) => match number(most).filter(|most| *most >= least) {
                Some(most) => format!("{{{least},{most}}}"),
                None => return Err(self.mistake(start, "this is not a count", HELP)),
            },
        };
        self.repeat(start, &operator)
    }

    /// A backslash outside brackets, with the C library's own additions.
    fn escape(&mut self, start: usize) -> Result<(), Mistake> {
        let Some(c) = self.next() else {
            return Err(self.mistake(
                start,
                "a backslash at the end",
                "write `\\\\` for the character itself",
            ));
        };
        match c {
            '<' => self.anchor("\\b(?=\\w)"),
            '>' => self.anchor("\\b(?<=\\w)"),
            '`' => self.anchor("\\A"),
            '\'' => self.anchor("\\z"),
            'b' => self.anchor("\\b"),
            'B' => self.anchor("\\B"),
            'w' => self.atom("\\w"),
            'W' => self.atom("\\W"),
            's' => self.atom("\\s"),
            'S' => self.atom("\\S"),
            '1'..='9' => {
                if !self.closed.iter().any(|number| c.to_digit(10) == Some(*number)) {
                    let message = format!("no group {c} is complete before `\\{c}`");
                    return Err(self.mistake(
                        start,
                        &message,
                        "count the groups by their opening parentheses",
                    ));
                }
                self.atom(&format!("\\g{{{c}}}"));
            }
            c if c.is_ascii_alphanumeric() => {
                let message = format!("`\\{c}` is the letter `{c}` in a regexp: table");
                return Err(self.mistake(
                    start,
                    &message,
                    "write `[0-9]` for digits, or use a table of the type pcre:",
                ));
            }
            c => self.literal(c),
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            self.atom(&format!("\\{c}"));
        } else {
            self.atom(c.encode_utf8(&mut [0; 4]));
        }
    }

    /// A bracket expression: `[a-z]`, `[^]a]`, `[[:space:]\]`.
    fn bracket(&mut self, start: usize) -> Result<(), Mistake> {
        const HELP: &str = "write `\\[` for the character itself";
        let mut class = String::from("[");
        if self.pattern[self.at..].starts_with('^') {
            self.at += 1;
            class.push('^');
        }
        let mut first = true;
        loop {
            let item_start = self.at;
            let Some(c) = self.next() else {
                return Err(self.mistake(start, "this bracket is not closed", HELP));
            };
            if c == ']' && !first {
                break;
            }
            first = false;
            if c == '['
                && let Some(kind @ (':' | '.' | '=')) = self.pattern[self.at..].chars().next()
            {
                self.named(item_start, kind, &mut class)?;
                continue;
            }
            let rest = &self.pattern[self.at..];
            let range = rest.starts_with('-') && !rest.starts_with("-]") && rest.len() > 1;
            push_member(&mut class, c);
            if range {
                self.at += 1;
                let end = self.next().unwrap_or(c);
                if end < c || end == '[' && self.pattern[self.at..].starts_with([':', '.', '=']) {
                    return Err(self.mistake(
                        item_start,
                        "this is not a range of characters",
                        "write the smaller one first",
                    ));
                }
                class.push('-');
                push_member(&mut class, end);
            }
        }
        class.push(']');
        self.atom(&class);
        Ok(())
    }

    /// `[:space:]`, `[.x.]` and `[=x=]` within brackets.
    fn named(&mut self, start: usize, kind: char, class: &mut String) -> Result<(), Mistake> {
        const NAMES: [&str; 12] = [
            "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
            "upper", "xdigit",
        ];
        self.at += 1;
        let rest = &self.pattern[self.at..];
        let Some(close) = rest.find(&format!("{kind}]")) else {
            return Err(self.mistake(
                start,
                "this bracket is not closed",
                "write `[[:space:]]`, for example",
            ));
        };
        let name = &rest[..close];
        self.at += close + 2;
        let mut characters = name.chars();
        match (kind, characters.next(), characters.next()) {
            (':', ..) if NAMES.contains(&name) => {
                class.push_str("[:");
                class.push_str(name);
                class.push_str(":]");
                let rest = &self.pattern[self.at..];
                if rest.starts_with('-') && !rest.starts_with("-]") {
                    return Err(self.mistake(start, "a class begins no range", "put the `-` last"));
                }
                Ok(())
            }
            ('.' | '=', Some(c), None) => {
                push_member(class, c);
                Ok(())
            }
            _ => {
                let message = format!("`{name}` is not a class of characters");
                Err(self.mistake(
                    start,
                    &message,
                    "the classes are alnum, alpha, blank, cntrl, digit, graph, lower, \
                                                   print, punct, space, upper and xdigit",
                ))
            }
        }
    }
}

/// A character within brackets; PCRE2 reads a backslash there, POSIX does not.
fn push_member(class: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        class.push('\\');
    }
    class.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_the_c_library_reads() {
        let cases = [
            ("^a\\.b$", "^a\\.b\\z"),
            ("[\\w]", "[\\\\w]"),
            ("[]a-z-]", "[\\]a-z\\-]"),
            ("[^]^]", "[^\\]\\^]"),
            ("[[:space:]x]", "[[:space:]x]"),
            ("[[.-.][=a=]]", "[\\-a]"),
            ("[+--]", "[\\+-\\-]"),
            ("a+?b", "(?:a+)?b"),
            ("a**+", "(?:(?:a*)*)+"),
            ("(ab)+*", "(?:(ab)+)*"),
            ("[a]{2}{3}", "(?:[a]{2}){3}"),
            ("a{,3}b{2,}", "a{0,3}b{2,}"),
            ("a)", "a\\)"),
            ("()|b", "()|b"),
            ("\\<a\\>", "\\b(?=\\w)a\\b(?<=\\w)"),
            ("(a)\\10", "(a)\\g{1}0"),
            ("\\@\\/", "\\@\\/"),
        ];
        for (pattern, want) in cases {
            assert_eq!(translate(pattern, false).unwrap(), want, "{pattern}");
        }
        assert_eq!(translate("^a$", true).unwrap(), "^a$");
    }

    #[test]
    fn what_the_c_library_refuses_is_refused_at_its_place() {
        let cases = [
            ("*a", 0..1, "nothing stands before `*` that could be repeated"),
            ("a|+", 2..3, "nothing stands before `+` that could be repeated"),
            ("(?:a)", 1..2, "`(?` is not known here"),
            ("a[b", 1..3, "this bracket is not closed"),
            ("a[]", 1..3, "this bracket is not closed"),
            ("[[:spce:]]", 1..9, "`spce` is not a class of characters"),
            ("[[:space]", 1..3, "this bracket is not closed"),
            ("[z-a]", 1..4, "this is not a range of characters"),
            ("a{", 1..2, "this brace is not closed"),
            ("a{x}", 1..4, "this is not a count"),
            ("a{3,2}", 1..6, "this is not a count"),
            ("a{,}", 1..4, "this is not a count"),
            ("a{99999}", 1..8, "this is not a count"),
            ("a\\", 1..2, "a backslash at the end"),
            ("\\x41", 0..2, "`\\x` is the letter `x` in a regexp: table"),
            ("[[:digit:]-z]", 1..10, "a class begins no range"),
            ("\\1(a)", 0..2, "no group 1 is complete before `\\1`"),
            ("(a\\1)", 2..4, "no group 1 is complete before `\\1`"),
            ("a(b", 1..2, "this parenthesis is not closed"),
        ];
        for (pattern, span, message) in cases {
            let mistake = translate(pattern, false).unwrap_err();
            assert_eq!(
                (mistake.span, mistake.message),
                (span, format!("bad pattern: {message}")),
                "{pattern}"
            );
        }
    }
}
