//! What one restriction or one table entry says: the actions of access(5).

use crate::{
    request::subject::Subject,
    smtp::{reply::Reply, text},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The name of a restriction class: its place in the policy's list of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ClassId(pub usize);

/// What a restriction says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: the next entry decides.
    Dunno,
    /// This list permits.
    Ok,
    /// Refuse with this reply, 4xx or 5xx; defer_if_reject turns a 5xx into its 4xx.
    Reject(Reply),
    /// A fault of the configuration or of a table, found only now: warn_if_reject does not soften it.
    Fault(Reply),
    /// Go on; if the mail would be accepted in the end, answer this instead.
    DeferIfPermit(Reply),
    /// Go on; if a later entry of this list refuses with 5xx, answer this instead.
    DeferIfReject(Reply),
    /// Go on; refuse the message with this reply at DATA, unless a recipient clears it.
    DeferAtData(Reply),
    /// Accept and drop the message with all recipients; the text is Postfix's log line about it.
    Discard(String),
    /// Go on; at the end of the message change it.
    Amend(Box<Amendment>),
    /// Go on; log a line. `word` is `info` or `warn`.
    Remark {
        /// Postfix's word for the line.
        word: &'static str,
        /// Postfix's log line about it, with the administrator's text.
        text: String,
    },
    /// Evaluate a restriction class in this place.
    Class {
        /// The class.
        class: ClassId,
        /// What its generic entries are about, if not what the list is about: as in Postfix, that of the table on whose
        /// right-hand side the class stands.
        subject: Option<Subject>,
        /// Whether its permit counts; else it is DUNNO.
        may_permit: bool,
    },
    /// One after the other, until one decides: what the fields of a header brought. Never a class.
    Several(Vec<Self>),
}

impl Action {
    /// Go on; at the end of the message change it. The change stands apart, so that the many steps that say nothing are small.
    pub fn amend(amendment: Amendment) -> Self {
        Self::Amend(Box::new(amendment))
    }

    /// The reply it brings.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Reject(reply)
            | Self::Fault(reply)
            | Self::DeferIfPermit(reply)
            | Self::DeferIfReject(reply)
            | Self::DeferAtData(reply) => Some(reply),
            Self::Dunno
            | Self::Ok
            | Self::Discard(_)
            | Self::Amend(_)
            | Self::Remark { .. }
            | Self::Class { .. } => None,
            Self::Several(actions) => actions.iter().rev().find_map(Self::reply),
        }
    }

    /// The word for traces.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dunno => "dunno",
            Self::Ok => "ok",
            Self::Reject(reply) if reply.code.class() == 4 => "defer",
            Self::Reject(_) => "reject",
            Self::Fault(_) => "fault",
            Self::DeferIfPermit(_) => "defer_if_permit",
            Self::DeferIfReject(_) => "defer_if_reject",
            Self::DeferAtData(_) => "defer_at_data",
            Self::Discard(_) => "discard",
            Self::Amend(amendment) => amendment.word(),
            Self::Remark { word, .. } => word,
            Self::Class { .. } => "class",
            Self::Several(actions) => actions.last().map_or("dunno", Self::word),
        }
    }
}

/// A change of the message, carried out at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Amendment {
    /// HOLD: quarantine the message; the text is Postfix's log line about it.
    Hold(String),
    /// PREPEND: a header field above all others.
    Prepend {
        /// The field's name.
        name: String,
        /// The field's value.
        value: String,
    },
    /// PREPEND of header_checks(5): a header field before one of the message's own.
    Insert {
        /// How many fields of the message as it came stand before it.
        at: usize,
        /// The field's name.
        name: String,
        /// The field's value.
        value: FieldValue,
    },
    /// REPLACE: another value of one of the message's own fields.
    Replace {
        /// The field's name.
        name: String,
        /// Which of the fields of this name, from 1.
        index: usize,
        /// The new value.
        value: FieldValue,
    },
    /// IGNORE and STRIP: one of the message's own fields goes.
    Remove {
        /// How many fields of the message as it came stand before it.
        at: usize,
        /// The field's name.
        name: String,
        /// Which of the fields of this name, from 1.
        index: usize,
    },
    /// A recipient does not get the message; others do.
    DeleteRecipient {
        /// The recipient as the MTA knows it, `<user@domain>`.
        address: String,
        /// Why.
        why: String,
    },
    /// REDIRECT: this recipient instead of all others.
    Redirect(String),
    /// BCC: this recipient beside the others.
    Bcc(String),
}

/// The value of a header field: bytes, since a message may hold any.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FieldValue(pub Vec<u8>);

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into_bytes()))
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::from_wire(&self.0))
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", text::from_wire(&self.0))
    }
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Amendment {
    /// Which of the message's own fields it changes or removes: the name, and the number among those of this name.
    pub fn field(&self) -> Option<(&str, usize)> {
        match self {
            Self::Replace { name, index, .. } | Self::Remove { name, index, .. } => Some((name, *index)),
            Self::Hold(_)
            | Self::Prepend { .. }
            | Self::Insert { .. }
            | Self::DeleteRecipient { .. }
            | Self::Redirect(_)
            | Self::Bcc(_) => None,
        }
    }

    /// Postfix's word, as in "triggers HOLD action".
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Prepend { .. } | Self::Insert { .. } => "prepend",
            Self::Replace { .. } => "replace",
            Self::Remove { .. } => "remove",
            Self::DeleteRecipient { .. } => "delete_recipient",
            Self::Redirect(_) => "redirect",
            Self::Bcc(_) => "bcc",
        }
    }
}

/// Which changes of a message a policy may ask for: what the milter negotiates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amends {
    /// HOLD.
    pub quarantine: bool,
    /// PREPEND.
    pub headers: bool,
    /// REPLACE, IGNORE and STRIP.
    pub fields: bool,
    /// REDIRECT, BCC and recipients who do not get the message.
    pub recipients: bool,
    /// DISCARD: needs no negotiation, but a message.
    pub discard: bool,
}

impl Amends {
    /// Both together.
    pub fn union(self, other: Self) -> Self {
        Self {
            quarantine: self.quarantine || other.quarantine,
            headers: self.headers || other.headers,
            fields: self.fields || other.fields,
            recipients: self.recipients || other.recipients,
            discard: self.discard || other.discard,
        }
    }

    /// Whether anything may be changed.
    pub fn any(self) -> bool {
        self.quarantine || self.headers || self.fields || self.recipients || self.discard
    }
}
