//! Tables of answers and what they make of a list.

use super::*;

fn answer(text: &str) -> DnsAnswer<Ipv4Addr> {
    match text {
        "-" => DnsAnswer::NotFound,
        "INVALID" => DnsAnswer::Invalid,
        "FORMERR" => DnsAnswer::Failed("FORMERR"),
        "SERVFAIL" => DnsAnswer::Temporary("SERVFAIL"),
        "TIMEOUT" => DnsAnswer::Temporary("no reply in time"),
        addresses => DnsAnswer::Records(addresses.split(' ').map(|a| a.parse().unwrap()).collect()),
    }
}

fn shown(found: Option<&Trouble>) -> String {
    found.map_or_else(|| "sound".to_owned(), ToString::to_string)
}

#[test]
fn the_test_points_differ_for_addresses_and_names() {
    let points = |zone: &str, kind| {
        let points = test_points(&Domain::for_query(zone).unwrap(), kind)?;
        Some(points.map(|point| point.to_string()).join(", "))
    };
    assert_eq!(
        points("bl.example", ListKind::Address).as_deref(),
        Some("A 2.0.0.127.bl.example, A 1.0.0.127.bl.example")
    );
    assert_eq!(
        points("bl.example", ListKind::Name).as_deref(),
        Some("A test.bl.example, A invalid.bl.example")
    );
    let long = vec!["a".repeat(60); 4].join(".") + ".example";
    assert_eq!(points(&long, ListKind::Address), None);
}

#[test]
fn answers_to_the_test_points_are_judged() {
    let everything = "lists 127.0.0.1, which no list may list: it answers for everything";
    let nothing = "does not list the test address 127.0.0.2: it is closed, or no list of addresses";
    let resolver = "answers 127.255.255.254: it is asked through a public resolver";
    let outside = "answers 203.0.113.5, outside of 127.0.0.0/8: this is no DNS list any more";
    let cases = [
        ("127.0.0.2", "-", "sound", "sound"),
        ("127.0.0.2 127.0.0.4 127.0.0.10", "-", "sound", "sound"),
        ("-", "-", nothing, "sound"),
        ("127.0.0.2", "127.0.0.2", everything, "sound"),
        ("SERVFAIL", "127.0.0.2", everything, "does not answer (SERVFAIL)"),
        ("127.255.255.254", "127.255.255.254", resolver, resolver),
        ("127.255.255.254", "-", resolver, resolver),
        ("127.0.0.2 127.255.255.254", "-", resolver, resolver),
        ("203.0.113.5 127.255.255.254", "-", resolver, resolver),
        ("203.0.113.5", "203.0.113.5", outside, outside),
        ("127.0.0.2", "203.0.113.5", outside, outside),
        ("127.0.0.2 203.0.113.5", "-", outside, outside),
        ("TIMEOUT", "TIMEOUT", "does not answer (no reply in time)", "does not answer (no reply in time)"),
        ("127.0.0.2", "SERVFAIL", "does not answer (SERVFAIL)", "does not answer (SERVFAIL)"),
        ("FORMERR", "-", "does not answer (FORMERR)", "does not answer (FORMERR)"),
        ("INVALID", "INVALID", "does not answer (malformed reply)", "does not answer (malformed reply)"),
    ];
    for (listed, unlisted, want, untested) in cases {
        let judged = |tested| judge(ListKind::Address, tested, &answer(listed), &answer(unlisted));
        assert_eq!(shown(judged(true).as_ref()), want, "{listed} / {unlisted}");
        assert_eq!(shown(judged(false).as_ref()), untested, "{listed} / {unlisted}, without test points");
    }
    let name = |listed: &str, unlisted: &str| {
        shown(judge(ListKind::Name, true, &answer(listed), &answer(unlisted)).as_ref())
    };
    assert_eq!(name("-", "-"), "does not list the test name TEST: it is closed, or no list of names");
    assert_eq!(
        name("127.0.1.2", "127.0.1.2"),
        "lists the name INVALID, which no list may list: it answers for everything"
    );
}

#[test]
fn error_codes_say_what_they_mean_and_what_to_do() {
    let resolver =
        "run a resolver of your own and name it in [dns] nameservers, or get a key from the list's operator";
    let cases = [
        (
            252,
            "there is no such list",
            "check the spelling of the list's name, and remove it if the list no longer exists",
        ),
        (254, "it is asked through a public resolver", resolver),
        (255, "it is asked too often", resolver),
        (1, "it refuses to answer your resolver", resolver),
    ];
    for (last, means, advice) in cases {
        let trouble = void(&answer(&format!("127.255.255.{last}"))).unwrap();
        assert_eq!(trouble.to_string(), format!("answers 127.255.255.{last}: {means}"));
        assert_eq!(trouble.advice(), advice);
    }
    for listing in ["127.0.0.2", "127.0.1.255", "127.255.254.1", "127.1.255.255", "-", "TIMEOUT"] {
        assert_eq!(void(&answer(listing)), None, "{listing}");
    }
}

/// A list's life, a step a word: `listed/unlisted` is a test, `?answer` an ordinary answer, `dark` a test while nothing
/// answers. The result of a step: `+` taken back, `-` set aside, `!` to be tested soon, `.` nothing; then the minutes
/// until the next test.
fn life(steps: &str) -> String {
    let mut health = Health::default();
    let mut out = Vec::new();
    for step in steps.split(", ") {
        let (change, soon) = match (step.strip_prefix('?'), step.split_once('/')) {
            (Some(text), _) => health.overheard(&answer(text)),
            (None, Some((listed, unlisted))) => {
                let found = judge(ListKind::Address, true, &answer(listed), &answer(unlisted));
                (health.tested(found), false)
            }
            (None, None) => {
                health.untestable();
                (None, false)
            }
        };
        let mark = match change {
            Some(Change::SetAside(_)) => "-",
            Some(Change::TakenBack) => "+",
            None if soon => "!",
            None => ".",
        };
        out.push(format!("{mark}{}", health.next_test().as_secs() / 60));
    }
    out.join(" ")
}

const GOOD: &str = "127.0.0.2/-";
const DEAD: &str = "-/-";
const MUTE: &str = "TIMEOUT/TIMEOUT";
const EVERYTHING: &str = "127.0.0.2/127.0.0.2";
const CODE: &str = "127.255.255.254/127.255.255.254";

#[test]
fn a_change_is_told_once_and_one_lost_packet_changes_nothing() {
    let cases = [
        (vec![GOOD, GOOD, GOOD], ".60 .60 .60"),
        (vec![GOOD, MUTE, GOOD, MUTE, GOOD], ".60 .1 .60 .1 .60"),
        (vec![GOOD, MUTE, MUTE, MUTE, GOOD, GOOD], ".60 .1 -5 .5 +60 .60"),
        (vec![GOOD, DEAD, MUTE, DEAD, GOOD], ".60 .1 -5 .5 +60"),
        (vec![DEAD, DEAD, GOOD], "-5 .5 +60"),
        (vec![MUTE, GOOD], "-5 +60"),
        (vec![GOOD, EVERYTHING, CODE, DEAD, GOOD], ".60 -5 .5 .5 +60"),
        (vec![EVERYTHING, GOOD], "-5 +60"),
        (vec![CODE, GOOD], "-5 +60"),
    ];
    for (steps, want) in cases {
        let steps = steps.join(", ");
        assert_eq!(life(&steps), want, "{steps}");
    }
}

#[test]
fn a_dead_resolver_changes_nothing_and_is_looked_at_sooner() {
    for (steps, want) in [
        (vec!["dark", "dark", GOOD], ".5 .5 .60"),
        (vec![GOOD, "dark", "dark", GOOD], ".60 .5 .5 .60"),
        (vec![GOOD, MUTE, "dark", MUTE], ".60 .1 .1 -5"),
        (vec![EVERYTHING, "dark", GOOD], "-5 .5 +60"),
    ] {
        let steps = steps.join(", ");
        assert_eq!(life(&steps), want, "{steps}");
    }
}

#[test]
fn ordinary_answers_call_for_a_test_and_error_codes_count_at_once() {
    for (steps, want) in [
        (vec![GOOD, "?127.0.0.4", "?-"], ".60 .60 .60"),
        (vec![GOOD, "?127.255.255.254", "?127.255.255.254", GOOD], ".60 -5 .5 +60"),
        (vec![GOOD, "?203.0.113.5"], ".60 !60"),
        (vec![GOOD, "?TIMEOUT", "?TIMEOUT", "?TIMEOUT", "?TIMEOUT", "?TIMEOUT"], ".60 .60 .60 .60 .60 !60"),
        (vec!["?TIMEOUT", "?TIMEOUT", "?TIMEOUT", "?TIMEOUT", "?-", "?TIMEOUT"], ".5 .5 .5 .5 .5 .5"),
    ] {
        let steps = steps.join(", ");
        assert_eq!(life(&steps), want, "{steps}");
    }
}

#[test]
fn a_list_that_falls_back_soon_is_tried_more_and_more_seldom() {
    let code = "?127.255.255.255";
    let steps = [GOOD, code, GOOD, code, GOOD, code, GOOD, code, GOOD, code, GOOD, code, GOOD, GOOD, code];
    assert_eq!(life(&steps.join(", ")), ".60 -5 +60 -10 +60 -20 +60 -40 +60 -60 +60 -60 +60 .60 -5");
}

#[test]
fn the_manual_fits_the_terminal() {
    let first = MANUAL.lines().next().unwrap();
    assert!(first.ends_with('.') && MANUAL.contains("\nExample: ") && MANUAL.contains("\nPostfix: "));
    for line in MANUAL.lines() {
        assert!(line.chars().count() <= 78 && line == line.trim_end(), "{line}");
    }
}
