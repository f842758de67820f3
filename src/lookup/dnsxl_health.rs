//! Whether a block or allow list can be believed: the judge behind the watch, as pure functions of what the list
//! answered. RFC 5782 section 5 (test points) and 2.1 (answers lie in 127.0.0.0/8).
//!
//! A fault that would refuse mail counts at once. A fault that only makes a list useless (its test point is missing, it
//! is silent) must show twice in a list that was sound before, so that one lost packet does not flap.

use super::{Lookup, answers::DnsAnswer, dnsxl::ListKind};
use crate::smtp::domain::Domain;
use std::{fmt, net::Ipv4Addr, time::Duration};

/// The watch on DNS lists, for the manual.
pub const MANUAL: &str = "\
A DNS block or allow list that cannot be believed is set aside by itself.

A list that closes down often answers \"listed\" for every address, and one
that is asked through a public resolver answers with an error code that looks
like a listing: either would refuse all mail. So mailward asks each list of
the policy for its test points (RFC 5782 section 5), at the start, after a
reload and then every hour:

    list of addresses   2.0.0.127.LIST is listed, 1.0.0.127.LIST is not
    list of names       TEST.LIST is listed, INVALID.LIST is not

A list is set aside when
  - it answers 127.255.255.0/24, the error codes of Spamhaus and others: a
    public resolver, too many questions, or a mistyped zone. This is seen in
    the answers to ordinary questions, too;
  - its test points lead outside of 127.0.0.0/8, as those of a domain that was
    sold;
  - it lists what it must not list: it answers for everything;
  - it does not list what it must list: it is closed, or not such a list;
  - it gives no answer while others do.
The last two count only when they show twice, a minute apart, unless the list
never was sound. When nothing at all answers, the resolver is at fault and no
list is set aside.

A list set aside is not asked. It neither refuses nor permits mail, and the
other restrictions go on. This is logged once as a warning that says what to
do, and counted (lists_set_aside). The list is tested again after 5 minutes,
more seldom if it falls back soon, at least every hour; when it behaves it is
taken back, logged once and counted (lists_taken_back). `mailward explain`
tests the lists first and shows which are set aside and why.

An answer outside of 127.0.0.0/8 or within 127.255.255.0/24 never counts as a
listing, whether its list is set aside or not.

A list that has no test points is named in `untested_lists` below [dns]: then
only error codes, answers outside of 127.0.0.0/8 and silence count.

Postfix: believes every answer; here: such a list is set aside, because it
would refuse all mail, or permit it, for as long as nobody notices.

Example: untested_lists = [\"list.example.org\"]
";

/// How long a sound list is left alone.
pub const EVERY: Duration = Duration::from_secs(3600);
/// When a list that is set aside, or of which nothing is known, is tested again.
pub const AGAIN: Duration = Duration::from_secs(300);
/// When a first failure of a sound list is looked at again; also the shortest time between two tests of a list.
pub const CONFIRM: Duration = Duration::from_secs(60);
/// So many ordinary questions in a row without an answer call for a test.
const SILENT_QUESTIONS: u32 = 5;
/// So many failed tests in a row set a list aside that was sound.
const FAILED_TESTS: u32 = 2;
/// The retries of a list that falls back again and again grow up to this power of two; [`EVERY`] cuts them off.
const RELAPSES: u32 = 4;

/// The two test points of a list: the question that must be listed, and the one that must not. `None` if the zone's
/// name is too long for them.
pub fn test_points(zone: &Domain, kind: ListKind) -> Option<[Lookup; 2]> {
    let (listed, unlisted) = match kind {
        ListKind::Address => ("2.0.0.127", "1.0.0.127"),
        ListKind::Name => ("test", "invalid"),
    };
    let point = |name: &str| Domain::for_query(&format!("{name}.{zone}")).map(Lookup::A);
    Some([point(listed)?, point(unlisted)?])
}

/// Why a list cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It answers with an error code instead of a listing.
    ErrorCode(Ipv4Addr),
    /// It answers what can be no listing.
    Outside(Ipv4Addr),
    /// It lists what no list may list.
    ListsEverything(ListKind),
    /// It does not list what every list of its kind lists.
    ListsNothing(ListKind),
    /// It does not answer.
    Silent(&'static str),
}

impl Trouble {
    /// Whether it counts at once: believing the list would refuse mail.
    fn is_urgent(&self) -> bool {
        match self {
            Self::ErrorCode(_) | Self::Outside(_) | Self::ListsEverything(_) => true,
            Self::ListsNothing(_) | Self::Silent(_) => false,
        }
    }

    /// What the administrator should do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::ErrorCode(code) if code.octets()[3] == 252 => {
                "check the spelling of the list's name, and remove it if the list no longer exists"
            }
            Self::ErrorCode(_) => {
                "run a resolver of your own and name it in [dns] nameservers, or get a key from the list's operator"
            }
            Self::Outside(_) | Self::ListsEverything(_) => {
                "remove the list if it is closed; if all lists do this, the resolver makes up answers"
            }
            Self::ListsNothing(_) => {
                "remove the list if it is closed; name it in [dns] untested_lists if it has no test points"
            }
            Self::Silent(_) => {
                "see whether its operator reports an outage or refuses your resolver; remove it if it is closed"
            }
        }
    }
}

/// In plain words, as the end of "the list …".
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorCode(code) => {
                let means = match code.octets()[3] {
                    252 => "there is no such list",
                    254 => "it is asked through a public resolver",
                    255 => "it is asked too often",
                    _ => "it refuses to answer your resolver",
                };
                write!(f, "answers {code}: {means}")
            }
            Self::Outside(address) => {
                write!(f, "answers {address}, outside of 127.0.0.0/8: this is no DNS list any more")
            }
            Self::ListsEverything(ListKind::Address) => {
                f.write_str("lists 127.0.0.1, which no list may list: it answers for everything")
            }
            Self::ListsEverything(ListKind::Name) => {
                f.write_str("lists the name INVALID, which no list may list: it answers for everything")
            }
            Self::ListsNothing(ListKind::Address) => {
                f.write_str("does not list the test address 127.0.0.2: it is closed, or no list of addresses")
            }
            Self::ListsNothing(ListKind::Name) => {
                f.write_str("does not list the test name TEST: it is closed, or no list of names")
            }
            Self::Silent(reason) => write!(f, "does not answer ({reason})"),
        }
    }
}

/// What an answer holds that no listing can be; such an answer says nothing about who was asked for.
pub fn void(answer: &DnsAnswer<Ipv4Addr>) -> Option<Trouble> {
    let records = answer.records();
    let code = records.iter().find(|address| address.octets()[..3] == [127, 255, 255]);
    let outside = || records.iter().find(|address| !address.is_loopback());
    code.map(|code| Trouble::ErrorCode(*code)).or_else(|| outside().map(|found| Trouble::Outside(*found)))
}

/// Judges the answers to the test points; `tested` says whether the list has any. `None`: the list is sound.
pub fn judge(
    kind: ListKind,
    tested: bool,
    listed: &DnsAnswer<Ipv4Addr>,
    unlisted: &DnsAnswer<Ipv4Addr>,
) -> Option<Trouble> {
    if let Some(trouble) = void(listed).or_else(|| void(unlisted)) {
        return Some(trouble);
    }
    if tested && !unlisted.records().is_empty() {
        return Some(Trouble::ListsEverything(kind));
    }
    if let Some(reason) = silence(listed).or_else(|| silence(unlisted)) {
        return Some(Trouble::Silent(reason));
    }
    (tested && listed.records().is_empty()).then_some(Trouble::ListsNothing(kind))
}

/// Why an answer is none.
pub fn silence(answer: &DnsAnswer<Ipv4Addr>) -> Option<&'static str> {
    match answer {
        DnsAnswer::Temporary(reason) | DnsAnswer::Failed(reason) => Some(reason),
        DnsAnswer::Invalid => Some("malformed reply"),
        DnsAnswer::Records(_) | DnsAnswer::NotFound | DnsAnswer::NullMx | DnsAnswer::SetAside => None,
    }
}

/// What is believed of a list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// It was not tested yet, or nothing answered: it is asked.
    #[default]
    Unknown,
    /// Its last test was good: it is asked.
    Sound,
    /// It is not asked.
    SetAside(Trouble),
}

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The list is asked no more.
    SetAside(Trouble),
    /// It is asked again.
    TakenBack,
}

/// What is known about a list.
#[derive(Clone, Debug, Default)]
pub struct Health {
    state: State,
    /// Failed tests in a row while it was sound.
    failed: u32,
    /// Ordinary questions in a row without answer.
    silent: u32,
    /// How often it was set aside again before it had passed a second test.
    relapses: u32,
    /// It was taken back and has not passed a second test since.
    convalescent: bool,
    /// Its last test said nothing.
    in_the_dark: bool,
}

impl Health {
    /// What is believed.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes the result of a test.
    pub fn tested(&mut self, found: Option<Trouble>) -> Option<Change> {
        self.silent = 0;
        self.in_the_dark = false;
        let Some(trouble) = found else { return self.passed() };
        self.failed += 1;
        if self.state == State::Sound && !trouble.is_urgent() && self.failed < FAILED_TESTS {
            return None;
        }
        self.set_aside(trouble)
    }

    /// A test came to nothing, since nothing at all answers: what is believed stays.
    pub fn untestable(&mut self) {
        self.silent = 0;
        self.in_the_dark = true;
    }

    /// Takes the answer to an ordinary question, and says whether the list should be tested soon. Only an error code
    /// changes anything by itself: nobody but the list can make it. An address elsewhere may be that of a host below the
    /// list's zone, whose name a client gave.
    pub fn overheard(&mut self, answer: &DnsAnswer<Ipv4Addr>) -> (Option<Change>, bool) {
        match void(answer) {
            Some(trouble @ Trouble::ErrorCode(_)) => return (self.set_aside(trouble), false),
            Some(_) => return (None, true),
            None => {}
        }
        if silence(answer).is_none() {
            self.silent = 0;
            return (None, false);
        }
        self.silent += 1;
        let suspicious = self.silent >= SILENT_QUESTIONS;
        if suspicious {
            self.silent = 0;
        }
        (None, suspicious)
    }

    /// How long after a test the next one is due.
    pub fn next_test(&self) -> Duration {
        match self.state {
            State::Sound if self.failed > 0 => CONFIRM,
            State::Sound if !self.in_the_dark => EVERY,
            State::Sound | State::Unknown => AGAIN,
            State::SetAside(_) => (AGAIN * (1 << self.relapses.min(RELAPSES))).min(EVERY),
        }
    }

    fn passed(&mut self) -> Option<Change> {
        self.failed = 0;
        match std::mem::replace(&mut self.state, State::Sound) {
            State::SetAside(_) => {
                self.convalescent = true;
                Some(Change::TakenBack)
            }
            State::Unknown | State::Sound => {
                self.convalescent = false;
                self.relapses = 0;
                None
            }
        }
    }

    /// The change is news only if the list was asked so far; another trouble of a list set aside is kept silently.
    fn set_aside(&mut self, trouble: Trouble) -> Option<Change> {
        self.failed = 0;
        match std::mem::replace(&mut self.state, State::SetAside(trouble.clone())) {
            State::SetAside(_) => None,
            State::Unknown | State::Sound => {
                self.relapses = if self.convalescent { self.relapses.saturating_add(1) } else { 0 };
                Some(Change::SetAside(trouble))
            }
        }
    }
}

#[cfg(test)]
mod tests;
