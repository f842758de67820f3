//! The replies of the tests' DNS server.

use super::zone::{self, Entry, Found, Value, Zone};
use hickory_proto::{
    op::{Message, Metadata, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use std::{net::Ipv4Addr, time::Duration};

/// More aliases than any resolver follows: the server ends a loop here.
const ALIAS_LIMIT: usize = 20;

/// What to send, when.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) together: usize,
    /// Sent before the reply, over UDP only.
    pub(super) forged: Vec<Vec<u8>>,
    /// None: silence.
    pub(super) reply: Option<Reply>,
}

/// A reply and its length where it must be cut for UDP.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) truncated: Vec<u8>,
}

/// The server's answer to a question.
pub(super) fn plan(zone: &Zone, query: &Message) -> Plan {
    let question = &query.queries[0];
    let (name, kind) = (question.name().to_lowercase(), question.query_type());
    let mut message = empty(query);
    let mut plan = Plan::default();
    let mut malformed = 0;
    let mut current = name.clone();
    for _ in 0..ALIAS_LIMIT {
        let key = zone::key(&current.to_ascii());
        let entry = match zone.find(&key, &kind.to_string()) {
            Found::Entry(entry) => entry,
            found @ (Found::NoData | Found::NoName) => {
                if matches!(found, Found::NoName) {
                    message.metadata.response_code = ResponseCode::NXDomain;
                }
                let (owner, ttl, data) = zone.soa(&key);
                message.add_authority(Record::from_rdata(owner, ttl, data));
                break;
            }
        };
        plan.delay += entry.delay;
        plan.together = plan.together.max(entry.together);
        if entry.spoof {
            plan.forged = forged(query);
        }
        match add(&mut message, &mut malformed, entry, &current, kind) {
            Next::Alias(target) => current = target,
            Next::Done => break,
            Next::Soa => {
                let (owner, ttl, data) = zone.soa(&key);
                message.add_authority(Record::from_rdata(owner, ttl, data));
                break;
            }
            Next::Silence => return plan,
            Next::Garbage => {
                let bytes: Vec<u8> = (0..600u32).map(|n| (n * 151 % 251) as u8).collect();
                plan.reply = Some(Reply { truncated: bytes.clone(), bytes });
                return plan;
            }
        }
    }
    plan.reply = Some(encode(query, &message, malformed, kind));
    plan
}

enum Next {
    Alias(Name),
    Done,
    Soa,
    Silence,
    Garbage,
}

fn add(message: &mut Message, malformed: &mut u16, entry: &Entry, owner: &Name, kind: RecordType) -> Next {
    let mut next = Next::Done;
    for value in &entry.values {
        let code = match value {
            Value::Record { owner: other, ttl, data } => {
                let name = other.as_ref().unwrap_or(owner).clone();
                message.add_answer(Record::from_rdata(name, *ttl, RData::clone(data)));
                if let RData::CNAME(target) = data.as_ref()
                    && kind != RecordType::CNAME
                    && !entry.only
                {
                    next = Next::Alias(target.0.to_lowercase());
                }
                continue;
            }
            Value::Malformed => {
                *malformed += 1;
                continue;
            }
            Value::Servfail => ResponseCode::ServFail,
            Value::Refused => ResponseCode::Refused,
            Value::Formerr => ResponseCode::FormErr,
            Value::Notimp => ResponseCode::NotImp,
            Value::NoSoa => ResponseCode::NXDomain,
            Value::Timeout => return Next::Silence,
            Value::Garbage => return Next::Garbage,
            Value::NoData => return Next::Soa,
        };
        message.metadata.response_code = code;
    }
    next
}

fn empty(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.metadata = Metadata::response_from_request(&query.metadata);
    message.metadata.recursion_available = true;
    message.add_query(query.queries[0].clone());
    message
}

fn encode(query: &Message, message: &Message, malformed: u16, kind: RecordType) -> Reply {
    let mut bytes = message.to_vec().unwrap();
    if malformed > 0 {
        // A broken record can only stand behind everything else, so there must be nothing else.
        assert!(message.authorities.is_empty(), "MALFORMED behind a negative reply");
        let answers = u16::from_be_bytes([bytes[6], bytes[7]]) + malformed;
        bytes[6..8].copy_from_slice(&answers.to_be_bytes());
        for _ in 0..malformed {
            bytes.extend([0xc0, 12]);
            bytes.extend(u16::from(kind).to_be_bytes());
            bytes.extend([0, 1, 0, 0, 1, 44]);
            let data: &[u8] = match kind {
                RecordType::MX => &[0, 3, b'n', b'e', b't', 10, 10, 10],
                RecordType::TXT => &[200, b'x', b'y'],
                RecordType::A | RecordType::AAAA => &[192, 0, 2],
                // A label of 65 bytes' length byte, which RFC 1035 reserves.
                _ => &[0x41, b'x', 0],
            };
            bytes.extend((data.len() as u16).to_be_bytes());
            bytes.extend(data);
        }
    }
    let mut cut = empty(query);
    cut.metadata.truncation = true;
    Reply { bytes, truncated: cut.to_vec().unwrap() }
}

/// Replies of somebody who guesses: wrong id, another question, no question, a query, not a message.
fn forged(query: &Message) -> Vec<Vec<u8>> {
    let mut lie = empty(query);
    let owner = query.queries[0].name().clone();
    lie.add_answer(Record::from_rdata(owner, 300, RData::A(Ipv4Addr::new(6, 6, 6, 6).into())));
    let mut wrong_id = lie.clone();
    wrong_id.metadata.id = !wrong_id.metadata.id;
    let mut wrong_name = lie.clone();
    wrong_name.queries[0].set_name(zone::name("another.example"));
    let mut wrong_type = lie.clone();
    wrong_type.queries[0].set_query_type(RecordType::HINFO);
    let mut no_question = lie.clone();
    no_question.queries.clear();
    let mut not_a_response = lie;
    not_a_response.metadata.message_type = hickory_proto::op::MessageType::Query;
    let messages = [wrong_id, wrong_name, wrong_type, no_question, not_a_response];
    let mut all: Vec<Vec<u8>> = messages.iter().map(|message| message.to_vec().unwrap()).collect();
    all.extend([Vec::new(), vec![0], vec![0xff; 4096]]);
    all
}
