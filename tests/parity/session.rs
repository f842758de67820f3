//! Random SMTP sessions: who connects, and what it says.

use super::{lists::ListSet, random::Random, universe, vocabulary::GUARDED};

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    pub client: Client,
    /// Whole commands; what is not ASCII in them is UTF-8. After DATA a message follows, if DATA is answered with 354.
    pub steps: Vec<String>,
}

/// Who connects.
#[derive(Clone, Debug)]
pub enum Client {
    /// Whom XCLIENT describes; a name in brackets is one of XCLIENT's own words.
    Said { address: &'static str, name: &'static str, reverse: &'static str, login: Option<&'static str> },
    /// Itself, from this loopback address: Postfix looks its name up.
    Own(&'static str),
}

const UNAVAILABLE: &str = "[UNAVAILABLE]";
const TEMPUNAVAIL: &str = "[TEMPUNAVAIL]";

impl Session {
    /// A session to be played against a set.
    pub fn random(random: &mut Random, set: &ListSet) -> Self {
        let client = Client::random(random, set);
        let mut steps = Vec::new();
        if !random.percent(6) {
            steps.push(helo(random));
        }
        for _ in 0..1 + random.below(3) {
            message(random, set, &mut steps);
            if random.percent(10) {
                steps.push(helo(random));
            }
        }
        steps.push("QUIT".to_owned());
        Self { client, steps }
    }
}

impl Client {
    fn random(random: &mut Random, set: &ListSet) -> Self {
        if random.percent(12) {
            return Self::Own(random.pick(universe::OWN));
        }
        let address = universe::client_address(random);
        let name = match random.below(10) {
            0..3 => UNAVAILABLE,
            3 => TEMPUNAVAIL,
            _ => universe::client_name(random),
        };
        // Only what Postfix itself can come to: no name without a PTR record, no lasting failure behind a passing one.
        let reverse = match random.below(10) {
            0..3 if name != TEMPUNAVAIL => universe::client_name(random),
            3 if name == TEMPUNAVAIL => universe::client_name(random),
            _ => name,
        };
        // A milter is told of a login from MAIL on; only XCLIENT makes one known at CONNECT.
        let early =
            !set.delay_reject && set.lists.iter().any(|(stage, _)| ["client", "helo"].contains(stage));
        let login =
            (!early && random.percent(15)).then(|| random.pick(&["joe", "joe", "jane", "joe@good.example"]));
        Self::Said { address, name, reverse, login }
    }

    /// The XCLIENT command.
    pub fn xclient(&self) -> Option<String> {
        let Self::Said { address, name, reverse, login } = self else { return None };
        let family = if address.contains(':') { "IPV6:" } else { "" };
        let login = login.map_or_else(String::new, |login| format!(" LOGIN={login}"));
        Some(format!("XCLIENT ADDR={family}{address} NAME={name} REVERSE_NAME={reverse}{login}"))
    }

    /// The same as a dialogue file writes it.
    pub fn directive(&self) -> String {
        let Self::Said { address, name, reverse, login } = self else { return "@new".to_owned() };
        let login = login.map_or_else(String::new, |login| format!(" login={login}"));
        format!("@client addr={address} name={name} reverse={reverse}{login}")
    }
}

fn helo(random: &mut Random) -> String {
    let verb = if random.percent(75) { "EHLO" } else { "HELO" };
    format!("{verb} {}", universe::helo(random))
}

fn message(random: &mut Random, set: &ListSet, steps: &mut Vec<String>) {
    let (sender, utf8) = match random.below(100) {
        0..12 => (String::new(), false),
        12..30 => ("a@good.example".to_owned(), false),
        _ => universe::address(random),
    };
    let wanted = utf8 && random.percent(75);
    let options = match random.below(12) {
        _ if wanted => " SMTPUTF8",
        0 => " SIZE=100",
        1 => " BODY=8BITMIME",
        _ => "",
    };
    let bare = sender.contains('@') && !sender.contains([' ', '"', '<', '(', ',']) && random.percent(3);
    let sender = if bare { sender } else { format!("<{sender}>") };
    steps.push(format!("MAIL FROM:{sender}{options}"));
    for _ in 0..1 + random.below(3) {
        steps.push(format!("RCPT TO:<{}>", recipient(random, set, wanted)));
    }
    if random.percent(50) {
        steps.push("DATA".to_owned());
    }
    // Without an accepted recipient DATA is refused and the message still begun.
    steps.push("RSET".to_owned());
}

fn recipient(random: &mut Random, set: &ListSet, utf8: bool) -> String {
    let guarded = set.entries().any(|entry| GUARDED.contains(&entry.name.as_str()));
    loop {
        let recipient = match random.below(100) {
            0..3 => "postmaster".to_owned(),
            3..45 => "user@good.example".to_owned(),
            _ => match universe::address(random) {
                (address, true) if !utf8 && random.percent(70) => {
                    address.replace('@', ".x@").replace('\u{fc}', "u")
                }
                (address, _) => address,
            },
        };
        let routed = recipient.contains(['%', '!', '"']) || recipient.matches('@').count() > 1;
        let relayed = ["@good.example", "@other.example"].iter().any(|domain| recipient.ends_with(domain));
        if !guarded || relayed && !routed {
            return recipient;
        }
    }
}
