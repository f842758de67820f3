//! Which rows of the greylist a command is about.

use crate::{
    cli::{Exit, Failure, span::span},
    store::Filter,
    time::Timestamp,
};
use clap::Args;
use std::time::Duration;

/// Which rows.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// Of this client: its last address, or its key
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// From this sender, or all of @DOMAIN; as `list` shows it
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
    pub(super) fn filter(&self, now: Timestamp) -> Filter {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        let ago =
            |age: Duration| Timestamp(now.0.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)));
        Filter {
            client: lower(&self.client),
            sender: lower(&self.sender),
            recipient: lower(&self.recipient),
            seen_before: self.older.map(ago),
            seen_after: self.newer.map(ago),
            ..Filter::default()
        }
    }

    /// The filter of a command that changes rows: never all of them by oversight.
    pub(super) fn some(&self, now: Timestamp) -> Result<Filter, Failure> {
        let Self { client, sender, recipient, older, newer } = self;
        let names = [client, sender, recipient].into_iter().any(Option::is_some);
        if !names && older.is_none() && newer.is_none() {
            let message = "say which: give --client, --sender, --recipient, --older or --newer".to_owned();
            return Err(Failure::Says(Exit::Usage, message));
        }
        Ok(self.filter(now))
    }
}
