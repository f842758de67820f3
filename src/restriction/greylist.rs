//! `greylist` and its kin that greylist suspicious clients only: RFC 6647; no part of postconf(5).

use super::{
    Kind, Parse, Restriction,
    args::{self, Arguments},
};
use crate::{
    decision::action::{Action, Amendment, Amends},
    greylist::{OnStoreFailure, Settings, identity},
    lookup::{
        Lookups, Pending,
        greylist::{Greylisted, Whitelist},
    },
    origin::Fault,
    request::{
        Event, Request,
        session::{Client, NameStatus},
        subject::Subject,
    },
    smtp::reply::{Enhanced, Reply, ReplyCode},
    table::network_list::NetworkList,
};
use std::{sync::Arc, time::Duration};

const GREYLIST: &str = "\
Defers the first mail of an unknown client, and knows it when it comes back.

Reply: 450 4.2.0 <recipient>: Recipient address rejected: Greylisted, please
       try again in N minutes
The same in whatever list it stands. It is a defer_if_permit: a refusal of any
later entry goes out instead, and a refused mail leaves no row.

A mail is recognised by the client's network or the domain of its verified
name, its sender and its recipient. It waits for `delay` of [greylist]; a
retry within `retry_window` passes, and with it the rest of the message. A
client that came back is known and waits no more, also with other mail.
With learn_outgoing of [greylist], whom a user of yours has written to does
not wait with the answer, if the client's verified name lies in the sender's
own domain: a sender's name alone can be forged. Hosts that send for domains
of others are known after their first mail, as all are.
The null sender and senders that probe addresses hear the 450 at DATA,
without the recipient, since a probe that is refused at RCPT says that the
address does not exist. Their proof holds for retry_window, not for max_age.

In observe mode, and behind warn_if_reject, nobody is told to come back: the
next mail after `delay` counts as the retry, and regular senders are known
when you enforce.

When the store does not answer: on_store_failure of [greylist] decides, by
default the mail passes. DUNNO for logins, mynetworks, trusted client
certificates, whitelists, and where there is no recipient. At DATA and later
that is every message with more than one recipient, so it stands best at the
end of the recipient list.

Recipients are exempted for good by whitelist_recipients, where an address
stands for itself with any +extension too and a domain for its subdomains
too, and at once by `mailward greylist open` and `opt-out`, where each stands
for itself only: bob@example.org not for bob+shop@example.org, example.org
not for mail.example.org.

Example: recipient = [\"reject_non_fqdn_recipient\", \"greylist\"]
";

const UNKNOWN: &str = "\
Greylists clients without a verified name in DNS; others pass at once.

Reply: as of `greylist`, whose manual says everything else. A name of which
DNS could not say whether it leads back counts as not verified: such a client
waits once, if it is not known yet.

Example: recipient = [\"greylist_unknown_client_hostname\"]
";

const DYNAMIC: &str = "\
Greylists clients whose name looks like a dial-up line; others pass at once.

Reply: as of `greylist`, whose manual says everything else. A name looks so if
it holds the client's address, the end of the address, or words such as dyn,
dhcp, pool and dsl; a word such as mail, smtp or mx, or a domain named for
mail such as mailgun.net, outweighs all but the whole address. The name need
not be verified. DUNNO for clients without any name:
greylist_unknown_client_hostname is for those.

Example: recipient = [\"greylist_unknown_client_hostname\",
                      \"greylist_dynamic_client_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[
    kind("greylist", GREYLIST, |arguments| parse(Whom::Everybody, arguments)),
    kind("greylist_unknown_client_hostname", UNKNOWN, |arguments| parse(Whom::Unknown, arguments)),
    kind("greylist_dynamic_client_hostname", DYNAMIC, |arguments| parse(Whom::Dynamic, arguments)),
];

const fn kind(
    name: &'static str,
    manual: &'static str,
    parse: fn(&mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault>,
) -> Kind {
    Kind { name, aliases: &[], usage: "", needs: Event::Rcpt, manual, parse: Parse::Entry(parse) }
}

fn parse(whom: Whom, arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(Greylist { whom, ..Greylist::everybody(arguments.settings()) }))
}

/// Which clients.
#[derive(Clone, Copy, Debug)]
enum Whom {
    Everybody,
    Unknown,
    Dynamic,
}

impl Whom {
    fn includes(self, client: &Client) -> bool {
        let identity = &client.identity;
        match self {
            Self::Everybody => true,
            Self::Unknown => identity.name_status != NameStatus::Verified,
            Self::Dynamic => {
                let named = identity.reverse_status == NameStatus::Verified;
                named && client.address.is_some_and(|ip| identity::is_dynamic(&identity.reverse_name, ip))
            }
        }
    }
}

/// The rule, for those who have a judgement of their own about who is suspicious.
#[derive(Debug)]
pub(super) struct Greylist {
    whom: Whom,
    settings: Arc<Settings>,
    trusted: Arc<NetworkList>,
}

impl Restriction for Greylist {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        if self.skips(request, lookups) { Ok(Action::Dunno) } else { self.observe(request, lookups) }
    }

    fn amends(&self) -> Amends {
        Amends { headers: self.settings.header, ..Amends::default() }
    }

    fn greylists(&self) -> bool {
        true
    }
}

/// 4.2.0 and not 4.7.1, at which some versions of Exchange give up; and fail2ban's filters know it.
const STATUS: Enhanced = Enhanced::new(2, 0);
const CODE: ReplyCode = ReplyCode::known(450);

impl Greylist {
    /// For every client.
    pub(super) fn everybody(settings: &args::Settings) -> Self {
        let (greylist, trusted) = (settings.greylist.clone(), settings.mynetworks.clone());
        Self { whom: Whom::Everybody, settings: greylist, trusted }
    }

    /// Asks the greylist, and carries out what it says.
    pub(super) fn observe(
        &self,
        request: &Request<'_>,
        lookups: &mut Lookups<'_>,
    ) -> Result<Action, Pending> {
        let Some(observation) = self.settings.observation(request, lookups.warn_only()) else {
            return Ok(Action::Dunno);
        };
        let text = match lookups.greylist(observation)? {
            Greylisted::Waits { left, .. } => self.text(left),
            Greylisted::Opened { waited } => return Ok(self.opened(request, waited)),
            Greylisted::Passed
            | Greylisted::Known
            | Greylisted::Correspondent
            | Greylisted::Exempt
            | Greylisted::Whitelisted(_) => return Ok(Action::Dunno),
            Greylisted::Unavailable(_) => match self.settings.on_store_failure {
                OnStoreFailure::Accept => return Ok(Action::Dunno),
                OnStoreFailure::Tempfail => "Greylisted, please try again later".to_owned(),
            },
        };
        Ok(self.defer(request, &text))
    }

    /// Whether a mail is none of the greylist's business; why is noted.
    pub(super) fn skips(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> bool {
        if let Some(why) = self.trusts(request) {
            lookups.note(why);
            return true;
        }
        if let Some((whitelist, entry)) = self.whitelisted(request) {
            lookups.note(format!("{whitelist}: {entry}"));
            if let Some(observation) = self.settings.observation(request, lookups.warn_only()) {
                lookups.whitelisted(observation, whitelist);
            }
            return true;
        }
        let cleared = request.envelope.greylist_passed && !self.settings.per_recipient;
        let why = if !self.whom.includes(&request.session.client) {
            "the client is not suspicious"
        } else if cleared {
            "an earlier recipient of this message has passed"
        } else {
            return false;
        };
        lookups.note(why);
        true
    }

    /// Why a mail is not greylisted whatever the lists say.
    fn trusts(&self, request: &Request<'_>) -> Option<String> {
        let client = &request.session.client;
        let (Some(address), Some(_)) = (client.address, request.recipient) else {
            return Some("there is no address or no single recipient".to_owned());
        };
        if request.session.login.is_some() {
            return Some("the client has logged in".to_owned());
        }
        if request.session.tls.as_ref().is_some_and(|tls| tls.cert_subject.is_some()) {
            return Some("the client has a trusted certificate".to_owned());
        }
        let network = self.trusted.find(address)?;
        Some(format!("{address} is in {network} of mynetworks"))
    }

    /// The list of exceptions that names client or recipient, and its entry.
    fn whitelisted(&self, request: &Request<'_>) -> Option<(Whitelist, String)> {
        let client = &request.session.client;
        let verified = client.identity.name_status == NameStatus::Verified;
        let name = verified.then_some(client.identity.name.as_str());
        if let Some(entry) = self.settings.clients.find(name, client.address?) {
            return Some((Whitelist::Client, entry));
        }
        let entry = self.settings.recipients.find(&request.recipient?.address.internal())?;
        Some((Whitelist::Recipient, entry))
    }

    fn text(&self, left: Duration) -> String {
        let mut text = "Greylisted, please try again ".to_owned();
        let seconds = left.as_secs().max(1);
        match seconds.div_ceil(60) {
            _ if !self.settings.reveal_time => text.push_str("later"),
            _ if seconds < 60 => text.push_str(&format!("in {seconds} second{}", plural(seconds))),
            minutes => text.push_str(&format!("in {minutes} minute{}", plural(minutes))),
        }
        if !self.settings.url.is_empty() {
            text.push_str(&format!(", see {}", self.settings.url));
        }
        text
    }

    /// The reply is about the recipient in whatever list this stands: with other words fail2ban's filter for Postfix
    /// would ban who waits.
    fn defer(&self, request: &Request<'_>, text: &str) -> Action {
        let bare = Reply::new(CODE, STATUS, text);
        match request.event {
            Event::Data | Event::EndOfMessage => Action::DeferIfPermit(bare),
            Event::Connect | Event::Helo | Event::Mail | Event::Rcpt if self.settings.is_probe(request) => {
                Action::DeferAtData(bare)
            }
            Event::Connect | Event::Helo | Event::Mail | Event::Rcpt => {
                Action::DeferIfPermit(Subject::Recipient.rejected(request, CODE, STATUS, text))
            }
        }
    }

    /// The first mail that passes says how long it had to wait.
    fn opened(&self, request: &Request<'_>, waited: Duration) -> Action {
        // postgrey tells each message once too, however many recipients were opened by it.
        if !self.settings.header || request.envelope.greylist_passed {
            return Action::Dunno;
        }
        let name = &request.session.server.name;
        let host = if name.is_empty() { String::new() } else { format!(" at {name}") };
        let value = format!(
            "delayed {} seconds by mailward-{}{host}; {}",
            waited.as_secs(),
            env!("CARGO_PKG_VERSION"),
            request.now.rfc5322()
        );
        Action::amend(Amendment::Prepend { name: "X-Greylist".to_owned(), value })
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests;
