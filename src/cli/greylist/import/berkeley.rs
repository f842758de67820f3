//! A btree file of Berkeley DB (db_page.h of Berkeley DB 4 and 5), read page by page from its beginning to its end.
//!
//! Only leaves are looked at, in the order of the file and each once, not along the tree: so links that lead in circles, in
//! a file that is broken, lead nowhere. What is read is bounded by the file's size and by [`LIMIT`].

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
};

/// The longest key or value that is read, in bytes.
const LIMIT: usize = 8_192;

/// DB_BTREEMAGIC.
const MAGIC: u32 = 0x0005_3162;
/// Where the magic number stands in the first page.
const MAGIC_AT: usize = 12;
/// A page's header; with checksums six bytes more.
const HEADER: usize = 26;

// Page types.
const LEAF: u8 = 5;
const OVERFLOW: u8 = 7;
/// BTM_SUBDB among the flags of the first page: the file holds several databases.
const SUBDATABASES: u32 = 0x20;

// Item types; the highest bit marks a deleted one.
const KEYDATA: u8 = 1;
const LONG: u8 = 3;
const DELETED: u8 = 0x80;

/// A key and its value, or where something is wrong and what.
pub(super) type Pair = Result<(Vec<u8>, Vec<u8>), (String, String)>;

/// Whether a file begins as a btree of Berkeley DB does.
pub(super) fn is_btree(begin: &[u8]) -> bool {
    begin
        .get(MAGIC_AT..MAGIC_AT + 4)
        .is_some_and(|magic| magic == MAGIC.to_le_bytes() || magic == MAGIC.to_be_bytes())
}

/// The pairs of a file.
pub(super) struct Btree {
    file: File,
    page_size: usize,
    header: usize,
    big_endian: bool,
    next: u32,
    pairs: VecDeque<Pair>,
}

impl Btree {
    /// Reads the first page.
    ///
    /// # Errors
    /// When it is no btree that can be read.
    pub(super) fn open(file: File) -> Result<Self, String> {
        let mut meta = [0; 128];
        file.read_exact_at(&mut meta, 0).map_err(|_| "it is too short for a database".to_owned())?;
        if !is_btree(&meta) {
            return Err("it is not a btree of Berkeley DB".to_owned());
        }
        let big_endian = meta[MAGIC_AT..MAGIC_AT + 4] == MAGIC.to_be_bytes();
        let number = |at| number(&meta, at, 4, big_endian).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let (version, page_size, flags) = (number(16), number(20), number(48));
        if !(8..=10).contains(&version) {
            return Err(format!("its format has the version {version}, known are 8 to 10"));
        }
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return Err(format!("its pages have {page_size} bytes"));
        }
        if meta[24] != 0 {
            return Err("it is encrypted".to_owned());
        }
        if flags & SUBDATABASES != 0 {
            return Err("it holds several databases".to_owned());
        }
        let header = if meta[26] & 1 != 0 { HEADER + 6 } else { HEADER };
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        Ok(Self { file, page_size, header, big_endian, next: 1, pairs: VecDeque::new() })
    }

    fn number(&self, page: &[u8], at: usize, bytes: usize) -> Option<usize> {
        number(page, at, bytes, self.big_endian)
    }

    /// A page; `None` behind the last one.
    fn page(&self, number: u32) -> Result<Option<Vec<u8>>, String> {
        let size = u64::try_from(self.page_size).unwrap_or(u64::MAX);
        let mut page = vec![0; self.page_size];
        let at = u64::from(number).saturating_mul(size);
        match self.file.read_exact_at(&mut page, at) {
            Ok(()) => Ok(Some(page)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => match self.rest(at) {
                Ok(0) => Ok(None),
                _ => Err("the file ends within it".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    /// How many bytes the file has from there on.
    fn rest(&self, at: u64) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().saturating_sub(at))
    }

    /// The pairs of a page, if it is a leaf.
    fn leaf(&self, number: u32, page: &[u8]) -> Result<VecDeque<Pair>, String> {
        let mut pairs = VecDeque::new();
        if page[25] != LEAF {
            return Ok(pairs);
        }
        let own = self.number(page, 8, 4);
        if own != usize::try_from(number).ok() {
            return Err("it says that it is another page".to_owned());
        }
        let entries = self.number(page, 20, 2).unwrap_or(0);
        if self.header + 2 * entries > self.page_size || !entries.is_multiple_of(2) {
            return Err(format!("it cannot hold {entries} entries"));
        }
        for entry in (0..entries).step_by(2) {
            let (key, value) = (self.item(page, entry), self.item(page, entry + 1));
            let place = || format!("page {number}, entry {entry}");
            match (key, value) {
                (Ok(Some(key)), Ok(Some(value))) => pairs.push_back(Ok((key, value))),
                // Deleted.
                (Ok(_), Ok(_)) => {}
                (Err(why), _) | (_, Err(why)) => pairs.push_back(Err((place(), why))),
            }
        }
        Ok(pairs)
    }

    /// An item of a leaf; `None` of a deleted one.
    fn item(&self, page: &[u8], entry: usize) -> Result<Option<Vec<u8>>, String> {
        let outside = || "it lies outside its page".to_owned();
        let at = self.number(page, self.header + 2 * entry, 2).ok_or_else(outside)?;
        let kind = *page.get(at + 2).ok_or_else(outside)?;
        if kind & DELETED != 0 {
            return Ok(None);
        }
        match kind {
            KEYDATA => {
                let length = self.number(page, at, 2).ok_or_else(outside)?;
                if length > LIMIT {
                    return Err(format!("it has {length} bytes"));
                }
                page.get(at + 3..at + 3 + length).map(|data| Some(data.to_vec())).ok_or_else(outside)
            }
            LONG => {
                let (first, length) = (self.number(page, at + 4, 4), self.number(page, at + 8, 4));
                let (first, length) = first.zip(length).ok_or_else(outside)?;
                self.long(u32::try_from(first).unwrap_or(0), length).map(Some)
            }
            other => Err(format!("it is of the unknown type {other}")),
        }
    }

    /// An item on pages of its own.
    fn long(&self, first: u32, length: usize) -> Result<Vec<u8>, String> {
        if length > LIMIT {
            return Err(format!("it has {length} bytes"));
        }
        let (mut data, mut number) = (Vec::with_capacity(length), first);
        while data.len() < length {
            let wrong = || format!("page {number}, on which it goes on, holds nothing of it");
            let page = self.page(number)?.ok_or_else(wrong)?;
            let here = self.number(&page, 22, 2).unwrap_or(0).min(length - data.len());
            let part = page.get(self.header..self.header + here);
            // Each page holds at least a byte, or this might never end.
            let part = part.filter(|part| page[25] == OVERFLOW && !part.is_empty()).ok_or_else(wrong)?;
            data.extend_from_slice(part);
            number = self.number(&page, 16, 4).and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
        }
        Ok(data)
    }
}

impl Iterator for Btree {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            if let Some(pair) = self.pairs.pop_front() {
                return Some(pair);
            }
            let number = self.next;
            self.next = self.next.checked_add(1)?;
            let page = match self.page(number) {
                Ok(page) => page?,
                Err(why) => {
                    // Behind the end there is nothing more.
                    self.next = u32::MAX;
                    return Some(Err((format!("page {number}"), why)));
                }
            };
            match self.leaf(number, &page) {
                Ok(pairs) => self.pairs = pairs,
                Err(why) => return Some(Err((format!("page {number}"), why))),
            }
        }
    }
}

/// A number in a page, in the byte order of the machine that wrote it.
fn number(page: &[u8], at: usize, bytes: usize, big_endian: bool) -> Option<usize> {
    let bytes = page.get(at..at + bytes)?;
    let add = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
    Some(if big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}
