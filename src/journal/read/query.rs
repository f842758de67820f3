//! What a person asks the journal for.

use crate::{
    journal::{
        Mask, Row,
        terms::{self, Kind},
    },
    smtp::domain,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// What rows are wanted about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A client's address.
    Address(IpAddr),
    /// The clients of a network.
    Network(IpNet),
    /// A host or domain with everything below it: as client, HELO name, or domain of sender or recipient.
    Name(String),
    /// A mail address as sender or recipient, or a login; in lower case.
    Mailbox(String),
    /// A queue id.
    Queue(String),
    /// The name of a decision or of a message.
    Id(String),
}

impl Query {
    /// What a person's word may mean, the likeliest first: an address, a network, a mail address (`<>` and `@domain`
    /// too), the id of a log line, a domain; a queue id looks like a name or a number.
    pub fn meanings(what: &str) -> Vec<Self> {
        let what = what.trim();
        let bare = what.trim_start_matches(['<', '[']).trim_end_matches(['>', ']']);
        let bare =
            bare.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("ipv6:")).map_or(bare, |_| &bare[5..]);
        if let Some(address) = domain::address(bare) {
            return vec![Self::Address(address.to_canonical())];
        }
        if let Some(network) = bare.split_once('/').and_then(|_| bare.parse::<IpNet>().ok()) {
            return vec![Self::Network(network.trunc())];
        }
        if let Some((local, domain)) = bare.rsplit_once('@') {
            return vec![match local {
                "" => Self::Name(name(domain)),
                _ => Self::Mailbox(bare.to_lowercase()),
            }];
        }
        let is_id = bare.split_once('.').is_some_and(|(at, count)| {
            [at, count]
                .iter()
                .all(|part| (1..=16).contains(&part.len()) && u64::from_str_radix(part, 16).is_ok())
        });
        let mut meanings = Vec::new();
        if is_id {
            meanings.push(Self::Id(bare.to_lowercase()));
        }
        let mut bytes = bare.bytes();
        if bytes.len() >= 5
            && bytes.all(|byte| byte.is_ascii_alphanumeric())
            && bare.contains(|c: char| c.is_ascii_digit())
        {
            meanings.push(Self::Queue(bare.to_owned()));
        }
        if !bare.is_empty() {
            meanings.push(Self::Name(name(bare)));
            meanings.push(Self::Mailbox(bare.to_lowercase()));
        }
        meanings
    }

    /// The same in a journal that keeps hashes.
    pub(super) fn masked(&self, mask: &Mask) -> Option<Self> {
        match self {
            Self::Mailbox(address) => mask.masked(address).map(Self::Mailbox),
            Self::Address(_) | Self::Network(_) | Self::Name(_) | Self::Queue(_) | Self::Id(_) => None,
        }
    }

    /// The term that all rows have which match; `None` where there is none.
    pub(super) fn hash(&self) -> Option<u32> {
        Some(match self {
            Self::Address(address) => terms::hash_address(*address),
            Self::Network(network) => {
                let length =
                    terms::lengths(network.addr()).into_iter().find(|l| *l <= network.prefix_len())?;
                terms::hash_network(terms::network(network.addr(), length)?)
            }
            // A public suffix is above what rows are indexed by, a very deep name below.
            Self::Name(name) => {
                psl::domain_str(name)?;
                terms::hash(Kind::Name, terms::levels(name).last()?)
            }
            Self::Mailbox(address) => terms::hash(Kind::Mailbox, address),
            Self::Queue(id) => terms::hash(Kind::Queue, id),
            Self::Id(id) => terms::hash(Kind::Id, id),
        })
    }

    /// Whether a row is about it.
    pub(super) fn matches(&self, row: &Row<'_>) -> bool {
        let client = || row.client.as_deref().and_then(|text| text.parse::<IpAddr>().ok());
        let mailboxes = || [&row.sender, &row.recipient].into_iter().flatten();
        match self {
            Self::Address(address) => client() == Some(*address),
            Self::Network(network) => client().is_some_and(|address| network.contains(&address)),
            Self::Name(name) => {
                let names = [&row.client_name, &row.helo].into_iter().flatten().map(|name| name.as_ref());
                let domains =
                    mailboxes().filter_map(|address| address.rsplit_once('@')).map(|(_, domain)| domain);
                names.chain(domains).any(|found| is_below(found, name))
            }
            Self::Mailbox(address) => {
                let same = |text: &str| text.to_lowercase() == *address;
                mailboxes().any(|text| same(text)) || row.login.as_deref().is_some_and(same)
            }
            Self::Queue(id) => row.queue_id.as_deref() == Some(id),
            Self::Id(id) => row.decision == *id || row.message.as_deref() == Some(id),
        }
    }
}

/// A name as a person writes it, in the form of rows.
fn name(text: &str) -> String {
    let text = text.trim_start_matches('.').trim_end_matches('.');
    domain::Domain::for_query(text).map_or_else(|| text.to_lowercase(), |name| name.as_str().to_owned())
}

/// Whether a name is another or below it, in any case of letters.
fn is_below(found: &str, name: &str) -> bool {
    let found = found.trim_end_matches('.');
    let Some(at) = found.len().checked_sub(name.len()) else { return false };
    found.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(name))
        && (at == 0 || found.as_bytes().get(at - 1) == Some(&b'.'))
}
