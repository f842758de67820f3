//! Exemptions: a permit at the head of the lists, and no more than that.

use super::{decided, helo_required, policy, reply, verdict};
use crate::{
    decision::{Deferral, Rule, Written},
    lookup::answers::Answers,
    origin::Origin,
    policy::Policy,
    request::{Event, Stage},
    testing::Mail,
};
use std::sync::Arc;

const TEXT: &str = "allow client 192.0.2.1 (#12)";

fn written(text: &str) -> Arc<Written> {
    Arc::new(Written { text: text.into(), origin: Origin::builtin("allow.db") })
}

#[test]
fn an_exemption_permits_at_the_head_of_every_list_but_end_of_data() {
    let reject = ["reject"];
    let lists = [
        (Stage::Client, &reject[..]),
        (Stage::Helo, &reject),
        (Stage::Sender, &reject),
        (Stage::Recipient, &["greylist"]),
        (Stage::Data, &reject),
        (Stage::EndOfData, &reject),
    ];
    let refused = "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied";
    let cases = [
        (Event::Rcpt, "pass", &["client", "helo", "sender", "recipient"][..]),
        (Event::Data, "pass", &["data"]),
        (Event::EndOfMessage, refused, &[]),
    ];
    for (event, want, stages) in cases {
        let mail = Mail { exemption: Some(written(TEXT)), ..Mail::new().at(event, Stage::Client) };
        let decision = decided(&policy(&lists), &mail, &Answers::new());
        assert_eq!(verdict(&decision), want);
        let exempted = decision.steps.iter().filter(|step| step.rule.written == written(TEXT));
        assert_eq!(exempted.map(|step| step.rule.stage.key()).collect::<Vec<_>>(), stages, "{event:?}");
        let by = decision.rule.map(|rule| rule.written.text.to_string());
        assert_eq!(by.as_deref(), Some(if want == "pass" { TEXT } else { "reject" }));
    }
}

#[test]
fn an_exemption_clears_no_earlier_deferral_and_a_missing_helo_stays_refused() {
    let mut mail = Mail { exemption: Some(written(TEXT)), ..Mail::new() };
    let rule = Rule { stage: Stage::Client, written: written("earlier") };
    mail.carried.if_permit = Some(Deferral { reply: reply(450, "earlier"), rule });
    let immediate = Policy { delay_reject: false, ..policy(&[(Stage::Recipient, &["reject"])]) };
    assert_eq!(verdict(&decided(&immediate, &mail, &Answers::new())), "450 4.7.1 earlier");
    let strict = Policy { helo_required: Some(helo_required(Origin::builtin("x"))), ..Policy::default() };
    let mut mail = mail.at(Event::Mail, Stage::Sender);
    mail.session.helo = None;
    assert_eq!(verdict(&decided(&strict, &mail, &Answers::new())), "503 5.5.1 Error: send HELO/EHLO first");
}
