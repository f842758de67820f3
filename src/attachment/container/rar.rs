//! The file headers of RAR archives, of the versions 4 and 5 (technote.txt of unrar).

use super::{
    super::{charset::lenient, facts::Unreadable, record::Record},
    records::{Format, LONGEST, Want},
    sweep::{u16_at, u32_at},
};

/// The length of the fixed head of a block of version 4.
const HEAD: usize = 7;

/// Version 4.
#[derive(Debug, Default)]
pub(super) struct Rar4 {
    block: Vec<u8>,
}

impl Rar4 {
    /// What is read first: the signature, and the head of the first block.
    pub(super) const FIRST: usize = 7;
}

impl Format for Rar4 {
    fn next(&mut self, piece: &[u8], record: &mut Record) -> Want {
        if piece.is_empty() || piece.starts_with(b"Rar!") {
            return Want::Take(HEAD);
        }
        if self.block.is_empty() {
            let size = usize::from(u16_at(piece, 5));
            if !(HEAD..=LONGEST).contains(&size) {
                record.unreadable(Unreadable::Broken);
                return Want::Done;
            }
            self.block = piece.to_vec();
            if size > HEAD {
                return Want::Take(size - HEAD);
            }
        } else {
            self.block.extend_from_slice(piece);
        }
        let block = std::mem::take(&mut self.block);
        let (kind, flags) = (block.get(2).copied().unwrap_or(0), u16_at(&block, 3));
        if kind == 0x73 && flags & 0x80 != 0 {
            record.unreadable(Unreadable::EncryptedNames);
            return Want::Done;
        }
        let long = flags & 0x8000 != 0 || matches!(kind, 0x74 | 0x7A);
        let mut behind = if long { u64::from(u32_at(&block, HEAD)) } else { 0 };
        if matches!(kind, 0x74 | 0x7A) {
            let large = flags & 0x100 != 0;
            if large {
                behind |= u64::from(u32_at(&block, 32)) << 32;
            }
            if kind == 0x74 && !file(&block, if large { 40 } else { 32 }, flags, record) {
                return Want::Done;
            }
        }
        if kind == 0x7B || behind > u64::MAX / 2 {
            return Want::Done;
        }
        if behind == 0 { Want::Take(HEAD) } else { Want::Skip(behind) }
    }
}

/// Reports a file of version 4.
fn file(block: &[u8], at: usize, flags: u16, record: &mut Record) -> bool {
    let length = usize::from(u16_at(block, 26));
    let name = block.get(at..(at + length).min(block.len())).unwrap_or_default();
    if flags & 4 != 0 {
        record.unreadable(Unreadable::Encrypted);
    }
    // The attributes of a directory take the place of a dictionary's size.
    if flags & 0xE0 == 0xE0 {
        return true;
    }
    let (ascii, coded) = match memchr::memchr(0, name) {
        Some(nul) if flags & 0x200 != 0 => (name.get(..nul).unwrap_or_default(), name.get(nul + 1..)),
        Some(_) | None => (name, None),
    };
    let wide = coded.is_none_or(|coded| record.member(name, &unicode(ascii, coded)));
    (record.member(ascii, &lenient(ascii)) && wide) || {
        record.unreadable(Unreadable::Limit);
        false
    }
}

/// A name that is written as differences from its ASCII form.
fn unicode(ascii: &[u8], coded: &[u8]) -> String {
    let mut coded = coded.iter().copied();
    let high = u16::from(coded.next().unwrap_or(0)) << 8;
    let mut units: Vec<u16> = Vec::new();
    let letter = |at: usize| ascii.get(at).copied().unwrap_or(0);
    'name: while let Some(flags) = coded.next() {
        for shift in [6, 4, 2, 0] {
            let Some(byte) = coded.next() else { break 'name };
            match flags >> shift & 3 {
                0 => units.push(u16::from(byte)),
                1 => units.push(high | u16::from(byte)),
                2 => units.push(u16::from(coded.next().unwrap_or(0)) << 8 | u16::from(byte)),
                _ if byte & 0x80 != 0 => {
                    let shift = coded.next().unwrap_or(0);
                    for _ in 0..(byte & 0x7F) + 2 {
                        units.push(high | u16::from(letter(units.len()).wrapping_add(shift)));
                    }
                }
                _ => (0..byte + 2).for_each(|_| units.push(u16::from(letter(units.len())))),
            }
            if units.len() > LONGEST {
                break 'name;
            }
        }
    }
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Version 5.
#[derive(Debug, Default)]
pub(super) struct Rar5 {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// The checksum and the first byte of a header's length come.
    #[default]
    Start,
    /// More bytes of the length.
    Length { value: u64, shift: u32 },
    /// The header.
    Header,
}

impl Rar5 {
    /// The signature, a checksum, and the first byte of a length.
    pub(super) const FIRST: usize = 8;
    const START: usize = 5;
}

impl Format for Rar5 {
    fn next(&mut self, piece: &[u8], record: &mut Record) -> Want {
        if piece.is_empty() || piece.starts_with(b"Rar!\x1a\x07") {
            self.state = State::Start;
            return Want::Take(Self::START);
        }
        let (value, shift) = match std::mem::take(&mut self.state) {
            State::Start => (0, 0),
            State::Length { value, shift } => (value, shift),
            State::Header => return header(piece, record),
        };
        let byte = piece.last().copied().unwrap_or(0);
        let value = value | u64::from(byte & 0x7F) << shift;
        if byte & 0x80 != 0 && shift < 14 {
            self.state = State::Length { value, shift: shift + 7 };
            return Want::Take(1);
        }
        match usize::try_from(value) {
            Ok(length @ 1..=LONGEST) => {
                self.state = State::Header;
                Want::Take(length)
            }
            _ => {
                record.unreadable(Unreadable::Broken);
                Want::Done
            }
        }
    }
}

/// Reads a header of version 5.
fn header(header: &[u8], record: &mut Record) -> Want {
    let mut rest = header;
    let mut read = || read(&mut rest).unwrap_or(0);
    let (kind, flags) = (read(), read());
    let extra = if flags & 1 != 0 { read() } else { 0 };
    let behind = if flags & 2 != 0 { read() } else { 0 };
    match kind {
        2 => {
            let file = read();
            let (_unpacked, _attributes) = (read(), read());
            let fixed = if file & 2 != 0 { 4 } else { 0 } + if file & 4 != 0 { 4 } else { 0 };
            rest = rest.get(fixed..).unwrap_or_default();
            let mut read = || self::read(&mut rest).unwrap_or(0);
            let (_compression, _system, length) = (read(), read(), read());
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            let (name, records) = rest.split_at(length);
            if extra > 0 && is_encrypted(records) {
                record.unreadable(Unreadable::Encrypted);
            }
            // A directory is no attachment.
            if file & 1 == 0 && !record.member(name, &lenient(name)) {
                record.unreadable(Unreadable::Limit);
                return Want::Done;
            }
        }
        4 => {
            record.unreadable(Unreadable::EncryptedNames);
            return Want::Done;
        }
        5 => return Want::Done,
        _ => {}
    }
    if behind == 0 { Want::Take(Rar5::START) } else { Want::Skip(behind) }
}

/// Whether a record of the type 1 is among the extra ones.
fn is_encrypted(records: &[u8]) -> bool {
    let mut rest = records;
    while let Some(length) = read(&mut rest) {
        let Some((field, next)) =
            usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length))
        else {
            return false;
        };
        if field.first() == Some(&1) {
            return true;
        }
        rest = next;
    }
    false
}

/// A number of seven bits a byte.
fn read(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
