//! Which known clients a filter of rows means: those by whose entries mail would pass although its rows are gone.

use super::{Filter, KnownKey};
use crate::{
    greylist::identity::{Prefixes, registrable},
    smtp::domain,
    time::Timestamp,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// Which known clients go with the rows of a filter.
#[derive(Clone, Debug)]
pub struct KnownFilter {
    prefixes: Prefixes,
    client: Option<String>,
    /// The keys of `client`.
    keys: Vec<String>,
    has_sender: bool,
    /// The domains by which clients are known for these senders.
    sender_domains: Vec<String>,
    /// Only entries last seen before this time.
    pub seen_before: Option<Timestamp>,
    /// Only entries last seen after this time.
    pub seen_after: Option<Timestamp>,
}

impl KnownFilter {
    /// `None` where a filter tells no known clients apart: by recipients, states or times alone.
    pub fn of(filter: &Filter, prefixes: Prefixes) -> Option<Self> {
        let Filter { client, between, passed, seen_before, seen_after, limit: _ } = filter;
        let senders: Vec<&str> = between.iter().filter_map(|between| between.sender.as_deref()).collect();
        if client.is_none() && senders.is_empty() || *passed == Some(false) {
            return None;
        }
        let keys = client.iter().flat_map(|client| match domain::address(client) {
            Some(address) => prefixes.keys(address),
            None => vec![client.clone()],
        });
        Some(Self {
            prefixes,
            keys: keys.collect(),
            client: client.clone(),
            has_sender: !senders.is_empty(),
            sender_domains: senders.into_iter().filter_map(sender_domain).collect(),
            seen_before: *seen_before,
            seen_after: *seen_after,
        })
    }

    /// Whether the criteria themselves mean an entry.
    pub fn means(&self, key: &KnownKey, last_seen: Timestamp) -> bool {
        let KnownKey { client, sender_domain } = key;
        let of_client = self.client.is_none() || self.keys.contains(client) || self.is_within(client);
        let of_sender = match (self.has_sender, &self.client) {
            (false, _) => true,
            // Who is known whatever the sender is so for all others too.
            (true, None) => self.sender_domains.contains(sender_domain),
            (true, Some(_)) => sender_domain.is_empty() || self.sender_domains.contains(sender_domain),
        };
        let of_time = self.seen_before.is_none_or(|before| last_seen < before)
            && self.seen_after.is_none_or(|after| last_seen > after);
        of_client && of_sender && of_time
    }

    /// Whether a known address is in the network that is asked for: the network is its key.
    fn is_within(&self, client: &str) -> bool {
        let Some(network) = self.client.as_deref().filter(|client| client.contains('/')) else {
            return false;
        };
        let address = client.parse::<IpAddr>().ok().or_else(|| Some(client.parse::<IpNet>().ok()?.addr()));
        address.is_some_and(|address| self.prefixes.network(address) == network)
    }

    /// The entries by which the mail of a row that is removed would pass: of its client, and of the address from which it
    /// came last.
    pub fn behind(&self, client: &str, sender: &str, last_ip: Option<&str>) -> Vec<KnownKey> {
        let mut clients = vec![client.to_owned()];
        if let Some(address) = last_ip.and_then(domain::address) {
            clients.extend(self.prefixes.keys(address));
        }
        let domains: Vec<String> =
            [Some(String::new()), sender_domain(sender)].into_iter().flatten().collect();
        let keys = clients.iter().flat_map(|client| domains.iter().map(move |domain| (client, domain)));
        keys.map(|(client, domain)| KnownKey { client: client.clone(), sender_domain: domain.clone() })
            .collect()
    }
}

/// The domain for which clients are known that send as `bob@mail.example.org` or `@mail.example.org`.
fn sender_domain(sender: &str) -> Option<String> {
    sender.rsplit_once('@').and_then(|(_, domain)| registrable(domain))
}
