//! `mailward greylist pass`, `forget` and `purge`: rows are let through or removed.

use super::{
    Context, counted, json,
    which::{Which, hint},
};
use crate::{cli::Failure, store::GreylistStore};
use tokio::time::{Instant, sleep};

/// Let waiting mail pass at its next attempt
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist pass --sender news@example.net")]
pub(super) struct Pass {
    #[command(flatten)]
    which: Which,
}

/// Remove rows: such mail waits again
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist forget --client 192.0.2.0/24")]
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
    let count = context.store.forget(filter.clone()).await?;
    if count == 0 {
        hint("rows", &filter, context.err)?;
    }
    say(count, "forgotten", context)
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
