//! A row as it waits for the writer: all its text in one piece, and numbers where the file has its own.
//!
//! It is made in the session's thread, out of what is still in the processor's cache. The decision itself, handed over,
//! costs more: some thirty pieces of memory, which are dear to free for another thread than the one they belong to.

use super::{
    Entry, Fate, MESSAGE, Message, Record,
    roster::{Open, Roster},
    stored::write,
};
use crate::{
    decision::{Verdict, action::Amendment},
    lookup::{
        Lookup,
        greylist::{Greylisted, Wait},
    },
    request::{
        envelope::{Envelope, Path},
        session::Session,
    },
    smtp::{domain::address_text, reply::Reply},
};
use std::{fmt::Display, io::Write, mem, sync::Arc};

/// Bytes of an ordinary decision.
const ORDINARY: usize = 768;

/// The columns that are text, in the order in which they are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Decision,
    Message,
    Reply,
    Client,
    ClientName,
    Helo,
    Sender,
    Recipient,
    Login,
    QueueId,
}

/// How many they are.
const COLUMNS: usize = Column::QueueId as usize + 1;

/// A row without the numbers that only the file knows.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) time: i64,
    pub(super) observed: bool,
    pub(super) event: &'static str,
    pub(super) verdict: &'static str,
    pub(super) code: Option<u16>,
    pub(super) greylist: Option<&'static str>,
    pub(super) waited: Option<i64>,
    /// Of a decision: what the columns do not hold.
    pub(super) record: Option<Numbers>,
    /// Of a decision, where addresses are hashed: all that must not be seen.
    pub(super) secrets: Vec<String>,
    /// The columns, then the record's own text.
    text: String,
    /// Where each column ends; `None` for one that is NULL.
    ends: [Option<u32>; COLUMNS],
}

/// The numbers of a decision in its roster.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) roster: Arc<Roster>,
    pub(super) policy: u32,
    /// The deciding entry.
    pub(super) rule: Option<u32>,
    /// The entries of the steps; each with the end of its text, which is empty where it said and asked nothing.
    pub(super) steps: Vec<(u32, u32)>,
    /// Where the text before the steps begins, and where it ends.
    head: (u32, u32),
}

/// A record's text, which has no numbers yet.
pub(super) struct Parts<'a> {
    /// Before the steps.
    pub(super) head: &'a str,
    /// The steps.
    pub(super) steps: Vec<(u32, &'a str)>,
    /// Behind them.
    pub(super) tail: &'a str,
}

impl Sheet {
    /// Writes an entry down; with `secrets` if addresses are to be hashed.
    pub(super) fn of(entry: &Entry<'_>, roster: &Arc<Roster>, secrets: bool) -> Self {
        match entry {
            Entry::Decision(record) => Self::decision(record, roster, secrets),
            Entry::Message(message) => Self::message(message),
        }
    }

    fn decision(record: &Record<'_>, roster: &Arc<Roster>, secrets: bool) -> Self {
        let Record { decision, session, envelope, recipient, now, observed, .. } = *record;
        let (verdict, reply) = match &decision.verdict {
            Verdict::Pass => ("permit", None),
            Verdict::Discard(_) => ("discard", None),
            Verdict::Reply(reply) if reply.code.class() == 4 => ("defer", Some(reply)),
            Verdict::Reply(reply) => ("reject", Some(reply)),
        };
        let greylisted = decision.greylisted().map(|(_, said)| said);
        let mut draft = Draft::new(ORDINARY);
        draft.shown(Column::Decision, Some(decision.id));
        draft.shown(Column::Message, envelope.instance);
        draft.common(reply, session, envelope, recipient);
        let numbers = draft.record(record, roster.clone(), &mut roster.open());
        let (text, ends) = draft.finish();
        Self {
            time: now.0,
            observed,
            event: decision.event.word(),
            verdict,
            code: reply.map(|reply| reply.code.get()),
            greylist: greylisted.map(word),
            waited: match greylisted {
                Some(Greylisted::Opened { waited }) => i64::try_from(waited.as_secs()).ok(),
                _ => None,
            },
            record: Some(numbers),
            secrets: if secrets { record.secrets() } else { Vec::new() },
            text,
            ends,
        }
    }

    fn message(message: &Message<'_>) -> Self {
        let Message { now, session, envelope, recipient, fate, reply, observed } = *message;
        let mut draft = Draft::new(ORDINARY / 4);
        draft.shown(Column::Decision, Some(message.id()));
        draft.shown(Column::Message, Some(message.id()));
        draft.common(reply, session, envelope, recipient);
        let (text, ends) = draft.finish();
        Self {
            time: now.0,
            observed,
            event: MESSAGE,
            verdict: Fate::word(fate),
            code: reply.map(|reply| reply.code.get()),
            text,
            ends,
            ..Self::default()
        }
    }

    /// The bytes of its text.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.secrets.iter().map(String::capacity).sum::<usize>()
    }

    /// A column; `None` for NULL.
    pub(super) fn column(&self, column: Column) -> Option<&str> {
        let at = column as usize;
        let end = self.ends.get(at).copied().flatten()?;
        let before = self.ends.get(..at)?.iter().rev().find_map(|end| *end).unwrap_or(0);
        self.text.get(index(before)..index(end))
    }

    /// The record's text.
    pub(super) fn parts(&self, numbers: &Numbers) -> Parts<'_> {
        let text = |from: u32, to: u32| self.text.get(index(from)..index(to)).unwrap_or_default();
        let (from, mut at) = numbers.head;
        let head = text(from, at);
        let steps =
            numbers.steps.iter().map(|(entry, end)| (*entry, text(mem::replace(&mut at, *end), *end)));
        let steps = steps.collect();
        Parts { head, steps, tail: self.text.get(index(at)..).unwrap_or_default() }
    }
}

#[cfg(test)]
impl Sheet {
    pub(super) fn of_text(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl Record<'_> {
    /// What addresses and logins a record may name: also in the forms in which tables and the greylist ask for them, and
    /// those of recipients that the message does not go to.
    fn secrets(&self) -> Vec<String> {
        let paths = self.envelope.sender.iter().chain(self.recipient);
        let mut all: Vec<String> = paths
            .flat_map(|path| {
                [path.address.typed.as_str(), &path.address.rewritten, &path.address.internal()]
                    .map(str::to_owned)
            })
            .collect();
        for amendment in &self.decision.amendments {
            if let Amendment::DeleteRecipient { address, .. } = amendment {
                all.push(address.trim_matches(['<', '>']).to_owned());
            }
        }
        let without: Vec<String> = all.iter().flat_map(|address| without_extensions(address)).collect();
        all.extend(without);
        for looked in self.decision.steps.iter().flat_map(|step| &step.lookups) {
            if let Lookup::Greylist(asked) = &looked.lookup {
                all.extend([&asked.sender, &asked.recipient, &asked.correspondent].map(String::clone));
            }
        }
        all.extend(self.envelope.auth_author.clone());
        all.extend(self.session.login.as_ref().map(|login| login.name.clone()));
        all
    }
}

/// The address with less and less of its local part, cut at whatever may be a delimiter of extensions.
fn without_extensions(address: &str) -> impl Iterator<Item = String> {
    let (local, domain) = address.rsplit_once('@').unwrap_or(("", ""));
    let cuts = local.char_indices().filter(|(at, c)| *at > 0 && !c.is_alphanumeric() && *c != '.');
    cuts.map(move |(at, _)| format!("{}@{domain}", &local[..at]))
}

/// A sheet that is being written.
struct Draft {
    text: Vec<u8>,
    ends: [Option<u32>; COLUMNS],
}

impl Draft {
    fn new(size: usize) -> Self {
        Self { text: Vec::with_capacity(size), ends: [None; COLUMNS] }
    }

    fn common(
        &mut self,
        reply: Option<&Reply>,
        session: &Session,
        envelope: &Envelope,
        recipient: Option<&Path>,
    ) {
        fn typed(path: &Path) -> &str {
            &path.address.typed
        }
        self.shown(Column::Reply, reply);
        self.text(Column::Client, session.client.address.map(address_text).as_deref());
        self.text(Column::ClientName, Some(&session.client.identity.name));
        self.text(Column::Helo, session.helo.as_ref().map(|helo| helo.raw.as_str()));
        self.text(Column::Sender, envelope.sender.as_ref().map(typed));
        self.text(Column::Recipient, recipient.map(typed));
        self.text(Column::Login, session.login.as_ref().map(|login| login.name.as_str()));
        self.text(Column::QueueId, envelope.queue_id.as_deref());
    }

    fn text(&mut self, column: Column, text: Option<&str>) {
        if let Some(text) = text {
            self.text.extend_from_slice(text.as_bytes());
            self.end(column);
        }
    }

    fn shown(&mut self, column: Column, value: Option<impl Display>) {
        if let Some(value) = value {
            // Memory takes everything.
            let _ = write!(self.text, "{value}");
            self.end(column);
        }
    }

    fn end(&mut self, column: Column) {
        let end = self.length();
        if let Some(slot) = self.ends.get_mut(column as usize) {
            *slot = Some(end);
        }
    }

    fn length(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn record(&mut self, record: &Record<'_>, roster: Arc<Roster>, open: &mut Open<'_>) -> Numbers {
        let from = self.length();
        write::head(record, &mut self.text);
        let head = (from, self.length());
        let mut steps = Vec::with_capacity(record.decision.steps.len());
        for step in &record.decision.steps {
            write::step(step, &mut self.text);
            steps.push((open.number(&step.rule), self.length()));
        }
        write::tail(record, &mut self.text);
        let rule = record.decision.rule.as_ref().map(|rule| open.number(rule));
        Numbers { roster, policy: open.policy(record.policy), rule, steps, head }
    }

    fn finish(self) -> (String, [Option<u32>; COLUMNS]) {
        // Text and JSON is all that was written.
        (String::from_utf8(self.text).unwrap_or_default(), self.ends)
    }
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The greylist's answer in a word.
fn word(said: Greylisted) -> &'static str {
    match said {
        Greylisted::Waits { why: Wait::New | Wait::NewCorrespondent, .. } => "new",
        Greylisted::Waits { why: Wait::EarlyRetry, .. } => "early-retry",
        Greylisted::Waits { why: Wait::TooMany, .. } => "too-many",
        Greylisted::Opened { .. } => "opened",
        Greylisted::Passed => "passed",
        Greylisted::Known => "known",
        Greylisted::Correspondent => "correspondent",
        Greylisted::Exempt => "exempt",
        Greylisted::Whitelisted(_) => "whitelisted",
        Greylisted::Unavailable(_) => "unavailable",
    }
}
