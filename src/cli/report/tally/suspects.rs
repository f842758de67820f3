//! What may have been refused wrongly: refused mail about which something speaks for its sender. Kept by the client's
//! network, the sender's domain and the entry that refused.

use super::{network, top::Top, under_way::stop};
use crate::{
    cli::{
        report::figures::{Outcome, Suspect},
        why,
    },
    greylist::identity::{is_dynamic, registrable},
    journal::Row,
};
use ipnet::IpNet;
use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
    net::IpAddr,
};

/// Refused senders that are kept in mind; beyond that the most frequent ones.
const PLACES: usize = 4_000;
/// Domains that are remembered for something good, of each kind.
const GOOD: usize = 100_000;
/// How many suspects are told.
const TOLD: usize = 100;
/// So often a mail must have come back, over [`PERSISTS`], to look like that of a mail server.
const RETRIES: u64 = 4;
/// In seconds.
const PERSISTS: i64 = 3_600;
/// From which weight of signs on somebody is suspected to be good.
const ENOUGH: u32 = 2;

/// Refused mail and what speaks for somebody.
#[derive(Debug)]
pub(super) struct Suspects {
    refused: Top<(IpNet, Box<str>, i64), Refused>,
    hasher: RandomState,
    /// Sender domains with their networks, of accepted mail.
    accepted: HashSet<u64>,
    /// Domains that somebody who had logged in wrote to.
    written_to: HashSet<u64>,
}

/// What was refused of one sender.
#[derive(Debug, Default)]
struct Refused {
    told: Option<Suspect>,
    first: i64,
    own_name: bool,
}

impl Suspects {
    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        Self { refused: Top::new(PLACES), hasher, accepted: HashSet::new(), written_to: HashSet::new() }
    }

    /// A decision that refused.
    pub(super) fn refused(&mut self, row: &Row<'_>) {
        let Some(outcome) = stop(row).filter(|outcome| *outcome != Outcome::Discarded) else { return };
        // Exemptions do not reach the lists at the end of a message.
        let (Some(rule), true) = (row.rule, row.stage.as_deref() != Some("end_of_data")) else { return };
        let (Some((network, address)), Some(domain)) = (network(row), domain(row.sender.as_deref())) else {
            return;
        };
        let name = row.client_name.as_deref().filter(|name| *name != "unknown");
        let refused = self.refused.add(&(network, domain.clone(), rule));
        if refused.told.is_none() {
            // Where nothing would admit it, nothing is told.
            let Some(command) = why::admission(row) else { return };
            refused.own_name = name.is_some_and(|name| is_own_name(name, address, &domain));
            refused.first = row.time;
            let text =
                |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
            refused.told = Some(Suspect {
                client: address.to_string(),
                client_name: name.map(str::to_owned),
                sender: text(&row.sender),
                recipient: text(&row.recipient),
                entry: crate::lookup::dnsxl::key::entry_without_keys(
                    row.entry.as_deref().unwrap_or_default(),
                ),
                place: row.place.clone().unwrap_or_default(),
                outcome,
                count: 0,
                last: row.time,
                signs: Vec::new(),
                command,
                id: String::new(),
            });
        }
        if let Some(told) = &mut refused.told {
            told.count += 1;
            told.last = row.time;
            told.id = row.decision.clone().into_owned();
        }
    }

    /// A message was accepted.
    pub(super) fn accepted(&mut self, row: &Row<'_>) {
        if let (Some((network, _)), Some(domain)) = (network(row), domain(row.sender.as_deref()))
            && self.accepted.len() < GOOD
        {
            self.accepted.insert(self.hasher.hash_one((network, domain)));
        }
    }

    /// Somebody who has logged in writes to somebody.
    pub(super) fn wrote(&mut self, row: &Row<'_>) {
        if let Some(domain) = domain(row.recipient.as_deref()).filter(|_| row.login.is_some())
            && self.written_to.len() < GOOD
        {
            self.written_to.insert(self.hasher.hash_one(domain));
        }
    }

    /// Those for whom enough speaks, the likeliest first.
    pub(super) fn figures(self) -> Vec<Suspect> {
        let Self { refused, hasher, accepted, written_to } = self;
        let mut found: Vec<(u32, Suspect)> = Vec::new();
        for ((network, domain, _), refused) in refused.into_all() {
            let Refused { told: Some(mut told), first, own_name } = refused else { continue };
            let soft = told.outcome != Outcome::Rejected;
            let is_accepted = accepted.contains(&hasher.hash_one((network, &domain)));
            let lasted = told.last.saturating_sub(first);
            let retried = soft && told.count >= RETRIES && lasted >= PERSISTS;
            // What came back and passed was not refused wrongly; a first attempt has yet to come back.
            if (soft && is_accepted) || (told.outcome == Outcome::Greylisted && !retried) {
                continue;
            }
            // Whoever sends junk from names of his own is on lists too.
            let listed = ["reject_rbl", "reject_rhsbl", "reject_dnsbl", "reject_maps"];
            let own = if listed.iter().any(|begin| told.entry.starts_with(begin)) { 1 } else { 2 };
            let signs = [
                (
                    written_to.contains(&hasher.hash_one(&domain)),
                    4,
                    format!("a local user wrote to {domain}"),
                ),
                (is_accepted, 3, format!("other mail of {domain} from {network} was accepted")),
                (own_name, own, format!("its verified name belongs to {domain}")),
                (retried, 2, format!("it tried {} times in {} h", told.count, lasted / 3_600)),
            ];
            let weight = signs.iter().filter(|(is, ..)| *is).map(|(_, weight, _)| weight).sum();
            told.signs = signs.into_iter().filter(|(is, ..)| *is).map(|(.., text)| text).collect();
            if weight >= ENOUGH {
                found.push((weight, told));
            }
        }
        found.sort_by(|(one, a), (other, b)| {
            (other, b.count, b.last, &a.client).cmp(&(one, a.count, a.last, &b.client))
        });
        found.into_iter().take(TOLD).map(|(_, told)| told).collect()
    }
}

/// The domain of an address, in lower case.
fn domain(address: Option<&str>) -> Option<Box<str>> {
    let (_, domain) = address?.rsplit_once('@')?;
    (!domain.is_empty() && domain.len() <= 255).then(|| domain.to_ascii_lowercase().into())
}

/// Whether a verified name belongs to a mail server of the domain's owner.
fn is_own_name(name: &str, address: IpAddr, domain: &str) -> bool {
    let owner = registrable(name);
    owner.is_some() && owner == registrable(domain) && !is_dynamic(name, address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    /// `time verdict client name sender recipient entry`; `-` for nothing, `login:` before a recipient: by a local user.
    fn row(line: &'static str) -> Row<'static> {
        let mut words = line.splitn(7, ' ').map(|word| Some(word).filter(|word| *word != "-"));
        let mut next = || words.next().flatten();
        let time = next().unwrap().parse().unwrap();
        let verdict = next().unwrap();
        let mut row =
            Row { time, verdict: verdict.into(), event: "RCPT".into(), rule: Some(1), ..Row::default() };
        row.client = next().map(Cow::Borrowed);
        row.client_name = next().map(Cow::Borrowed);
        row.sender = next().map(Cow::Borrowed);
        let recipient = next();
        row.login = recipient.filter(|text| text.starts_with("login:")).map(Cow::Borrowed);
        row.recipient = recipient.map(|text| text.trim_start_matches("login:").into());
        row.entry = next().map(str::to_owned);
        row
    }

    fn signs(lines: &[&'static str]) -> Vec<String> {
        let mut suspects = Suspects::new();
        for line in lines {
            let row = row(line);
            if row.verdict == "accepted" {
                suspects.accepted(&row);
            } else {
                suspects.refused(&row);
                suspects.wrote(&row);
            }
        }
        suspects.figures().iter().map(|told| format!("{} x {}", told.count, told.signs.join("; "))).collect()
    }

    #[test]
    fn somebody_is_suspected_to_be_good_only_if_enough_speaks_for_him() {
        const OWN: &str =
            "1 reject 192.0.2.1 mx.a.example x@a.example y@us.example check_helo_access hash:/x";
        const LISTED: &str =
            "2 reject 192.0.2.1 mx.a.example x@a.example y@us.example reject_rbl_client bl.example";
        const ACCEPTED: &str = "3 accepted 192.0.2.9 mx.a.example z@a.example y@us.example -";
        const WROTE: &str = "4 permit 198.51.100.1 - y@us.example login:x@a.example -";
        const WAITS: &str = "5 defer 192.0.2.1 mx.a.example x@a.example y@us.example greylist";
        const LATER: &str = "7200 defer 192.0.2.1 mx.a.example x@a.example y@us.example greylist";
        let cases: [(&[&'static str], &[&str]); 11] = [
            (&[OWN], &["1 x its verified name belongs to a.example"]),
            (&[LISTED], &[]),
            (
                &[LISTED, LISTED, ACCEPTED],
                &[
                    "2 x other mail of a.example from 192.0.2.0/24 was accepted; its verified name belongs to a.example",
                ],
            ),
            (
                &[LISTED, WROTE],
                &["1 x a local user wrote to a.example; its verified name belongs to a.example"],
            ),
            (&[WAITS], &[]),
            (
                &[WAITS, WAITS, WAITS, LATER],
                &["4 x its verified name belongs to a.example; it tried 4 times in 1 h"],
            ),
            (&[WAITS, WAITS, WAITS, LATER, ACCEPTED], &[]),
            (&["1 reject 192.0.2.1 mx.b.example x@a.example y@us.example check_helo_access hash:/x"], &[]),
            (
                &[
                    "1 reject 192.0.2.1 192-0-2-1.a.example x@a.example y@us.example check_helo_access hash:/x",
                ],
                &[],
            ),
            // No exemption would help.
            (
                &["1 reject 192.0.2.1 mx.a.example x@a.example y@us.example check_recipient_access hash:/x"],
                &[],
            ),
            (&["1 reject 192.0.2.1 mx.a.example - y@us.example check_helo_access hash:/x"], &[]),
        ];
        for (lines, want) in cases {
            assert_eq!(signs(lines), want, "{lines:?}");
        }
        let mut suspects = Suspects::new();
        suspects.refused(&row(OWN));
        let [told] = suspects.figures().try_into().unwrap();
        assert_eq!(told.command, "mailward allow add client 192.0.2.1 --reason \"…\" --expires 30d");
    }
}
