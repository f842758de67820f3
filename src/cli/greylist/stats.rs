//! `mailward greylist stats`: what waits, what passed, and after how long.

use super::json;
use crate::{cli::Failure, store::Stats, time::format_duration};
use std::{io::Write, time::Duration};

/// Prints what the store counted.
pub(super) fn stats(stats: &Stats, as_json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json(stats, out);
    }
    writeln!(out, "{:<16}{}", "waiting", stats.waiting)?;
    writeln!(out, "{:<16}{}", "passed", stats.passed)?;
    writeln!(out, "{:<16}{}", "known clients", stats.known_clients)?;
    writeln!(out, "{:<16}{}", "never returned", stats.never_returned)?;
    writeln!(out, "\nWhat passed had waited:")?;
    let all = stats.delays.iter().map(|(_, count)| count).sum::<u64>().max(1);
    for (at, (bound, count)) in stats.delays.iter().enumerate() {
        let label = if at + 1 < stats.delays.len() {
            format!("below {}", format_duration(Duration::from_secs(*bound)))
        } else {
            "longer".to_owned()
        };
        let bar = "#".repeat(usize::try_from(count * 40 / all).unwrap_or(0));
        writeln!(out, "{}", format!("  {label:<14}{count:>10}  {bar}").trim_end())?;
    }
    Ok(())
}
