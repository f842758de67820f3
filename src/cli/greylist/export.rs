//! `mailward greylist export`: rows, known clients or exemptions as CSV or JSON, in pages, so that neither memory nor a lock grows.

use super::Context;
use crate::{
    cli::{Exit, Failure, ascii},
    smtp::text::escaped,
    store::{Entry, Exemption, GreylistStore, KnownClient, KnownKey, RowKey},
};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Rows fetched at a time.
const PAGE: usize = 2_000;

/// Print all rows, all known clients or all exemptions, as CSV
///
/// `import csv` reads it back: three files bring the greylist to another host. Whom your own users wrote to and the
/// statistics are not in them; these only the database has. Times are Unix seconds; an empty passed_at means that the row
/// waits, an empty until that the exemption has no end. A file or a program gets every byte as it is; on a terminal
/// control characters are shown as \u{…}, for a client wrote them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward greylist export > greylist.csv
  mailward greylist export --known > known.csv
  mailward greylist export --exemptions > exemptions.csv
  mailward greylist export --json | jq '.[] | select(.passed_at == null)'")]
pub(super) struct Args {
    /// The known clients instead of the rows
    #[arg(long)]
    known: bool,
    /// The recipients and domains of `open`, `opt-out` and `opt-in` instead
    #[arg(long, conflicts_with = "known")]
    exemptions: bool,
}

/// The columns of the rows, as the table has them.
pub(super) const ROW_COLUMNS: [&str; 11] = [
    "client",
    "sender",
    "recipient",
    "first_seen",
    "last_seen",
    "passed_at",
    "deferred",
    "passed",
    "last_ip",
    "last_name",
    "origin",
];

/// The columns of the known clients.
pub(super) const KNOWN_COLUMNS: [&str; 8] =
    ["client", "sender_domain", "passes", "last_pass", "first_seen", "last_seen", "hits", "origin"];

/// The columns of the exemptions.
pub(super) const EXEMPTION_COLUMNS: [&str; 5] = ["kind", "value", "until", "reason", "created"];

/// Exports.
pub(super) async fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let Context { store, json, out, now, .. } = context;
    let columns: &[&str] = match args {
        Args { known: true, .. } => &KNOWN_COLUMNS,
        Args { exemptions: true, .. } => &EXEMPTION_COLUMNS,
        Args { .. } => &ROW_COLUMNS,
    };
    let mut sheet =
        if *json { Sheet::json(out)? } else { Sheet::csv(out, columns, io::stdout().is_terminal())? };
    if args.exemptions {
        for exemption in &store.exemptions(*now).await? {
            sheet.line(exemption, &exemption_fields(exemption))?;
        }
    } else if args.known {
        let mut key = None;
        loop {
            let page = store.known_after(key, PAGE).await?;
            let Some(last) = page.last() else { break };
            key = Some(KnownKey { client: last.client.clone(), sender_domain: last.sender_domain.clone() });
            for known in &page {
                sheet.line(known, &known_fields(known))?;
            }
        }
    } else {
        let mut key = None;
        loop {
            let page = store.rows_after(key, PAGE).await?;
            let Some(Entry { client, sender, recipient, .. }) = page.last().cloned() else { break };
            key = Some(RowKey { client, sender, recipient });
            for row in &page {
                sheet.line(row, &row_fields(row))?;
            }
        }
    }
    Ok(sheet.end()?)
}

fn row_fields(row: &Entry) -> Vec<String> {
    vec![
        row.client.clone(),
        row.sender.clone(),
        row.recipient.clone(),
        row.first_seen.0.to_string(),
        row.last_seen.0.to_string(),
        row.passed_at.map_or_else(String::new, |at| at.0.to_string()),
        row.deferred.to_string(),
        row.passed.to_string(),
        row.last_ip.clone().unwrap_or_default(),
        row.last_name.clone().unwrap_or_default(),
        row.origin.clone(),
    ]
}

fn known_fields(known: &KnownClient) -> Vec<String> {
    vec![
        known.client.clone(),
        known.sender_domain.clone(),
        known.passes.to_string(),
        known.last_pass.0.to_string(),
        known.first_seen.0.to_string(),
        known.last_seen.0.to_string(),
        known.hits.to_string(),
        known.origin.clone(),
    ]
}

fn exemption_fields(exemption: &Exemption) -> Vec<String> {
    vec![
        exemption.kind.word().to_owned(),
        exemption.value.clone(),
        exemption.until.map_or_else(String::new, |until| until.0.to_string()),
        exemption.reason.clone(),
        exemption.created.0.to_string(),
    ]
}

/// Lines of CSV, or an array of JSON with one row a line.
enum Sheet<'a> {
    Csv { writer: Box<csv::Writer<&'a mut dyn Write>>, escapes: bool },
    Json { out: &'a mut dyn Write, begun: bool },
}

impl<'a> Sheet<'a> {
    fn csv(out: &'a mut dyn Write, columns: &[&str], escapes: bool) -> Result<Self, Failure> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(columns).map_err(failure)?;
        Ok(Self::Csv { writer: Box::new(writer), escapes })
    }

    fn json(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"[")?;
        Ok(Self::Json { out, begun: false })
    }

    fn line(&mut self, value: &impl Serialize, fields: &[String]) -> Result<(), Failure> {
        match self {
            Self::Csv { writer, escapes: false } => writer.write_record(fields).map_err(failure),
            Self::Csv { writer, escapes: true } => {
                writer.write_record(fields.iter().map(|field| escaped(field).into_owned())).map_err(failure)
            }
            Self::Json { out, begun } => {
                out.write_all(if *begun { b",\n" } else { b"\n" })?;
                *begun = true;
                let text = serde_json::to_string(value).map_err(io::Error::from)?;
                Ok(out.write_all(ascii(&text).as_bytes())?)
            }
        }
    }

    fn end(self) -> io::Result<()> {
        match self {
            Self::Csv { mut writer, .. } => writer.flush(),
            Self::Json { out, .. } => out.write_all(b"\n]\n"),
        }
    }
}

fn failure(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::Output(error),
        other => Failure::Says(Exit::InputOutput, format!("the row cannot be written: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_written_no_control_bytes_and_a_file_all() {
        let fields = ["a\u{1b}[2J\"\u{9b}@x.example".to_owned()];
        for (escapes, want) in [
            (true, "sender\n\"a\\u{1b}[2J\"\"\\u{9b}@x.example\"\n"),
            (false, "sender\n\"a\u{1b}[2J\"\"\u{9b}@x.example\"\n"),
        ] {
            let mut out = Vec::new();
            let Ok(mut sheet) = Sheet::csv(&mut out, &["sender"], escapes) else { panic!() };
            assert!(sheet.line(&"", &fields).is_ok());
            sheet.end().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
        let mut out = Vec::new();
        let mut sheet = Sheet::json(&mut out).unwrap();
        assert!(sheet.line(&fields[0], &[]).is_ok());
        sheet.end().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "[\n\"a\\u001b[2J\\\"\\u009b@x.example\"\n]\n");
    }
}
