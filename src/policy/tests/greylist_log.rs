//! The log line of a decision in which the greylist had a say: postgrey's fields stand at its end.

use super::*;
use crate::{
    greylist::{self, OnStoreFailure},
    lookup::greylist::{Greylisted, Wait},
    request::session::{Identity, NameStatus},
    restriction::args::Settings,
    testing::{greylisted, rule_with},
};
use std::sync::Arc;

fn settings(change: impl FnOnce(&mut greylist::Settings)) -> Settings {
    let mut greylist = greylist::Settings::default();
    change(&mut greylist);
    Settings { greylist: Arc::new(greylist), ..Settings::default() }
}

/// The whole line of a list with `greylist` alone, when the store says this.
fn line(settings: &Settings, mail: &Mail, said: Greylisted) -> String {
    let rule = rule_with("greylist", settings).unwrap();
    let entry = Entry::new("greylist", Origin::new("test.toml", 1, 1), false, rule);
    let policy = entries(Stage::Recipient, vec![entry]);
    let decision = decided(&policy, mail, &greylisted("greylist", settings, mail, said));
    LogLine { decision: &decision, observed: false }.to_string()
}

/// An ordinary mail's line: its reply if it waits, and postgrey's fields up to the client.
fn want(reply: Option<&str>, fields: &str) -> String {
    let (verdict, rule) = match reply {
        Some(reply) => {
            let words =
                "450 4.2.0 <to@rcpt.example>: Recipient address rejected: Greylisted, please try again";
            (("reject", format!("{words} {reply}")), "greylist, where=test.toml:1")
        }
        None => (("permit", "permitted".to_owned()), "end of lists"),
    };
    let (word, text) = verdict;
    format!(
        "{word}: RCPT from client.example[192.0.2.1]: {text}; from=<from@sender.example> to=<to@rcpt.example> \
         helo=<helo.example> rule={rule}, id=44554f80.1, {fields}, client_name=client.example, \
         client_address=192.0.2.1, sender=from@sender.example, recipient=to@rcpt.example"
    )
}

#[test]
fn every_answer_stands_in_the_line_in_postgrey_s_words() {
    let waits = |left, why| Greylisted::Waits { left: Duration::from_secs(left), why };
    let minutes = Some("in 4 minutes");
    let cases = [
        (waits(240, Wait::New), minutes, "action=greylist, reason=new"),
        (
            waits(60, Wait::EarlyRetry),
            Some("in 1 minute"),
            "action=greylist, reason=early-retry (60s missing)",
        ),
        (waits(240, Wait::TooMany), minutes, "action=greylist, reason=too many waiting from this network"),
        (
            waits(240, Wait::NewCorrespondent),
            minutes,
            "action=greylist, reason=new in the name of somebody whom the recipient wrote to",
        ),
        (Greylisted::Passed, None, "action=pass, reason=triplet found"),
        (Greylisted::Known, None, "action=pass, reason=client AWL"),
        (Greylisted::Correspondent, None, "action=pass, reason=the recipient wrote to the sender"),
        (Greylisted::Exempt, None, "action=pass, reason=recipient exempt"),
        (Greylisted::Unavailable("locked"), None, "action=pass, reason=store unavailable: locked"),
    ];
    for (said, reply, fields) in cases {
        assert_eq!(line(&settings(|_| {}), &Mail::new(), said), want(reply, fields), "{said:?}");
    }
    let opened = Greylisted::Opened { waited: Duration::from_secs(312) };
    let quiet = settings(|s| s.header = false);
    assert_eq!(
        line(&quiet, &Mail::new(), opened),
        want(None, "action=pass, reason=triplet found, delay=312")
    );
    let tempfail = settings(|s| s.on_store_failure = OnStoreFailure::Tempfail);
    assert_eq!(
        line(&tempfail, &Mail::new(), Greylisted::Unavailable("locked")),
        want(Some("later"), "action=greylist, reason=store unavailable: locked")
    );
}

#[test]
fn lists_of_exceptions_stand_in_the_line_too() {
    let listed = settings(|s| {
        let mut faults = Vec::new();
        s.clients.read("c", "client.example", &mut faults);
        s.recipients.read("r", "postmaster@", &mut faults);
    });
    let never = Greylisted::Unavailable("nobody asks");
    assert_eq!(line(&listed, &Mail::new(), never), want(None, "action=pass, reason=client whitelist"));
    let forged = Identity::unverified("client.example", NameStatus::Forged);
    let mail = Mail::new().identity(forged).from("").to("postmaster@rcpt.example");
    let want = "permit: RCPT from unknown[192.0.2.1]: permitted; from=<> to=<postmaster@rcpt.example> \
                helo=<helo.example> rule=end of lists, id=44554f80.1, action=pass, reason=recipient whitelist, \
                client_name=unknown, client_address=192.0.2.1, recipient=postmaster@rcpt.example";
    assert_eq!(line(&listed, &mail, never), want);
}

#[test]
fn what_a_client_says_begins_no_field_of_its_own() {
    let mail = Mail::new().from("\"a,\nclient_name=x\"@sender.example");
    let line = line(&settings(|_| {}), &mail, Greylisted::Known);
    let end = ", sender=a\\u{2c}\\u{a}client_name=x@sender.example, recipient=to@rcpt.example";
    assert!(line.ends_with(end), "{line}");
}
