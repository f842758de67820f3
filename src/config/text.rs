//! A file's text with its lines: from byte offsets to lines and columns and back, in little time even where one
//! line is a megabyte long.

use crate::origin::Origin;
use std::sync::Arc;

/// How many bytes share one entry of the character index.
const BLOCK: usize = 256;

/// A text and where its lines begin.
#[derive(Debug)]
pub(super) struct Text {
    /// The file's name as the administrator gave it.
    pub(super) name: Arc<str>,
    /// The text.
    pub(super) text: String,
    lines: Vec<usize>,
    /// How many characters begin before each multiple of [`BLOCK`].
    characters: Vec<usize>,
}

impl Text {
    /// Indexes a text.
    pub(super) fn new(name: &str, text: String) -> Self {
        let mut lines = vec![0];
        let mut characters = Vec::with_capacity(text.len() / BLOCK + 1);
        let mut count = 0;
        for (at, byte) in text.bytes().enumerate() {
            if at % BLOCK == 0 {
                characters.push(count);
            }
            // Continuation bytes of UTF-8 begin no character.
            count += usize::from(byte & 0xc0 != 0x80);
            if byte == b'\n' {
                lines.push(at + 1);
            }
        }
        Self { name: name.into(), text, lines, characters }
    }

    /// The place of a byte; what lies behind the end is the end.
    pub(super) fn origin(&self, byte: usize) -> Origin {
        let byte = byte.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let column = self.count(byte) - self.count(self.lines[line - 1]) + 1;
        // A byte order mark is no character of the first line: editors do not show it.
        let mark = usize::from(line == 1 && column > 1 && self.text.starts_with('\u{feff}'));
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Origin::new(self.name.clone(), number(line), number(column - mark))
    }

    /// The byte of a place. A column behind the end of its line goes on in the next one, as a count of characters
    /// through a string of several lines does; what lies behind the end of the text is the end.
    pub(super) fn byte(&self, line: u32, column: u32) -> usize {
        let Some(start) = self.lines.get(line.saturating_sub(1) as usize) else { return self.text.len() };
        let mark = usize::from(line == 1 && self.text.starts_with('\u{feff}'));
        self.advance(*start, column.saturating_sub(1) as usize + mark)
    }

    /// The byte that lies some characters behind another.
    pub(super) fn advance(&self, byte: usize, characters: usize) -> usize {
        let want = self.count(byte).saturating_add(characters);
        let block = self.characters.partition_point(|before| *before <= want).saturating_sub(1);
        let mut count = self.characters.get(block).copied().unwrap_or(0);
        let first = block * BLOCK;
        for (at, byte) in self.text.as_bytes().get(first..).unwrap_or_default().iter().enumerate() {
            if byte & 0xc0 != 0x80 {
                if count == want {
                    return first + at;
                }
                count += 1;
            }
        }
        self.text.len()
    }

    /// How many characters lie between two bytes.
    pub(super) fn characters(&self, from: usize, to: usize) -> usize {
        self.count(to.min(self.text.len())).saturating_sub(self.count(from.min(self.text.len())))
    }

    /// A line without its end, from the byte where it begins; lines count from 1.
    pub(super) fn line(&self, line: u32) -> Option<(usize, &str)> {
        let line = line.checked_sub(1)? as usize;
        let start = *self.lines.get(line)?;
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        let whole = &self.text[start..end];
        let bare = whole.strip_suffix('\n').unwrap_or(whole);
        Some((start, bare.strip_suffix('\r').unwrap_or(bare)))
    }

    /// How many characters begin before a byte.
    fn count(&self, byte: usize) -> usize {
        let block = (byte / BLOCK).min(self.characters.len().saturating_sub(1));
        let before = self.characters.get(block).copied().unwrap_or(0);
        let rest = &self.text.as_bytes()[(block * BLOCK).min(byte)..byte];
        before + rest.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_bytes_turn_into_each_other() {
        let text = Text::new("t", format!("ab\r\nö{}é\tx\n\nend", "x".repeat(1000)));
        for (byte, _) in text.text.char_indices() {
            let origin = text.origin(byte);
            assert_eq!(text.byte(origin.line, origin.column), byte, "{origin:?}");
        }
        assert_eq!(text.origin(5 + 1001), Origin::new("t", 2, 1002));
        assert_eq!(text.origin(usize::MAX), Origin::new("t", 4, 4));
        assert_eq!(text.line(1), Some((0, "ab")));
        assert_eq!(text.line(5), None);
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        let text = Text::new("t", "\u{feff}a\nb".to_owned());
        assert_eq!(text.origin(0).column, 1);
        assert_eq!(text.origin(3), Origin::new("t", 1, 1));
        assert_eq!(text.byte(1, 1), 3);
        assert_eq!(text.origin(5), Origin::new("t", 2, 1));
    }

    #[test]
    fn the_empty_text_has_one_line() {
        let text = Text::new("t", String::new());
        assert_eq!(text.origin(0), Origin::new("t", 1, 1));
        assert_eq!((text.line(1), text.byte(9, 9)), (Some((0, "")), 0));
    }
}
