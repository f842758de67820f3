//! Formats that are a row of records, each of which says how long it is and how far it is to the next.

use super::{super::record::Record, Content};

/// What a format wants next.
#[derive(Debug)]
pub(super) enum Want {
    /// So many bytes in one piece, at most [`LONGEST`].
    Take(usize),
    /// To pass over so many bytes.
    Skip(u64),
    /// To look at so many bytes as a member's content.
    Content(u64, Box<Content>),
    /// Nothing any more.
    Done,
}

/// The longest piece.
pub(super) const LONGEST: usize = 8_192;

/// A format.
pub(super) trait Format: std::fmt::Debug + Send + Sync {
    /// Takes the piece that was wanted, empty after a [`Want::Skip`], and says what is wanted next.
    fn next(&mut self, piece: &[u8], record: &mut Record) -> Want;
}

/// Reads a format as it streams by.
#[derive(Debug)]
pub(in super::super) struct Records {
    format: Box<dyn Format>,
    piece: Vec<u8>,
    want: Want,
}

impl Records {
    pub(super) fn new(format: Box<dyn Format>, first: usize) -> Self {
        Self { format, piece: Vec::new(), want: Want::Take(first) }
    }

    pub(super) fn held(&self) -> usize {
        let content = if let Want::Content(_, content) = &self.want { content.held() } else { 0 };
        self.piece.capacity() + content
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.want, Want::Done)
    }

    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &mut self.want {
                Want::Take(length) => {
                    let missing = (*length).clamp(1, LONGEST) - self.piece.len();
                    let taken = missing.min(rest.len());
                    self.piece.extend_from_slice(rest.get(..taken).unwrap_or_default());
                    if taken == missing {
                        self.want = self.format.next(&self.piece, record);
                        self.piece.clear();
                    }
                    taken
                }
                Want::Skip(left) => {
                    let taken = at_most(*left, rest.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.want = self.format.next(&[], record);
                    }
                    taken
                }
                Want::Content(left, content) => {
                    let taken = at_most(*left, rest.len());
                    *left -= taken as u64;
                    content.feed(rest.get(..taken).unwrap_or_default(), record);
                    if *left == 0 {
                        content.finish(record);
                        self.want = self.format.next(&[], record);
                    }
                    taken
                }
                Want::Done => return,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, record: &mut Record) {
        if let Want::Content(_, content) = &mut self.want {
            content.finish(record);
        }
    }
}

fn at_most(left: u64, bytes: usize) -> usize {
    usize::try_from(left).map_or(bytes, |left| left.min(bytes))
}
