//! The sums of the figures, whatever the rows.

use super::*;

const T: i64 = 1_146_441_600;

/// Numbers that look like chance and are the same in every run: Knuth's MMIX generator.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

fn period(from: i64, to: i64) -> Period {
    Period { from, to, journal_begins: Some(from) }
}

/// A row that a journal may hold, in any order with others.
fn row(chance: &mut Chance, id: i64) -> Row<'static> {
    let event =
        chance.one(&["CONNECT", "HELO", "MAIL", "RCPT", "RCPT", "RCPT", "DATA", "END-OF-MESSAGE", "MESSAGE"]);
    let verdict = match event {
        "MESSAGE" => chance.one(&[
            "accepted",
            "accepted",
            "held",
            "discarded",
            "deferred",
            "rejected",
            "aborted",
            "new word",
        ]),
        _ => chance.one(&["permit", "permit", "defer", "reject", "discard"]),
    };
    let words = [
        None,
        None,
        Some("new"),
        Some("early-retry"),
        Some("too-many"),
        Some("opened"),
        Some("known"),
        Some("unavailable"),
    ];
    let greylist = chance.one(&words);
    Row {
        id,
        time: T + i64::try_from(chance.below(200_000)).unwrap() - 1_000,
        decision: format!("{:x}.{id:x}", T + id).into(),
        message: Some(chance.below(40)).filter(|number| *number > 2).map(|number| number.to_string().into()),
        event: event.into(),
        verdict: verdict.into(),
        observed: chance.below(4) == 0,
        rule: Some(chance.below(5)).filter(|rule| *rule > 0).map(|rule| i64::try_from(rule).unwrap()),
        entry: Some(chance.one(&["greylist", "reject_rbl_client bl.example"]).to_owned()),
        client: Some(format!("192.0.{}.{}", chance.below(9), chance.below(9)).into()),
        client_name: Some("mail.sender.example".into()),
        sender: Some(format!("a{}@sender.example", chance.below(9)).into()),
        recipient: Some(format!("b{}@rcpt.example", chance.below(9)).into()),
        login: Some("user".into()).filter(|_| chance.below(9) == 0),
        greylist: greylist.map(Into::into),
        waited: (greylist == Some("opened")).then(|| i64::try_from(chance.below(90_000)).unwrap()),
        ..Row::default()
    }
}

#[test]
fn the_sums_add_up_whatever_the_rows() {
    let entry = |text: &str| Entry { stage: "client".into(), entry: text.into(), place: "f:1".into() };
    let entries: HashMap<i64, Entry> = [
        (1, entry("reject_rbl_client bl.example")),
        (2, entry("reject_rhsbl_sender dbl.example")),
        (3, entry("greylist")),
    ]
    .into();
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let mut tally = Tally::new(period(T, T + 86_400), &entries);
        let count = chance.below(600);
        for id in 0..i64::try_from(count).unwrap() {
            let row = row(&mut chance, id);
            let answer = chance.one(&[
                r#"{"records":["127.0.0.2"]}"#,
                r#"{"records":["127.255.255.254"]}"#,
                "\"not_found\"",
                "\"set_aside\"",
                r#"{"temporary":"timeout"}"#,
                r#"{"failed":"FORMERR"}"#,
            ]);
            let client = row.client.as_deref().unwrap();
            let reversed = client.rsplit('.').collect::<Vec<_>>().join(".");
            let word = chance.one(&["reject", "only warned", "dunno", "defer_if_permit"]);
            let text = format!(
                r#"{{"port":{},"steps":[1,"2-3",[1,0,"{word}","554 5.7.1 no",null,[["A {reversed}.bl.example",{answer},{}]]],
                [2,0,"dunno",null,null,[["A sender.example.dbl.example",{answer},3]]],
                [3,0,"defer_if_permit","450 4.2.0 wait",null,[["greylist x, <{client}>, <b>",{{"waits":{{}}}},1]]]]}}"#,
                chance.below(3),
                chance.below(4_000),
            );
            let brief = serde_json::from_str(&text).ok().filter(|_| chance.below(9) > 0);
            tally.add(&row, brief.as_ref());
        }
        let report = tally.finish();
        assert_eq!(report.contradictions(), [""; 0], "seed {seed}");
        if count > 300 {
            assert!(
                report.attempts.all > 50 && report.lists.len() == 2 && report.greylist.contacts > 0,
                "{report:?}"
            );
        }
    }
}

#[test]
fn a_sum_that_does_not_add_up_is_found() {
    let entries = HashMap::new();
    let report = Tally::new(period(T, T + 86_400), &entries).finish();
    assert_eq!(report.contradictions(), [""; 0]);
    let mut wrong = report.clone();
    wrong.attempts.ends.accepted = 1;
    assert_eq!(
        wrong.contradictions(),
        [
            "attempts and their ends: 0 and 1",
            "those that went on to the end and those taken: 0 and 1",
            "Accepted over time: 1 and 0"
        ]
    );
    let mut wrong = report;
    wrong.decisions.reject = 2;
    assert_eq!(wrong.contradictions(), ["decisions and their verdicts: 0 and 2"]);
}

#[test]
fn the_time_axis_has_few_columns_that_begin_where_clocks_do() {
    let cases = [
        (T, T, 60, 1),
        (T + 10, T + 1_800, 60, 30),
        (T, T + 86_400, 3_600, 24),
        (T + 100, T + 86_500, 3_600, 25),
        (T, T + 7 * 86_400, 21_600, 28),
        (T, T + 30 * 86_400, 86_400, 30),
        (0, T, 11 * 28 * 86_400, 44),
        (T + 10, T, 60, 1),
    ];
    for (from, to, width, count) in cases {
        let Times { width: got, columns } = axis(from, to);
        assert_eq!((got, columns.len()), (width, count), "{from} {to}");
        assert!(columns[0].from <= from && columns[0].from % width == 0);
        assert!(columns.last().unwrap().from + width >= to && columns.len() <= 48);
    }
}
