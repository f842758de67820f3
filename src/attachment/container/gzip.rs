//! gzip (RFC 1952): the original name, and what is inside, which often is a tar archive.

use super::{
    super::{charset::lenient, facts::Unreadable, record::Record},
    Content, Inflate,
};

/// The longest head: its name and comment are not longer than that.
const HEAD: usize = 2_048;

/// The members of a gzip file, one after the other.
#[derive(Debug)]
pub(in super::super) struct Gzip {
    head: Vec<u8>,
    inflate: Option<Inflate>,
    /// Bytes of the checksum and length behind a member.
    trailer: usize,
    level: usize,
    done: bool,
}

impl Gzip {
    pub(super) fn new(level: usize) -> Self {
        Self { head: Vec::new(), inflate: None, trailer: 0, level, done: false }
    }

    pub(super) fn held(&self) -> usize {
        self.head.capacity() + self.inflate.as_ref().map_or(0, Inflate::held)
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.done {
            let taken = if self.trailer > 0 {
                let taken = self.trailer.min(rest.len());
                self.trailer -= taken;
                taken
            } else if let Some(inflate) = &mut self.inflate {
                let taken = inflate.feed(rest, record);
                if inflate.has_ended() {
                    // Where a member ends that was not read to its end nobody knows. What comes behind it is, for
                    // gzip(1), more of the same file, whose name is that of the first member.
                    self.done = !inflate.is_whole();
                    self.inflate = None;
                    self.trailer = 8;
                }
                taken
            } else {
                self.begin(rest, record)
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, record: &mut Record) {
        if let Some(inflate) = &mut self.inflate {
            inflate.finish(record);
        }
    }

    /// Reads a head; how many bytes of it were taken.
    fn begin(&mut self, bytes: &[u8], record: &mut Record) -> usize {
        let before = self.head.len();
        let room = (HEAD - before).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let magic: &[u8] = &[0x1F, 0x8B, 8];
        if !self.head.starts_with(magic.get(..self.head.len().min(3)).unwrap_or_default()) {
            self.done = true;
            return room;
        }
        let Some((length, name)) = head(&self.head) else {
            if self.head.len() == HEAD {
                record.unreadable(Unreadable::Broken);
                self.done = true;
            }
            return room;
        };
        if let Some(name) = name {
            record.member(name, &lenient(name));
        }
        self.head.clear();
        if self.level >= record.limits().archive_levels {
            record.unreadable(Unreadable::Nested);
            self.done = true;
            return room;
        }
        self.inflate = Inflate::new(Content::member(self.level + 1, false), record);
        self.done = self.inflate.is_none();
        length.saturating_sub(before)
    }
}

/// The length of a complete head, and the original name in it.
fn head(bytes: &[u8]) -> Option<(usize, Option<&[u8]>)> {
    let flags = bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(*bytes.get(10)?) + usize::from(*bytes.get(11)?) * 256;
    }
    let mut name = None;
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = bytes.get(at..)?;
            let end = memchr::memchr(0, rest)?;
            if flag == 8 {
                name = rest.get(..end);
            }
            at += end + 1;
        }
    }
    at += usize::from(flags & 2);
    (bytes.len() >= at).then_some((at, name))
}
