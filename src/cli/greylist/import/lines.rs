//! Lines of a text file or of standard input, of bounded length.

use super::unreadable::Unreadable;
use crate::config;
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// The longest line that is read, in bytes: three addresses and some numbers.
const LIMIT: usize = 8_192;

/// Numbered lines.
pub(super) struct Lines {
    from: Box<dyn BufRead>,
    number: u64,
}

/// A line without its end, or what is wrong with it.
pub(super) type Line = Result<String, &'static str>;

impl Lines {
    /// Of a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Unreadable> {
        Ok(Self::of(open(path)?))
    }

    pub(super) fn of(from: Box<dyn BufRead>) -> Self {
        Self { from, number: 0 }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut long, mut any) = (Vec::new(), false, false);
        loop {
            let part = self.from.fill_buf()?;
            if part.is_empty() {
                break;
            }
            any = true;
            let end = part.iter().position(|b| *b == b'\n');
            let taken = end.unwrap_or(part.len());
            if line.len() + taken > LIMIT {
                long = true;
            } else {
                line.extend_from_slice(&part[..taken]);
            }
            self.from.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        if long {
            return Ok(Some(Err("the line is too long")));
        }
        Ok(Some(match String::from_utf8(line) {
            Ok(text) if text.contains('\0') => Err("it is not text"),
            Ok(text) => Ok(text.strip_suffix('\r').map(str::to_owned).unwrap_or(text)),
            Err(bytes) => Ok(String::from_utf8_lossy(bytes.as_bytes()).into_owned()),
        }))
    }
}

/// Lines with their numbers; an error of reading is the last.
impl Iterator for Lines {
    type Item = Result<(u64, Line), String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(Some(line)) => {
                self.number += 1;
                Some(Ok((self.number, line)))
            }
            Ok(None) => None,
            Err(error) => {
                self.from = Box::new(io::empty());
                Some(Err(format!("behind line {}: {}", self.number, config::reason(&error))))
            }
        }
    }
}

/// A file for reading; `-` is standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Unreadable> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|e| Unreadable::File(config::reason(&e)))?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        return Err(Unreadable::File("it is a directory".to_owned()));
    }
    Ok(Box::new(BufReader::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let text = [b"one\r\n".to_vec(), vec![b'x'; 3 * LIMIT], b"\nth\xffree\n\0\nlast".to_vec()].concat();
        let lines = Lines::of(Box::new(io::Cursor::new(text)));
        let all: Vec<_> = lines.map(Result::unwrap).collect();
        let want: [(u64, Line); 5] = [
            (1, Ok("one".to_owned())),
            (2, Err("the line is too long")),
            (3, Ok("th\u{fffd}ree".to_owned())),
            (4, Err("it is not text")),
            (5, Ok("last".to_owned())),
        ];
        assert_eq!(all, want);
    }
}
