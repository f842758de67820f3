//! From a server's reply to one of the answers that Postfix's dns_lookup() tells apart.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::message::{Data, Record, Reply};
use crate::{
    lookup::{
        Lookup,
        answers::{Answer, DnsAnswer, Mx},
    },
    smtp::domain,
};

/// How many questions one answer takes at most, where replies end with an alias whose target is not in them
/// (dns_lookup.c); a longer way, or a loop, is "not found".
pub(super) const QUESTION_COUNT: usize = 10;
/// The longest chain of aliases that is followed within one reply. Postfix sets no limit there; here a chain that nobody
/// writes, or a loop, is "not found".
const CHAIN_LIMIT: usize = 100;
/// The most records of an answer; the rest is left out, so that nobody can make us ask for the addresses of the thousands
/// of mail exchangers that fit into one reply.
const RECORD_LIMIT: usize = 100;
/// How long a reply without any TTL holds, in seconds.
pub(super) const PLAIN_TTL: u32 = 60;

/// Words of answers that come from more than one place.
const MALFORMED: &str = "malformed reply";

/// What a reply says.
#[derive(Debug)]
pub(super) enum Said {
    /// The answer, and how many seconds it holds.
    Answer(Answer, u32),
    /// The reply ends with an alias whose target is not in it: it must be asked for. With the TTL so far.
    Alias(Name, u32),
    /// Another server may know better.
    Walk(&'static str, Walk),
}

/// Why another server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// It is a temporary failure if nobody knows better.
    Temporary,
    /// It is a final failure if nobody knows better.
    Failed,
}

/// The answer of a kind that has no records, in the question's type.
pub(super) fn bare(lookup: &Lookup, kind: Bare) -> Answer {
    fn of<T>(kind: Bare) -> DnsAnswer<T> {
        match kind {
            Bare::Invalid => DnsAnswer::Invalid,
            Bare::Failed(reason) => DnsAnswer::Failed(reason),
        }
    }
    match lookup.not_found() {
        Answer::A(_) => Answer::A(of(kind)),
        Answer::Aaaa(_) => Answer::Aaaa(of(kind)),
        Answer::Mx(_) => Answer::Mx(of(kind)),
        Answer::Text(_) => Answer::Text(of(kind)),
        Answer::Policy(answer) => Answer::Policy(answer),
        Answer::Greylist(said) => Answer::Greylist(said),
    }
}

/// See [`bare`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Bare {
    Invalid,
    Failed(&'static str),
}

/// What a reply says about a question whose name is by now `name`.
pub(super) fn classify(lookup: &Lookup, name: &Name, reply: &Reply<'_>) -> Said {
    match reply.code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => {
            return Said::Answer(lookup.not_found(), reply.negative_ttl.unwrap_or(PLAIN_TTL));
        }
        ResponseCode::ServFail => return Said::Walk("server failure (SERVFAIL)", Walk::Temporary),
        ResponseCode::Refused => return Said::Walk("refused by the server (REFUSED)", Walk::Temporary),
        ResponseCode::NotImp => return Said::Walk("not implemented by the server (NOTIMP)", Walk::Failed),
        ResponseCode::FormErr => {
            let answer = bare(lookup, Bare::Failed("not understood by the server (FORMERR)"));
            return Said::Answer(answer, PLAIN_TTL);
        }
        _ => return Said::Answer(bare(lookup, Bare::Failed("unexpected response code")), PLAIN_TTL),
    }
    if reply.broken {
        return Said::Answer(lookup.temporary(MALFORMED), PLAIN_TTL);
    }
    let kind = kind(lookup);
    let (mut current, mut ttl, mut aliases) = (name.clone(), u32::MAX, 0);
    loop {
        let at = |kind: RecordType| {
            let current = &current;
            reply.answers.iter().filter(move |r| r.kind == kind && r.owner.eq_ignore_root(current))
        };
        let records: Vec<&Record<'_>> = at(kind).collect();
        if let Some(least) = records.iter().map(|record| record.ttl).min() {
            return Said::Answer(answer(lookup, &records), ttl.min(least));
        }
        let Some(alias) = at(RecordType::CNAME).next() else { break };
        ttl = ttl.min(alias.ttl);
        aliases += 1;
        if aliases > CHAIN_LIMIT {
            return Said::Answer(lookup.not_found(), ttl);
        }
        let Some(target) = alias.data.name(0) else {
            return Said::Answer(lookup.temporary(MALFORMED), PLAIN_TTL);
        };
        current = target;
    }
    if aliases == 0 || reply.negative_ttl.is_some() {
        return Said::Answer(lookup.not_found(), ttl.min(reply.negative_ttl.unwrap_or(PLAIN_TTL)));
    }
    // Reverse names of delegated ranges hold slashes (RFC 2317), and libc asks for them too.
    if hostname(&current).is_none() && !matches!(lookup, Lookup::Ptr(_)) {
        return Said::Answer(bare(lookup, Bare::Invalid), ttl);
    }
    Said::Alias(current, ttl)
}

/// The type that a lookup asks for.
pub(super) fn kind(lookup: &Lookup) -> RecordType {
    match lookup {
        Lookup::A(_) => RecordType::A,
        Lookup::Aaaa(_) => RecordType::AAAA,
        Lookup::Mx(_) => RecordType::MX,
        Lookup::Ns(_) => RecordType::NS,
        Lookup::Txt(_) => RecordType::TXT,
        Lookup::Ptr(_) => RecordType::PTR,
        // No questions of DNS; upstream has no names for them either.
        Lookup::Policy(_) | Lookup::Greylist(_) | Lookup::Sleep(_) => RecordType::NULL,
    }
}

/// Why a record does not count.
enum Bad {
    /// Its data are broken: Postfix tries again.
    Malformed,
    /// It names no host.
    Invalid,
    /// RFC 7505.
    NullMx,
}

fn answer(lookup: &Lookup, records: &[&Record<'_>]) -> Answer {
    match lookup {
        Lookup::A(_) => Answer::A(collect(records, |data| {
            let octets: [u8; 4] = data.bytes().try_into().map_err(|_| Bad::Malformed)?;
            Ok(Ipv4Addr::from(octets))
        })),
        Lookup::Aaaa(_) => Answer::Aaaa(collect(records, |data| {
            let octets: [u8; 16] = data.bytes().try_into().map_err(|_| Bad::Malformed)?;
            Ok(Ipv6Addr::from(octets))
        })),
        Lookup::Mx(_) => Answer::Mx(collect(records, exchanger)),
        Lookup::Ns(_) | Lookup::Ptr(_) => Answer::Text(collect(records, host)),
        Lookup::Txt(_) => Answer::Text(collect(records, |data| text(data.bytes()).ok_or(Bad::Malformed))),
        Lookup::Policy(_) | Lookup::Greylist(_) | Lookup::Sleep(_) => lookup.not_found(),
    }
}

/// The good records; without any, why there are none: a broken record weighs more than an invalid name.
fn collect<T>(records: &[&Record<'_>], read: impl Fn(&Data<'_>) -> Result<T, Bad>) -> DnsAnswer<T> {
    let mut good = Vec::new();
    let mut malformed = false;
    for record in records {
        match read(&record.data) {
            Ok(value) => {
                if good.len() < RECORD_LIMIT {
                    good.push(value);
                }
            }
            Err(Bad::NullMx) => return DnsAnswer::NullMx,
            Err(Bad::Malformed) => malformed = true,
            Err(Bad::Invalid) => {}
        }
    }
    match (good.is_empty(), malformed) {
        (false, _) => DnsAnswer::Records(good.into()),
        (true, true) => DnsAnswer::Temporary(MALFORMED),
        (true, false) => DnsAnswer::Invalid,
    }
}

fn exchanger(data: &Data<'_>) -> Result<Mx, Bad> {
    let preference = data.bytes().first_chunk().ok_or(Bad::Malformed)?;
    let exchange = data.name(2).ok_or(Bad::Malformed)?;
    if exchange.is_root() {
        return Err(Bad::NullMx);
    }
    let exchange = hostname(&exchange).ok_or(Bad::Invalid)?;
    Ok(Mx { preference: u16::from_be_bytes(*preference), exchange })
}

fn host(data: &Data<'_>) -> Result<Arc<str>, Bad> {
    hostname(&data.name(0).ok_or(Bad::Malformed)?).ok_or(Bad::Invalid)
}

/// The name as text without final dot, if Postfix takes it in a reply: a host name, or an address, which it warns about.
fn hostname(name: &Name) -> Option<Arc<str>> {
    let mut text = String::with_capacity(name.len());
    for label in name.iter() {
        // A dot inside a label must not become two labels.
        if !label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':')) {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|&b| char::from(b)));
    }
    (domain::valid_hostname(&text) || domain::is_address(&text)).then(|| text.into())
}

/// The strings of a TXT record, joined; each byte that is not printable ASCII is a blank, as in Postfix
/// (dns_lookup.c dns_get_rr()).
fn text(mut data: &[u8]) -> Option<Arc<str>> {
    let mut joined = Vec::with_capacity(data.len());
    while let Some((&length, rest)) = data.split_first() {
        let (string, rest) = rest.split_at_checked(usize::from(length))?;
        joined.extend_from_slice(string);
        data = rest;
    }
    let printable = |byte: u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { ' ' };
    Some(joined.into_iter().map(printable).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dns::message::Question, smtp::domain::Domain};
    use hickory_proto::{
        op::Message,
        rr::{self, RData, rdata},
    };

    fn lookups() -> [Lookup; 6] {
        let name = || Domain::for_query("mail.example").unwrap();
        let address = "192.0.2.1".parse().unwrap();
        [
            Lookup::A(name()),
            Lookup::Aaaa(name()),
            Lookup::Mx(name()),
            Lookup::Ns(name()),
            Lookup::Txt(name()),
            Lookup::Ptr(address),
        ]
    }

    /// A reply with an alias, a record of every type and a SOA.
    fn reply(question: &Question) -> Vec<u8> {
        let mut message = Message::from_vec(&question.bytes).unwrap().into_response();
        let alias = Name::from_ascii("alias.example.").unwrap();
        let add = |message: &mut Message, data| {
            message.add_answer(rr::Record::from_rdata(alias.clone(), 300, data));
        };
        let cname = RData::CNAME(rdata::CNAME(alias.clone()));
        message.add_answer(rr::Record::from_rdata(question.name.clone(), 300, cname));
        add(&mut message, RData::A(Ipv4Addr::LOCALHOST.into()));
        add(&mut message, RData::AAAA(Ipv6Addr::LOCALHOST.into()));
        add(&mut message, RData::MX(rdata::MX::new(10, alias.clone())));
        add(&mut message, RData::NS(rdata::NS(alias.clone())));
        add(&mut message, RData::PTR(rdata::PTR(alias.clone())));
        add(&mut message, RData::TXT(rdata::TXT::new(vec!["one".to_owned(), "two".to_owned()])));
        let soa = rdata::SOA::new(alias.clone(), alias.clone(), 1, 2, 3, 4, 5);
        message.add_authority(rr::Record::from_rdata(alias.clone(), 300, RData::SOA(soa)));
        message.to_vec().unwrap()
    }

    fn said(lookup: &Lookup, bytes: &[u8], question: &Question) -> Option<Said> {
        let reply = Reply::read(bytes, question)?;
        Some(classify(lookup, &question.name, &reply))
    }

    #[test]
    fn no_bytes_are_too_broken_to_be_classified() {
        let name = Name::from_ascii("mail.example.").unwrap();
        // A linear congruential generator: the same broken replies in every run.
        let mut state = 1_u32;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut read = 0;
        for lookup in lookups() {
            let question = Question::new(&name, kind(&lookup)).unwrap();
            let good = reply(&question);
            assert!(matches!(said(&lookup, &good, &question), Some(Said::Answer(_, 300))));
            for end in 0..good.len() {
                said(&lookup, &good[..end], &question);
            }
            for _ in 0..20_000 {
                let mut bytes = good.clone();
                for _ in 0..=random(4) {
                    // The head stays, so that the rest is looked at.
                    let place = 6 + random(bytes.len() - 6);
                    bytes[place] = random(256) as u8;
                }
                read += usize::from(said(&lookup, &bytes, &question).is_some());
            }
        }
        assert!(read > 60_000, "{read}");
    }

    #[test]
    fn an_answer_has_at_most_a_hundred_records() {
        let lookup = &lookups()[0];
        let question = Question::new(&Name::from_ascii("mail.example.").unwrap(), kind(lookup)).unwrap();
        let mut message = Message::from_vec(&question.bytes).unwrap().into_response();
        for n in 0..1000_u32 {
            let data = RData::A(Ipv4Addr::from(n).into());
            message.add_answer(rr::Record::from_rdata(question.name.clone(), n, data));
        }
        let bytes = message.to_vec().unwrap();
        let Some(Said::Answer(Answer::A(answer), 0)) = said(lookup, &bytes, &question) else { panic!() };
        assert_eq!(answer.records().len(), RECORD_LIMIT);
    }

    #[test]
    fn the_strings_of_a_text_are_joined_and_printable() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"\x03one\x03two", Some("onetwo")),
            (b"\x00", Some("")),
            (b"\x06a\tb\x7f\xc3\xa9", Some("a b   ")),
            (b"\x03\r\n\0", Some("   ")),
            (b"\x04one", None),
            (b"\x01a\xff", None),
        ];
        for (data, want) in cases {
            assert_eq!(text(data).as_deref(), want, "{data:?}");
        }
    }
}
