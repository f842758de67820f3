//! Parity: random restriction lists and random sessions, answered by the packaged Postfix's own lists and by mailward as
//! the milter of a Postfix without lists. Code, enhanced code and text must be the same to the letter.
//!
//! `PARITY_SESSIONS` says how many sessions are played (half of them by a fixed seed, half by a random one, which is
//! printed), `PARITY_SEED` gives the seed for all of them, `PARITY_SET` the only set to play, `PARITY_SHRINK` how many
//! differences are made small (1).

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test, and no crate uses it"
)]

mod support;

#[path = "parity/coverage.rs"]
mod coverage;
#[path = "parity/dialogue.rs"]
mod dialogue;
#[path = "parity/lists.rs"]
mod lists;
#[path = "parity/maker.rs"]
mod maker;
#[path = "parity/play.rs"]
mod play;
#[path = "parity/policy_service.rs"]
mod policy_service;
#[path = "parity/random.rs"]
mod random;
#[path = "parity/session.rs"]
mod session;
#[path = "parity/shrink.rs"]
mod shrink;
#[path = "parity/stand.rs"]
mod stand;
#[path = "parity/tables.rs"]
mod tables;
#[path = "parity/universe.rs"]
mod universe;
#[path = "parity/vocabulary.rs"]
mod vocabulary;

use coverage::{Coverage, Records};
use maker::{Deck, Maker};
use play::Exchange;
use random::Random;
use session::Session;
use stand::{Case, Played, Stand};
use std::{collections::BTreeMap, env, fmt::Display, str::FromStr};
use support::{
    directory::Directory,
    postfix::{available, say},
};

/// The seed of every run, so that a change is judged by the same sessions.
const SEED: u64 = 20_060_501;
/// How many sessions CI plays.
const SESSIONS: usize = 600;
/// How many more are played, and how often, while a cell of the table is empty.
const FILL: usize = 160;
const FILLS: u64 = 12;
/// Sessions for each set: a set costs two smtpd processes.
const PER_SET: usize = 8;
/// Sets that one Postfix serves.
const PER_BATCH: usize = 40;
/// How many differences are written out.
const SHOWN: usize = 40;

/// What a run came to.
#[derive(Default)]
struct Tally {
    sessions: usize,
    accepted: usize,
    commands: usize,
    /// The session with the first difference.
    first: Option<usize>,
    differences: Vec<(u64, Case, Played)>,
    unplanned: Vec<String>,
    refused: BTreeMap<String, usize>,
}

#[test]
fn mailward_answers_generated_sessions_as_postfix_does() {
    if !available("generated sessions with Postfix and mailward") {
        return;
    }
    let missing = coverage::missing();
    assert!(missing.is_empty(), "tests/parity/vocabulary.rs has no line for {missing:?}");
    let sessions = variable("PARITY_SESSIONS").unwrap_or(SESSIONS);
    let halves = match variable("PARITY_SEED") {
        Some(seed) => vec![(seed, sessions)],
        None => vec![(SEED, sessions / 2), (random_seed(), sessions - sessions / 2)],
    };
    let records = Records::collect();
    let stand = Stand::set();
    let (mut tally, mut coverage) = (Tally::default(), Coverage::default());
    for (seed, sessions) in halves {
        say(&format!("parity: {sessions} sessions of PARITY_SEED={seed}"));
        run(&stand, seed, sessions, Deck::default(), &mut tally, || coverage.count(&records));
    }
    if sessions >= SESSIONS {
        fill(&stand, &mut tally, &mut coverage, &records);
    }
    say(&coverage.table());
    let mut faults = tally.report(&stand);
    if sessions >= SESSIONS {
        let empty = coverage.empty();
        faults.extend(empty.iter().map(|(name, outcome)| format!("never reached: {name}: {outcome}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Plays sets of what was not reached yet, until it was: rare outcomes want more sessions than the others.
fn fill(stand: &Stand, tally: &mut Tally, coverage: &mut Coverage, records: &Records) {
    for round in 1..=FILLS {
        let wanted: Vec<&str> = coverage.empty().into_iter().map(|(name, _)| name).collect();
        if wanted.is_empty() {
            return;
        }
        say(&format!("parity: {FILL} sessions more for {}", wanted.join(", ")));
        run(stand, SEED + round, FILL, Deck::of(wanted), tally, || coverage.count(records));
    }
}

/// Generates and plays, batch by batch; `after` follows each batch.
fn run(
    stand: &Stand,
    seed: u64,
    sessions: usize,
    mut deck: Deck,
    tally: &mut Tally,
    mut after: impl FnMut(),
) {
    let sets = sessions.div_ceil(PER_SET);
    for first in (0..sets).step_by(PER_BATCH) {
        let numbers = first..sets.min(first + PER_BATCH);
        let mut cases: Vec<Case> =
            numbers.map(|number| case(stand, seed, number, &mut deck, tally)).collect();
        if let Some(only) = variable::<usize>("PARITY_SET") {
            cases.retain(|case| case.set.number == only);
        }
        if cases.is_empty() {
            continue;
        }
        let played = stand.play(&cases);
        for (case, played) in cases.iter().zip(played) {
            for (session, played) in case.sessions.iter().zip(played) {
                tally.count(seed, &Case { set: case.set.clone(), sessions: vec![session.clone()] }, played);
            }
        }
        after();
    }
}

/// A set that mailward takes, with its sessions. What it refuses at load is counted.
fn case(stand: &Stand, seed: u64, number: usize, deck: &mut Deck, tally: &mut Tally) -> Case {
    let mut random = Random::part(seed, number);
    loop {
        let set = Maker::new(&mut random, deck).set(number);
        let directory = Directory::new();
        set.write_tables(directory.path());
        if let Err(faults) = stand.config(&set, directory.path()) {
            let errors = faults.lines().filter(|line| line.contains("error"));
            errors.for_each(|line| *tally.refused.entry(line.to_owned()).or_default() += 1);
            continue;
        }
        let sessions = (0..PER_SET).map(|_| Session::random(&mut random, &set)).collect();
        return Case { set, sessions };
    }
}

impl Tally {
    fn count(&mut self, seed: u64, case: &Case, played: Played) {
        self.sessions += 1;
        self.commands += played.postfix.len();
        self.accepted += usize::from(is_accepted(&played.postfix));
        let unplanned = played
            .postfix
            .iter()
            .chain(&played.mailward)
            .filter(|exchange| !case.set.faulty && exchange.reply[0].starts_with("451 4.3.5"));
        let where_from = format!("PARITY_SEED={seed}, set {}", case.set.number);
        self.unplanned.extend(
            unplanned.map(|exchange| format!("{where_from}: {} {}", exchange.said, exchange.reply[0])),
        );
        if played.difference.is_some() {
            self.first.get_or_insert(self.sessions);
            self.differences.push((seed, case.clone(), played));
        }
    }

    /// Says what was found; the faults come back.
    fn report(self, stand: &Stand) -> Vec<String> {
        let share = 100 * self.accepted / self.sessions.max(1);
        let first = self.first.map_or_else(String::new, |first| format!(", the first in session {first}"));
        say(&format!(
            "parity: {} sessions, {} commands, {share} % accepted, {} differences{first}",
            self.sessions,
            self.commands,
            self.differences.len()
        ));
        let refused: usize = self.refused.values().sum();
        let mut faults = self.unplanned;
        faults.iter_mut().for_each(|fault| fault.insert_str(0, "unplanned configuration error: "));
        if share < 30 {
            faults.push(format!("only {share} % of the sessions end accepted"));
        }
        if refused * 5 > self.sessions {
            faults.push(format!("mailward refuses too many of the lists at load: {:#?}", self.refused));
        } else if refused > 0 {
            say(&format!("parity: {refused} faults at load in sets that were made again"));
        }
        for (seed, case, played) in self.differences.iter().take(SHOWN) {
            let difference = played.difference.as_ref().unwrap();
            faults.push(format!(
                "PARITY_SEED={seed}, set {}: C: {}\n  postfix:  {}\n  mailward: {}",
                case.set.number, difference.said, difference.postfix, difference.mailward
            ));
        }
        let shrunk = variable("PARITY_SHRINK").unwrap_or(1);
        // One of each set: the others are often the same.
        let mut differences = self.differences;
        differences.dedup_by_key(|(seed, case, _)| (*seed, case.set.number));
        for (_, case, _) in differences.into_iter().take(shrunk) {
            faults.push(match shrink::shrink(stand, case) {
                Some((Case { set, sessions }, played)) => format!(
                    "the smallest session that shows it, as a dialogue file:\n\n{}\nmailward: {:?}",
                    dialogue::dialogue(&set, &sessions[0], &played.postfix),
                    played.difference
                ),
                None => "the first difference did not come again".to_owned(),
            });
        }
        faults
    }
}

/// Whether the session's last message had a recipient that Postfix accepted.
fn is_accepted(exchanges: &[Exchange]) -> bool {
    let mails = exchanges.iter().rposition(|exchange| exchange.said.starts_with("MAIL")).unwrap_or(0);
    let mut recipients = exchanges[mails..].iter().filter(|exchange| exchange.said.starts_with("RCPT"));
    recipients.any(|exchange| exchange.class() == '2')
}

fn variable<T: FromStr<Err: Display>>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}={value}: {error}")))
}

/// Another one each time.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}
