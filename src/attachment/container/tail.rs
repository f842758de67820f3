//! The end of an attachment that does not begin like an archive. A ZIP file may stand behind anything: programs that
//! open it look for its directory from the end.

use super::{
    super::{
        budget::Lease,
        decode::{Base64, Decoder},
        head::Encoding,
        record::Record,
    },
    Sweep,
};
use memchr::memmem;

/// So many bytes before decoding are kept.
const TAIL: usize = 32 * 1_024;

/// The last bytes of an attachment, as they were sent.
#[derive(Debug, Default)]
pub(in super::super) struct Tail {
    bytes: Vec<u8>,
    seen: usize,
    lease: Option<Lease>,
}

impl Tail {
    pub(in super::super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes the next bytes; they are forgotten where the budget has no room for them.
    pub(in super::super) fn push(&mut self, bytes: &[u8], record: &Record) {
        self.seen = self.seen.saturating_add(bytes.len());
        if self.seen > TAIL && !self.make_room(record) {
            return;
        }
        let skipped = bytes.len().saturating_sub(TAIL);
        let kept = bytes.get(skipped..).unwrap_or_default();
        if skipped > 0 {
            self.bytes.clear();
        }
        if self.bytes.len() + kept.len() > 2 * TAIL {
            self.bytes.drain(..self.bytes.len() - TAIL.min(self.bytes.len()));
        }
        self.bytes.extend_from_slice(kept);
    }

    fn make_room(&mut self, record: &Record) -> bool {
        if self.lease.is_none() {
            self.lease = record.lease(2 * TAIL);
            if self.lease.is_none() {
                self.bytes = Vec::new();
            } else {
                self.bytes.reserve_exact(2 * TAIL - self.bytes.len());
            }
        }
        self.lease.is_some()
    }

    /// Looks for the directory.
    pub(in super::super) fn finish(self, encoding: Encoding, record: &mut Record) {
        let tail = self.bytes.get(self.bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        // Where the first group of letters begins is not known of a part of base64.
        let shifts = if self.seen > TAIL && encoding == Encoding::Base64 { 4 } else { 1 };
        for shift in 0..shifts {
            let mut decoded = Vec::with_capacity(tail.len());
            let mut decoder = match encoding {
                Encoding::Identity | Encoding::Uuencode => Decoder::Identity,
                Encoding::Base64 => Decoder::Base64(Base64::default()),
                Encoding::QuotedPrintable => Decoder::QuotedPrintable(Default::default()),
            };
            decoder.feed(b"AAA".get(..shift).unwrap_or_default(), &mut decoded);
            decoder.feed(tail, &mut decoded);
            decoder.finish(&mut decoded);
            if memmem::rfind(&decoded, b"PK\x05\x06").is_none() {
                continue;
            }
            if let Some(mut sweep) = Sweep::new(false, record.limits().archive_levels, record) {
                sweep.feed(&decoded, record);
                sweep.finish(record);
            }
            return;
        }
    }
}
