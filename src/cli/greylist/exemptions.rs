//! `mailward greylist open`, `opt-out`, `opt-in`, `close` and `exemptions`: recipients that are greylisted otherwise than
//! the rest.

use super::{
    Context, counted, exempted, json,
    list::{fit, limit, until},
};
use crate::{
    cli::{Exit, Failure, span::span},
    smtp::text::escaped,
    store::{Exemption, ExemptionKind, GreylistStore},
    time::Timestamp,
};
use std::{
    io::{self, Write},
    time::Duration,
};
use unicode_width::UnicodeWidthStr;

/// Do not greylist a recipient for a while
///
/// An address stands for itself only, not for one with an extension such as bob+shop@example.org; a domain for all of
/// its addresses, but not for domains below it. whitelist_recipients of [greylist] covers these too.
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
///
/// An address stands for itself only, not for one with an extension such as bob+shop@example.org; a domain for all of
/// its addresses, but not for domains below it. whitelist_recipients of [greylist] covers these too.
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
///
/// An address stands for itself only, not for one with an extension such as bob+shop@example.org; a domain for all of
/// its addresses, but not for domains below it.
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
    let Some(Set { value, .. }) =
        set(ExemptionKind::Open, (&args.address, &args.why), Some(until), context).await?
    else {
        return Ok(());
    };
    Ok(writeln!(context.out, "{} is open until {}", escaped(&value), until.rfc5322())?)
}

/// Opts a recipient out.
pub(super) async fn opt_out(args: &OptOut, context: &mut Context<'_>) -> Result<(), Failure> {
    let Some(Set { value, replaced, .. }) =
        set(ExemptionKind::OptOut, (&args.address, &args.why), None, context).await?
    else {
        return Ok(());
    };
    let more = if replaced { "; its opt-in is taken back" } else { "" };
    Ok(writeln!(context.out, "{} is never greylisted{more}", escaped(&value))?)
}

/// Opts a recipient in.
pub(super) async fn opt_in(args: &OptIn, context: &mut Context<'_>) -> Result<(), Failure> {
    let Some(Set { value, replaced, others }) =
        set(ExemptionKind::OptIn, (&args.address, &args.why), None, context).await?
    else {
        return Ok(());
    };
    let shown = escaped(&value);
    if let Some(other) = others.first() {
        let and = if replaced { ", and its opt-out is taken back," } else { "," };
        let holds = holds(other);
        return Ok(writeln!(context.out, "{shown} is opted in{and} but {holds}")?);
    }
    let more = if replaced { "; its opt-out is taken back" } else { "" };
    if context.settings.terms.opt_in {
        return Ok(writeln!(context.out, "{shown} is greylisted{more}")?);
    }
    let others = "as all others are: `opt_in = true` in [greylist] would leave these in peace";
    Ok(writeln!(context.out, "{shown} is greylisted {others}{more}")?)
}

/// What an exemption of a recipient, or of its domain, means for one that is to be greylisted.
fn holds(Exemption { kind, value, until, .. }: &Exemption) -> String {
    let (kind, value) = (kind.word().replace('_', "-"), escaped(value));
    match until {
        Some(until) => format!("the {kind} of {value} holds until {}", until.rfc5322()),
        None => format!("the {kind} of {value} holds: `mailward greylist close {value}` takes that back"),
    }
}

/// An exemption that was set.
struct Set {
    /// Of whom.
    value: String,
    /// Whether it took the place of the one that said the contrary.
    replaced: bool,
    /// Which others hold for a recipient or its domain, those for good first.
    others: Vec<Exemption>,
}

/// Sets an exemption; `None` where it was printed as JSON.
async fn set(
    kind: ExemptionKind,
    (address, why): (&str, &Why),
    until: Option<Timestamp>,
    context: &mut Context<'_>,
) -> Result<Option<Set>, Failure> {
    let value = exempted::read(address).map_err(usage)?;
    let (before, reason) = (context.store.exemptions(context.now).await?, why.reason.clone());
    let exemption = Exemption { kind, value, until, reason, created: context.now };
    context.store.exempt(exemption.clone()).await?;
    if context.json {
        json(&exemption, context.out)?;
        return Ok(None);
    }
    let value = exemption.value;
    let contrary = |one: &Exemption| Some(one.kind) == kind.contrary() && one.value == value;
    let replaced = before.iter().any(contrary);
    let domain = value.rsplit_once('@').map_or("", |(_, domain)| domain);
    let touches =
        |one: &Exemption| one.kind != ExemptionKind::OptIn && (one.value == value || one.value == domain);
    let mut others: Vec<Exemption> =
        before.into_iter().filter(|one| touches(one) && !contrary(one)).collect();
    others.sort_by_key(|other| other.until);
    Ok(Some(Set { value, replaced, others }))
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
    Ok(table(&all, limit(), context.now, context.out)?)
}

/// A line for each, in so many columns.
fn table(all: &[Exemption], limit: Option<usize>, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let width =
        all.iter().map(|one| escaped(&one.value).width()).max().unwrap_or(0).max("RECIPIENT".len()) + 1;
    let width = limit.map_or(width, |columns| width.min(columns / 2));
    let for_reason = limit.map_or(usize::MAX, |columns| columns.saturating_sub(9 + 6 + width));
    writeln!(out, "{:<9}{:<6}{:<width$}REASON", "KIND", "FOR", "RECIPIENT")?;
    for Exemption { kind, value, until: end, reason, .. } in all {
        let left = end.map_or_else(|| "ever".to_owned(), |end| until(now, end));
        // As the command is called that made it.
        let (kind, value) = (kind.word().replace('_', "-"), fit(&escaped(value), width - 1));
        let pad = " ".repeat(width.saturating_sub(value.width()));
        let line = format!("{kind:<9}{left:<6}{value}{pad}{}", fit(&escaped(reason), for_reason));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemptions_fit_the_terminal_and_a_file_gets_them_whole() {
        let (value, reason) = ("a".repeat(60), "long words ".repeat(20));
        let all = [Exemption {
            kind: ExemptionKind::OptOut,
            value: format!("{value}@example.org"),
            until: None,
            reason: reason.clone(),
            created: Timestamp(0),
        }];
        let lines = |limit| {
            let mut out = Vec::new();
            table(&all, limit, Timestamp(0), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(lines(Some(60)).lines().all(|line| line.width() <= 60), "{}", lines(Some(60)));
        let want = format!("opt-out  ever  {value}@example.org {}", reason.trim_end());
        assert_eq!(lines(None).lines().nth(1), Some(want.as_str()));
    }
}
