//! The message's envelope: sender, recipients so far, parameters of MAIL.

use super::DecisionId;
use crate::smtp::address::Address;
use serde::Serialize;

/// A reverse-path or forward-path with what the MTA made of it (RFC 5321 section 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Path {
    /// The address.
    pub address: Address,
    /// The transport the MTA would use: `{mail_mailer}` or `{rcpt_mailer}`.
    pub mailer: Option<String>,
    /// The next hop: `{mail_host}` or `{rcpt_host}`.
    pub host: Option<String>,
}

impl Path {
    /// A path of which only the address is known.
    pub fn new(address: &str) -> Self {
        Self { address: Address::new(address), mailer: None, host: None }
    }

    /// Whether the MTA itself is the address's final destination (Postfix's address classes local, virtual alias and
    /// virtual mailbox), as far as the transport's name tells.
    ///
    /// Postfix: by mydestination and the virtual domains; here: by the transport's name, because that is what a milter
    /// is told. `error` is the transport of valid virtual aliases.
    pub fn is_final(&self) -> bool {
        matches!(self.mailer.as_deref(), Some("local" | "virtual" | "lmtp" | "error"))
    }
}

/// The envelope so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Envelope {
    /// The sender, from MAIL on.
    pub sender: Option<Path>,
    /// Whether a recipient of this message has shown the client to be known to the greylist.
    pub greylist_passed: bool,
    /// How many recipients were accepted so far.
    pub accepted: usize,
    /// The `SIZE` parameter of MAIL, in bytes.
    pub size: Option<u64>,
    /// Whether MAIL had the `SMTPUTF8` parameter.
    pub smtputf8: bool,
    /// The queue id, macro `i`; Postfix has none before the second recipient.
    pub queue_id: Option<String>,
    /// The `AUTH` parameter of MAIL, macro `{auth_author}`.
    pub auth_author: Option<String>,
    /// The name of the message, the same for all its recipients: that of a decision, whatever became of it.
    pub instance: Option<DecisionId>,
}
