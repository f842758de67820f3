//! Cases of check_*_{a,mx,ns}_access, with whole replies and the rounds of questions.

use crate::{
    lookup::{Lookups, answers::Answers},
    request::session::{Identity, NameStatus},
    restriction::args::Settings,
    testing::{Mail, faults_of, rule_said, rule_with, said, said_with, wanted, zone},
};

const REPLY: &str = "reject 554 5.7.1 <from@sender.example>: Sender address rejected: Access denied";

/// What the sender's restriction says of a table to a zone.
fn sender(kind: &str, table: &str, dns: &str) -> String {
    said(&format!("check_sender_{kind}_access inline:{{{table}}}"), &Mail::new(), &zone(dns))
}

#[test]
fn mail_exchangers_are_looked_up_by_name_and_then_by_address_in_the_order_of_the_reply() {
    let dns = "MX sender.example 20 b.mx.example, 10 a.mx.example; A sender.example NOTFOUND\n\
               AAAA sender.example NOTFOUND; A b.mx.example 192.0.2.1, 192.0.2.2; AAAA b.mx.example 2001:db8::1\n\
               A a.mx.example 198.51.100.1; AAAA a.mx.example NOTFOUND";
    let cases = [
        ("b.mx.example=REJECT", REPLY),
        ("mx.example=REJECT", REPLY),
        ("example=REJECT", REPLY),
        ("a.mx.example=REJECT", REPLY),
        ("192.0.2.2=REJECT", REPLY),
        ("192.0.2=REJECT", REPLY),
        ("2001:db8:=REJECT", REPLY),
        ("198.51.100.1=REJECT", REPLY),
        ("sender.example=REJECT", "dunno"),
        ("192.0.2.1=DUNNO,192.0.2.2=REJECT", "dunno"),
        ("b.mx.example=DUNNO,192.0.2=REJECT", "dunno"),
        ("192.0.2=DUNNO,a.mx.example=REJECT", "dunno"),
        ("2001:db8::1=DUNNO,192.0.2.1=REJECT", REPLY),
        ("203.0.113=REJECT", "dunno"),
    ];
    for (table, want) in cases {
        assert_eq!(sender("mx", table, dns), want, "{table}");
    }
}

#[test]
fn a_name_without_mail_exchangers_is_its_own_and_null_mx_is_none() {
    let own = "MX sender.example NOTFOUND; A sender.example 192.0.2.9; AAAA sender.example NOTFOUND";
    assert_eq!(sender("mx", "192.0.2.9=REJECT", own), REPLY);
    assert_eq!(sender("mx", "sender.example=REJECT", own), REPLY);
    let null = "MX sender.example NULLMX; A sender.example 192.0.2.9; AAAA sender.example NOTFOUND";
    assert_eq!(sender("mx", "192.0.2.9=REJECT,sender.example=REJECT", null), "dunno");
    let nothing = "ANY sender.example NOTFOUND";
    assert_eq!(sender("mx", "sender.example=REJECT", nothing), REPLY);
    assert_eq!(sender("mx", "192.0.2.9=REJECT", nothing), "dunno");
}

#[test]
fn a_mail_exchanger_that_is_an_address_is_looked_up_as_one() {
    let dns = "MX sender.example 10 192.0.2.7, 20 a.mx.example; A a.mx.example 192.0.2.8; \
               AAAA a.mx.example NOTFOUND; A sender.example NOTFOUND; AAAA sender.example NOTFOUND";
    assert_eq!(sender("mx", "192.0.2.7=REJECT", dns), REPLY);
    assert_eq!(sender("mx", "192.0.2.8=REJECT", dns), REPLY);
    assert_eq!(sender("mx", "2.7=REJECT,0.2.7=REJECT", dns), "dunno");
}

#[test]
fn name_servers_of_the_nearest_parent_count() {
    let tables =
        [("ns.example=REJECT", REPLY), ("192.0.2=REJECT", REPLY), ("sender.example=REJECT", "dunno")];
    for at in ["NS sender.example", "NS sender.example NOTFOUND; NS example"] {
        let dns =
            format!("NS example NOTFOUND; {at} ns.example; A ns.example 192.0.2.5; AAAA ns.example NOTFOUND");
        for (table, want) in tables {
            assert_eq!(sender("ns", table, &dns), want, "{table} {at}");
        }
    }
    let none = "NS sender.example NOTFOUND; NS example NOTFOUND";
    let want = "Remark { word: \"warn\", text: \"unable to look up NS host for sender.example: not found\" }";
    assert_eq!(sender("ns", "example=REJECT", none), want);
    let null = "NS sender.example NOTFOUND; NS example TEMPORARY";
    let want = "Remark { word: \"warn\", text: \"unable to look up NS host for example: SERVFAIL\" }";
    assert_eq!(sender("ns", "example=REJECT", null), want);
    let mail = Mail::new().helo(".good.example");
    let dns = zone("NS good.example ns.example; A ns.example 192.0.2.5; AAAA ns.example NOTFOUND");
    let said = said("check_helo_ns_access inline:{ns.example=REJECT}", &mail, &dns);
    assert_eq!(said, "reject 554 5.7.1 <.good.example>: Helo command rejected: Access denied");
}

#[test]
fn addresses_are_looked_up_without_the_name() {
    let dns = "A sender.example 192.0.2.1; AAAA sender.example 2001:db8::1";
    for (table, want) in [
        ("192.0.2.1=REJECT", REPLY),
        ("192.0.2=REJECT", REPLY),
        ("2001:db8::1=REJECT", REPLY),
        ("sender.example=REJECT", "dunno"),
        ("example=REJECT", "dunno"),
    ] {
        assert_eq!(sender("a", table, dns), want, "{table}");
    }
    let none = "A sender.example TEMPORARY; AAAA sender.example NOTFOUND";
    assert_eq!(sender("a", "192.0.2=REJECT", none), "dunno");
}

#[test]
fn literals_stand_for_themselves_except_for_name_servers() {
    let says = |kind: &str, address: &str, table: &str| {
        let mail = Mail::new().from(address);
        said(&format!("check_sender_{kind}_access inline:{{{table}}}"), &mail, &zone(""))
    };
    let reply = |address| format!("reject 554 5.7.1 <{address}>: Sender address rejected: Access denied");
    for kind in ["a", "mx"] {
        assert_eq!(says(kind, "a@[192.0.2.1]", "192.0.2=REJECT"), reply("a@[192.0.2.1]"));
        let v6 = "a@[IPv6:2001:DB8::1]";
        assert_eq!(says(kind, v6, "2001:db8:=REJECT"), reply(v6));
        assert_eq!(says(kind, "a@[192.0.2.1]", "192.0.3=REJECT"), "dunno");
        for malformed in ["a@[192.0.2.1", "a@[2001:db8::1]", "a@[]", "a@[", "a@[x]"] {
            assert_eq!(says(kind, malformed, "192.0.2=REJECT,2001:db8:=REJECT"), "dunno", "{malformed}");
        }
    }
    assert_eq!(says("ns", "a@[192.0.2.1]", "192.0.2=REJECT"), "dunno");
}

#[test]
fn every_name_is_judged_with_its_own_words() {
    let names = ["client", "reverse", "helo", "sender", "rcpt"];
    let records = |name| {
        format!(
            "MX {name}.example 10 mx.example; A {name}.example NOTFOUND; AAAA {name}.example NOTFOUND; NS {name}.example mx.example; "
        )
    };
    let dns: String = names.iter().map(records).collect();
    let dns = zone(&format!("{dns} A mx.example 192.0.2.5; AAAA mx.example NOTFOUND"));
    let mut mail = Mail::new();
    mail.session.client.identity.reverse_name = "reverse.example".to_owned();
    let cases = [
        ("client", "<client.example[192.0.2.1]>: Client host"),
        ("reverse_client_hostname", "<reverse.example>: Unverified Client host"),
        ("helo", "<helo.example>: Helo command"),
        ("sender", "<from@sender.example>: Sender address"),
        ("recipient", "<to@rcpt.example>: Recipient address"),
    ];
    for (name, subject) in cases {
        for kind in ["mx", "ns"] {
            let line = format!("check_{name}_{kind}_access inline:{{mx.example=REJECT}}");
            let want = format!("reject 554 5.7.1 {subject} rejected: Access denied");
            assert_eq!(said(&line, &mail, &dns), want);
        }
        let line = format!("check_{name}_a_access inline:{{mx.example=REJECT}}");
        assert_eq!(said(&line, &mail, &dns), "dunno");
    }
}

#[test]
fn what_is_not_there_is_not_asked_for() {
    let nameless = Mail::new().identity(Identity::nameless(NameStatus::Missing)).from("");
    let mut silent = Mail::new();
    (silent.session.helo, silent.recipient, silent.envelope.sender) = (None, None, None);
    for kind in ["a", "mx", "ns"] {
        for name in ["client", "reverse_client_hostname", "sender"] {
            let line = format!("check_{name}_{kind}_access static:REJECT");
            assert_eq!(said(&line, &nameless, &zone("")), "dunno", "{line}");
        }
        for name in ["helo", "sender", "recipient"] {
            let line = format!("check_{name}_{kind}_access static:REJECT");
            assert_eq!(said(&line, &silent, &zone("")), "dunno", "{line}");
        }
    }
}

#[test]
fn names_that_dns_cannot_be_asked_for_have_no_servers_but_themselves() {
    let says = |line: &str, helo: &str| said(line, &Mail::new().helo(helo), &zone(""));
    let reply = |helo| format!("reject 554 5.7.1 <{helo}>: Helo command rejected: Access denied");
    assert_eq!(says("check_helo_mx_access inline:{a..b=REJECT}", "a..b"), reply("a..b"));
    assert_eq!(says("check_helo_mx_access inline:{1.2=REJECT}", "1.2.3.4"), reply("1.2.3.4"));
    assert_eq!(says("check_helo_a_access inline:{1.2=REJECT}", "1.2.3.4"), reply("1.2.3.4"));
    assert_eq!(says("check_helo_a_access inline:{a..b=REJECT}", "a..b"), "dunno");
    let want = "Remark { word: \"warn\", text: \"unable to look up NS host for 1.2.3.4: not found\" }";
    assert_eq!(says("check_helo_ns_access inline:{1.2=REJECT}", "1.2.3.4"), want);
}

#[test]
fn a_trailing_dot_hides_the_mail_exchangers_but_not_the_addresses() {
    let mail = Mail::new().helo("helo.example.");
    let dns = zone("A helo.example 192.0.2.4; AAAA helo.example NOTFOUND");
    let want = "reject 554 5.7.1 <helo.example.>: Helo command rejected: Access denied";
    for kind in ["a", "mx"] {
        let line = format!("check_helo_{kind}_access inline:{{192.0.2.4=REJECT}}");
        assert_eq!(said(&line, &mail, &dns), want);
    }
}

#[test]
fn an_answer_that_does_not_come_is_warned_of_and_says_nothing() {
    let addresses = "A sender.example NOTFOUND; AAAA sender.example NOTFOUND; ";
    for (answer, why) in [("TEMPORARY", "SERVFAIL"), ("FAILED", "FORMERR"), ("INVALID", "malformed reply")] {
        for (kind, record) in [("mx", "MX"), ("ns", "NS")] {
            let says = sender(
                kind,
                "example=REJECT",
                &format!("{addresses}NS example NOTFOUND; {record} sender.example {answer}"),
            );
            let text = format!("unable to look up {record} host for sender.example: {why}");
            assert_eq!(says, format!("Remark {{ word: \"warn\", text: \"{text}\" }}"));
        }
    }
    let dns = format!(
        "{addresses}MX sender.example 10 a.example, 20 b.example; ANY a.example TEMPORARY; \
                       A b.example 192.0.2.1; AAAA b.example TEMPORARY"
    );
    assert_eq!(sender("mx", "192.0.2.1=REJECT", &dns), REPLY);
}

#[test]
fn a_table_may_not_permit() {
    let dns = zone("A sender.example 192.0.2.1; AAAA sender.example NOTFOUND");
    let line = "check_sender_a_access inline:{192.0.2.1=OK}";
    let settings = Settings::default();
    let (rule, faults) = faults_of(line, &settings);
    let says = rule_said(rule.unwrap().as_ref(), &Mail::new(), &dns);
    assert_eq!(says, "fault 451 4.3.5 Server configuration error");
    let want = "test.toml:1:31+1 warning: `OK` is not allowed in a table of check_sender_a_access: anybody can \
                choose this name (write `DUNNO` for an exception)";
    assert_eq!(faults, [want]);
    let (rule, _) = faults_of("check_sender_mx_access inline:{192.0.2.1=strict}", &settings);
    let message = rule.unwrap_err().message;
    let want = "a restriction list is not possible in a table of check_sender_mx_access: it could permit";
    assert_eq!(message, want);
    let fault = rule_with("check_helo_ns_access", &settings).unwrap_err();
    assert_eq!(fault.message, "`check_helo_ns_access` needs a table behind it");
}

#[test]
fn what_can_be_known_is_asked_in_few_rounds_and_never_without_bound() {
    let mx = "check_sender_mx_access inline:{203.0.113.1=REJECT}";
    let mail = Mail::new();
    let none = Answers::new();
    assert_eq!(
        wanted(mx, &mail, Lookups::new(&none)),
        "A sender.example, AAAA sender.example, MX sender.example"
    );
    assert_eq!(wanted(mx, &mail, Lookups::frugal(&none)), "MX sender.example");
    let servers: Vec<String> = (1..=20).map(|number| format!("{number} mx{number}.example")).collect();
    let dns = zone(&format!(
        "A sender.example NOTFOUND; AAAA sender.example NOTFOUND; MX sender.example {}",
        servers.join(", ")
    ));
    let ahead: Vec<String> = (1..=8).map(|n| format!("A mx{n}.example, AAAA mx{n}.example")).collect();
    assert_eq!(wanted(mx, &mail, Lookups::new(&dns)), ahead.join(", "));
    assert_eq!(wanted(mx, &mail, Lookups::frugal(&dns)), "A mx1.example, AAAA mx1.example");
    let named = "check_sender_mx_access inline:{mx3.example=REJECT}";
    assert_eq!(wanted(named, &mail, Lookups::new(&dns)), ahead[..2].join(", "));

    let ns = "check_helo_ns_access inline:{203.0.113.1=REJECT}";
    let deep = Mail::new().helo("a.b.c.d.e.example");
    let ahead = "NS a.b.c.d.e.example, NS b.c.d.e.example, NS c.d.e.example, NS d.e.example";
    assert_eq!(wanted(ns, &deep, Lookups::new(&none)), ahead);
    assert_eq!(wanted(ns, &deep, Lookups::frugal(&none)), "NS a.b.c.d.e.example");
    let long = Mail::new().helo(&format!("{}example", "a.".repeat(50_000)));
    assert_eq!(wanted(ns, &long, Lookups::new(&none)).matches("NS ").count(), 4);
}

#[test]
fn more_than_a_hundred_addresses_are_not_looked_at() {
    let addresses = |count: u32| {
        let all: Vec<String> =
            (1..=count).map(|number| format!("10.0.{}.{}", number / 250, number % 250)).collect();
        format!("A sender.example {}; AAAA sender.example 2001:db8::1", all.join(", "))
    };
    assert_eq!(sender("a", "2001:db8:=REJECT", &addresses(99)), REPLY);
    let want = "Remark { word: \"warn\", text: \"more than 100 addresses of A hosts: the rest is ignored\" }";
    assert_eq!(sender("a", "2001:db8:=REJECT", &addresses(100)), want);
}

#[test]
fn parents_and_codes_are_settings() {
    let mut settings = Settings { parent_domain_matches_subdomains: false, ..Settings::default() };
    settings.codes.access_map_reject_code = crate::smtp::reply::ReplyCode::known(550);
    let dns = zone(
        "MX sender.example a.mx.example; A sender.example NOTFOUND; AAAA sender.example NOTFOUND; \
                    A a.mx.example NOTFOUND; AAAA a.mx.example NOTFOUND",
    );
    let says = |line| said_with(line, &settings, &Mail::new(), &dns);
    let want = "reject 550 5.7.1 <from@sender.example>: Sender address rejected: Access denied";
    assert_eq!(says("check_sender_mx_access inline:{.mx.example=REJECT}"), want);
    assert_eq!(says("check_sender_mx_access inline:{mx.example=REJECT}"), "dunno");
}
