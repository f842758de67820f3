//! Header tables as list entries: what a message brings, in the words of the actions.

use super::*;
use crate::{
    header_checks::{Inspector, Plan},
    origin::Origin,
    request::{
        Stage,
        message::{Inspect, Message},
    },
    restriction::args::Settings,
    testing::{InlineTables, Mail, rule_said, zone},
};
use std::sync::Arc;

/// The entry with a table of one file, `pcre:t` or `regexp:t`, and the faults in it.
fn make(name: &str, kind: &str, table: &str) -> (Result<Box<dyn Restriction>, Fault>, Vec<String>) {
    let mut file = InlineTables::default();
    file.0.files.insert("t", table.to_owned());
    let origin = Origin::new("m.toml", 1, 1);
    let word = |text: &str| Word { text: text.to_owned(), origin: origin.clone() };
    let kind_of = crate::restriction::find(name).unwrap();
    let Parse::Entry(parse) = kind_of.parse else { panic!("an entry") };
    let settings = Settings::default();
    let words = vec![word(&format!("{kind}:t"))];
    let made = parse(&mut Arguments::new(word(name), words, &settings, &mut file));
    (made, file.0.messages())
}

/// What the entry says of a message, whose lines end with `\n`.
fn says(name: &str, kind: &str, table: &str, message: &str) -> String {
    let (made, faults) = make(name, kind, table);
    assert_eq!(faults, [""; 0], "{table}");
    let restriction = made.unwrap();
    let mut plan = Plan::default();
    let Some(Looks::Headers(entry)) = restriction.looks() else { panic!("looks at headers") };
    plan.add(&entry);
    let mut inspector = Inspector::new(Arc::new(plan));
    let (header, body) = message.split_once("\n\n").unwrap();
    for field in header.replace("\n ", "\r ").lines() {
        let (name, value) = field.split_once(':').unwrap();
        inspector.header(name.as_bytes(), value.replace('\r', "\n").as_bytes());
    }
    inspector.end_of_headers();
    inspector.body(body.replace('\n', "\r\n").as_bytes());
    let mut found = Message::default();
    found.add(inspector.finish());
    let mut mail = Mail::new().at(Event::EndOfMessage, Stage::EndOfData);
    mail.message = Some(found);
    rule_said(restriction.as_ref(), &mail, &zone(""))
}

const ATTACHED: &str = "\
Subject: your order
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: application/octet-stream;
 name=\"Order.EXE\"

MZ
--b--
";

#[test]
fn the_tutorials_rule_works_as_pasted() {
    const TUTORIAL: &str = "\
# attachments that may not come in
/^content-(type|disposition):.*name[[:space:]]*=.*\\.(exe|vbs|pif)/
    REJECT Bad attachment file name extension: $2
";
    for kind in ["regexp", "pcre"] {
        assert_eq!(
            says("check_header", kind, TUTORIAL, ATTACHED),
            "reject 550 5.7.1 Bad attachment file name extension: EXE",
            "{kind}"
        );
        assert_eq!(says("check_header", kind, TUTORIAL, "Subject: a.exe\n\n"), "dunno", "{kind}");
    }
}

#[test]
fn each_action_is_carried_out_in_postfix_s_words() {
    let edit = |what: &str| format!("Amend({what})");
    let cases = [
        ("REJECT", "reject 550 5.7.1 message content rejected".to_owned()),
        ("reject 5.1.0", "reject 550 5.1.0 message content rejected".to_owned()),
        ("REJECT 4.7.0 later, $1", "defer 451 4.7.0 later, order".to_owned()),
        ("DISCARD", "Discard(\"header Subject: your order: triggers DISCARD action\")".to_owned()),
        ("DISCARD $1", "Discard(\"header Subject: your order: order\")".to_owned()),
        ("HOLD look", edit("Hold(\"header Subject: your order: look\")")),
        ("REDIRECT a@b.example", edit("Redirect(\"a@b.example\")")),
        ("BCC $1@b.example", edit("Bcc(\"order@b.example\")")),
        ("WARN seen", "Remark { word: \"warn\", text: \"header Subject: your order: seen\" }".to_owned()),
        ("INFO", "Remark { word: \"info\", text: \"header Subject: your order\" }".to_owned()),
        (
            "PASS known",
            "Remark { word: \"pass\", text: \"header Subject: your order: known\" }; ok".to_owned(),
        ),
        ("PREPEND X-Order: $1", edit("Insert { at: 0, name: \"X-Order\", value: \"order\" }")),
        ("REPLACE subject: [$1]", edit("Replace { name: \"subject\", index: 1, value: \"[order]\" }")),
        (
            "REPLACE X-Subject: $1",
            "Amend(Insert { at: 0, name: \"X-Subject\", value: \"order\" }); \
             Amend(Remove { at: 0, name: \"Subject\", index: 1 })"
                .to_owned(),
        ),
        ("IGNORE", edit("Remove { at: 0, name: \"Subject\", index: 1 }")),
        (
            "STRIP why",
            "Remark { word: \"strip\", text: \"header Subject: your order: why\" }; \
             Amend(Remove { at: 0, name: \"Subject\", index: 1 })"
                .to_owned(),
        ),
        ("DUNNO", "dunno".to_owned()),
        ("OK", "dunno".to_owned()),
    ];
    for (action, want) in cases {
        let table = format!("/^subject: your (.*)/ {action}\n");
        assert_eq!(says("check_header", "pcre", &table, ATTACHED), want, "{action}");
    }
}

#[test]
fn fields_are_counted_by_their_name_and_what_belongs_to_a_part_stays() {
    let message = "X-A: 1\nx-b: 2\nX-A: 3\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX-A: 4\n\n";
    assert_eq!(
        says("check_header", "pcre", "/^x-a: [34]/ IGNORE\n", message),
        "Amend(Remove { at: 2, name: \"X-A\", index: 2 }); Remark { word: \"unchanged\", \
         text: \"header X-A: 4: a milter cannot change the fields of a part\" }"
    );
}

#[test]
fn what_a_group_matched_begins_no_field_of_its_own() {
    let message = "Subject: a\n  Bcc: x@y.example\n\n";
    assert_eq!(
        says("check_header", "pcre", "/^Subject: (a\\n)\\s+(.*)$/ REPLACE Subject: $1$2\n", message),
        "Amend(Replace { name: \"Subject\", index: 1, value: \"a\\n\\tBcc: x@y.example\" })"
    );
}

#[test]
fn the_first_that_decides_ends_the_table_and_a_pattern_that_takes_too_long_defers() {
    let table = "/^x-a:/ WARN one\n/^x-b:/ REJECT\n/^x-c:/ WARN three\n";
    assert_eq!(
        says("check_header", "pcre", table, "X-A: 1\nX-B: 2\nX-C: 3\n\n"),
        "Remark { word: \"warn\", text: \"header X-A: 1: one\" }; reject 550 5.7.1 message content rejected"
    );
    let table = "/(a+)+$/ REJECT\n";
    let message = format!("X: {}b\n\n", "a".repeat(50));
    assert_eq!(says("check_header", "pcre", table, &message), "fault 451 4.3.5 Server configuration error");
    let long = format!("X: {}b\n\n", "a ".repeat(40_000));
    assert_eq!(says("check_header", "pcre", "/^X:.*exe/ REJECT\n", &long), "dunno");
    let long = format!("X: {}.exe\n\n", "a ".repeat(40_000));
    let want = "reject 550 5.7.1 message content rejected";
    assert_eq!(says("check_header", "pcre", "/^X:.*\\.exe/ REJECT\n", &long), want);
}

#[test]
fn each_class_has_its_entry() {
    let message = "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n\n--b\n\
                   Content-Type: message/rfc822\n\nSubject: inner\nContent-ID: <a>\n\n--b--\n";
    let cases = [("check_header", "6"), ("check_mime_header", "4"), ("check_nested_header", "1")];
    for (name, want) in cases {
        let said = says(name, "regexp", "/^/ INFO\n", message);
        assert_eq!(said.matches("Remark").count().to_string(), want, "{name}: {said}");
    }
}

#[test]
fn without_a_message_nothing_is_said_and_one_that_took_too_long_is_deferred() {
    let (made, _) = make("check_header", "pcre", "/^/ REJECT\n");
    let restriction = made.unwrap();
    let mut mail = Mail::new().at(Event::EndOfMessage, Stage::EndOfData);
    assert_eq!(rule_said(restriction.as_ref(), &mail, &zone("")), "dunno");
    mail.message = Some(Message::given_up());
    assert_eq!(
        rule_said(restriction.as_ref(), &mail, &zone("")),
        "defer 451 4.3.0 Message cannot be examined"
    );
}

#[test]
fn every_fault_of_a_table_names_its_place() {
    let table = "/a/ FILTER smtp:x\n/a/ REJCT\n/a/ REJECT 2.0.0 x\n/a/ PREPEND x\n/a/ $1\n/a/ REDIRECT x\n/a/ WHAT\n/a/\n";
    let (made, faults) = make("check_header", "pcre", table);
    assert!(made.is_ok());
    let want = [
        "t:1:5+6 error: a milter cannot set a content filter, so `FILTER` is not possible (keep this entry in header_checks of main.cf)",
        "t:2:5+5 error: unknown action `REJCT` (did you mean `REJECT`?)",
        "t:3:12+5 error: a status of the class 2 refuses nothing (write a status that begins with 4 or 5)",
        "t:4:13+1 error: `x` is not a header field: there is no colon (write `PREPEND Name: value`)",
        "t:5:5+2 error: `$1`: what the pattern matched cannot choose the action (write the action, and `$1` only in its text)",
        "t:6:14+1 error: `x` is not an address (write `REDIRECT user@example.com`)",
        "t:7:5+4 error: unknown action `WHAT` (the actions are those of header_checks(5))",
        "t:8:1+3 error: the pattern has no action (write the action behind it, such as `OK`, `DUNNO` or `REJECT`)",
    ];
    assert_eq!(faults, want);
    for (kind, want) in [
        ("hash", "a table of the type hash: cannot match a header field"),
        ("static", "a table of the type static: cannot match a header field"),
    ] {
        assert_eq!(make("check_header", kind, "").0.unwrap_err().message, want);
    }
    let (_, faults) = make("check_nested_header", "pcre", "/a/ IGNORE\n");
    assert_eq!(
        faults,
        ["m.toml:1:1+6 warning: a milter cannot change the fields of an attached message \
          (keep PREPEND, REPLACE, IGNORE and STRIP for parts in main.cf)"]
    );
}
