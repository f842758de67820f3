//! Which rows of the greylist a command is about.

use super::addresses::{self, SHOWN_LIMIT};
use crate::{
    cli::{Exit, Failure, span::span},
    greylist::Settings,
    smtp::{
        domain::{self, Domain},
        text::{cut, escaped},
    },
    store::{Between, Filter},
    time::Timestamp,
};
use clap::Args;
use ipnet::IpNet;
use std::{
    io::{self, Write},
    time::Duration,
};

/// Which rows.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// Of this client: its last address, or its key
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// From this sender, or all of @DOMAIN: as it was sent, or as `list` shows it; <> is the null sender
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// To this recipient, or all of @DOMAIN
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Whose last attempt (column LAST) is longer ago, such as 1h
    #[arg(long, value_name = "TIME", value_parser = span)]
    older: Option<Duration>,
    /// Whose last attempt (column LAST) is not so long ago, such as 2d
    #[arg(long, value_name = "TIME", value_parser = span)]
    newer: Option<Duration>,
}

impl Which {
    /// The filter that lets these through.
    ///
    /// # Errors
    /// A client that is neither an address, a network nor a name; a word that is no address.
    pub(super) fn filter(&self, settings: &Settings, now: Timestamp) -> Result<Filter, Failure> {
        let ago =
            |age: Duration| Timestamp(now.0.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)));
        let from = self.sender.as_deref().map(addresses::sender).transpose()?;
        let to = self.recipient.as_deref().map(addresses::recipient).transpose()?;
        Ok(Filter {
            client: self.client.as_deref().map(client).transpose()?,
            between: addresses::between(settings, from.as_ref(), to.as_ref()),
            seen_before: self.older.map(ago),
            seen_after: self.newer.map(ago),
            ..Filter::default()
        })
    }

    /// The filter of a command that changes rows: never all of them by oversight.
    pub(super) fn some(&self, settings: &Settings, now: Timestamp) -> Result<Filter, Failure> {
        let Self { client, sender, recipient, older, newer } = self;
        let names = [client, sender, recipient].into_iter().any(Option::is_some);
        if !names && older.is_none() && newer.is_none() {
            let message = "say which: give --client, --sender, --recipient, --older or --newer".to_owned();
            return Err(Failure::Says(Exit::Usage, message));
        }
        self.filter(settings, now)
    }
}

/// A client's address or key as the store writes it: `192.0.2.1`, `192.0.2.0/24`, `ptr:example.org`.
///
/// # Errors
/// What can be none of these.
fn client(text: &str) -> Result<String, Failure> {
    let lower = text.to_lowercase();
    if let Some(address) = domain::address(&lower) {
        return Ok(address.to_canonical().to_string());
    }
    if let Ok(network) = lower.parse::<IpNet>() {
        return Ok(network.trunc().to_string());
    }
    if lower.strip_prefix("ptr:").is_some_and(|name| Domain::for_query(name).is_some()) {
        return Ok(lower);
    }
    let message = format!(
        "`{}` is not an address or network: write one such as 192.0.2.1, 192.0.2.0/24 or ptr:example.org",
        escaped(cut(text, SHOWN_LIMIT))
    );
    Err(Failure::Says(Exit::Usage, message))
}

/// Says what was looked for and where to look, after a filter that let nothing through; nothing of one without names.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn hint(rows: &str, filter: &Filter, err: &mut dyn Write) -> io::Result<()> {
    let alternatives = |column: fn(&Between) -> Option<&String>| {
        let mut all: Vec<&String> = Vec::new();
        for one in filter.between.iter().filter_map(column) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    };
    let (from, to) = (alternatives(|b| b.sender.as_ref()), alternatives(|b| b.recipient.as_ref()));
    let client: Vec<&String> = filter.client.iter().collect();
    let named = [("of the client", &client), ("from", &from), ("to", &to)];
    let parts: Vec<String> = named
        .iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(what, all)| format!("{what} {}", one_of(all)))
        .collect();
    if parts.is_empty() {
        return Ok(());
    }
    let command = "mailward greylist list";
    let wider = [("--sender", &from), ("--recipient", &to)];
    let wider = wider.into_iter().find_map(|(argument, all)| Some((argument, domain_of(all.first()?)?)));
    let way_out = match wider {
        Some((argument, domain)) => format!("`{command} {argument} @{domain}` shows those of its domain"),
        None => format!("`{command}` shows what there is"),
    };
    writeln!(err, "mailward: looked for {rows} {}: {way_out}", parts.join(", "))
}

/// How many forms of an address a message names.
const NAMED_LIMIT: usize = 3;

/// `a` or `b`.
fn one_of(all: &[&String]) -> String {
    let shown = |text: &&String| match text.as_str() {
        "" => "`<>`".to_owned(),
        text => format!("`{}`", escaped(cut(text, SHOWN_LIMIT))),
    };
    all.iter().take(NAMED_LIMIT).map(shown).collect::<Vec<_>>().join(" or ")
}

/// The domain of an address, if it can be pasted into a shell.
fn domain_of(address: &str) -> Option<Domain> {
    let (local, domain) = address.rsplit_once('@')?;
    Domain::for_query(domain).filter(|_| !local.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_written_as_the_store_has_them() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("2001:DB8:0::/64", "2001:db8::/64"),
            ("PTR:Example.org", "ptr:example.org"),
        ];
        for (text, want) in cases {
            assert!(matches!(client(text), Ok(read) if read == want), "{text}");
        }
        for text in ["", "999.1.1.1", "192.0.2.0/33", "ptr:", "mx.example.org"] {
            assert!(matches!(client(text), Err(Failure::Says(Exit::Usage, _))), "{text}");
        }
    }
}
