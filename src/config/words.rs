//! Restriction lists in main.cf's notation inside TOML strings: words between blanks and commas, `{…}` kept together,
//! each with its exact place in the file (postconf(5), "restriction lists"; Postfix's mystrtokq()).

use super::text::Text;
use crate::origin::{Fault, Origin, Word};

/// From offsets in a decoded TOML string back to bytes of the file.
pub(super) struct Offsets {
    /// (decoded, file) where a run of unescaped text begins.
    runs: Vec<(usize, usize)>,
}

impl Offsets {
    /// Follows the string literal that stands at `start` in the file.
    pub(super) fn of(raw: &str, start: usize) -> Self {
        let quote = if raw.starts_with('\'') { "'" } else { "\"" };
        let several = raw.starts_with(&quote.repeat(3)) && raw.len() >= 6;
        let mut at = if several { 3 } else { 1.min(raw.len()) };
        let end = raw.len().saturating_sub(at).max(at);
        if several {
            let body = &raw[at..];
            at += if body.starts_with('\n') { 1 } else { 2 * usize::from(body.starts_with("\r\n")) };
        }
        let mut offsets = Self { runs: vec![(0, start + at)] };
        if quote == "\"" {
            offsets.follow(raw, start, at, end);
        }
        offsets
    }

    fn follow(&mut self, raw: &str, start: usize, from: usize, end: usize) {
        let (mut at, mut decoded) = (from, 0);
        while let Some(skip) = raw.get(at..end).and_then(|rest| rest.find('\\')) {
            at += skip;
            decoded += skip;
            let (long, gives) = escape(&raw[at..end]);
            // The escape itself: its first byte stands for all of what it gives.
            self.runs.push((decoded, start + at));
            at += long;
            decoded += gives;
            self.runs.push((decoded, start + at));
        }
    }

    /// The byte in the file of an offset in the decoded string.
    pub(super) fn byte(&self, decoded: usize) -> usize {
        let run = self.runs.partition_point(|(at, _)| *at <= decoded).saturating_sub(1);
        self.runs.get(run).map_or(0, |(at, byte)| byte + decoded.saturating_sub(*at))
    }
}

/// Where the pieces of a word stand that do not follow what is before them in the file, behind a line end or an escape.
pub(super) fn pieces(word: &Word, text: &Text) -> Vec<(usize, Origin)> {
    let start = text.byte(word.origin.line, word.origin.column);
    let raw = text.text.get(start..).unwrap_or_default();
    let mut pieces = Vec::new();
    if raw.starts_with(&word.text) {
        let ends = word.text.match_indices('\n').map(|(at, _)| at + 1);
        pieces.extend(ends.map(|at| (at, text.origin(start + at))));
        return pieces;
    }
    let (mut at, mut decoded) = (0, 0);
    while decoded < word.text.len()
        && let Some(c) = raw[at..].chars().next()
    {
        let (long, gives) = match c {
            '\\' => escape(&raw[at..]),
            // A line end is one character, however it is written.
            '\r' => (1, 0),
            c => (c.len_utf8(), c.len_utf8()),
        };
        (at, decoded) = (at + long, decoded + gives);
        if long != gives || c == '\n' {
            pieces.push((decoded, text.origin(start + at)));
        }
    }
    pieces
}

/// How long an escape is in the file and how many bytes it gives (TOML 1.1).
fn escape(text: &str) -> (usize, usize) {
    let hex = |digits: usize| {
        let code = text.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        code.and_then(char::from_u32).map_or((text.len().min(2), 3), |c| (2 + digits, c.len_utf8()))
    };
    match text.as_bytes().get(1) {
        Some(b'x') => hex(2),
        Some(b'u') => hex(4),
        Some(b'U') => hex(8),
        // A backslash at the end of a line swallows all blanks up to the next word.
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let rest = text[1..].trim_start_matches([' ', '\t', '\r', '\n']);
            (text.len() - rest.len(), 0)
        }
        Some(byte) if byte.is_ascii() => (2, 1),
        Some(_) | None => (1, 1),
    }
}

/// A word or a `{…}` group of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The word; of a group what is between the braces.
    pub(super) word: Word,
    /// How many characters it takes in the file, escapes as written.
    pub(super) width: usize,
    /// The words between its braces, if it stood in braces of its own.
    pub(super) group: Option<Vec<Token>>,
}

/// How deep braces may be nested; nobody writes more than two.
const DEPTH: usize = 16;

/// Splits a list into words. `place` maps an offset in `list` to the file.
///
/// # Errors
/// A brace without its counterpart; the words before it are lost with it.
pub(super) fn split(list: &str, text: &Text, place: &dyn Fn(usize) -> usize) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(skip) = list[at..].find(|c| !is_separator(c)) {
        at += skip;
        let length = word_length(&list[at..])
            .map_err(|(offset, message)| Fault::error(&text.origin(place(at + offset)), 1, message))?;
        tokens.push(token(&list[at..at + length], at, text, place)?);
        at += length;
    }
    Ok(tokens)
}

fn token(raw: &str, at: usize, text: &Text, place: &dyn Fn(usize) -> usize) -> Result<Token, Fault> {
    let word = |body: &str, at: usize| {
        let (start, end) = (place(at), place(at + body.len()));
        (Word { text: body.to_owned(), origin: text.origin(start) }, text.characters(start, end))
    };
    let inner = raw.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    // `{a}{b}` is one word of two groups, no group.
    let Some(inner) = inner.filter(|inner| braces_match(inner)) else {
        let (word, width) = word(raw, at);
        return Ok(Token { word, width, group: None });
    };
    let skip = at + 1 + inner.len() - inner.trim_start().len();
    let body = inner.trim();
    let group = split(body, text, &|offset| place(skip + offset))?;
    let (word, width) = word(body, skip);
    Ok(Token { word, width, group: Some(group) })
}

/// Whether each brace has its counterpart within the text.
fn braces_match(text: &str) -> bool {
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'{' => open += 1,
            b'}' if open == 0 => return false,
            b'}' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | ',')
}

/// The length of the word at the beginning; an `Err` is the offset of a brace that does not fit, and why.
fn word_length(text: &str) -> Result<usize, (usize, &'static str)> {
    let mut open = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '{' if open.len() == DEPTH => return Err((at, "braces are nested too deep")),
            '{' => open.push(at),
            '}' if open.pop().is_none() => return Err((at, "`}` without `{`")),
            c if open.is_empty() && is_separator(c) => return Ok(at),
            _ => {}
        }
    }
    open.first().map_or(Ok(text.len()), |brace| Err((*brace, "`{` is not closed")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::{DeTable, DeValue};

    /// The words of the first value of a file.
    fn words(file: &str) -> Vec<(String, u32, u32, bool)> {
        let (tree, errors) = DeTable::parse_recoverable(file);
        assert!(errors.is_empty(), "{errors:?}");
        let (_, value) = tree.get_ref().iter().next().unwrap();
        let DeValue::String(list) = value.get_ref() else { panic!("no string") };
        let text = Text::new("t", file.to_owned());
        let offsets = Offsets::of(&file[value.span()], value.span().start);
        let tokens = split(list, &text, &|at| offsets.byte(at)).unwrap();
        let parts = |t: Token| (t.word.text, t.word.origin.line, t.word.origin.column, t.group.is_some());
        tokens.into_iter().map(parts).collect()
    }

    fn flat(file: &str) -> Vec<(String, u32, u32)> {
        words(file).into_iter().map(|(text, line, column, _)| (text, line, column)).collect()
    }

    #[test]
    fn words_keep_their_places_in_every_kind_of_string() {
        let at = |text: &str, line, column| (text.to_owned(), line, column);
        let cases = [
            ("a = \"b, c\"", vec![at("b", 1, 6), at("c", 1, 9)]),
            ("a = 'b\tc'", vec![at("b", 1, 6), at("c", 1, 8)]),
            ("a = \"b\\tc\"", vec![at("b", 1, 6), at("c", 1, 9)]),
            ("a = \"\\u0062x \\x63 d\"", vec![at("bx", 1, 6), at("c", 1, 14), at("d", 1, 19)]),
            ("a = \"\\U0001F600x y\"", vec![at("😀x", 1, 6), at("y", 1, 18)]),
            ("a = \"\"\"\nb\n  c\"\"\"", vec![at("b", 2, 1), at("c", 3, 3)]),
            ("a = \"\"\"\r\nb\r\n  c\"\"\"", vec![at("b", 2, 1), at("c", 3, 3)]),
            ("a = \"\"\"b \\\n   c\\t d\"\"\"", vec![at("b", 1, 8), at("c", 2, 4), at("d", 2, 8)]),
            ("a = '''\nb\\\nc'''", vec![at("b\\", 2, 1), at("c", 3, 1)]),
            ("a = \"\"", vec![]),
            ("a = \"\"\"\"\"\"", vec![]),
            ("a = 'ö b'", vec![at("ö", 1, 6), at("b", 1, 8)]),
        ];
        for (file, want) in cases {
            assert_eq!(flat(file), want, "{file}");
        }
    }

    #[test]
    fn braces_keep_words_together() {
        let list = "a = 'check_helo_access inline:{ a=OK, {b = DUNNO} } x{1}y { c, d } {e}{f}'";
        let got: Vec<_> = words(list).into_iter().map(|(text, .., group)| (text, group)).collect();
        let want = [
            ("check_helo_access", false),
            ("inline:{ a=OK, {b = DUNNO} }", false),
            ("x{1}y", false),
            ("c, d", true),
            ("{e}{f}", false),
        ];
        assert_eq!(got, want.map(|(text, group)| (text.to_owned(), group)));
    }

    #[test]
    fn a_lonely_brace_is_shown() {
        let text = Text::new("t", "a { b".to_owned());
        let fault = split("a { b", &text, &|at| at).unwrap_err();
        assert_eq!((fault.message.as_str(), fault.origin), ("`{` is not closed", Origin::new("t", 1, 3)));
        let text = Text::new("t", "a } b".to_owned());
        assert_eq!(split("a } b", &text, &|at| at).unwrap_err().message, "`}` without `{`");
    }
}
