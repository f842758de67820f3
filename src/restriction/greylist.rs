//! `greylist` and its kin that greylist suspicious clients only: RFC 6647; no part of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::{Action, Amendment, Amends},
    greylist::{OnStoreFailure, Settings, identity},
    lookup::{Lookups, Pending, greylist::Greylisted},
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
The null sender and senders that probe addresses hear the 450 at DATA,
without the recipient, since a probe that is refused at RCPT says that the
address does not exist.

When the store does not answer: on_store_failure of [greylist] decides, by
default the mail passes. DUNNO for logins, mynetworks, trusted client
certificates, whitelists, and where there is no recipient. At DATA and later
that is every message with more than one recipient, so it stands best at the
end of the recipient list.

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
dhcp, pool and dsl; a word such as mail, smtp or mx outweighs all but the
whole address. The name need not be verified. DUNNO for clients without any
name: greylist_unknown_client_hostname is for those.

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
    let settings = arguments.settings();
    Ok(Box::new(Greylist { whom, settings: settings.greylist.clone(), trusted: settings.mynetworks.clone() }))
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

#[derive(Debug)]
struct Greylist {
    whom: Whom,
    settings: Arc<Settings>,
    trusted: Arc<NetworkList>,
}

impl Restriction for Greylist {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        if let Some(why) = self.passes(request) {
            lookups.note(why);
            return Ok(Action::Dunno);
        }
        let Some(observation) = self.settings.observation(request, lookups.warn_only()) else {
            return Ok(Action::Dunno);
        };
        let text = match lookups.greylist(observation)? {
            Greylisted::Waits { left, .. } => self.text(left),
            Greylisted::Opened { waited } => return Ok(self.opened(request, waited)),
            Greylisted::Passed | Greylisted::Known | Greylisted::Correspondent | Greylisted::Exempt => {
                return Ok(Action::Dunno);
            }
            Greylisted::Unavailable(_) => match self.settings.on_store_failure {
                OnStoreFailure::Accept => return Ok(Action::Dunno),
                OnStoreFailure::Tempfail => "Greylisted, please try again later".to_owned(),
            },
        };
        Ok(self.defer(request, &text))
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
    /// Why a mail is none of the greylist's business.
    fn passes(&self, request: &Request<'_>) -> Option<String> {
        let client = &request.session.client;
        let (Some(address), Some(recipient)) = (client.address, request.recipient) else {
            return Some("there is no address or no single recipient".to_owned());
        };
        if request.session.login.is_some() {
            return Some("the client has logged in".to_owned());
        }
        if request.session.tls.as_ref().is_some_and(|tls| tls.cert_subject.is_some()) {
            return Some("the client has a trusted certificate".to_owned());
        }
        if let Some(network) = self.trusted.find(address) {
            return Some(format!("{address} is in {network} of mynetworks"));
        }
        let verified = client.identity.name_status == NameStatus::Verified;
        if let Some(entry) = self.settings.clients.find(verified.then_some(&client.identity.name), address) {
            return Some(format!("client whitelist: {entry}"));
        }
        if let Some(entry) = self.settings.recipients.find(&recipient.address.internal()) {
            return Some(format!("recipient whitelist: {entry}"));
        }
        if !self.whom.includes(client) {
            return Some("the client is not suspicious".to_owned());
        }
        (request.envelope.greylist_passed && !self.settings.per_recipient)
            .then(|| "an earlier recipient of this message has passed".to_owned())
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
        Action::Amend(Amendment::Prepend { name: "X-Greylist".to_owned(), value })
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        greylist::whitelist::{Clients, Recipients},
        lookup::greylist::Wait,
        request::{
            Stage,
            session::{Identity, Login, Tls},
        },
        restriction::args,
        testing::{Mail, greylisted, said_with},
    };

    const NEW: Greylisted = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };

    fn with(change: impl FnOnce(&mut Settings)) -> args::Settings {
        let mut greylist = Settings::default();
        change(&mut greylist);
        args::Settings { greylist: Arc::new(greylist), ..args::Settings::default() }
    }

    fn says(line: &str, settings: &args::Settings, mail: &Mail, answer: Greylisted) -> String {
        said_with(line, settings, mail, &greylisted(line, settings, mail, answer))
    }

    #[test]
    fn the_reply_is_about_the_recipient_in_every_list() {
        let want = "defer_if_permit 450 4.2.0 <to@rcpt.example>: Recipient address rejected: \
             Greylisted, please try again in 4 minutes";
        for stage in [Stage::Client, Stage::Helo, Stage::Sender, Stage::Recipient] {
            let mail = Mail::new().at(Event::Rcpt, stage);
            assert_eq!(says("greylist", &with(|_| {}), &mail, NEW), want);
        }
        let mail = Mail::new().at(Event::Data, Stage::Data);
        let want = "defer_if_permit 450 4.2.0 Greylisted, please try again in 4 minutes";
        assert_eq!(says("greylist", &with(|_| {}), &mail, NEW), want);
    }

    #[test]
    fn the_reply_says_how_long_and_where_to_read() {
        let reply = |left, settings: &args::Settings| {
            let answer = Greylisted::Waits { left: Duration::from_secs(left), why: Wait::EarlyRetry };
            let said = says("greylist", settings, &Mail::new(), answer);
            said.split_once("Greylisted, please try again ").unwrap().1.to_owned()
        };
        for (left, want) in
            [(0, "in 1 second"), (59, "in 59 seconds"), (60, "in 1 minute"), (61, "in 2 minutes")]
        {
            assert_eq!(reply(left, &with(|_| {})), want);
        }
        let quiet = with(|s| {
            s.reveal_time = false;
            s.url = "https://a.example/grey".to_owned();
        });
        assert_eq!(reply(60, &quiet), "later, see https://a.example/grey");
    }

    #[test]
    fn null_and_probing_senders_wait_at_data() {
        for sender in ["", "double-bounce@a.example"] {
            let want = "defer_at_data 450 4.2.0 Greylisted, please try again in 4 minutes";
            assert_eq!(says("greylist", &with(|_| {}), &Mail::new().from(sender), NEW), want);
        }
        let postgrey =
            args::Settings { greylist: Arc::new(Settings::postgrey()), ..args::Settings::default() };
        assert!(
            says("greylist", &postgrey, &Mail::new().from(""), NEW)
                .starts_with("defer_if_permit 450 4.2.0 <to@")
        );
    }

    #[test]
    fn who_is_known_passes_and_the_first_time_says_so() {
        for answer in [Greylisted::Passed, Greylisted::Known, Greylisted::Correspondent, Greylisted::Exempt] {
            assert_eq!(says("greylist", &with(|_| {}), &Mail::new(), answer), "dunno");
        }
        let opened = Greylisted::Opened { waited: Duration::from_secs(312) };
        let mut mail = Mail::new();
        mail.session.server.name = "mx.example.org".to_owned();
        let version = env!("CARGO_PKG_VERSION");
        let want = format!(
            "Amend(Prepend {{ name: \"X-Greylist\", value: \"delayed 312 seconds by mailward-{version} at \
             mx.example.org; Mon, 01 May 2006 00:00:00 +0000\" }})"
        );
        assert_eq!(says("greylist", &with(|_| {}), &mail, opened), want);
        assert_eq!(says("greylist", &with(|s| s.header = false), &mail, opened), "dunno");
        mail.envelope.greylist_passed = true;
        assert_eq!(says("greylist", &with(|_| {}), &mail, NEW), "dunno", "the rest of the message is clear");
        let each = with(|s| s.per_recipient = true);
        assert!(says("greylist", &each, &mail, NEW).starts_with("defer_if_permit"));
        assert_eq!(says("greylist", &each, &mail, opened), "dunno", "one header a message");
    }

    #[test]
    fn a_failing_store_passes_or_defers_as_set() {
        let failing = Greylisted::Unavailable("the database is locked");
        assert_eq!(says("greylist", &with(|_| {}), &Mail::new(), failing), "dunno");
        let tempfail = with(|s| s.on_store_failure = OnStoreFailure::Tempfail);
        let want = "defer_if_permit 450 4.2.0 <to@rcpt.example>: Recipient address rejected: \
             Greylisted, please try again later";
        assert_eq!(says("greylist", &tempfail, &Mail::new(), failing), want);
    }

    #[test]
    fn trusted_clients_and_whitelists_are_not_asked_for() {
        let mut settings = with(|s| {
            let mut faults = Vec::new();
            (s.clients, s.recipients) = (Clients::default(), Recipients::default());
            s.clients.read("c", "white.example\n198.51.100", &mut faults);
            s.recipients.read("r", "postmaster@", &mut faults);
        });
        settings.mynetworks = Arc::new(["203.0.113.0/24".parse().unwrap()].into_iter().collect());
        let mut login = Mail::new();
        login.session.login = Some(Login { method: "PLAIN".to_owned(), name: "bob".to_owned() });
        let mut certificate = Mail::new();
        certificate.session.tls = Some(Tls { cert_subject: Some("cn".to_owned()), ..Tls::default() });
        let nobody = Mail::new();
        let cases = [
            (login, "dunno"),
            (certificate, "dunno"),
            (Mail::new().client("unknown", "203.0.113.9"), "dunno"),
            (Mail::new().client("mx.white.example", "192.0.2.1"), "dunno"),
            (Mail::new().identity(Identity::unverified("mx.white.example", NameStatus::Forged)), "defer"),
            (Mail::new().client("unknown", "198.51.100.1"), "dunno"),
            (Mail::new().to("postmaster@rcpt.example"), "dunno"),
            (Mail { recipient: None, ..Mail::new() }, "dunno"),
            (nobody, "defer"),
        ];
        for (mail, want) in cases {
            assert!(says("greylist", &settings, &mail, NEW).starts_with(want), "{mail:?}");
        }
    }

    #[test]
    fn only_the_suspicious_are_greylisted() {
        let cases = [
            (Identity::verified("mx.a.example"), "dunno", "dunno"),
            (Identity::default(), "defer", "dunno"),
            (Identity::unverified("mx.a.example", NameStatus::Forged), "defer", "dunno"),
            (Identity::unverified("mx.a.example", NameStatus::Temporary), "defer", "dunno"),
            (Identity::verified("dyn-7.a.example"), "dunno", "defer"),
            (Identity::unverified("192-0-2-1.a.example", NameStatus::Forged), "defer", "defer"),
        ];
        for (identity, unknown, dynamic) in cases {
            let mail = Mail::new().identity(identity);
            let says = |line| says(line, &with(|_| {}), &mail, NEW);
            assert!(says("greylist_unknown_client_hostname").starts_with(unknown), "{mail:?}");
            assert!(says("greylist_dynamic_client_hostname").starts_with(dynamic), "{mail:?}");
        }
    }
}
