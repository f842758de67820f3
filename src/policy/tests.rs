//! What the loop promises, one test a promise. Replies are compared whole: a loop that keeps the last instead of the
//! first deferral shows only in the text.

mod exemptions;
mod greylist_log;
mod log;
mod rounds;

use super::{
    Entry, List, Policy,
    evaluate::{Progress, evaluate},
};
use crate::{
    decision::{
        Decision, Deferrals, Outcome, Verdict, Written,
        action::{Action, ClassId},
        text::{FaultLine, LogLine, RecordLine},
    },
    lookup::{Lookup, Lookups, Pending, answers::Answers},
    origin::Origin,
    request::{Event, Request, Stage},
    restriction::{Restriction, class::Class},
    smtp::{
        domain::Domain,
        reply::{Enhanced, Reply, ReplyCode},
    },
    testing::{Mail, list, policy_question, zone},
};
use std::{sync::Arc, time::Duration};

/// The setting, written there.
fn helo_required(origin: Origin) -> Arc<Written> {
    Arc::new(Written { text: "helo_required".into(), origin })
}

/// A rule that asks for the addresses of names, then for writing lookups, and then says something.
#[derive(Debug)]
struct Asks {
    names: &'static [&'static str],
    writes: Option<u8>,
    says: Action,
}

impl Restriction for Asks {
    fn check(&self, _: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let names: Vec<Domain> = self.names.iter().map(|name| Domain::for_query(name).unwrap()).collect();
        lookups.ahead(names.iter().cloned().map(Lookup::A));
        for name in &names {
            lookups.a(Some(name))?;
        }
        if let Some(number) = self.writes {
            lookups.policy(policy_question(number))?;
        }
        Ok(self.says.clone())
    }
}

fn entry(text: &str, restriction: impl Restriction + 'static) -> Entry {
    let restriction = Box::new(restriction);
    Entry::new(text, Origin::new("test.toml", 99, 1), false, restriction)
}

fn asks(names: &'static [&'static str], says: Action) -> Entry {
    entry("asks", Asks { names, writes: None, says })
}

fn writes(number: u8, says: Action) -> Entry {
    entry("writes", Asks { names: &[], writes: Some(number), says })
}

fn reject(code: u16, text: &str) -> Action {
    Action::Reject(reply(code, text))
}

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), Enhanced::new(7, 1), text)
}

/// Lists by their stage.
type Lists<'a> = [(Stage, &'a [&'a str])];

fn policy(lists: &Lists<'_>) -> Policy {
    let mut policy = Policy::default();
    for (stage, lines) in lists {
        policy.lists[*stage as usize] = list(lines);
    }
    policy
}

fn entries(stage: Stage, entries: Vec<Entry>) -> Policy {
    let mut policy = Policy::default();
    policy.lists[stage as usize] = List { entries };
    policy
}

fn decided(policy: &Policy, mail: &Mail, answers: &Answers) -> Decision {
    match evaluate(policy, &mail.request(), answers) {
        Progress::Done(decision) => *decision,
        Progress::Wants(lookups) => panic!("wants {lookups:?}"),
    }
}

fn wanted(policy: &Policy, mail: &Mail, answers: &Answers) -> Vec<String> {
    match evaluate(policy, &mail.request(), answers) {
        Progress::Wants(lookups) => lookups.iter().map(ToString::to_string).collect(),
        Progress::Done(decision) => panic!("decided {:?}", decision.verdict),
    }
}

/// The verdict in one line: `pass`, or the reply as the client reads it.
fn verdict(decision: &Decision) -> String {
    match &decision.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Reply(reply) => reply.to_string(),
        Verdict::Discard(text) => format!("discard {text}"),
    }
}

const REJECT_TO: &str = "554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied";
const REJECT_FROM: &str = "554 5.7.1 <from@sender.example>: Sender address rejected: Access denied";
const PERMIT_FROM: &str =
    "450 4.7.0 <from@sender.example>: Sender address rejected: defer_if_permit requested";
const PERMIT_TO: &str = "450 4.7.0 <to@rcpt.example>: Recipient address rejected: defer_if_permit requested";
const REJECT_IF_TO: &str =
    "450 4.7.0 <to@rcpt.example>: Recipient address rejected: defer_if_reject requested";

#[test]
fn after_discard_no_list_runs_and_what_was_deferred_before_is_not_lost() {
    let discards =
        || entry("discards", Asks { names: &[], writes: None, says: Action::Discard("x".to_owned()) });
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&[], &[], "discard x"),
        (&["permit"], &["permit"], "discard x"),
        (&[], &["reject"], "discard x"),
        (&[], &["defer_if_permit"], "discard x"),
        (
            &["defer_if_permit"],
            &["reject"],
            "450 4.7.0 <helo.example>: Helo command rejected: defer_if_permit requested",
        ),
        (&["reject"], &[], "554 5.7.1 <helo.example>: Helo command rejected: Access denied"),
    ];
    for (before, behind, want) in cases {
        let mut policy = policy(&[(Stage::Helo, before), (Stage::Recipient, behind)]);
        policy.lists[Stage::Sender as usize] =
            List { entries: vec![discards(), asks(&[], reject(554, "no"))] };
        assert_eq!(verdict(&decided(&policy, &Mail::new(), &Answers::new())), *want, "{before:?} {behind:?}");
    }
}

#[test]
fn a_deferred_recipient_s_discard_holds_for_the_recipients_behind_it() {
    let discards =
        || entry("discards", Asks { names: &[], writes: None, says: Action::Discard("x".to_owned()) });
    let mut policy = policy(&[(Stage::Client, &["defer_if_permit"])]);
    policy.lists[Stage::Recipient as usize] = List { entries: vec![discards()] };
    let first = decided(&policy, &Mail::new(), &Answers::new());
    assert!(verdict(&first).starts_with("450 4.7.0 "), "{}", verdict(&first));
    let carried = Deferrals { discard: first.deferrals.discard, ..Deferrals::default() };
    let mail = Mail { carried, ..Mail::new() };
    assert_eq!(verdict(&decided(&policy, &mail, &Answers::new())), "discard x");
}

#[test]
fn with_delay_reject_off_a_discard_at_mail_does_not_lose_what_was_deferred() {
    let discards =
        || entry("discards", Asks { names: &[], writes: None, says: Action::Discard("x".to_owned()) });
    for (client, at_mail, at_rcpt) in
        [(&[][..], "discard x", ""), (&["defer_if_permit"][..], "pass", "450 4.7.0 ")]
    {
        let mut policy = policy(&[(Stage::Client, client)]);
        policy.delay_reject = false;
        policy.lists[Stage::Sender as usize] = List { entries: vec![discards()] };
        let connect = decided(&policy, &Mail::new().at(Event::Connect, Stage::Client), &Answers::new());
        let mail = Mail { carried: connect.deferrals, ..Mail::new().at(Event::Mail, Stage::Sender) };
        let sender = decided(&policy, &mail, &Answers::new());
        assert_eq!(verdict(&sender), at_mail);
        for _ in 0..2 {
            let rcpt = Mail { carried: sender.deferrals.clone(), ..Mail::new() };
            let said = verdict(&decided(&policy, &rcpt, &Answers::new()));
            assert!(said.starts_with(at_rcpt), "{said}");
        }
    }
}

#[test]
fn without_helo_its_list_does_not_run() {
    let policy = policy(&[(Stage::Helo, &["reject"])]);
    let mut mail = Mail::new();
    assert_eq!(
        verdict(&decided(&policy, &mail, &Answers::new())),
        "554 5.7.1 <helo.example>: Helo command rejected: Access denied"
    );
    mail.session.helo = None;
    assert_eq!(verdict(&decided(&policy, &mail, &Answers::new())), "pass");
}

#[test]
fn lists_decide_as_in_postfix() {
    use Stage::{Recipient, Sender};
    let cases: &[(&str, &Lists<'_>, &str)] = &[
        ("no list at all permits", &[], "pass"),
        ("ok ends only its list", &[(Sender, &["permit", "reject"]), (Recipient, &["reject"])], REJECT_TO),
        ("reject ends everything", &[(Sender, &["reject"]), (Recipient, &["permit"])], REJECT_FROM),
        ("the end of a list is a permit", &[(Sender, &["warn_if_reject reject"])], "pass"),
        (
            "warn_if_reject covers only the next entry",
            &[(Recipient, &["warn_if_reject reject", "reject"])],
            REJECT_TO,
        ),
        (
            "the first deferral counts",
            &[(Recipient, &["defer_if_permit", "defer_if_permit", "permit"])],
            PERMIT_TO,
        ),
        (
            "the first deferral counts over lists",
            &[(Sender, &["defer_if_permit"]), (Recipient, &["defer_if_permit"])],
            PERMIT_FROM,
        ),
        (
            "defer_if_permit gives way to a reject",
            &[(Sender, &["defer_if_permit"]), (Recipient, &["reject"])],
            REJECT_TO,
        ),
        (
            "warn_if_reject defer_if_permit is not raised",
            &[(Recipient, &["warn_if_reject defer_if_permit"])],
            "pass",
        ),
        ("defer_if_reject softens a 5xx", &[(Recipient, &["defer_if_reject", "reject"])], REJECT_IF_TO),
        (
            "defer_if_reject leaves a 4xx alone",
            &[(Recipient, &["defer_if_reject", "defer"])],
            "450 4.3.2 <to@rcpt.example>: Recipient address rejected: Try again later",
        ),
        (
            "defer_if_reject is forgotten at the next list",
            &[(Sender, &["defer_if_reject"]), (Recipient, &["reject"])],
            REJECT_TO,
        ),
        (
            "warn_if_reject defer_if_reject is raised",
            &[(Recipient, &["warn_if_reject defer_if_reject", "reject"])],
            REJECT_IF_TO,
        ),
        (
            "both deferrals settle the list",
            &[(Recipient, &["defer_if_reject", "defer_if_permit", "reject"])],
            PERMIT_TO,
        ),
        (
            "and the next list still runs",
            &[(Sender, &["defer_if_reject", "defer_if_permit", "reject"]), (Recipient, &["reject"])],
            REJECT_TO,
        ),
    ];
    for (name, lists, want) in cases {
        assert_eq!(verdict(&decided(&policy(lists), &Mail::new(), &Answers::new())), *want, "{name}");
    }
}

#[test]
fn postmaster_without_domain_is_always_accepted() {
    let policy = policy(&[(Stage::Client, &["reject"])]);
    for recipient in ["postmaster", "PostMaster"] {
        assert_eq!(verdict(&decided(&policy, &Mail::new().to(recipient), &Answers::new())), "pass");
    }
    let elsewhere = decided(&policy, &Mail::new().to("postmaster@rcpt.example"), &Answers::new());
    assert_eq!(
        verdict(&elsewhere),
        "554 5.7.1 <client.example[192.0.2.1]>: Client host rejected: Access denied"
    );
}

#[test]
fn a_class_decides_in_the_place_of_its_entry() {
    let class = |lines: &[&str], warn_only| {
        let mut policy = policy(&[(Stage::Recipient, &["reject"])]);
        policy.classes.push(list(lines));
        let class = Entry { warn_only, ..entry("strict", Class(ClassId(0))) };
        policy.lists[Stage::Recipient as usize].entries.insert(0, class);
        verdict(&decided(&policy, &Mail::new(), &Answers::new()))
    };
    assert_eq!(class(&["permit"], false), "pass");
    assert_eq!(class(&[], false), REJECT_TO);
    assert_eq!(class(&["defer_if_reject"], false), REJECT_IF_TO);
    assert_eq!(
        class(&["defer"], false),
        "450 4.3.2 <to@rcpt.example>: Recipient address rejected: Try again later"
    );
    assert_eq!(class(&["defer"], true), REJECT_TO, "warn_if_reject covers the whole class");
}

#[test]
fn a_class_that_may_not_permit_goes_on_where_it_would() {
    let class = |lines: &[&str]| {
        let says = Action::Class { class: ClassId(0), subject: None, may_permit: false };
        let mut policy = entries(Stage::Recipient, vec![asks(&[], says)]);
        policy.lists[Stage::Recipient as usize].entries.extend(list(&["reject"]).entries);
        policy.classes.push(list(lines));
        decided(&policy, &Mail::new(), &Answers::new())
    };
    let permits = class(&["permit"]);
    assert_eq!(verdict(&permits), REJECT_TO);
    assert_eq!(permits.steps[0].outcome, Outcome::EndOfClass);
    assert_eq!(
        verdict(&class(&["defer"])),
        "450 4.3.2 <to@rcpt.example>: Recipient address rejected: Try again later"
    );
}

#[test]
fn a_class_without_end_is_a_fault_and_not_a_crash() {
    let mut policy = entries(Stage::Recipient, vec![entry("loop", Class(ClassId(0)))]);
    policy.classes.push(List { entries: vec![entry("loop", Class(ClassId(0)))] });
    let decision = decided(&policy, &Mail::new(), &Answers::new());
    assert_eq!(verdict(&decision), "451 4.3.5 Server configuration error");
}

#[test]
fn a_fault_of_the_configuration_is_not_softened() {
    let fault = Action::Fault(reply(451, "Server configuration error"));
    let mut policy = entries(Stage::Recipient, vec![asks(&[], fault)]);
    policy.lists[Stage::Recipient as usize].entries[0].warn_only = true;
    assert_eq!(
        verdict(&decided(&policy, &Mail::new(), &Answers::new())),
        "451 4.7.1 Server configuration error"
    );
}

#[test]
fn with_delay_reject_off_a_deferral_is_carried_to_rcpt() {
    let mut policy = policy(&[(Stage::Client, &["defer_if_permit"]), (Stage::Recipient, &["permit"])]);
    policy.delay_reject = false;
    let connect = decided(&policy, &Mail::new().at(Event::Connect, Stage::Client), &Answers::new());
    assert_eq!(verdict(&connect), "pass");
    let mail = Mail { carried: connect.deferrals.clone(), ..Mail::new().to("postmaster") };
    assert_eq!(verdict(&decided(&policy, &mail, &Answers::new())), "pass");
    let mail = Mail { carried: connect.deferrals, ..Mail::new() };
    let want = "450 4.7.0 <client.example[192.0.2.1]>: Client host rejected: defer_if_permit requested";
    assert_eq!(verdict(&decided(&policy, &mail, &Answers::new())), want);
}

#[test]
fn a_deferral_does_not_reach_data() {
    let mail = Mail { event: Event::Data, ..Mail::new() };
    let earlier =
        decided(&policy(&[(Stage::Recipient, &["defer_if_permit"])]), &Mail::new(), &Answers::new());
    let mail = Mail { carried: earlier.deferrals, ..mail };
    assert_eq!(verdict(&decided(&policy(&[(Stage::Data, &["permit"])]), &mail, &Answers::new())), "pass");
}

#[test]
fn mail_without_helo_is_refused_where_helo_is_required() {
    let mut silent = Mail::new().at(Event::Mail, Stage::Sender);
    silent.session.helo = None;
    let polite = Mail::new().at(Event::Mail, Stage::Sender);
    let mut policy = Policy { delay_reject: false, ..policy(&[(Stage::Sender, &["permit"])]) };
    assert_eq!(verdict(&decided(&policy, &silent, &Answers::new())), "pass");
    policy.helo_required = Some(helo_required(Origin::new("mailward.toml", 7, 1)));
    let refused = decided(&policy, &silent, &Answers::new());
    assert_eq!(verdict(&refused), "503 5.5.1 Error: send HELO/EHLO first");
    let rule = refused.rule.unwrap();
    assert_eq!(format!("{} {}", rule.written.text, rule.written.origin), "helo_required mailward.toml:7");
    // The journal numbers entries by their place in memory.
    assert!(Arc::ptr_eq(&rule.written, policy.helo_required.as_ref().unwrap()));
    assert_eq!(verdict(&decided(&policy, &polite, &Answers::new())), "pass");
    let required = Policy { helo_required: Some(helo_required(Origin::new("t", 1, 1))), ..Policy::default() };
    let judged = [Event::Connect, Event::Helo, Event::Mail, Event::Rcpt].map(|event| required.judges(event));
    assert_eq!(judged, [false, false, true, false]);
}
