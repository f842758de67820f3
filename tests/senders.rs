//! The retry schedules of real senders, and a flood, judged on the same events by our rules, by the profile, and by the
//! packaged postgrey where there is one: nobody waits longer than with postgrey, nobody is lost, and no more of the
//! flood passes.
//!
//! Measured (Pagani et al., DSN 2016) are the first attempts of gmail, hotmail, yahoo, qq, mail.ru, yandex, mail.com,
//! gmx, aol and india.com, their numbers of addresses, and when aol and qq gave up; Exchange's attempts are its default.
//! Assumed are what follows after the first attempts, the other senders, that each address of a pool lies in a network
//! of its own, and that all its verified names end in one domain; `without names` shows what is left if they do not.
//! No list of exceptions is read on either side.

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
    postgrey::Postgrey,
};

const TO: &str = "to@rcpt.example";
const DAY: i64 = 86_400;

/// Who judges: with a database of its own.
enum Judge {
    Rules(Box<Settings>, SqliteStore),
    Postgrey(Postgrey),
}

impl Judge {
    fn with_rules(directory: &Directory, settings: &Settings) -> Self {
        Self::Rules(Box::new(settings.clone()), sqlite(directory))
    }

    /// Whether an attempt passes: the client's address and verified name, sender and recipient.
    async fn passes(&mut self, at: i64, client: (&str, &str), mail: (&str, &str)) -> bool {
        match self {
            Self::Rules(settings, store) => passes(store, settings, at, client, mail).await,
            Self::Postgrey(postgrey) => postgrey.passes(at, client.0, mail),
        }
    }
}

/// A sender: the host names' domain, how many networks it sends from in turn, its attempts in seconds after the first,
/// what follows after them (every so often, so many times), and how many messages it sends, a day apart.
struct Sender {
    name: &'static str,
    domain: &'static str,
    networks: usize,
    first: &'static [i64],
    then: (i64, usize),
    messages: usize,
    /// Whether each message has a sender of its own, with a token as Amazon's.
    token: bool,
}

const QQ: [i64; 8] = [0, 305, 605, 1_205, 2_405, 4_805, 8_405, 12_240];

const SENDERS: [Sender; 15] = [
    sender("gmail, 7 addresses", "google.com", 7, &[0, 362, 1_742, 3_396], (3_600, 40), 3),
    sender("yahoo", "yahoo.com", 1, &[0, 127, 339, 778], (1_800, 40), 2),
    sender("hotmail, every 4 minutes", "outlook.com", 1, &[0, 61, 123, 184, 306, 487, 728], (240, 300), 3),
    sender("qq, gives up after 204 min", "qq.com", 2, &QQ, (0, 0), 2),
    sender("mail.ru, 7 addresses", "mail.ru", 7, &[0, 78, 1_155, 2_954], (3_600, 40), 2),
    sender("yandex", "yandex.ru", 1, &[0, 65, 178, 413, 895], (1_800, 40), 2),
    sender("mail.com", "mail.com", 1, &[0, 302, 757], (1_800, 40), 2),
    sender("gmx, 3 addresses", "gmx.net", 3, &[0, 301, 753], (1_800, 40), 3),
    sender("aol, gives up after 32 min", "aol.com", 1, &[0, 332, 692, 1_292, 1_892], (0, 0), 2),
    sender("india.com", "india.com", 1, &[0, 381], (1_800, 40), 2),
    sender("a pool of 15 addresses", "pool.example", 15, &[0, 900], (900, 90), 3),
    sender("an Exchange server", "exchange.example", 1, &EXCHANGE, (600, 40), 2),
    sender("a small server", "small.example", 1, &[0, 300, 900], (4_000, 40), 2),
    Sender { token: true, ..sender("SES, a sender per message", "amazonses.com", 4, &SES, (1_800, 40), 5) },
    Sender { token: true, ..sender("the same from one network", "mailer.example", 1, &SES, (1_800, 40), 5) },
];

const EXCHANGE: [i64; 11] = [0, 60, 120, 180, 240, 540, 840, 1_140, 1_440, 1_740, 2_040];
const SES: [i64; 3] = [0, 310, 900];

const fn sender(
    name: &'static str,
    domain: &'static str,
    networks: usize,
    first: &'static [i64],
    then: (i64, usize),
    messages: usize,
) -> Sender {
    Sender { name, domain, networks, first, then, messages, token: false }
}

impl Sender {
    fn attempts(&self) -> Vec<i64> {
        let (every, times) = self.then;
        let last = self.first.last().copied().unwrap_or(0);
        let more = (1..=times).map(|number| last + every * i64::try_from(number).unwrap());
        self.first.iter().copied().chain(more).collect()
    }

    /// All attempts of all messages in the order of time: when, of which message, how long after its first, and from
    /// which network.
    fn events(&self) -> Vec<(i64, usize, i64, usize)> {
        let mut events = Vec::new();
        for message in 0..self.messages {
            for (attempt, after) in self.attempts().into_iter().enumerate() {
                // A pool goes on where it was.
                let network = (message * 3 + attempt) % self.networks;
                events.push((T + DAY * i64::try_from(message).unwrap() + after, message, after, network));
            }
        }
        events.sort_unstable();
        events
    }

    /// How long each of its messages waits; `None` for one that is lost.
    async fn delays(&self, mut judge: Judge) -> Vec<Option<i64>> {
        let mut delays = vec![None; self.messages];
        for (at, message, after, network) in self.events() {
            if delays[message].is_some() {
                continue;
            }
            let local = match self.token {
                true => format!("0100018f2c7d3a5e{message:04x}-1b2c3d4e-{message}"),
                false => "bob".to_owned(),
            };
            let mail = format!("{local}@{}", self.domain);
            let client = (format!("198.18.{network}.9"), format!("mx{network}.out.{}", self.domain));
            if judge.passes(at, (&client.0, &client.1), (&mail, TO)).await {
                delays[message] = Some(after);
            }
        }
        delays
    }

    async fn delays_by(&self, settings: &Settings) -> Vec<Option<i64>> {
        let directory = Directory::new();
        self.delays(Judge::with_rules(&directory, settings)).await
    }
}

/// `6 min` for seconds, `lost` for none.
fn shown(delays: &[Option<i64>]) -> String {
    let one = |delay: &Option<i64>| match delay {
        Some(0) => "at once".to_owned(),
        Some(delay @ 1..7_200) => format!("{}:{:02} min", delay / 60, delay % 60),
        Some(delay) => format!("{}:{:02} h", delay / 3_600, delay % 3_600 / 60),
        None => "LOST".to_owned(),
    };
    delays.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn no_sender_waits_longer_than_with_postgrey_and_none_is_lost() {
    let real = Postgrey::available("the senders beside postgrey itself");
    for sender in &SENDERS {
        let theirs = sender.delays_by(&Settings::postgrey()).await;
        eprintln!("{:<27} postgrey      {}", sender.name, shown(&theirs));
        if real {
            let directory = Directory::new();
            let itself = sender.delays(Judge::Postgrey(Postgrey::start(directory.path()))).await;
            assert_eq!(itself, theirs, "{}: the profile differs from postgrey", sender.name);
        }
        for (rules, verified_names) in [("mailward", true), ("without names", false)] {
            let ours = sender.delays_by(&Settings { verified_names, ..Settings::default() }).await;
            eprintln!("{:<27} {rules:<13} {}", "", shown(&ours));
            assert!(ours.iter().all(Option::is_some), "{}, {rules}: {}", sender.name, shown(&ours));
            // Without names later messages of a pool may wait once more: postgrey remembers two days what never came back.
            let compared = if verified_names { ours.len() } else { 1 };
            let mut pairs = ours.iter().zip(&theirs).take(compared);
            let longer = pairs.any(|(ours, theirs)| theirs.is_some() && ours > theirs);
            assert!(
                !longer,
                "{}, {rules}: {} waits longer than {}",
                sender.name,
                shown(&ours),
                shown(&theirs)
            );
        }
    }
}

/// A mail of the flood: when, from which address, from whom and to whom.
struct Spam {
    at: i64,
    network: usize,
    address: String,
    from: String,
    to: String,
}

const FLOOD: usize = 10_000;
/// The first so many networks of the flood send more mail than a network may have waiting.
const CROWDED: usize = 10;
const NETWORKS: usize = 50;

/// The flood in 17 minutes, four times as long as the wait: 50 networks of many addresses, 97 sender domains and 211
/// recipients meet again and again in other pairs, so that whoever passes a whole network, domain or recipient lets it
/// through. Every mail has a sender of its own, of letters or a token, and none comes a second time.
fn flood() -> impl Iterator<Item = Spam> {
    (0..FLOOD).map(|number| {
        let crowded = number % 5 < 2;
        let network = if crowded { number / 5 % CROWDED } else { CROWDED + number % (NETWORKS - CROWDED) };
        let letters: String = (0..3)
            .map(|place| char::from(b'g' + u8::try_from(number >> (4 * place) & 15).unwrap()))
            .collect();
        let local = match number % 3 {
            0 => format!("{letters}{number:016x}"),
            _ => format!("x{letters}{}", char::from(b'g' + u8::try_from(number >> 12).unwrap())),
        };
        // The honest server's domain among them, but not in its network.
        let domain = match number % 97 {
            0 if network != HONEST => "small.example".to_owned(),
            other => format!("spam{other}.example"),
        };
        Spam {
            at: T + i64::try_from(number / 10).unwrap(),
            network,
            address: format!("10.0.{network}.{}", 7 + number % 200),
            from: format!("{local}@{domain}"),
            to: format!("user{}@rcpt.example", number % 211),
        }
    })
}

/// The network of the flood in which the honest server stands.
const HONEST: usize = CROWDED + 3;

/// How much of the flood passes, and how long two honest servers wait: one in a network of the flood, and one in a crowded
/// network that is at its limit when it comes.
async fn through(mut judge: Judge) -> (usize, Vec<Option<i64>>) {
    let servers = [(30, HONEST, "small.example"), (600, 1, "other.example")];
    // As Postfix comes back.
    let retries = [0, 300, 900, 1_900, 3_900, 7_900, 11_900];
    let mut waited = vec![None; servers.len()];
    let mut due = Vec::new();
    for (server, (begins, ..)) in servers.iter().enumerate() {
        due.extend(retries.map(|after| (T + begins + after, server, after)));
    }
    due.sort_unstable();
    let mut due = due.into_iter().peekable();
    let mut passed = 0;
    for spam in flood().map(Some).chain([None]) {
        let comes = |at: i64| spam.as_ref().is_none_or(|spam| at <= spam.at);
        while let Some((at, server, after)) = due.next_if(|(at, ..)| comes(*at)) {
            let (_, network, domain) = servers[server];
            let (address, name) = (format!("10.0.{network}.5"), format!("mx.{domain}"));
            let from = format!("from@{domain}");
            if waited[server].is_none() && judge.passes(at, (&address, &name), (&from, TO)).await {
                waited[server] = Some(after);
            }
        }
        let Some(Spam { at, address, from, to, .. }) = spam else { break };
        passed += usize::from(judge.passes(at, (&address, ""), (&from, &to)).await);
    }
    (passed, waited)
}

#[tokio::test]
async fn no_more_of_a_flood_passes_than_with_postgrey_and_who_comes_back_does() {
    let crowd = flood().filter(|spam| spam.network == 1).count();
    let limit = Settings::default().terms.waiting_limit;
    assert!(crowd > usize::try_from(limit).unwrap(), "{crowd} do not fill a network");
    let directory = Directory::new();
    let (theirs, they_wait) = through(Judge::with_rules(&directory, &Settings::postgrey())).await;
    if Postgrey::available("the flood beside postgrey itself") {
        let directory = Directory::new();
        let itself = through(Judge::Postgrey(Postgrey::start(directory.path()))).await;
        assert_eq!(itself, (theirs, they_wait.clone()), "the profile differs from postgrey");
    }
    eprintln!("of {FLOOD} postgrey lets {theirs} pass; honest servers wait {}", shown(&they_wait));
    for (rules, verified_names) in [("mailward", true), ("without names", false)] {
        let directory = Directory::new();
        let settings = Settings { verified_names, ..Settings::default() };
        let (ours, we_wait) = through(Judge::with_rules(&directory, &settings)).await;
        eprintln!("of {FLOOD} {rules} lets {ours} pass; honest servers wait {}", shown(&we_wait));
        assert!(ours <= theirs, "{ours} of the flood pass, with postgrey {theirs}");
        assert!(we_wait.iter().all(Option::is_some), "{we_wait:?}");
        // postgrey has no limit; with one the hour must be over.
        assert!(we_wait[0] <= they_wait[0] && we_wait[1] < Some(7_200 + 1_900), "{we_wait:?} {they_wait:?}");
    }
}
