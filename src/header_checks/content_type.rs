//! The media type and the boundaries of a Content-Type field, as Postfix's header_token() and mime_state.c read them:
//! what a mail client may read differently is not the matter here.

use super::mime::{Boundary, Type};

/// RFC 2045 section 5.1.
const TSPECIALS: &[u8] = b"()<>@,;:\\\"/[]?=";

/// What kinds of tokens are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Special(u8),
}

/// A token, without its quotes and comments.
#[derive(Debug)]
struct Token {
    kind: Kind,
    text: Vec<u8>,
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word.as_bytes())
    }
}

/// More tokens of one parameter than these say nothing.
const TOKENS: usize = 3;

/// What a Content-Type field says: the type, and every `boundary` of a multipart. There may be several, so that none of
/// them hides the parts of another. `None` leaves the type what it was: one that Postfix does not know.
pub(super) fn read(value: &[u8]) -> Option<(Type, Vec<Boundary>)> {
    let mut rest = value;
    let tokens = tokens(&mut rest).unwrap_or_default();
    let Some(first) = tokens.first() else { return Some((Type::Other, Vec::new())) };
    let subtype = |name: &str| {
        matches!(tokens.get(1).map(|slash| slash.kind), Some(Kind::Special(b'/')))
            && tokens.get(2).is_some_and(|token| token.is_word(name))
    };
    if first.is_word("message") {
        let is_message = subtype("rfc822") || subtype("global");
        return Some((if is_message { Type::Message } else { Type::Other }, Vec::new()));
    }
    if !first.is_word("multipart") {
        return first.is_word("text").then(|| (Type::Other, Vec::new()));
    }
    let default = if subtype("digest") { Type::Message } else { Type::Other };
    let mut boundaries = Vec::new();
    while let Some(mut tokens) = self::tokens(&mut rest) {
        let is_boundary =
            tokens.len() >= TOKENS && tokens[0].is_word("boundary") && tokens[1].kind == Kind::Special(b'=');
        if let Some(value) = tokens.pop().filter(|_| is_boundary) {
            boundaries.push(Boundary::new(value.text, default));
        }
    }
    Some((Type::Multipart, boundaries))
}

/// The first tokens up to the next `;`, which is taken too; `None` at the end of the field.
fn tokens(rest: &mut &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut ended = true;
    while let Some(byte) = next(rest) {
        let token = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b';' => {
                ended = false;
                break;
            }
            b'(' => {
                skip_comment(rest);
                continue;
            }
            b'"' => Token { kind: Kind::Quoted, text: quoted(rest) },
            byte if is_special(byte) => Token { kind: Kind::Special(byte), text: vec![byte] },
            byte => {
                let length = rest.iter().take_while(|b| !is_special(**b) && **b != b' ').count();
                let (word, behind) = rest.split_at(length);
                *rest = behind;
                Token { kind: Kind::Word, text: [&[byte], word].concat() }
            }
        };
        if tokens.len() < TOKENS {
            tokens.push(token);
        }
    }
    if tokens.is_empty() && ended { None } else { Some(tokens) }
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(*byte)
}

/// Control characters, blanks but the plain one among them, end a word and stand for themselves.
fn is_special(byte: u8) -> bool {
    TSPECIALS.contains(&byte) || byte.is_ascii_control()
}

fn skip_comment(rest: &mut &[u8]) {
    let mut depth = 1;
    while let Some(byte) = next(rest) {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\\' => drop(next(rest)),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// The text up to the closing quote; a fold goes with the white space before it.
fn quoted(rest: &mut &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::new();
    while let Some(byte) = next(rest) {
        match byte {
            b'"' => break,
            b'\n' => {
                while text.last().is_some_and(u8::is_ascii_whitespace) {
                    text.pop();
                }
            }
            b'\\' => text.extend(next(rest)),
            byte => text.push(byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        match read(value.as_bytes()) {
            None => "nothing".to_owned(),
            Some((kind, boundaries)) => {
                let texts: Vec<_> = boundaries.iter().map(Boundary::shown).collect();
                format!("{kind:?} {}", texts.join(" "))
            }
        }
    }

    #[test]
    fn boundaries_are_read_as_postfix_reads_them() {
        let cases = [
            ("multipart/mixed; boundary=b1", "Multipart b1>Other"),
            (" Multipart/Mixed;\n\tBoundary=\"b 1\"", "Multipart b 1>Other"),
            ("multipart/digest; boundary=d", "Multipart d>Message"),
            ("multipart/mixed; boundary=a; boundary=\"b\"; x=y", "Multipart a>Other b>Other"),
            ("multipart(a (b\\) c))/mixed (x); (y) boundary (z) = (w) b1", "Multipart b1>Other"),
            ("multipart/mixed; boundary=\"a\\\"b \n c\"", "Multipart a\"b c>Other"),
            ("multipart/mixed; boundary*=us-ascii''b1; boundary==x", "Multipart =>Other"),
            ("multipart/mixed; boundary=b1/b2", "Multipart b1>Other"),
            ("multipart/mixed; boundary", "Multipart "),
            ("multipart/mixed;;; boundary=x", "Multipart x>Other"),
            ("multipart; boundary=x", "Multipart x>Other"),
            ("\"multipart\"/mixed; boundary=x", "nothing"),
            ("application/pdf; boundary=x", "nothing"),
            ("message/global", "Message "),
            ("message/RFC822", "Message "),
            ("message/partial", "Other "),
            ("message", "Other "),
            ("text/plain; boundary=b1", "Other "),
            ("", "Other "),
            ("; boundary=b1", "Other "),
            ("(unclosed", "Other "),
            ("multipart/mixed; boundary=\"never closed; x", "Multipart never closed; x>Other"),
        ];
        for (value, want) in cases {
            assert_eq!(shown(value), want, "{value}");
        }
    }
}
