//! The watch on DNS lists in the whole server: lists of every kind of trouble, and what becomes of the mail meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    config::settings::Config,
    decision::action::Action,
    lookup::{
        Lookups, Pending,
        dnsxl::{ListKind, ListUse},
        dnsxl_health::State,
    },
    origin::Origin,
    policy::Entry,
    request::{Request, Stage},
    restriction::Restriction,
    smtp::{
        domain::Domain,
        reply::{Enhanced, Reply, ReplyCode},
    },
};
use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};
use support::{
    asking::{IMPATIENCE, PATIENCE},
    milter::{Daemon, From, Session, parse},
};
use tokio::sync::Notify;
use tracing::subscriber::DefaultGuard;

/// Refuses whom a block list lists, permits whom an allow list lists; anything else says nothing.
#[derive(Debug)]
struct AskList(ListUse);

impl Restriction for AskList {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let ListUse { zone, kind, allows, .. } = &self.0;
        let name = match (kind, request.session.client.address) {
            (ListKind::Address, Some(IpAddr::V4(address))) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.{zone}")
            }
            (ListKind::Address, _) => panic!("no IPv4 client"),
            (ListKind::Name, _) => format!("{}.{zone}", request.helo().unwrap()),
        };
        let listed = !lookups.a(Domain::for_query(&name).as_ref())?.records().is_empty();
        Ok(match (listed, allows) {
            (false, _) => Action::Dunno,
            (true, true) => Action::Ok,
            (true, false) => {
                Action::Reject(Reply::new(ReplyCode::known(554), Enhanced::new(7, 1), &format!("by {zone}")))
            }
        })
    }

    fn lists(&self) -> Vec<ListUse> {
        vec![self.0.clone()]
    }
}

/// A policy that asks these lists, `zone`, `zone name` or `zone allows`, in the lines from 1, and then refuses one
/// recipient whatever the lists say.
fn policy(lists: &[&str], settings: &str) -> Config {
    let rest =
        "[restrictions]\nrecipient = ['check_recipient_access inline:{ refused@rcpt.example=REJECT }']";
    let mut config = parse(&format!("{settings}\n{rest}"), Path::new(""));
    (config.dns.timeout, config.dns.tries) = (PATIENCE, 1);
    let entries = &mut config.policy.lists[Stage::Recipient as usize].entries;
    for (number, line) in (1..).zip(lists) {
        let origin = Origin::new("test.toml", number, 1);
        let (zone, word) = line.split_once(' ').unwrap_or((line, ""));
        let kind = if word == "name" { ListKind::Name } else { ListKind::Address };
        let zone = Domain::for_query(zone).unwrap();
        let list = ListUse { zone, kind, allows: word == "allows", origin: origin.clone() };
        entries.insert(number as usize - 1, Entry::new(line, origin, false, Box::new(AskList(list))));
    }
    config
}

/// The log of this test's thread, on which its server runs too.
struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    written: Arc<Notify>,
    _guard: DefaultGuard,
}

struct Writer(Arc<Mutex<Vec<u8>>>, Arc<Notify>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        self.1.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let (lines, written) = (Arc::default(), Arc::default());
        let make = {
            let (lines, written) = (Arc::clone(&lines), Arc::clone(&written));
            move || Writer(Arc::clone(&lines), Arc::clone(&written))
        };
        let subscriber =
            tracing_subscriber::fmt().with_writer(make).without_time().with_target(false).finish();
        Self { lines, written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }

    /// The lines about lists.
    fn lists(&self) -> Vec<String> {
        self.text()
            .lines()
            .map(str::trim)
            .filter(|line| line.contains(" the list "))
            .map(str::to_owned)
            .collect()
    }

    /// Waits for so many lines about lists.
    async fn wait(&self, count: usize) {
        let written = async {
            while self.lists().len() < count {
                self.written.notified().await;
            }
        };
        if tokio::time::timeout(PATIENCE, written).await.is_err() {
            panic!("not {count} lines about lists:\n{}", self.text());
        }
    }
}

/// What a client hears to an ordinary recipient and to the one that is always refused, in one session.
async fn answers(daemon: &Daemon, address: &str) -> (String, String) {
    let mut session = Session::open(daemon, &From::named("client.example", address)).await;
    let ordinary = session.ordinary().await;
    (ordinary, session.rcpt("<refused@rcpt.example>").await)
}

fn passes() -> (String, String) {
    let refused = "554 5.7.1 <refused@rcpt.example>: Recipient address rejected: Access denied";
    ("continue".to_owned(), refused.to_owned())
}

fn refused_by(zone: &str) -> (String, String) {
    let text = format!("554 5.7.1 by {zone}");
    (text.clone(), text)
}

/// A list that is sound and lists 192.0.2.1.
const SOUND: &str = "2.0.0.127.bl.example A 127.0.0.2\n1.2.0.192.bl.example A 127.0.0.4\n";
/// A list that is sound and lists the name helo.example.
const SOUND_NAMES: &str = "test.bl.example A 127.0.0.2\nhelo.example.bl.example A 127.0.1.2\n";

#[tokio::test]
async fn a_sound_list_is_believed_and_nothing_is_said() {
    let log = Log::start();
    let daemon = Daemon::start_with(policy(&["bl.example"], ""), SOUND).await;
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"));
    assert_eq!(answers(&daemon, "192.0.2.2").await, passes());
    daemon.server.test_lists().await;
    assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("lookups_set_aside")), (0, 0));
    assert_eq!(log.lists(), [""; 0]);
}

#[tokio::test]
async fn a_list_in_trouble_is_set_aside_and_taken_back_while_mail_flows() {
    let closed = "remove the list if it is closed; if all lists do this, the resolver makes up answers";
    let no_points =
        "remove the list if it is closed; name it in [dns] untested_lists if it has no test points";
    let resolver =
        "run a resolver of your own and name it in [dns] nameservers, or get a key from the list's operator";
    let everything = "lists 127.0.0.1, which no list may list: it answers for everything";
    let outside = "answers 203.0.113.5, outside of 127.0.0.0/8: this is no DNS list any more";
    let cases = [
        ("bl.example", "*.bl.example A 127.0.0.2", everything, closed),
        ("bl.example allows", "*.bl.example A 127.0.0.2", everything, closed),
        (
            "bl.example",
            "other.example A 192.0.2.1",
            "does not list the test address 127.0.0.2: it is closed, or no list of addresses",
            no_points,
        ),
        (
            "bl.example name",
            SOUND,
            "does not list the test name TEST: it is closed, or no list of names",
            no_points,
        ),
        (
            "bl.example name",
            "*.bl.example A 127.0.0.2",
            "lists the name INVALID, which no list may list: it answers for everything",
            closed,
        ),
        (
            "bl.example",
            "*.bl.example A 127.255.255.254",
            "answers 127.255.255.254: it is asked through a public resolver",
            resolver,
        ),
        ("bl.example", "*.bl.example A 203.0.113.5", outside, closed),
        ("bl.example allows", "*.bl.example A 203.0.113.5", outside, closed),
    ];
    for (list, bad, reason, advice) in cases {
        let log = Log::start();
        let daemon = Daemon::start_with(policy(&[list], ""), bad).await;
        daemon.server.test_lists().await;
        assert_eq!(answers(&daemon, "192.0.2.1").await, passes(), "{reason}");
        daemon.server.test_lists().await;
        assert_eq!(answers(&daemon, "192.0.2.1").await, passes(), "{reason}");
        assert_eq!(daemon.counter("lookups_set_aside"), 4);
        for name in ["1.2.0.192.bl.example", "helo.example.bl.example"] {
            assert_eq!(daemon.dns.queries("A", name), 0, "{reason}: a list set aside is not asked");
        }
        daemon.dns.replace(&format!("{SOUND}{SOUND_NAMES}"));
        for _ in 0..2 {
            daemon.server.test_lists().await;
        }
        let (allows, mail) =
            (list.ends_with(" allows"), if list.ends_with(" allows") { "permits" } else { "refuses" });
        let got = answers(&daemon, "192.0.2.1").await;
        let permitted = ("continue".to_owned(), "continue".to_owned());
        assert_eq!(got, if allows { permitted } else { refused_by("bl.example") }, "{reason}");
        let set_aside = format!(
            "WARN the list bl.example (test.toml:1) is set aside and {mail} no mail until it behaves again: it {reason}; {advice}"
        );
        let back = "INFO the list bl.example (test.toml:1) behaves again: it is asked from now on".to_owned();
        assert_eq!(log.lists(), [set_aside, back]);
        assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("lists_taken_back")), (1, 1));
    }
}

#[tokio::test]
async fn a_silent_list_is_set_aside_while_others_answer() {
    let log = Log::start();
    let mut config = policy(&["bl.example", "mute.example"], "");
    config.dns.timeout = IMPATIENCE;
    let daemon = Daemon::start_with(config, &format!("{SOUND}*.mute.example A TIMEOUT")).await;
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.2").await, passes());
    assert_eq!(daemon.dns.queries("A", "2.2.0.192.mute.example"), 0);
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"), "the other list is believed");
    daemon.dns.replace(&format!("{SOUND}{}", SOUND.replace("bl.", "mute.").replace("1.2.0", "2.2.0")));
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.2").await, refused_by("mute.example"));
    let lines = log.lists();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("WARN the list mute.example (test.toml:2) is set aside"), "{lines:?}");
    assert!(lines[0].contains(": it does not answer ("), "{lines:?}");
    assert_eq!(lines[1], "INFO the list mute.example (test.toml:2) behaves again: it is asked from now on");
    assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("lists_taken_back")), (1, 1));
}

#[tokio::test]
async fn a_single_silent_list_is_set_aside_when_the_resolver_answers_otherwise() {
    let mut config = policy(&["mute.example"], "");
    config.dns.timeout = IMPATIENCE;
    let daemon = Daemon::start_with(config, "*.mute.example A SERVFAIL").await;
    daemon.server.test_lists().await;
    assert_eq!(daemon.counter("lists_set_aside"), 1);
    let control = |names: &[String]| -> Vec<String> {
        names.iter().filter(|name| name.ends_with(".com")).cloned().collect()
    };
    let first = control(&daemon.dns.names("NS"));
    assert_eq!(first.len(), 1, "{first:?}");
    daemon.dns.replace("*.mute.example A SERVFAIL\n*.com NS SERVFAIL");
    daemon.server.test_lists().await;
    let both = control(&daemon.dns.names("NS"));
    assert_eq!(both.len(), 2, "a name that no resolver can have kept: {both:?}");
}

#[tokio::test]
async fn what_a_list_said_in_its_bad_hours_is_forgotten_when_it_is_taken_back() {
    let daemon = Daemon::start_with(policy(&["bl.example"], ""), SOUND).await;
    daemon.server.test_lists().await;
    daemon.dns.replace("*.bl.example A 127.0.0.2");
    assert_eq!(answers(&daemon, "192.0.2.9").await, refused_by("bl.example"), "nobody knows yet");
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.9").await, passes());
    daemon.dns.replace(SOUND);
    daemon.server.test_lists().await;
    assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("lists_taken_back")), (1, 1));
    assert_eq!(answers(&daemon, "192.0.2.9").await, passes());
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"));
}

#[tokio::test]
async fn a_dead_resolver_sets_no_list_aside() {
    let log = Log::start();
    let mut config = policy(&["bl.example", "second.example"], "");
    config.dns.timeout = IMPATIENCE;
    let dead = "*.example * TIMEOUT\n*.com * TIMEOUT";
    let daemon = Daemon::start_with(config, dead).await;
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.2").await, passes());
    let second = SOUND.replace("bl.", "second.");
    daemon.dns.replace(&format!("{SOUND}{second}"));
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"));
    daemon.dns.replace(dead);
    for _ in 0..2 {
        daemon.server.test_lists().await;
    }
    let sound = daemon.server.running().watch.states().iter().all(|list| list.state == State::Sound);
    assert!(sound, "what was believed stays");
    assert_eq!(answers(&daemon, "192.0.2.9").await, passes());
    daemon.dns.replace(&format!("{SOUND}{second}"));
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"));
    assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("lists_taken_back")), (0, 0));
    assert_eq!(log.lists(), [""; 0]);
    let text = log.text();
    for line in ["no DNS server answers", "the DNS servers answer again"] {
        assert_eq!(text.matches(line).count(), 1, "the fault is the resolver's:\n{text}");
    }
    let running = daemon.server.running();
    let counters = running.dns.counters();
    assert_eq!([&counters.outages, &counters.recoveries].map(|count| count.load(Ordering::Relaxed)), [1, 1]);
}

#[tokio::test]
async fn an_error_code_in_an_ordinary_answer_refuses_nobody_and_sets_the_list_aside() {
    let log = Log::start();
    let zone = format!("{SOUND}9.2.0.192.bl.example A 127.255.255.255");
    let daemon = Daemon::start_with(policy(&["bl.example"], ""), &zone).await;
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.9").await, passes());
    assert_eq!(answers(&daemon, "192.0.2.1").await, passes(), "it is not asked about others either");
    assert_eq!(daemon.dns.queries("A", "1.2.0.192.bl.example"), 0);
    daemon.dns.replace(SOUND);
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"), "taken back");
    assert_eq!(answers(&daemon, "192.0.2.9").await, passes(), "the error code is forgotten");
    assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("lists_taken_back")), (1, 1));
    assert!(daemon.counter("list_answers_void") >= 1);
    let lines = log.lists();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("it answers 127.255.255.255: it is asked too often;"), "{lines:?}");
}

#[tokio::test]
async fn an_address_elsewhere_is_no_listing_but_only_the_test_points_set_a_list_aside() {
    let zone = format!("{SOUND}9.2.0.192.bl.example A 203.0.113.5");
    let daemon = Daemon::start_with(policy(&["bl.example"], ""), &zone).await;
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.9").await, passes());
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"));
    assert_eq!((daemon.counter("lists_set_aside"), daemon.counter("list_answers_void")), (0, 2));
}

#[tokio::test]
async fn a_list_without_test_points_is_believed_until_it_answers_error_codes() {
    let settings = "[dns]\nuntested_lists = ['bl.example']";
    let zone = "1.2.0.192.bl.example A 127.0.0.4";
    let daemon = Daemon::start_with(policy(&["bl.example"], settings), zone).await;
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.1").await, refused_by("bl.example"));
    daemon.dns.replace("*.bl.example A 127.255.255.254");
    daemon.server.test_lists().await;
    assert_eq!(answers(&daemon, "192.0.2.1").await, passes());
    assert_eq!(daemon.counter("lists_set_aside"), 1);
}

#[tokio::test]
async fn the_server_tests_its_lists_by_itself_at_its_start_and_after_a_reload() {
    let log = Log::start();
    let bad = "*.bl.example A 127.0.0.2\n*.new.example A 127.0.0.2";
    let daemon = Daemon::start_with(policy(&["bl.example"], ""), bad).await;
    log.wait(1).await;
    let mut config = policy(&["new.example", "bl.example"], "");
    config.dns.nameservers = vec![daemon.dns.address()];
    daemon.server.replace(config).unwrap();
    let running = daemon.server.running();
    let states = || running.watch.states().into_iter().map(|list| (list.list.zone.to_string(), list.state));
    let aside =
        |zone: &str| states().any(|(name, state)| name == zone && matches!(state, State::SetAside(_)));
    assert!(aside("bl.example") && !aside("new.example"), "what is known of a list that stays is kept");
    log.wait(2).await;
    assert!(aside("new.example"));
    daemon.server.test_lists().await;
    assert_eq!(daemon.counter("lists_set_aside"), 2);
    assert_eq!(log.lists().len(), 2);
    let mut config = policy(&[], "");
    config.dns.nameservers = vec![daemon.dns.address()];
    daemon.server.replace(config).unwrap();
    assert!(daemon.server.running().watch.states().is_empty(), "a list that is gone is forgotten");
}

#[tokio::test]
async fn neither_the_start_nor_the_first_mail_waits_for_the_tests() {
    let mut config = policy(&["mute.example"], "");
    // The list stands behind a rule that answers, so that only its tests are asked.
    config.policy.lists[Stage::Recipient as usize].entries.rotate_left(1);
    config.policy.lookahead = false;
    let daemon = Daemon::start_with(config, "*.mute.example A TIMEOUT").await;
    let mut session = Session::open(&daemon, &From::named("client.example", "192.0.2.1")).await;
    session.helo("helo.example").await;
    session.mail("<from@sender.example>").await;
    assert_eq!(session.rcpt("<refused@rcpt.example>").await, passes().1);
    assert_eq!(daemon.counter("lists_set_aside"), 0);
}
