//! What the rows of the store mean: wait, or pass.

use crate::{
    lookup::greylist::{Greylisted, Profile, Terms, Voucher, Wait},
    time::Timestamp,
};
use std::time::Duration;

/// A row of the table `greylist`, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When this time of waiting began.
    pub first_seen: Timestamp,
    /// The last attempt; of a passed row noted once within `known_spacing`.
    pub last_seen: Timestamp,
    /// When it passed; `None` while it waits.
    pub passed_at: Option<Timestamp>,
    /// How many attempts were deferred.
    pub deferred: u32,
    /// How many attempts passed, as far as they were noted.
    pub passed: u32,
}

/// What the rows came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The answer.
    pub said: Greylisted,
    /// The row to write under the strongest name.
    pub row: Row,
}

/// Judges an attempt by the rows found under the client's names. The earliest first attempt counts, so that neither an
/// early retry nor one from another machine starts the wait anew; what passed once passes, whatever the clock does.
pub fn judge(terms: &Terms, brief: bool, now: Timestamp, rows: &[Row]) -> Ruling {
    let lives = |row: &&Row| is_live(terms, brief, now, row);
    let passed =
        rows.iter().filter(lives).filter(|row| row.passed_at.is_some()).min_by_key(|row| row.first_seen);
    if let Some(row) = passed {
        let row = Row { last_seen: now, passed: row.passed.saturating_add(1), ..*row };
        return Ruling { said: Greylisted::Passed, row };
    }
    let waiting = rows.iter().filter(lives).min_by_key(|row| row.first_seen);
    let fresh = Row { first_seen: now, last_seen: now, passed_at: None, deferred: 0, passed: 0 };
    let row = Row { last_seen: now, ..waiting.copied().unwrap_or(fresh) };
    let waited = since(row.first_seen, now);
    if waited >= terms.delay {
        let row = Row { passed_at: Some(now), passed: 1, ..row };
        return Ruling { said: Greylisted::Opened { waited }, row };
    }
    let why = if row.first_seen == now { Wait::New } else { Wait::EarlyRetry };
    let row = Row { deferred: row.deferred.saturating_add(1), ..row };
    Ruling { said: Greylisted::Waits { left: terms.delay.saturating_sub(waited), why }, row }
}

/// Whether a row passes by itself, too soon after its last use for another note of it. One that an administrator let pass
/// was not used before its first mail.
pub fn passes_unnoted(terms: &Terms, brief: bool, now: Timestamp, row: &Row) -> bool {
    row.passed_at.is_some()
        && row.passed > 0
        && is_live(terms, brief, now, row)
        && !apart(terms, row.last_seen, now)
}

/// Whether a row still counts. A first attempt in the future is one of a clock that has been set back since: the wait
/// begins anew, for it could last for ever.
fn is_live(terms: &Terms, brief: bool, now: Timestamp, row: &Row) -> bool {
    match (row.passed_at, terms.profile) {
        (None, _) => row.first_seen <= now && since(row.first_seen, now) <= terms.retry_window,
        // postgrey forgets only when it cleans up.
        (Some(_), Profile::Postgrey) => true,
        (Some(at), Profile::Mailward) if brief => since(at, now) <= terms.retry_window,
        (Some(_), Profile::Mailward) => since(row.last_seen, now) <= terms.max_age,
    }
}

/// The time from then to now; none if the clock was set back.
pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(now.0.saturating_sub(then.0)).unwrap_or(0))
}

/// A row of the table `known_client`, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How many proven retries were counted.
    pub passes: u32,
    /// When the last one was counted.
    pub last_pass: Timestamp,
    /// The first proven retry.
    pub first_seen: Timestamp,
    /// The last mail, noted once within `known_spacing`.
    pub last_seen: Timestamp,
    /// How many mails passed by it, as far as they were noted.
    pub hits: u32,
}

/// Whether a client is known well enough to pass without waiting.
pub fn vouches(terms: &Terms, voucher: &Voucher, known: &Known, now: Timestamp) -> bool {
    known.passes >= voucher.passes && remembers(terms, known, now)
}

fn remembers(terms: &Terms, known: &Known, now: Timestamp) -> bool {
    terms.profile == Profile::Postgrey || since(known.last_seen, now) <= terms.known_max_age
}

/// The entry after a mail that passed by it, if that is to be noted.
pub fn used(terms: &Terms, known: &Known, now: Timestamp) -> Option<Known> {
    let noted = match terms.profile {
        Profile::Mailward => known.last_seen,
        Profile::Postgrey => known.last_pass,
    };
    if !apart(terms, noted, now) {
        return None;
    }
    let used = Known { last_seen: now, hits: known.hits.saturating_add(1), ..*known };
    Some(match terms.profile {
        Profile::Mailward => used,
        // postgrey has one number for both.
        Profile::Postgrey => Known { passes: known.passes.saturating_add(1), last_pass: now, ..used },
    })
}

/// The entry after a proven retry, if that is to be counted.
pub fn counted(terms: &Terms, known: Option<&Known>, now: Timestamp) -> Option<Known> {
    let Some(known) = known.filter(|known| remembers(terms, known, now)) else {
        return Some(Known { passes: 1, last_pass: now, first_seen: now, last_seen: now, hits: 0 });
    };
    let counts = match terms.profile {
        Profile::Mailward => apart(terms, known.last_pass, now),
        Profile::Postgrey => now.0 >= known.last_pass.0.saturating_add(seconds(terms.known_spacing)),
    };
    counts.then(|| Known { passes: known.passes.saturating_add(1), last_pass: now, last_seen: now, ..*known })
}

/// Whether two moments are far enough apart to count twice, or the clock was set back.
pub fn apart(terms: &Terms, then: Timestamp, now: Timestamp) -> bool {
    then > now || since(then, now) >= terms.known_spacing
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const T: i64 = 1_000_000_000;

    fn waiting(first: i64) -> Row {
        let at = Timestamp(T + first);
        Row { first_seen: at, last_seen: at, passed_at: None, deferred: 1, passed: 0 }
    }

    fn passed(first: i64, last: i64) -> Row {
        let at = Timestamp(T + last);
        Row { last_seen: at, passed_at: Some(at), passed: 1, ..waiting(first) }
    }

    fn say(brief: bool, now: i64, rows: &[Row]) -> String {
        let said = judge(&Terms::default(), brief, Timestamp(T + now), rows).said;
        match said {
            Greylisted::Waits { left, .. } => format!("{said}, {} s left", left.as_secs()),
            Greylisted::Opened { waited } => format!("opened after {} s", waited.as_secs()),
            Greylisted::Passed
            | Greylisted::Known
            | Greylisted::Correspondent
            | Greylisted::Exempt
            | Greylisted::Whitelisted(_)
            | Greylisted::Unavailable(_) => said.to_string(),
        }
    }

    #[test]
    fn rows_are_judged_by_their_age() {
        let cases: [(i64, &[Row], &str); 16] = [
            (0, &[], "new, 240 s left"),
            (0, &[waiting(0)], "new, 240 s left"),
            (239, &[waiting(0)], "early-retry (1s missing), 1 s left"),
            (240, &[waiting(0)], "opened after 240 s"),
            (90_000, &[waiting(0)], "opened after 90000 s"),
            (90_001, &[waiting(0)], "new, 240 s left"),
            // Another name of the same client came earlier.
            (240, &[waiting(200), waiting(0)], "opened after 240 s"),
            (240, &[waiting(0), waiting(200)], "opened after 240 s"),
            (100_000, &[waiting(0), waiting(99_990)], "early-retry (230s missing), 230 s left"),
            (300, &[waiting(200), passed(0, 250)], "triplet found"),
            (36 * DAY, &[passed(-300, 0)], "triplet found"),
            (36 * DAY + 1, &[passed(-300, 0)], "new, 240 s left"),
            // The clock was set back.
            (-1, &[waiting(0)], "new, 240 s left"),
            (-DAY, &[waiting(0)], "new, 240 s left"),
            (-DAY, &[passed(-300, 0)], "triplet found"),
            (-DAY, &[waiting(0), waiting(-DAY - 240)], "opened after 240 s"),
        ];
        for (now, rows, want) in cases {
            assert_eq!(say(false, now, rows), want, "{now} {rows:?}");
        }
        assert_eq!(say(true, 90_000, &[passed(-300, 0)]), "triplet found");
        assert_eq!(say(true, 90_001, &[passed(-300, 0)]), "new, 240 s left");
    }

    #[test]
    fn an_early_retry_never_starts_the_wait_anew() {
        let mut row = waiting(0);
        for minute in 1..4 {
            let ruling = judge(&Terms::default(), false, Timestamp(T + 60 * minute), &[row]);
            assert_eq!(ruling.row.first_seen, Timestamp(T));
            row = ruling.row;
        }
        assert_eq!(row.deferred, 4);
        let ruling = judge(&Terms::default(), false, Timestamp(T + 240), &[row]);
        assert_eq!(ruling.said, Greylisted::Opened { waited: Duration::from_secs(240) });
        assert_eq!((ruling.row.passed_at, ruling.row.deferred), (Some(Timestamp(T + 240)), 4));
    }

    #[test]
    fn without_a_delay_the_first_attempt_passes() {
        let terms = Terms { delay: Duration::ZERO, ..Terms::default() };
        let ruling = judge(&terms, false, Timestamp(T), &[]);
        assert_eq!(ruling.said, Greylisted::Opened { waited: Duration::ZERO });
    }

    #[test]
    fn passes_count_once_an_hour() {
        for profile in [Profile::Mailward, Profile::Postgrey] {
            let terms = Terms { profile, ..Terms::default() };
            let voucher = Voucher { client: String::new(), sender_domain: String::new(), passes: 2 };
            let once = counted(&terms, None, Timestamp(T)).unwrap();
            assert!(!vouches(&terms, &voucher, &once, Timestamp(T)));
            assert_eq!(counted(&terms, Some(&once), Timestamp(T + 3_599)), None);
            let twice = counted(&terms, Some(&once), Timestamp(T + 3_600)).unwrap();
            assert!(vouches(&terms, &voucher, &twice, Timestamp(T + 3_600)));
            assert_eq!(used(&terms, &twice, Timestamp(T + 7_199)), None, "a use is noted once an hour");
            let later = used(&terms, &twice, Timestamp(T + 7_200)).unwrap();
            let postgrey = profile == Profile::Postgrey;
            assert_eq!((later.hits, later.passes), (1, if postgrey { 3 } else { 2 }));
            let long = Timestamp(T + 3_600 + 60 * DAY + 1);
            assert_eq!(
                vouches(&terms, &voucher, &twice, long),
                postgrey,
                "postgrey forgets when it cleans up"
            );
        }
    }
}
