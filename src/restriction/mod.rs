//! What can stand in a restriction list: the trait, the description of a kind, and the registry.
//!
//! One restriction or family, one file, one line in [`registry`].

pub mod args;
pub mod attachment_rules;
mod block_list;
mod check_access;
mod check_header;
mod check_policy_service;
mod check_sasl_access;
mod check_server_access;
pub mod class;
pub mod content;
mod defer_if;
pub mod elsewhere;
mod envelope_address;
mod greylist;
mod greylist_dnsbl_score;
mod helo_literal;
pub mod known_lists;
pub mod list;
pub mod mend;
mod permit;
mod permit_dnswl;
mod permit_inet_interfaces;
mod permit_mynetworks;
mod permit_sasl_authenticated;
mod permit_tls_all_clientcerts;
pub mod rbl_reply;
mod reject;
mod reject_attachment_name;
mod reject_dnsbl_score;
mod reject_invalid_helo_hostname;
mod reject_multi_recipient_bounce;
mod reject_non_fqdn_address;
mod reject_non_fqdn_helo_hostname;
mod reject_plaintext_session;
mod reject_rbl_client;
mod reject_rhsbl;
mod reject_sender_login_mismatch;
mod reject_unauth_destination;
mod reject_unknown_client;
mod reject_unknown_domain;
mod reject_unknown_helo_hostname;
pub mod scored_list;
mod sleep;
pub mod topics;
mod warn_if_reject;

use crate::{
    decision::action::{Action, Amends, ClassId},
    lookup::{Lookups, Pending, dnsxl::ListUse},
    origin::Fault,
    request::{Event, Request},
};
use args::Arguments;
use content::Looks;
use std::fmt;

/// A rule: a pure function of the request and the answers that are there.
pub trait Restriction: fmt::Debug + Send + Sync {
    /// What the rule says. Ask for everything first, then wait with `?`: so a list costs one round.
    ///
    /// # Errors
    /// [`Pending`] while an answer it needs is not there.
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending>;

    /// Which changes of the message it may ask for.
    fn amends(&self) -> Amends {
        Amends::default()
    }

    /// The block and allow lists it asks.
    fn lists(&self) -> Vec<ListUse> {
        Vec::new()
    }

    /// What it wants to know of a message's content.
    fn looks(&self) -> Option<Looks> {
        None
    }

    /// Whether it asks the greylist, and may defer a message at DATA.
    fn greylists(&self) -> bool {
        false
    }

    /// The entry for logs and traces, where its words hold what they must not show: the key of a paid list.
    fn shown(&self) -> Option<&str> {
        None
    }

    /// Whether what stands behind it in the list can ever be reached, if the list runs at `event`; without one, at
    /// whatever event it runs.
    fn ends(&self, event: Option<Event>) -> Ends {
        let _ = event;
        Ends::Never
    }
}

/// Whether a restriction always ends its list, whatever the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It may go on.
    Never,
    /// It permits everything.
    Permits,
    /// It permits everything but recipients that choose their own way.
    PermitsOrdinary,
    /// It refuses everything.
    Refuses,
    /// As this class does.
    As(ClassId),
}

/// How an entry of a kind is made from its words.
#[derive(Clone, Copy)]
pub enum Parse {
    /// From the words behind its name.
    Entry(fn(&mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault>),
    /// It is a prefix of the next entry: `warn_if_reject`.
    WarnIfReject,
}

/// One name that can stand in a list.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The name, as in postconf(5).
    pub name: &'static str,
    /// Older names of the same thing.
    pub aliases: &'static [&'static str],
    /// The words behind the name, as the manual shows them; empty without any.
    pub usage: &'static str,
    /// The first event at which it has something to look at; earlier it says DUNNO.
    pub needs: Event,
    /// The manual text: what it does, the reply, failures, differences from Postfix.
    pub manual: &'static str,
    /// How an entry is made.
    pub parse: Parse,
}

/// All kinds, in the order of the manual.
pub fn registry() -> impl Iterator<Item = &'static Kind> {
    let families = [
        permit::KINDS,
        reject::KINDS,
        defer_if::KINDS,
        warn_if_reject::KINDS,
        permit_mynetworks::KINDS,
        permit_sasl_authenticated::KINDS,
        permit_tls_all_clientcerts::KINDS,
        reject_invalid_helo_hostname::KINDS,
        reject_non_fqdn_helo_hostname::KINDS,
        reject_unknown_helo_hostname::KINDS,
        reject_non_fqdn_address::KINDS,
        reject_unknown_domain::KINDS,
        reject_unknown_client::KINDS,
        check_access::KINDS,
        check_policy_service::KINDS,
        check_server_access::KINDS,
        check_sasl_access::KINDS,
        check_header::KINDS,
        reject_attachment_name::KINDS,
        permit_inet_interfaces::KINDS,
        reject_multi_recipient_bounce::KINDS,
        reject_plaintext_session::KINDS,
        reject_sender_login_mismatch::KINDS,
        reject_unauth_destination::KINDS,
        sleep::KINDS,
        reject_rbl_client::KINDS,
        reject_rhsbl::KINDS,
        permit_dnswl::KINDS,
        reject_dnsbl_score::KINDS,
        greylist::KINDS,
        greylist_dnsbl_score::KINDS,
    ];
    families.into_iter().flatten()
}

/// The kind of a name or an old alias, in any case of letters, as Postfix reads them.
pub fn find(name: &str) -> Option<&'static Kind> {
    registry().find(|kind| {
        kind.name.eq_ignore_ascii_case(name)
            || kind.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        table::{
            domain_list::{DomainList, Subdomains},
            memory::{Memory, word},
            texts::TextTable,
        },
        testing::rule_with,
    };
    use args::Settings;
    use std::collections::HashSet;

    #[test]
    fn every_name_and_old_name_is_there_once() {
        let mut seen = HashSet::new();
        for kind in registry() {
            for name in [kind.name].iter().chain(kind.aliases) {
                let word = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                assert!(word && !name.is_empty(), "`{name}` is not a word of postconf(5)");
                assert!(seen.insert(*name), "`{name}` stands twice");
                assert_eq!(find(&name.to_uppercase()).map(|found| found.name), Some(kind.name));
            }
        }
        assert!(find("reject_unknown_hlo").is_none() && find("").is_none());
    }

    #[test]
    fn every_manual_begins_with_a_sentence_and_fits_the_terminal() {
        for Kind { name, manual, .. } in registry() {
            let first = manual.lines().next().unwrap_or_default();
            assert!(first.len() > 1 && first.ends_with('.'), "{name}: `{first}` is not a sentence");
            assert!(first.starts_with(char::is_uppercase), "{name}: `{first}` begins small");
            assert!(manual.contains("\nExample: "), "{name} shows no example");
            assert!(manual.ends_with('\n') && !manual.ends_with("\n\n"), "{name}: end of manual");
            for line in manual.lines() {
                assert!(line.chars().count() <= 78, "{name}: too wide: {line}");
                assert_eq!(line, line.trim_end(), "{name}: blanks at the end of a line");
            }
        }
    }

    #[test]
    fn every_difference_from_postfix_has_its_reason() {
        for Kind { name, manual, .. } in registry() {
            for difference in manual.split("\nPostfix: ").skip(1) {
                let difference = difference.split("\n\n").next().unwrap_or_default();
                let here = difference.find("; here: ").or_else(|| difference.find(";\nhere: "));
                let because = difference.find("because");
                assert!(here.is_some() && here < because, "{name}: {difference}");
            }
        }
    }

    #[test]
    fn an_entry_needs_words_exactly_where_its_usage_shows_some() {
        let mut memory = Memory::default();
        let domains = DomainList::load(&[word("example.net")], Subdomains::None, &mut memory);
        let logins = TextTable::load(&word("inline:{@example.net=postmaster}"), &mut memory).unwrap();
        let settings = Settings {
            local_domains: domains.into(),
            sender_login_maps: [logins].into(),
            ..Settings::default()
        };
        for kind in registry() {
            match kind.parse {
                Parse::Entry(_) => {
                    let alone = rule_with(kind.name, &settings);
                    let optional = kind.usage.is_empty() || kind.usage.starts_with('[');
                    assert_eq!(alone.is_ok(), optional, "{}: usage `{}`", kind.name, kind.usage);
                }
                Parse::WarnIfReject => assert!(!kind.usage.is_empty(), "{}", kind.name),
            }
        }
    }

    #[test]
    fn the_names_of_old_guides_lead_to_the_names_of_today() {
        let cases = [
            ("reject_invalid_hostname", "reject_invalid_helo_hostname"),
            ("reject_non_fqdn_hostname", "reject_non_fqdn_helo_hostname"),
            ("reject_unknown_hostname", "reject_unknown_helo_hostname"),
            ("reject_unknown_client", "reject_unknown_client_hostname"),
            ("reject_unknown_address", "reject_unknown_sender_domain"),
            ("reject_rbl", "reject_rbl_client"),
        ];
        for (old, name) in cases {
            assert_eq!(find(old).map(|kind| kind.name), Some(name));
        }
    }
}
