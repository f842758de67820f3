//! `mailward greylist pass`, `forget` and `purge`: rows are let through or removed.

use super::{
    Context, counted, json,
    which::{Which, hint},
};
use crate::{cli::Failure, store::GreylistStore};
use tokio::time::{Instant, sleep};

const EXAMPLE: &str = "Example:
  mailward greylist forget --client 192.0.2.0/24

`--help` says which known clients go.";

const DETAILS: &str = "\
A client that has proved its retries is known: its mail passes without a row.
So with --client or --sender the known clients go too by which such mail would
pass, also where no row is left. `mailward greylist show` names them.

--client ADDRESS     rows that came last from there; what is known of the
                     address and of its network
--client NETWORK     rows of the network; what is known of it and of its
                     addresses
--client ptr:DOMAIN  rows of the domain's hosts; what is known of the domain
--sender             rows from there; who is known for the sender's domain
both                 of that client only what is known for the sender's domain
                     or for every sender

With each row go the known clients behind it: its client and its last address,
for the row's sender domain and for every sender. --older and --newer go by a
known client's own last mail. --recipient chooses rows only, since a client is
known whoever the recipient: without --client or --sender known clients stay,
and their mail passes on. Whitelists, exemptions (`mailward greylist close`)
and whom your own users wrote to stay in any case.

Example:
  mailward greylist forget --client 192.0.2.0/24";

/// Let waiting mail pass at its next attempt
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist pass --sender news@example.net")]
pub(super) struct Pass {
    #[command(flatten)]
    which: Which,
}

/// Remove rows and known clients: such mail waits again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, after_long_help = DETAILS)]
pub(super) struct Forget {
    #[command(flatten)]
    which: Which,
}

/// Remove now what has expired; the daemon does this by itself
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist purge")]
pub(super) struct Purge {}

/// Lets rows pass.
pub(super) async fn pass(args: &Pass, context: &mut Context<'_>) -> Result<(), Failure> {
    let filter = args.which.some(context.settings, context.now)?;
    let count = context.store.pass(filter.clone(), context.now).await?;
    if count == 0 {
        hint("waiting rows", &filter, context.err)?;
    }
    say(count, "will pass", context)
}

/// Removes rows.
pub(super) async fn forget(args: &Forget, context: &mut Context<'_>) -> Result<(), Failure> {
    let filter = args.which.some(context.settings, context.now)?;
    let forgotten = context.store.forget(filter.clone(), context.settings.prefixes).await?;
    let (rows, known) = (forgotten.rows, forgotten.known_clients.unwrap_or(0));
    if rows == 0 && known == 0 {
        hint("rows", &filter, context.err)?;
    }
    if context.json {
        return json(&serde_json::json!({ "rows": rows, "known_clients": known }), context.out);
    }
    let known = if known > 0 { format!(" and {}", counted(known, "known client")) } else { String::new() };
    Ok(writeln!(context.out, "{}{known} forgotten", counted(rows, "row"))?)
}

/// Removes what has expired.
pub(super) async fn purge(_: &Purge, context: &mut Context<'_>) -> Result<(), Failure> {
    let (mut all, mut after) = (0, None);
    loop {
        let begun = Instant::now();
        let purged = context.store.purge(context.settings.ages(), context.now, after).await?;
        all += purged.removed;
        if purged.next.is_none() {
            return say(all, "removed", context);
        }
        after = purged.next;
        // A running daemon writes meanwhile.
        sleep(begun.elapsed()).await;
    }
}

fn say(count: usize, what: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    if context.json {
        return json(&serde_json::json!({ "rows": count }), context.out);
    }
    Ok(writeln!(context.out, "{} {what}", counted(count, "row"))?)
}
