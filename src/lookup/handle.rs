//! The handle through which a rule asks: what it wants, and what it used.

use super::{
    Lookup,
    answers::{Answer, Answered, Answers, DnsAnswer, DnsStatus, Mx},
    greylist::{Greylisted, Observation, Whitelist},
    policy::{PolicyAnswer, PolicyQuestion},
};
use crate::smtp::domain::Domain;
use serde::Serialize;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

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

    /// Notes that the greylist need not be asked, for log and trace.
    pub fn whitelisted(&mut self, observation: Observation, whitelist: Whitelist) {
        let answer = Answer::Greylist(Greylisted::Whitelisted(whitelist));
        let lookup = Lookup::Greylist(Arc::new(observation));
        self.used.push(Looked { lookup, answer, took: Duration::ZERO });
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
