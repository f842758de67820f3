//! Transfer encodings, decoded as they stream by, and leniently: what is no letter of the alphabet is passed over.

use base64_simd::STANDARD_NO_PAD;

/// The value of a letter of base64 (RFC 4648 section 4), or [`SKIP`], or [`PAD`].
const SKIP: u8 = 0x40;
const PAD: u8 = 0x41;

const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [SKIP; 256];
    let mut at = 0;
    while at < 64 {
        values[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    values[b'=' as usize] = PAD;
    values
}

/// So much base64 is decoded at a time.
const LINES: usize = 4_096;
/// Of so little the letters are decoded one by one.
const FEW: usize = 64;

/// Base64 in one piece.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut decoder = Base64::default();
    decoder.feed(text, &mut decoded);
    decoder.finish(&mut decoded);
    decoded
}

/// Base64 that streams by. Padding inside ends a group of letters, not the stream.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    group: u32,
    letters: u8,
}

impl Base64 {
    /// Decodes the next letters.
    pub(super) fn feed(&mut self, text: &[u8], decoded: &mut Vec<u8>) {
        for piece in text.chunks(LINES) {
            let mut rest = piece;
            // A group that was begun in the piece before.
            while self.letters > 0
                && let Some((&byte, behind)) = rest.split_first()
            {
                self.byte(byte, decoded);
                rest = behind;
            }
            if rest.len() < FEW || !self.lines(rest, decoded) {
                rest.iter().for_each(|byte| self.byte(*byte, decoded));
            }
        }
    }

    /// Decodes lines in which nothing else stands than letters. False, and nothing is done, if there is more in them.
    fn lines(&mut self, text: &[u8], decoded: &mut Vec<u8>) -> bool {
        let mut letters = [0_u8; LINES];
        let (mut filled, mut width, mut rest) = (0, 0, text);
        while !rest.is_empty() {
            // Most lines are as long as the one before.
            let (line, behind) = match rest.get(width..width + 2) {
                Some(b"\r\n") => rest.split_at(width),
                _ => rest.split_at(memchr::memchr(b'\n', rest).unwrap_or(rest.len())),
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(room) = letters.get_mut(filled..filled + line.len()) else { return false };
            room.copy_from_slice(line);
            filled += line.len();
            width = line.len();
            rest = behind.strip_prefix(b"\r\n").or(behind.strip_prefix(b"\n")).unwrap_or_default();
        }
        let (groups, begun) = letters.get(..filled).unwrap_or_default().split_at(filled / 4 * 4);
        let start = decoded.len();
        if STANDARD_NO_PAD.decode_append(groups, decoded).is_err() {
            decoded.truncate(start);
            return false;
        }
        begun.iter().for_each(|byte| self.byte(*byte, decoded));
        true
    }

    fn byte(&mut self, byte: u8, decoded: &mut Vec<u8>) {
        match VALUES[usize::from(byte)] {
            SKIP => {}
            PAD => self.finish(decoded),
            value => self.letter(value, decoded),
        }
    }

    /// Gives out what an unfinished group holds.
    pub(super) fn finish(&mut self, decoded: &mut Vec<u8>) {
        let [_, first, second, _] = (self.group << (6 * (4 - u32::from(self.letters).min(4)))).to_be_bytes();
        match self.letters {
            2 => decoded.push(first),
            3 => decoded.extend([first, second]),
            _ => {}
        }
        *self = Self::default();
    }

    fn letter(&mut self, value: u8, decoded: &mut Vec<u8>) {
        self.group = self.group << 6 | u32::from(value);
        self.letters += 1;
        if self.letters == 4 {
            decoded.extend(self.group.to_be_bytes().get(1..).unwrap_or_default());
            *self = Self::default();
        }
    }
}

/// A transfer encoding as it streams by.
#[derive(Debug)]
pub(super) enum Decoder {
    /// The bytes are what they are.
    Identity,
    /// RFC 2045 6.8
    Base64(Base64),
    /// RFC 2045 6.7
    QuotedPrintable(Quoted),
    /// Lines of uuencode between `begin` and `end`.
    Uuencode(Lines),
}

/// What was read of `=41` or of a soft line end.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    open: Vec<u8>,
}

/// The line of uuencode that is being read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    begun: bool,
}

/// The longest line of uuencode, with its length and what some put behind it.
const UU_LINE: usize = 100;

impl Decoder {
    /// Decodes the next bytes.
    pub(super) fn feed(&mut self, text: &[u8], decoded: &mut Vec<u8>) {
        match self {
            Self::Identity => decoded.extend_from_slice(text),
            Self::Base64(base64) => base64.feed(text, decoded),
            Self::QuotedPrintable(quoted) => quoted.feed(text, decoded),
            Self::Uuencode(lines) => lines.feed(text, decoded),
        }
    }

    /// Gives out what is left.
    pub(super) fn finish(&mut self, decoded: &mut Vec<u8>) {
        match self {
            Self::Base64(base64) => base64.finish(decoded),
            Self::QuotedPrintable(quoted) => decoded.append(&mut quoted.open),
            Self::Identity | Self::Uuencode(_) => {}
        }
    }
}

impl Quoted {
    fn feed(&mut self, text: &[u8], decoded: &mut Vec<u8>) {
        let mut rest = text;
        while let Some((&byte, behind)) = rest.split_first() {
            if self.open.is_empty() {
                let plain = memchr::memchr(b'=', rest).unwrap_or(rest.len());
                let (before, from) = rest.split_at(plain);
                decoded.extend_from_slice(before);
                self.open.extend(from.first());
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
            self.open.push(byte);
            rest = behind;
            match *self.open.as_slice() {
                // A soft line end, perhaps with blanks before it.
                [_, b'\n'] | [_, b'\r', b'\n'] => self.open.clear(),
                [_, b' ' | b'\t'] => self.open.truncate(1),
                [_, b'\r'] => {}
                [_, first] if first.is_ascii_hexdigit() => {}
                [_, ref digits @ ..] => {
                    match super::charset::hex(digits) {
                        Some(byte) => decoded.push(byte),
                        None => decoded.extend_from_slice(&self.open),
                    }
                    self.open.clear();
                }
                [] => {}
            }
        }
    }
}

impl Lines {
    fn feed(&mut self, text: &[u8], decoded: &mut Vec<u8>) {
        for &byte in text {
            if !matches!(byte, b'\r' | b'\n') {
                if self.line.len() < UU_LINE {
                    self.line.push(byte);
                }
                continue;
            }
            if self.line.starts_with(b"begin ") {
                self.begun = true;
            } else if self.line == b"end" {
                self.begun = false;
            } else if self.begun {
                uu_line(&self.line, decoded);
            }
            self.line.clear();
        }
    }
}

/// Decodes a line of uuencode: its length, then groups of four letters.
fn uu_line(line: &[u8], decoded: &mut Vec<u8>) {
    let value = |byte: u8| u32::from(byte.wrapping_sub(0x20) & 0x3F);
    let Some((&first, letters)) = line.split_first() else { return };
    let start = decoded.len();
    for group in letters.chunks(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| group.get(at).copied().map_or(0, value));
        let [_, bytes @ ..] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        decoded.extend(bytes);
    }
    decoded.truncate(start + value(first) as usize);
}

#[cfg(test)]
mod tests {
    use super::{Base64, Decoder, Lines, Quoted, base64};

    #[test]
    fn encodings_are_decoded_leniently_in_whatever_pieces_they_come() {
        let base64 = || Decoder::Base64(Base64::default());
        let quoted = || Decoder::QuotedPrintable(Quoted::default());
        let uu = || Decoder::Uuencode(Lines::default());
        for (new, text, want) in [
            (&base64 as &dyn Fn() -> Decoder, "YS5l\r\neGU=", "a.exe"),
            (&base64, "Y S!5l-eGU", "a.exe"),
            (&base64, "YQ==Lg==ZXhl", "a.exe"),
            (&quoted, "a=2Ee=\r\nx=  \ne=3d=zz=4", "a.exe==zz=4"),
            (&uu, "x\nbegin 644 a\n#86)C\n`\nend\n#86)C\n", "abc"),
        ] {
            for size in [1, 2, 3, 100] {
                let (mut decoder, mut decoded) = (new(), Vec::new());
                text.as_bytes().chunks(size).for_each(|piece| decoder.feed(piece, &mut decoded));
                decoder.finish(&mut decoded);
                assert_eq!(String::from_utf8_lossy(&decoded), want, "{text} by {size}");
            }
        }
    }

    #[test]
    fn lines_of_letters_say_the_same_in_one_piece_and_letter_by_letter() {
        let letters = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx+/==";
        let long = letters.trim_end_matches('=').repeat(140);
        let lines = |width: usize, end: &str| {
            let pieces = long.as_bytes().chunks(width);
            pieces.map(|line| format!("{}{end}", String::from_utf8_lossy(line))).collect::<String>()
        };
        let clean: Vec<_> = [1, 60, 75, 76, 77, 4_000]
            .into_iter()
            .flat_map(|w| ["", "\n", "\r\n"].map(|e| lines(w, e)))
            .collect();
        let odd = ["\r", "=", "==\r\n", "-", "!", "\r\r\n", "\0", "\u{e9}"];
        let with_odd = clean.iter().flat_map(|text| {
            odd.into_iter().flat_map(move |odd| {
                [100, 4_095, 4_096, 4_097, 5_000].map(|at| [&text[..at], odd, &text[at..]].concat())
            })
        });
        for text in clean.iter().cloned().chain(with_odd) {
            let (mut slow, mut want) = (Base64::default(), Vec::new());
            text.bytes().for_each(|byte| slow.byte(byte, &mut want));
            slow.finish(&mut want);
            for size in [text.len(), 4_096, 1_001, 70] {
                let (mut fast, mut decoded) = (Base64::default(), Vec::new());
                text.as_bytes().chunks(size).for_each(|piece| fast.feed(piece, &mut decoded));
                fast.finish(&mut decoded);
                assert!(decoded == want, "by {size}: {text:?}");
            }
        }
    }

    #[test]
    fn base64_without_padding_keeps_its_last_bytes() {
        assert_eq!(base64(b"YS5leA"), b"a.ex");
        assert_eq!(base64(b"YS5leGU"), b"a.exe");
        assert_eq!(base64(b"Y"), b"");
    }
}
