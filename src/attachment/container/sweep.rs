//! ZIP directories and TNEF properties, found by their signatures wherever they stand: what an index says of where they
//! stand, and whether there is one, is not believed (APPNOTE.TXT 4.3.7, 4.3.12, 4.6.9; MS-OXTNEF, MS-OXPROPS).

use super::{
    super::{
        budget::Lease,
        charset::lenient,
        facts::{Place, Unreadable},
        names,
        record::Record,
    },
    Content, Inflate,
};
use memchr::memmem;

/// The longest name or extra field that is read.
const NAME: usize = 4_096;
/// What the window grows to: a directory entry, and the piece behind it.
const WINDOW: usize = 3 * NAME + PIECE;
const PIECE: usize = 4_096;
/// The longest signature.
const SIGNATURE: usize = 5;

/// Looks for signatures.
#[derive(Debug)]
pub(in super::super) struct Sweep {
    window: Vec<u8>,
    tnef: bool,
    level: usize,
    member: Option<Member>,
    _lease: Lease,
}

/// The member of a ZIP file whose bytes come now.
#[derive(Debug)]
enum Member {
    Deflated(Inflate),
    Stored { content: Box<Content>, left: u64 },
}

/// What stands at a signature.
enum Found {
    /// Nothing.
    No,
    /// Something, for which so many bytes are needed.
    Needs(usize),
    /// A record of so many bytes.
    Record(usize, Option<Member>),
}

impl Sweep {
    /// Looks for the directory of a ZIP file, and in a TNEF file also for its properties.
    pub(super) fn new(tnef: bool, level: usize, record: &mut Record) -> Option<Self> {
        let Some(lease) = record.lease(WINDOW) else {
            record.unreadable(Unreadable::Limit);
            return None;
        };
        Some(Self { window: Vec::new(), tnef, level, member: None, _lease: lease })
    }

    pub(super) fn held(&self) -> usize {
        let member = match &self.member {
            Some(Member::Deflated(inflate)) => inflate.held(),
            Some(Member::Stored { content, .. }) => content.held(),
            None => 0,
        };
        self.window.capacity() + member
    }

    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        for piece in bytes.chunks(PIECE) {
            if self.window.is_empty() {
                let passed = self.scan(piece, false, record);
                self.window.extend_from_slice(piece.get(passed..).unwrap_or_default());
            } else {
                self.window.extend_from_slice(piece);
                self.scan_window(false, record);
            }
        }
    }

    pub(super) fn finish(&mut self, record: &mut Record) {
        self.scan_window(true, record);
        match &mut self.member {
            Some(Member::Deflated(inflate)) => inflate.finish(record),
            Some(Member::Stored { content, .. }) => content.finish(record),
            None => {}
        }
    }

    fn scan_window(&mut self, last: bool, record: &mut Record) {
        let mut window = std::mem::take(&mut self.window);
        let passed = self.scan(&window, last, record);
        window.drain(..passed);
        self.window = window;
    }

    /// Reads what stands at the signatures; how many bytes are not needed any more.
    fn scan(&mut self, bytes: &[u8], last: bool, record: &mut Record) -> usize {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(found) = self.signature(rest) else {
                self.pass(rest, record);
                return bytes.len();
            };
            let (before, from) = rest.split_at(found);
            self.pass(before, record);
            at += found;
            match self.read(from, record) {
                Found::Needs(bytes) if from.len() < bytes && !last => return at,
                Found::No | Found::Needs(_) => {
                    self.pass(from.get(..1).unwrap_or_default(), record);
                    at += 1;
                }
                Found::Record(length, member) => {
                    self.pass(from.get(..length).unwrap_or_default(), record);
                    at += length.min(from.len());
                    self.begin(member, record);
                }
            }
        }
    }

    /// Where a signature may begin.
    fn signature(&self, bytes: &[u8]) -> Option<usize> {
        if self.tnef {
            return bytes.iter().position(|byte| matches!(byte, b'P' | 0x02 | 0x1E | 0x1F));
        }
        // The last byte may be the first of one.
        memmem::find(bytes, b"PK").or_else(|| bytes.ends_with(b"P").then(|| bytes.len() - 1))
    }

    /// Reads what begins here.
    fn read(&mut self, bytes: &[u8], record: &mut Record) -> Found {
        match *bytes {
            [b'P', b'K', 3, 4, ..] => self.local(bytes, record),
            [b'P', b'K', 1, 2, ..] => self.central(bytes, record),
            [b'P', b'K', b'\x01' | b'\x03'] | [b'P', b'K'] | [b'P'] => Found::Needs(4),
            [0x02, 0x10, 0x80, 1, 0, ..] if self.tnef => title(bytes, record),
            [0x1E | 0x1F, 0, 0x04 | 0x07 | 0x08 | 0x0D, 0x37, ..] if self.tnef => property(bytes, record),
            [0x02 | 0x1E | 0x1F, ..] if self.tnef && bytes.len() < SIGNATURE => Found::Needs(SIGNATURE),
            _ => Found::No,
        }
    }

    /// A local file header.
    fn local(&mut self, bytes: &[u8], record: &mut Record) -> Found {
        let Some(fixed) = bytes.get(..30) else { return Found::Needs(30) };
        let (version, flags, method) = (u16_at(fixed, 4), u16_at(fixed, 6), u16_at(fixed, 8));
        let (name, extra) = (usize::from(u16_at(fixed, 26)), usize::from(u16_at(fixed, 28)));
        if version & 0xFF > 100 || name == 0 {
            return Found::No;
        }
        let whole = 30 + name.min(NAME) + extra.min(NAME);
        if bytes.len() < whole {
            return Found::Needs(whole);
        }
        let size = u64::from(u32_at(fixed, 18));
        let member = self.entry(bytes, 30, (name, extra), flags, size, record);
        if !member || self.member.is_some() || flags & 1 != 0 || name > NAME || extra > NAME {
            return Found::Record(whole.min(4), None);
        }
        let too_deep = self.level >= record.limits().archive_levels;
        let content = Content::member(self.level + 1, too_deep || method == 0);
        let begun = match method {
            8 if !too_deep => Inflate::new(content, record).map(Member::Deflated),
            0 => Some(Member::Stored {
                content: Box::new(content),
                left: if size == 0 { u64::MAX } else { size },
            }),
            _ => None,
        };
        Found::Record(whole, begun)
    }

    /// A header of the central directory.
    fn central(&mut self, bytes: &[u8], record: &mut Record) -> Found {
        let Some(fixed) = bytes.get(..46) else { return Found::Needs(46) };
        let (version, flags) = (u16_at(fixed, 6), u16_at(fixed, 8));
        let (name, extra) = (usize::from(u16_at(fixed, 28)), usize::from(u16_at(fixed, 30)));
        if version & 0xFF > 100 || name == 0 {
            return Found::No;
        }
        let whole = 46 + name.min(NAME) + extra.min(NAME);
        if bytes.len() < whole {
            return Found::Needs(whole);
        }
        self.entry(bytes, 46, (name, extra), flags, u64::from(u32_at(fixed, 20)), record);
        Found::Record(4, None)
    }

    /// Reports an entry's names. False for a directory.
    fn entry(
        &mut self,
        bytes: &[u8],
        at: usize,
        (name, extra): (usize, usize),
        flags: u16,
        size: u64,
        record: &mut Record,
    ) -> bool {
        if name > NAME || extra > NAME {
            record.unreadable(Unreadable::Limit);
        }
        let (name, extra) = (name.min(NAME), extra.min(NAME));
        let written = bytes.get(at..at + name).unwrap_or_default();
        if flags & 1 != 0 && written.iter().all(|byte| *byte >= b' ') {
            record.unreadable(if flags & 0x2000 == 0 {
                Unreadable::Encrypted
            } else {
                Unreadable::EncryptedNames
            });
        }
        if written.ends_with(b"/") && size == 0 {
            return false;
        }
        if !record.has_members_left() {
            record.unreadable(Unreadable::Limit);
            return true;
        }
        let mut known = record.member(written, &lenient(written));
        for unicode in unicode_paths(bytes.get(at + name..at + name + extra).unwrap_or_default()) {
            known &= record.member(unicode, &lenient(unicode));
        }
        if !known {
            record.unreadable(Unreadable::Limit);
        }
        if self.level >= record.limits().archive_levels && is_archive(written) && flags & 1 == 0 {
            record.unreadable(Unreadable::Nested);
        }
        true
    }

    /// Begins the member whose header was read.
    fn begin(&mut self, member: Option<Member>, _record: &mut Record) {
        if member.is_some() {
            self.member = member;
        }
    }

    /// Bytes that are behind a header: those of its member.
    fn pass(&mut self, bytes: &[u8], record: &mut Record) {
        let ended = match &mut self.member {
            Some(Member::Deflated(inflate)) => {
                inflate.feed(bytes, record);
                inflate.has_ended()
            }
            Some(Member::Stored { content, left }) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                content.feed(bytes.get(..taken).unwrap_or_default(), record);
                *left -= taken as u64;
                let ended = *left == 0 || content.is_settled();
                if ended {
                    content.finish(record);
                }
                ended
            }
            None => false,
        };
        if ended {
            self.member = None;
        }
    }
}

/// Whether a member's name says that it is an archive.
fn is_archive(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    [&b".zip"[..], b".rar", b".7z", b".gz", b".tgz", b".jar"].iter().any(|end| name.ends_with(end))
}

/// The names in Info-ZIP's Unicode path fields (APPNOTE.TXT 4.6.9).
fn unicode_paths(extra: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = extra;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_at_checked(4)?;
        let length = usize::from(u16_at(head, 2)).min(behind.len());
        let (field, next) = behind.split_at(length);
        rest = next;
        Some(if u16_at(head, 0) == 0x7075 { field.get(5..).unwrap_or_default() } else { &[] })
    })
    .filter(|name| !name.is_empty())
}

/// attAttachTitle: a length and a name.
fn title(bytes: &[u8], record: &mut Record) -> Found {
    let Some(fixed) = bytes.get(..9) else { return Found::Needs(9) };
    text(bytes, 9, u32_at(fixed, 5), false, record)
}

/// PR_ATTACH_FILENAME and its like: how many values, a length, a name.
fn property(bytes: &[u8], record: &mut Record) -> Found {
    let Some(fixed) = bytes.get(..12) else { return Found::Needs(12) };
    if u32_at(fixed, 4) != 1 {
        return Found::No;
    }
    text(bytes, 12, u32_at(fixed, 8), fixed.first() == Some(&0x1F), record)
}

fn text(bytes: &[u8], at: usize, length: u32, wide: bool, record: &mut Record) -> Found {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length == 0 || length > NAME {
        return Found::No;
    }
    let Some(written) = bytes.get(at..at + length) else { return Found::Needs(at + length) };
    if wide {
        let units = written.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        names::of_value(Place::Tnef, text.as_bytes(), record);
    } else {
        names::of_value(Place::Tnef, written, record);
    }
    Found::Record(at + length, None)
}

/// A number of two bytes, the low one first; 0 where there is none.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|pair| pair.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// A number of four bytes, the low one first; 0 where there is none.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}
