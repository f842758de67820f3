//! What block lists cost: eight of them, each with an answer delayed by 200 ms, against one, in mailward and in Postfix's
//! own lists in the same run; and a warm evaluation of ten entries against cache hits of the resolver.
//!
//! `cargo run --release --example dns_lists`. Prints ratios and what is wanted; no figure fails the run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench says what it measures or ends"
)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../support/mod.rs"]
mod support;

use mailward::{
    config,
    decision::Deferrals,
    lookup::{Lookup, answers::Answers},
    policy::evaluate::{Progress, evaluate},
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        session::{Identity, Session as SmtpSession},
        subject::Subject,
    },
    smtp::{domain::Domain, helo::Helo},
    time::Timestamp,
};
use std::{
    fmt::Write as _,
    hint::black_box,
    io::{BufRead, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Instant,
};
use support::{
    dns::DnsServer,
    milter::{Daemon, From, Session},
    postfix::{PostfixInstance, Setup, own_loopback, skip_reason},
};

const ROUNDS: u8 = 5;
const LISTS: usize = 8;
/// Clients from here on are on the last list, those before on none.
const LISTED: u8 = 100;

fn zone() -> String {
    let mut zone = String::new();
    for list in 1..=LISTS {
        let _ = writeln!(zone, "*.l{list}.example A DELAY=200ms NODATA");
        let _ = writeln!(zone, "2.0.0.127.l{list}.example A 127.0.0.2");
        let _ = writeln!(zone, "1.0.0.127.l{list}.example A NODATA");
    }
    for client in LISTED..LISTED + ROUNDS {
        let _ = writeln!(zone, "{client}.2.0.192.l{LISTS}.example A DELAY=200ms 127.0.0.2");
        let _ = writeln!(zone, "{client}.2.0.192.l{LISTS}.example TXT DELAY=200ms \"listed\"");
    }
    zone
}

/// The entries that ask lists.
fn entries(lists: std::ops::RangeInclusive<usize>) -> Vec<String> {
    lists.map(|list| format!("reject_rbl_client l{list}.example=127.0.0.[2..11]")).collect()
}

/// Seconds to the answer at RCPT TO, of clients that were not seen before.
struct Figures {
    name: &'static str,
    one: Vec<f64>,
    eight: Vec<f64>,
    listed: Vec<f64>,
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Figures {
    fn print(&self) {
        let (one, eight, listed) = (median(&self.one), median(&self.eight), median(&self.listed));
        println!(
            "{:<10} one list {one:.3} s, eight {eight:.3} s ({:.2}), eight and listed on the last {listed:.3} s ({:.2})",
            self.name,
            eight / one,
            listed / one
        );
    }
}

async fn mailward() -> Figures {
    let policy = |lists| format!("[restrictions]\nclient = {:?}\n", entries(lists));
    let (one, eight) =
        (Daemon::start(&policy(1..=1), &zone()).await, Daemon::start(&policy(1..=LISTS), &zone()).await);
    let mut figures = Figures { name: "mailward", one: vec![], eight: vec![], listed: vec![] };
    for round in 0..ROUNDS {
        figures.one.push(rcpt(&one, 10 + round, "continue").await);
        figures.eight.push(rcpt(&eight, 10 + round, "continue").await);
        figures.listed.push(rcpt(&eight, LISTED + round, "554").await);
    }
    figures
}

async fn rcpt(daemon: &Daemon, client: u8, want: &str) -> f64 {
    let from = From::named("client.example", &format!("192.0.2.{client}"));
    let mut session = Session::open(daemon, &from).await;
    session.helo("helo.example").await;
    session.mail("<a@sender.example>").await;
    let began = Instant::now();
    let answer = session.rcpt("<to@rcpt.example>").await;
    let took = began.elapsed().as_secs_f64();
    assert!(answer.starts_with(want), "{answer}");
    took
}

fn postfix() -> Option<Figures> {
    if let Some(reason) = skip_reason() {
        println!("postfix: not measured: {reason}");
        return None;
    }
    let nameserver = own_loopback();
    let _dns = DnsServer::start_at(&zone(), SocketAddr::from((nameserver, 53))).unwrap();
    let lists = |lists| vec![format!("smtpd_client_restrictions = {}", entries(lists).join(", "))];
    let postfix = PostfixInstance::start(&Setup {
        services: vec![lists(1..=1), lists(1..=LISTS)],
        nameserver: Some(nameserver),
        ..Setup::default()
    });
    let mut figures = Figures { name: "postfix", one: vec![], eight: vec![], listed: vec![] };
    for round in 0..ROUNDS {
        figures.one.push(smtp(postfix.address(0), 10 + round, "250"));
        figures.eight.push(smtp(postfix.address(1), 10 + round, "250"));
        figures.listed.push(smtp(postfix.address(1), LISTED + round, "554"));
    }
    Some(figures)
}

fn smtp(server: SocketAddr, client: u8, want: &str) -> f64 {
    let mut stream = BufReader::new(TcpStream::connect(server).unwrap());
    let mut say = |line: &str| {
        if !line.is_empty() {
            stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        }
        let mut reply = String::new();
        loop {
            reply.clear();
            assert!(stream.read_line(&mut reply).unwrap() > 0, "Postfix closed the connection");
            if reply.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    };
    say("");
    say(&format!("XCLIENT ADDR=192.0.2.{client} NAME=client.example REVERSE_NAME=client.example"));
    say("EHLO helo.example");
    say("MAIL FROM:<a@sender.example>");
    let began = Instant::now();
    let reply = say("RCPT TO:<user@mx.example.test>");
    let took = began.elapsed().as_secs_f64();
    assert!(reply.starts_with(want), "{reply}");
    took
}

/// Ten entries that decide nothing, evaluated warm, against hits of the resolver's cache.
async fn evaluation() {
    let policy = "mynetworks = ['127.0.0.0/8']
        [restrictions]
        recipient = ['permit_mynetworks', 'permit_sasl_authenticated', 'permit_tls_all_clientcerts',
            'check_client_access inline:{ other.example=REJECT }', 'check_helo_access inline:{ other.example=REJECT }',
            'check_sender_access inline:{ other.example=REJECT }', 'reject_invalid_helo_hostname',
            'reject_non_fqdn_helo_hostname', 'reject_non_fqdn_sender', 'reject_non_fqdn_recipient']";
    let mut files = config::Disk { base: "".into() };
    let config = config::parse("bench.toml", policy, &mut files).config.unwrap();
    let mut session = SmtpSession { helo: Some(Helo::from_wire(b"helo.example")), ..SmtpSession::default() };
    session.client.address = Some(Ipv4Addr::new(192, 0, 2, 1).into());
    session.client.identity = Identity::verified("client.example");
    let envelope = Envelope { sender: Some(Path::new("from@sender.example")), ..Envelope::default() };
    let (recipient, carried, answers) = (Path::new("to@rcpt.example"), Deferrals::default(), Answers::new());
    let request = Request {
        id: DecisionId { at: Timestamp(0), count: 0 },
        event: Event::Rcpt,
        stage: Stage::Client,
        subject: Subject::Client,
        session: &session,
        envelope: &envelope,
        recipient: Some(&recipient),
        message: None,
        now: Timestamp(0),
        carried: &carried,
        exemption: None,
    };
    let daemon = Daemon::start("", "a.example A 192.0.2.1").await;
    let dns = &daemon.server.running().dns;
    let lookup = Lookup::A(Domain::for_query("a.example").unwrap());
    dns.ask(&lookup).await;
    let time = |what: &mut dyn FnMut()| {
        let began = Instant::now();
        for _ in 0..100_000 {
            what();
        }
        began.elapsed().as_secs_f64() * 1e4
    };
    let (mut ten, mut hit) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ten.push(time(&mut || match black_box(evaluate(&config.policy, &request, &answers)) {
            Progress::Done(decision) => assert_eq!(decision.steps.len(), 10),
            Progress::Wants(lookups) => panic!("{lookups:?}"),
        }));
        hit.push(time(&mut || assert!(black_box(dns.cached(black_box(&lookup))).is_some())));
    }
    let ratio = median(&ten) / median(&hit);
    println!(
        "a warm evaluation of ten entries {:.0} ns, a cache hit {:.0} ns: {ratio:.1} hits (wanted: at most 5)",
        median(&ten),
        median(&hit)
    );
}

#[tokio::main]
async fn main() {
    println!("eight DNS lists, each answer delayed by 200 ms, {ROUNDS} rounds in turns, medians");
    mailward().await.print();
    if let Some(figures) = tokio::task::spawn_blocking(postfix).await.unwrap() {
        figures.print();
    }
    println!("wanted of mailward: eight at most 1.40, listed at most 2.20");
    evaluation().await;
}
