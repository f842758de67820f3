//! `profile = "postgrey"` against postgrey itself: the same attempts at the same times, the same verdicts.
//!
//! Left out are what are faults of postgrey: a clock that goes back, and addresses that stop its daemon.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    cli::Exit,
    greylist::Settings,
    store::sqlite::SqliteStore,
    time::{Clock, FixedClock, SystemClock},
};
use std::{collections::HashMap, sync::Arc};
use support::{
    directory::Directory,
    greylist::{command, known_by, passes, sqlite},
    postgrey::Postgrey,
};

/// Rounds of 1,000 attempts, each with a database of its own.
const ROUNDS: u64 = 4;

#[derive(Debug)]
struct Attempt {
    at: i64,
    address: String,
    sender: String,
    recipient: String,
}

impl Attempt {
    /// Whether postgrey lets it pass.
    fn passes(&self, postgrey: &mut Postgrey) -> bool {
        postgrey.passes(self.at, &self.address, (&self.sender, &self.recipient))
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// The next attempt: few enough names that they meet again, and steps of time around every limit.
fn attempt(numbers: &mut Numbers, at: &mut i64) -> Attempt {
    const STEPS: [i64; 14] = [0, 1, 7, 60, 150, 299, 300, 301, 1_800, 3_599, 3_600, 40_000, 172_799, 172_801];
    // Long steps are rare, or nothing would ever be remembered.
    let bound = if numbers.below(20) == 0 { STEPS.len() } else { 11 };
    *at += STEPS[numbers.below(bound)];
    let addresses =
        ["192.0.2.1", "192.0.2.99", "198.51.100.1", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"];
    let locals = [
        "bob",
        "Bob",
        "bob+x",
        "bob+y",
        "list-1",
        "list-22",
        "list-x1",
        "n_123",
        "n_124",
        "7.8",
        "prvs=1234abcdef=bob",
        "prvs=bob=1234abcdef",
        "prvs=a=b",
        "prvs=a=b=c",
        "a=b",
    ];
    let domain = numbers.of(&["a.example", "B.example"]);
    let sender = match numbers.below(16) {
        0 => String::new(),
        1 => "local".to_owned(),
        _ => format!("{}@{domain}", numbers.of(&locals)),
    };
    let recipient = numbers.of(&["to@rcpt.example", "To@rcpt.example", "other+x@rcpt.example"]).to_owned();
    // Half of them from clients that come too rarely to be known soon.
    let address = match numbers.below(2) {
        0 => numbers.of(&addresses).to_owned(),
        _ => format!("10.0.{}.{}", numbers.below(40), numbers.below(3)),
    };
    Attempt { at: *at, address, sender, recipient }
}

#[tokio::test]
async fn random_attempts_have_postgrey_s_verdicts() {
    if !Postgrey::available("random_attempts_have_postgrey_s_verdicts") {
        return;
    }
    let settings = Settings::postgrey();
    let mut passed = 0;
    for round in 1..=ROUNDS {
        let directory = Directory::new();
        let mut postgrey = Postgrey::start(directory.path());
        let path = directory.path().join("greylist.db");
        let file = mailward::config::settings::Greylist { path, ..Default::default() };
        let store = SqliteStore::new(&file, None, Arc::new(FixedClock::default()));
        let (mut numbers, mut at) = (Numbers(round), 1_000_000_000);
        for number in 0..1_000 {
            let attempt = attempt(&mut numbers, &mut at);
            let theirs = attempt.passes(&mut postgrey);
            let Attempt { at, address, sender, recipient } = &attempt;
            let ours = passes(&store, &settings, *at, (address, ""), (sender, recipient)).await;
            assert_eq!(ours, theirs, "round {round}, attempt {number}: {attempt:?}");
            passed += usize::from(ours);
        }
    }
    assert!((500..3_500).contains(&passed), "both verdicts happen often: {passed} of 4000 passed");
}

/// A directory with an empty greylist, and postgrey's database taken over into it.
async fn taken_over(from: &Directory, greylist: &str) -> Directory {
    let directory = Directory::new();
    mailward::store::GreylistStore::stats(&sqlite(&directory), known_by()).await.unwrap();
    let from = from.path().to_str().unwrap();
    let (exit, out, err) = command(&directory, greylist, &["import", "postgrey", from]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""), "{out}");
    directory
}

#[tokio::test]
async fn what_a_real_postgrey_knows_is_taken_over() {
    if !Postgrey::available("what_a_real_postgrey_knows_is_taken_over") {
        return;
    }
    let (theirs, now) = (Directory::new(), SystemClock.now().0);
    let mut postgrey = Postgrey::start(theirs.path());
    let (mut numbers, mut at) = (Numbers(7), 0);
    let mut attempts: Vec<Attempt> = (0..1_000).map(|_| attempt(&mut numbers, &mut at)).collect();
    // The last of them comes now, and nobody is known for longer than is remembered.
    let begin = now - at;
    assert!(at < 34 * 86_400, "{at}");
    let mut last = HashMap::new();
    for attempt in &mut attempts {
        attempt.at += begin;
        let key = (attempt.address.clone(), attempt.sender.clone(), attempt.recipient.clone());
        last.insert(key, attempt.passes(&mut postgrey));
    }
    let by = |after: i64| {
        let (address, sender) = ("203.0.113.5".to_owned(), "a@waits.example".to_owned());
        Attempt { at: now + after, address, sender, recipient: "to@rcpt.example".to_owned() }
    };
    assert!(!by(-100).passes(&mut postgrey));
    // Too long for one page of the database.
    let long = |name: &str, domain: &str| format!("{}@{domain}", name.repeat(495));
    let long =
        |at| Attempt { at, sender: long("x", "long.example"), recipient: long("y", "rcpt.example"), ..by(0) };
    assert!(!long(now - 900).passes(&mut postgrey) && long(now - 600).passes(&mut postgrey));
    let path = theirs.path().to_str().unwrap();
    let empty = Directory::new();
    mailward::store::GreylistStore::stats(&sqlite(&empty), known_by()).await.unwrap();
    let (exit, _, err) = command(&empty, "", &["import", "postgrey", path]);
    assert_eq!(exit, Exit::Unavailable, "it runs");
    assert!(err.contains("systemctl stop postgrey"), "{err}");
    postgrey.stop();

    let ours = taken_over(&theirs, "").await;
    let (store, settings) = (sqlite(&ours), Settings::default());
    let waits = ("203.0.113.5", "");
    let triplet = ("a@waits.example", "to@rcpt.example");
    assert!(!passes(&store, &settings, now + 139, waits, triplet).await);
    assert!(passes(&store, &settings, now + 140, waits, triplet).await, "240 s after its first attempt");
    let Attempt { sender, recipient, .. } = long(now);
    assert!(passes(&store, &settings, now, waits, (&sender, &recipient)).await);
    let mut known = 0;
    for ((address, sender, recipient), passed) in &last {
        // mailward remembers what the null sender proved for a day only.
        if *passed && !sender.is_empty() {
            known += 1;
            let passes = passes(&store, &settings, now, (address, ""), (sender, recipient)).await;
            assert!(passes, "{address} {sender} {recipient}");
        }
    }
    assert!(known > 100, "{known}");

    // With its profile the two go on with the same verdicts.
    let ours = taken_over(&theirs, "profile = 'postgrey'").await;
    let (store, settings) = (sqlite(&ours), Settings::postgrey());
    let mut postgrey = Postgrey::start(theirs.path());
    let mut at = now;
    for number in 0..500 {
        let attempt = attempt(&mut numbers, &mut at);
        let Attempt { at, address, sender, recipient } = &attempt;
        let ours = passes(&store, &settings, *at, (address, ""), (sender, recipient)).await;
        assert_eq!(ours, attempt.passes(&mut postgrey), "attempt {number}: {attempt:?}");
    }
}
