//! The retry schedules of real senders, and a flood, judged by our rules and by postgrey's: nobody waits longer than with
//! postgrey, nobody is lost, and no more of the flood passes.
//!
//! Measured (Pagani et al., DSN 2016) are the first attempts of gmail, hotmail, yahoo, aol and mail.ru and their numbers of
//! addresses. Assumed are what follows after them, the other three senders, that each address of a pool lies in a network
//! of its own, and that all its verified names end in one domain; `without names` shows what is left if they do not.
//! The flood never comes back, so it only shows that the keys do not run together. Beside ours stands the profile,
//! not postgrey itself: that it gives postgrey's verdicts is shown by `tests/postgrey.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{greylist::Settings, store::sqlite::SqliteStore};
use support::{
    directory::Directory,
    greylist::{T, passes, sqlite},
};

const TO: &str = "to@rcpt.example";

/// A sender: the host names' domain, how many networks it sends from in turn, its attempts in seconds after the first,
/// what follows after them (every so often, so many times), and how many messages with a sender of their own it sends,
/// a day apart.
struct Sender {
    name: &'static str,
    domain: &'static str,
    networks: usize,
    first: &'static [i64],
    then: (i64, usize),
    messages: usize,
}

const SENDERS: [Sender; 8] = [
    sender("gmail, 7 networks", "google.com", 7, &[0, 362, 1_742, 3_396], (3_600, 40), 3),
    sender("hotmail, every 4 minutes", "outlook.com", 1, &[0, 61, 123, 184, 306, 487, 728], (240, 300), 3),
    sender("yahoo", "yahoo.com", 1, &[0, 127, 339, 778], (1_800, 40), 2),
    sender("gives up after 31 minutes", "aol.com", 1, &[0, 332, 692, 1_292, 1_892], (0, 0), 2),
    sender("mail.ru, 7 networks", "mail.ru", 7, &[0, 78, 1_155, 2_954], (3_600, 40), 2),
    sender("a pool of 15 networks", "pool.example", 15, &[0, 900], (900, 90), 3),
    sender("a sender per message", "amazonses.com", 4, &[0, 310, 900], (1_800, 40), 5),
    sender("a small server", "small.example", 1, &[0, 300, 900], (4_000, 40), 2),
];

const fn sender(
    name: &'static str,
    domain: &'static str,
    networks: usize,
    first: &'static [i64],
    then: (i64, usize),
    messages: usize,
) -> Sender {
    Sender { name, domain, networks, first, then, messages }
}

impl Sender {
    fn attempts(&self) -> Vec<i64> {
        let (every, times) = self.then;
        let last = self.first.last().copied().unwrap_or(0);
        let more = (1..=times).map(|number| last + every * i64::try_from(number).unwrap());
        self.first.iter().copied().chain(more).collect()
    }

    /// How long each of its messages waits; `None` for one that is lost.
    async fn delays(&self, settings: &Settings) -> Vec<Option<i64>> {
        let directory = Directory::new();
        let store = sqlite(&directory);
        let (mut delays, mut attempt) = (Vec::new(), 0);
        for message in 0..self.messages {
            let begins = T + 86_400 * i64::try_from(message).unwrap();
            // A token of 16 and more, as Amazon's.
            let from = format!("0100018f2c7d3a5e{message:04x}-1b2c3d4e-{message}@{}", self.domain);
            let mut delay = None;
            for after in self.attempts() {
                let network = attempt % self.networks;
                attempt += 1;
                let client = (format!("198.18.{network}.9"), format!("mx{network}.out.{}", self.domain));
                if passes(&store, settings, begins + after, (&client.0, &client.1), (&from, TO)).await {
                    delay = Some(after);
                    break;
                }
            }
            delays.push(delay);
        }
        delays
    }
}

#[tokio::test]
async fn no_sender_waits_longer_than_with_postgrey_and_none_is_lost() {
    for sender in &SENDERS {
        let theirs = sender.delays(&Settings::postgrey()).await;
        eprintln!("{:<28} postgrey      {theirs:?}", sender.name);
        for (rules, verified_names) in [("mailward", true), ("without names", false)] {
            let ours = sender.delays(&Settings { verified_names, ..Settings::default() }).await;
            eprintln!("{:<28} {rules:<13} {ours:?}", "");
            assert!(ours.iter().all(Option::is_some), "{}, {rules}: {ours:?}", sender.name);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!(theirs.is_none() || ours <= theirs, "{}, {rules}: {ours:?} {theirs:?}", sender.name);
            }
        }
    }
}

#[tokio::test]
async fn no_more_of_a_flood_passes_than_with_postgrey() {
    const FLOOD: usize = 10_000;
    let mut passed = Vec::new();
    for settings in [Settings::default(), Settings::postgrey()] {
        let directory = Directory::new();
        let store: SqliteStore = sqlite(&directory);
        let mut through = 0;
        for number in 0..FLOOD {
            let address = format!("10.{}.{}.7", number / 4 % 250, number % 100);
            let from = format!("{}@spam{}.example", ["ann", "bob", "eve", "joe"][number % 4], number / 7);
            let at = T + i64::try_from(number / 10).unwrap();
            through += usize::from(passes(&store, &settings, at, (&address, ""), (&from, TO)).await);
        }
        // One mail server among them, which comes back.
        let small = ("203.0.113.5", "mx.small.example");
        let mail = ("from@small.example", TO);
        assert!(!passes(&store, &settings, T + 1_000, small, mail).await);
        assert!(passes(&store, &settings, T + 1_310, small, mail).await);
        passed.push(through);
    }
    eprintln!("of {FLOOD} that never come back pass: mailward {}, postgrey {}", passed[0], passed[1]);
    assert!(passed[0] <= passed[1], "{passed:?}");
}
