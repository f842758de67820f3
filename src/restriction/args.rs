//! What a restriction is made from: its words, the settings, and the tables it names.

use crate::{
    decision::action::Action,
    greylist,
    origin::{Fault, Word},
    smtp::reply::{Reply, ReplyCode},
    table::AccessTable,
};
use ipnet::IpNet;
use std::sync::Arc;

/// What happens when something could not be found out: postconf(5) reject_tempfail_action and its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TempfailAction {
    /// `defer_if_permit`: go on, and defer only what would be accepted.
    #[default]
    DeferIfPermit,
    /// `defer`: defer at once.
    Defer,
}

impl TempfailAction {
    /// The code of such a deferral, whatever the restriction's own code is (smtpd_check.c).
    pub const CODE: ReplyCode = ReplyCode::known(450);

    /// The action that answers this, now or only instead of a permit.
    pub fn action(self, reply: Reply) -> Action {
        match self {
            Self::DeferIfPermit => Action::DeferIfPermit(reply),
            Self::Defer => Action::Reject(reply),
        }
    }
}

/// The settings that restrictions read when they are made; names and defaults are those of postconf(5).
#[derive(Clone, Debug)]
pub struct Settings {
    /// `mynetworks`.
    pub mynetworks: Arc<[IpNet]>,
    /// `parent_domain_matches_subdomains`, as far as access tables go.
    pub parent_domain_matches_subdomains: bool,
    /// `recipient_delimiter`: each character of it; empty by default.
    pub recipient_delimiter: String,
    /// The codes.
    pub codes: Codes,
    /// `unknown_helo_hostname_tempfail_action`.
    pub unknown_helo_hostname_tempfail_action: TempfailAction,
    /// `unknown_address_tempfail_action`.
    pub unknown_address_tempfail_action: TempfailAction,
    /// `[greylist]`.
    pub greylist: Arc<greylist::Settings>,
}

/// The reply codes, by Postfix's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the parameter of postconf(5) with the same name")]
pub struct Codes {
    pub access_map_defer_code: ReplyCode,
    pub access_map_reject_code: ReplyCode,
    pub defer_code: ReplyCode,
    pub invalid_hostname_reject_code: ReplyCode,
    pub non_fqdn_reject_code: ReplyCode,
    pub reject_code: ReplyCode,
    pub unknown_address_reject_code: ReplyCode,
    pub unknown_client_reject_code: ReplyCode,
    pub unknown_hostname_reject_code: ReplyCode,
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            access_map_defer_code: ReplyCode::known(450),
            access_map_reject_code: ReplyCode::known(554),
            defer_code: ReplyCode::known(450),
            invalid_hostname_reject_code: ReplyCode::known(501),
            non_fqdn_reject_code: ReplyCode::known(504),
            reject_code: ReplyCode::known(554),
            unknown_address_reject_code: ReplyCode::known(450),
            unknown_client_reject_code: ReplyCode::known(450),
            unknown_hostname_reject_code: ReplyCode::known(450),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mynetworks: Arc::new([]),
            parent_domain_matches_subdomains: true,
            recipient_delimiter: String::new(),
            codes: Codes::default(),
            unknown_helo_hostname_tempfail_action: TempfailAction::default(),
            unknown_address_tempfail_action: TempfailAction::default(),
            greylist: Arc::default(),
        }
    }
}

/// Where tables come from: the configuration reads files, tests give texts.
pub trait Tables {
    /// The table of a `type:name` word. Faults inside the table are reported by the source itself; an `Err` is about
    /// the word (unknown type, unreadable file).
    ///
    /// # Errors
    /// When there is no such table.
    fn table(&mut self, word: &Word) -> Result<Arc<AccessTable>, Fault>;

    /// Takes a warning about a table that only the restriction using it can give.
    fn warn(&mut self, fault: Fault) {
        let _ = fault;
    }
}

/// The words behind a restriction's name, taken one by one.
pub struct Arguments<'a> {
    name: Word,
    words: std::vec::IntoIter<Word>,
    settings: &'a Settings,
    tables: &'a mut dyn Tables,
}

impl<'a> Arguments<'a> {
    /// The words behind `name`. Only as many are taken as the restriction wants: the rest are further entries.
    pub fn new(name: Word, words: Vec<Word>, settings: &'a Settings, tables: &'a mut dyn Tables) -> Self {
        Self { name, words: words.into_iter(), settings, tables }
    }

    /// The restriction's name as written.
    pub fn name(&self) -> &Word {
        &self.name
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        self.settings
    }

    /// The next word.
    ///
    /// # Errors
    /// When there is none; `what` names what should stand there.
    pub fn word(&mut self, what: &str) -> Result<Word, Fault> {
        self.words
            .next()
            .ok_or_else(|| self.name.error(format!("`{}` needs {what} behind it", self.name.text)))
    }

    /// The next word as an access table.
    ///
    /// # Errors
    /// When there is no word or no such table.
    pub fn table(&mut self) -> Result<Arc<AccessTable>, Fault> {
        let name = self.name.text.clone();
        let word = self.word("a table").map_err(|fault| {
            fault.help(format!("write the table's type and file, such as `{name} hash:/etc/mailward/access`"))
        })?;
        self.tables.table(&word)
    }

    /// Reports a warning about what a table holds.
    pub fn warn(&mut self, fault: Fault) {
        self.tables.warn(fault);
    }

    /// The words that were not taken.
    pub fn rest(self) -> Vec<Word> {
        self.words.collect()
    }
}
