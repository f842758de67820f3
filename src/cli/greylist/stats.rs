//! `mailward greylist stats`: what waits, what passed, after how long, and what another delay would have cost.

use super::{Context, counted, json};
use crate::{
    cli::Failure,
    store::{DelayCost, GreylistStore},
    time::format_duration,
};
use std::{
    io::{self, Write},
    time::Duration,
};

/// What waits, what passed, and after how long
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mailward greylist stats

The first retries are those of mail that passed. They help to choose `delay`: a
delay just below a peak lets the senders of this peak pass at their first retry,
one just above makes them come a further time. Who retried more than once before
it passed is counted at the mean distance of these retries, which is the most
that the first can have taken where senders come less often the longer they wait.")]
pub(super) struct Args {}

/// Prints what the store counted.
pub(super) async fn run(_: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let stats = context.store.stats(context.settings.known_by(context.now)).await?;
    let out = &mut *context.out;
    if context.json {
        return json(&stats, out);
    }
    writeln!(out, "{:<16}{}", "waiting", stats.waiting)?;
    writeln!(out, "{:<16}{}", "passed", stats.passed)?;
    writeln!(out, "{:<16}{}", "known clients", stats.known_clients)?;
    writeln!(out, "{:<16}{}", "never returned", stats.never_returned)?;
    let all = stats.delays.iter().map(|(_, mails)| mails).sum::<u64>();
    let without = match stats.passed.saturating_sub(all) {
        0 => String::new(),
        others => {
            let rows = counted(usize::try_from(others).unwrap_or(usize::MAX), "row");
            format!(" (without {rows} imported or let pass by hand)")
        }
    };
    writeln!(out, "\nWhat passed had waited{without}:")?;
    histogram(&stats.delays, out)?;
    if stats.first_retries.iter().all(|(_, mails)| *mails == 0) {
        return Ok(writeln!(out, "\nNo retry has been counted yet.")?);
    }
    writeln!(out, "\nIts senders had come back for the first time after:")?;
    histogram(&stats.first_retries, out)?;
    writeln!(out, "\nWhat another delay would have cost them, by their own attempts:")?;
    costs(&stats.delay_costs, out)?;
    Ok(())
}

fn histogram(classes: &[(u64, u64)], out: &mut dyn Write) -> io::Result<()> {
    let all = classes.iter().map(|(_, count)| count).sum::<u64>().max(1);
    for (at, (bound, count)) in classes.iter().enumerate() {
        let label =
            if at + 1 < classes.len() { format!("below {}", time(*bound)) } else { "longer".to_owned() };
        let bar = "#".repeat(usize::try_from(count * 40 / all).unwrap_or(0));
        writeln!(out, "{}", format!("  {label:<14}{count:>10}  {bar}").trim_end())?;
    }
    Ok(())
}

fn costs(costs: &[DelayCost], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  {:<8}{:>12}{:>12}{:>26}", "delay", "mails", "mean wait", "had to come once more")?;
    for DelayCost { delay, mails, waited, further } in costs {
        let mean = waited.checked_div(*mails).map_or_else(|| "-".to_owned(), time);
        let all = (mails + further).max(1);
        let share = format!("{further} ({} %)", further * 100 / all);
        writeln!(out, "  {:<8}{mails:>12}{mean:>12}{share:>26}", time(*delay))?;
    }
    Ok(())
}

fn time(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds))
}
