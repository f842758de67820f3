//! Cases of reject_rbl_client, and of what all block lists have in common.

use crate::{
    lookup::{Lookups, answers::Answers, dnsxl::ListKind},
    origin::{Origin, Word},
    restriction::{
        args::{RblReplies, Settings},
        rbl_reply::ReplyTemplate,
    },
    smtp::reply::ReplyCode,
    table::{
        memory::{Memory, message},
        texts::TextTable,
    },
    testing::{Mail, rule, rule_with, said, said_with, wanted, zone},
};

const LISTED: &str = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example";

fn note(line: &str, mail: &Mail, dns: &Answers) -> String {
    let mut lookups = Lookups::new(dns);
    assert!(rule(line).check(&mail.request(), &mut lookups).is_ok());
    lookups.take_used().1.unwrap()
}

#[test]
fn a_listed_client_is_refused_with_the_list_s_text() {
    let long = "x".repeat(600);
    let cases = [
        ("127.0.0.2", "NOTFOUND", String::new()),
        ("127.0.0.2", "TEMPORARY", String::new()),
        ("127.0.0.2", "why", "; why".to_owned()),
        ("127.0.0.4, 127.0.0.9", "why, and", "; why / and".to_owned()),
        ("10.0.0.1", &long, format!("; {}", "x".repeat(510 - LISTED.len() - 2))),
    ];
    for (answer, text, end) in cases {
        let dns = zone(&format!("A 1.2.0.192.bl.example {answer}; TXT 1.2.0.192.bl.example {text}"));
        let want = format!("reject {LISTED}{end}");
        for name in ["reject_rbl_client", "reject_rbl"] {
            assert_eq!(said(&format!("{name} bl.example"), &Mail::new(), &dns), want, "{text}");
        }
    }
}

#[test]
fn a_filter_says_which_answers_count() {
    let cases = [
        ("127.0.0.2", true),
        ("127.0.0.1, 127.0.0.11", true),
        ("127.0.0.12", false),
        ("127.255.255.254", false),
    ];
    for (answer, listed) in cases {
        let dns = zone(&format!("A 1.2.0.192.bl.example {answer}; TXT 1.2.0.192.bl.example NOTFOUND"));
        let want = if listed { format!("reject {LISTED}") } else { "dunno".to_owned() };
        assert_eq!(said("reject_rbl_client bl.example=127.0.0.[2..11]", &Mail::new(), &dns), want);
    }
}

#[test]
fn a_list_that_does_not_answer_refuses_nobody() {
    for answer in ["NOTFOUND", "TEMPORARY", "FAILED", "INVALID", "SETASIDE"] {
        let dns = zone(&format!("A 1.2.0.192.bl.example {answer}"));
        assert_eq!(said("reject_rbl_client bl.example", &Mail::new(), &dns), "dunno", "{answer}");
    }
    let mut nobody = Mail::new();
    nobody.session.client.address = None;
    assert_eq!(said("reject_rbl_client bl.example", &nobody, &zone("")), "dunno");
}

#[test]
fn the_text_is_asked_for_once_the_client_is_known_to_be_listed() {
    let ipv6 = Mail::new().client("unknown", "2001:db8::1");
    let nibbles = format!("1.{}8.b.d.0.1.0.0.2.bl.example", "0.".repeat(23));
    let listed = zone("A 1.2.0.192.bl.example 127.0.0.2");
    let other = "reject_rbl_client bl.example=127.0.0.9";
    let nothing = zone("");
    let wants = |line, mail: &Mail, lookups| wanted(line, mail, lookups);
    let line = "reject_rbl_client bl.example";
    assert_eq!(wants(line, &Mail::new(), Lookups::new(&nothing)), "A 1.2.0.192.bl.example");
    assert_eq!(wants(line, &ipv6, Lookups::new(&nothing)), format!("A {nibbles}"));
    assert_eq!(wants(line, &Mail::new(), Lookups::new(&listed)), "TXT 1.2.0.192.bl.example");
    assert_eq!(wants(other, &Mail::new(), Lookups::frugal(&listed)), "TXT 1.2.0.192.bl.example");
    let mut lookups = Lookups::new(&listed);
    assert!(rule(other).check(&Mail::new().request(), &mut lookups).is_ok());
}

#[test]
fn the_trace_says_what_the_list_answered_and_never_its_key() {
    let name = "A 1.2.0.192.key.zen.dq.spamhaus.net";
    let text = "TXT 1.2.0.192.key.zen.dq.spamhaus.net https://check.example/";
    let line = "reject_rbl_client key.zen.dq.spamhaus.net=127.0.0.[2..11]";
    let cases = [
        ("127.0.0.2, 127.0.0.4", "zen.dq.spamhaus.net: 127.0.0.2, 127.0.0.4; https://check.example/"),
        ("127.0.0.99", "zen.dq.spamhaus.net: 127.0.0.99, which its filter does not count"),
        ("NOTFOUND", "zen.dq.spamhaus.net: not listed"),
        ("SETASIDE", "zen.dq.spamhaus.net: set aside"),
        ("TEMPORARY", "zen.dq.spamhaus.net: no answer (SERVFAIL)"),
        ("INVALID", "zen.dq.spamhaus.net: malformed answer"),
    ];
    for (answer, want) in cases {
        assert_eq!(note(line, &Mail::new(), &zone(&format!("{name} {answer}; {text}"))), want);
    }
    let shown = "reject_rbl_client zen.dq.spamhaus.net=127.0.0.[2..11]";
    assert_eq!(rule(line).shown(), Some(shown));
    assert_eq!(rule("reject_rbl_client bl.example").shown(), None);
}

#[test]
fn the_watch_learns_which_list_is_asked() {
    let used = rule("reject_rbl_client BL.example=127.0.0.2").lists().remove(0);
    assert_eq!((used.zone.as_str(), used.kind, used.allows), ("bl.example", ListKind::Address, false));
    assert_eq!(used.origin, Origin::new("test.toml", 1, 19));
}

#[test]
fn the_code_and_the_words_are_settings() {
    let mut settings = Settings::default();
    settings.codes.maps_rbl_reject_code = ReplyCode::known(451);
    let dns = zone("A 1.2.0.192.bl.example 127.0.0.2; TXT 1.2.0.192.bl.example why");
    let line = "reject_rbl_client bl.example";
    let want = "defer 451 4.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example; why";
    assert_eq!(said_with(line, &settings, &Mail::new(), &dns), want);

    let origin = Origin::builtin("t");
    let cases = [
        ("$rbl_code 4.1.2 no", "defer 451 4.0.0 no"),
        ("521 5.7.25 $rbl_what: $rbl_txt", "reject 521 5.7.25 192.0.2.1: why"),
        ("550 ", "reject 550 5.7.1 Service unavailable"),
        ("550 5.1.1", "reject 550 5.0.0 Service unavailable"),
        (
            "550 $client $client_name $client_address $client_port $reverse_client_name $helo_name",
            "reject 550 5.7.1 client.example[192.0.2.1] client.example 192.0.2.1 unknown client.example helo.example",
        ),
        (
            "550 $sender $sender_name $sender_domain $recipient $recipient_name $recipient_domain",
            "reject 550 5.7.1 from@sender.example from sender.example to@rcpt.example to rcpt.example",
        ),
        ("550 [$server_name] $localtime", "reject 550 5.7.1 [] Mon, 01 May 2006 00:00:00 +0000"),
    ];
    for (template, want) in cases {
        let default = ReplyTemplate::parse(template, &origin).unwrap().into();
        settings.rbl_replies = RblReplies { default, by_list: Vec::new() };
        assert_eq!(said_with(line, &settings, &Mail::new(), &dns), want, "{template}");
    }
    let default = ReplyTemplate::parse("550 $sender|$sender_name|$sender_domain|", &origin).unwrap().into();
    settings.rbl_replies = RblReplies { default, by_list: Vec::new() };
    let null = Mail::new().from("");
    assert_eq!(said_with(line, &settings, &null, &dns), "reject 550 5.7.1 <>|<>||");
}

#[test]
fn a_list_may_have_a_reply_of_its_own() {
    let mut memory = Memory::default();
    memory
        .files
        .insert("t", "bl.example=127.0.0.2 550 filtered $rbl_domain\nbl.example 551 any\n".to_owned());
    let word = Word { text: "hash:t".to_owned(), origin: Origin::new("t", 1, 1) };
    let table = TextTable::load(&word, &mut memory).unwrap();
    let mut settings = Settings::default();
    settings.rbl_replies.by_list.push(table.into());
    let dns = zone(
        "A 1.2.0.192.bl.example 127.0.0.2; TXT 1.2.0.192.bl.example x; \
         A 1.2.0.192.o.example 127.0.0.2; TXT 1.2.0.192.o.example NOTFOUND",
    );
    let cases = [
        ("bl.example=127.0.0.2", "reject 550 5.7.1 filtered bl.example"),
        ("BL.example=127.0.0.[2;3]", "reject 551 5.7.1 any"),
        ("bl.example", "reject 551 5.7.1 any"),
        (
            "o.example",
            "reject 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using o.example",
        ),
    ];
    for (list, want) in cases {
        let line = format!("reject_rbl_client {list}");
        assert_eq!(said_with(&line, &settings, &Mail::new(), &dns), want, "{list}");
    }
}

#[test]
fn what_is_no_list_is_an_error() {
    let filter = "write four numbers, each alone or as a list, such as `127.0.0.[2;4;10..12]`";
    let domain = "write the list's domain, such as `zen.spamhaus.org=127.0.0.[2..11]`";
    let cases = [
        (
            "reject_rbl_client",
            "1+17 error: `reject_rbl_client` needs a list behind it \
             (write `reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]`)"
                .to_owned(),
        ),
        (
            "reject_rbl_client bl.example.",
            "19+11 error: `bl.example.` is not a domain of a list (write `bl.example`, without the dot)"
                .to_owned(),
        ),
        ("reject_rbl_client =127.0.0.2", format!("19+1 error: `` is not a domain of a list ({domain})")),
        (
            "reject_rbl_client bl.example*2",
            "19+12 error: `bl.example*2` is not a domain of a list \
             (write `bl.example`; weights stand in a scored list, [dnsbl.NAME])"
                .to_owned(),
        ),
        (
            "reject_rbl_client bl.example=127.0.0.2-11",
            format!("39+1 error: `-11` is too much behind the pattern ({filter})"),
        ),
    ];
    for (line, want) in cases {
        let fault = rule_with(line, &Settings::default()).unwrap_err();
        assert_eq!(message(&fault), format!("test.toml:1:{want}"), "{line}");
    }
}
