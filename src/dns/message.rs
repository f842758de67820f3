//! The messages of RFC 1035 section 4: a question as bytes, and what a server's bytes say about it.
//!
//! The answer records are decoded one by one, so that a good one beside a broken one counts, as in Postfix, and only
//! those of the name that was asked and of its aliases are looked at.

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
    serialize::binary::{BinDecodable, BinDecoder},
};

/// The flags QR, TC and RCODE of the header (RFC 1035 section 4.1.1).
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RESPONSE_CODE: u16 = 0x000f;
/// The class IN.
const INTERNET: u16 = 1;

/// A question as it goes to a server.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: RecordType,
    /// Random, and new for each server and try.
    pub(super) id: u16,
    pub(super) bytes: Vec<u8>,
}

impl Question {
    /// A question with a new random id; `None` for a name too long for the wire.
    pub(super) fn new(name: &Name, kind: RecordType) -> Option<Self> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), kind));
        let bytes = message.to_vec().ok()?;
        Some(Self { name: name.clone(), kind, id: message.metadata.id, bytes })
    }
}

/// A record of the answer section.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) owner: Name,
    pub(super) kind: RecordType,
    pub(super) ttl: u32,
    pub(super) data: Data<'a>,
}

/// The bytes of a record's data; names in it may point to anywhere in the message.
#[derive(Debug)]
pub(super) struct Data<'a> {
    message: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Data<'a> {
    /// The bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.message.get(self.start..self.end).unwrap_or_default()
    }

    /// The name that stands after `skip` bytes and fills the rest; `None` if it is broken.
    pub(super) fn name(&self, skip: usize) -> Option<Name> {
        // The message is cut behind the record, so that a name cannot run into the next one; pointers lead back.
        let mut decoder = BinDecoder::new(self.message.get(..self.end)?);
        decoder.read_slice(self.start.checked_add(skip)?).ok()?;
        let name = Name::read(&mut decoder).ok()?;
        decoder.is_empty().then_some(name)
    }
}

/// What stands before the records of a reply that belongs to a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) code: ResponseCode,
    pub(super) truncated: bool,
    answers: u16,
    authorities: u16,
    /// Where the records begin.
    end: usize,
}

impl Head {
    /// Reads a head; `None` if it is none to this question: too short, another id, another question, not a response.
    /// Servers that could not read a question send the code without it.
    pub(super) fn read(message: &[u8], question: &Question) -> Option<Self> {
        let mut decoder = BinDecoder::new(message);
        let mut field =
            || decoder.read_u16().ok().map(|field| field.unverified(/* all values are looked at */));
        let (id, flags, questions) = (field()?, field()?, field()?);
        let (answers, authorities, _additional) = (field()?, field()?, field()?);
        if id != question.id || flags & RESPONSE == 0 {
            return None;
        }
        let code = ResponseCode::from_low((flags & RESPONSE_CODE) as u8);
        match questions {
            0 if code != ResponseCode::NoError && code != ResponseCode::NXDomain => {}
            1 => {
                let asked = Query::read(&mut decoder).ok()?;
                let same = asked.name().eq_ignore_root(&question.name)
                    && asked.query_type() == question.kind
                    && u16::from(asked.query_class()) == INTERNET;
                if !same {
                    return None;
                }
            }
            _ => return None,
        }
        Some(Self { code, truncated: flags & TRUNCATED != 0, answers, authorities, end: decoder.index() })
    }
}

/// A server's reply to a question.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record<'a>>,
    /// The answer section ends in the middle of a record.
    pub(super) broken: bool,
    /// How long a negative answer holds, in seconds, if the reply says so: RFC 2308 section 5.
    pub(super) negative_ttl: Option<u32>,
}

impl<'a> Reply<'a> {
    /// Reads a reply; `None` if it is none to this question, as with [`Head::read`].
    pub(super) fn read(message: &'a [u8], question: &Question) -> Option<Self> {
        let head = Head::read(message, question)?;
        let mut reply = Self { code: head.code, answers: Vec::new(), broken: false, negative_ttl: None };
        let mut decoder = BinDecoder::new(message);
        decoder.read_slice(head.end).ok()?;
        reply.sections(message, &mut decoder, head.answers, head.authorities);
        Some(reply)
    }

    fn sections(&mut self, message: &'a [u8], decoder: &mut BinDecoder<'a>, answers: u16, authorities: u16) {
        for _ in 0..answers {
            match record(message, decoder) {
                Some((record, INTERNET)) => self.answers.push(record),
                Some(_) => {}
                None => {
                    self.broken = true;
                    return;
                }
            }
        }
        for _ in 0..authorities {
            let Some((record, class)) = record(message, decoder) else { return };
            if record.kind == RecordType::SOA && class == INTERNET {
                // The last of the seven fields, whatever the two names before it look like.
                let minimum = record.data.bytes().last_chunk().map(|bytes| u32::from_be_bytes(*bytes));
                self.negative_ttl = minimum.map(|minimum| seconds(minimum).min(record.ttl));
                return;
            }
        }
    }
}

fn record<'a>(message: &'a [u8], decoder: &mut BinDecoder<'a>) -> Option<(Record<'a>, u16)> {
    let owner = Name::read(decoder).ok()?;
    let kind = RecordType::from(decoder.read_u16().ok()?.unverified(/* any type may come */));
    let class = decoder.read_u16().ok()?.unverified(/* compared by the caller */);
    let ttl = seconds(decoder.read_u32().ok()?.unverified(/* clamped by seconds() and the cache */));
    let length = decoder.read_u16().ok()?.unverified(/* read_slice() verifies it */);
    let start = decoder.index();
    decoder.read_slice(usize::from(length)).ok()?;
    let data = Data { message, start, end: decoder.index() };
    Some((Record { owner, kind, ttl, data }, class))
}

/// RFC 2181 section 8: a TTL with the highest bit set is zero.
fn seconds(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl }
}
