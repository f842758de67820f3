//! Questions that rules ask of the outside, and the handle through which they ask.
//!
//! A rule never waits: it asks [`Lookups`], and an answer that is not there yet is [`Pending`]. The edge asks what
//! is wanted and evaluates again.

pub mod answers;
pub mod dnsxl;
pub mod dnsxl_health;
pub mod greylist;
pub mod identity;
pub mod policy;

use crate::smtp::domain::Domain;
use answers::{Answer, Answered, Answers, DnsAnswer, DnsStatus, Mx};
use greylist::{Greylisted, Observation};
use policy::{PolicyAnswer, PolicyQuestion};
use serde::Serialize;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

/// A question to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Lookup {
    /// IPv4 addresses of a name.
    A(Domain),
    /// IPv6 addresses of a name.
    Aaaa(Domain),
    /// Mail exchangers of a domain.
    Mx(Domain),
    /// Name servers of a domain.
    Ns(Domain),
    /// Texts of a name.
    Txt(Domain),
    /// The names of an address.
    Ptr(IpAddr),
    /// What a policy service says. It may keep a greylist or count.
    Policy(Box<PolicyQuestion>),
    /// Not a question but a pause of so many seconds, which the edge makes: it is never asked ahead.
    Sleep(u32),
    /// An attempt to deliver, for the greylist: noted and judged at once.
    Greylist(Arc<Observation>),
}

impl Lookup {
    /// Whether asking changes something, such as a greylist's row. Such a question is never asked ahead, and only when
    /// every list of the event is otherwise settled and would permit.
    pub fn writes(&self) -> bool {
        match self {
            Self::A(_) | Self::Aaaa(_) | Self::Mx(_) | Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) => false,
            Self::Sleep(_) => false,
            Self::Policy(_) => true,
            Self::Greylist(_) => true,
        }
    }

    /// Whether it only passes time.
    pub fn sleeps(&self) -> bool {
        match self {
            Self::Sleep(_) => true,
            Self::A(_)
            | Self::Aaaa(_)
            | Self::Mx(_)
            | Self::Ns(_)
            | Self::Txt(_)
            | Self::Ptr(_)
            | Self::Policy(_)
            | Self::Greylist(_) => false,
        }
    }

    /// The answer "no such records", in the question's type; to a policy service that nobody asked.
    pub fn not_found(&self) -> Answer {
        match self {
            Self::A(_) => Answer::A(DnsAnswer::NotFound),
            Self::Aaaa(_) => Answer::Aaaa(DnsAnswer::NotFound),
            Self::Mx(_) => Answer::Mx(DnsAnswer::NotFound),
            Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) | Self::Sleep(_) => Answer::Text(DnsAnswer::NotFound),
            Self::Policy(_) => Answer::Policy(PolicyAnswer::NotAsked),
            Self::Greylist(_) => Answer::Greylist(Greylisted::Exempt),
        }
    }

    /// The answer of a list that is set aside, in the question's type.
    pub fn set_aside(&self) -> Answer {
        match self {
            Self::A(_) => Answer::A(DnsAnswer::SetAside),
            Self::Aaaa(_) => Answer::Aaaa(DnsAnswer::SetAside),
            Self::Mx(_) => Answer::Mx(DnsAnswer::SetAside),
            Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) | Self::Sleep(_) => Answer::Text(DnsAnswer::SetAside),
            Self::Policy(_) => Answer::Policy(PolicyAnswer::NotAsked),
            Self::Greylist(_) => Answer::Greylist(Greylisted::Exempt),
        }
    }

    /// The answer "could not be found out", in the question's type.
    pub fn temporary(&self, reason: &'static str) -> Answer {
        match self {
            Self::A(_) => Answer::A(DnsAnswer::Temporary(reason)),
            Self::Aaaa(_) => Answer::Aaaa(DnsAnswer::Temporary(reason)),
            Self::Mx(_) => Answer::Mx(DnsAnswer::Temporary(reason)),
            Self::Ns(_) | Self::Txt(_) | Self::Ptr(_) | Self::Sleep(_) => {
                Answer::Text(DnsAnswer::Temporary(reason))
            }
            Self::Policy(_) => Answer::Policy(PolicyAnswer::Failed(reason)),
            Self::Greylist(_) => Answer::Greylist(Greylisted::Unavailable(reason)),
        }
    }
}

/// `A mail.example.net`, the form of traces.
impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(name) => write!(f, "A {name}"),
            Self::Aaaa(name) => write!(f, "AAAA {name}"),
            Self::Mx(name) => write!(f, "MX {name}"),
            Self::Ns(name) => write!(f, "NS {name}"),
            Self::Txt(name) => write!(f, "TXT {name}"),
            Self::Ptr(address) => write!(f, "PTR {address}"),
            Self::Policy(question) => question.fmt(f),
            Self::Sleep(seconds) => write!(f, "SLEEP {seconds}"),
            Self::Greylist(observation) => write!(f, "greylist {observation}"),
        }
    }
}

/// An answer that is not there yet. Only [`Lookups`] can make one; a rule passes it on with `?`.
#[derive(Debug, PartialEq, Eq)]
pub struct Pending(());

/// A question that a step asked, with its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Looked {
    /// The question.
    pub lookup: Lookup,
    /// The answer.
    pub answer: Answer,
    /// How long it took; zero from a cache.
    #[serde(rename = "took_ms", serialize_with = "millis")]
    pub took: Duration,
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.lookup, self.answer)?;
        if self.took >= Duration::from_millis(1) {
            write!(f, " ({} ms)", self.took.as_millis())
        } else {
            Ok(())
        }
    }
}

/// The handle through which one restriction asks. It remembers what was asked, for the trace and for the edge.
#[derive(Debug)]
pub struct Lookups<'a> {
    answers: &'a Answers,
    eager: bool,
    warn_only: bool,
    wanted: Vec<Lookup>,
    used: Vec<Looked>,
    note: Option<String>,
}

impl<'a> Lookups<'a> {
    /// A handle over the answers that are there. Rules ask ahead what they may need later.
    pub fn new(answers: &'a Answers) -> Self {
        Self { answers, eager: true, warn_only: false, wanted: Vec::new(), used: Vec::new(), note: None }
    }

    /// A handle through which only what Postfix would ask is asked, one question after the other: `lookahead = false`.
    pub fn frugal(answers: &'a Answers) -> Self {
        Self { eager: false, ..Self::new(answers) }
    }

    /// Whether rules ask ahead.
    pub fn eager(&self) -> bool {
        self.eager
    }

    /// Whether what the rule says is only logged: it stands under warn_if_reject.
    pub fn warn_only(&self) -> bool {
        self.warn_only
    }

    /// Says whether the next rule stands under warn_if_reject.
    pub fn set_warn_only(&mut self, warn_only: bool) {
        self.warn_only = warn_only;
    }

    /// Names the questions that may follow, so that they are asked in one round. The rule still asks them one after
    /// the other, as Postfix does, and only those stand in the trace. A question that writes is never asked ahead.
    pub fn ahead(&mut self, questions: impl IntoIterator<Item = Lookup>) {
        if !self.eager {
            return;
        }
        for lookup in questions {
            if !lookup.writes() && self.answers.get(&lookup).is_none() && !self.wanted.contains(&lookup) {
                self.wanted.push(lookup);
            }
        }
    }

    /// One name asked for several types in this order, as Postfix's dns_lookup_r(): the first answer that is `enough`
    /// ends the search, else the strongest one counts. A name that DNS cannot be asked for is not found.
    ///
    /// # Errors
    /// [`Pending`] until the answers that matter are there.
    pub fn strongest(
        &mut self,
        name: Option<&Domain>,
        types: [fn(Domain) -> Lookup; 3],
        enough: fn(DnsStatus) -> bool,
    ) -> Result<DnsStatus, Pending> {
        let Some(name) = name else { return Ok(DnsStatus::NotFound) };
        let wanted_before = self.wanted.len();
        self.ahead(types.map(|question| question(name.clone())));
        let mut strongest = DnsStatus::NotFound;
        for question in types {
            let status = self.ask(question(name.clone())).map(Answer::status).ok_or(Pending(()))?;
            if enough(status) {
                self.wanted.truncate(wanted_before);
                return Ok(status);
            }
            strongest = strongest.max(status);
        }
        Ok(strongest)
    }

    /// The IPv4 addresses of a name; a name that DNS cannot be asked for is not found.
    ///
    /// # Errors
    /// [`Pending`] until the answer is there; so with all of them.
    pub fn a(&mut self, name: Option<&Domain>) -> Result<&'a DnsAnswer<Ipv4Addr>, Pending> {
        let Some(name) = name else { return Ok(&DnsAnswer::NotFound) };
        match self.ask(Lookup::A(name.clone())) {
            Some(Answer::A(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// The IPv6 addresses of a name.
    pub fn aaaa(&mut self, name: Option<&Domain>) -> Result<&'a DnsAnswer<Ipv6Addr>, Pending> {
        let Some(name) = name else { return Ok(&DnsAnswer::NotFound) };
        match self.ask(Lookup::Aaaa(name.clone())) {
            Some(Answer::Aaaa(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// The mail exchangers of a domain, in the order of the DNS reply.
    pub fn mx(&mut self, name: Option<&Domain>) -> Result<&'a DnsAnswer<Mx>, Pending> {
        let Some(name) = name else { return Ok(&DnsAnswer::NotFound) };
        match self.ask(Lookup::Mx(name.clone())) {
            Some(Answer::Mx(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// The name servers of a domain.
    ///
    /// # Errors
    /// [`Pending`] until the answer is there.
    pub fn ns(&mut self, name: Option<&Domain>) -> Result<&'a DnsAnswer<Arc<str>>, Pending> {
        let Some(name) = name else { return Ok(&DnsAnswer::NotFound) };
        match self.ask(Lookup::Ns(name.clone())) {
            Some(Answer::Text(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// The texts of a name, the strings of each record joined.
    ///
    /// # Errors
    /// [`Pending`] until the answer is there.
    pub fn txt(&mut self, name: Option<&Domain>) -> Result<&'a DnsAnswer<Arc<str>>, Pending> {
        let Some(name) = name else { return Ok(&DnsAnswer::NotFound) };
        match self.ask(Lookup::Txt(name.clone())) {
            Some(Answer::Text(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// The names of an address.
    pub fn ptr(&mut self, address: IpAddr) -> Result<&'a DnsAnswer<Arc<str>>, Pending> {
        match self.ask(Lookup::Ptr(address)) {
            Some(Answer::Text(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// A pause: not there until it is over.
    ///
    /// # Errors
    /// [`Pending`] until then.
    pub fn sleep(&mut self, seconds: u32) -> Result<(), Pending> {
        self.ask(Lookup::Sleep(seconds)).map(|_| ()).ok_or(Pending(()))
    }

    /// Notes an attempt to deliver in the greylist, and judges it.
    ///
    /// # Errors
    /// [`Pending`] until the answer is there.
    pub fn greylist(&mut self, observation: Observation) -> Result<Greylisted, Pending> {
        match self.ask(Lookup::Greylist(Arc::new(observation))) {
            Some(Answer::Greylist(said)) => Ok(*said),
            _ => Err(Pending(())),
        }
    }

    /// What a policy service says. It is asked only when everything else would permit.
    ///
    /// # Errors
    /// [`Pending`] until the answer is there.
    pub fn policy(&mut self, question: PolicyQuestion) -> Result<&'a PolicyAnswer, Pending> {
        match self.ask(Lookup::Policy(Box::new(question))) {
            Some(Answer::Policy(answer)) => Ok(answer),
            _ => Err(Pending(())),
        }
    }

    /// Says in a few words why the rule answers as it does, for the trace. It may hold text of the client's: whoever
    /// prints it escapes it.
    pub fn note(&mut self, reason: impl Into<String>) {
        self.note = Some(reason.into());
    }

    /// Takes what was asked without an answer so far. After a rule that answered these are questions asked ahead that
    /// it turned out not to need: drop them.
    pub fn take_wanted(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.wanted)
    }

    /// Takes the questions and answers that the last rule used, and its reason.
    pub fn take_used(&mut self) -> (Vec<Looked>, Option<String>) {
        (std::mem::take(&mut self.used), self.note.take())
    }

    fn ask(&mut self, lookup: Lookup) -> Option<&'a Answer> {
        let Some(Answered { answer, took }) = self.answers.get(&lookup) else {
            if !self.wanted.contains(&lookup) {
                self.wanted.push(lookup);
            }
            return None;
        };
        self.used.push(Looked { lookup, answer: answer.clone(), took: *took });
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{policy_question, zone};

    fn domain(name: &str) -> Domain {
        Domain::for_query(name).unwrap()
    }

    #[test]
    fn what_is_asked_ahead_is_wanted_once_and_not_traced() {
        let dns = zone("A a.example 192.0.2.1");
        let mut lookups = Lookups::new(&dns);
        lookups.ahead([Lookup::A(domain("a.example")), Lookup::Mx(domain("a.example"))]);
        assert!(lookups.mx(Some(&domain("a.example"))).is_err());
        assert_eq!(lookups.take_used().0.len(), 0);
        assert_eq!(lookups.take_wanted(), [Lookup::Mx(domain("a.example"))]);
    }

    #[test]
    fn a_question_that_writes_is_never_asked_ahead() {
        let dns = zone("");
        let mut lookups = Lookups::new(&dns);
        let question = policy_question(1);
        lookups.ahead([Lookup::Policy(Box::new(question.clone()))]);
        assert_eq!(lookups.take_wanted(), []);
        assert!(lookups.policy(question.clone()).is_err());
        assert_eq!(lookups.take_wanted(), [Lookup::Policy(Box::new(question))]);
    }

    #[test]
    fn frugal_lookups_ask_nothing_ahead() {
        let dns = zone("");
        let mut lookups = Lookups::frugal(&dns);
        lookups.ahead([Lookup::A(domain("a.example"))]);
        assert_eq!(lookups.take_wanted(), []);
        assert!(!lookups.eager() && Lookups::new(&dns).eager());
    }

    #[test]
    fn the_trace_holds_what_postfix_would_have_asked_and_nothing_more_is_wanted() {
        let dns = zone("A a.example NOTFOUND; AAAA a.example 2001:db8::1");
        let mut lookups = Lookups::new(&dns);
        let types = [Lookup::A, Lookup::Aaaa, Lookup::Mx];
        let status = lookups.strongest(Some(&domain("a.example")), types, |s| s == DnsStatus::Found);
        assert_eq!(status, Ok(DnsStatus::Found));
        assert_eq!(lookups.take_wanted(), []);
        let asked: Vec<String> = lookups.take_used().0.iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["A a.example: not found", "AAAA a.example: 2001:db8::1"]);
    }
}
