//! From the rows of the journal to a story: what was tried, what came of it, and what came back later.

use super::admitted::By;
use crate::journal::Row;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What came of one attempt to deliver to one recipient, or of several that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Chapter {
    /// When it began, in Unix seconds.
    pub(super) time: i64,
    /// What came of it.
    pub(super) end: End,
    /// The client's address.
    pub(super) client: Option<String>,
    /// Its verified name.
    pub(super) client_name: Option<String>,
    /// Its HELO name.
    pub(super) helo: Option<String>,
    /// The sender; empty for the null sender.
    pub(super) sender: Option<String>,
    /// The recipient.
    pub(super) recipient: Option<String>,
    /// The queue id.
    pub(super) queue_id: Option<String>,
    /// The entry that decided.
    pub(super) rule: Option<String>,
    /// Where it stands.
    pub(super) place: Option<String>,
    /// The reply.
    pub(super) reply: Option<String>,
    /// The deciding decision's name.
    pub(super) id: String,
    /// Whether it took no effect.
    pub(super) observed: bool,
    /// How often it tried before, where it waited.
    pub(super) tries: u32,
    /// How it came back after its wait.
    pub(super) returned: Option<Return>,
    /// The list in which the entry stands.
    #[serde(skip)]
    pub(super) stage: Option<String>,
    /// What the entry asked DNS about without an answer.
    #[serde(skip)]
    pub(super) unanswered: Option<String>,
    /// The recipient, as far as the deciding decision knew it.
    #[serde(skip)]
    pub(super) judged: Option<String>,
    /// The exemption that would let it in now.
    #[serde(skip)]
    pub(super) admitted: Option<By>,
    /// What became of the message where the refusal took no effect.
    #[serde(skip)]
    pub(super) fate: Option<End>,
    #[serde(skip)]
    greylist: Option<String>,
    #[serde(skip)]
    waits: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The message went through.
    Accepted,
    /// The recipient was accepted; no end of the message is known.
    Open,
    /// The message was held for the administrator.
    Held,
    /// Accepted and dropped.
    Discarded,
    /// Greylisted.
    Waits,
    /// Refused for now.
    Deferred,
    /// Refused for good.
    Rejected,
    /// Accepted here, but the message did not come to its end.
    Aborted,
}

impl End {
    /// The end of a message, by the journal's word for it.
    fn of(fate: &str) -> Self {
        match fate {
            "accepted" => Self::Accepted,
            "held" => Self::Held,
            "discarded" => Self::Discarded,
            "deferred" => Self::Deferred,
            "rejected" => Self::Rejected,
            "aborted" => Self::Aborted,
            _ => Self::Open,
        }
    }
}

/// The retry that got through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Return {
    /// When.
    pub(super) time: i64,
    /// From where.
    pub(super) client: Option<String>,
    /// How long after the first attempt, in seconds.
    pub(super) waited: i64,
}

/// Tells the story of rows that are in the order of writing.
pub(super) fn tell(rows: &[Row<'_>]) -> Vec<Chapter> {
    let mut messages: BTreeMap<i64, Vec<&Row<'_>>> = BTreeMap::new();
    let mut first: HashMap<&str, i64> = HashMap::new();
    for row in rows {
        let key = row.message.as_deref().map_or(row.id, |message| *first.entry(message).or_insert(row.id));
        messages.entry(key).or_default().push(row);
    }
    let mut chapters: Vec<Chapter> = messages.into_values().flat_map(|rows| of_message(&rows)).collect();
    chapters.sort_by_key(|chapter| chapter.time);
    if chapters.is_empty() {
        // It connected, and nothing more came: that is not nothing.
        chapters.extend(rows.last().map(Chapter::of));
    }
    join(chapters)
}

/// The chapters of one message: one for each recipient.
fn of_message(rows: &[&Row<'_>]) -> Vec<Chapter> {
    let fate = rows.iter().rev().find(|row| row.is_message());
    let refused = |row: &&&Row<'_>| matches!(row.verdict.as_ref(), "reject" | "defer" | "discard");
    // What happened to the message as a whole: at MAIL, at DATA, at its end.
    let whole = rows.iter().rev().filter(|row| !row.is_message() && row.event != "RCPT").find(refused);
    let mut recipients: Vec<&Row<'_>> = Vec::new();
    for row in rows.iter().filter(|row| row.event == "RCPT") {
        let same = |known: &&Row<'_>| known.recipient == row.recipient;
        match recipients.iter().position(same) {
            Some(at) => recipients[at] = row,
            None => recipients.push(row),
        }
    }
    let mut chapters = Vec::new();
    for row in &recipients {
        let mut chapter = match (row.verdict.as_ref(), whole) {
            ("permit", Some(whole)) => Chapter { recipient: owned(&row.recipient), ..Chapter::of(whole) },
            _ => Chapter::of(row),
        };
        chapter.greylist = chapter.greylist.or_else(|| owned(&row.greylist));
        if let (End::Open, Some(fate)) = (chapter.end, fate) {
            chapter.meets(fate);
        }
        chapter.fate = fate.filter(|_| chapter.is_only_observed()).map(|fate| End::of(&fate.verdict));
        chapter.queue_id = chapter.queue_id.or_else(|| fate.and_then(|fate| owned(&fate.queue_id)));
        chapters.push(chapter);
    }
    if chapters.is_empty() {
        // Nobody judged the recipients, or none was told.
        chapters.extend(whole.or(fate).map(|row| Chapter::of(row)));
    }
    chapters
}

impl Chapter {
    pub(super) fn of(row: &Row<'_>) -> Self {
        let greylist = owned(&row.greylist);
        let by_greylist = row.entry.as_deref().is_some_and(|entry| entry.starts_with("greylist"));
        let waits = row.verdict == "defer"
            && (by_greylist || matches!(greylist.as_deref(), Some("new" | "early-retry" | "too-many")));
        let mut chapter = Self {
            time: row.time,
            end: End::Open,
            client: owned(&row.client),
            client_name: owned(&row.client_name).filter(|name| name != "unknown"),
            helo: owned(&row.helo),
            sender: owned(&row.sender),
            recipient: owned(&row.recipient),
            queue_id: owned(&row.queue_id),
            rule: row.entry.clone(),
            place: row.place.clone(),
            reply: owned(&row.reply),
            id: row.decision.clone().into_owned(),
            observed: row.observed,
            tries: 1,
            returned: None,
            stage: row.stage.clone(),
            unanswered: None,
            judged: owned(&row.recipient),
            admitted: None,
            fate: None,
            greylist,
            waits,
        };
        chapter.end = match row.verdict.as_ref() {
            "defer" if waits => End::Waits,
            "defer" => End::Deferred,
            "reject" => End::Rejected,
            "discard" => End::Discarded,
            _ => End::Open,
        };
        if row.is_message() {
            chapter.meets(row);
        }
        chapter
    }

    /// Takes what became of the message.
    fn meets(&mut self, fate: &Row<'_>) {
        self.end = End::of(&fate.verdict);
        self.reply = self.reply.take().or_else(|| owned(&fate.reply));
    }

    /// Whether it was not let in, now or for good.
    pub(super) fn is_refused(&self) -> bool {
        match self.end {
            End::Rejected | End::Deferred | End::Waits => true,
            End::Accepted | End::Open | End::Held | End::Discarded | End::Aborted => false,
        }
    }

    /// Whether it would have been refused or dropped, and went on: `mode = "observe"`.
    pub(super) fn is_only_observed(&self) -> bool {
        self.observed && (self.is_refused() || self.end == End::Discarded)
    }

    /// Whether the mail may have gone through.
    fn is_through(&self) -> bool {
        matches!(self.end, End::Accepted | End::Open | End::Held | End::Aborted)
    }

    fn key(&self) -> (String, String) {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or_default().to_lowercase();
        (lower(&self.sender), lower(&self.recipient))
    }
}

/// Joins the attempts of a mail that waited with the one that got through.
fn join(chapters: Vec<Chapter>) -> Vec<Chapter> {
    let mut waiting: HashMap<(String, String), usize> = HashMap::new();
    let mut told: Vec<Chapter> = Vec::new();
    for chapter in chapters {
        let key = chapter.key();
        let earlier = waiting.get(&key).copied();
        match earlier.and_then(|at| told.get_mut(at)) {
            Some(before) if chapter.waits && chapter.observed == before.observed => {
                before.tries = before.tries.saturating_add(1);
            }
            Some(before) if chapter.is_through() && !before.observed => {
                before.returned = Some(Return {
                    time: chapter.time,
                    client: chapter.client.clone(),
                    waited: chapter.time.saturating_sub(before.time),
                });
                before.end = chapter.end;
                before.queue_id = chapter.queue_id;
                waiting.remove(&key);
            }
            _ => {
                if chapter.waits {
                    waiting.insert(key, told.len());
                }
                told.push(chapter);
            }
        }
    }
    told
}

fn owned(text: &Option<std::borrow::Cow<'_, str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    /// `time message event verdict client sender recipient`, with `-` for nothing; the greylist's word behind `/`.
    fn row(id: i64, line: &str) -> Row<'_> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |at: usize| words.get(at).copied().filter(|word| *word != "-");
        let text = |at: usize| word(at).map(Cow::Borrowed);
        let (verdict, greylist) =
            word(3).unwrap().split_once('/').map_or((word(3).unwrap(), None), |(v, g)| (v, Some(g)));
        Row {
            id,
            time: word(0).unwrap().parse().unwrap(),
            decision: format!("1.{id:x}").into(),
            message: text(1),
            event: text(2).unwrap(),
            verdict: verdict.into(),
            greylist: greylist.map(Cow::Borrowed),
            client: text(4),
            sender: text(5),
            recipient: text(6),
            queue_id: text(7),
            ..Row::default()
        }
    }

    fn told(lines: &str) -> Vec<String> {
        let rows: Vec<Row<'_>> = lines.lines().enumerate().map(|(id, line)| row(id as i64, line)).collect();
        let show = |chapter: &Chapter| {
            let back = chapter.returned.as_ref().map_or(String::new(), |back| {
                format!(" back after {} from {}", back.waited, back.client.as_deref().unwrap_or("-"))
            });
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {:?} {} {} x{}{back}",
                chapter.time,
                chapter.end,
                text(&chapter.recipient),
                text(&chapter.queue_id),
                chapter.tries
            )
        };
        tell(&rows).iter().map(show).collect()
    }

    #[test]
    fn attempts_are_joined_with_what_came_of_them() {
        let cases = [
            ("1 m RCPT reject c s r", vec!["1 Rejected r - x1"]),
            ("1 m RCPT permit c s r\n2 m MESSAGE accepted c s r Q", vec!["1 Accepted r Q x1"]),
            (
                "1 m RCPT permit c s r\n1 m RCPT permit c s t\n2 m DATA reject c s - Q\n3 m MESSAGE aborted c s - Q",
                vec!["2 Rejected r Q x1", "2 Rejected t Q x1"],
            ),
            ("5 m MESSAGE held c s r Q", vec!["5 Held r Q x1"]),
            ("5 - CONNECT reject c", vec!["5 Rejected - - x1"]),
            ("5 - CONNECT permit c", vec!["5 Open - - x1"]),
            (
                "1 m RCPT defer/new c s r\n9 n RCPT defer/early-retry c s r\n300 o RCPT permit/opened d s r\n301 o MESSAGE accepted d s r Q",
                vec!["1 Accepted r Q x2 back after 299 from d"],
            ),
            (
                "1 m RCPT defer/new c s r\n2 n RCPT defer/new c s t\n300 o RCPT permit/opened c S r",
                vec!["1 Open r - x1 back after 299 from c", "2 Waits t - x1"],
            ),
        ];
        for (rows, want) in cases {
            assert_eq!(told(rows), want, "{rows}");
        }
    }
}
