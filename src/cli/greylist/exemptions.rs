//! `mailward greylist open`, `opt-out`, `opt-in`, `close` and `exemptions`: recipients that are greylisted otherwise than
//! the rest.

use super::{Context, counted, exempted, json, list::until};
use crate::{
    cli::{Exit, Failure, columns, span::span},
    smtp::text::escaped,
    store::{Exemption, ExemptionKind, GreylistStore},
    time::Timestamp,
};
use std::time::Duration;

/// Do not greylist a recipient for a while
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist open bob@example.org 30m --reason 'waits for a code'")]
pub(super) struct Open {
    /// The recipient's address, or a domain
    address: String,
    /// For how long
    #[arg(value_name = "TIME", value_parser = span)]
    time: Duration,
    #[command(flatten)]
    why: Why,
}

/// Never greylist a recipient or the recipients of a domain
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mailward greylist opt-out support@example.org --reason 'customers must not wait'"
)]
pub(super) struct OptOut {
    /// The recipient's address, or a domain
    address: String,
    #[command(flatten)]
    why: Why,
}

/// Greylist a recipient or domain where `opt_in = true` greylists nobody else
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist opt-in bob@example.org")]
pub(super) struct OptIn {
    /// The recipient's address, or a domain
    address: String,
    #[command(flatten)]
    why: Why,
}

/// Take back what `open`, `opt-out` or `opt-in` said of a recipient or domain
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist close bob@example.org")]
pub(super) struct Close {
    /// The recipient's address, or the domain, as `exemptions` shows it
    address: String,
}

/// List the recipients and domains of `open`, `opt-out` and `opt-in`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailward greylist exemptions")]
pub(super) struct Args {}

#[derive(Debug, clap::Args)]
struct Why {
    /// Why, for whoever looks later
    #[arg(long, default_value = "")]
    reason: String,
}

/// Opens a recipient.
pub(super) async fn open(args: &Open, context: &mut Context<'_>) -> Result<(), Failure> {
    let seconds = i64::try_from(args.time.as_secs()).unwrap_or(i64::MAX);
    let until = Timestamp(context.now.0.saturating_add(seconds));
    let said = format!("is open until {}", until.rfc5322());
    set(ExemptionKind::Open, (&args.address, &args.why), Some(until), &said, context).await
}

/// Opts a recipient out.
pub(super) async fn opt_out(args: &OptOut, context: &mut Context<'_>) -> Result<(), Failure> {
    set(ExemptionKind::OptOut, (&args.address, &args.why), None, "is never greylisted", context).await
}

/// Opts a recipient in.
pub(super) async fn opt_in(args: &OptIn, context: &mut Context<'_>) -> Result<(), Failure> {
    let said = if context.settings.terms.opt_in {
        "is greylisted"
    } else {
        "is greylisted as all others are: `opt_in = true` in [greylist] would leave these in peace"
    };
    set(ExemptionKind::OptIn, (&args.address, &args.why), None, said, context).await
}

async fn set(
    kind: ExemptionKind,
    (address, why): (&str, &Why),
    until: Option<Timestamp>,
    said: &str,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let value = exempted::read(address).map_err(usage)?;
    let reason = why.reason.clone();
    let exemption = Exemption { kind, value, until, reason, created: context.now };
    context.store.exempt(exemption.clone()).await?;
    if context.json {
        return json(&exemption, context.out);
    }
    Ok(writeln!(context.out, "{} {said}", escaped(&exemption.value))?)
}

fn usage(message: String) -> Failure {
    Failure::Says(Exit::Usage, message)
}

/// Takes exemptions back.
pub(super) async fn close(args: &Close, context: &mut Context<'_>) -> Result<(), Failure> {
    let read = exempted::read(&args.address);
    let written = exempted::lower(&args.address);
    let value = read.as_ref().map_or_else(|_| written.clone(), Clone::clone);
    let mut count = context.store.revoke(value.clone()).await?;
    // As a program wrote it that converted no domain, or took what can never match.
    if written != value {
        count += context.store.revoke(written).await?;
    }
    if count == 0 {
        read.map_err(usage)?;
    }
    if context.json {
        return json(&serde_json::json!({ "exemptions": count }), context.out);
    }
    let shown = escaped(&value);
    if count == 0 {
        return Ok(writeln!(context.out, "{shown} had no exemption")?);
    }
    Ok(writeln!(context.out, "{} of {shown} taken back", counted(count, "exemption"))?)
}

/// Lists exemptions.
pub(super) async fn run(_: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let all = context.store.exemptions(context.now).await?;
    if context.json {
        return json(&all, context.out);
    }
    if all.is_empty() {
        return Ok(writeln!(context.out, "no exemptions")?);
    }
    let width = all.iter().map(|one| escaped(&one.value).chars().count()).max().unwrap_or(0);
    let width = width.clamp("RECIPIENT".len(), columns() / 2) + 1;
    writeln!(context.out, "{:<9}{:<6}{:<width$}REASON", "KIND", "FOR", "RECIPIENT")?;
    for Exemption { kind, value, until: end, reason, .. } in &all {
        let left = end.map_or_else(|| "good".to_owned(), |end| until(context.now, end));
        // As the command is called that made it.
        let (kind, value) = (kind.word().replace('_', "-"), escaped(value));
        let line = format!("{kind:<9}{left:<6}{value:<width$}{}", escaped(reason));
        writeln!(context.out, "{}", line.trim_end())?;
    }
    Ok(())
}
