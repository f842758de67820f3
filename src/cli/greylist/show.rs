//! `mailward greylist show`: all that is known of an address or a client.

use super::{
    Context,
    addresses::{self, Forms, SHOWN_LIMIT},
    counted, exempted, json, known,
    list::age,
};
use crate::{
    cli::{Exit, Failure},
    greylist::Settings,
    smtp::{
        domain,
        text::{cut, escaped},
    },
    store::{Entry, Exemption, Filter, GreylistStore, sqlite::SqliteStore},
    time::{Timestamp, format_duration},
};
use std::{
    io::{self, Write},
    time::Duration,
};

/// Show all that is known of an address, a domain or a client
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward greylist show 192.0.2.1
  mailward greylist show example.net

A row that passed says in how many hours mail came by it; the first of an hour is
counted. A client is known when it has as many proven retries as it needs.")]
pub(super) struct Args {
    /// A sender or a recipient as a mail or `list` has it (<> is the null sender), a domain, an IP address or a client's
    /// key such as 192.0.2.0/24
    what: String,
}

/// Shows rows with all that is known of them.
pub(super) async fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let Context { store, settings, now, out, err, .. } = context;
    let rows = found(store, settings, &args.what).await?;
    let known = known::of(store, &settings.prefixes, &args.what).await?;
    let exemptions = exemptions_of(&args.what, store.exemptions(*now).await?);
    let nothing = rows.is_empty() && known.is_empty() && exemptions.is_empty();
    if nothing {
        writeln!(err, "mailward: {}", looked_for(&args.what))?;
    }
    if context.json {
        let all = serde_json::json!({ "exemptions": exemptions, "rows": rows, "known_clients": known });
        return json(&all, out);
    }
    if nothing {
        writeln!(out, "nothing is known of it")?;
    }
    for Exemption { kind, value, until, reason, .. } in &exemptions {
        let end = until.map_or_else(|| "for good".to_owned(), |until| format!("until {}", until.rfc5322()));
        let reason = if reason.is_empty() { String::new() } else { format!(": {}", escaped(reason)) };
        // As the command is called that made it.
        writeln!(out, "{} has `{}` {end}{reason}", escaped(value), kind.word().replace('_', "-"))?;
    }
    let by = context.settings.known_by(*now);
    for client in &known {
        known::print(client, &by, *now, out)?;
    }
    for one in rows.iter().take(SHOWN) {
        row(one, *now, out)?;
    }
    if rows.len() > SHOWN {
        let command = "`mailward greylist list`";
        writeln!(err, "mailward: the first {SHOWN} rows are shown, and there are more: see {command}")?;
    }
    Ok(())
}

/// Prints a row.
fn row(row: &Entry, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let state = match row.passed_at {
        Some(at) if row.origin == "admin" => {
            let mail = if row.passed == 0 { ", no mail since" } else { "" };
            format!("passed by an administrator {}{mail}", at.rfc5322())
        }
        Some(at) => {
            let waited = u64::try_from(at.0.saturating_sub(row.first_seen.0)).unwrap_or(0);
            let waited = format_duration(Duration::from_secs(waited));
            format!("passed {} after {waited}", at.rfc5322())
        }
        None => format!("waits since {}", row.first_seen.rfc5322()),
    };
    let sender = escaped(&row.sender);
    writeln!(out, "{} from <{sender}> to <{}>", escaped(&row.client), escaped(&row.recipient))?;
    writeln!(out, "    {state}")?;
    let seen = age(row.last_seen, now);
    let hours = match row.passed {
        0 => String::new(),
        hours => format!(", mail in {}", counted(usize::try_from(hours).unwrap_or(usize::MAX), "hour")),
    };
    writeln!(out, "    last seen {seen} ago, deferred {}{hours}", times(row.deferred))?;
    let name = row.last_name.as_deref().unwrap_or("unknown");
    let address = row.last_ip.as_deref().unwrap_or("unknown");
    writeln!(out, "    last from {}[{}], origin {}", escaped(name), escaped(address), escaped(&row.origin))
}

/// What is set for a recipient or its domain, or for a domain and its addresses.
fn exemptions_of(what: &str, all: Vec<Exemption>) -> Vec<Exemption> {
    let Ok(asked) = exempted::read(what) else { return Vec::new() };
    let domain = |value: &str| value.rsplit_once('@').map_or_else(|| value.to_owned(), |(_, d)| d.to_owned());
    let is_domain = !asked.contains('@');
    let holds =
        |value: &str| *value == asked || *value == domain(&asked) || (is_domain && domain(value) == asked);
    all.into_iter().filter(|exemption| holds(&exemption.value)).collect()
}

/// How many rows a person is shown; `list` has more.
const SHOWN: usize = 20;
/// How many rows are looked at of each part at most.
const LIMIT: u32 = 1_000;

/// The rows in which something stands, in any of the three parts.
async fn found(store: &SqliteStore, settings: &Settings, what: &str) -> Result<Vec<Entry>, Failure> {
    let client =
        domain::address(what).map_or_else(|| what.to_lowercase(), |ip| ip.to_canonical().to_string());
    let forms = named(what)?;
    let between = [(Some(&forms), None), (None, Some(&forms))]
        .into_iter()
        .flat_map(|(from, to)| addresses::between(settings, from, to))
        .collect();
    let mut rows: Vec<Entry> = Vec::new();
    for filter in
        [Filter { client: Some(client), ..Filter::default() }, Filter { between, ..Filter::default() }]
    {
        for row in store.list(Filter { limit: Some(LIMIT), ..filter }).await? {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

/// What to say where nothing was found.
fn looked_for(what: &str) -> String {
    let parts =
        if what.contains(['@', '<']) { "sender and recipient" } else { "client, sender and recipient" };
    let shown = escaped(cut(what, SHOWN_LIMIT));
    format!("looked for `{shown}` as {parts}: `mailward greylist list` shows what there is")
}

/// The forms of a sender or recipient, or of all of a domain; a name without `@` that can only be a domain is one.
fn named(what: &str) -> Result<Forms, Failure> {
    if what.trim().is_empty() {
        let message =
            "say what: an address, a domain or a client; the null sender is written '<>'".to_owned();
        return Err(Failure::Says(Exit::Usage, message));
    }
    if addresses::is_domain(what) {
        addresses::sender(&format!("@{}", what.trim()))
    } else {
        addresses::sender(what)
    }
}

/// `once`, `2 times`.
fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
