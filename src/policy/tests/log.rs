//! What the log says of a decision.

use super::*;

#[test]
fn the_record_of_a_decision_is_one_line_of_json_in_ascii() {
    let mail = Mail::new().from("m\u{fc}ller\n\u{85}\u{1f600}@sender.example");
    let decision = decided(&policy(&[(Stage::Sender, &["reject"])]), &mail, &Answers::new());
    let line = RecordLine(&decision).to_string();
    assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line}");
    let record: serde_json::Value = serde_json::from_str(line.strip_prefix("decision: ").unwrap()).unwrap();
    assert_eq!(record, serde_json::to_value(&decision).unwrap());
}

#[test]
fn a_warned_refusal_is_logged_in_postfix_s_words() {
    let decision =
        decided(&policy(&[(Stage::Recipient, &["warn_if_reject reject"])]), &Mail::new(), &Answers::new());
    let remarks: Vec<_> = decision.remarks.iter().map(|remark| (remark.word, remark.text.as_str())).collect();
    assert_eq!(remarks, [("reject_warning", REJECT_TO)]);
    assert!(matches!(decision.steps[0].outcome, Outcome::Warned(_)));
}

#[test]
fn the_log_line_is_postfix_s_with_the_rule_behind_it() {
    let decision = decided(
        &policy(&[(Stage::Recipient, &["permit_mynetworks", "reject"])]),
        &Mail::new(),
        &Answers::new(),
    );
    let want = "RCPT from client.example[192.0.2.1]: 554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied; \
                from=<from@sender.example> to=<to@rcpt.example> helo=<helo.example> rule=reject, where=test.toml:2, \
                id=44554f80.1";
    let line = |observed| LogLine { decision: &decision, observed }.to_string();
    assert_eq!(line(false), format!("reject: {want}"));
    assert_eq!(line(true), format!("reject_warning: {want}"));
}

#[test]
fn an_entry_that_could_not_do_its_work_is_warned_of_with_its_place_and_reason() {
    let mut decision = decided(&policy(&[(Stage::Recipient, &["reject"])]), &Mail::new(), &Answers::new());
    assert!(!decision.steps[0].is_fault());
    let Verdict::Reply(reply) = decision.verdict.clone() else { panic!() };
    decision.steps[0].outcome = Outcome::Said(Action::Fault(reply));
    decision.steps[0].reason = Some("inet:h:1 answers\nwhat cannot be done".into());
    assert!(decision.steps[0].is_fault());
    let line = FaultLine { decision: &decision, step: &decision.steps[0] };
    let want = "fault: RCPT: rule=reject, where=test.toml:1, id=44554f80.1, \
                reason=inet:h:1 answers\\u{a}what cannot be done";
    assert_eq!(line.to_string(), want);
}
