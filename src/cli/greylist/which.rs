//! Which rows of the greylist a command is about.

use crate::{
    cli::{Exit, Failure},
    store::Filter,
};
use clap::Args;

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
}

impl Which {
    pub(super) fn filter(&self) -> Filter {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        Filter {
            client: lower(&self.client),
            sender: lower(&self.sender),
            recipient: lower(&self.recipient),
            ..Filter::default()
        }
    }

    /// The filter of a command that changes rows: never all of them by oversight.
    pub(super) fn some(&self) -> Result<Filter, Failure> {
        if self.client.is_none() && self.sender.is_none() && self.recipient.is_none() {
            let message = "say which: give --client, --sender or --recipient".to_owned();
            return Err(Failure::Says(Exit::Usage, message));
        }
        Ok(self.filter())
    }
}
