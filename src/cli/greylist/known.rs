//! What `mailward greylist show` says of known clients: those by whose entries mail from an address or a name may pass.

use super::list::age;
use crate::{
    cli::Failure,
    greylist::{
        KnownBy,
        identity::{Prefixes, registrable},
    },
    smtp::{domain, text::escaped},
    store::{GreylistStore, KnownClient, KnownKey, sqlite::SqliteStore},
    time::Timestamp,
};
use std::io::{self, Write};

/// Entries fetched at a time.
const PAGE: usize = 1_000;
/// How many entries of one client are shown at most; `export --known` has all.
const LIMIT: usize = 1_000;

/// The entries under the keys of a client: an address, a network, a domain, or a key as it stands in the table.
pub(super) async fn of(
    store: &SqliteStore,
    prefixes: &Prefixes,
    what: &str,
) -> Result<Vec<KnownClient>, Failure> {
    let mut all = Vec::new();
    for key in keys(prefixes, what) {
        all.extend(entries(store, &key).await?);
    }
    Ok(all)
}

/// The keys by which a client may be known.
fn keys(prefixes: &Prefixes, what: &str) -> Vec<String> {
    match domain::address(what) {
        Some(address) => prefixes.keys(address.to_canonical()),
        None => {
            let lower = what.to_lowercase();
            let name = registrable(&lower).filter(|_| !lower.contains(['@', '/', ':']));
            [lower].into_iter().chain(name.map(|name| format!("ptr:{name}"))).collect()
        }
    }
}

/// The entries under one key. The store gives what stands behind a key: the look begins at the key without its last
/// character, which stands shortly before it.
async fn entries(store: &SqliteStore, client: &str) -> Result<Vec<KnownClient>, Failure> {
    let mut before = client.to_owned();
    before.pop();
    let mut behind = KnownKey { client: before, sender_domain: String::new() };
    let mut found = Vec::new();
    loop {
        let page = store.known_after(Some(behind), PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        behind = KnownKey { client: last.client.clone(), sender_domain: last.sender_domain.clone() };
        found.extend(page.into_iter().filter(|known| known.client == client));
        if behind.client.as_str() > client || found.len() >= LIMIT {
            found.truncate(LIMIT);
            return Ok(found);
        }
    }
}

/// Prints one, with what it still lacks to let mail pass. Not its hits: a mail that follows another is not counted.
pub(super) fn print(
    known: &KnownClient,
    by: &KnownBy,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let KnownClient { client, sender_domain, passes, last_pass, last_seen, origin, .. } = known;
    let senders = if sender_domain.is_empty() {
        "for every sender".to_owned()
    } else {
        format!("for senders of {}", escaped(sender_domain))
    };
    let retries = |count| if count == 1 { "retry" } else { "retries" };
    let (standing, proofs) = match by.passes(client, sender_domain) {
        None => ("lets no mail pass by this configuration", format!("{passes} proven {}", retries(*passes))),
        Some(needed) if *passes < needed => {
            ("is not known yet", format!("{passes} of {needed} proven {}", retries(needed)))
        }
        Some(_) if *last_seen < by.since => {
            ("is no longer known", format!("{passes} proven {}", retries(*passes)))
        }
        Some(_) => ("is a known client", format!("{passes} proven {}", retries(*passes))),
    };
    writeln!(out, "{} {standing}, {senders}", escaped(client))?;
    writeln!(out, "    {proofs}, the last {}", last_pass.rfc5322())?;
    writeln!(out, "    last seen {} ago, origin {}", age(*last_seen, now), escaped(origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::greylist::Settings;

    #[test]
    fn a_client_is_looked_for_under_all_its_keys() {
        let cases: [(&str, &[&str]); 5] = [
            ("192.0.2.1", &["192.0.2.1", "192.0.2.0/24"]),
            ("2001:db8::1", &["2001:db8::1", "2001:db8::/64"]),
            ("192.0.2.0/24", &["192.0.2.0/24"]),
            ("mx.Example.org", &["mx.example.org", "ptr:example.org"]),
            ("ptr:example.org", &["ptr:example.org"]),
        ];
        for (what, want) in cases {
            assert_eq!(keys(&Settings::default().prefixes, what), want);
        }
    }

    #[test]
    fn an_entry_without_mail_for_long_is_no_longer_known() {
        let by = Settings::default().known_by(Timestamp(10_000_000));
        let known = |last_seen| KnownClient {
            client: "192.0.2.1".to_owned(),
            sender_domain: String::new(),
            passes: 2,
            last_pass: Timestamp(0),
            first_seen: Timestamp(0),
            last_seen: Timestamp(last_seen),
            hits: 0,
            origin: "smtp".to_owned(),
        };
        for (last_seen, want) in [(by.since.0, "is a known client"), (by.since.0 - 1, "is no longer known")] {
            let mut out = Vec::new();
            print(&known(last_seen), &by, Timestamp(10_000_000), &mut out).unwrap();
            let want = format!("192.0.2.1 {want}, for every sender\n    2 proven retries, the last ");
            assert!(String::from_utf8(out).unwrap().starts_with(&want), "{want}");
        }
    }
}
