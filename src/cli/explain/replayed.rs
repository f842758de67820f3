//! `mailward explain --replay ID`: a recorded decision made again with the policy of today.

use crate::{
    cli::{Exit, Failure, ascii_json, columns, replay::again::Again},
    config::{settings::Config, source::Source},
    decision::{Verdict, trace::trace},
    journal::read::Reader,
    smtp::text::escaped,
};
use serde_json::json;
use std::io::Write;

/// Decides again and prints how.
pub(super) fn run(
    id: &str,
    config: &Config,
    source: &Source,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Some(path) = config.journal.located().path else {
        let message = format!("{source} keeps no journal: [journal] path is empty");
        return Err(Failure::Says(Exit::Unavailable, message));
    };
    let reader = Reader::open(&path)?.ok_or_else(|| {
        Failure::Says(Exit::Unavailable, format!("there is no journal yet in {}", path.display()))
    })?;
    let Some((row, record)) = reader.decision(id)? else {
        let message = format!("the journal has no decision {}", escaped(id));
        return Err(Failure::Says(Exit::Data, message));
    };
    let redone = Again::new(config, &reader)?.decide(&row, &record);
    if as_json {
        let value = json!({ "recorded": { "verdict": row.verdict, "reply": row.reply }, "decision": redone.decision,
            "not_recorded": redone.untold });
        return Ok(ascii_json(&value, out)?);
    }
    writeln!(out, "{}, decided again by {source}", escaped(&record.session.client.host()))?;
    let about = match &record.recipient {
        Some(path) if row.event == "RCPT" => format!(" TO:<{}>", escaped(&path.address.typed)),
        _ => String::new(),
    };
    writeln!(out, "\n{}{about}", row.event)?;
    match &redone.decision {
        Some(decision) => write!(out, "{}", trace(decision, columns()))?,
        None => writeln!(out, " verdict    accepted: no list runs here")?,
    }
    for question in &redone.untold {
        writeln!(out, "not recorded, taken as not found: {}", escaped(question))?;
    }
    if redone.is_as_recorded {
        writeln!(out, "what was found in the message decides as recorded: the configuration is the same")?;
    }
    if redone.greylists {
        writeln!(out, "what the greylist would say is not recorded: taken as a pass")?;
    }
    let reply = redone.decision.as_ref().and_then(|decision| decision.reply()).map(ToString::to_string);
    let passes = redone.decision.as_ref().is_none_or(|decision| decision.verdict == Verdict::Pass);
    if redone.is_as_recorded
        || reply.as_deref() == row.reply.as_deref() && passes == (row.verdict == "permit")
    {
        return Ok(writeln!(out, "as recorded")?);
    }
    match &row.reply {
        Some(reply) => writeln!(out, "recorded:   {}", escaped(reply))?,
        None => writeln!(out, "recorded:   {}", row.verdict)?,
    }
    Ok(())
}
