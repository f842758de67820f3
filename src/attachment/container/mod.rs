//! What is inside an attachment, by its first bytes: archives whose directories are read as they stream by, files that
//! are messages, and formats that are only recognised.

mod gzip;
mod inflate;
mod rar;
mod records;
mod sniff;
mod sweep;
mod tail;
mod tar;

use super::{
    facts::Unreadable,
    layer::Layer,
    record::{Here, Record},
};
use gzip::Gzip;
pub(super) use inflate::Idle;
use inflate::Inflate;
use rar::{Rar4, Rar5};
use records::Records;
use sniff::Magic;
use sweep::Sweep;
pub(super) use tail::Tail;
use tar::Tar;

/// So many bytes decide what it is.
const HEAD: usize = 512;
/// Where the first descriptor of an ISO image stands.
const ISO: usize = 32_768;

/// What is known beforehand of a content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    /// It is called an archive.
    pub(super) archive: bool,
    /// It is called a message.
    pub(super) message: bool,
    /// It may be a message that is not called one.
    pub(super) unknown: bool,
    /// How many messages in transfer encodings it is inside of.
    pub(super) encoded: usize,
}

/// A content as it streams by.
#[derive(Debug)]
pub(super) struct Content {
    head: Vec<u8>,
    inner: Inner,
    hints: Hints,
    /// How many archives it is inside of.
    level: usize,
    /// It streams through a sweep already.
    swept: bool,
}

#[derive(Debug)]
enum Inner {
    /// Too little was seen.
    Head,
    /// Nothing that holds names.
    Nothing,
    Sweep(Box<Sweep>),
    Gzip(Box<Gzip>),
    Records(Box<Records>),
    /// A message, and which of its parts comes now: those who read the same bytes otherwise stay at theirs.
    Message(Box<Layer>, Here),
    /// An image of a disk perhaps: so many bytes were seen, and these of its descriptor.
    Disk(usize, Vec<u8>),
}

impl Content {
    /// The content of an attachment.
    pub(super) fn attachment(hints: Hints) -> Self {
        Self { head: Vec::new(), inner: Inner::Head, hints, level: 0, swept: false }
    }

    /// The content of an archive's member.
    fn member(level: usize, swept: bool) -> Self {
        Self { head: Vec::new(), inner: Inner::Head, hints: Hints::default(), level, swept }
    }

    /// A content that is known to be a message, or the inside of a multipart.
    pub(super) fn message(layer: Layer, record: &mut Record) -> Self {
        let inner = Inner::Message(Box::new(layer), record.this_part());
        Self { inner, ..Self::attachment(Hints::default()) }
    }

    /// Whether the rest says nothing any more.
    pub(super) fn is_settled(&self) -> bool {
        match &self.inner {
            Inner::Nothing => true,
            Inner::Gzip(gzip) => gzip.is_done(),
            Inner::Records(records) => records.is_done(),
            Inner::Head | Inner::Sweep(_) | Inner::Message(..) | Inner::Disk(..) => false,
        }
    }

    /// Whether it is open and holds names.
    pub(super) fn is_container(&self) -> bool {
        !matches!(self.inner, Inner::Head | Inner::Nothing | Inner::Disk(..))
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        let inner = match &self.inner {
            Inner::Head | Inner::Nothing | Inner::Disk(..) => 0,
            Inner::Sweep(sweep) => sweep.held(),
            Inner::Gzip(gzip) => gzip.held(),
            Inner::Records(records) => records.held(),
            Inner::Message(layer, _) => layer.held(),
        };
        size_of::<Self>() + self.head.capacity() + inner
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        if let Inner::Head = self.inner {
            let room = HEAD - self.head.len();
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.head.extend_from_slice(now);
            if self.head.len() == HEAD {
                self.open(record);
                self.pass(rest, record);
            }
            return;
        }
        self.pass(bytes, record);
    }

    /// Looks at what is left.
    pub(super) fn finish(&mut self, record: &mut Record) {
        if let Inner::Head = self.inner {
            self.open(record);
        }
        match &mut self.inner {
            Inner::Head | Inner::Nothing | Inner::Disk(..) => {}
            Inner::Sweep(sweep) => sweep.finish(record),
            Inner::Gzip(gzip) => gzip.finish(record),
            Inner::Records(records) => records.finish(record),
            Inner::Message(layer, here) => {
                let outside = record.here(std::mem::take(here));
                layer.finish(record);
                record.release(true);
                record.here(outside);
            }
        }
        self.inner = Inner::Nothing;
    }

    fn pass(&mut self, bytes: &[u8], record: &mut Record) {
        match &mut self.inner {
            Inner::Head | Inner::Nothing => {}
            Inner::Sweep(sweep) => sweep.feed(bytes, record),
            Inner::Gzip(gzip) => gzip.feed(bytes, record),
            Inner::Records(records) => records.feed(bytes, record),
            Inner::Message(layer, here) => {
                let outside = record.here(std::mem::take(here));
                layer.feed(bytes, record);
                *here = record.here(outside);
            }
            Inner::Disk(seen, descriptor) => {
                let skipped = ISO.saturating_sub(*seen);
                *seen += bytes.len();
                let missing = 6 - descriptor.len().min(6);
                let rest = bytes.get(skipped..).unwrap_or_default();
                descriptor.extend_from_slice(rest.get(..missing.min(rest.len())).unwrap_or_default());
                if descriptor.len() == 6 {
                    if descriptor.ends_with(b"CD001") || descriptor.ends_with(b"BEA01") {
                        record.unreadable(Unreadable::Format("ISO"));
                    }
                    self.inner = Inner::Nothing;
                }
            }
        }
    }

    /// Decides what it is.
    fn open(&mut self, record: &mut Record) {
        let head = std::mem::take(&mut self.head);
        self.inner = match Magic::of(&head, self.hints) {
            Magic::Zip if self.swept => Inner::Nothing,
            Magic::Zip => Self::sweep(false, self.level, record),
            Magic::Tnef => Self::sweep(true, self.level, record),
            Magic::Gzip => {
                self.stem(record);
                Inner::Gzip(Box::new(Gzip::new(self.level)))
            }
            Magic::Tar => Self::records(Records::new(Box::new(Tar::new(self.level)), tar::BLOCK)),
            Magic::Rar4 => Self::records(Records::new(Box::<Rar4>::default(), Rar4::FIRST)),
            Magic::Rar5 => Self::records(Records::new(Box::<Rar5>::default(), Rar5::FIRST)),
            Magic::Message(at) => {
                let layer = Layer::nested(self.hints.encoded + 1, record).map(Box::new);
                self.inner = layer.map_or(Inner::Nothing, |layer| Inner::Message(layer, record.this_part()));
                self.pass(head.get(at..).unwrap_or_default(), record);
                return;
            }
            Magic::Format(format) => {
                self.stem(record);
                record.unreadable(Unreadable::Format(format));
                Inner::Nothing
            }
            Magic::Blank => Inner::Disk(0, Vec::new()),
            Magic::Unknown => Inner::Nothing,
        };
        self.pass(&head, record);
    }

    fn sweep(tnef: bool, level: usize, record: &mut Record) -> Inner {
        Sweep::new(tnef, level, record).map_or(Inner::Nothing, |sweep| Inner::Sweep(Box::new(sweep)))
    }

    fn records(records: Records) -> Inner {
        Inner::Records(Box::new(records))
    }

    /// A compressed file without a name of its own unpacks to its name without the last extension.
    fn stem(&self, record: &mut Record) {
        let called = record.called().to_owned();
        if self.level == 0
            && let Some((stem, last)) = called.rsplit_once('.')
            && ["gz", "bz2", "xz", "z", "zst", "lzma", "lz"].contains(&last.to_ascii_lowercase().as_str())
        {
            record.member(called.as_bytes(), stem);
        }
    }
}
