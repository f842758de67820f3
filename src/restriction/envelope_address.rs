//! Which address of the envelope a restriction judges: the sender and recipient forms share their rule.

use crate::request::{Request, envelope::Path, subject::Subject};

/// The sender or the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeAddress {
    /// The sender of MAIL.
    Sender,
    /// The recipient of RCPT, or the only one later.
    Recipient,
}

impl EnvelopeAddress {
    /// The path, if it is known and names somebody: the null sender is never judged.
    pub(super) fn path<'a>(self, request: &Request<'a>) -> Option<&'a Path> {
        let path = match self {
            Self::Sender => request.sender(),
            Self::Recipient => request.recipient,
        };
        path.filter(|path| !path.address.is_null())
    }

    /// What a reply is about.
    pub(super) fn subject(self) -> Subject {
        match self {
            Self::Sender => Subject::Sender,
            Self::Recipient => Subject::Recipient,
        }
    }
}
