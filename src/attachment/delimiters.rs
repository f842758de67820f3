//! The boundaries that are open, and which of them a line may be (RFC 2046 5.1.1, and who reads it how).

use std::{
    collections::BTreeMap,
    ops::Bound::{Included, Unbounded},
};

/// Bytes that boundaries take at most, all together.
const OPEN_BYTES: usize = 48 * 1_024;
/// What a boundary costs beside its text, twice.
const ENTRY: usize = 96;

/// How a line is a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    /// Of which multipart, counted from the outermost.
    pub(super) frame: usize,
    /// Whether it closes the multipart.
    pub(super) closes: bool,
    /// Whether every reader takes it for one.
    pub(super) exact: bool,
}

/// The boundaries of the open multiparts.
#[derive(Debug, Default)]
pub(super) struct Delimiters {
    /// In lower case, with the multiparts and how they write it.
    known: BTreeMap<Vec<u8>, Vec<(usize, Vec<u8>)>>,
    /// How many boundaries have which length.
    lengths: BTreeMap<usize, usize>,
    size: usize,
}

impl Delimiters {
    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        2 * self.size
    }

    /// Opens a boundary of a multipart. False when there are too many.
    pub(super) fn open(&mut self, frame: usize, boundary: &[u8]) -> bool {
        if self.size + boundary.len() + ENTRY > OPEN_BYTES {
            return false;
        }
        self.size += boundary.len() + ENTRY;
        *self.lengths.entry(boundary.len()).or_default() += 1;
        self.known.entry(boundary.to_ascii_lowercase()).or_default().push((frame, boundary.to_vec()));
        true
    }

    /// Forgets the boundaries of all multiparts from `frame` on.
    pub(super) fn close_from(&mut self, frame: usize) {
        let Self { known, lengths, size } = self;
        known.retain(|_, entries| {
            entries.retain(|(of, boundary)| {
                if *of >= frame {
                    *size -= boundary.len() + ENTRY;
                    if let Some(count) = lengths.get_mut(&boundary.len()) {
                        *count -= 1;
                    }
                }
                *of < frame
            });
            !entries.is_empty()
        });
        lengths.retain(|_, count| *count > 0);
    }

    /// What a line is, of which the two hyphens at its beginning are left out. `closed` tells of a multipart whether its
    /// closing line was seen.
    pub(super) fn find(&self, line: &[u8], closed: &dyn Fn(usize) -> bool) -> Option<Delimiter> {
        if self.known.is_empty() {
            return None;
        }
        let line = line.trim_ascii_end();
        // Most lines of hyphens are too short for any boundary.
        if self.lengths.first_key_value().is_none_or(|(shortest, _)| line.len() < *shortest) {
            return None;
        }
        let folded = line.to_ascii_lowercase();
        let shorter = folded.strip_suffix(b"--").map(<[u8]>::trim_ascii_end);
        let whole = [(Some(folded.as_slice()), false), (shorter, true)];
        for exact in [true, false] {
            for (key, closes) in whole {
                let Some(key) = key else { continue };
                let Some(entries) = self.known.get(key) else { continue };
                let written = line.get(..key.len());
                let same = entries.iter().filter(|(_, boundary)| !exact || written == Some(boundary));
                if let Some(frame) = innermost(same.map(|(frame, _)| *frame), closed) {
                    return Some(Delimiter { frame, closes, exact });
                }
            }
        }
        self.begins(&folded, closed)
    }

    /// The longest boundary with which the line begins.
    fn begins(&self, folded: &[u8], closed: &dyn Fn(usize) -> bool) -> Option<Delimiter> {
        let strict = |boundary: &[u8]| boundary.iter().all(|byte| *byte == b'-');
        let mut key = folded;
        // The greatest of those that are not greater is it, or agrees with it up to where it differs from the line.
        while !key.is_empty() {
            let (known, entries) = self.known.range::<[u8], _>((Unbounded, Included(key))).next_back()?;
            let same = known.iter().zip(key).take_while(|(known, letter)| known == letter).count();
            let frames = entries.iter().filter(|(_, boundary)| !strict(boundary)).map(|(frame, _)| *frame);
            if same == known.len() && same > 0 {
                if let Some(frame) = innermost(frames, closed) {
                    let closes = folded.get(same..).is_some_and(|behind| behind.starts_with(b"--"));
                    return Some(Delimiter { frame, closes, exact: false });
                }
                key = key.get(..same - 1)?;
            } else {
                key = key.get(..same)?;
            }
        }
        None
    }
}

/// The innermost multipart that is not closed, else the innermost.
fn innermost(frames: impl Iterator<Item = usize> + Clone, closed: &dyn Fn(usize) -> bool) -> Option<usize> {
    frames.clone().filter(|frame| !closed(*frame)).max().or_else(|| frames.max())
}

#[cfg(test)]
mod tests {
    use super::{Delimiter, Delimiters};

    #[test]
    fn a_line_is_the_delimiter_that_most_readers_take_it_for() {
        let mut open = Delimiters::default();
        for (frame, boundary) in [(0, "abc"), (1, "abcd"), (2, "abc"), (3, "x y"), (3, "e--")] {
            assert!(open.open(frame, boundary.as_bytes()));
        }
        let find = |line: &str| {
            open.find(line.as_bytes(), &|frame| frame == 2)
                .map(|Delimiter { frame, closes, exact }| (frame, closes, exact))
        };
        for (line, want) in [
            ("abc", Some((0, false, true))),
            ("abc--", Some((0, true, true))),
            ("abcd \t", Some((1, false, true))),
            ("abcd-- ", Some((1, true, true))),
            ("ABCD", Some((1, false, false))),
            ("abcde", Some((1, false, false))),
            ("abce--", Some((0, false, false))),
            ("x y", Some((3, false, true))),
            ("e--", Some((3, false, true))),
            ("e----", Some((3, true, true))),
            ("ab", None),
            ("", None),
        ] {
            assert_eq!(find(line), want, "{line}");
        }
        open.close_from(0);
        assert_eq!((open.find(b"abc", &|_| false), open.size), (None, 0));
    }
}
