//! Attachment names as list entries: what a walk found becomes an answer.

use super::*;
use crate::{
    attachment::{
        Watch,
        facts::{Facts, Place, Trouble, Unreadable},
    },
    request::Stage,
    restriction::{
        args::{Settings, Tables},
        attachment_rules::Allow,
    },
    table::AccessTable,
    testing::{InlineTables, Mail, faults_of, rule_said, rule_with, zone},
};
use attachment_rules::Action as Act;

fn finding(written: &str, banned: bool, reason: Reason) -> Finding {
    Finding {
        banned,
        written: written.to_owned(),
        reading: written.to_owned(),
        reason,
        part: "1.2".to_owned(),
        source: Place::Disposition,
    }
}

fn exe(name: &str) -> Finding {
    finding(name, true, Reason::Extension("exe".to_owned()))
}

/// What the rules say of a message in which a walk found this.
fn said(rules: &AttachmentRules, facts: Facts, recipients: &[&str]) -> String {
    let watch = Arc::new(Watch { rules: vec![rules.names.clone()], ..Watch::default() });
    let mut message = Message::default();
    message.add(Attachments { watch, facts });
    let mut mail = Mail::new().at(Event::EndOfMessage, Stage::EndOfData);
    mail.message = Some(message);
    mail.envelope.recipients = recipients.iter().map(|address| Path::new(address)).collect();
    mail.envelope.accepted = recipients.len();
    rule_said(&RejectAttachmentName(Arc::new(rules.clone())), &mail, &zone(""))
}

fn facts(findings: Vec<Finding>) -> Facts {
    Facts { findings: vec![findings], ..Facts::default() }
}

/// A table that allows.
fn allows(table: &str) -> Vec<Arc<AccessTable>> {
    let word = crate::table::memory::word(table);
    vec![InlineTables::default().table(&word).unwrap()]
}

const TO: &[&str] = &["to@rcpt.example"];

#[test]
fn the_reply_names_the_file_as_the_sender_wrote_it() {
    let rules = AttachmentRules::default();
    let long = format!("{}.exe", "a".repeat(200));
    let cases = [
        (exe("invoice.pdf.exe"), "attachment \"invoice.pdf.exe\" has a forbidden name (exe)".to_owned()),
        (
            exe("a \"b\"\r\n\u{202e}é%.exe"),
            "attachment \"a %22b%22%0D%0A%E2%80%AE%C3%A9%25.exe\" has a forbidden name (exe)".to_owned(),
        ),
        (exe(&long), format!("attachment \"...{}.exe\" has a forbidden name (exe)", "a".repeat(76))),
        (
            exe(&format!("é{}.exe", "a".repeat(74))),
            format!("attachment \"...{}.exe\" has a forbidden name (exe)", "a".repeat(74)),
        ),
        (
            finding("x", true, Reason::Pattern("/x/".to_owned())),
            "attachment \"x\" has a forbidden name".to_owned(),
        ),
        (
            finding("a.zip", true, Reason::Archive(Unreadable::Encrypted)),
            "attachment \"a.zip\" cannot be checked (encrypted archive)".to_owned(),
        ),
        (finding("", true, Reason::Partial), "a piece of a message (message/partial)".to_owned()),
    ];
    for (found, want) in cases {
        assert_eq!(said(&rules, facts(vec![found]), TO), format!("reject 550 5.7.1 Message refused: {want}"));
    }
}

#[test]
fn each_action_is_carried_out() {
    let act = |action| AttachmentRules { action, ..AttachmentRules::default() };
    let why = "banned \\\"a.exe\\\" (exe), part 1.2, Content-Disposition";
    let cases = [
        (
            Act::Tempfail,
            "defer 450 4.7.1 Message refused: attachment \"a.exe\" has a forbidden name (exe)".to_owned(),
        ),
        (Act::Discard, format!("Discard(\"{why}\")")),
        (Act::Hold, format!("Amend(Hold(\"{why}\"))")),
        (Act::Mark, format!("Amend(Prepend {{ name: \"X-Attachment-Check\", value: \"{why}\" }})")),
    ];
    for (action, want) in cases {
        assert_eq!(said(&act(action), facts(vec![exe("a.exe")]), TO), want, "{action:?}");
    }
}

#[test]
fn what_is_only_marked_passes_with_a_mark() {
    let rules = AttachmentRules::default();
    let marked = finding("=?utf-8?Q?a=2Edocm?=", false, Reason::Extension("docm".to_owned()));
    let marked = Finding { reading: "a.docm".to_owned(), ..marked };
    let found = Facts { ambiguous: Some(Trouble::Boundary), ..facts(vec![marked]) };
    let want = "Amend(Prepend { name: \"X-Attachment-Check\", value: \"marked \\\"=?utf-8?Q?a=2Edocm?=\\\" (docm), read \
                as \\\"a.docm\\\", part 1.2, Content-Disposition; ambiguous: a multipart with several boundaries or none\" })";
    assert_eq!(said(&rules, found, TO), want);
    assert_eq!(said(&rules, facts(vec![]), TO), "dunno");
}

#[test]
fn what_cannot_be_followed_is_answered_and_a_name_counts_before_it() {
    let found = |findings| Facts { unparsable: Some(Trouble::Parts), ..facts(findings) };
    let rules = |on_unparsable| AttachmentRules { on_unparsable, ..AttachmentRules::default() };
    let cases = [
        (Answer::Reject, "reject 554 5.6.0 Message refused: too many parts"),
        (Answer::Tempfail, "defer 451 4.6.0 Message refused: too many parts"),
        (
            Answer::Mark,
            "Amend(Prepend { name: \"X-Attachment-Check\", value: \"cannot be followed: too many parts\" })",
        ),
        (Answer::Ignore, "dunno"),
    ];
    for (answer, want) in cases {
        assert_eq!(said(&rules(answer), found(vec![]), TO), want, "{answer:?}");
        let with_name = said(&rules(answer), found(vec![exe("a.exe")]), TO);
        assert!(with_name.starts_with("reject 550 5.7.1 Message refused: attachment"), "{with_name}");
    }
    let gave_up = Facts { gave_up: Some("the pattern".to_owned()), ..facts(vec![]) };
    assert_eq!(said(&rules(Answer::Reject), gave_up, TO), "fault 451 4.3.5 Server configuration error");
}

#[test]
fn who_is_allowed_may_send_and_get_what_is_banned() {
    let with = |allow: Allow| AttachmentRules {
        allow: Allow { parents: true, ..allow },
        ..AttachmentRules::default()
    };
    let none = Allow::default;
    let allowed = [
        Allow { clients: allows("inline:{ client.example=OK }"), ..none() },
        Allow { clients: allows("inline:{ 192.0.2=OK }"), ..none() },
        Allow { senders: allows("inline:{ sender.example=OK }"), ..none() },
        Allow { recipients: allows("inline:{ to@rcpt.example=OK }"), ..none() },
    ];
    for allow in allowed {
        assert_eq!(said(&with(allow), facts(vec![exe("a.exe")]), TO), "dunno");
    }
    let refused = [
        Allow { clients: allows("inline:{ client.example=DUNNO }"), ..none() },
        Allow { senders: allows("inline:{ sender.example=REJECT }"), ..none() },
        Allow { recipients: allows("inline:{ other@rcpt.example=OK }"), ..none() },
    ];
    for allow in refused {
        assert!(said(&with(allow), facts(vec![exe("a.exe")]), TO).starts_with("reject 550 5.7.1 "));
    }
}

#[test]
fn recipients_that_differ_are_settled_by_conflict() {
    let rules = |conflict| AttachmentRules {
        conflict,
        allow: Allow { recipients: allows("inline:{ b@rcpt.example=OK }"), ..Allow::default() },
        ..AttachmentRules::default()
    };
    let recipients = &["a@rcpt.example", "b@rcpt.example", "C@rcpt.example"];
    let all = |conflict| said(&rules(conflict), facts(vec![exe("a.exe")]), recipients);
    let why = "banned \\\"a.exe\\\" (exe), part 1.2, Content-Disposition";
    let remark = |text: &str| {
        format!("Remark {{ word: \"conflict\", text: \"{text}: 1 of its recipients are allowed\" }}")
    };
    assert_eq!(all(Conflict::RejectIfAll), remark(&format!("passes though {why}")));
    assert_eq!(
        all(Conflict::Mark),
        remark(&format!("marked, {why}"))
            + &format!("; Amend(Prepend {{ name: \"X-Attachment-Check\", value: \"{why}\" }})")
    );
    assert_eq!(
        all(Conflict::Delete),
        format!(
            "Amend(DeleteRecipient {{ address: \"<a@rcpt.example>\", why: \"{why}\" }}); \
             Amend(DeleteRecipient {{ address: \"<C@rcpt.example>\", why: \"{why}\" }})"
        )
    );
    let refused = said(&rules(Conflict::Delete), facts(vec![exe("a.exe")]), &["a@rcpt.example"]);
    assert!(refused.starts_with("reject 550 5.7.1 "), "{refused}");
}

#[test]
fn a_name_behind_the_entry_takes_a_section_of_its_own() {
    let mut settings = Settings::default();
    let strict = AttachmentRules { action: Act::Tempfail, ..AttachmentRules::default() };
    settings.attachments.insert("strict".to_owned(), strict.into());
    let rule = rule_with("reject_attachment_name strict", &settings).unwrap();
    let Some(Looks::Attachments(names)) = rule.looks() else { panic!("looks at attachments") };
    assert!(Arc::ptr_eq(&names, &settings.attachments["strict"].names));
    assert!(rule_with("reject_attachment_name", &settings).is_ok());
    let (rule, faults) = faults_of("reject_attachment_name", &Settings::default());
    assert!(rule.is_ok() && faults.is_empty());
}

#[test]
fn without_a_message_nothing_is_said_and_one_that_took_too_long_cannot_be_followed() {
    let rule = RejectAttachmentName(Arc::default());
    let mut mail = Mail::new().at(Event::EndOfMessage, Stage::EndOfData);
    assert_eq!(rule_said(&rule, &mail, &zone("")), "dunno");
    mail.message = Some(Message::given_up());
    assert_eq!(
        rule_said(&rule, &mail, &zone("")),
        "reject 554 5.6.0 Message refused: it takes too long to look at"
    );
}
