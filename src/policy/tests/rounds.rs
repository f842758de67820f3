//! What the loop promises about its questions: what is asked when, in how many rounds, and that asking ahead decides
//! nothing.

use super::*;

#[test]
fn all_lookups_up_to_a_certain_end_are_asked_in_one_round() {
    let mut policy = entries(
        Stage::Sender,
        vec![
            asks(&["a.example", "b.example"], Action::Dunno),
            asks(&["c.example"], Action::Dunno),
            asks(&[], Action::Ok),
            asks(&["behind.example"], Action::Dunno),
        ],
    );
    policy.lists[Stage::Recipient as usize] = List {
        entries: vec![
            asks(&["d.example"], Action::Dunno),
            asks(&[], reject(554, "no")),
            asks(&["behind.example"], Action::Dunno),
        ],
    };
    let mail = Mail::new();
    assert_eq!(
        wanted(&policy, &mail, &Answers::new()),
        ["A a.example", "A b.example", "A c.example", "A d.example"]
    );
    policy.lookahead = false;
    assert_eq!(wanted(&policy, &mail, &Answers::new()), ["A a.example"]);
}

#[test]
fn a_listed_client_costs_two_rounds_and_an_unlisted_one_a_single_one() {
    let lists: Vec<String> = (1..=8).map(|n| format!("reject_rbl_client l{n}.example")).collect();
    let lines: Vec<&str> = lists.iter().map(String::as_str).collect();
    let mut policy = policy(&[(Stage::Recipient, &lines)]);
    let name = |n: usize| format!("1.2.0.192.l{n}.example");
    let all: Vec<String> = (1..=8).map(|n| format!("A {}", name(n))).collect();
    assert_eq!(wanted(&policy, &Mail::new(), &zone("")), all);
    let unlisted = all.iter().map(|a| format!("{a} NOTFOUND")).collect::<Vec<_>>().join(";");
    assert_eq!(verdict(&decided(&policy, &Mail::new(), &zone(&unlisted))), "pass");
    let listed = format!("{unlisted}; A {} 127.0.0.2", name(5));
    let text = format!("TXT {}", name(5));
    assert_eq!(wanted(&policy, &Mail::new(), &zone(&listed)), [text.as_str()]);
    let known = zone(&format!("{listed}; {text} why"));
    let want = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l5.example; why";
    assert_eq!(verdict(&decided(&policy, &Mail::new(), &known)), want);
    policy.lookahead = false;
    assert_eq!(wanted(&policy, &Mail::new(), &zone("")), all[..1]);
}

#[test]
fn nothing_behind_a_permit_is_asked() {
    let policy = entries(Stage::Recipient, vec![asks(&[], Action::Ok), asks(&["a.example"], Action::Dunno)]);
    assert_eq!(verdict(&decided(&policy, &Mail::new(), &Answers::new())), "pass");
}

#[test]
fn a_lookup_that_writes_is_asked_only_when_all_else_permits() {
    let greylisted = Action::DeferIfPermit(reply(450, "wait"));
    let list = |rest: Entry| entries(Stage::Recipient, vec![writes(1, greylisted.clone()), rest]);
    let mail = Mail::new();
    let known = zone("A a.example NOTFOUND");

    let policy = list(asks(&["a.example"], Action::Dunno));
    assert_eq!(wanted(&policy, &mail, &Answers::new()), ["A a.example"], "never asked ahead");
    assert_eq!(wanted(&policy, &mail, &known), ["POLICY unix:/1"], "asked at last");

    let policy = list(asks(&["a.example"], reject(554, "no")));
    assert_eq!(verdict(&decided(&policy, &mail, &known)), "554 5.7.1 no", "not asked before a reject");

    let policy = list(asks(&["a.example"], Action::DeferIfPermit(reply(450, "dns"))));
    assert_eq!(verdict(&decided(&policy, &mail, &known)), "450 4.7.1 dns", "not asked before a deferral");

    let policy = list(asks(&["a.example"], Action::Ok));
    let mut all = known.clone();
    let question = Lookup::Policy(Box::new(policy_question(1)));
    all.insert(question.clone(), question.not_found(), Duration::ZERO);
    assert_eq!(
        verdict(&decided(&policy, &mail, &all)),
        "450 4.7.1 wait",
        "its answer counts in its own place"
    );
}

#[test]
fn of_two_lookups_that_write_the_second_waits_for_the_first() {
    let (mail, mut known) = (Mail::new(), Answers::new());
    let list = |says| entries(Stage::Recipient, vec![writes(1, says), writes(2, Action::Dunno)]);
    assert_eq!(wanted(&list(Action::Dunno), &mail, &known), ["POLICY unix:/1"]);
    let first = Lookup::Policy(Box::new(policy_question(1)));
    known.insert(first.clone(), first.not_found(), Duration::ZERO);
    assert_eq!(wanted(&list(Action::Dunno), &mail, &known), ["POLICY unix:/2"]);
    assert_eq!(verdict(&decided(&list(reject(554, "no")), &mail, &known)), "554 5.7.1 no");
}

/// Looking ahead must never change a verdict or a step. 3,000 random lists, always the same ones.
#[test]
fn looking_ahead_changes_neither_verdict_nor_steps() {
    const NAMES: [&[&str]; 4] = [&[], &["a.example"], &["a.example", "b.example"], &["c.example"]];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let says = |n: usize| match n {
        0..=3 => Action::Dunno,
        4 => Action::Ok,
        5 => reject(554, "no"),
        6 => reject(450, "later"),
        7 => Action::Discard("x".to_owned()),
        8 => Action::DeferIfPermit(reply(450, "if permit")),
        _ => Action::DeferIfReject(reply(450, "if reject")),
    };
    let all = zone("A a.example NOTFOUND; A b.example TEMPORARY; A c.example 192.0.2.1");
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut policy = Policy::default();
        for stage in [Stage::Client, Stage::Sender, Stage::Recipient] {
            for _ in 0..next(4) {
                let warn_only = next(5) == 0;
                let restriction = asks(NAMES[next(4)], says(next(10)));
                policy.lists[stage as usize].entries.push(Entry { warn_only, ..restriction });
            }
        }
        let eager = rounds(&policy, &all);
        policy.lookahead = false;
        let frugal = rounds(&policy, &all);
        assert_eq!(verdict(&eager), verdict(&frugal));
        let steps = |decision: &Decision| serde_json::to_string(&decision.steps).unwrap();
        assert_eq!(steps(&eager), steps(&frugal));
        refused += u32::from(eager.verdict != Verdict::Pass);
    }
    assert!((500..2_500).contains(&refused), "both kinds of verdict were reached: {refused}");
}

/// Evaluates as the server does, answering only what is wanted.
fn rounds(policy: &Policy, all: &Answers) -> Decision {
    let mail = Mail::new();
    let mut answers = Answers::new();
    for _ in 0..100 {
        match evaluate(policy, &mail.request(), &answers) {
            Progress::Done(decision) => return *decision,
            Progress::Wants(lookups) => {
                for lookup in lookups {
                    let answered = all.get(&lookup).unwrap();
                    answers.insert(lookup, answered.answer.clone(), answered.took);
                }
            }
        }
    }
    panic!("no end");
}

#[test]
fn a_pause_waits_for_its_turn_and_later_questions_are_asked_meanwhile() {
    let mut policy = entries(Stage::Client, vec![asks(&["first.example"], Action::Dunno)]);
    policy.lists[Stage::Client as usize].entries.extend(list(&["sleep 2"]).entries);
    policy.lists[Stage::Recipient as usize].entries.push(asks(&["later.example"], Action::Dunno));
    let mail = Mail::new();
    assert_eq!(wanted(&policy, &mail, &Answers::new()), ["A first.example", "A later.example"]);
    assert_eq!(wanted(&policy, &mail, &zone("A first.example NOTFOUND")), ["SLEEP 2", "A later.example"]);
    policy.lists[Stage::Client as usize].entries[0] = asks(&["first.example"], Action::Ok);
    let dns = zone("A first.example NOTFOUND; A later.example NOTFOUND");
    assert_eq!(verdict(&decided(&policy, &mail, &dns)), "pass");
}
