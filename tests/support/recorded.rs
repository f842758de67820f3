//! A journal of an ordinary day, made up: so many decisions of a few kinds, each kind as often as in every other run.

use mailward::{
    config::settings,
    decision::{Decision, Deferrals, Outcome, Rule, Step, Summary, Verdict, Written, action::Action},
    journal::{Entry, Fate, Journal, Message, Record},
    lookup::{
        Looked, Lookup,
        answers::{Answer, DnsAnswer},
        greylist::{Greylisted, Observation, Terms, Wait},
    },
    origin::Origin,
    request::{
        DecisionId, Event, Stage,
        envelope::{Envelope, Path},
        session::{Client, Identity, Session},
    },
    smtp::{domain::Domain, helo::Helo, reply::Reply},
    time::{FixedClock, Timestamp},
};
use std::{
    net::Ipv4Addr,
    path::Path as FilePath,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Of twenty decisions, what becomes of each.
const KINDS: [Kind; 20] = {
    use Kind::{Accepted, Back, Broken, First, Listed, Nameless, Twice};
    [
        Listed, Listed, Twice, Accepted, First, Listed, Accepted, Nameless, Listed, Listed, Accepted, Twice,
        First, Listed, Back, Accepted, Listed, Broken, Accepted, Listed,
    ]
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Refused: on one list.
    Listed,
    /// Refused: on two.
    Twice,
    /// Refused for now: without a name.
    Nameless,
    /// Greylisted.
    First,
    /// Back after a wait, and accepted.
    Back,
    Accepted,
    /// Passed, but the client broke off.
    Broken,
}

/// What is in it, as a report has to count it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub decisions: u64,
    pub rejected: u64,
    pub deferred: u64,
    pub greylisted: u64,
    pub came_back: u64,
    pub accepted: u64,
    pub aborted: u64,
    pub listed_twice: u64,
}

/// Writes a journal of so many decisions, evenly over the 22 hours before `now`, so that all are of
/// the last day however long it takes; `words` makes up a name from a number.
pub fn write(
    path: &FilePath,
    now: Timestamp,
    decisions: u32,
    observed: bool,
    words: impl Fn(u32) -> String,
) -> Counts {
    let settings =
        settings::Journal { path: Some(path.to_owned()), max_size: 1 << 40, ..settings::Journal::default() };
    let journal = Journal::start(&settings, Arc::new(FixedClock::at(now))).unwrap();
    let rules = rules();
    let mut counts = Counts::default();
    let mut noted = 0;
    for number in 0..decisions {
        while noted > journal.counters().written.load(Ordering::Relaxed) + 4_000 {
            std::thread::yield_now();
        }
        let at = Timestamp(now.0 - 80_000 + i64::from(number) * 79_000 / i64::from(decisions.max(1)));
        let kind = KINDS[usize::try_from(number % 20).unwrap()];
        counts.add(kind);
        noted += note(&journal, number, at, kind, &rules, observed, &words);
    }
    journal.close();
    while journal.counters().written.load(Ordering::Relaxed) < noted {
        assert_eq!(journal.counters().dropped.load(Ordering::Relaxed), 0);
        std::thread::yield_now();
    }
    counts
}

impl Counts {
    fn add(&mut self, kind: Kind) {
        self.decisions += 1;
        self.listed_twice += u64::from(kind == Kind::Twice);
        *match kind {
            Kind::Listed | Kind::Twice => &mut self.rejected,
            Kind::Nameless => &mut self.deferred,
            Kind::First => &mut self.greylisted,
            Kind::Accepted | Kind::Back => &mut self.accepted,
            Kind::Broken => &mut self.aborted,
        } += 1;
        self.came_back += u64::from(kind == Kind::Back);
    }
}

fn rules() -> Vec<Rule> {
    let texts = [
        "reject_unknown_reverse_client_hostname",
        "reject_rbl_client zen.lists.example=127.0.0.[2..11]",
        "reject_rbl_client bl.other.example",
        "greylist",
    ];
    let rule = |(line, text): (u32, &str)| {
        let origin = Origin::new("/etc/mailward/mailward.toml", line, 5);
        Rule { stage: Stage::Recipient, written: Arc::new(Written { text: text.into(), origin }) }
    };
    (20..).zip(texts).map(rule).collect()
}

/// Notes one decision, and the end of its message where there is one; how many records these are.
fn note(
    journal: &Journal,
    number: u32,
    at: Timestamp,
    kind: Kind,
    rules: &[Rule],
    observed: bool,
    words: &impl Fn(u32) -> String,
) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b1);
    // A first contact comes back two decisions later: 12 and 14 of twenty.
    let who = if kind == Kind::Back { number - 2 } else { number };
    let word = words(who);
    let address = match kind {
        Kind::Listed | Kind::Twice => Ipv4Addr::from(0xcb00_7100 | mixed >> 24 | (mixed >> 9 & 0x1f) << 8),
        _ => Ipv4Addr::from(0xc633_6400 | (who >> 3 & 0xff)),
    };
    let identity = match kind {
        Kind::Listed | Kind::Nameless => Identity::default(),
        _ => Identity::verified(&format!("mail.{word}.example")),
    };
    let session = Session {
        client: Client { address: Some(address.into()), port: 40_000, identity },
        helo: Some(Helo::from_wire(format!("mail.{word}.example").as_bytes())),
        ..Session::default()
    };
    let recipient = Path::new(&format!("user{}@example.org", who % 50));
    let envelope = Envelope {
        sender: Some(Path::new(&format!("from{}@{word}.example", who % 9))),
        instance: Some(DecisionId { at, count: number | 0x8000_0000 }),
        ..Envelope::default()
    };
    let (verdict, rule, steps) = steps(kind, rules, address, who, mixed);
    let fate = match kind {
        Kind::Accepted | Kind::Back => Some(Fate::Accepted),
        Kind::Broken => Some(Fate::Aborted),
        _ => None,
    };
    let decision = Decision {
        id: DecisionId { at, count: number },
        event: Event::Rcpt,
        summary: Summary::default(),
        verdict,
        rule,
        steps,
        amendments: Vec::new(),
        remarks: Vec::new(),
        deferrals: Deferrals::default(),
    };
    journal.note(&Entry::Decision(Record {
        decision: &decision,
        session: &session,
        envelope: &envelope,
        recipient: Some(&recipient),
        now: at,
        carried: &Deferrals::default(),
        exemption: None,
        content: None,
        policy: &"0".into(),
        observed,
    }));
    let Some(fate) = fate else { return 1 };
    journal.note(&Entry::Message(Message {
        now: Timestamp(at.0 + 2),
        session: &session,
        envelope: &Envelope { queue_id: Some(format!("4d{number:X}")), ..envelope },
        recipient: Some(&recipient),
        fate,
        reply: None,
        observed,
    }));
    2
}

fn steps(
    kind: Kind,
    rules: &[Rule],
    address: Ipv4Addr,
    who: u32,
    mixed: u32,
) -> (Verdict, Option<Rule>, Vec<Step>) {
    let refusal = |text: &str| Reply::from_shown(text).unwrap();
    let [a, b, c, d] = address.octets();
    let asks = |zone: &str, listed: bool| {
        let answer = if listed {
            DnsAnswer::Records([Ipv4Addr::new(127, 0, 0, 2)].into())
        } else {
            DnsAnswer::NotFound
        };
        let name = Domain::for_query(&format!("{d}.{c}.{b}.{a}.{zone}")).unwrap();
        let took = Duration::from_millis(u64::from(mixed % 97));
        Looked { lookup: Lookup::A(name), answer: Answer::A(answer), took }
    };
    let step = |at: usize, outcome, lookups: Vec<Looked>| Step {
        rule: rules[at].clone(),
        depth: 0,
        outcome,
        reason: None,
        lookups: lookups.into(),
    };
    let dunno = Outcome::Said(Action::Dunno);
    let mut steps = Vec::new();
    if kind == Kind::Nameless {
        let reply = refusal("450 4.7.1 Client host rejected: cannot find your reverse hostname");
        steps.push(step(0, Outcome::Said(Action::Reject(reply.clone())), Vec::new()));
        return (Verdict::Reply(reply), Some(rules[0].clone()), steps);
    }
    steps.push(step(0, dunno.clone(), Vec::new()));
    let reply = refusal("554 5.7.1 Service unavailable; Client host blocked");
    let lists = ("zen.lists.example", "bl.other.example");
    match kind {
        Kind::Listed | Kind::Twice => {
            // Asked by the other entry under warn_if_reject, as it stands before it.
            let both = kind == Kind::Twice;
            let warned = if both { Outcome::Warned(reply.clone()) } else { dunno };
            steps.push(step(2, warned, vec![asks(lists.1, both)]));
            steps.push(step(1, Outcome::Said(Action::Reject(reply.clone())), vec![asks(lists.0, true)]));
            return (Verdict::Reply(reply), Some(rules[1].clone()), steps);
        }
        Kind::Nameless | Kind::First | Kind::Back | Kind::Accepted | Kind::Broken => {
            steps.push(step(2, dunno.clone(), vec![asks(lists.1, false)]));
            steps.push(step(1, dunno.clone(), vec![asks(lists.0, false)]));
        }
    }
    let said = match kind {
        Kind::First => Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New },
        Kind::Back => Greylisted::Opened { waited: Duration::from_secs(u64::from(mixed % 5_000) + 240) },
        _ => Greylisted::Known,
    };
    let observation = Observation {
        clients: vec![format!("{a}.{b}.{c}.0/24")],
        network: format!("{a}.{b}.{c}.0/24"),
        sender: format!("from@{who}.example"),
        recipient: "user@example.org".to_owned(),
        vouchers: Vec::new(),
        address: address.to_string(),
        name: String::new(),
        now: Timestamp(0),
        observed: false,
        brief: false,
        correspondent: String::new(),
        own_domain: false,
        terms: Terms::default(),
    };
    let looked = Looked {
        lookup: Lookup::Greylist(Arc::new(observation)),
        answer: Answer::Greylist(said),
        took: Duration::from_millis(1),
    };
    if kind == Kind::First {
        let reply =
            refusal("450 4.2.0 Recipient address rejected: Greylisted, please try again in 4 minutes");
        steps.push(step(3, Outcome::Said(Action::DeferIfPermit(reply.clone())), vec![looked]));
        return (Verdict::Reply(reply), Some(rules[3].clone()), steps);
    }
    steps.push(step(3, dunno, vec![looked]));
    (Verdict::Pass, None, steps)
}
