//! A message, or what is decoded from one: headers and bodies, and the delimiters between them (RFC 2046). Only lines
//! that begin with two hyphens are looked at in a body.

mod header;
mod late;
mod lines;
mod shadow;

use super::{
    budget::Lease, delimiters::Delimiters, facts::Trouble, fields::Header, head::Encoding, leaf::Leaf,
    record::Record,
};
use shadow::Shadow;

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

    fn end_leaf(&mut self, record: &mut Record) {
        self.end_late(record);
        std::mem::replace(&mut self.leaf, Leaf::nothing()).finish(record);
    }
}
