//! Transfer encodings, decoded as they stream by, and leniently: what is no letter of the alphabet is passed over.

/// The value of a letter of base64 (RFC 4648, with `-` and `_` too), or [`SKIP`], or [`PAD`].
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
        let mut rest = text;
        while !rest.is_empty() {
            if self.letters == 0 {
                let taken = groups(rest, decoded);
                rest = rest.get(taken..).unwrap_or_default();
            }
            let Some((&letter, behind)) = rest.split_first() else { return };
            rest = behind;
            match VALUES[usize::from(letter)] {
                SKIP => {}
                PAD => self.finish(decoded),
                value => self.letter(value, decoded),
            }
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

/// Decodes whole groups as long as nothing else comes; how many letters were taken.
fn groups(text: &[u8], decoded: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    for group in text.chunks_exact(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| VALUES[usize::from(group[at])]);
        if (a | b | c | d) & 0xC0 != 0 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, first, second, third] = bits.to_be_bytes();
        decoded.extend([first, second, third]);
        taken += 4;
    }
    taken
}
