//! A record's JSON: the session's thread writes what it knows, and the writer adds the numbers of the entries.

use super::lookup::WrittenLookup;
use crate::{
    decision::{Deferrals, Outcome, Step, action::Action},
    journal::{Record, sheet::Parts},
    request::{
        envelope::Path,
        session::{Client, Identity, NameStatus, Tls},
    },
    smtp::address::Address,
};
use serde::Serialize;
use std::{borrow::Cow, fmt::Write, ops::Not};

/// What is written: what the columns do not hold, and nothing that is as it mostly is.
#[derive(Serialize)]
struct Written<'a> {
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<(NameStatus, &'a str, NameStatus)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    helo: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a Tls>,
    server: (&'a str, &'a str, &'a str),
    #[serde(skip_serializing_if = "Option::is_none")]
    mta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<WrittenPath<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<WrittenPath<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    accepted: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Not::not")]
    smtputf8: bool,
    #[serde(skip_serializing_if = "Not::not")]
    greylist_passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<&'a Deferrals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<[u32; 2]>,
}

/// What the MTA made of an address: `""` for the address as it was typed, in lower case.
#[derive(Serialize)]
struct WrittenPath<'a>(Cow<'a, str>, &'a Option<String>, &'a Option<String>);

impl<'a> WrittenPath<'a> {
    fn of(path: &'a Path) -> Self {
        let Address { typed, rewritten } = &path.address;
        // Most are typed as they end up.
        let same = typed == rewritten || typed.to_lowercase() == *rewritten;
        Self(if same { "".into() } else { rewritten.into() }, &path.mailer, &path.host)
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Whether a step said nothing and asked nothing.
fn is_silent(step: &Step) -> bool {
    let said = matches!(step.outcome, Outcome::Said(Action::Dunno));
    said && step.depth == 0 && step.reason.is_none() && step.lookups.is_empty()
}

/// Writes a step but for its entry's number; nothing for one that said and asked nothing.
pub(in crate::journal) fn step(step: &Step, out: &mut Vec<u8>) {
    if is_silent(step) {
        return;
    }
    let lookups: Vec<WrittenLookup<'_>> = step.lookups.iter().map(WrittenLookup::of).collect();
    json(&(step.depth, step.word(), step.reply(), &step.reason, lookups), out);
}

/// Writes what stands behind the steps.
pub(in crate::journal) fn tail(record: &Record<'_>, out: &mut Vec<u8>) {
    if !record.decision.amendments.is_empty() {
        json(&record.decision.amendments, out);
    }
}

/// Writes what stands before the steps.
pub(in crate::journal) fn head(record: &Record<'_>, out: &mut Vec<u8>) {
    let Record { session, envelope, recipient, carried, .. } = *record;
    let Client { port, identity, .. } = &session.client;
    let written = Written {
        port: *port,
        names: (!is_verified(identity)).then_some((
            identity.name_status,
            &identity.reverse_name,
            identity.reverse_status,
        )),
        helo: session
            .helo
            .as_ref()
            .filter(|helo| helo.raw != helo.neutered)
            .map(|helo| helo.neutered.as_str()),
        auth: session.login.as_ref().map(|login| login.method.as_str()),
        tls: session.tls.as_ref(),
        server: (&session.server.name, &session.server.address, &session.server.port),
        mta: Some(session.server.version.as_str()).filter(|version| !version.is_empty()),
        exemption: record.exemption.map(|written| written.text.as_ref()),
        from: envelope.sender.as_ref().map(WrittenPath::of),
        to: recipient.map(WrittenPath::of),
        accepted: envelope.accepted,
        size: envelope.size,
        smtputf8: envelope.smtputf8,
        greylist_passed: envelope.greylist_passed,
        auth_author: envelope.auth_author.as_deref(),
        carried: Some(carried).filter(|carried| **carried != Deferrals::default()),
        content: record.content,
    };
    json(&written, out);
    // The steps and what stands behind them belong into it.
    out.pop();
}

/// Whether the client's name is all that there is to tell of its names.
fn is_verified(identity: &Identity) -> bool {
    let Identity { name, name_status, reverse_name, reverse_status } = identity;
    [name_status, reverse_status].into_iter().all(|status| *status == NameStatus::Verified)
        && name == reverse_name
}

fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    // None of these types has a map with keys that JSON cannot take, which is all that can fail.
    let _ = serde_json::to_writer(out, value);
}

/// Puts a record together: `number` tells what the file calls an entry. Where silent steps follow one another, they are
/// `"first-last"`.
///
/// # Errors
/// Those of `number`.
pub(in crate::journal) fn whole<E>(
    parts: &Parts<'_>,
    mut number: impl FnMut(u32) -> Result<i64, E>,
    out: &mut String,
) -> Result<(), E> {
    out.clear();
    out.push_str(parts.head);
    out.push_str(",\"steps\":[");
    let mut run: Option<(i64, i64)> = None;
    for (entry, text) in &parts.steps {
        let number = number(*entry)?;
        match &mut run {
            Some((_, last)) if text.is_empty() && *last + 1 == number => {
                *last = number;
                continue;
            }
            Some(_) | None => end_run(run.take(), out),
        }
        if text.is_empty() {
            run = Some((number, number));
        } else {
            comma(out);
            // The text is an array of the rest.
            let _ = write!(out, "[{number},{}", text.get(1..).unwrap_or("]"));
        }
    }
    end_run(run, out);
    out.push(']');
    if !parts.tail.is_empty() {
        out.push_str(",\"amendments\":");
        out.push_str(parts.tail);
    }
    out.push('}');
    Ok(())
}

/// Writes the silent steps up to here, if there are any.
fn end_run(run: Option<(i64, i64)>, out: &mut String) {
    let Some((first, last)) = run else { return };
    comma(out);
    // A text takes everything.
    let _ = if first == last { write!(out, "{first}") } else { write!(out, "\"{first}-{last}\"") };
}

/// Parts two steps.
fn comma(out: &mut String) {
    if !out.ends_with('[') {
        out.push(',');
    }
}

impl Step {
    /// How it ended, in the word of a record.
    fn word(&self) -> &'static str {
        match &self.outcome {
            Outcome::Said(action) => action.word(),
            Outcome::Warned(_) => "only warned",
            Outcome::Softened(_) => "softened by defer_if_reject",
            Outcome::EndOfClass => "no decision",
        }
    }
}
