//! A message, or what is decoded from one: headers and bodies, and the delimiters between them (RFC 2046). Only lines
//! that begin with two hyphens are looked at in a body.

use super::{
    budget::Lease,
    delimiters::{Delimiter, Delimiters},
    facts::Trouble,
    fields::{Header, Line, Push},
    head::{Encoding, Head, Is},
    leaf::Leaf,
    names::BOUNDARY,
    record::{Here, Record},
};
use memchr::{memchr2, memmem};
use std::fmt::Write as _;

/// The longest line that may be a delimiter.
const LINE: usize = BOUNDARY + 100;
/// What a layer inside another takes, beside its header.
const LAYER: usize = 4_096;

/// A message as it streams by.
#[derive(Debug)]
pub(super) struct Layer {
    frames: Vec<Frame>,
    open: Delimiters,
    state: State,
    at: At,
    /// A line that may be a delimiter, as far as it was seen.
    line: Vec<u8>,
    /// The line before ended with a CR: an LF belongs to it.
    after_cr: bool,
    /// The line before ended with a CR alone.
    bare_cr: bool,
    header: Header,
    /// Lines of a body that some take for more of the header.
    late: Option<Header>,
    /// The body of a message in a transfer encoding comes, if no header does.
    encoding: Encoding,
    leaf: Leaf,
    /// A body that goes on for those who take no delimiter for what ended it for others.
    shadow: Option<Shadow>,
    /// The number of the part that this layer is.
    number: String,
    encoded: usize,
    /// The header ends when the milter says so, not with an empty line.
    events: bool,
    _lease: Option<Lease>,
}

/// A body that goes on beside others, and the part that it belongs to.
#[derive(Debug)]
struct Shadow {
    leaf: Leaf,
    here: Here,
}

impl Shadow {
    fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        let outside = record.here(std::mem::take(&mut self.here));
        self.leaf.feed(bytes, record);
        self.here = record.here(outside);
    }

    fn finish(self, record: &mut Record) {
        let outside = record.here(self.here);
        self.leaf.finish(record);
        record.here(outside);
    }
}

/// A multipart that is open.
#[derive(Debug)]
struct Frame {
    parts: usize,
    digest: bool,
    /// Its closing line was seen.
    closed: bool,
    /// Its boundary is not known for certain: there are several.
    several: bool,
    /// Its boundary is not known: the first line that looks like one is it.
    guess: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Body,
    /// There were too many parts.
    Stopped,
}

/// Where in a line we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At its beginning.
    Start,
    /// In one that may be a delimiter.
    Delimiter,
    /// In one that is none.
    Middle,
}

impl Layer {
    /// A message whose header comes in events, or with its body.
    pub(super) fn top(events: bool, record: &mut Record) -> Self {
        record.begin_part("1");
        Self::new(String::new(), 0, events, None)
    }

    /// A message inside a transfer encoding, if that is not too deep.
    pub(super) fn nested(encoded: usize, record: &mut Record) -> Option<Self> {
        if encoded > record.limits().encoded_levels {
            record.unparsable(Trouble::EncodedLevels);
            return None;
        }
        let Some(lease) = record.lease(LAYER) else {
            record.unparsable(Trouble::EncodedLevels);
            return None;
        };
        Some(Self::new(record.part().to_owned(), encoded, false, Some(lease)))
    }

    fn new(number: String, encoded: usize, events: bool, lease: Option<Lease>) -> Self {
        Self {
            frames: Vec::new(),
            open: Delimiters::default(),
            state: State::Header,
            at: At::Start,
            line: Vec::new(),
            after_cr: false,
            bare_cr: false,
            header: Header::default(),
            late: None,
            encoding: Encoding::Identity,
            leaf: Leaf::nothing(),
            shadow: None,
            number,
            encoded,
            events,
            _lease: lease,
        }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        size_of::<Self>()
            + self.line.capacity()
            + self.frames.capacity() * size_of::<Frame>()
            + self.open.held()
            + self.header.held()
            + self.late.as_ref().map_or(0, Header::held)
            + self.leaf.held()
            + self.shadow.as_ref().map_or(0, |shadow| shadow.leaf.held())
    }

    /// Whether nothing that may still come says anything: no multipart is open and nothing is looked for in the body.
    pub(super) fn is_settled(&self) -> bool {
        let idle = self.state == State::Body && self.frames.is_empty() && self.late.is_none();
        self.state == State::Stopped || idle && self.leaf.is_settled()
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                self.bare_cr = false;
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            // Of a line that may be a delimiter the shadow hears when that is decided.
            let decided = self.at == At::Middle;
            let taken = match (self.state, self.at) {
                (State::Stopped, _) => return,
                (_, At::Start | At::Delimiter) => self.line_start(rest, record),
                (State::Header, At::Middle) => self.header_line(rest, record),
                (State::Body, At::Middle) if self.late.is_some() => self.late_line(rest, record),
                (State::Body, At::Middle) => self.body(rest, record),
            };
            let (now, behind) = rest.split_at(taken.min(rest.len()));
            rest = behind;
            if let Some(shadow) = self.shadow.as_mut().filter(|_| decided) {
                shadow.feed(now, record);
            }
        }
    }

    /// The milter says that the header is complete.
    pub(super) fn end_of_headers(&mut self, record: &mut Record) {
        self.events = false;
        if self.state == State::Header {
            self.end_header(record);
        }
    }

    /// Looks at what is left.
    pub(super) fn finish(&mut self, record: &mut Record) {
        if self.state == State::Header {
            self.flush(record);
            self.header.end_line();
            self.end_header(record);
        } else if !self.delimiter(record) {
            self.flush(record);
        }
        if self.state == State::Header {
            // The message ends with a delimiter, or within the header of a message inside it.
            let header = std::mem::take(&mut self.header);
            record.release(header.saw_junk && !header.seen);
        }
        self.end_leaf(record);
        self.end_shadow(record);
    }

    fn end_shadow(&mut self, record: &mut Record) {
        if let Some(shadow) = self.shadow.take() {
            shadow.finish(record);
        }
    }

    /// Looks whether a line begins as a delimiter does, and collects it.
    fn line_start(&mut self, bytes: &[u8], record: &mut Record) -> usize {
        let mut taken = 0;
        for byte in bytes {
            if self.line.len() >= 2 {
                break;
            }
            if *byte != b'-' {
                self.flush(record);
                return taken;
            }
            self.at = At::Delimiter;
            self.line.push(*byte);
            taken += 1;
        }
        let rest = bytes.get(taken..).unwrap_or_default();
        let end = memchr2(b'\n', b'\r', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.line.extend_from_slice(line.get(..line.len().min(LINE)).unwrap_or_default());
        if self.line.len() > LINE {
            let kept = line.len().min(LINE);
            self.flush(record);
            return taken + kept;
        }
        taken += line.len();
        let Some(end) = end.and_then(|end| rest.get(end)) else { return taken };
        if self.delimiter(record) {
            self.line_end(*end);
            return taken + 1;
        }
        self.flush(record);
        taken
    }

    /// Gives a line that is no delimiter to what is open.
    fn flush(&mut self, record: &mut Record) {
        let line = std::mem::take(&mut self.line);
        self.at = At::Middle;
        if let Some(shadow) = &mut self.shadow {
            shadow.feed(&line, record);
        }
        match (self.state, &mut self.late) {
            (State::Header, _) => {
                self.push_header(&line, record);
            }
            (State::Body, late) => {
                if let Some(late) = late {
                    late.push(&line, record.limits().header_bytes);
                }
                self.leaf.feed(&line, record);
            }
            (State::Stopped, _) => {}
        }
        self.line = line;
        self.line.clear();
    }

    fn line_end(&mut self, end: u8) {
        self.at = At::Start;
        self.after_cr = end == b'\r';
        self.bare_cr = end == b'\r';
    }

    /// Takes more of a line of the header.
    fn header_line(&mut self, bytes: &[u8], record: &mut Record) -> usize {
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
    fn push_header(&mut self, line: &[u8], record: &mut Record) -> Option<usize> {
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
    fn end_header(&mut self, record: &mut Record) {
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

    fn open_multipart(&mut self, boundaries: &[Vec<u8>], digest: bool, record: &mut Record) {
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
    fn begin_header(&mut self, record: &mut Record) {
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

    /// Takes more of a body in which no header may go on: everything up to a line that begins with two hyphens.
    fn body(&mut self, bytes: &[u8], record: &mut Record) -> usize {
        let is_end = |at: Option<&u8>| matches!(at, Some(b'\n' | b'\r'));
        let before = |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at));
        let mut at = 0;
        while !self.frames.is_empty()
            && let Some(found) = bytes.get(at..).and_then(|rest| memmem::find(rest, b"--"))
        {
            let hyphens = at + found;
            if is_end(before(hyphens)) {
                self.leaf.feed(bytes.get(..hyphens).unwrap_or_default(), record);
                self.at = At::Start;
                return hyphens;
            }
            let run = bytes.get(hyphens..).unwrap_or_default().iter().position(|byte| *byte != b'-');
            at = run.map_or(bytes.len(), |run| hyphens + run);
        }
        // A hyphen at the end may be the first of two.
        let taken = if bytes.ends_with(b"-") && is_end(before(bytes.len() - 1)) {
            bytes.len() - 1
        } else {
            bytes.len()
        };
        self.leaf.feed(bytes.get(..taken).unwrap_or_default(), record);
        if is_end(before(taken)) {
            self.at = At::Start;
        }
        taken
    }

    /// Takes more of a body whose lines some take for more of the header.
    fn late_line(&mut self, bytes: &[u8], record: &mut Record) -> usize {
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
    fn end_late(&mut self, record: &mut Record) {
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

    /// Whether the line is a delimiter; then what it begins has begun.
    fn delimiter(&mut self, record: &mut Record) -> bool {
        let Some(line) = self.line.strip_prefix(b"--") else { return false };
        let closed = |frame: usize| self.frames.get(frame).is_none_or(|frame| frame.closed);
        let found = self.open.find(line, &closed).or_else(|| self.guess());
        let Some(Delimiter { frame, closes, exact }) = found else { return false };
        if !exact {
            record.ambiguous(Trouble::Delimiter);
        }
        if self.state == State::Header {
            self.header.end_line();
            self.end_header(record);
        }
        if exact && !self.frames.get(frame).is_some_and(|frame| frame.several) {
            self.end_leaf(record);
            self.end_shadow(record);
        } else if let Some(older) = &mut self.shadow {
            // The older one is what a strict reader sees.
            older.feed(&self.line, record);
            older.feed(b"\r\n", record);
            self.end_leaf(record);
        } else {
            self.end_late(record);
            let mut leaf = std::mem::replace(&mut self.leaf, Leaf::nothing());
            leaf.feed(&self.line, record);
            leaf.feed(b"\r\n", record);
            if !leaf.is_settled() {
                let here = record.here(Here::default());
                self.shadow = Some(Shadow { leaf, here });
            }
        }
        self.line.clear();
        self.frames.truncate(frame + 1);
        self.open.close_from(frame + 1);
        let Some(frame) = self.frames.get_mut(frame) else { return true };
        if closes {
            frame.closed = true;
            self.state = State::Body;
            self.leaf = Leaf::nothing();
        } else {
            if frame.closed {
                record.ambiguous(Trouble::AfterClose);
            }
            frame.parts += 1;
            self.begin_header(record);
        }
        true
    }

    /// Takes the line for the boundary of a multipart that has none.
    fn guess(&mut self) -> Option<Delimiter> {
        let frame = self.frames.len().checked_sub(1)?;
        let boundary = self.line.strip_prefix(b"--")?.trim_ascii_end();
        let likely = (1..=70).contains(&boundary.len()) && boundary.iter().all(u8::is_ascii_graphic);
        if !likely || !self.frames.last()?.guess || !self.open.open(frame, boundary) {
            return None;
        }
        self.frames.last_mut()?.guess = false;
        Some(Delimiter { frame, closes: false, exact: true })
    }

    fn end_leaf(&mut self, record: &mut Record) {
        self.end_late(record);
        std::mem::replace(&mut self.leaf, Leaf::nothing()).finish(record);
    }
}
