//! A row of the table `journal`: the columns, from an entry and from the file.

use super::{
    Mask,
    sheet::{Column, Sheet},
};
use crate::time::Timestamp;
use rusqlite::{CachedStatement, params};
use std::borrow::Cow;

/// The event of a row about a message's end.
pub const MESSAGE: &str = "MESSAGE";

/// The statement that writes a row.
pub(super) const INSERT: &str = "INSERT INTO journal (id, time, decision, message, event, verdict, observed, code, \
    reply, rule, client, client_name, helo, sender, recipient, login, queue_id, greylist, waited, policy, record) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";

/// The columns that [`Row::read`] expects.
pub(super) const COLUMNS: &str = "id, time, decision, message, event, verdict, observed, code, reply, rule, client, \
    client_name, helo, sender, recipient, login, queue_id, greylist, waited, policy";

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
    /// The row of a sheet; its own numbers are for the writer to give.
    pub(super) fn of(sheet: &'a Sheet, mask: &Mask) -> Self {
        let text = |column| sheet.column(column).map(Cow::Borrowed);
        let mut row = Self {
            time: sheet.time,
            decision: text(Column::Decision).unwrap_or_default(),
            message: text(Column::Message),
            event: sheet.event.into(),
            verdict: sheet.verdict.into(),
            observed: sheet.observed,
            code: sheet.code,
            reply: text(Column::Reply),
            client: text(Column::Client),
            client_name: text(Column::ClientName),
            helo: text(Column::Helo),
            sender: text(Column::Sender),
            recipient: text(Column::Recipient),
            login: text(Column::Login),
            queue_id: text(Column::QueueId),
            greylist: sheet.greylist.map(Cow::Borrowed),
            waited: sheet.waited,
            ..Self::default()
        };
        if let Mask::Keyed(key) = mask {
            key.mask_row(&mut row);
        }
        row
    }

    /// Writes the row.
    pub(super) fn insert(
        &self,
        statement: &mut CachedStatement<'_>,
        record: Option<&str>,
    ) -> rusqlite::Result<()> {
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
            record,
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

    /// Reads a row of [`COLUMNS`]; the entry's words are not in it.
    pub(super) fn read(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let text = |at| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str_or_null()?.map(Cow::Borrowed));
        let word = |at| Ok::<_, rusqlite::Error>(Cow::Borrowed(row.get_ref(at)?.as_str()?));
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
            ..Self::default()
        })
    }

    /// The same row by itself.
    pub(super) fn into_owned(self) -> Row<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Row {
            id: self.id,
            time: self.time,
            decision: own(self.decision),
            message: self.message.map(own),
            event: own(self.event),
            verdict: own(self.verdict),
            observed: self.observed,
            code: self.code,
            reply: self.reply.map(own),
            rule: self.rule,
            client: self.client.map(own),
            client_name: self.client_name.map(own),
            helo: self.helo.map(own),
            sender: self.sender.map(own),
            recipient: self.recipient.map(own),
            login: self.login.map(own),
            queue_id: self.queue_id.map(own),
            greylist: self.greylist.map(own),
            waited: self.waited,
            policy: self.policy,
            entry: self.entry,
            place: self.place,
            stage: self.stage,
        }
    }
}
