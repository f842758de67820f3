//! One recorded decision: its steps and its verdict, as `explain` prints those of a described session.

use super::text::{date, path};
use crate::{
    decision::trace::{self, End, Line},
    journal::{
        Row,
        read::Entry,
        stored::{Stored, StoredLookup, StoredStep},
    },
    smtp::text::escaped,
};
use serde_json::{Value, json};
use std::{borrow::Cow, collections::HashMap, fmt::Write as _, time::Duration};

/// Every step of a decision.
pub(super) fn steps(row: &Row<'_>, record: &Stored, entries: &HashMap<i64, Entry>, columns: usize) -> String {
    let text = |text: &Option<Cow<'_, str>>| {
        text.as_deref().map_or_else(|| "?".to_owned(), |text| escaped(text).into_owned())
    };
    let mut out = format!(
        "{} UTC  {} from {}[{}], id {}\n",
        date(row.time),
        row.event,
        text(&row.client_name),
        text(&row.client),
        escaped(&row.decision)
    );
    let (sender, recipient) = (row.sender.as_deref(), row.recipient.as_deref());
    let own = |text: Option<&str>| path(&text.map(str::to_owned));
    let _ = writeln!(out, "helo {}, {} -> {}", text(&row.helo), own(sender), own(recipient));
    for step in &record.steps {
        trace::line(&mut out, &shown(step, entries.get(&step.rule)), columns);
    }
    let word = match &*row.verdict {
        "permit" => trace::ACCEPTED,
        "defer" => trace::DEFERRED,
        "reject" => trace::REFUSED,
        "discard" => trace::DROPPED,
        other => other,
    };
    let by = row.entry.as_deref().zip(row.place.as_deref());
    trace::end(&mut out, &End { word, by, reply: row.reply.as_deref() }, columns);
    out
}

fn shown<'a>(step: &'a StoredStep, entry: Option<&'a Entry>) -> Line<'a> {
    let known = |text: fn(&Entry) -> &str| entry.map_or("?", text);
    let reply = step.reply.as_ref().map(ToString::to_string);
    let lookups = step.lookups.iter().map(looked);
    Line {
        depth: step.depth,
        stage: known(|entry| &entry.stage),
        entry: known(|entry| &entry.entry),
        outcome: &step.word,
        place: known(|entry| &entry.place),
        notes: reply.into_iter().chain(step.reason.clone()).chain(lookups).collect(),
    }
}

fn looked(looked: &StoredLookup) -> String {
    let answer = looked.answer().map_or_else(|| "?".to_owned(), |answer| answer.to_string());
    let took = looked.took();
    let took =
        if took >= Duration::from_millis(1) { format!(" ({} ms)", took.as_millis()) } else { String::new() };
    format!("{}: {answer}{took}", looked.question())
}

/// The same as data.
pub(super) fn steps_json(row: &Row<'_>, record: &Stored, entries: &HashMap<i64, Entry>) -> Value {
    let step = |step: &StoredStep| {
        let entry = entries.get(&step.rule);
        let looked = step.lookups.iter().map(|looked| {
            let answer = looked.answer().map(|answer| answer.to_string());
            json!({ "question": looked.question(), "answer": answer, "took_ms": looked.took().as_millis() as u64 })
        });
        json!({
            "stage": entry.map(|entry| &entry.stage), "entry": entry.map(|entry| &entry.entry),
            "place": entry.map(|entry| &entry.place), "depth": step.depth, "outcome": step.word,
            "reply": step.reply, "reason": step.reason, "lookups": looked.collect::<Vec<_>>(),
        })
    };
    json!({
        "id": row.decision, "time": row.time, "event": row.event, "verdict": row.verdict, "reply": row.reply,
        "rule": row.entry, "place": row.place, "observed": row.observed, "message": row.message,
        "client": row.client, "client_name": row.client_name, "helo": row.helo, "sender": row.sender,
        "recipient": row.recipient, "login": row.login, "queue_id": row.queue_id, "greylist": row.greylist,
        "waited": row.waited, "steps": record.steps.iter().map(step).collect::<Vec<_>>(),
    })
}
