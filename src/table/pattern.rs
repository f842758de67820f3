//! Regular expressions with a bounded effort: those of pcre_table(5) as they are, those of regexp_table(5) by way of
//! [`ere`].

use super::{ere, lines::Line};
use crate::{
    origin::{Fault, Origin},
    smtp::text,
};
use pcre2::bytes::{Regex, RegexBuilder};
use std::{fmt, ops::Range};

/// Backtracking steps from one character of the key on. A pattern that fits its purpose needs some hundreds, a clumsy
/// one of the kind `.*x.*y` half the square of the key's length, so 32,000 for the longest host name. This many take
/// less than a millisecond.
const MATCH_LIMIT: u32 = 50_000;
/// Memory of one match, in KiB.
const HEAP_LIMIT: u32 = 1_024;

/// The longest key that is compared, in bytes: the longest command line of Postfix (line_length_limit). PCRE2 counts
/// the steps anew from each character of the key on.
const KEY_LIMIT: usize = 2_048;

/// The longest header that is compared, in bytes: Postfix's header_size_limit, and the last line that goes beyond it.
const HEADER_LIMIT: usize = 102_400 + 2_048;

/// As [`MATCH_LIMIT`], for headers that are longer than any other key: where the pattern can begin anywhere, and where it
/// can begin in one place only, so that the steps are counted once. Either way a header takes at most some seconds, if a
/// hostile one meets a clumsy pattern.
const LONG_LIMIT: u32 = 4_000;
const ANCHORED_LIMIT: u32 = 2_000_000;

/// What a pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Names and addresses: text.
    Words,
    /// Header fields: bytes in no known charset, as Postfix compares them.
    Headers,
}

/// Which notation a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// POSIX extended regular expressions: `regexp:`.
    Regexp,
    /// Perl's: `pcre:`.
    Pcre,
}

/// A pattern, ready for use.
#[derive(Debug)]
pub struct Pattern {
    origin: Origin,
    regex: Regex,
    /// The same with other limits, for headers of more than [`KEY_LIMIT`] bytes.
    long: Option<Regex>,
    negated: bool,
    /// Whether the rule's text wants the groups.
    wants_groups: bool,
}

/// A match was given up: the pattern takes too long, or too much memory, for this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// Where the pattern stands.
    pub origin: Origin,
    /// Which limit was reached.
    pub reason: String,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pattern at {} was given up: {}", self.origin, self.reason)
    }
}

impl std::error::Error for GaveUp {}

/// The letters behind a pattern, as they stand.
#[derive(Clone, Copy, Debug)]
struct Flags {
    caseless: bool,
    multi_line: bool,
    dotall: bool,
    extended: bool,
    anchored: bool,
    ungreedy: bool,
}

impl Pattern {
    /// Compiles the pattern at `span` with the flags at `flags`.
    ///
    /// # Errors
    /// When the pattern is faulty or a flag unknown.
    pub fn compile(
        line: &Line,
        span: Range<usize>,
        flags: Range<usize>,
        (notation, keys): (Notation, Keys),
        negated: bool,
    ) -> Result<Self, Fault> {
        let flags = read_flags(line, flags, notation)?;
        let written = &line.text[span.clone()];
        let translated = match notation {
            Notation::Regexp => ere::translate(written, flags.multi_line).map_err(|mistake| {
                let at = span.start + mistake.span.start..span.start + mistake.span.end;
                Fault { help: mistake.help.map(str::to_owned), ..line.error(at, mistake.message) }
            })?,
            Notation::Pcre => written.to_owned(),
        };
        let build = |limit: u32| build(&translated, flags, keys, limit);
        let regex = build(MATCH_LIMIT).map_err(|(error, shift)| {
            let at = error.offset().and_then(|at| at.checked_sub(shift));
            compile_fault(line, span, at.filter(|_| notation == Notation::Pcre), &error)
        })?;
        let limit = if is_anchored(&translated, flags) { ANCHORED_LIMIT } else { LONG_LIMIT };
        let long = (keys == Keys::Headers).then(|| build(limit).ok()).flatten();
        Ok(Self { origin: line.origin(0), regex, long, negated, wants_groups: false })
    }

    /// How many groups there are for `$1`.
    pub fn groups(&self) -> usize {
        self.regex.captures_len().saturating_sub(1)
    }

    /// Whether the rule is negated.
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// The same pattern, for a rule whose text wants the groups.
    pub fn with_groups(self, wants_groups: bool) -> Self {
        Self { wants_groups, ..self }
    }

    /// Whether the key matches, or with `!` does not.
    ///
    /// # Errors
    /// [`GaveUp`] when the limits are reached.
    pub fn matches(&self, key: &[u8]) -> Result<bool, GaveUp> {
        match self.regex(key)?.is_match(key) {
            Ok(matched) => Ok(matched != self.negated),
            Err(error) => Err(self.gave_up(&error.to_string())),
        }
    }

    /// The expression with the limits for a key of this length.
    fn regex(&self, key: &[u8]) -> Result<&Regex, GaveUp> {
        let fits = match (&self.long, key.len()) {
            (_, 0..=KEY_LIMIT) => Some(&self.regex),
            (Some(long), 0..=HEADER_LIMIT) => Some(long),
            (None | Some(_), _) => None,
        };
        fits.ok_or_else(|| self.gave_up(&format!("a key of {} bytes", key.len())))
    }

    /// What the groups matched, where the rule's text wants them.
    ///
    /// # Errors
    /// [`GaveUp`] when the limits are reached.
    pub fn captured(&self, key: &[u8]) -> Result<Vec<String>, GaveUp> {
        let groups = self.captured_bytes(key)?;
        Ok(groups.iter().map(|group| text::from_wire(group)).collect())
    }

    /// The same as bytes.
    ///
    /// # Errors
    /// [`GaveUp`] when the limits are reached.
    pub fn captured_bytes(&self, key: &[u8]) -> Result<Vec<Vec<u8>>, GaveUp> {
        if !self.wants_groups {
            return Ok(Vec::new());
        }
        let captures = self.regex(key)?.captures(key).map_err(|error| self.gave_up(&error.to_string()))?;
        let Some(captures) = captures else { return Ok(Vec::new()) };
        let bytes = |number| captures.get(number).map_or(&b""[..], |found| found.as_bytes());
        Ok((1..captures.len()).map(|number| bytes(number).to_vec()).collect())
    }

    /// Where it stands.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn gave_up(&self, reason: &str) -> GaveUp {
        let reason = reason.rsplit(": ").next().unwrap_or_default().to_owned();
        GaveUp { origin: self.origin.clone(), reason }
    }
}

/// Compiles an expression, or says what is wrong and how far places in it are shifted.
fn build(expression: &str, flags: Flags, keys: Keys, limit: u32) -> Result<Regex, (pcre2::Error, usize)> {
    let prefix = format!("(*LIMIT_MATCH={limit})(*LIMIT_HEAP={HEAP_LIMIT})");
    let (before, after) = match (flags.anchored, flags.ungreedy) {
        (true, true) => ("(?U)\\A(?:", "\n)"),
        (true, false) => ("\\A(?:", "\n)"),
        (false, true) => ("(?U)", ""),
        (false, false) => ("", ""),
    };
    // The line end closes a comment of the x flag; without the flag it would be part of the pattern.
    let after = if flags.extended { after } else { after.trim_start() };
    let mut builder = RegexBuilder::new();
    builder
        .utf(keys == Keys::Words)
        .caseless(flags.caseless)
        .multi_line(flags.multi_line)
        .dotall(flags.dotall)
        .extended(flags.extended);
    let built = builder.build(&format!("{prefix}{before}{expression}{after}"));
    built.map_err(|error| (error, prefix.len() + before.len()))
}

/// Whether an expression can match at the beginning of the key only, as far as that is easily seen.
fn is_anchored(expression: &str, flags: Flags) -> bool {
    let (mut depth, mut set, mut bytes) = (0_i32, false, expression.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'[' => set = true,
            b']' => set = false,
            b'(' if !set => depth += 1,
            b')' if !set => depth -= 1,
            b'|' if !set && depth == 0 => return flags.anchored,
            _ => {}
        }
    }
    flags.anchored || expression.starts_with('^') && !flags.multi_line
}

/// PCRE2's words about the place it names, or about the whole pattern.
fn compile_fault(line: &Line, span: Range<usize>, at: Option<usize>, error: &pcre2::Error) -> Fault {
    let text = error.to_string();
    let words = text.splitn(3, ": ").last().unwrap_or_default();
    let place = at.and_then(|at| {
        let start = (span.start + at).min(span.end);
        let character = line.text.get(start..span.end)?.chars().next();
        Some(start..start + character.map_or(0, char::len_utf8))
    });
    line.error(place.unwrap_or(span), format!("bad pattern: {words}"))
}

/// Reads the letters behind a pattern. Each turns its flag over; `i` is on at first, in `pcre:` also `s`, in `regexp:`
/// also `x`, there the word for extended expressions.
fn read_flags(line: &Line, span: Range<usize>, notation: Notation) -> Result<Flags, Fault> {
    let mut flags = Flags {
        caseless: true,
        multi_line: false,
        dotall: true,
        extended: false,
        anchored: false,
        ungreedy: false,
    };
    for (offset, c) in line.text[span.clone()].char_indices() {
        let at = span.start + offset;
        let place = at..at + c.len_utf8();
        match (notation, c) {
            (_, 'i') => flags.caseless = !flags.caseless,
            (_, 'm') => flags.multi_line = !flags.multi_line,
            (Notation::Pcre, 's') => flags.dotall = !flags.dotall,
            (Notation::Pcre, 'x') => flags.extended = !flags.extended,
            (Notation::Pcre, 'A') => flags.anchored = !flags.anchored,
            (Notation::Pcre, 'U') => flags.ungreedy = !flags.ungreedy,
            // `E` is about a line end at the end of the key, and no key has one; PCRE2 has nothing for `X`.
            (Notation::Pcre, 'E' | 'X') => {}
            (Notation::Regexp, 'x') => {
                let fault = line.error(place, "basic regular expressions are not possible");
                return Err(fault.help("remove the flag `x` and write an extended expression"));
            }
            (Notation::Regexp, _) => {
                let fault = line.error(place, format!("unknown flag `{c}` behind the pattern"));
                return Err(fault.help("the flags of regexp: are i and m"));
            }
            (Notation::Pcre, _) => {
                let fault = line.error(place, format!("unknown flag `{c}` behind the pattern"));
                return Err(fault.help("the flags of pcre: are i, m, s, x, A, E, U and X"));
            }
        }
    }
    Ok(flags)
}
