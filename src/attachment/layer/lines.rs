//! Lines that may be delimiters: those that begin with two hyphens, and what a delimiter ends and begins.

use super::{
    super::{
        delimiters::Delimiter,
        facts::Trouble,
        leaf::Leaf,
        names::BOUNDARY,
        record::{Here, Record},
    },
    At, Layer, State,
    shadow::Shadow,
};
use memchr::{memchr2, memmem};

/// The longest line that may be a delimiter.
const LINE: usize = BOUNDARY + 100;

impl Layer {
    /// Looks whether a line begins as a delimiter does, and collects it.
    pub(super) fn line_start(&mut self, bytes: &[u8], record: &mut Record) -> usize {
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
    pub(super) fn flush(&mut self, record: &mut Record) {
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

    pub(super) fn line_end(&mut self, end: u8) {
        self.at = At::Start;
        self.after_cr = end == b'\r';
        self.bare_cr = end == b'\r';
    }

    /// Takes more of a body in which no header may go on: everything up to a line that begins with two hyphens.
    pub(super) fn body(&mut self, bytes: &[u8], record: &mut Record) -> usize {
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

    /// Whether the line is a delimiter; then what it begins has begun.
    pub(super) fn delimiter(&mut self, record: &mut Record) -> bool {
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
}
