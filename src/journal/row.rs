//! A row of the table `journal`: the columns, from an entry and from the file.

use super::{Entry, Fate, Mask, Message, Record};
use crate::{
    decision::Verdict,
    lookup::greylist::{Greylisted, Wait},
    smtp::reply::Reply,
    time::Timestamp,
};
use rusqlite::{CachedStatement, params};
use std::borrow::Cow;

/// The event of a row about a message's end.
pub const MESSAGE: &str = "MESSAGE";

/// The statement that writes a row.
pub(super) const INSERT: &str = "INSERT INTO journal (id, time, decision, message, event, verdict, observed, code, \
    reply, rule, client, client_name, helo, sender, recipient, login, queue_id, greylist, waited, policy, record) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";

/// The columns that [`Row::read`] expects, from `journal j LEFT JOIN rule r`.
pub(super) const COLUMNS: &str = "j.id, j.time, j.decision, j.message, j.event, j.verdict, j.observed, j.code, \
    j.reply, j.rule, j.client, j.client_name, j.helo, j.sender, j.recipient, j.login, j.queue_id, j.greylist, \
    j.waited, j.policy, r.entry, r.file, r.line, r.stage";

/// A row without its record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its number.
    pub id: i64,
    /// When.
    pub time: i64,
    /// The decision's name.
    pub decision: Cow<'a, str>,
    /// The message's name.
    pub message: Option<Cow<'a, str>>,
    /// The event, in the word of the log; or [`MESSAGE`].
    pub event: Cow<'a, str>,
    /// `permit`, `defer`, `reject`, `discard`; or what became of a message.
    pub verdict: Cow<'a, str>,
    /// Whether it took no effect.
    pub observed: bool,
    /// The reply's code.
    pub code: Option<u16>,
    /// The reply.
    pub reply: Option<Cow<'a, str>>,
    /// The deciding entry's number.
    pub rule: Option<i64>,
    /// The client's address.
    pub client: Option<Cow<'a, str>>,
    /// Its verified name, or `unknown`.
    pub client_name: Option<Cow<'a, str>>,
    /// The HELO name.
    pub helo: Option<Cow<'a, str>>,
    /// The sender; empty for the null sender.
    pub sender: Option<Cow<'a, str>>,
    /// The recipient.
    pub recipient: Option<Cow<'a, str>>,
    /// The SASL login.
    pub login: Option<Cow<'a, str>>,
    /// The queue id.
    pub queue_id: Option<Cow<'a, str>>,
    /// What the greylist said, in a word.
    pub greylist: Option<Cow<'a, str>>,
    /// How long the mail had waited when it passed the greylist, in seconds.
    pub waited: Option<i64>,
    /// The configuration's number.
    pub policy: Option<i64>,
    /// The deciding entry, as it was written; read only.
    pub entry: Option<String>,
    /// Where it stands, `file:line`; read only.
    pub place: Option<String>,
    /// Its list; read only.
    pub stage: Option<String>,
}

impl<'a> Row<'a> {
    /// The row of an entry; rule and policy are for the writer to number.
    pub(super) fn of(entry: &'a Entry, mask: &Mask) -> Self {
        let mut row = match entry {
            Entry::Decision(record) => Self::decision(record),
            Entry::Message(message) => Self::message(message),
        };
        if let Mask::Keyed(key) = mask {
            key.mask_row(&mut row);
        }
        row
    }

    fn decision(record: &'a Record) -> Self {
        let Record { decision, session, envelope, recipient, now, .. } = record;
        let (verdict, reply) = match &decision.verdict {
            Verdict::Pass => ("permit", None),
            Verdict::Discard(_) => ("discard", None),
            Verdict::Reply(reply) if reply.code.class() == 4 => ("defer", Some(reply)),
            Verdict::Reply(reply) => ("reject", Some(reply)),
        };
        let greylisted = decision.greylisted().map(|(_, said)| said);
        let mut row = Self::common(session, now.0, reply, record.observed);
        row.decision = decision.id.to_string().into();
        row.message = envelope.instance.map(|id| id.to_string().into());
        row.event = decision.event.word().into();
        row.verdict = verdict.into();
        row.sender = envelope.sender.as_ref().map(|path| path.address.typed.as_str().into());
        row.recipient = recipient.as_ref().map(|path| path.address.typed.as_str().into());
        row.queue_id = envelope.queue_id.as_deref().map(Cow::from);
        row.greylist = greylisted.map(|said| word(said).into());
        row.waited = match greylisted {
            Some(Greylisted::Opened { waited }) => i64::try_from(waited.as_secs()).ok(),
            _ => None,
        };
        row
    }

    fn message(message: &'a Message) -> Self {
        let Message { now, session, envelope, recipient, fate, reply, observed } = message;
        let mut row = Self::common(session, now.0, reply.as_ref(), *observed);
        row.decision = message.id().to_string().into();
        row.message = Some(row.decision.clone());
        row.event = MESSAGE.into();
        row.verdict = Fate::word(*fate).into();
        row.sender = envelope.sender.as_ref().map(|path| path.address.typed.as_str().into());
        row.recipient = recipient.as_ref().map(|path| path.address.typed.as_str().into());
        row.queue_id = envelope.queue_id.as_deref().map(Cow::from);
        row
    }

    fn common(
        session: &'a crate::request::session::Session,
        time: i64,
        reply: Option<&Reply>,
        observed: bool,
    ) -> Self {
        let client = &session.client;
        Self {
            time,
            observed,
            code: reply.map(|reply| reply.code.get()),
            reply: reply.map(|reply| reply.to_string().into()),
            client: client.address.map(|address| crate::smtp::domain::address_text(address).into()),
            client_name: Some(client.identity.name.as_str().into()),
            helo: session.helo.as_ref().map(|helo| helo.raw.as_str().into()),
            login: session.login.as_ref().map(|login| login.name.as_str().into()),
            ..Self::default()
        }
    }

    /// Writes the row.
    pub(super) fn insert(&self, statement: &mut CachedStatement<'_>, record: &str) -> rusqlite::Result<()> {
        statement.execute(params![
            self.id,
            self.time,
            self.decision,
            self.message,
            self.event,
            self.verdict,
            self.observed,
            self.code,
            self.reply,
            self.rule,
            self.client,
            self.client_name,
            self.helo,
            self.sender,
            self.recipient,
            self.login,
            self.queue_id,
            self.greylist,
            self.waited,
            self.policy,
            Some(record).filter(|record| !record.is_empty()),
        ])?;
        Ok(())
    }

    /// When.
    pub fn when(&self) -> Timestamp {
        Timestamp(self.time)
    }

    /// Whether it tells of a message's end.
    pub fn is_message(&self) -> bool {
        self.event == MESSAGE
    }
}

impl Row<'static> {
    /// Reads a row of [`COLUMNS`].
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let text = |at| row.get::<_, Option<String>>(at).map(|text| text.map(Cow::Owned));
        let word = |at| row.get::<_, String>(at).map(Cow::Owned);
        let file: Option<String> = row.get(21)?;
        let line: Option<i64> = row.get(22)?;
        Ok(Self {
            id: row.get(0)?,
            time: row.get(1)?,
            decision: word(2)?,
            message: text(3)?,
            event: word(4)?,
            verdict: word(5)?,
            observed: row.get(6)?,
            code: row.get(7)?,
            reply: text(8)?,
            rule: row.get(9)?,
            client: text(10)?,
            client_name: text(11)?,
            helo: text(12)?,
            sender: text(13)?,
            recipient: text(14)?,
            login: text(15)?,
            queue_id: text(16)?,
            greylist: text(17)?,
            waited: row.get(18)?,
            policy: row.get(19)?,
            entry: row.get(20)?,
            place: file.zip(line).map(|(file, line)| if line == 0 { file } else { format!("{file}:{line}") }),
            stage: row.get(23)?,
        })
    }
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
