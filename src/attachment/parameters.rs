//! The parameters of a field (RFC 2045 5.1, RFC 2231), in one of the ways in which programs take it apart. Whatever
//! stands where a separator should be, the search for the next `name=` goes on.

use super::limits::Limits;
use std::borrow::Cow;

/// How a field is taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// Text in parentheses is a comment.
    pub(super) comments: bool,
    /// A backslash in quotes is not itself meant.
    pub(super) escapes: bool,
}

/// The passes in which the readings of a field may differ.
pub(super) fn passes(value: &[u8]) -> impl Iterator<Item = Pass> + use<> {
    let (comments, escapes) = (value.contains(&b'('), value.contains(&b'\\'));
    [(false, true), (true, true), (false, false), (true, false)]
        .into_iter()
        .filter(move |pass| (!pass.0 || comments) && (pass.1 || escapes))
        .map(|(comments, escapes)| Pass { comments, escapes })
}

/// The parameters that say something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    FileName,
    Name,
    Boundary,
    Number,
}

/// One reading of one parameter.
#[derive(Debug)]
pub(super) enum Parameter<'a> {
    /// `name=value`
    Plain(Cow<'a, [u8]>),
    /// `name*=value`
    Extended(Cow<'a, [u8]>),
    /// `name*1=value`, or `name*1*=value`
    Segment { number: u32, encoded: bool, value: Cow<'a, [u8]> },
}

/// What went over its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) parameters: bool,
    pub(super) comments: bool,
}

/// Failed searches for the end of a comment, each as long as the field; then nothing is taken for a comment any more.
const UNCLOSED_COMMENTS: usize = 8;
/// Unquoted values with blanks inside are looked at up to this length.
const UNQUOTED: usize = 256;

/// Takes a field apart and gives each reading of each parameter that says something to `each`.
pub(super) fn scan<'a>(
    value: &'a [u8],
    pass: Pass,
    limits: &Limits,
    each: &mut dyn FnMut(Attribute, Parameter<'a>),
) -> Over {
    let mut scan =
        Scan { value, at: 0, pass, unclosed: 0, quotes_end: false, semicolon: 0, over: Over::default() };
    let mut parameters = 0;
    while let Some((attribute, section)) = scan.attribute() {
        parameters += 1;
        if parameters > limits.parameters {
            scan.over.parameters = true;
            break;
        }
        scan.value(attribute.map(|attribute| (attribute, section)), each);
    }
    scan.over
}

#[derive(Clone, Copy, Debug)]
enum Section {
    Plain,
    Extended,
    Segment(u32, bool),
}

struct Scan<'a> {
    value: &'a [u8],
    at: usize,
    pass: Pass,
    unclosed: usize,
    /// No quote behind here closes anything.
    quotes_end: bool,
    /// Where the next semicolon was found last; looked for once for all values before it.
    semicolon: usize,
    over: Over,
}

impl<'a> Scan<'a> {
    /// Goes to the next `attribute=` and behind it; `None` at the end, no attribute where it says nothing.
    fn attribute(&mut self) -> Option<(Option<Attribute>, Section)> {
        loop {
            self.blanks();
            let start = self.at;
            match *self.value.get(start)? {
                b';' | b',' | b'=' => {
                    self.at += 1;
                    continue;
                }
                b'"' => {
                    if let Some(end) = self.quoted() {
                        self.at = end + 1;
                    } else {
                        self.at += 1;
                    }
                }
                _ => {
                    let end = |byte: &u8| b" \t\r\n;,=\"(".contains(byte);
                    let rest = self.value.get(start + 1..)?;
                    self.at = start + 1 + rest.iter().position(end).unwrap_or(rest.len());
                }
            }
            let name = self.value.get(start..self.at)?;
            self.blanks();
            if self.value.get(self.at) == Some(&b'=') {
                self.at += 1;
                return Some(known(name));
            }
        }
    }

    /// Passes over blanks, and over comments where they count.
    fn blanks(&mut self) {
        loop {
            match self.value.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                Some(b'(') if self.pass.comments => match self.comment() {
                    Some(behind) => self.at = behind,
                    None => return,
                },
                Some(_) | None => return,
            }
        }
    }

    /// Where the comment ends that begins here.
    fn comment(&mut self) -> Option<usize> {
        if self.unclosed >= UNCLOSED_COMMENTS {
            self.over.comments = true;
            return None;
        }
        let (mut depth, mut at) = (0_usize, self.at);
        while let Some(byte) = self.value.get(at) {
            at += 1;
            match byte {
                b'\\' => at += 1,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at);
            }
        }
        self.unclosed += 1;
        None
    }

    /// Where the quote is that closes the one here.
    fn quoted(&mut self) -> Option<usize> {
        if self.quotes_end {
            return None;
        }
        let mut at = self.at + 1;
        while let Some(byte) = self.value.get(at) {
            match byte {
                b'\\' if self.pass.escapes => at += 1,
                b'"' => return Some(at),
                _ => {}
            }
            at += 1;
        }
        self.quotes_end = true;
        None
    }

    /// Where the next semicolon is, or the end.
    fn next_semicolon(&mut self) -> usize {
        if self.semicolon < self.at {
            let rest = self.value.get(self.at..).unwrap_or_default();
            self.semicolon = self.at + memchr::memchr(b';', rest).unwrap_or(rest.len());
        }
        self.semicolon
    }

    /// Reads the value that begins here and goes behind it.
    fn value(
        &mut self,
        wanted: Option<(Attribute, Section)>,
        each: &mut dyn FnMut(Attribute, Parameter<'a>),
    ) {
        self.blanks();
        let mut give = |value: Cow<'a, [u8]>| {
            let Some((attribute, section)) = wanted else { return };
            let parameter = match section {
                Section::Plain => Parameter::Plain(value),
                Section::Extended => Parameter::Extended(value),
                Section::Segment(number, encoded) => Parameter::Segment { number, encoded, value },
            };
            each(attribute, parameter);
        };
        let once = matches!(wanted, Some((_, Section::Segment(..))));
        let (value, start) = (self.value, self.at);
        let span = |from: usize, to: usize| value.get(from..to).unwrap_or_default();
        if value.get(start) != Some(&b'"') {
            self.token(once, &mut give);
            return;
        }
        let Some(end) = self.quoted() else {
            // The rest, and what stands before the next semicolon; behind that the search goes on.
            let semicolon = self.next_semicolon();
            give(Cow::Borrowed(span(start + 1, value.len())));
            if !once && semicolon < value.len() {
                give(Cow::Borrowed(span(start + 1, semicolon)));
            }
            self.at = semicolon;
            return;
        };
        let inner = span(start + 1, end);
        let escaped = self.pass.escapes && inner.contains(&b'\\');
        if wanted.is_some() {
            give(if escaped { Cow::Owned(unescaped(inner)) } else { Cow::Borrowed(inner) });
        }
        self.at = end + 1;
        let glued = span(end + 1, value.len());
        if !once && glued.first().is_some_and(|byte| !b" \t\r\n;,(".contains(byte)) {
            let length = glued.iter().take(UNQUOTED).position(|byte| b" \t\r\n;,".contains(byte));
            let glued = glued.get(..length.unwrap_or(glued.len().min(UNQUOTED))).unwrap_or_default();
            let tail = inner.get(inner.len().saturating_sub(UNQUOTED)..).unwrap_or_default();
            give(Cow::Owned([tail, glued].concat()));
        }
    }

    /// Reads a value without quotes: up to a blank or separator, and up to the next semicolon.
    fn token(&mut self, once: bool, give: &mut dyn FnMut(Cow<'a, [u8]>)) {
        let rest = self.value.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| b" \t\r\n;,".contains(byte)).unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or_default();
        let whole = self.next_semicolon() - self.at;
        give(Cow::Borrowed(token));
        if !once {
            if let Some(comment) = token.iter().position(|byte| *byte == b'(').filter(|_| self.pass.comments)
            {
                give(Cow::Borrowed(token.get(..comment).unwrap_or_default()));
            }
            if whole > end {
                let whole = rest.get(..whole).unwrap_or_default();
                give(Cow::Borrowed(whole.get(whole.len().saturating_sub(UNQUOTED)..).unwrap_or_default()));
            }
        }
        self.at += end;
    }
}

/// The value without the backslashes that quote.
fn unescaped(inner: &[u8]) -> Vec<u8> {
    let mut bytes = inner.iter();
    let mut value = Vec::with_capacity(inner.len());
    while let Some(byte) = bytes.next() {
        value.push(if *byte == b'\\' { bytes.next().copied().unwrap_or(b'\\') } else { *byte });
    }
    value
}

/// What an attribute is, without the bytes that have no place in one.
fn known(name: &[u8]) -> (Option<Attribute>, Section) {
    let mut clean = [0_u8; 32];
    let mut length = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric() || b"*-_'".contains(byte)) {
        let Some(place) = clean.get_mut(length) else { return (None, Section::Plain) };
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    let clean = clean.get(..length).unwrap_or_default();
    let star = clean.iter().position(|byte| *byte == b'*').unwrap_or(length);
    let (base, section) = clean.split_at(star);
    let attribute = match base {
        b"filename" => Attribute::FileName,
        b"name" => Attribute::Name,
        b"boundary" => Attribute::Boundary,
        b"number" => Attribute::Number,
        _ => return (None, Section::Plain),
    };
    let digits = section.strip_prefix(b"*").unwrap_or_default();
    let (digits, encoded) = digits.strip_suffix(b"*").map_or((digits, false), |digits| (digits, true));
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    let section = match (section, number) {
        (b"", _) => Section::Plain,
        (_, Some(number)) => Section::Segment(number, encoded),
        (_, None) => Section::Extended,
    };
    (Some(attribute), section)
}
