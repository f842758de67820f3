//! `[attachments]` and `[attachments.NAME]`: which names are refused, for whom not, and what becomes of the message.

use crate::{
    attachment::rules::NameRules,
    request::{Request, envelope::Path},
    table::{AccessTable, Found, action::Says, pattern::GaveUp},
};
use std::sync::Arc;

/// One set of rules.
#[derive(Clone, Debug)]
pub struct AttachmentRules {
    /// Which names are banned and which are marked.
    pub names: Arc<NameRules>,
    /// What happens to a message with a banned name.
    pub action: Action,
    /// What happens to a message that cannot be followed.
    pub on_unparsable: Answer,
    /// What happens to a message that mail programs read in different ways.
    pub on_ambiguous: Answer,
    /// What happens where the rules hold for some recipients only.
    pub conflict: Conflict,
    /// The field that marks a message.
    pub header: Box<str>,
    /// Who may send what is banned.
    pub allow: Allow,
}

impl Default for AttachmentRules {
    fn default() -> Self {
        Self {
            names: Arc::new(NameRules::standard()),
            action: Action::default(),
            on_unparsable: Answer::Reject,
            on_ambiguous: Answer::Mark,
            conflict: Conflict::default(),
            header: "X-Attachment-Check".into(),
            allow: Allow::default(),
        }
    }
}

/// `action`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// 550.
    #[default]
    Reject,
    /// 450, so that an administrator can let the next try pass.
    Tempfail,
    /// Accepted and thrown away.
    Discard,
    /// Accepted and put aside.
    Hold,
    /// Accepted with a header field that says so.
    Mark,
}

/// `on_unparsable`, `on_ambiguous`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 554.
    Reject,
    /// 451.
    Tempfail,
    /// Accepted with a header field that says so.
    Mark,
    /// Nothing.
    Ignore,
}

/// `conflict`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// The message passes to all: it is refused only if it is refused to all.
    #[default]
    RejectIfAll,
    /// The same with a mark.
    Mark,
    /// The recipients for whom it is refused do not get it.
    Delete,
}

/// The lists of who may send and get what is banned: access tables, in which OK allows.
#[derive(Clone, Debug)]
pub struct Allow {
    /// By the sender's address.
    pub senders: Vec<Arc<AccessTable>>,
    /// By the recipient's address.
    pub recipients: Vec<Arc<AccessTable>>,
    /// By the client's verified name and its address.
    pub clients: Vec<Arc<AccessTable>>,
    /// `recipient_delimiter`.
    pub delimiters: String,
    /// `parent_domain_matches_subdomains`.
    pub parents: bool,
}

impl Default for Allow {
    fn default() -> Self {
        let (senders, recipients, clients) = Default::default();
        Self { senders, recipients, clients, delimiters: String::new(), parents: true }
    }
}

impl Allow {
    /// Why the whole message is allowed, if it is.
    ///
    /// # Errors
    /// When a pattern of a table takes too long.
    pub fn message(&self, request: &Request<'_>) -> Result<Option<String>, GaveUp> {
        let client = &request.session.client;
        for table in &self.clients {
            if let Some(why) = ok(table.by_client(&client.identity.name, client.address, self.parents))? {
                return Ok(Some(format!("the client is allowed: {why}")));
            }
        }
        let Some(sender) = request.sender() else { return Ok(None) };
        for table in &self.senders {
            if let Some(why) = ok(table.by_mail_address(&sender.address, &self.delimiters, self.parents))? {
                return Ok(Some(format!("the sender is allowed: {why}")));
            }
        }
        Ok(None)
    }

    /// Whether a recipient is allowed.
    ///
    /// # Errors
    /// When a pattern of a table takes too long.
    pub fn recipient(&self, recipient: &Path) -> Result<bool, GaveUp> {
        for table in &self.recipients {
            let found = table.by_mail_address(&recipient.address, &self.delimiters, self.parents);
            if ok(found)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where a table says OK.
fn ok(found: Found<'_>) -> Result<Option<String>, GaveUp> {
    Ok(found?.filter(|hit| hit.entry.says == Says::Ok).map(|hit| format!("key at {}", hit.entry.origin)))
}
