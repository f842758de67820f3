//! `mailward greylist open`, `opt-out`, `opt-in`, `close` and `exemptions`: recipients that are greylisted otherwise than
//! the rest.

use super::{
    Context, counted, json,
    list::{fit, limit, until},
};
use crate::{
    cli::{Exit, Failure, span::span},
    smtp::{
        address::with_a_labels,
        text::{cut, escaped},
    },
    store::{Exemption, ExemptionKind, GreylistStore},
    time::Timestamp,
};
use std::{
    io::{self, Write},
    time::Duration,
};
use unicode_width::UnicodeWidthStr;

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
    let (value, reason) = (value(address)?, why.reason.clone());
    let exemption = Exemption { kind, value, until, reason, created: context.now };
    context.store.exempt(exemption.clone()).await?;
    if context.json {
        return json(&exemption, context.out);
    }
    Ok(writeln!(context.out, "{} {said}", escaped(&exemption.value))?)
}

/// The longest address that a mail can have, in octets: a path of RFC 5321 section 4.5.3.1.3 without its brackets.
const ADDRESS_LIMIT: usize = 254;
/// The longest local part, in octets (section 4.5.3.1.1).
const LOCAL_LIMIT: usize = 64;
/// How much of a wrong address a message shows, in bytes.
const SHOWN_LIMIT: usize = 80;

/// A recipient or a domain as the store compares it.
fn value(address: &str) -> Result<String, Failure> {
    let wrong = |what: &str| {
        let shown = escaped(cut(address, SHOWN_LIMIT));
        Err(Failure::Says(Exit::Usage, format!("`{shown}` {what}")))
    };
    let value = with_a_labels(&lower(address)).into_owned();
    let (local, domain) = value.rsplit_once('@').unwrap_or(("", &value));
    if domain.is_empty() || !domain.is_ascii() || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("is neither an address nor a domain");
    }
    if local.len() > LOCAL_LIMIT {
        return wrong("is not an address: a local part has at most 64 octets");
    }
    if value.len() > ADDRESS_LIMIT {
        return wrong("is not an address: one has at most 254 octets");
    }
    Ok(value)
}

fn lower(address: &str) -> String {
    address.trim().trim_start_matches('@').to_lowercase()
}

/// Takes exemptions back.
pub(super) async fn close(args: &Close, context: &mut Context<'_>) -> Result<(), Failure> {
    let value = value(&args.address)?;
    let mut count = context.store.revoke(value.clone()).await?;
    // As a program that converted no domain wrote it.
    let written = lower(&args.address);
    if written != value {
        count += context.store.revoke(written).await?;
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
