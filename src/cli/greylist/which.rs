//! Which rows of the greylist a command is about.

use crate::{
    cli::{Exit, Failure, span::span},
    smtp::{
        address::with_a_labels,
        domain::{self, Domain},
        text::{cut, escaped},
    },
    store::Filter,
    time::Timestamp,
};
use clap::Args;
use ipnet::IpNet;
use std::time::Duration;

/// How much of a wrong value a message shows, in bytes.
const SHOWN_LIMIT: usize = 80;

/// Which rows.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// Of this client: its last address, or its key
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// From this sender, or all of its domain, written @DOMAIN; as `list` shows it
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
    /// A client that is neither an address, a network nor a name.
    pub(super) fn filter(&self, now: Timestamp) -> Result<Filter, Failure> {
        let ago =
            |age: Duration| Timestamp(now.0.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)));
        Ok(Filter {
            client: self.client.as_deref().map(client).transpose()?,
            sender: self.sender.as_deref().map(mailbox),
            recipient: self.recipient.as_deref().map(mailbox),
            seen_before: self.older.map(ago),
            seen_after: self.newer.map(ago),
            ..Filter::default()
        })
    }

    /// The filter of a command that changes rows: never all of them by oversight.
    pub(super) fn some(&self, now: Timestamp) -> Result<Filter, Failure> {
        let Self { client, sender, recipient, older, newer } = self;
        let names = [client, sender, recipient].into_iter().any(Option::is_some);
        if !names && older.is_none() && newer.is_none() {
            let message = "say which: give --client, --sender, --recipient, --older or --newer".to_owned();
            return Err(Failure::Says(Exit::Usage, message));
        }
        self.filter(now)
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

/// An address or `@DOMAIN`; a name without `@` that can only be a domain is one.
pub(super) fn mailbox(text: &str) -> String {
    let lower = with_a_labels(text).to_lowercase();
    let is_domain = !lower.contains('@') && lower.contains('.') && Domain::for_query(&lower).is_some();
    if is_domain { format!("@{lower}") } else { lower }
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

    #[test]
    fn a_bare_domain_is_all_of_it() {
        let cases = [
            ("Bob@Example.org", "bob@example.org"),
            ("@Example.org", "@example.org"),
            ("Example.org", "@example.org"),
            ("m\u{fc}nchen.example", "@xn--mnchen-3ya.example"),
            ("root", "root"),
            ("", ""),
        ];
        for (text, want) in cases {
            assert_eq!(mailbox(text), want, "{text}");
        }
    }
}
