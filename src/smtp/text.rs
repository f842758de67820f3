//! Making bytes that came from a client fit to be shown, compared and sent.

use std::{borrow::Cow, fmt::Write as _};

/// Reads bytes from the wire as text: what is not valid UTF-8 becomes U+FFFD, which no table
/// key and no host name holds, so that it can never match by accident.
pub fn from_wire(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// As Postfix's printable(): every character that cannot be printed becomes `replacement`. Valid UTF-8 stays,
/// as it does with Postfix's `smtputf8_enable = yes`.
pub fn printable(text: &str, replacement: char) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_printable(c) { c } else { replacement }).collect())
}

fn is_printable(c: char) -> bool {
    !c.is_control() && c != char::REPLACEMENT_CHARACTER && !is_reordering(c)
}

/// Characters that change how the text around them is shown: line and paragraph separators, and the
/// bidirectional controls that can make a log line read as another one.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a text to at most `bytes` bytes without splitting a character.
pub fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The longest value of a client's that a log line shows, in bytes.
pub const LOG_LIMIT: usize = 512;

/// Escapes a client's text for a log line or a terminal: control and reordering characters and backslashes become
/// `\u{…}` or `\\`, and what is longer than [`LOG_LIMIT`] is cut with `…`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = || text.chars().all(|c| is_printable(c) && c != '\\');
    if text.len() <= LOG_LIMIT && (text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\') || is_plain())
    {
        return Cow::Borrowed(text);
    }
    let shown = cut(text, LOG_LIMIT);
    let mut out = String::with_capacity(shown.len() + 16);
    for c in shown.chars() {
        if c == '\\' {
            out.push_str("\\\\");
        } else if is_printable(c) || c == char::REPLACEMENT_CHARACTER {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
    if shown.len() < text.len() {
        out.push('…');
    }
    Cow::Owned(out)
}

/// Breaks a text at blanks into lines of at most so many characters, longer words excepted.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_log_line() {
        assert_eq!(escaped("plain@example.net"), "plain@example.net");
        assert_eq!(escaped("a\r\nb\u{1b}[31m"), "a\\u{d}\\u{a}b\\u{1b}[31m");
        assert_eq!(escaped("x\u{202e}exe.txt"), "x\\u{202e}exe.txt");
        assert_eq!(escaped("back\\slash"), "back\\\\slash");
        let long = "é".repeat(600);
        assert!(escaped(&long).ends_with('…') && escaped(&long).len() <= LOG_LIMIT + 3);
    }

    #[test]
    fn printable_replaces_what_postfix_replaces() {
        assert_eq!(printable("a\tb\u{7f}c", '?'), "a?b?c");
        assert_eq!(printable("größe", '?'), "größe");
        assert_eq!(printable(&from_wire(b"a\xffb"), ' '), "a b");
    }
}
