//! The tests' own DNS server does what its zone text says.

#![allow(clippy::unwrap_used, reason = "a fault in here is a failed test")]

mod support;

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};
use std::{net::UdpSocket, time::Duration};
use support::dns::DnsServer;

const ZONE: &str = "
    example        SOA   120
    mail.example   A     192.0.2.1
    mail.example   A     192.0.2.2   # a second one
    alias.example  CNAME mail.example
    *.wild.example TXT   \"one\" \"two\"
    192.0.2.1      PTR   mail.example
    broken.example A     192.0.2.9
    broken.example A     MALFORMED
    down.example   *     SERVFAIL
";

fn ask(server: &DnsServer, kind: RecordType, name: &str) -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.send_to(&query.to_vec().unwrap(), server.address()).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

#[test]
fn replies_are_those_of_the_zone_text() {
    let server = DnsServer::start(ZONE);
    let cases = [
        (RecordType::A, "mail.example.", ResponseCode::NoError, vec!["192.0.2.1", "192.0.2.2"], 0),
        (RecordType::A, "MAIL.example.", ResponseCode::NoError, vec!["192.0.2.1", "192.0.2.2"], 0),
        (
            RecordType::A,
            "alias.example.",
            ResponseCode::NoError,
            vec!["mail.example.", "192.0.2.1", "192.0.2.2"],
            0,
        ),
        (RecordType::TXT, "a.b.wild.example.", ResponseCode::NoError, vec!["onetwo"], 0),
        (RecordType::PTR, "1.2.0.192.in-addr.arpa.", ResponseCode::NoError, vec!["mail.example."], 0),
        (RecordType::MX, "mail.example.", ResponseCode::NoError, vec![], 1),
        (RecordType::A, "none.example.", ResponseCode::NXDomain, vec![], 1),
        (RecordType::MX, "down.example.", ResponseCode::ServFail, vec![], 0),
    ];
    for (kind, name, code, answers, authorities) in cases {
        let reply = ask(&server, kind, name);
        assert_eq!(reply.metadata.response_code, code, "{name}");
        let found: Vec<String> = reply.answers.iter().map(|record| record.data.to_string()).collect();
        assert_eq!(found, answers, "{name}");
        assert_eq!(reply.authorities.len(), authorities, "{name}");
    }
    assert_eq!(server.queries("A", "mail.example"), 2);
    assert_eq!(server.queries("PTR", "192.0.2.1"), 1);
    assert_eq!(server.total(), 8);
}
