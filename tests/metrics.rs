//! The metrics add up with what was played, name nothing that a client sent, and their listener bears abuse.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    config::settings::Socket,
    server::metrics::http::Listener,
    store::allow::{AllowFile, Allowed},
    time::Timestamp,
};
use std::{collections::BTreeMap, path::Path, time::Duration};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session, parse},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

const POLICY: &str = "[restrictions]
client = ['reject_rbl_client secret.zen.dq.spamhaus.net=127.0.0.2']
sender = ['check_sender_access inline:{ { bad@sender.example = REJECT }, { gone@sender.example = DISCARD } }']
recipient = ['greylist']
data = ['permit']
";

/// All samples by their name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = samples.map(|line| line.rsplit_once(' ').unwrap());
    let all: Vec<(String, f64)> =
        pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    let map: BTreeMap<String, f64> = all.iter().cloned().collect();
    assert_eq!(map.len(), all.len(), "no sample stands twice:\n{text}");
    map
}

/// The sum of all samples of a metric.
fn sum(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let of = |key: &&String| key.split('{').next() == Some(name);
    samples.iter().filter(|(key, _)| of(key)).map(|(_, value)| value).sum()
}

fn client() -> From {
    From::named("mx.example.org", "192.0.2.1")
}

/// A server that keeps a journal in the directory.
async fn recorded(directory: &Directory, zone: &str) -> Daemon {
    let mut config = parse(POLICY, directory.path());
    config.journal.path = Some(directory.path().join("journal.db"));
    let daemon = Daemon::start_with(config, zone).await;
    daemon.server.start_journal();
    daemon
}

#[tokio::test]
async fn what_is_measured_adds_up_with_what_was_played() {
    let directory = Directory::new();
    let file = directory.path().join("allow.db");
    let partner = Allowed {
        id: 0,
        kind: "client".to_owned(),
        value: "192.0.2.9".to_owned(),
        reason: String::new(),
        author: String::new(),
        created: Timestamp(0),
        expires: None,
        hits: 0,
        last_hit: None,
    };
    AllowFile::open_or_make(&file, Duration::ZERO).unwrap().add(&partner).unwrap();
    let zone =
        "2.0.0.127.secret.zen.dq.spamhaus.net A 127.0.0.2\n5.2.0.192.secret.zen.dq.spamhaus.net A 127.0.0.2";
    let daemon = recorded(&directory, zone).await;
    daemon.server.allowances().open(&file);
    daemon.server.test_lists().await;
    let listed = From::named("mx.example.org", "192.0.2.5");
    let allowed = From::named("mx.example.org", "192.0.2.9");
    for (from, sender, count) in [
        (client(), "bad", 3),
        (client(), "gone", 1),
        (client(), "from", 2),
        (listed, "from", 2),
        (allowed, "bad", 5),
    ] {
        let mut session = Session::open(&daemon, &from).await;
        session.helo("h\"el\\o\u{1b}.example").await;
        for _ in 0..count {
            session.mail(&format!("<{sender}@sender.example>")).await;
            session.rcpt("<to@rcpt.example>").await;
            session.abort().await;
            daemon.clock.advance(Duration::from_secs(1));
        }
    }
    daemon.clock.advance(Duration::from_secs(280));
    let mut session = Session::open(&daemon, &client()).await;
    assert_eq!(session.ordinary().await, "continue");
    session.data().await;

    daemon.server.journal().unwrap().close();

    let text = daemon.server.metrics();
    let shown = samples(&text);
    let decisions: f64 = ["permit", "defer", "reject", "discard"]
        .map(|kind| shown[&format!("mailward_decisions_{kind}_total")])
        .iter()
        .sum();
    assert_eq!(decisions, 15.0, "{text}");
    assert_eq!(sum(&shown, "mailward_messages_total"), decisions);
    assert_eq!(sum(&shown, "mailward_rule_hits_total"), decisions);
    assert_eq!(shown["mailward_decision_seconds_count"], decisions);
    let message = |action: &str, reason: &str, stage: &str| {
        let key = format!(
            "mailward_messages_total{{action=\"{action}\",reason=\"{reason}\",stage=\"{stage}\",mode=\"enforce\"}}"
        );
        shown.get(&key).copied().unwrap_or_default()
    };
    assert_eq!(message("reject", "check_sender_access", "sender"), 3.0, "{text}");
    assert_eq!(message("discard", "check_sender_access", "sender"), 1.0);
    assert_eq!(message("defer", "greylist", "recipient"), 2.0);
    assert_eq!(message("reject", "reject_rbl_client", "client"), 2.0);
    assert_eq!(message("permit", "allow", "recipient"), 5.0);
    assert_eq!(message("permit", "end_of_lists", "recipient"), 1.0);
    assert_eq!(message("permit", "permit", "data"), 1.0);
    let rule = "mailward_rule_hits_total{rule=\"reject_rbl_client zen.dq.spamhaus.net=127.0.0.2\",where=\"test.toml:2\",mode=\"enforce\"}";
    assert_eq!(shown[rule], 2.0);
    for (event, want) in [("new", 1.0), ("early", 1.0), ("pass", 1.0), ("known", 0.0)] {
        assert_eq!(shown[&format!("mailward_greylist_total{{event=\"{event}\"}}")], want, "{event}");
    }
    assert_eq!(shown["mailward_greylist_delay_seconds_bucket{le=\"300.0\"}"], 1.0);
    let list = |result: &str| {
        shown[&format!("mailward_dnsbl_queries_total{{zone=\"zen.dq.spamhaus.net\",result=\"{result}\"}}")]
    };
    // Two of one address and seven of the other; the exempted client is not asked for.
    assert_eq!((list("listed"), list("clean"), list("timeout")), (2.0, 7.0, 0.0));
    assert_eq!(
        shown["mailward_dnsbl_seconds_count{zone=\"zen.dq.spamhaus.net\"}"], 2.0,
        "the others were kept"
    );
    assert_eq!(shown["mailward_connections_total"], 6.0);
    assert_eq!(shown["mailward_decisions_exempted_total"], 5.0);
    assert!(
        shown["mailward_db_bytes{db=\"greylist\"}"] > 0.0 && shown["mailward_db_bytes{db=\"allow\"}"] > 0.0
    );
    // Five that were exempt had a recipient, and no end.
    assert_eq!(shown["mailward_journal_written_total"], decisions + 5.0);
    assert_eq!(shown["mailward_db_rows{table=\"journal\"}"], decisions + 5.0);
    assert_eq!((shown["mailward_journal_dropped_total"], shown["mailward_journal_queued"]), (0.0, 0.0));
    assert_eq!(shown["mailward_db_errors_total{db=\"journal\"}"], 0.0);
    assert!(shown["mailward_db_bytes{db=\"journal\"}"] > 0.0);
    assert_eq!(shown["mailward_db_rows{table=\"greylist\"}"], 1.0);
    let mut other = Session::open(&daemon, &From::named("mx.example.com", "198.51.100.77")).await;
    assert!(other.ordinary().await.starts_with("450"));
    let later = samples(&daemon.server.metrics());
    assert_eq!(later["mailward_db_rows{table=\"greylist\"}"], 1.0, "not counted again at once");
    for secret in ["secret", "sender.example>", "to@rcpt", "192.0.2.", "h\"el", "\u{1b}"] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
}

#[tokio::test]
async fn every_counter_is_there_with_its_help() {
    let directory = Directory::new();
    let daemon = recorded(&directory, "").await;
    let text = daemon.server.metrics();
    let mut count = 0;
    for (name, _) in daemon.server.counted() {
        let name = if name == "sessions" { "connections" } else { name };
        let help = format!("# HELP mailward_{name}_total ");
        let line = text.lines().find(|line| line.starts_with(&help)).unwrap_or_else(|| panic!("no {name}"));
        assert!(line.ends_with('.') && !line.contains('\\'), "{line}");
        assert!(
            text.contains(&format!("# TYPE mailward_{name}_total counter\nmailward_{name}_total ")),
            "{name}"
        );
        count += 1;
    }
    assert!(count > 40);
    for name in
        ["greylist_faults", "greylist_recoveries", "journal_written", "journal_faults", "log_dropped_lines"]
    {
        assert!(text.contains(&format!("\nmailward_{name}_total 0\n")), "{name}");
    }
}

#[tokio::test]
async fn a_reload_loses_no_decision() {
    let daemon = Daemon::start("[restrictions]\nrecipient = ['reject']\n", "").await;
    assert!(Session::open(&daemon, &client()).await.ordinary().await.starts_with("554"));
    let mut old = Session::open(&daemon, &client()).await;
    for text in [
        "\n[restrictions]\nrecipient = ['reject']\n",
        "mode = 'observe'\n[restrictions]\nrecipient = ['defer']\n",
    ] {
        let mut config = parse(text, Path::new(""));
        config.dns = daemon.server.running().config.dns.clone();
        daemon.server.replace(config).unwrap();
        Session::open(&daemon, &client()).await.ordinary().await;
    }
    assert!(old.ordinary().await.starts_with("554"), "a session keeps its policy");
    for _ in 0..2 {
        let shown = samples(&daemon.server.metrics());
        assert_eq!(sum(&shown, "mailward_messages_total"), 4.0);
        let key = |action, reason, mode| {
            format!(
                "mailward_messages_total{{action=\"{action}\",reason=\"{reason}\",stage=\"recipient\",mode=\"{mode}\"}}"
            )
        };
        assert_eq!(shown[&key("reject", "reject", "enforce")], 3.0);
        assert_eq!(shown[&key("defer", "defer", "observe")], 1.0);
        assert_eq!(sum(&shown, "mailward_rule_hits_total"), 1.0, "only of the policy in force");
        assert_eq!(shown["mailward_observing"], 1.0);
    }
}

#[tokio::test]
async fn the_listener_answers_scrapes_and_bears_abuse() {
    let directory = Directory::new();
    let daemon = Daemon::start(POLICY, "").await;
    let path = directory.path().join("metrics.sock");
    let socket = Socket::Unix { path: path.clone(), mode: 0o660, group: None };
    let listener = tokio::spawn(Listener::bind(&socket).await.unwrap().serve(daemon.server.clone()));
    let says = async |request: &[u8]| {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let _ = stream.write_all(request).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    };
    let answer = says(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let want = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close",
        body.len()
    );
    assert_eq!(head, want);
    assert!(body.starts_with("# HELP mailward_connections_total Connections of the MTA.\n"), "{body}");
    for (request, want) in [
        (&b"GET /metrics?x=1 HTTP/1.0\r\n\r\n"[..], "HTTP/1.1 200 "),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        (b"\0\xff\xfe\r\n\r\n", "HTTP/1.1 400 "),
        (b"status\n\n", "HTTP/1.1 400 "),
    ] {
        assert!(says(request).await.starts_with(want), "{}", request.escape_ascii());
    }
    let endless = [&b"GET /metrics HTTP/1.1\r\nX: "[..], &b"x".repeat(1 << 20)].concat();
    // It may be closed while we still write, and then nothing is read.
    let answer = says(&endless).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(UnixStream::connect(&path).await.unwrap());
    }
    assert!(says(b"GET /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    assert!(daemon.counter("control_errors") >= 3);
    listener.abort();
    assert!(listener.await.unwrap_err().is_cancelled() && !path.exists());
}
