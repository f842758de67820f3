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

use mailward::{greylist::Settings, store::sqlite::SqliteStore, time::FixedClock};
use std::sync::Arc;
use support::{directory::Directory, greylist::passes, postgrey::Postgrey};

/// Rounds of 1,000 attempts, each with a database of its own.
const ROUNDS: u64 = 4;

#[derive(Debug)]
struct Attempt {
    at: i64,
    address: String,
    sender: String,
    recipient: String,
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
            let Attempt { at, address, sender, recipient } = &attempt;
            let theirs = postgrey.passes(*at, address, (sender, recipient));
            let ours = passes(&store, &settings, *at, (address, ""), (sender, recipient)).await;
            assert_eq!(ours, theirs, "round {round}, attempt {number}: {attempt:?}");
            passed += usize::from(ours);
        }
    }
    assert!((500..3_500).contains(&passed), "both verdicts happen often: {passed} of 4000 passed");
}
