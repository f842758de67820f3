//! What a restriction is made from: its words, the settings, and the tables it names.

use super::{
    attachment_rules::AttachmentRules, list::List, rbl_reply::ReplyTemplate, scored_list::ScoredList,
};
use crate::{
    decision::action::{Action, ClassId},
    greylist,
    header_checks::HeaderTable,
    origin::{Fault, Origin, Word},
    smtp::reply::{Reply, ReplyCode},
    table::{
        AccessTable, action::MapCodes, domain_list::DomainList, network_list::NetworkList, texts::TextTable,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

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
    pub mynetworks: Arc<NetworkList>,
    /// `parent_domain_matches_subdomains`, as far as access tables go.
    pub parent_domain_matches_subdomains: bool,
    /// `recipient_delimiter`: each character of it; empty by default.
    pub recipient_delimiter: String,
    /// `local_domains`: Postfix's mydestination, virtual_alias_domains and virtual_mailbox_domains.
    pub local_domains: Arc<DomainList>,
    /// `relay_domains`.
    pub relay_domains: Arc<DomainList>,
    /// `sender_login_maps`.
    pub sender_login_maps: Arc<[TextTable]>,
    /// The codes.
    pub codes: Codes,
    /// `unknown_helo_hostname_tempfail_action`.
    pub unknown_helo_hostname_tempfail_action: TempfailAction,
    /// `unknown_address_tempfail_action`.
    pub unknown_address_tempfail_action: TempfailAction,
    /// `[policy_service]`, as far as entries are made from it.
    pub policy_service: PolicyService,
    /// The classes that can be named at run time.
    pub classes: Arc<HashMap<String, ClassId>>,
    /// `default_rbl_reply` and `rbl_reply_maps`.
    pub rbl_replies: RblReplies,
    /// The scored lists of `[dnsbl.NAME]`, by name.
    pub dnsbl: BTreeMap<String, Arc<ScoredList>>,
    /// `[greylist]`.
    pub greylist: Arc<greylist::Settings>,
    /// `[attachments]`, by the empty name, and the sections `[attachments.NAME]`.
    pub attachments: BTreeMap<String, Arc<AttachmentRules>>,
}

/// What clients on a list are told.
#[derive(Clone, Debug, Default)]
pub struct RblReplies {
    /// `default_rbl_reply`.
    pub default: Arc<ReplyTemplate>,
    /// `rbl_reply_maps`: templates by list, in tables that are asked in this order.
    pub by_list: Vec<Arc<TextTable>>,
}

impl Settings {
    /// The reply for a list: that of `domain=filter` as written, else that of the domain, else the default.
    ///
    /// # Errors
    /// When the list's own template is faulty, or a pattern of the table takes too long.
    pub fn rbl_reply(&self, argument: &Word, list: &List) -> Result<Arc<ReplyTemplate>, Fault> {
        for key in [argument.text.as_str(), &list.written] {
            for table in &self.rbl_replies.by_list {
                let found = table.text(key).map_err(|gave_up| argument.error(gave_up.to_string()))?;
                if let Some((template, origin)) = found {
                    return Ok(Arc::new(ReplyTemplate::parse(&template, origin)?));
                }
            }
        }
        Ok(self.rbl_replies.default.clone())
    }

    /// The scored list of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn scored_list(&self, name: &Word) -> Result<Arc<ScoredList>, Fault> {
        if let Some(list) = self.dnsbl.get(&name.text) {
            return Ok(list.clone());
        }
        let fault = name.error(format!("there is no scored list `{}`", name.text));
        let far = |known: &&String| strsim::damerau_levenshtein(known, &name.text);
        let near = self.dnsbl.keys().min_by_key(far).filter(|known| far(known) <= known.len() / 4 + 1);
        Err(match near {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!(
                "write its sites below [dnsbl.{}], such as `sites = [\"zen.spamhaus.org=127.0.0.[2..11]*3\"]`",
                name.text
            )),
        })
    }
}

/// What check_policy_service takes where the entry says nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyService {
    /// Time for one request. Default 10 s, below `decision_deadline`.
    pub time_limit: Duration,
    /// `decision_deadline`, 20 s by default, which cuts every request off; for warnings only.
    pub deadline: Duration,
    /// The action when there is no answer. Default `451 4.3.5 Server configuration problem`.
    pub default_action: Word,
}

/// The reply codes, by Postfix's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the parameter of postconf(5) with the same name")]
pub struct Codes {
    pub access_map_defer_code: ReplyCode,
    pub access_map_reject_code: ReplyCode,
    pub defer_code: ReplyCode,
    pub invalid_hostname_reject_code: ReplyCode,
    pub multi_recipient_bounce_reject_code: ReplyCode,
    pub maps_rbl_reject_code: ReplyCode,
    pub non_fqdn_reject_code: ReplyCode,
    pub plaintext_reject_code: ReplyCode,
    pub reject_code: ReplyCode,
    pub relay_domains_reject_code: ReplyCode,
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
            multi_recipient_bounce_reject_code: ReplyCode::known(550),
            maps_rbl_reject_code: ReplyCode::known(554),
            non_fqdn_reject_code: ReplyCode::known(504),
            plaintext_reject_code: ReplyCode::known(450),
            reject_code: ReplyCode::known(554),
            relay_domains_reject_code: ReplyCode::known(554),
            unknown_address_reject_code: ReplyCode::known(450),
            unknown_client_reject_code: ReplyCode::known(450),
            unknown_hostname_reject_code: ReplyCode::known(450),
        }
    }
}

impl Codes {
    /// Those of access tables.
    pub fn of_tables(&self) -> MapCodes {
        MapCodes { reject: self.access_map_reject_code, defer: self.access_map_defer_code }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mynetworks: Arc::default(),
            parent_domain_matches_subdomains: true,
            recipient_delimiter: String::new(),
            local_domains: Arc::default(),
            relay_domains: Arc::default(),
            sender_login_maps: Arc::new([]),
            codes: Codes::default(),
            unknown_helo_hostname_tempfail_action: TempfailAction::default(),
            unknown_address_tempfail_action: TempfailAction::default(),
            policy_service: PolicyService::default(),
            classes: Arc::default(),
            rbl_replies: RblReplies::default(),
            dnsbl: BTreeMap::new(),
            greylist: Arc::default(),
            attachments: BTreeMap::from([(String::new(), Arc::default())]),
        }
    }
}

impl Default for PolicyService {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(10),
            deadline: Duration::from_secs(20),
            default_action: Word {
                text: "451 4.3.5 Server configuration problem".to_owned(),
                origin: Origin::builtin("default"),
            },
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

    /// The header table of a `type:name` word.
    ///
    /// # Errors
    /// When there is no such table.
    fn header_table(&mut self, word: &Word) -> Result<Arc<HeaderTable>, Fault> {
        Err(word.error("no header tables are to be had here"))
    }

    /// Takes a warning about a table that only the restriction using it can give, or about an argument.
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

    /// The next word, if it is one of those that may stand there.
    pub fn optional(&mut self, is: impl Fn(&str) -> bool) -> Option<Word> {
        if self.words.as_slice().first().is_some_and(|word| is(&word.text)) {
            self.words.next()
        } else {
            None
        }
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

    /// The next word as a header table.
    ///
    /// # Errors
    /// When there is no word or no such table.
    pub fn header_table(&mut self) -> Result<(Word, Arc<HeaderTable>), Fault> {
        let name = self.name.text.clone();
        let word = self.word("a table").map_err(|fault| {
            fault
                .help(format!("write the table's type and file, such as `{name} pcre:/etc/mailward/headers`"))
        })?;
        let table = self.tables.header_table(&word)?;
        Ok((word, table))
    }

    /// Reports a warning about an argument, or a fault in what a table holds.
    pub fn warn(&mut self, fault: Fault) {
        self.tables.warn(fault);
    }

    /// The words that were not taken.
    pub fn rest(self) -> Vec<Word> {
        self.words.collect()
    }
}
