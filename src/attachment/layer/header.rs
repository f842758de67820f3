//! Headers of parts, line by line, and what of a part each of them makes.

use super::{
    super::{
        facts::Trouble,
        fields::{Header, Line, Push},
        head::{Encoding, Head, Is},
        leaf::Leaf,
        record::Record,
    },
    At, Frame, Layer, State,
};
use memchr::memchr2;
use std::fmt::Write as _;

impl Layer {
    /// Takes more of a line of the header.
    pub(super) fn header_line(&mut self, bytes: &[u8], record: &mut Record) -> usize {
        let end = memchr2(b'\n', b'\r', bytes);
        let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if let Some(taken) = self.push_header(line, record) {
            return taken;
        }
        let Some(end) = end.and_then(|end| bytes.get(end)) else { return line.len() };
        // Behind a CR alone an empty line may be the other half of a clumsy line end.
        let doubtful = self.bare_cr && *end == b'\r';
        let what = self.header.end_line();
        self.line_end(*end);
        match what {
            Line::Field => {}
            Line::Empty if self.events => {}
            Line::Empty => {
                self.end_header(record);
                if doubtful {
                    self.late = Some(Header::default());
                }
            }
            Line::Junk => self.junk(false, record),
        }
        line.len() + 1
    }

    /// Gives bytes to the header; how many, if it turned out that they are no field and the state has changed.
    pub(super) fn push_header(&mut self, line: &[u8], record: &mut Record) -> Option<usize> {
        match self.header.push(line, record.limits().header_bytes) {
            Push::All => None,
            Push::Over => {
                record.unparsable(Trouble::HeaderBytes);
                None
            }
            Push::Junk(taken) => {
                self.junk(true, record);
                Some(taken)
            }
        }
    }

    /// A line of the header is no field. At the beginning one is passed over; otherwise the body begins here for some,
    /// and for others only behind the next empty line.
    fn junk(&mut self, in_line: bool, record: &mut Record) {
        let line = self.header.junk(in_line);
        let encoded = self.encoding != Encoding::Identity && !self.header.seen;
        let first = !self.header.seen && !std::mem::replace(&mut self.header.passed_over, true);
        if self.events || first && !encoded || line.first() == Some(&b'>') {
            return;
        }
        if encoded {
            self.end_encoded(record);
        } else {
            record.ambiguous(Trouble::NoEmptyLine);
            self.end_header(record);
            self.late = Some(Header::late());
        }
        if self.state == State::Body {
            self.at = if in_line { At::Middle } else { At::Start };
            self.leaf.feed(&line, record);
            if !in_line {
                self.leaf.feed(b"\r\n", record);
            } else if let Some(late) = &mut self.late {
                late.junk(true);
            }
        }
    }

    /// The header of a message does not come, but its transfer encoding.
    fn end_encoded(&mut self, record: &mut Record) {
        self.header = Header::default();
        let encoding = std::mem::take(&mut self.encoding);
        let layer = Self::nested(self.encoded + 1, record);
        self.leaf = Leaf::layer(encoding, layer, record);
        self.state = State::Body;
    }

    /// The header is complete: its names are reported, and what comes is known.
    pub(super) fn end_header(&mut self, record: &mut Record) {
        let header = std::mem::take(&mut self.header);
        self.encoding = Encoding::Identity;
        record.release(header.saw_junk && !header.seen);
        let in_digest = self.frames.last().is_some_and(|frame| frame.digest && !frame.closed);
        let head = Head::read(&header.fields, in_digest, record);
        drop(header);
        self.state = State::Body;
        match &head.is {
            Is::Multipart { boundaries, digest } => {
                self.leaf = self.encoded_multipart(&head, boundaries, *digest, record);
                self.open_multipart(boundaries, *digest, record);
            }
            Is::Message => {
                self.encoding = head.encoding;
                self.begin_header(record);
            }
            Is::Text | Is::Opaque | Is::Media | Is::BinHex | Is::Other => {
                self.leaf = Leaf::new(&head, self.encoded);
            }
        }
    }

    /// What is decoded from a multipart in a transfer encoding, which must not be; before its first delimiter.
    fn encoded_multipart(
        &self,
        head: &Head,
        boundaries: &[Vec<u8>],
        digest: bool,
        record: &mut Record,
    ) -> Leaf {
        if head.encoding == Encoding::Identity {
            return Leaf::nothing();
        }
        let mut layer = Self::nested(self.encoded + 1, record);
        if let Some(layer) = &mut layer {
            layer.open_multipart(boundaries, digest, record);
            layer.state = State::Body;
        }
        Leaf::layer(head.encoding, layer, record)
    }

    pub(super) fn open_multipart(&mut self, boundaries: &[Vec<u8>], digest: bool, record: &mut Record) {
        if self.frames.len() >= record.limits().depth {
            record.unparsable(Trouble::Depth);
            return;
        }
        if boundaries.len() != 1 {
            record.ambiguous(Trouble::Boundary);
        }
        let number = self.frames.len();
        if !boundaries.iter().all(|boundary| self.open.open(number, boundary)) {
            record.unparsable(Trouble::Boundaries);
        }
        self.frames.push(Frame {
            parts: 0,
            digest,
            closed: false,
            several: boundaries.len() > 1,
            guess: boundaries.is_empty(),
        });
    }

    /// A part begins, or a message in one.
    pub(super) fn begin_header(&mut self, record: &mut Record) {
        self.state = State::Header;
        self.header = Header::default();
        let number = self.part_number();
        if !record.begin_part(&number) {
            self.state = State::Stopped;
        }
    }

    /// The number of the part that comes, such as `1.2`.
    fn part_number(&self) -> String {
        let mut number = self.number.clone();
        for frame in &self.frames {
            let dot = if number.is_empty() { "" } else { "." };
            // Writing into a string cannot fail.
            let _ = write!(number, "{dot}{}", frame.parts);
        }
        if number.is_empty() { "1".to_owned() } else { number }
    }
}
