//! The words that terminal and page share: numbers, times, and the sentences about the whole.

use super::figures::{Ends, Greylist, List, Networks, Outcome, Overlap, Report, Rule};
use crate::{
    cli::why::date,
    smtp::text::{escaped, printable},
};

/// Groups of outcomes that share a colour, a pattern and a letter: what the charts show.
pub(super) const GROUPS: [Group; 5] = [
    Group { name: "accepted", letter: '=', of: |ends| ends.taken() },
    Group { name: "greylisted", letter: '.', of: |ends| ends.greylisted },
    Group { name: "deferred", letter: '~', of: |ends| ends.deferred },
    Group { name: "rejected", letter: '#', of: |ends| ends.rejected },
    Group { name: "other", letter: '?', of: Ends::others },
];

/// A group of outcomes.
pub(super) struct Group {
    /// What it is called.
    pub(super) name: &'static str,
    /// What it is drawn with on a terminal.
    pub(super) letter: char,
    /// How many.
    pub(super) of: fn(&Ends) -> u64,
}

/// `1,234,567`.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number; for zero a dash, so that what there is stands out.
pub(super) fn quiet(count: u64) -> String {
    if count == 0 { "–".to_owned() } else { number(count) }
}

/// `12.3 %`; of nothing, nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let per_mille = (u128::from(part) * 1_000 + u128::from(whole) / 2) / u128::from(whole);
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// `21 Nov 16:30`.
pub(super) fn minute(time: i64) -> String {
    let long = date(time);
    long.get(..long.len().saturating_sub(3)).unwrap_or_default().to_owned()
}

/// A stretch of time in the largest unit that divides it: `3 h`.
pub(super) fn width(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let found = units.into_iter().find(|(size, _)| seconds % size == 0);
    found.map_or_else(|| format!("{seconds} s"), |(size, unit)| format!("{} {unit}", seconds / size))
}

/// A client's text within so many characters, with nothing in it that a terminal obeys.
pub(super) fn shown(text: &str, characters: usize) -> String {
    cut(&escaped(text), characters)
}

/// The administrator's own text: a backslash of a pattern stays one.
pub(super) fn own(text: &str, characters: usize) -> String {
    cut(&printable(text, '?'), characters)
}

fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// The band: whether decisions took effect. One word, and a sentence.
pub(super) fn band(report: &Report) -> (&'static str, String) {
    let mode = report.mode;
    if mode.is_mixed() {
        let (observed, all) = (number(mode.observed), number(mode.observed + mode.enforced));
        let says = format!(
            "{observed} of {all} decisions took no effect: what they stopped would have been stopped."
        );
        return ("PARTLY OBSERVED", says);
    }
    let none = report.decisions.all == 0;
    match (mode.is_observed(), none) {
        (true, true) => ("OBSERVE", "Nothing is refused. No decision is recorded in this time.".to_owned()),
        (true, false) => {
            ("OBSERVE", "Nothing was refused. The figures say what would have happened.".to_owned())
        }
        (false, true) => ("ENFORCE", "No decision is recorded in this time.".to_owned()),
        (false, false) => ("ENFORCE", "Decisions took effect.".to_owned()),
    }
}

/// The period, and since when the journal tells of it.
pub(super) fn period(report: &Report) -> String {
    let period = report.period;
    let text = format!("{} to {} UTC", minute(period.from), minute(period.to));
    match period.journal_begins {
        None => format!("{text}; the journal is empty"),
        Some(begins) if begins > period.from => {
            format!("{text}; the journal begins {}", minute(begins))
        }
        Some(_) => text,
    }
}

/// How many decisions, by their verdict.
pub(super) fn decisions(report: &Report) -> String {
    let decisions = &report.decisions;
    let mut text = format!(
        "{} decisions: {} permit, {} defer, {} reject, {} discard.",
        number(decisions.all),
        number(decisions.permit),
        number(decisions.defer),
        number(decisions.reject),
        number(decisions.discard)
    );
    if decisions.unreadable > 0 {
        text += &format!(" The steps of {} cannot be read.", number(decisions.unreadable));
    }
    text
}

/// What there is to say about the accepted ones, and about those of no column of their own.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let attempts = &report.attempts;
    let mut notes = Vec::new();
    let mut note = |words: &str, count: u64| {
        if count > 0 {
            notes.push(format!("{words}: {}", number(count)));
        }
    };
    note("accepted, back from greylisting", attempts.came_back);
    note("accepted from users who had logged in", attempts.logged_in);
    note("accepted, held in the MTA's queue", attempts.ends.held);
    note("other, accepted and dropped by DISCARD", attempts.ends.discarded);
    note("other, broken off by the client or refused by somebody else", attempts.ends.aborted);
    note("other, no end of the message recorded", attempts.ends.open);
    if report.mode.is_mixed() {
        note("stopped in observe mode only", attempts.only_observed);
    }
    notes
}

/// A number with what it counts.
pub(super) struct Counted {
    /// What.
    pub(super) what: &'static str,
    /// How many.
    pub(super) count: u64,
    /// Of how many, where that says something.
    pub(super) share: Option<String>,
}

/// What greylisting came to; empty if it was not asked.
pub(super) fn greylist(greylist: &Greylist) -> Vec<Counted> {
    let Greylist { contacts, came_back, still_out, .. } = *greylist;
    let share = |count| Some(percent(count, contacts));
    let mut all = vec![
        Counted { what: "first contacts, asked to come back", count: contacts, share: None },
        Counted { what: "of them came back and passed", count: came_back, share: share(came_back) },
        Counted { what: "of them did not come back so far", count: still_out, share: share(still_out) },
    ];
    all.retain(|_| contacts > 0);
    let rest = [
        ("further first contacts, not followed", greylist.unfollowed),
        ("would have been asked to come back", greylist.would_wait),
        ("came back too early", greylist.early),
        ("came from networks with too many waiting", greylist.too_many),
        ("passed that had begun to wait before", greylist.from_before),
        ("passed at once, as known or exempt", greylist.known),
        ("decided without the database, which failed", greylist.unavailable),
    ];
    let some = rest.into_iter().filter(|(_, count)| *count > 0);
    all.extend(some.map(|(what, count)| Counted { what, count, share: None }));
    all
}

/// Where lists agree, the most frequent first: `a.example and b.example: 12`.
pub(super) fn overlaps(report: &Report, limit: usize) -> Vec<String> {
    let mut both: Vec<&Overlap> = report.overlaps.iter().collect();
    both.sort_by_key(|overlap| std::cmp::Reverse(overlap.both));
    let zone = |at: usize| report.lists.get(at).map_or("?", |list: &List| list.zone.as_str());
    let one = |overlap: &&Overlap| {
        let Overlap { one, other, both } = **overlap;
        format!("{} and {}: {}", shown(zone(one), 60), shown(zone(other), 60), number(both))
    };
    both.iter().take(limit).map(one).collect()
}

/// `192.0.2.80 mta3.billing.example`.
pub(super) fn client(address: &str, name: Option<&str>, characters: usize) -> String {
    match name {
        Some(name) => shown(&format!("{address} {name}"), characters),
        None => shown(&format!("{address} (no name)"), characters),
    }
}

/// An address between brackets, which what is in it cannot end.
pub(super) fn path(address: &str, characters: usize) -> String {
    format!("<{}>", shown(address, characters).replace(['<', '>'], "?"))
}

/// A median or quantile in milliseconds.
pub(super) fn millis(millis: Option<u64>) -> String {
    millis.map_or_else(|| "–".to_owned(), number)
}

/// An entry with its place.
pub(super) fn entry(rule: &Rule, characters: usize) -> String {
    own(&rule.entry, characters)
}

/// The place of an entry: the file's name without its directories, and the line.
pub(super) fn place(place: &str) -> String {
    own(place.rsplit('/').next().unwrap_or(place), 40)
}

/// How exact the networks' counts are, if they are not.
pub(super) fn uncertain(networks: &Networks) -> Option<String> {
    (networks.uncertain_by > 0).then(|| {
        format!(
            "{} networks were told apart; a count may be too low by up to {}.",
            number(networks.told_apart),
            number(networks.uncertain_by)
        )
    })
}

/// What happened to a refused mail.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Rejected => "rejected",
        Outcome::Deferred => "deferred",
        Outcome::Greylisted => "greylisted",
        Outcome::Discarded => "dropped",
        Outcome::Aborted => "broken off",
        Outcome::Open => "open",
        Outcome::Held => "held",
        Outcome::Accepted => "accepted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (41_203, "41,203"), (1_234_567, "1,234,567")];
        for (count, want) in cases {
            assert_eq!(number(count), want);
        }
        let cases = [(1, 3, "33.3 %"), (2, 3, "66.7 %"), (0, 3, "0.0 %"), (3, 3, "100.0 %"), (0, 0, "–")];
        for (part, whole, want) in cases {
            assert_eq!(percent(part, whole), want);
        }
        assert_eq!(
            (minute(1_146_441_660), width(10_800), width(86_400)),
            ("01 May 00:01".to_owned(), "3 h".to_owned(), "1 d".to_owned())
        );
    }

    #[test]
    fn what_is_shown_is_short_and_does_nothing() {
        assert_eq!(shown("a\u{1b}[2Jb", 20), "a\\u{1b}[2Jb");
        assert_eq!(shown(&"x".repeat(600), 5), "xxxx…");
        assert_eq!(path("a>b", 9), "<a?b>");
        assert_eq!(
            (own("a\\.b\u{7}", 9), place("/etc/mailward/mailward.toml:7")),
            ("a\\.b?".to_owned(), "mailward.toml:7".to_owned())
        );
    }
}
