//! The one way of logging a decision, in the words of Postfix's smtpd.

use super::{Decision, Remark, Rule, Step, Summary, Verdict};
use crate::{
    lookup::{
        Lookup,
        greylist::{Greylisted, Observation},
    },
    smtp::text::escaped,
};
use std::fmt::{self, Write as _};

/// The log line of a decision: `reject: RCPT from name[addr]: 450 …; from=<> to=<> helo=<> rule=…, where=…, id=…`.
///
/// With `observed` (mode = "observe") a refusal reads `reject_warning:`, so that nothing bans a host for it.
#[derive(Debug)]
pub struct LogLine<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// Whether it takes no effect.
    pub observed: bool,
}

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.decision;
        let (word, text) = match &decision.verdict {
            Verdict::Pass => ("permit", String::from("permitted")),
            Verdict::Reply(reply) if self.observed => ("reject_warning", reply.to_string()),
            Verdict::Reply(reply) => ("reject", reply.to_string()),
            Verdict::Discard(text) if self.observed => ("discard_warning", text.clone()),
            Verdict::Discard(text) => ("discard", text.clone()),
        };
        line(f, decision, word, &text, decision.rule.as_ref())?;
        match decision.greylisted() {
            Some((observation, said)) => greylist(f, decision, observation, said),
            None => Ok(()),
        }
    }
}

/// postgrey's fields: `action=greylist, reason=new, client_name=…, client_address=…, sender=…, recipient=…`.
fn greylist(
    f: &mut fmt::Formatter<'_>,
    decision: &Decision,
    observation: &Observation,
    said: Greylisted,
) -> fmt::Result {
    let summary = &decision.summary;
    let defers = match said {
        Greylisted::Waits { .. } => true,
        // on_store_failure decides.
        Greylisted::Unavailable(_) => {
            matches!(decision.verdict, Verdict::Reply(_)) || decision.deferrals.at_data.is_some()
        }
        Greylisted::Opened { .. }
        | Greylisted::Passed
        | Greylisted::Known
        | Greylisted::Correspondent
        | Greylisted::Exempt
        | Greylisted::Whitelisted(_) => false,
    };
    let action = if defers { "greylist" } else { "pass" };
    write!(f, ", action={action}, reason={said}")?;
    if let Greylisted::Opened { waited } = said {
        write!(f, ", delay={}", waited.as_secs())?;
    }
    // In Postfix's word, for whoever reads postgrey's lines.
    let unknown = "unknown".to_owned();
    let name = if observation.name.is_empty() { &unknown } else { &observation.name };
    let fields = [
        ("client_name", Some(name)),
        ("client_address", Some(&observation.address)),
        ("sender", summary.sender.as_ref()),
        ("recipient", summary.recipient.as_ref()),
    ];
    for (name, value) in fields {
        // As in postgrey, what is empty is left out.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // A comma of theirs begins no field.
            write!(f, ", {name}={}", escaped(value).replace(',', "\\u{2c}"))?;
        }
    }
    Ok(())
}

/// The log line of a remark of a decision: INFO, WARN, HOLD, `reject_warning` …
#[derive(Debug)]
pub struct RemarkLine<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The remark.
    pub remark: &'a Remark,
    /// Whether the decision takes no effect.
    pub observed: bool,
}

impl fmt::Display for RemarkLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match (self.remark.word, self.observed) {
            (
                word @ ("hold" | "prepend" | "replace" | "remove" | "delete_recipient" | "redirect" | "bcc"
                | "discard"),
                true,
            ) => {
                format!("{word}_warning")
            }
            (word, _) => word.to_owned(),
        };
        line(f, self.decision, &word, &self.remark.text, Some(&self.remark.rule))
    }
}

/// The warning about an entry that could not do its work: `fault: RCPT: rule=…, where=…, id=…, reason=…`.
#[derive(Debug)]
pub struct FaultLine<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The entry.
    pub step: &'a Step,
}

impl fmt::Display for FaultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decision, step } = self;
        let written = &step.rule.written;
        write!(
            f,
            "fault: {}: rule={}, where={}",
            decision.event.word(),
            escaped(&written.text),
            written.origin
        )?;
        write!(f, ", id={}", decision.id)?;
        match &step.reason {
            Some(reason) => write!(f, ", reason={}", escaped(reason)),
            None => Ok(()),
        }
    }
}

/// The debug line of a decision: `decision: {…}`, the whole record as JSON in one line of ASCII, as `explain --json`
/// prints it.
#[derive(Debug)]
pub struct RecordLine<'a>(pub &'a Decision);

impl fmt::Display for RecordLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = serde_json::to_string(self.0).map_err(|_| fmt::Error)?;
        f.write_str("decision: ")?;
        // JSON leaves everything above the C0 controls as it is; a client must not write into a log with it.
        for c in record.chars() {
            if c == ' ' || c.is_ascii_graphic() {
                f.write_char(c)?;
            } else {
                c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))?;
            }
        }
        Ok(())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    decision: &Decision,
    word: &str,
    text: &str,
    rule: Option<&Rule>,
) -> fmt::Result {
    let summary = &decision.summary;
    write!(f, "{word}: {} from {}: {};", decision.event.word(), escaped(&summary.client), escaped(text))?;
    envelope(f, summary)?;
    match rule {
        Some(rule) => write!(f, " rule={}, where={}", escaped(&rule.written.text), rule.written.origin)?,
        None => f.write_str(" rule=end of lists")?,
    }
    write!(f, ", id={}", decision.id)?;
    if let Some(queue_id) = &summary.queue_id {
        write!(f, ", queue_id={}", escaped(queue_id))?;
    }
    // What the greylist found stands in its own fields.
    let greylists =
        rule.is_some_and(|rule| decision.greylisted().is_some() && only_asks_the_greylist(decision, rule));
    match rule.filter(|_| !greylists).and_then(|rule| decision.reason(rule)) {
        Some(reason) => write!(f, ", reason={}", escaped(&reason)),
        None => Ok(()),
    }
}

/// Whether an entry had no other reason than the greylist's.
fn only_asks_the_greylist(decision: &Decision, rule: &Rule) -> bool {
    let asks = |step: &&Step| step.lookups.iter().any(|looked| matches!(looked.lookup, Lookup::Greylist(_)));
    let step = decision.steps.iter().filter(|step| step.rule == *rule).find(asks);
    step.is_some_and(|step| step.reason.is_none() && step.lookups.len() == 1)
}

fn envelope(f: &mut fmt::Formatter<'_>, summary: &Summary) -> fmt::Result {
    let fields = [
        ("from", &summary.sender),
        ("to", &summary.recipient),
        ("helo", &summary.helo),
        ("sasl_username", &summary.login),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            write!(f, " {name}=<{}>", bracketed(value))?;
        }
    }
    Ok(())
}

/// A client's value between `<` and `>`: it cannot end the brackets and begin a field of its own.
fn bracketed(value: &str) -> String {
    escaped(value).replace('<', "\\u{3c}").replace('>', "\\u{3e}")
}
