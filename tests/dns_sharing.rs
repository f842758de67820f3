//! One question for all who ask it, at once or a little later: merging, the limit in flight, the cache.

#![allow(clippy::unwrap_used, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    config::settings,
    dns::Dns,
    lookup::Lookup,
    time::{Clock, FixedClock, Timestamp},
};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use support::{
    asking::{PATIENCE, dns, lookup, settings},
    dns::DnsServer,
};

#[tokio::test]
async fn identical_questions_in_flight_are_asked_once() {
    let server = DnsServer::start("mail.example A DELAY=100ms 192.0.2.1");
    let dns = dns(&server);
    let question = lookup("A mail.example");
    let answers = futures_util::future::join_all((0..50).map(|_| dns.ask(&question))).await;
    assert!(answers.iter().all(|answer| answer.to_string() == "192.0.2.1"));
    assert_eq!(server.total(), 1);
    assert_eq!(dns.counters().merged.load(Ordering::Relaxed), 49);
}

#[tokio::test]
async fn questions_of_one_event_wait_together() {
    let zone: String = (0..8).map(|n| format!("list{n}.example A TOGETHER=8 192.0.2.{n}\n")).collect();
    let server = DnsServer::start(&zone);
    let dns = dns(&server);
    let questions: Vec<Lookup> = (0..8).map(|n| lookup(&format!("A list{n}.example"))).collect();
    let answers = futures_util::future::join_all(questions.iter().map(|question| dns.ask(question))).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.to_string(), format!("192.0.2.{n}"));
    }
    assert_eq!(server.max_concurrent(), 8);
}

#[tokio::test]
async fn the_limit_of_questions_in_flight_holds() {
    let zone: String = (0..12).map(|n| format!("list{n}.example A DELAY=20ms 192.0.2.{n}\n")).collect();
    let server = DnsServer::start(&zone);
    let settings = settings::Dns { max_in_flight: 3, ..settings(&[server.address()], PATIENCE, 1) };
    let dns = Dns::new(&settings).unwrap();
    let questions: Vec<Lookup> = (0..12).map(|n| lookup(&format!("A list{n}.example"))).collect();
    let answers = futures_util::future::join_all(questions.iter().map(|question| dns.ask(question))).await;
    assert!(answers.iter().all(|answer| !answer.is_temporary()));
    assert!(server.max_concurrent() <= 3, "{}", server.max_concurrent());
}

#[tokio::test]
async fn who_stops_waiting_disturbs_nobody() {
    let server = DnsServer::start("mail.example A TOGETHER=2 192.0.2.1\nkey.example A TOGETHER=2 192.0.2.2");
    let dns = dns(&server);
    let question = lookup("A mail.example");
    let mut first = Box::pin(dns.ask(&question));
    let mut second = Box::pin(dns.ask(&question));
    // Both are under way, then the one who asked goes.
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    let key = lookup("A key.example");
    let (answer, _) = tokio::join!(second, dns.ask(&key));
    assert_eq!(answer.to_string(), "192.0.2.1");
    assert_eq!(server.queries("A", "mail.example"), 1);
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_there_for_the_next() {
    let server = DnsServer::start("late.example A TOGETHER=2 192.0.2.1\nkey.example A TOGETHER=2 192.0.2.2");
    let dns = dns(&server);
    let question = lookup("A late.example");
    let mut asked = Box::pin(dns.ask(&question));
    while server.queries("A", "late.example") == 0 {
        assert!(futures_util::poll!(&mut asked).is_pending());
        tokio::task::yield_now().await;
    }
    drop(asked);
    dns.ask(&lookup("A key.example")).await;
    assert_eq!(dns.ask(&question).await.to_string(), "192.0.2.1");
    assert_eq!(server.queries("A", "late.example"), 1);
}

#[tokio::test]
async fn a_question_nobody_waits_for_is_not_sent() {
    let server = DnsServer::start("slow.example A TOGETHER=2 192.0.2.1\n*.example A 192.0.2.2");
    let settings = settings::Dns { max_in_flight: 1, ..settings(&[server.address()], PATIENCE, 1) };
    let dns = Dns::new(&settings).unwrap();
    let (slow, left) = (lookup("A slow.example"), lookup("A left.example"));
    let mut wire = Box::pin(dns.ask(&slow));
    while server.total() == 0 {
        assert!(futures_util::poll!(&mut wire).is_pending());
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(dns.ask(&left));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(waiting);
    while dns.counters().abandoned.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    // Somebody else lets the slow one go on, and the name can be asked for again.
    let other = self::dns(&server);
    let (answer, _) = tokio::join!(wire, other.ask(&slow));
    assert_eq!(answer.to_string(), "192.0.2.1");
    assert_eq!(server.queries("A", "left.example"), 0);
    assert_eq!(dns.ask(&left).await.to_string(), "192.0.2.2");
}

#[tokio::test]
async fn the_cache_answers_until_the_ttl_is_over() {
    let server = DnsServer::start(
        "example         SOA   TTL=3000 120
         mail.example    A     TTL=300 192.0.2.1
         alias.example   CNAME TTL=60 mail.example
         down.example    A     SERVFAIL
         nosoa.example   A     NOSOA",
    );
    let clock = Arc::new(FixedClock::at(Timestamp(1_000_000)));
    let settings = settings(&[server.address()], PATIENCE, 1);
    let dns = Dns::with_clock(&settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let cases = [
        ("A mail.example", 300),
        ("A alias.example", 60),
        ("A none.example", 120),
        ("MX mail.example", 120),
        ("A nosoa.example", 60),
        ("A down.example", 5),
    ];
    for (question, seconds) in cases {
        let question = lookup(question);
        assert_eq!(dns.cached(&question), None, "{question}");
        let answer = dns.ask(&question).await;
        let asked = server.total();
        clock.advance(Duration::from_secs(seconds - 1));
        assert_eq!(dns.cached(&question), Some(answer.clone()), "{question}");
        assert_eq!(dns.ask(&question).await, answer, "{question}");
        assert_eq!(server.total(), asked, "{question}");
        clock.advance(Duration::from_secs(1));
        assert_eq!(dns.cached(&question), None, "{question}");
        assert_eq!(dns.ask(&question).await, answer, "{question}");
        assert_eq!(server.total(), asked + 1, "{question}");
    }
}

#[tokio::test]
async fn an_outage_is_counted_once_and_so_is_its_end() {
    // An address of its own, where no other test takes the port meanwhile.
    let server = DnsServer::start_at("", SocketAddr::from(([127, 77, 0, 2], 0))).unwrap();
    let address = server.address();
    drop(server);
    let dns = Dns::new(&settings(&[address], PATIENCE, 2)).unwrap();
    for n in 0..25 {
        assert!(dns.ask(&lookup(&format!("A n{n}.example"))).await.is_temporary());
    }
    let counts = |dns: &Dns| {
        (dns.counters().outages.load(Ordering::Relaxed), dns.counters().recoveries.load(Ordering::Relaxed))
    };
    assert_eq!(counts(&dns), (1, 0));
    let _server = DnsServer::start_at("*.example A SERVFAIL", address).unwrap();
    for n in 0..3 {
        assert!(dns.ask(&lookup(&format!("A back{n}.example"))).await.is_temporary());
    }
    assert_eq!(counts(&dns), (1, 1));
}

#[tokio::test]
async fn who_asks_anew_gets_what_the_servers_say_now_and_the_cache_learns_it() {
    let server = DnsServer::start("list.example A 127.0.0.2");
    let dns = dns(&server);
    let question = lookup("A list.example");
    assert_eq!(dns.ask(&question).await.to_string(), "127.0.0.2");
    server.replace("list.example A 127.0.0.4");
    assert_eq!(dns.ask(&question).await.to_string(), "127.0.0.2");
    assert_eq!(dns.ask_anew(&question).await.to_string(), "127.0.0.4");
    assert_eq!(dns.ask(&question).await.to_string(), "127.0.0.4");
    assert_eq!(server.total(), 2);
}
