//! A report as one HTML page that needs nothing but itself: charts are inline SVG, there is no script, and a policy in the
//! page forbids to fetch anything (Content-Security-Policy, W3C CSP 3). Whatever the data, it stays below [`LIMIT`]:
//! tables show their first rows, texts their first characters.

mod chart;
mod tables;

use super::{
    figures::{Outcome, Report},
    health::State,
    words::{self, GROUPS, number, percent},
};
use chart::swatch;
use std::fmt::Write as _;

/// What a page is smaller than, in bytes: it can be sent by mail.
#[cfg(test)]
pub(super) const LIMIT: usize = 200_000;

/// The styles: light and dark, screen and paper.
const STYLE: &str = include_str!("html/style.css");

/// Nothing is fetched and nothing runs; only the page's own styles count.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page.
pub(super) fn write(report: &Report) -> String {
    let mut out = String::with_capacity(100_000);
    let host = Text(&words::shown(&report.host, 60)).to_string();
    let title = if host.is_empty() { "mailward".to_owned() } else { format!("Mail filter on {host}") };
    let style = STYLE.lines().collect::<String>();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    );
    out.push_str(chart::PATTERNS);
    let _ = writeln!(
        out,
        "<header><h1>{title}</h1><span class=\"faint\">{}</span></header>",
        Text(&words::period(report))
    );
    band(&mut out, report);
    totals(&mut out, report);
    health(&mut out, report);
    tables::funnel(&mut out, report);
    times(&mut out, report);
    tables::rules(&mut out, report);
    tables::lists(&mut out, report);
    tables::greylist(&mut out, report);
    tables::suspects(&mut out, report);
    tables::networks(&mut out, report);
    let _ = write!(
        out,
        "<p class=\"note\">mailward {}. All times are UTC. What the MTA refused before it asked mailward, and what never \
         connected, is not in here.</p>\n</body>\n</html>\n",
        report.version
    );
    out
}

fn band(out: &mut String, report: &Report) {
    let (word, says) = words::band(report);
    let class = if word == "ENFORCE" { "band" } else { "band observe" };
    let decisions = words::decisions(report);
    let _ = writeln!(
        out,
        "<div class=\"{class}\"><b>{word}</b>{}<br><span class=\"faint\">{}</span></div>",
        Text(&says),
        Text(&decisions)
    );
}

/// The large numbers.
fn totals(out: &mut String, report: &Report) {
    let all = report.attempts.all;
    let would = if report.mode.is_observed() { ", would be" } else { "" };
    out.push_str("<ul class=\"totals\">\n");
    let _ = writeln!(out, "<li>attempts<b>{}</b><span class=\"faint\">to deliver</span></li>", number(all));
    for group in &GROUPS {
        let count = (group.of)(&report.attempts.ends);
        let would = if group.name == "other" { "" } else { would };
        let _ = writeln!(
            out,
            "<li>{}{}<b>{}</b><span class=\"faint\">{}{would}</span></li>",
            swatch(group.name),
            group.name,
            number(count),
            percent(count, all)
        );
    }
    out.push_str("</ul>\n");
}

fn health(out: &mut String, report: &Report) {
    out.push_str("<section><h2>Health</h2>\n<ul class=\"lights\">\n");
    for light in &report.health {
        let (class, sign) = match light.state {
            State::Good => ("good", "●"),
            State::Unknown => ("unknown", "○"),
            State::Warning => ("warning", "▲"),
            State::Bad => ("bad", "■"),
        };
        let _ = writeln!(
            out,
            "<li><span class=\"{class}\">{sign} {}</span><b>{}</b><span>{}</span></li>",
            light.state.word(),
            light.name,
            Text(&words::shown(&light.says, 300))
        );
    }
    out.push_str("</ul></section>\n");
}

fn times(out: &mut String, report: &Report) {
    let width = words::width(report.times.width);
    let _ = writeln!(
        out,
        "<section><h2>Over time</h2>\n<p class=\"note\">Attempts, UTC; each column is {width} wide.</p>"
    );
    legend(out);
    chart::times(out, &report.times);
    out.push_str("</section>\n");
}

/// What the colours and patterns mean.
fn legend(out: &mut String) {
    out.push_str("<ul class=\"legend\">");
    for group in &GROUPS {
        let _ = write!(out, "<li>{}{}</li>", swatch(group.name), group.name);
    }
    out.push_str("</ul>\n");
}

/// A text within an element or between quotes of an attribute.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;"),
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '"' => f.write_str("&quot;"),
                '\'' => f.write_str("&#39;"),
                c => f.write_char(c),
            }?;
        }
        Ok(())
    }
}

/// The group of an outcome: its colour and its pattern.
fn group(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Rejected => "rejected",
        Outcome::Deferred => "deferred",
        Outcome::Greylisted => "greylisted",
        Outcome::Discarded | Outcome::Aborted | Outcome::Open => "other",
        Outcome::Held | Outcome::Accepted => "accepted",
    }
}

#[cfg(test)]
mod tests;
