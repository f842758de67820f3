//! Encoded words of RFC 2047, read as leniently as mail programs read them: inside quotes, glued to text, without
//! padding, with blanks inside, or without their end.

use super::{
    charset::{hex, lenient, texts},
    decode,
};
use memchr::memmem;

/// The longest name of a character set, with its language.
const LABEL: usize = 64;

/// The text with its encoded words decoded, if it has any.
pub(super) fn decode(text: &[u8]) -> Option<String> {
    let mut decoded = String::new();
    // Neighbours of one character set are decoded together: a character may be split over them.
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    let (mut rest, mut found) = (text, false);
    while let Some(start) = memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at(start);
        let Some(word) = Word::read(from) else {
            close(&mut open, &mut decoded);
            decoded.push_str(&lenient(before));
            decoded.push_str("=?");
            rest = from.get(2..).unwrap_or_default();
            continue;
        };
        let between = before.iter().all(|byte| b" \t\r\n".contains(byte)) && open.is_some();
        if !between {
            close(&mut open, &mut decoded);
            decoded.push_str(&lenient(before));
        }
        match &mut open {
            Some((charset, bytes)) if charset.eq_ignore_ascii_case(word.charset) => bytes.extend(word.bytes),
            Some(_) | None => {
                close(&mut open, &mut decoded);
                open = Some((word.charset, word.bytes));
            }
        }
        found = true;
        rest = word.rest;
    }
    close(&mut open, &mut decoded);
    decoded.push_str(&lenient(rest));
    found.then_some(decoded)
}

fn close(open: &mut Option<(&[u8], Vec<u8>)>, decoded: &mut String) {
    if let Some((charset, bytes)) = open.take() {
        decoded.push_str(&texts(&bytes, Some(charset)).swap_remove(0));
    }
}

/// One encoded word.
struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    rest: &'a [u8],
}

impl<'a> Word<'a> {
    /// Reads the word at the beginning of a text, `=?charset?B?letters?=`.
    fn read(text: &'a [u8]) -> Option<Self> {
        let inner = text.get(2..)?;
        let end = inner.iter().take(LABEL).position(|byte| *byte == b'?')?;
        let (charset, from) = inner.split_at(end);
        if charset.is_empty() || charset.iter().any(|byte| b" \t\r\n=\"".contains(byte)) {
            return None;
        }
        let [b'?', encoding, b'?', ..] = from else { return None };
        let letters = from.get(3..)?;
        let end = memmem::find(letters, b"?=");
        let (letters, rest) = letters.split_at(end.unwrap_or(letters.len()));
        let bytes = match encoding {
            b'B' | b'b' => decode::base64(letters),
            b'Q' | b'q' => quoted(letters),
            _ => return None,
        };
        Some(Self { charset, bytes, rest: rest.get(2..).unwrap_or_default() })
    }
}

/// The Q encoding.
fn quoted(letters: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(letters.len());
    let mut rest = letters;
    while let Some((&byte, behind)) = rest.split_first() {
        let number = (byte == b'=').then(|| hex(behind)).flatten();
        decoded.push(number.unwrap_or(if byte == b'_' { b' ' } else { byte }));
        rest = if number.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn encoded_words_are_decoded_as_mail_programs_do() {
        for (text, want) in [
            ("=?utf-8?B?YS5leGU=?=", "a.exe"),
            ("=?utf-8?Q?a=2Eexe?=", "a.exe"),
            ("=?utf-8?Q?a=2E?=\r\n =?utf-8?Q?exe?=", "a.exe"),
            ("=?utf-8?Q?a.?==?utf-8?Q?exe?=", "a.exe"),
            ("=?utf-8?Q?=C3?= =?UTF-8?Q?=A9.exe?=", "\u{e9}.exe"),
            ("a.=?utf-8?Q?exe?=", "a.exe"),
            ("=?utf-8?Q?=C3=A9?=.exe", "\u{e9}.exe"),
            ("=?utf-8?B?YS5leGU?=", "a.exe"),
            ("=?utf-8?B?YS5leGU=", "a.exe"),
            ("=?utf-8?Q?my new a.exe?=", "my new a.exe"),
            ("=?x-nope?Q?a=2Eexe?=", "a.exe"),
            ("=?utf-8*en?Q?a_=2Eexe?=", "a .exe"),
            ("=?utf-16be?B?AGEALgBlAHgAZQ==?=", "a.exe"),
            ("=?koi8-r?B?z9TexdQ=?=.exe", "\u{43e}\u{442}\u{447}\u{435}\u{442}.exe"),
            ("=?=?utf-8?Q?a?=", "=?a"),
            ("=?utf-8?X?a?= =?utf-8?Q?b?=", "=?utf-8?X?a?= b"),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(want), "{text}");
        }
        assert_eq!(decode(b"a.exe =? ?="), None);
    }
}
