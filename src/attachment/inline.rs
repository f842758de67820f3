//! Names between the lines of a text: uuencode, base64 and yEnc blocks, and BinHex files.

use super::{facts::Place, names, record::Record};
use memchr::{memchr2, memmem, memrchr2};

/// So much of a line is looked at.
const LINE: usize = 1_100;
/// Letters of BinHex that hold the longest name, 63 bytes, also where every byte is written as two.
const BINHEX: usize = 180;

/// Looks at the lines of a text.
#[derive(Debug, Default)]
pub(super) struct Inline {
    line: Vec<u8>,
    wait: Wait,
}

/// What the line before has announced.
#[derive(Debug, Default)]
enum Wait {
    #[default]
    Nothing,
    /// The name of a block, whose lines must look like one.
    Block { name: Vec<u8>, base64: bool },
    /// The letters of a BinHex file.
    BinHex(Vec<u8>),
}

impl Inline {
    /// A BinHex file whose announcement may be missing.
    pub(super) fn bin_hex() -> Self {
        Self { wait: Wait::BinHex(Vec::new()), ..Self::default() }
    }

    pub(super) fn held(&self) -> usize {
        self.line.capacity()
            + match &self.wait {
                Wait::Nothing => 0,
                Wait::Block { name: bytes, .. } | Wait::BinHex(bytes) => bytes.capacity(),
            }
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, text: &[u8], record: &mut Record) {
        let mut words = Words::of(text);
        let mut at = 0;
        while at < text.len() {
            if self.line.is_empty() && matches!(self.wait, Wait::Nothing) {
                at = words.line_from(at);
            }
            let rest = text.get(at..).unwrap_or_default();
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.collect(rest);
                return;
            };
            let line = rest.get(..end).unwrap_or_default();
            if self.line.is_empty() {
                self.look(line.get(..LINE.min(line.len())).unwrap_or_default(), record);
            } else {
                self.collect(line);
                let line = std::mem::take(&mut self.line);
                self.look(&line, record);
            }
            at += end + 1;
        }
    }

    /// Looks at a last line without an end.
    pub(super) fn finish(&mut self, record: &mut Record) {
        let line = std::mem::take(&mut self.line);
        self.look(&line, record);
        self.look(b"", record);
    }

    fn collect(&mut self, bytes: &[u8]) {
        let room = LINE - self.line.len().min(LINE);
        self.line.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn look(&mut self, line: &[u8], record: &mut Record) {
        match std::mem::take(&mut self.wait) {
            Wait::Nothing => {}
            Wait::Block { name, base64 } => {
                if line.is_empty() && !name.is_empty() {
                    self.wait = Wait::Block { name, base64 };
                    return;
                }
                if is_block(line, base64) {
                    names::of_value(Place::Begin, &name, record);
                    return;
                }
            }
            Wait::BinHex(letters) => return self.bin_hex_line(letters, line, record),
        }
        match line.first() {
            Some(b'b') => self.begin(line),
            Some(b'=') if line.starts_with(b"=ybegin ") => {
                if let Some(at) = memmem::find(line, b" name=") {
                    names::of_value(Place::YEnc, line.get(at + 6..).unwrap_or_default(), record);
                }
            }
            Some(b'(') if line.starts_with(b"(This file must be converted with BinHex") => {
                self.wait = Wait::BinHex(Vec::new());
            }
            Some(_) | None => {}
        }
    }

    /// `begin 644 name`, `begin-base64 644 name`
    fn begin(&mut self, line: &[u8]) {
        let Some(rest) = line.strip_prefix(b"begin") else { return };
        let (rest, base64) = rest.strip_prefix(b"-base64").map_or((rest, false), |rest| (rest, true));
        let digits = rest.trim_ascii_start();
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let (mode, name) = digits.split_at(end);
        let octal = (3..=6).contains(&mode.len()) && mode.iter().all(|digit| *digit < b'8');
        let blank = |text: &[u8]| text.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if octal && blank(rest) && blank(name) && !name.trim_ascii().is_empty() {
            self.wait = Wait::Block { name: name.trim_ascii().to_vec(), base64 };
        }
    }

    /// The file begins behind a colon: the length of its name, its name.
    fn bin_hex_line(&mut self, mut letters: Vec<u8>, line: &[u8], record: &mut Record) {
        if !letters.is_empty() || line.starts_with(b":") {
            letters.extend_from_slice(line.get(..BINHEX.min(line.len())).unwrap_or_default());
        } else if !line.is_empty() && !line.starts_with(b"(") {
            return;
        }
        let closed = letters.get(1..).unwrap_or_default().contains(&b':');
        let ended = line.is_empty() && !letters.is_empty();
        if letters.len() < BINHEX && !closed && !ended {
            self.wait = Wait::BinHex(letters);
            return;
        }
        let file = bin_hex(&letters);
        if let Some((&length, rest)) = file.split_first()
            && (1..64).contains(&length)
        {
            let name = rest.get(..usize::from(length).min(rest.len())).unwrap_or_default();
            names::of_value(Place::MacBinary, name, record);
        }
    }
}

/// Where in a text the words stand with which something begins, so that the lines between are passed over at once.
struct Words<'a> {
    text: &'a [u8],
    /// Where the last line begins, which may go on in the next text.
    last: usize,
    next: [Option<usize>; 2],
}

impl<'a> Words<'a> {
    const WORDS: [&'static [u8]; 2] = [b"begin", b"(This file must be"];

    fn of(text: &'a [u8]) -> Self {
        let last = memrchr2(b'\n', b'\r', text).map_or(0, |end| end + 1);
        Self { text, last, next: [Some(0); 2] }
    }

    /// The beginning of the next line, from the one at `at` on, that holds one of the words, or of the last one.
    fn line_from(&mut self, at: usize) -> usize {
        let mut found = self.last.max(at);
        for (word, next) in Self::WORDS.iter().zip(&mut self.next) {
            // A word that is not passed yet is still the next one.
            if next.is_some_and(|next| next <= at) {
                let lines = self.text.get(at..self.last).unwrap_or_default();
                *next = memmem::find(lines, word).map(|offset| at + offset);
            }
            found = found.min(next.unwrap_or(found));
        }
        let before = self.text.get(at..found).unwrap_or_default();
        memrchr2(b'\n', b'\r', before).map_or(at, |end| at + end + 1)
    }
}

/// Whether a line may stand in a block.
fn is_block(line: &[u8], base64: bool) -> bool {
    if base64 {
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        return line.trim_ascii_end().iter().all(letter);
    }
    let Some((first, letters)) = line.split_first() else { return false };
    let uu = |byte: &u8| (0x20..=0x60).contains(byte);
    let bytes = usize::from(first.wrapping_sub(0x20) & 0x3F);
    // Blanks at the end may have been cut, and some write a checksum there.
    uu(first) && letters.iter().all(uu) && letters.len() <= bytes.div_ceil(3) * 4 + 2
}

/// Decodes the beginning of a BinHex file: six bits a letter, then runs.
fn bin_hex(letters: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    const RUN: u8 = 0x90;
    let values = letters.iter().filter_map(|letter| ALPHABET.iter().position(|known| known == letter));
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for value in values {
        bits = bits << 6 | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).unwrap_or(0));
        }
    }
    let mut file: Vec<u8> = Vec::new();
    let mut bytes = bytes.into_iter();
    while let Some(byte) = bytes.next() {
        match (byte, file.last().copied()) {
            (RUN, last) => match (bytes.next(), last) {
                (Some(0), _) => file.push(RUN),
                (Some(times), Some(last)) => file.extend(std::iter::repeat_n(last, usize::from(times) - 1)),
                (Some(_) | None, _) => {}
            },
            (byte, _) => file.push(byte),
        }
    }
    file
}
