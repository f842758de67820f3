//! From a verdict to the milter's status.

use super::counters::Counters;
use crate::{
    decision::{Decision, Step, Verdict},
    header_checks::UNCHANGED,
    smtp::{reply::Reply, text},
};
use indymilter::{SetErrorReply, SmtpReply, Status};
use std::ffi::CString;
use tracing::error;

/// The longest line that the milter library sends, in bytes.
const LINE_LIMIT: usize = 980;

/// Counts a decision by its verdict, also one that takes no effect.
pub(super) fn count(decision: &Decision, counters: &Counters) {
    let counter = match &decision.verdict {
        Verdict::Pass => &counters.decisions_permit,
        Verdict::Discard(_) => &counters.decisions_discard,
        Verdict::Reply(refusal) if refusal.code.class() == 4 => &counters.decisions_defer,
        Verdict::Reply(_) => &counters.decisions_reject,
    };
    counter.add();
    let unchanged = decision.remarks.iter().filter(|remark| remark.word == UNCHANGED);
    counters.fields_unchanged.add_all(unchanged.count() as u64);
    if decision.steps.iter().any(Step::is_fault) {
        counters.configuration_faults.add();
    }
}

/// The status for a decision. A pass is *continue*: *accept* would end the filter's view of the whole session.
pub(super) fn status(decision: &Decision, reply: &mut SmtpReply, counters: &Counters) -> Status {
    match &decision.verdict {
        Verdict::Pass => Status::Continue,
        Verdict::Discard(_) => Status::Discard,
        Verdict::Reply(refusal) => refuse(refusal, reply, counters),
    }
}

/// Words a refusal. The enhanced status always stands before the text: without it a text that begins with a digit would
/// break the session.
pub(super) fn refuse(refusal: &Reply, reply: &mut SmtpReply, counters: &Counters) -> Status {
    let code = refusal.code.to_string();
    let line = on_the_wire(&refusal.text);
    if let Err(e) = reply.set_error_reply(&code, Some(&refusal.enhanced()), [line]) {
        counters.replies_refused.add();
        error!("bug: the reply \"{refusal}\" cannot be sent: {e}");
    }
    if refusal.code.class() == 4 { Status::Tempfail } else { Status::Reject }
}

/// The text as the protocol wants it: `%` doubled, within the line limit, no NUL.
fn on_the_wire(line: &str) -> CString {
    let doubled = line.replace('%', "%%");
    let mut line = text::cut(&doubled, LINE_LIMIT);
    let percents = line.bytes().rev().take_while(|b| *b == b'%').count();
    if percents % 2 == 1 {
        line = &line[..line.len() - 1];
    }
    // Replies hold no control characters, so this never has to fall back.
    CString::new(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_doubled_and_never_cut_apart() {
        assert_eq!(on_the_wire("50% off").to_str(), Ok("50%% off"));
        let line = on_the_wire(&format!("x{}", "%".repeat(510)));
        assert_eq!((line.as_bytes().len(), line.as_bytes().len() % 2), (979, 1));
    }
}
