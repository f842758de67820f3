//! A fault with the line it stands in, as an administrator reads it: `file:line:column: error: …`, the line, carets
//! under the exact words, and the way out.

use super::text::Text;
use crate::origin::{Fault, Severity};
use serde::Serialize;
use std::fmt::{self, Write as _};
use unicode_width::UnicodeWidthChar;

/// How many columns a terminal has.
const COLUMNS: usize = 80;
/// How far source lines are indented.
const INDENT: usize = 2;
/// How many columns of a long line are kept before the caret.
const BEFORE: usize = 30;
/// The columns of a tab stop.
const TAB: usize = 4;
/// How many characters of a message are shown; a word of a megabyte must not fill the terminal.
const MESSAGE_LIMIT: usize = 400;

/// A fault, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What is wrong and where.
    #[serde(flatten)]
    pub fault: Fault,
    /// The line it stands in; `None` where there is no line, as with a file that cannot be read.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

/// A source line, or the part of it around the fault, fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line with tabs expanded and control characters escaped, at most 78 columns wide.
    pub line: String,
    /// How many columns lie before the first caret.
    pub before: usize,
    /// How many carets there are, at least 1.
    pub carets: usize,
}

impl Diagnostic {
    /// A fault in a text that is at hand.
    pub(super) fn new(fault: Fault, text: Option<&Text>) -> Self {
        let mut fault = fault;
        fault.message = shorten(&fault.message);
        fault.help = fault.help.map(|help| shorten(&help));
        let Some(text) = text.filter(|_| fault.origin.line != 0) else {
            return Self { fault, excerpt: None };
        };
        let byte = text.byte(fault.origin.line, fault.origin.column);
        fault.origin = text.origin(byte);
        let end = text.advance(byte, fault.width);
        let Some((start, line)) = text.line(fault.origin.line) else { return Self { fault, excerpt: None } };
        // The carets stay within the line; behind its end, where something is missing, there is one.
        let from = (byte - start).min(line.len());
        let to = end.saturating_sub(start).clamp(from, line.len());
        fault.width = text.characters(byte, start + to).max(1);
        let line = if start == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let mark = if start == 0 && text.text.starts_with('\u{feff}') { 3 } else { 0 };
        let excerpt = excerpt(line, from.saturating_sub(mark), to.saturating_sub(mark));
        Self { fault, excerpt: Some(excerpt) }
    }

    /// Whether the configuration is refused.
    pub fn is_error(&self) -> bool {
        match self.fault.severity {
            Severity::Error => true,
            Severity::Warning => false,
        }
    }
}

impl Diagnostic {
    /// The diagnostic in one line, for the log.
    pub fn line(&self) -> String {
        let shown = self.to_string();
        let mut lines = shown.lines();
        let head = lines.next().unwrap_or_default().to_owned();
        match lines.find_map(|line| line.trim_start().strip_prefix("help: ")) {
            Some(help) => format!("{head} ({help})"),
            None => head,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { severity, origin, message, help, .. } = &self.fault;
        f.write_str(&escape(&origin.file))?;
        if origin.line != 0 {
            write!(f, ":{}:{}", origin.line, origin.column)?;
        }
        let word = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, ": {word}: {}", escape(message))?;
        if let Some(Excerpt { line, before, carets }) =
            self.excerpt.as_ref().filter(|shown| !shown.line.is_empty())
        {
            writeln!(f, "{:INDENT$}{line}", "")?;
            writeln!(f, "{:1$}{2}", "", INDENT + before, "^".repeat(*carets))?;
        }
        match help {
            Some(help) => writeln!(f, "{:INDENT$}help: {}", "", escape(help)),
            None => Ok(()),
        }
    }
}

/// Cuts the middle out of a long message: its end often says what is wrong with the word in it.
fn shorten(message: &str) -> String {
    let count = message.chars().count();
    if count <= MESSAGE_LIMIT {
        return message.to_owned();
    }
    let head: String = message.chars().take(MESSAGE_LIMIT / 2).collect();
    let tail: String = message.chars().skip(count - MESSAGE_LIMIT / 2).collect();
    format!("{head}…{tail}")
}

/// Makes a text fit for a terminal: what would move the cursor or reorder the line becomes `\u{…}`.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        out.push_str(&cell(c, None).0);
        out
    })
}

/// How a character is shown and how many columns it takes; a tab only with a column to expand it at.
fn cell(c: char, column: Option<usize>) -> (String, usize) {
    if let (Some(column), '\t') = (column, c) {
        let width = TAB - column % TAB;
        return (" ".repeat(width), width);
    }
    let hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    match c.width() {
        Some(width) if !hidden => (c.to_string(), width),
        _ => {
            let mut shown = String::new();
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            let width = shown.len();
            (shown, width)
        }
    }
}

/// The part of a line around `from..to` (bytes) that fits a terminal.
fn excerpt(line: &str, from: usize, to: usize) -> Excerpt {
    let room = COLUMNS - INDENT;
    // No character is shown in less than no column, so that a bounded number of them is enough on either side.
    let near: usize = line[..from].chars().rev().take(room * 4).map(char::len_utf8).sum();
    let first = from - near;
    let far: usize = line[from..].chars().take(room * 4).map(char::len_utf8).sum();
    let cells = cells(&line[first..from + far], from - near);
    let all: usize = cells.iter().map(|cell| cell.width).sum();
    if first == 0 && from + far == line.len() && all <= room {
        return show(&cells, from, to, (false, false));
    }
    // Backwards from the caret until BEFORE columns are there, then forwards to the edge; one column for each `…`.
    let at = cells.iter().position(|cell| cell.byte >= from).unwrap_or(cells.len());
    let behind: usize = cells[at..].iter().map(|cell| cell.width).sum();
    let whole = from + far == line.len();
    let keep = if whole && behind < room - BEFORE { room - 2 - behind.max(1) } else { BEFORE };
    let mut begin = at;
    let mut width = 0;
    while begin > 0 && width + cells[begin - 1].width <= keep {
        begin -= 1;
        width += cells[begin].width;
    }
    let mut end = at;
    while end < cells.len() && width + cells[end].width <= room - 2 {
        width += cells[end].width;
        end += 1;
    }
    let cut = (first > 0 || begin > 0, end < cells.len() || !whole);
    show(&cells[begin..end], from, to, cut)
}

/// One character as it is shown.
struct Cell {
    byte: usize,
    text: String,
    width: usize,
}

fn cells(part: &str, offset: usize) -> Vec<Cell> {
    let mut column = 0;
    let mut cells = Vec::new();
    for (byte, c) in part.char_indices() {
        let (text, width) = cell(c, Some(column));
        column += width;
        cells.push(Cell { byte: byte + offset, text, width });
    }
    cells
}

fn show(cells: &[Cell], from: usize, to: usize, cut: (bool, bool)) -> Excerpt {
    let ellipsis = |cut| if cut { "…" } else { "" };
    let body: String = cells.iter().map(|cell| cell.text.as_str()).collect();
    let width = |range: std::ops::Range<usize>| {
        cells.iter().filter(|cell| range.contains(&cell.byte)).map(|cell| cell.width).sum::<usize>()
    };
    Excerpt {
        line: format!("{}{body}{}", ellipsis(cut.0), ellipsis(cut.1)).trim_end().to_owned(),
        before: usize::from(cut.0) + width(0..from),
        carets: width(from..to).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, word: &str) -> String {
        let text = Text::new("f", line.to_owned());
        let at = text.origin(line.find(word).unwrap());
        Diagnostic::new(Fault::error(&at, word.chars().count(), "bad"), Some(&text)).to_string()
    }

    #[test]
    fn carets_stand_under_the_word_with_tabs_and_wide_characters() {
        assert_eq!(shown("a\tbad", "bad"), "f:1:3: error: bad\n  a   bad\n      ^^^\n");
        assert_eq!(shown("漢字 bad", "bad"), "f:1:4: error: bad\n  漢字 bad\n       ^^^\n");
        assert_eq!(shown("e\u{301} 漢", "漢"), "f:1:4: error: bad\n  e\u{301} 漢\n    ^^\n");
        assert_eq!(shown("\u{1b}[0m bad", "bad"), "f:1:6: error: bad\n  \\u{1b}[0m bad\n            ^^^\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        for (before, after) in [(0, 1000), (1000, 0), (500, 500), (70, 5), (5, 70), (40, 40)] {
            let line = format!("{}bad{}", "x".repeat(before), "y".repeat(after));
            let shown = shown(&line, "bad");
            let lines: Vec<&str> = shown.lines().collect();
            assert!(lines[1].chars().count() <= 80, "{shown}");
            let at = lines[2].find('^').unwrap();
            let under: String = lines[1].chars().skip(at).take(3).collect();
            assert_eq!(under, "bad", "{shown}");
        }
    }

    #[test]
    fn a_long_word_is_underlined_as_far_as_it_is_shown() {
        let shown = shown(&"b".repeat(500), &"b".repeat(500));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
}
