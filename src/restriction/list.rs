//! A block or allow list as an argument, `domain` or `domain=filter`, and what it answers: smtpd_check.c rbl_match_addr()
//! and its callers.

use super::{args::Arguments, known_lists, known_lists::Since};
use crate::{
    lookup::{
        Lookups, Pending,
        answers::DnsAnswer,
        dnsxl::{ListKind, ListUse, filter::Filter, key::without_key},
    },
    origin::{Fault, Word},
    smtp::{domain::Domain, text},
};
use std::{net::Ipv4Addr, sync::Arc};

/// The longest text of a list that is shown, in bytes (smtpd_check.c, RBL_TXT_LIMIT).
const TEXT_LIMIT: usize = 500;

/// A list and which of its answers count.
#[derive(Clone, Debug)]
pub struct List {
    /// How it is used, for the watch on the lists.
    pub used: ListUse,
    /// The domain as written.
    pub written: Box<str>,
    /// Which answers are listings; all of them without one.
    pub filter: Option<Filter>,
}

/// What a list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Listed, with the list's text if it was asked for.
    Listed { text: String },
    /// Not listed, or answered with what is no listing.
    NotListed,
    /// Set aside, and not asked.
    SetAside,
    /// Could not be found out.
    Unknown,
}

impl List {
    /// Reads `domain` or `domain=filter`.
    ///
    /// # Errors
    /// When the domain is none, or the filter is not in Postfix's grammar.
    pub fn parse(word: &Word, kind: ListKind, allows: bool) -> Result<Self, Fault> {
        let (written, filter) = match word.text.split_once('=') {
            Some((domain, filter)) => (domain, Some(filter)),
            None => (word.text.as_str(), None),
        };
        let width = written.chars().count();
        let Some(zone) = Domain::for_query(written) else {
            let fault = Fault::error(&word.origin, width, format!("`{written}` is not a domain of a list"));
            if let Some((bare, _)) = written.split_once('*') {
                let help = format!("write `{bare}`; weights stand in a scored list, [dnsbl.NAME]");
                return Err(fault.help(help));
            }
            return Err(match written.strip_suffix('.').filter(|bare| Domain::for_query(bare).is_some()) {
                Some(bare) => fault.help(format!("write `{bare}`, without the dot")),
                None => fault.help("write the list's domain, such as `zen.spamhaus.org=127.0.0.[2..11]`"),
            });
        };
        let filter = match filter {
            Some(filter) => Some(Filter::parse(filter, &word.origin.right(width + 1))?),
            None => None,
        };
        let used = ListUse { zone, kind, allows, origin: word.origin.clone() };
        Ok(Self { used, written: written.into(), filter })
    }

    /// What is wrong with using the list so: it is closed, or needs a filter.
    pub fn doubts(&self) -> Option<Fault> {
        let zone = self.used.zone.as_str();
        let warning = |message| Fault::warning(&self.used.origin, self.written.chars().count(), message);
        if let Some(closed) = known_lists::closed_list(zone) {
            let what = match closed.since {
                Since::Nothing => "it is asked in vain",
                Since::Everything => "it has answered for every address since",
            };
            let message = format!("the list `{}` was closed in {}: {what}", closed.zone, closed.year);
            let help = match closed.instead {
                Some(instead) => format!("use {instead} instead"),
                None => "take the entry out".to_owned(),
            };
            return Some(warning(message).help(help));
        }
        if let Some((what, help)) = known_lists::outdated(zone) {
            return Some(warning(format!("the list `{}` {what}", self.shown())).help(help));
        }
        let spamhaus = known_lists::spamhaus(zone);
        if let Some((kind, _)) = spamhaus.filter(|(kind, _)| *kind != self.used.kind) {
            let (is, help) = match kind {
                ListKind::Address => {
                    ("addresses", "ask it about the client's address, with reject_rbl_client")
                }
                ListKind::Name => ("names", "ask it about a name, with reject_rhsbl_sender or its siblings"),
            };
            return Some(warning(format!("`{}` is a list of {is}", self.shown())).help(help));
        }
        if self.filter.is_some() {
            return None;
        }
        if let Some((_, filter)) = spamhaus {
            let message = format!(
                "`{}` without a filter: its answers that are no reason to refuse mail would count too",
                self.shown()
            );
            return Some(warning(message).help(format!("write `={filter}` behind the name")));
        }
        if self.used.allows {
            let message =
                format!("`{}` without a filter: any answer permits, that of an error too", self.shown());
            return Some(
                warning(message).help("name the answers that permit, such as `=127.0.[0..255].[1..3]`"),
            );
        }
        None
    }

    /// The list's name for logs and traces, without a customer's key.
    pub fn shown(&self) -> &str {
        without_key(&self.written).unwrap_or(&self.written)
    }

    /// Whether the name holds a customer's key.
    pub(super) fn has_key(&self) -> bool {
        without_key(&self.written).is_some()
    }

    /// The entry as logs show it; `None` where that is as it is written.
    pub(super) fn entry(&self, name: &str, argument: &str) -> Option<String> {
        let rest = &argument[self.written.len()..];
        self.has_key().then(|| format!("{name} {}{rest}", self.shown()))
    }

    /// Whether an answer counts.
    pub(super) fn counts(&self, answers: &[Ipv4Addr]) -> bool {
        match &self.filter {
            Some(filter) => answers.iter().any(|answer| filter.matches(*answer)),
            None => !answers.is_empty(),
        }
    }

    /// Asks the list. Its text is asked for only once it is known to be listed, because most mail is not, and lists
    /// count questions.
    ///
    /// Postfix: asks for the text of every answer; here: only for what a reply shows, because the rest is never read.
    /// `lookahead = false` asks as Postfix.
    pub(super) fn ask(
        &self,
        query: Option<Domain>,
        wants_text: bool,
        lookups: &mut Lookups<'_>,
    ) -> Result<Listing, Pending> {
        let shown = self.shown().to_owned();
        let answers = match lookups.a(query.as_ref())? {
            DnsAnswer::Records(answers) => answers,
            DnsAnswer::NotFound => {
                lookups.note(format!("{shown}: not listed"));
                return Ok(Listing::NotListed);
            }
            DnsAnswer::SetAside => {
                lookups.note(format!("{shown}: set aside"));
                return Ok(Listing::SetAside);
            }
            DnsAnswer::Failed(why) | DnsAnswer::Temporary(why) => {
                lookups.note(format!("{shown}: no answer ({why})"));
                return Ok(Listing::Unknown);
            }
            DnsAnswer::NullMx | DnsAnswer::Invalid => {
                lookups.note(format!("{shown}: malformed answer"));
                return Ok(Listing::Unknown);
            }
        };
        let counts = self.counts(answers);
        let text = if (counts && wants_text) || !lookups.eager() {
            joined(lookups.txt(query.as_ref())?.records())
        } else {
            String::new()
        };
        let codes = answers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if !counts {
            lookups.note(format!("{shown}: {codes}, which its filter does not count"));
            return Ok(Listing::NotListed);
        }
        let says = if text.is_empty() { String::new() } else { format!("; {text}") };
        lookups.note(format!("{shown}: {codes}{says}"));
        Ok(Listing::Listed { text })
    }
}

/// The texts of a listing as replies show them: joined, and of bounded length.
fn joined(texts: &[Arc<str>]) -> String {
    let mut all = String::new();
    for (number, part) in texts.iter().enumerate() {
        if all.len() >= TEXT_LIMIT {
            break;
        }
        if number > 0 && all.len() + 3 < TEXT_LIMIT {
            all.push_str(" / ");
        }
        all.push_str(text::cut(part, TEXT_LIMIT - all.len()));
    }
    all
}

/// An allow list behind a restriction's name.
pub(super) fn allow_list(
    arguments: &mut Arguments<'_>,
    kind: ListKind,
) -> Result<(List, Option<String>), Fault> {
    let word = arguments.word("a list").map_err(|fault| {
        fault.help(format!("write `{} list.dnswl.org=127.0.[0..255].[1..3]`", arguments.name().text))
    })?;
    let list = List::parse(&word, kind, true)?;
    if let Some(fault) = list.doubts() {
        arguments.warn(fault);
    }
    let entry = list.entry(&arguments.name().text, &word.text);
    Ok((list, entry))
}
