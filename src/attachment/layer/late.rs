//! Bodies whose first lines some take for more of the header.

use super::{
    super::{
        facts::Trouble,
        fields::{Line, Push},
        head::{Head, Is},
        record::Record,
    },
    Layer,
};
use memchr::memchr2;

impl Layer {
    /// Takes more of a body whose lines some take for more of the header.
    pub(super) fn late_line(&mut self, bytes: &[u8], record: &mut Record) -> usize {
        let end = memchr2(b'\n', b'\r', bytes);
        let length = end.map_or(bytes.len(), |end| end + 1);
        self.leaf.feed(bytes.get(..length).unwrap_or_default(), record);
        let Some(late) = &mut self.late else { return length };
        let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        match late.push(line, record.limits().header_bytes) {
            Push::All => {}
            Push::Over => record.unparsable(Trouble::HeaderBytes),
            Push::Junk(_) => drop(late.junk(true)),
        }
        let Some(end) = end.and_then(|end| bytes.get(end)) else { return length };
        match late.end_line() {
            Line::Field => {}
            Line::Junk => drop(late.junk(false)),
            // One more CR of a clumsy line end.
            Line::Empty if self.bare_cr && !late.seen => {}
            Line::Empty => self.end_late(record),
        }
        self.line_end(*end);
        length
    }

    /// The header that some see in a body has come to its end.
    pub(super) fn end_late(&mut self, record: &mut Record) {
        let Some(late) = self.late.take() else { return };
        if late.fields.is_empty() {
            return;
        }
        let head = Head::read(&late.fields, false, record);
        match head.is {
            Is::Multipart { boundaries, digest } => self.open_multipart(&boundaries, digest, record),
            Is::Message | Is::Text | Is::Opaque | Is::Media | Is::BinHex | Is::Other => {}
        }
        record.release(true);
    }
}
