//! The text of Berkeley DB's `db_dump`, with or without `-p`: a header, then keys and values in turn, each a line behind a
//! blank.

use super::lines::Lines;

/// A key and its value with the key's line, or where something is wrong and what; an error is the last.
pub(super) type Pair = Result<Result<(u64, Vec<u8>, Vec<u8>), (u64, String)>, String>;

/// How a dump begins.
pub(super) const BEGIN: &str = "VERSION=";

/// The pairs of one dump or several.
pub(super) struct Dump {
    lines: Lines,
    /// `format=print`, as `-p` writes it, and not `format=bytevalue`.
    printable: bool,
    in_data: bool,
}

impl Dump {
    pub(super) fn of(lines: Lines) -> Self {
        Self { lines, printable: true, in_data: false }
    }

    fn decoded(&self, line: &str) -> Result<Vec<u8>, String> {
        let text = line.strip_prefix(' ').ok_or("a line of data begins with a blank")?;
        let wrong = || "its escapes are not those of db_dump".to_owned();
        let hex = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            u8::from_str_radix(digits, 16).ok()
        };
        let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
        if !self.printable {
            let pairs = rest.chunks(2).map(|pair| hex(pair).filter(|_| pair.len() == 2));
            return pairs.collect::<Option<_>>().ok_or_else(wrong);
        }
        while let Some((first, behind)) = rest.split_first() {
            let taken = match (first, behind) {
                (b'\\', [b'\\', ..]) => {
                    bytes.push(b'\\');
                    1
                }
                (b'\\', [one, other, ..]) => {
                    bytes.push(hex(&[*one, *other]).ok_or_else(wrong)?);
                    2
                }
                (b'\\', _) => return Err(wrong()),
                (plain, _) => {
                    bytes.push(*plain);
                    0
                }
            };
            rest = &behind[taken..];
        }
        Ok(bytes)
    }

    fn header(&mut self, line: &str) {
        match line.trim() {
            "format=print" => self.printable = true,
            "format=bytevalue" => self.printable = false,
            "HEADER=END" => self.in_data = true,
            _ => {}
        }
    }
}

impl Iterator for Dump {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            let (number, line) = match self.lines.next()? {
                Ok(line) => line,
                Err(why) => return Some(Err(why)),
            };
            if !self.in_data {
                self.header(&line.unwrap_or_default());
                continue;
            }
            if line.as_deref() == Ok("DATA=END") {
                self.in_data = false;
                continue;
            }
            // The value's line is read even where the key's cannot be, so that pairs stay pairs.
            let value = match self.lines.next() {
                Some(Ok((_, value))) => value,
                Some(Err(why)) => return Some(Err(why)),
                None => Err("it has no value: the dump ends here"),
            };
            let decoded =
                |line: Result<String, &str>| line.map_err(str::to_owned).and_then(|line| self.decoded(&line));
            return Some(Ok(match (decoded(line), decoded(value)) {
                (Ok(key), Ok(value)) => Ok((number, key, value)),
                (Err(why), _) | (_, Err(why)) => Err((number, why)),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    type Shown = Result<(u64, String, String), (u64, String)>;

    fn read(text: &str) -> Vec<Shown> {
        let dump = Dump::of(Lines::of(Box::new(Cursor::new(text.to_owned()))));
        let shown = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        dump.map(|pair| pair.unwrap().map(|(line, key, value)| (line, shown(key), shown(value)))).collect()
    }

    #[test]
    fn both_formats_and_several_dumps_are_read() {
        let text = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n a\\\\\\2f\n 1,2\nDATA=END\n\
                    VERSION=3\nformat=bytevalue\nHEADER=END\n 6162\n 31\nDATA=END\n";
        let pair = |line, key: &str, value: &str| Ok((line, key.to_owned(), value.to_owned()));
        assert_eq!(read(text), [pair(5, "a\\/", "1,2"), pair(11, "ab", "1")]);
    }

    #[test]
    fn what_is_no_data_is_a_fault_with_its_line() {
        let begin = "VERSION=3\nformat=print\nHEADER=END\n";
        for data in [" a\\\n 1\n", " a\\g0\n 1\n", "a\n 1\n", " a\n"] {
            let all = read(&format!("{begin}{data}"));
            assert!(matches!(all[..], [Err((4, _))]), "{data} {all:?}");
        }
        let all = read(&begin.replace("print", "bytevalue").replace("END\n", "END\n 6\n 31\n"));
        assert!(matches!(all[..], [Err((4, _))]), "{all:?}");
    }
}
