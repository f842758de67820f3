//! How long `mailward why` takes on a journal of 50 thousand and on one of 5 million decisions, in one run. By hand:
//! `cargo run --release --example journal [DIRECTORY]`; it needs about 6 GB there and some minutes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not a part of the filter"
)]

use mailward::{
    cli,
    config::settings,
    decision::{Decision, Deferrals, Outcome, Rule, Step, Summary, Verdict, Written, action::Action},
    journal::{Entry, Journal, Record},
    lookup::{
        Looked, Lookup,
        answers::{Answer, DnsAnswer},
    },
    origin::Origin,
    request::{
        DecisionId, Event, Stage,
        envelope::{Envelope, Path},
        session::{Client, Identity, Session},
    },
    smtp::{domain::Domain, helo::Helo, reply::Reply},
    time::{FixedClock, Timestamp},
};
use std::{
    env, fs,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, LazyLock, atomic::Ordering},
    time::{Duration, Instant},
};

const T: i64 = 1_146_441_600;
const SIZES: [u32; 2] = [50_000, 5_000_000];
const ROUNDS: usize = 9;

static POLICY: LazyLock<Arc<str>> = LazyLock::new(|| "0".into());

fn main() {
    let directory =
        env::args_os().nth(1).map_or_else(|| env::temp_dir().join("mailward-journal"), PathBuf::from);
    let places = SIZES.map(|size| {
        let place = directory.join(size.to_string());
        build(&place, size);
        place
    });
    println!("{:<28}{:>12}{:>12}{:>8}", "mailward why", SIZES[0], SIZES[1], "ratio");
    for what in
        ["192.0.2.7", "198.51.100.0/24", "rare.example", "nobody@nowhere.example", "a77@common.example"]
    {
        let [few, many] = [&places[0], &places[1]].map(|place| median(place, what));
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!(
            "{what:<28}{:>9.2} ms{:>9.2} ms{ratio:>8.2}",
            few.as_secs_f64() * 1e3,
            many.as_secs_f64() * 1e3
        );
    }
}

/// The middle of some runs.
fn median(place: &FilePath, what: &str) -> Duration {
    let config = place.join("mailward.toml");
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let arguments = ["mailward", "why", what, "-c", config.to_str().unwrap()];
            cli::run(arguments, &mut Vec::new(), &mut Vec::new());
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

/// A journal with so many decisions, unless it is there.
fn build(place: &FilePath, size: u32) {
    fs::create_dir_all(place).unwrap();
    let path = place.join("journal.db");
    fs::write(place.join("mailward.toml"), format!("journal.path = {path:?}\n")).unwrap();
    if path.exists() {
        return;
    }
    let settings = settings::Journal { path: Some(path), max_size: 1 << 40, ..settings::Journal::default() };
    let journal = Journal::start(&settings, Arc::new(FixedClock::at(Timestamp(T)))).unwrap();
    let rules: Vec<Rule> = (0..20).map(rule).collect();
    let begin = Instant::now();
    for number in 0..size {
        while u64::from(number) > journal.counters().written.load(Ordering::Relaxed) + 8_000 {
            std::thread::yield_now();
        }
        note(&journal, number, size, &rules);
    }
    journal.close();
    while journal.counters().written.load(Ordering::Relaxed) < u64::from(size) {
        assert!(journal.counters().dropped.load(Ordering::Relaxed) == 0, "{:?}", journal.counters());
    }
    println!("{size} decisions written in {:.1} s", begin.elapsed().as_secs_f64());
}

fn rule(number: u32) -> Rule {
    let written = Written {
        text: format!("reject_rbl_client list{number}.example").into(),
        origin: Origin::new("/etc/mailward/mailward.toml", number + 10, 5),
    };
    Rule { stage: Stage::Recipient, written: Arc::new(written) }
}

/// Four in five from a few large senders, one from anywhere; one of a thousand refused. What is rare is rare everywhere.
fn note(journal: &Journal, number: u32, size: u32, rules: &[Rule]) {
    let mixed = number.wrapping_mul(0x9e37_79b1);
    let (name, sender) = match number {
        number if number % (size / 10) == 7 => ("mail.rare.example".to_owned(), "x@rare.example".to_owned()),
        number if number % 5 == 0 => {
            (format!("mx.d{}.example", mixed % 200_000), format!("u@d{}.example", mixed % 200_000))
        }
        _ => (format!("out{}.common.example", mixed % 500), format!("a{}@common.example", mixed % 300_000)),
    };
    let address = if name == "mail.rare.example" { 0xc000_0207 } else { mixed >> 8 | 0x0a00_0000 };
    let now = Timestamp(T + i64::from(number / 4));
    let step = |rule: &Rule| Step {
        rule: rule.clone(),
        depth: 0,
        outcome: Outcome::Said(Action::Dunno),
        reason: None,
        lookups: Box::default(),
    };
    let mut steps: Vec<Step> = rules.iter().map(step).collect();
    let lookup = Lookup::A(Domain::for_query(&format!("{name}.list.example")).unwrap());
    let looked = Looked { lookup, answer: Answer::A(DnsAnswer::NotFound), took: Duration::ZERO };
    steps[3].lookups = [looked].into();
    let reply = Reply::from_shown("554 5.7.1 Service unavailable").unwrap();
    let refused = mixed.is_multiple_of(1_000);
    let decision = Decision {
        id: DecisionId { at: now, count: number },
        event: Event::Rcpt,
        summary: Summary::default(),
        verdict: if refused { Verdict::Reply(reply) } else { Verdict::Pass },
        rule: refused.then(|| rules[3].clone()),
        steps,
        amendments: Vec::new(),
        remarks: Vec::new(),
        deferrals: Deferrals::default(),
    };
    let session = Session {
        client: Client {
            address: Some(std::net::Ipv4Addr::from(address).into()),
            port: 40_000,
            identity: Identity::verified(&name),
        },
        helo: Some(Helo::from_wire(name.as_bytes())),
        ..Session::default()
    };
    let envelope = Envelope {
        sender: Some(Path::new(&sender)),
        instance: Some(DecisionId { at: now, count: number ^ 0x8000_0000 }),
        ..Envelope::default()
    };
    journal.note(&Entry::Decision(Record {
        decision: &decision,
        session: &session,
        envelope: &envelope,
        recipient: Some(&Path::new(&format!("user{}@example.org", mixed % 500))),
        now,
        exemption: None,
        carried: &Deferrals::default(),
        content: None,
        policy: &POLICY,
        observed: false,
    }));
}
