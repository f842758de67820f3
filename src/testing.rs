//! Fixtures for unit tests: a mail in a few words, DNS as a text, a list from its lines, and what a rule says to them.
//!
//! ```text
//! let mail = Mail::new().helo("slow.example").from("");
//! let dns = zone("A slow.example TEMPORARY; MX nullmx.example NULLMX; A x.example 192.0.2.1, 192.0.2.2");
//! assert_eq!(said("reject_unknown_helo_hostname", &mail, &dns), "defer_if_permit 450 4.7.1 <slow.example>: …");
//! ```

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    decision::{Deferrals, Written, action::Action},
    header_checks::HeaderTable,
    lookup::{
        Lookup, Lookups,
        answers::{Answer, Answers, DnsAnswer, Mx},
        greylist::Greylisted,
        policy::{Endpoint, PolicyQuestion},
    },
    origin::{Fault, Origin, Word},
    policy::{Entry, List},
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        message::Message,
        session::{Identity, NameStatus, Session},
    },
    restriction::{
        self, Parse, Restriction,
        args::{Arguments, Settings, Tables},
    },
    smtp::{domain::Domain, helo::Helo},
    table::{AccessTable, memory::Memory},
    time::Timestamp,
};

/// The time of all fixtures: 2006-05-01T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_146_441_600);

/// What a [`Request`] borrows from. Change the fields as the case wants, or use the builders.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) session: Session,
    pub(crate) envelope: Envelope,
    pub(crate) recipient: Option<Path>,
    pub(crate) message: Option<Message>,
    pub(crate) event: Event,
    pub(crate) stage: Stage,
    pub(crate) carried: Deferrals,
    pub(crate) exemption: Option<Arc<Written>>,
}

impl Mail {
    /// `client.example[192.0.2.1]` says `helo.example` and sends from `from@sender.example` to `to@rcpt.example`;
    /// the moment is the recipient list at RCPT.
    pub(crate) fn new() -> Self {
        let mail = Self {
            session: Session::default(),
            envelope: Envelope::default(),
            recipient: None,
            message: None,
            event: Event::Rcpt,
            stage: Stage::Recipient,
            carried: Deferrals::default(),
            exemption: None,
        };
        mail.client("client.example", "192.0.2.1")
            .helo("helo.example")
            .from("from@sender.example")
            .to("to@rcpt.example")
    }

    /// The client's verified name (`unknown`: it has no name at all) and address.
    pub(crate) fn client(mut self, name: &str, address: &str) -> Self {
        self.session.client.address = Some(address.parse::<IpAddr>().unwrap());
        self.identity(match name {
            "unknown" => Identity::nameless(NameStatus::Missing),
            name => Identity::verified(name),
        })
    }

    /// The client's names.
    pub(crate) fn identity(mut self, identity: Identity) -> Self {
        self.session.client.identity = identity;
        self
    }

    /// The HELO name.
    pub(crate) fn helo(mut self, name: &str) -> Self {
        self.session.helo = Some(Helo::from_wire(name.as_bytes()));
        self
    }

    /// The sender; empty for `<>`.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.envelope.sender = Some(Path::new(address));
        self
    }

    /// The recipient.
    pub(crate) fn to(mut self, address: &str) -> Self {
        self.recipient = Some(Path::new(address));
        self
    }

    /// The moment and the list. Takes away what is not known yet: HELO at CONNECT, sender before MAIL, recipient
    /// before RCPT.
    pub(crate) fn at(mut self, event: Event, stage: Stage) -> Self {
        (self.event, self.stage) = (event, stage);
        if event < Event::Helo {
            self.session.helo = None;
        }
        if event < Event::Mail {
            self.envelope = Envelope::default();
        }
        if event < Event::Rcpt {
            self.recipient = None;
        }
        self
    }

    /// The request.
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            id: DecisionId { at: NOW, count: 1 },
            event: self.event,
            stage: self.stage,
            subject: self.stage.into(),
            session: &self.session,
            envelope: &self.envelope,
            recipient: self.recipient.as_ref(),
            message: self.message.as_ref(),
            now: NOW,
            carried: &self.carried,
            exemption: self.exemption.as_ref(),
        }
    }
}

/// DNS as a text: entries `TYPE NAME VALUE, VALUE …` between `;` or line ends. TYPE is A, AAAA, MX, NS, TXT or PTR, or
/// ANY for A, AAAA and MX at once. In the place of the values may stand NOTFOUND, NULLMX, INVALID, SETASIDE, FAILED or
/// TEMPORARY.
/// A value of MX is `PREFERENCE NAME` or only the name. Questions it does not name have no answer.
pub(crate) fn zone(text: &str) -> Answers {
    let mut answers = Answers::new();
    for entry in text.split([';', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
        let mut words = entry.splitn(3, ' ');
        let (kind, name, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let kinds: &[&str] = if kind == "ANY" { &["A", "AAAA", "MX"] } else { &[kind] };
        for kind in kinds {
            let (lookup, answer) = answer(kind, name, value);
            answers.insert(lookup, answer, Duration::ZERO);
        }
    }
    answers
}

fn answer(kind: &str, name: &str, value: &str) -> (Lookup, Answer) {
    let domain = || Domain::for_query(name).unwrap();
    let text = || Answer::Text(values(value, |v| Arc::from(v)));
    match kind {
        "A" => (Lookup::A(domain()), Answer::A(values(value, |v| v.parse().unwrap()))),
        "AAAA" => (Lookup::Aaaa(domain()), Answer::Aaaa(values(value, |v| v.parse().unwrap()))),
        "MX" => (Lookup::Mx(domain()), Answer::Mx(values(value, mx))),
        "NS" => (Lookup::Ns(domain()), text()),
        "TXT" => (Lookup::Txt(domain()), text()),
        "PTR" => (Lookup::Ptr(name.parse().unwrap()), text()),
        other => panic!("`{other}` is not a type of a test zone"),
    }
}

fn values<T>(text: &str, value: impl Fn(&str) -> T) -> DnsAnswer<T> {
    match text.trim() {
        "NOTFOUND" => DnsAnswer::NotFound,
        "NULLMX" => DnsAnswer::NullMx,
        "INVALID" => DnsAnswer::Invalid,
        "SETASIDE" => DnsAnswer::SetAside,
        "FAILED" => DnsAnswer::Failed("FORMERR"),
        "TEMPORARY" => DnsAnswer::Temporary("SERVFAIL"),
        text => DnsAnswer::Records(text.split(',').map(|v| value(v.trim())).collect()),
    }
}

fn mx(text: &str) -> Mx {
    let (preference, exchange) = text.split_once(' ').unwrap_or(("10", text));
    Mx { preference: preference.parse().unwrap(), exchange: exchange.into() }
}

/// What the greylist says to the question that an entry asks about a mail.
pub(crate) fn greylisted(line: &str, settings: &Settings, mail: &Mail, said: Greylisted) -> Answers {
    let mut answers = Answers::new();
    let mut lookups = Lookups::new(&answers);
    let asked = rule_with(line, settings).unwrap().check(&mail.request(), &mut lookups);
    let wanted = lookups.take_wanted();
    if asked.is_err() {
        wanted.into_iter().for_each(|lookup| answers.insert(lookup, Answer::Greylist(said), Duration::ZERO));
    }
    answers
}

/// A question that writes, told from others by its number.
pub(crate) fn policy_question(number: u8) -> PolicyQuestion {
    let service = Endpoint::Unix(format!("/{number}").into());
    PolicyQuestion { service, time_limit: Duration::from_secs(1), attributes: "".into() }
}

/// The rule of a list entry, with the default settings.
pub(crate) fn rule(line: &str) -> Box<dyn Restriction> {
    rule_with(line, &Settings::default()).unwrap()
}

/// The rule of a list entry, or what is wrong with it. Its tables are `inline:` or `static:`.
pub(crate) fn rule_with(line: &str, settings: &Settings) -> Result<Box<dyn Restriction>, Fault> {
    let (rule, faults) = faults_of(line, settings);
    let errors: Vec<&String> = faults.iter().filter(|fault| !fault.contains(" warning: ")).collect();
    assert_eq!(errors, [""; 0], "faults in a table of `{line}`");
    rule
}

/// The rule of a list entry, and what is wrong in its tables, as [`Memory::messages`] writes it.
pub(crate) fn faults_of(
    line: &str,
    settings: &Settings,
) -> (Result<Box<dyn Restriction>, Fault>, Vec<String>) {
    let origin = Origin::new("test.toml", 1, 1);
    let word = |text: &str| Word { text: text.to_owned(), origin: origin.right(column(line, text)) };
    let mut words = split(line).into_iter().map(word);
    let name = words.next().unwrap();
    let kind = restriction::find(&name.text).unwrap_or_else(|| panic!("no restriction `{}`", name.text));
    let Parse::Entry(parse) = kind.parse else { panic!("`{}` is not an entry by itself", name.text) };
    let mut tables = InlineTables::default();
    tables.0.dotted = !settings.parent_domain_matches_subdomains;
    let mut arguments = Arguments::new(name, words.collect(), settings, &mut tables);
    let rule = parse(&mut arguments);
    if rule.is_ok() {
        assert_eq!(arguments.rest(), [], "words of `{line}` that its rule does not take");
    }
    (rule, tables.0.messages())
}

/// The words of an entry; blanks between braces do not part them.
fn split(line: &str) -> Vec<&str> {
    let (mut words, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ' ' && depth == 0 {
            words.extend(Some(&line[start..at]).filter(|word| !word.is_empty()));
            start = at + 1;
        }
    }
    words
}

/// Where a part of a line begins, in characters from 0.
fn column(line: &str, part: &str) -> usize {
    line.len() - line[line.find(part).unwrap()..].len()
}

/// Tables that stand in the entry itself or in memory, and the faults in them.
#[derive(Default)]
pub(crate) struct InlineTables(pub(crate) Memory);

impl Tables for InlineTables {
    fn table(&mut self, word: &Word) -> Result<Arc<AccessTable>, Fault> {
        AccessTable::load(word, &mut self.0).map(Arc::new)
    }

    fn header_table(&mut self, word: &Word) -> Result<Arc<HeaderTable>, Fault> {
        HeaderTable::load(word, &mut self.0).map(Arc::new)
    }

    fn warn(&mut self, fault: Fault) {
        self.0.faults.push(fault);
    }
}

/// A restriction list of these entries, the first in `test.toml:1`; `warn_if_reject` may stand before an entry.
pub(crate) fn list(lines: &[&str]) -> List {
    let entry = |(number, line): (u32, &&str)| {
        let (warn_only, text) = match line.strip_prefix("warn_if_reject ") {
            Some(rest) => (true, rest),
            None => (false, *line),
        };
        Entry::new(text, Origin::new("test.toml", number, 1), warn_only, rule(text))
    };
    List { entries: (1..).zip(lines).map(entry).collect() }
}

/// What the entry `line` says, as [`word`] writes it. Looking ahead and asking step by step must agree.
///
/// # Panics
/// When it asks for something that `dns` does not name: the message lists those questions.
pub(crate) fn said(line: &str, mail: &Mail, dns: &Answers) -> String {
    rule_said(rule(line).as_ref(), mail, dns)
}

/// As [`said`], with settings.
pub(crate) fn said_with(line: &str, settings: &Settings, mail: &Mail, dns: &Answers) -> String {
    rule_said(rule_with(line, settings).unwrap().as_ref(), mail, dns)
}

/// What a rule says, as [`word`] writes it.
pub(crate) fn rule_said(rule: &dyn Restriction, mail: &Mail, dns: &Answers) -> String {
    let outcome = |mut lookups: Lookups<'_>| match rule.check(&mail.request(), &mut lookups) {
        Ok(action) => word(&action),
        Err(_) => panic!("unanswered: {}", questions(&lookups.take_wanted())),
    };
    let (ahead, stepwise) = (outcome(Lookups::new(dns)), outcome(Lookups::frugal(dns)));
    assert_eq!(ahead, stepwise, "asking ahead changes what {rule:?} says");
    ahead
}

/// The questions that an entry asks in one round when `dns` is all that is known: `A a.example, MX a.example`.
pub(crate) fn wanted(line: &str, mail: &Mail, mut lookups: Lookups<'_>) -> String {
    match rule(line).check(&mail.request(), &mut lookups) {
        Ok(action) => panic!("it already says {}", word(&action)),
        Err(_) => questions(&lookups.take_wanted()),
    }
}

fn questions(lookups: &[Lookup]) -> String {
    lookups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// An action in one line: `dunno`, `ok`, `reject 554 5.7.1 …`, `defer_if_permit 450 4.1.8 …`.
pub(crate) fn word(action: &Action) -> String {
    match action {
        Action::Reject(reply)
        | Action::Fault(reply)
        | Action::DeferIfPermit(reply)
        | Action::DeferIfReject(reply)
        | Action::DeferAtData(reply) => {
            format!("{} {reply}", action.word())
        }
        Action::Dunno => "dunno".to_owned(),
        Action::Ok => "ok".to_owned(),
        Action::Several(actions) => actions.iter().map(word).collect::<Vec<_>>().join("; "),
        Action::Discard(_) | Action::Amend(_) | Action::Remark { .. } | Action::Class { .. } => {
            format!("{action:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_holds_what_its_text_says() {
        let dns =
            zone("A a.example 192.0.2.1, 192.0.2.2; MX a.example 20 b.example\nPTR 192.0.2.1 TEMPORARY");
        let shown = |lookup| dns.get(&lookup).map(|answered| answered.answer.to_string());
        let a = Domain::for_query("a.example").unwrap();
        assert_eq!(shown(Lookup::A(a.clone())).as_deref(), Some("192.0.2.1, 192.0.2.2"));
        assert_eq!(shown(Lookup::Mx(a.clone())).as_deref(), Some("20 b.example"));
        assert_eq!(shown(Lookup::Ptr("192.0.2.1".parse().unwrap())).as_deref(), Some("SERVFAIL"));
        assert_eq!(shown(Lookup::Aaaa(a)), None);
    }

    #[test]
    fn a_list_is_made_of_its_lines() {
        let list = list(&["warn_if_reject permit", "permit"]);
        let shown = |e: &Entry| format!("{} {} {}", e.written.origin, e.written.text, e.warn_only);
        let shown: Vec<String> = list.entries.iter().map(shown).collect();
        assert_eq!(shown, ["test.toml:1 permit true", "test.toml:2 permit false"]);
    }

    #[test]
    fn a_moment_hides_what_comes_later() {
        let mail = Mail::new().at(Event::Helo, Stage::Helo);
        let request = mail.request();
        assert_eq!(request.helo(), Some("helo.example"));
        assert!(request.sender().is_none() && request.recipient.is_none());
    }
}
