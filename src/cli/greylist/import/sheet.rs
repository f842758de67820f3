//! Tables as CSV with the names of the columns in the first line, or with tabs as `mysql -B` prints them.

use super::{Item, lines, unreadable::Unreadable};
use crate::{config, store::Record};
use csv::{Reader, ReaderBuilder, StringRecord};
use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    path::Path,
    rc::Rc,
};

/// The longest record, in bytes; with what the reader takes in advance.
const LIMIT: usize = 64 << 10;

/// Lets so many bytes through until it is told that a record has ended, so that an open quote does not swallow a file.
struct Bounded {
    from: Box<dyn BufRead>,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("the record is too long"));
        }
        let room = buffer.len().min(left);
        let read = self.from.read(&mut buffer[..room])?;
        self.left.set(left - read);
        Ok(read)
    }
}

/// A table.
pub(super) struct Sheet {
    reader: Reader<Bounded>,
    left: Rc<Cell<usize>>,
    columns: Vec<String>,
    ended: bool,
}

/// A record: its fields by the names of their columns.
pub(super) struct Row<'a> {
    columns: &'a [String],
    fields: StringRecord,
}

impl Row<'_> {
    /// A field; an error where the table has no such column.
    pub(super) fn field(&self, name: &str) -> Result<&str, String> {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.fields.get(at)).ok_or_else(|| format!("it has no {name}"))
    }

    /// A count.
    pub(super) fn count(&self, name: &str) -> Result<u32, String> {
        let text = self.field(name)?;
        text.parse().map_err(|_| format!("`{text}` is not a count for {name}"))
    }
}

impl Sheet {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Unreadable> {
        let mut from = lines::open(path)?;
        let begin = from.fill_buf().map_err(|e| Unreadable::File(config::reason(&e)))?;
        let first = begin.split(|b| *b == b'\n').next().unwrap_or_default();
        let delimiter = if first.contains(&b'\t') { b'\t' } else { b',' };
        let left = Rc::new(Cell::new(LIMIT));
        let bounded = Bounded { from, left: left.clone() };
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).quoting(delimiter == b',').from_reader(bounded);
        let columns = reader.headers().map_err(|e| format!("its first line: {}", why(&e)))?;
        let columns = columns.iter().map(str::to_owned).collect();
        Ok(Self { reader, left, columns, ended: false })
    }

    /// Whether it has all these columns.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.columns.iter().any(|column| column == name))
    }

    /// The next record's item; an error is the last.
    pub(super) fn next(
        &mut self,
        records: impl FnOnce(&Row<'_>) -> Result<Vec<Record>, String>,
    ) -> Option<Result<Item, String>> {
        if self.ended {
            return None;
        }
        self.left.set(LIMIT);
        let mut fields = StringRecord::new();
        match self.reader.read_record(&mut fields) {
            Ok(false) => None,
            Ok(true) => {
                let line = fields.position().map_or(0, csv::Position::line);
                let row = Row { columns: &self.columns, fields };
                Some(Ok(Item::at(format_args!("line {line}"), records(&row))))
            }
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                self.ended = true;
                Some(Err(format!("behind line {}: {}", self.reader.position().line(), why(&error))))
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                Some(Ok(Item::Fault(format!("line {line}"), why(&error))))
            }
        }
    }
}

fn why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields, the first line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is no UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => config::reason(error),
        _ => "it is no CSV".to_owned(),
    }
}
