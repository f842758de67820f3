//! What can stand in a restriction list: the trait, the description of a kind, and the registry.
//!
//! One restriction or family, one file, one line in [`registry`].

pub mod args;
pub mod class;
mod defer_if;
mod envelope_address;
mod helo_literal;
mod permit;
mod permit_mynetworks;
mod permit_sasl_authenticated;
mod permit_tls_all_clientcerts;
mod reject;
mod reject_invalid_helo_hostname;
mod reject_non_fqdn_address;
mod reject_non_fqdn_helo_hostname;
mod reject_unknown_client;
mod reject_unknown_domain;
mod reject_unknown_helo_hostname;
mod warn_if_reject;

use crate::{
    decision::action::{Action, Amends},
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
};
use args::Arguments;
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

    /// Whether nothing behind it in the list can ever be reached: `permit`, `reject`, `defer`.
    fn ends_list(&self) -> bool {
        false
    }
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
