//! From rows to attempts: which row begins one, which row ends it. A recipient that passes at RCPT waits for what becomes
//! of its message; rows of a message carry its name.

use crate::{
    cli::report::figures::{Moment, Outcome},
    journal::Row,
};
use std::collections::{HashMap, HashSet, VecDeque};

/// Messages that are followed at once. The oldest of more is taken for one whose end is not recorded.
const MESSAGES: usize = 20_000;
/// Recipients of messages under way, likewise.
const RECIPIENTS: usize = 200_000;
/// Sessions that would have been refused before MAIL, likewise.
const SESSIONS: usize = 20_000;

/// The end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// When the attempt began.
    pub(super) time: i64,
    /// The moment at which it ended.
    pub(super) moment: Moment,
    /// How.
    pub(super) outcome: Outcome,
    /// Whether the greylist let it pass after a wait.
    pub(super) came_back: bool,
    /// Whether the row that is being looked at ended it.
    pub(super) by_row: bool,
}

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// How many attempts have begun.
    pub(super) began: u64,
    messages: HashMap<Box<str>, Message>,
    /// The messages in the order of their beginning; those that ended may still be in it.
    order: VecDeque<Box<str>>,
    recipients: usize,
    /// Sessions of `mode = "observe"` that would have ended at CONNECT or HELO, by address and port of the client.
    gone: HashMap<(Box<str>, u16), Moment>,
}

/// A message under way.
#[derive(Debug, Default)]
struct Message {
    /// The recipients that passed so far.
    passed: Vec<Passed>,
    /// It would not have come to recipients at all: `mode = "observe"`.
    gone: bool,
}

/// A recipient that passed at RCPT.
#[derive(Clone, Copy, Debug)]
struct Passed {
    time: i64,
    came_back: bool,
}

impl UnderWay {
    /// Looks at a row: the attempts that end with it. `port` is the client's.
    pub(super) fn see(&mut self, row: &Row<'_>, port: u16, ended: &mut Vec<Ended>) {
        let stops = stop(row);
        match row.event.as_ref() {
            "CONNECT" | "HELO" => self.before_mail(row, port, stops, ended),
            "MESSAGE" => self.end(row, ended),
            _ if self.is_gone(row, port, ended) => {}
            "MAIL" => {
                if let Some(outcome) = stops {
                    self.begin_and_end(row, Moment::Mail, outcome, ended);
                    self.message(row, ended, |message| message.gone = true);
                }
            }
            "RCPT" => self.recipient(row, stops, ended),
            "DATA" => self.whole(row, Moment::Data, stops, ended),
            _ => self.whole(row, Moment::End, stops, ended),
        }
    }

    /// Nothing more comes: what is under way has no recorded end.
    pub(super) fn finish(mut self, ended: &mut Vec<Ended>) -> u64 {
        for (_, message) in self.messages.drain() {
            message.end(Moment::End, Outcome::Open, false, ended);
        }
        self.began
    }

    /// CONNECT and HELO concern a whole session: what they refuse is an attempt, what passes is none yet. As in Postfix
    /// a DISCARD is lost there, since there is no message.
    fn before_mail(&mut self, row: &Row<'_>, port: u16, stops: Option<Outcome>, ended: &mut Vec<Ended>) {
        let moment = if row.event == "CONNECT" { Moment::Connect } else { Moment::Helo };
        let session = session(row, port);
        if self.gone.get(&session).is_some_and(|at| *at < moment) {
            return;
        }
        self.gone.remove(&session);
        let Some(outcome) = stops.filter(|outcome| *outcome != Outcome::Discarded) else { return };
        self.begin_and_end(row, moment, outcome, ended);
        if row.observed {
            if self.gone.len() >= SESSIONS {
                self.gone.clear();
            }
            self.gone.insert(session, moment);
        }
    }

    /// Whether the row would not exist if an earlier refusal had taken effect.
    fn is_gone(&mut self, row: &Row<'_>, port: u16, ended: &mut Vec<Ended>) -> bool {
        if !row.observed {
            return false;
        }
        let named = row.message.as_deref().and_then(|name| self.messages.get(name));
        if named.is_some_and(|message| message.gone) {
            return true;
        }
        let gone = !self.gone.is_empty() && self.gone.contains_key(&session(row, port));
        if gone {
            self.message(row, ended, |message| message.gone = true);
        }
        gone
    }

    fn recipient(&mut self, row: &Row<'_>, stops: Option<Outcome>, ended: &mut Vec<Ended>) {
        let Some(outcome) = stops else {
            self.began += 1;
            let came_back = !row.observed && row.greylist.as_deref() == Some("opened");
            let passed = Passed { time: row.time, came_back };
            if row.message.is_none() {
                return ended.push(passed.ended(Moment::End, Outcome::Open, false));
            }
            self.recipients += 1;
            return self.message(row, ended, |message| message.passed.push(passed));
        };
        self.begin_and_end(row, Moment::Rcpt, outcome, ended);
        if outcome == Outcome::Discarded {
            // The message goes with all its recipients.
            self.all_of_message(row, Moment::Rcpt, outcome, ended);
        }
        if row.observed {
            // What becomes of the message is no attempt of its own.
            self.message(row, ended, |_| {});
        }
    }

    /// A decision at DATA or at the end of a message holds for all its recipients.
    fn whole(&mut self, row: &Row<'_>, moment: Moment, stops: Option<Outcome>, ended: &mut Vec<Ended>) {
        let Some(outcome) = stops else { return };
        let known = row.message.as_deref().is_some_and(|name| self.messages.contains_key(name));
        if known {
            return self.all_of_message(row, moment, outcome, ended);
        }
        self.begin_and_end(row, moment, outcome, ended);
        self.message(row, ended, |_| {});
    }

    /// What became of a message. One whose recipients nobody judged is one attempt.
    fn end(&mut self, row: &Row<'_>, ended: &mut Vec<Ended>) {
        let outcome = match row.verdict.as_ref() {
            "accepted" => Outcome::Accepted,
            "held" => Outcome::Held,
            "discarded" => Outcome::Discarded,
            "deferred" => Outcome::Deferred,
            "rejected" => Outcome::Rejected,
            "aborted" => Outcome::Aborted,
            _ => Outcome::Open,
        };
        match row.message.as_deref().and_then(|name| self.messages.remove(name)) {
            Some(message) => {
                self.recipients -= message.passed.len();
                message.end(Moment::End, outcome, true, ended);
            }
            None => self.begin_and_end(row, Moment::End, outcome, ended),
        }
    }

    fn begin_and_end(&mut self, row: &Row<'_>, moment: Moment, outcome: Outcome, ended: &mut Vec<Ended>) {
        self.began += 1;
        ended.push(Ended { time: row.time, moment, outcome, came_back: false, by_row: true });
    }

    fn all_of_message(&mut self, row: &Row<'_>, moment: Moment, outcome: Outcome, ended: &mut Vec<Ended>) {
        let Some(message) = row.message.as_deref().and_then(|name| self.messages.get_mut(name)) else {
            return;
        };
        let passed = std::mem::take(&mut message.passed);
        self.recipients -= passed.len();
        ended.extend(passed.into_iter().map(|passed| passed.ended(moment, outcome, true)));
    }

    /// The row's message; to make room, the oldest ones end.
    fn message(&mut self, row: &Row<'_>, ended: &mut Vec<Ended>, change: impl FnOnce(&mut Message)) {
        let Some(name) = row.message.as_deref() else { return };
        if !self.messages.contains_key(name) {
            self.make_room(ended);
            self.order.push_back(name.into());
        }
        change(self.messages.entry(name.into()).or_default());
    }

    fn make_room(&mut self, ended: &mut Vec<Ended>) {
        while self.messages.len() >= MESSAGES || self.recipients > RECIPIENTS {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(message) = self.messages.remove(&oldest) {
                self.recipients -= message.passed.len();
                message.end(Moment::End, Outcome::Open, false, ended);
            }
        }
        if self.order.len() > 2 * MESSAGES {
            let known: HashSet<&str> = self.messages.keys().map(AsRef::as_ref).collect();
            self.order.retain(|name| known.contains(name.as_ref()));
        }
    }
}

impl Message {
    fn end(self, moment: Moment, outcome: Outcome, by_row: bool, ended: &mut Vec<Ended>) {
        ended.extend(self.passed.into_iter().map(|passed| passed.ended(moment, outcome, by_row)));
    }
}

impl Passed {
    fn ended(self, moment: Moment, outcome: Outcome, by_row: bool) -> Ended {
        Ended { time: self.time, moment, outcome, came_back: self.came_back, by_row }
    }
}

/// How a decision stops what it is about; `None` if it does not.
pub(super) fn stop(row: &Row<'_>) -> Option<Outcome> {
    if row.is_message() {
        return None;
    }
    match row.verdict.as_ref() {
        "reject" => Some(Outcome::Rejected),
        "defer" if is_greylisted(row) => Some(Outcome::Greylisted),
        "defer" => Some(Outcome::Deferred),
        "discard" => Some(Outcome::Discarded),
        _ => None,
    }
}

/// The null sender hears at DATA what the greylist said at RCPT: there only the entry tells.
fn is_greylisted(row: &Row<'_>) -> bool {
    row.entry.as_deref().is_some_and(|entry| entry.starts_with("greylist"))
        || matches!(row.greylist.as_deref(), Some("new" | "early-retry" | "too-many"))
}

fn session(row: &Row<'_>, port: u16) -> (Box<str>, u16) {
    (row.client.as_deref().unwrap_or_default().into(), port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    /// `time message event verdict`, `o` behind it: observed.
    fn row(line: &str) -> Row<'_> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Row {
            time: words[0].parse().unwrap(),
            message: Some(words[1]).filter(|name| *name != "-").map(Cow::Borrowed),
            event: words[2].into(),
            verdict: words[3].into(),
            observed: words.get(4) == Some(&"o"),
            client: Some("192.0.2.1".into()),
            ..Row::default()
        }
    }

    fn ends(lines: &str) -> (u64, Vec<String>) {
        let (mut under_way, mut ended) = (UnderWay::default(), Vec::new());
        for line in lines.lines() {
            under_way.see(&row(line), 1, &mut ended);
        }
        let began = under_way.finish(&mut ended);
        let show = |ended: &Ended| format!("{} {:?} {:?}", ended.time, ended.moment, ended.outcome);
        (began, ended.iter().map(show).collect())
    }

    #[test]
    fn every_attempt_ends_once() {
        let cases: [(&str, &[&str]); 17] = [
            ("1 m RCPT reject", &["1 Rcpt Rejected"]),
            ("1 m RCPT permit\n2 m MESSAGE accepted", &["1 End Accepted"]),
            (
                "1 m RCPT permit\n2 m RCPT permit\n3 m DATA defer\n4 m MESSAGE aborted",
                &["1 Data Deferred", "2 Data Deferred"],
            ),
            ("1 m RCPT permit\n2 m END-OF-MESSAGE reject\n2 m MESSAGE rejected", &["1 End Rejected"]),
            ("1 m RCPT permit\n2 m DATA permit\n3 m MESSAGE aborted", &["1 End Aborted"]),
            ("1 m RCPT permit", &["1 End Open"]),
            (
                "1 m RCPT permit\n2 m RCPT discard\n3 m MESSAGE aborted",
                &["2 Rcpt Discarded", "1 Rcpt Discarded"],
            ),
            ("1 m MESSAGE held", &["1 End Held"]),
            ("1 m DATA reject\n2 m MESSAGE aborted", &["1 Data Rejected"]),
            ("1 - CONNECT permit\n1 - HELO discard", &[]),
            ("1 - CONNECT reject\n2 - HELO defer", &["1 Connect Rejected", "2 Helo Deferred"]),
            (
                "1 m MAIL reject\n2 n MAIL permit\n2 n RCPT permit\n3 n MESSAGE accepted",
                &["1 Mail Rejected", "2 End Accepted"],
            ),
            // What would have been refused would not have come further.
            ("1 m RCPT defer o\n2 m DATA reject o\n3 m MESSAGE accepted o", &["1 Rcpt Deferred"]),
            (
                "1 - CONNECT reject o\n2 - HELO reject o\n3 m RCPT reject o\n4 m MESSAGE accepted o",
                &["1 Connect Rejected"],
            ),
            (
                "1 - HELO reject o\n2 - HELO permit o\n3 m RCPT permit o\n4 m MESSAGE accepted o",
                &["1 Helo Rejected", "3 End Accepted"],
            ),
            (
                "1 m MAIL defer o\n2 m RCPT reject o\n3 m RCPT permit o\n4 m MESSAGE accepted o",
                &["1 Mail Deferred"],
            ),
            (
                "1 m RCPT permit o\n2 m DATA reject o\n3 m END-OF-MESSAGE reject o\n3 m MESSAGE accepted o",
                &["1 Data Rejected"],
            ),
        ];
        for (lines, want) in cases {
            let (began, got) = ends(lines);
            assert_eq!(
                (began, got),
                (want.len() as u64, want.iter().map(|&end| end.to_owned()).collect()),
                "{lines}"
            );
        }
    }

    #[test]
    fn messages_without_end_take_bounded_memory() {
        let (mut under_way, mut ended) = (UnderWay::default(), Vec::new());
        for number in 0..100_000_i64 {
            let message = Some(Cow::Owned(number.to_string()));
            let row = Row {
                time: number,
                message,
                event: "RCPT".into(),
                verdict: "permit".into(),
                ..Row::default()
            };
            under_way.see(&row, 1, &mut ended);
        }
        assert_eq!((under_way.messages.len(), ended.len()), (MESSAGES, 100_000 - MESSAGES));
        assert!(under_way.order.len() <= 2 * MESSAGES + 1);
        assert_eq!(under_way.finish(&mut ended), 100_000);
        assert_eq!(ended.len(), 100_000);
    }
}
