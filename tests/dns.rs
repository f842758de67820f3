//! The DNS adapter against a server of the tests' own: every kind of answer, several servers, aliases, TCP, and hostile
//! replies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    dns::Dns,
    lookup::answers::{Answer, DnsAnswer},
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::atomic::Ordering,
};
use support::{
    asking::{IMPATIENCE, PATIENCE, ask, dns, lookup, settings},
    dns::DnsServer,
};

/// Nobody listens there: no test, and no other server on such an address.
fn closed_port() -> SocketAddr {
    SocketAddr::from(([127, 77, 0, 1], 1))
}

#[tokio::test]
async fn every_kind_of_answer_is_told_apart() {
    let server = DnsServer::start(
        "
        mail.example      A     192.0.2.2
        mail.example      A     192.0.2.1
        mail.example      AAAA  2001:db8::1
        mail.example      NS    ns.Example
        mail.example      TXT   \"v=spf1 \" \"-all\"
        mail.example      MX    20 b.example
        mail.example      MX    10 a_b.example
        192.0.2.1         PTR   mail.example
        2001:db8::1       PTR   mail6.example
        address.example   MX    10 192.0.2.7
        null.example      MX    0 .
        both.example      MX    10 mail.example
        both.example      MX    0 .
        invalid.example   MX    10 bad\\032name.example
        invalid.example   MX    20 -bad.example
        invalid.example   NS    .
        half.example      MX    10 bad\\032name.example
        half.example      MX    20 good.example
        dot.example       MX    10 a\\.b.example
        192.0.2.3         PTR   bad\\000name.example
        broken.example    A     MALFORMED
        broken.example    AAAA  MALFORMED
        broken.example    MX    MALFORMED
        broken.example    NS    MALFORMED
        broken.example    TXT   MALFORMED
        partly.example    A     MALFORMED
        partly.example    A     192.0.2.1
        control.example   TXT   a\u{7}b\u{1b}[31m
        formerr.example   A     FORMERR
        notimp.example    A     NOTIMP
        servfail.example  A     SERVFAIL
        refused.example   A     REFUSED
        nosoa.example     A     NOSOA
        nodata.example    A     NODATA
    ",
    );
    let dns = dns(&server);
    let cases = [
        ("A mail.example", "192.0.2.2, 192.0.2.1"),
        ("AAAA mail.example", "2001:db8::1"),
        ("NS mail.example", "ns.Example"),
        ("TXT mail.example", "v=spf1 -all"),
        ("MX mail.example", "20 b.example, 10 a_b.example"),
        ("PTR 192.0.2.1", "mail.example"),
        ("PTR 2001:db8::1", "mail6.example"),
        ("MX address.example", "10 192.0.2.7"),
        ("MX null.example", "null MX"),
        ("MX both.example", "null MX"),
        ("MX invalid.example", "malformed reply"),
        ("NS invalid.example", "malformed reply"),
        ("MX half.example", "20 good.example"),
        ("MX dot.example", "malformed reply"),
        ("PTR 192.0.2.3", "malformed reply"),
        ("A broken.example", "malformed reply"),
        ("AAAA broken.example", "malformed reply"),
        ("MX broken.example", "malformed reply"),
        ("NS broken.example", "malformed reply"),
        ("TXT broken.example", "malformed reply"),
        ("A partly.example", "192.0.2.1"),
        ("TXT control.example", "a b [31m"),
        ("A formerr.example", "not understood by the server (FORMERR)"),
        ("A notimp.example", "not implemented by the server (NOTIMP)"),
        ("A servfail.example", "server failure (SERVFAIL)"),
        ("A refused.example", "refused by the server (REFUSED)"),
        ("A nosoa.example", "not found"),
        ("A nodata.example", "not found"),
        ("A none.example", "not found"),
        ("MX nodata.example", "not found"),
    ];
    for (question, want) in cases {
        assert_eq!(ask(&dns, question).await, want, "{question}");
    }
    let invalid = Answer::Mx(DnsAnswer::Invalid);
    assert_eq!(dns.ask(&lookup("MX invalid.example")).await, invalid);
    // Postfix tries a record with broken data again, but not an invalid name.
    assert!(dns.ask(&lookup("A broken.example")).await.is_temporary());
    assert!(dns.ask(&lookup("A servfail.example")).await.is_temporary());
    assert!(dns.ask(&lookup("A refused.example")).await.is_temporary());
    assert!(!dns.ask(&lookup("A notimp.example")).await.is_temporary());
}

#[tokio::test]
async fn a_name_that_does_not_fit_the_wire_fails_without_a_query() {
    let server = DnsServer::start("");
    let dns = dns(&server);
    let label = "x".repeat(63);
    let name = format!("{label}.{label}.{label}.{label}");
    assert_eq!(ask(&dns, &format!("A {name}")).await, "name too long");
    assert_eq!(ask(&dns, &format!("A {}", &name[2..])).await, "not found");
    assert_eq!(server.total(), 1);
}

#[tokio::test]
async fn special_names_are_asked_for_like_all_others() {
    let server = DnsServer::start(
        "
        a.invalid  A    192.0.2.66
        x.onion    A    192.0.2.67
        127.0.0.1  PTR  loop.example
    ",
    );
    let dns = dns(&server);
    let cases = [
        ("A localhost", "not found"),
        ("AAAA localhost", "not found"),
        ("A sub.localhost", "not found"),
        ("A a.invalid", "192.0.2.66"),
        ("A x.onion", "192.0.2.67"),
        ("A host.local", "not found"),
        ("A single", "not found"),
        ("PTR 127.0.0.1", "loop.example"),
        ("PTR 127.1.2.3", "not found"),
        ("PTR ::1", "not found"),
        ("PTR 10.0.0.1", "not found"),
    ];
    for (question, want) in cases {
        assert_eq!(ask(&dns, question).await, want, "{question}");
        let (kind, name) = question.split_once(' ').unwrap();
        assert_eq!(server.queries(kind, name), 1, "{question}");
    }
}

#[tokio::test]
async fn the_next_server_is_asked_where_libresolv_asks_it() {
    let good = "mail.example A 192.0.2.1";
    // (first server's zone, second's, answer, questions to the first, to the second) with two tries
    let cases = [
        ("mail.example A SERVFAIL", good, "192.0.2.1", 1, 1),
        ("mail.example A REFUSED", good, "192.0.2.1", 1, 1),
        ("mail.example A NOTIMP", good, "192.0.2.1", 1, 1),
        ("mail.example A TIMEOUT", good, "192.0.2.1", 1, 1),
        ("mail.example A GARBAGE", good, "192.0.2.1", 1, 1),
        ("", good, "not found", 1, 0),
        ("mail.example A FORMERR", good, "not understood by the server (FORMERR)", 1, 0),
        ("mail.example A MALFORMED", good, "malformed reply", 1, 0),
        ("mail.example A SERVFAIL", "mail.example A REFUSED", "refused by the server (REFUSED)", 2, 2),
        ("mail.example A NOTIMP", "mail.example A SERVFAIL", "server failure (SERVFAIL)", 2, 2),
        ("mail.example A SERVFAIL", "mail.example A NOTIMP", "not implemented by the server (NOTIMP)", 2, 2),
        ("mail.example A SERVFAIL", "mail.example A TIMEOUT", "no reply in time", 2, 2),
    ];
    let run = cases.map(async |(first, second, want, to_first, to_second)| {
        let servers = (DnsServer::start(first), DnsServer::start(second));
        let silent = [first, second].iter().any(|zone| zone.contains("TIMEOUT") || zone.contains("GARBAGE"));
        let timeout = if silent { IMPATIENCE } else { PATIENCE };
        let addresses = [servers.0.address(), servers.1.address()];
        let dns = Dns::new(&settings(&addresses, timeout, 2)).unwrap();
        assert_eq!(ask(&dns, "A mail.example").await, want, "{first} / {second}");
        assert_eq!(servers.0.total(), to_first, "{first} / {second}");
        assert_eq!(servers.1.total(), to_second, "{first} / {second}");
    });
    futures_util::future::join_all(run).await;
}

#[tokio::test]
async fn a_dead_server_is_passed_over_and_without_any_the_answer_is_temporary() {
    let server = DnsServer::start("mail.example A 192.0.2.1");
    let dns = Dns::new(&settings(&[closed_port(), server.address()], PATIENCE, 1)).unwrap();
    assert_eq!(ask(&dns, "A mail.example").await, "192.0.2.1");
    assert_eq!(dns.counters().network_errors.load(Ordering::Relaxed), 1);
    let dns = Dns::new(&settings(&[closed_port()], PATIENCE, 3)).unwrap();
    let answer = dns.ask(&lookup("A mail.example")).await;
    assert_eq!((answer.to_string().as_str(), answer.is_temporary()), ("network error", true));
    assert_eq!(dns.counters().network_errors.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_alias_costs_ten_questions_at_most_and_none_within_a_reply() {
    let mut zone = String::from("c0.example A 192.0.2.1\ns0.example A 192.0.2.2\n");
    for n in 1..=12 {
        zone += &format!("c{n}.example CNAME c{}.example\n", n - 1);
        zone += &format!("s{n}.example CNAME ONLY s{}.example\n", n - 1);
    }
    zone += "loop.example   CNAME loop.example
             a.example      CNAME b.example
             b.example      CNAME a.example
             one.example    CNAME ONLY two.example
             two.example    CNAME ONLY one.example
             dangle.example CNAME none.example
             bare.example   CNAME ONLY none.example
             nodata.example CNAME c0.example
             bad.example    CNAME ONLY bad\\032name.example
             192.0.2.9      PTR OWNER=9.2.0.192.in-addr.arpa 9.example
             192.0.2.8      CNAME ONLY 8.0/25.2.0.192.in-addr.arpa
             8.0/25.2.0.192.in-addr.arpa PTR host8.example\n";
    let server = DnsServer::start(&zone);
    let dns = dns(&server);
    let cases = [
        ("A c1.example", "192.0.2.1", 1),
        ("A c9.example", "192.0.2.1", 1),
        ("A c10.example", "192.0.2.1", 1),
        ("A c12.example", "192.0.2.1", 1),
        ("A s1.example", "192.0.2.2", 2),
        ("A s9.example", "192.0.2.2", 10),
        ("A s10.example", "not found", 10),
        ("A s11.example", "not found", 10),
        ("A loop.example", "not found", 1),
        ("A a.example", "not found", 1),
        ("A one.example", "not found", 10),
        ("A dangle.example", "not found", 1),
        ("A bare.example", "not found", 2),
        ("MX nodata.example", "not found", 1),
        ("A bad.example", "malformed reply", 1),
        ("PTR 192.0.2.9", "9.example", 1),
        ("PTR 192.0.2.8", "host8.example", 2),
    ];
    for (question, want, queries) in cases {
        let before = server.total();
        assert_eq!(ask(&dns, question).await, want, "{question}");
        assert_eq!(server.total() - before, queries, "{question}");
    }
    assert_eq!(dns.ask(&lookup("A bad.example")).await, Answer::A(DnsAnswer::Invalid));
}

#[tokio::test]
async fn a_cut_reply_is_asked_again_by_tcp() {
    let mut zone = String::new();
    for n in 0..60 {
        zone += &format!("big.example A 192.0.2.{n}\n");
    }
    zone += &format!("text.example TXT {}\n", ["\"", &"x".repeat(250), "\" "].concat().repeat(20));
    let server = DnsServer::start(&zone);
    let dns = dns(&server);
    let Answer::A(answer) = dns.ask(&lookup("A big.example")).await else { panic!() };
    let want: Vec<Ipv4Addr> = (0..60).map(|n| Ipv4Addr::new(192, 0, 2, n)).collect();
    assert_eq!(answer.records(), want);
    let Answer::Text(answer) = dns.ask(&lookup("TXT text.example")).await else { panic!() };
    assert_eq!(answer.records().iter().map(|text| text.len()).collect::<Vec<_>>(), [5000]);
    assert_eq!((server.queries("A", "big.example"), server.tcp_queries()), (2, 2));
    assert_eq!(dns.counters().truncated.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn only_the_records_of_the_asked_name_count() {
    let server = DnsServer::start(
        "mail.example  A     OWNER=evil.example 6.6.6.6
         mail.example  A     192.0.2.1
         lone.example  A     OWNER=evil.example 6.6.6.6
         alias.example CNAME OWNER=evil.example ONLY good.example
         evil.example  A     192.0.2.66",
    );
    let dns = dns(&server);
    assert_eq!(ask(&dns, "A mail.example").await, "192.0.2.1");
    assert_eq!(ask(&dns, "A lone.example").await, "not found");
    assert_eq!(ask(&dns, "A alias.example").await, "not found");
    assert_eq!(ask(&dns, "A evil.example").await, "192.0.2.66");
}

#[tokio::test]
async fn forged_replies_are_counted_and_passed_over() {
    let server = DnsServer::start("mail.example A SPOOF 192.0.2.1");
    let dns = dns(&server);
    assert_eq!(ask(&dns, "A mail.example").await, "192.0.2.1");
    assert_eq!(dns.counters().mismatched.load(Ordering::Relaxed), 8);
}

/// Bytes for TCP, made of the question.
type Lie = fn(&[u8]) -> Vec<u8>;

/// Answers one question: over UDP that the reply was cut, over TCP with the bytes that `reply` makes of the question.
fn liar(reply: Lie) -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, client) = udp.recv_from(&mut buffer).unwrap();
        let mut cut = buffer[..length].to_vec();
        cut[2] |= 0x82;
        udp.send_to(&cut, client).unwrap();
        let (mut stream, _) = tcp.accept().unwrap();
        let mut question = vec![0; length + 2];
        stream.read_exact(&mut question).unwrap();
        let _ = stream.write_all(&reply(&question[2..]));
    });
    address
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}

#[tokio::test]
async fn hostile_replies_by_tcp_are_temporary_failures() {
    let cases: [(&str, Lie, &str); 8] = [
        ("nothing", |_| Vec::new(), "network error"),
        ("half a length", |_| vec![0], "network error"),
        ("an empty message", |_| vec![0, 0], "network error"),
        ("less than announced", |question| [&[0xff, 0xff], question].concat(), "network error"),
        (
            "another id",
            |question| framed(&[&[!question[0], question[1], 0x81], &question[3..]].concat()),
            "network error",
        ),
        (
            "cut again",
            |question| framed(&[&question[..2], &[0x83], &question[3..]].concat()),
            "network error",
        ),
        ("random bytes", |_| framed(&[0xa5; 65_535]), "network error"),
        (
            "65535 records in no bytes",
            |question| framed(&[&question[..2], &[0x81, 0x80, 0, 1, 0xff, 0xff], &question[8..]].concat()),
            "malformed reply",
        ),
    ];
    for (what, reply, want) in cases {
        let dns = Dns::new(&settings(&[liar(reply)], PATIENCE, 1)).unwrap();
        let answer = dns.ask(&lookup("A mail.example")).await;
        assert_eq!((answer.to_string().as_str(), answer.is_temporary()), (want, true), "{what}");
    }
}
