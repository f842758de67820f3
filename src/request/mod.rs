//! What is known about a mail at one moment of the SMTP dialogue: the read-only view given to rules.

pub mod envelope;
pub mod message;
pub mod session;
pub mod subject;

use crate::{
    decision::{Deferrals, Written},
    smtp::helo::Helo,
    time::Timestamp,
};
use envelope::{Envelope, Path};
use message::Message;
use serde::{Deserialize, Serialize};
use session::Session;
use std::{fmt, sync::Arc};
use subject::Subject;

/// The protocol's moment at which an answer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A client connected.
    Connect,
    /// HELO or EHLO.
    Helo,
    /// MAIL FROM.
    Mail,
    /// RCPT TO, once per recipient.
    Rcpt,
    /// DATA.
    Data,
    /// The final dot.
    EndOfMessage,
}

impl Event {
    /// The word of Postfix's log lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Helo => "HELO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::EndOfMessage => "END-OF-MESSAGE",
        }
    }

    /// The event of such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Connect, Self::Helo, Self::Mail, Self::Rcpt, Self::Data, Self::EndOfMessage];
        all.into_iter().find(|event| event.word() == word)
    }
}

/// Which restriction list: smtpd_client_restrictions and its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// `client`
    Client,
    /// `helo`
    Helo,
    /// `sender`
    Sender,
    /// `recipient`
    Recipient,
    /// `data`
    Data,
    /// `end_of_data`
    EndOfData,
}

impl Stage {
    /// All stages in the order of the dialogue.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Helo, Self::Sender, Self::Recipient, Self::Data, Self::EndOfData];

    /// The list's key below `[restrictions]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Helo => "helo",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::EndOfData => "end_of_data",
        }
    }

    /// The event at which the list runs.
    pub fn event(self, delay_reject: bool) -> Event {
        match self {
            Self::Client | Self::Helo | Self::Sender if delay_reject => Event::Rcpt,
            Self::Client => Event::Connect,
            Self::Helo => Event::Helo,
            Self::Sender => Event::Mail,
            Self::Recipient => Event::Rcpt,
            Self::Data => Event::Data,
            Self::EndOfData => Event::EndOfMessage,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The name of one decision, unique over restarts: seconds since the epoch and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DecisionId {
    /// When the decision was asked for.
    pub at: Timestamp,
    /// The count within the process.
    pub count: u32,
}

impl DecisionId {
    /// Reads the form of logs.
    pub fn from_shown(shown: &str) -> Option<Self> {
        let (at, count) = shown.split_once('.')?;
        let at = Timestamp(i64::from_str_radix(at, 16).ok()?);
        Some(Self { at, count: u32::from_str_radix(count, 16).ok()? })
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.at.0, self.count)
    }
}

/// Everything a rule may look at. Cheap to copy: the loop gives each list its own copy with its `stage`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name of the decision that is being made.
    pub id: DecisionId,
    /// The protocol's moment.
    pub event: Event,
    /// The list that is being evaluated.
    pub stage: Stage,
    /// What `reject`, `defer` and their kin are about: that of the list, or of the table whose right-hand side brought us
    /// to them.
    pub subject: Subject,
    /// The client's connection.
    pub session: &'a Session,
    /// The message's envelope so far.
    pub envelope: &'a Envelope,
    /// The recipient that is judged: the current one at RCPT; at DATA and later the only one, else `None`
    /// (Postfix hides it there when there are several).
    pub recipient: Option<&'a Path>,
    /// What was found in the message's content: at its end only, and only if a rule looks at it.
    pub message: Option<&'a Message>,
    /// The time of the event.
    pub now: Timestamp,
    /// What earlier events of the session deferred (only with `delay_reject = false`).
    pub carried: &'a Deferrals,
    /// The exemption that holds for this mail: a `permit` at the head of every list but end_of_data.
    pub exemption: Option<&'a Arc<Written>>,
}

impl<'a> Request<'a> {
    /// The HELO name as the lists see it: raw at HELO itself, neutered afterwards; `None` before HELO.
    pub fn helo(&self) -> Option<&'a str> {
        let helo: &Helo = self.session.helo.as_ref()?;
        Some(if self.event == Event::Helo { &helo.raw } else { &helo.neutered })
    }

    /// The sender, from MAIL on.
    pub fn sender(&self) -> Option<&'a Path> {
        self.envelope.sender.as_ref()
    }
}
