//! `mailward greylist list`: rows in columns.

use super::{
    Context, counted, json,
    which::{Which, hint},
};
use crate::{
    cli::{Failure, columns},
    smtp::text::escaped,
    store::{Entry, Filter, GreylistStore},
    time::Timestamp,
};
use clap::value_parser;
use std::io::{self, IsTerminal, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// List rows, the latest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward greylist list --sender @example.net --waiting
  mailward greylist list --newer 2d --limit 20
  mailward greylist list --waiting --older 1h       # who gave up, or comes back seldom")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only those that wait
    #[arg(long, conflicts_with = "passed")]
    waiting: bool,
    /// Only those that passed
    #[arg(long)]
    passed: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
}

/// Lists rows.
pub(super) async fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let Context { store, settings, now, out, err, .. } = context;
    let state = (args.waiting || args.passed).then_some(args.passed);
    let which = args.which.filter(settings, *now)?;
    // One more shows whether there are more.
    let filter = Filter { passed: state, limit: Some(args.limit.saturating_add(1)), ..which };
    let mut rows = store.list(filter.clone()).await?;
    let limit_reached = usize::try_from(args.limit).is_ok_and(|limit| rows.len() > limit);
    rows.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if rows.is_empty() {
        hint(looked_for(state), &filter, err)?;
    }
    if context.json {
        return json(&rows, out);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "no rows")?);
    }
    let head = ["CLIENT", "SENDER", "RECIPIENT"];
    let widths = match limit() {
        Some(columns) => {
            // What the three names have to share.
            let room = columns.saturating_sub(7 + 6 + 6);
            [room * 3 / 10, room * 35 / 100, room * 35 / 100]
        }
        None => rows.iter().map(names).chain([head]).fold([0; 3], |widths, names| {
            let needed = names.map(|name| escaped(name).width() + 1);
            [0, 1, 2].map(|at: usize| widths[at].max(needed[at]))
        }),
    };
    line(out, "STATE", "LAST", "TRIES", head, widths)?;
    for row in &rows {
        let state = if row.passed_at.is_some() { "passed" } else { "waits" };
        let tries = row.deferred.saturating_add(row.passed).to_string();
        line(out, state, &age(row.last_seen, *now), &tries, names(row), widths)?;
    }
    if limit_reached {
        // Behind the rows, also where both go to one terminal.
        out.flush()?;
        writeln!(
            err,
            "mailward: the latest {} are shown, and there are more: see --limit",
            counted(rows.len(), "row")
        )?;
    }
    Ok(())
}

fn looked_for(state: Option<bool>) -> &'static str {
    match state {
        Some(true) => "passed rows",
        Some(false) => "waiting rows",
        None => "rows",
    }
}

/// The columns into which rows are made to fit: those of the terminal, or what COLUMNS says. `None` where a file or
/// another program takes them, which needs every name whole.
pub(super) fn limit() -> Option<usize> {
    if io::stdout().is_terminal() {
        return Some(columns());
    }
    let columns = std::env::var("COLUMNS").ok()?.parse::<usize>().ok()?;
    Some(columns.max(60))
}

fn names(row: &Entry) -> [&str; 3] {
    let sender = if row.sender.is_empty() { "<>" } else { &row.sender };
    [&row.client, sender, &row.recipient]
}

fn line(
    out: &mut dyn Write,
    state: &str,
    age: &str,
    tries: &str,
    names: [&str; 3],
    widths: [usize; 3],
) -> Result<(), Failure> {
    let mut text = format!("{state:<7}{age:<6}{tries:<6}");
    for (name, width) in names.into_iter().zip(widths) {
        let shown = fit(&escaped(name), width.saturating_sub(1));
        let pad = width.saturating_sub(shown.width());
        text.push_str(&shown);
        text.extend(std::iter::repeat_n(' ', pad));
    }
    Ok(writeln!(out, "{}", text.trim_end())?)
}

/// A text in so many columns, its end replaced by `…` where it is longer.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

/// How long ago, in one unit.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    until(then, now)
}

/// How long from now until then, in one unit.
pub(super) fn until(now: Timestamp, then: Timestamp) -> String {
    let seconds = then.0.saturating_sub(now.0).max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(size, _)| seconds >= *size);
    unit.map_or_else(|| format!("{seconds}s"), |(size, unit)| format!("{}{unit}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_their_columns() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer than that", 6), "longe…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
    }

    #[test]
    fn ages_have_one_unit() {
        let cases =
            [(0, "0s"), (59, "59s"), (60, "1m"), (3_600, "1h"), (86_399, "23h"), (200_000, "2d"), (-5, "0s")];
        for (seconds, want) in cases {
            assert_eq!(age(Timestamp(0), Timestamp(seconds)), want);
        }
    }
}
