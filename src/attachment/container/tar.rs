//! The headers of a tar archive (POSIX ustar and pax, GNU's long names).

use super::{
    super::{charset::lenient, facts::Unreadable, record::Record},
    Content,
    records::{Format, LONGEST, Want},
};

/// The length of a header, and the unit of everything else.
pub(super) const BLOCK: usize = 512;

/// Where in the archive we are.
#[derive(Debug)]
pub(super) struct Tar {
    state: State,
    level: usize,
}

#[derive(Debug)]
enum State {
    /// A header comes.
    Header,
    /// The name of the next member, or its pax fields; behind it is so much.
    Name { pax: bool, length: usize, behind: u64 },
    /// What is behind a member up to the next header.
    Padding(u64),
}

impl Tar {
    pub(super) fn new(level: usize) -> Self {
        Self { state: State::Header, level }
    }

    fn header(&mut self, block: &[u8], record: &mut Record) -> Want {
        if block.iter().all(|byte| *byte == 0) {
            return Want::Take(BLOCK);
        }
        if !is_header(block) {
            record.unreadable(Unreadable::Broken);
            return Want::Done;
        }
        let size = number(block.get(124..136).unwrap_or_default());
        let padded = size.checked_next_multiple_of(BLOCK as u64).unwrap_or(size);
        let kind = block.get(156).copied().unwrap_or(0);
        if matches!(kind, b'L' | b'x' | b'g' | b'X') && size > 0 {
            let length = usize::try_from(size).map_or(LONGEST, |size| size.min(LONGEST));
            self.state = State::Name { pax: kind != b'L', length, behind: padded - length as u64 };
            return Want::Take(length);
        }
        if kind != b'5' {
            let name = text(block.get(..100).unwrap_or_default());
            if !record.member(name, &lenient(name)) {
                record.unreadable(Unreadable::Limit);
                return Want::Done;
            }
        }
        // Links and directories have a size without content.
        if size == 0 || matches!(kind, b'1'..=b'6') {
            return Want::Take(BLOCK);
        }
        self.state = State::Padding(padded - size);
        Want::Content(size, Box::new(Content::member(self.level + 1, false)))
    }
}

impl Format for Tar {
    fn next(&mut self, piece: &[u8], record: &mut Record) -> Want {
        match std::mem::replace(&mut self.state, State::Header) {
            State::Header if piece.is_empty() => Want::Take(BLOCK),
            State::Header => self.header(piece, record),
            State::Name { pax, length, behind } => {
                let value = piece.get(..length).unwrap_or_default();
                let names = if pax { paths(value) } else { vec![text(value)] };
                for name in names {
                    record.member(name, &lenient(name));
                }
                if behind == 0 { Want::Take(BLOCK) } else { Want::Skip(behind) }
            }
            State::Padding(0) => Want::Take(BLOCK),
            State::Padding(bytes) => Want::Skip(bytes),
        }
    }
}

/// Whether a block is a header: its checksum holds.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let sum = |from: &[u8]| from.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let (before, rest) = block.split_at(148);
    let (field, behind) = rest.split_at(8);
    block.first() != Some(&0) && sum(before) + sum(behind) + 8 * 0x20 == number(field)
}

/// A number in octal, or in GNU's form for large ones.
fn number(field: &[u8]) -> u64 {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        return field.iter().skip(4).fold(0, |number, byte| number << 8 | u64::from(*byte)) & (u64::MAX >> 1);
    }
    let digits =
        field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| (b'0'..b'8').contains(*byte));
    digits.fold(0, |number, digit| (number << 3 | u64::from(digit - b'0')) & (u64::MAX >> 4))
}

/// A text up to its NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The values of `path` in pax fields, `27 path=dir/name\n`.
fn paths(value: &[u8]) -> Vec<&[u8]> {
    let lines = value.split(|byte| *byte == b'\n');
    lines.filter_map(|line| line.get(memchr::memmem::find(line, b" path=")? + 6..)).collect()
}
