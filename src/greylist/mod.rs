//! Greylisting as pure functions: who a client is, which senders are one, and what a row in the store means.
//!
//! RFC 6647; Harris, "The Next Step in the Spam Control War: Greylisting" (2003). The store reads the rows of every name
//! under which a client may have come before, [`judge`] says what they mean, and the strongest name's row is written.

pub mod identity;
pub mod judge;
pub mod sender;
pub mod whitelist;

use crate::{
    lookup::greylist::{Observation, Outgoing, Profile, Terms, Voucher},
    request::{
        Request,
        session::{Client, NameStatus},
    },
    smtp::address::with_a_labels,
    time::Timestamp,
};
use identity::Prefixes;
use std::time::Duration;
use whitelist::{Clients, Recipients};

/// How many bytes of a sender or recipient are kept; RFC 5321 section 4.5.3.1 allows 320.
const ADDRESS_LIMIT: usize = 512;

/// What `[greylist]` says to the rules; the store has settings of its own.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The numbers.
    pub terms: Terms,
    /// The lengths of the networks that count as one client.
    pub prefixes: Prefixes,
    /// Whether a retry is recognised by the domain of the client's verified name too. Default yes.
    pub verified_names: bool,
    /// How many proven retries make an address known, whatever the sender. Default 2; 0: never.
    pub known_after: u32,
    /// Whether the first proven recipient does not clear the rest of the message. Default no.
    pub per_recipient: bool,
    /// Local parts of senders that probe addresses: deferred at DATA only, as the null sender.
    pub probe_senders: Vec<String>,
    /// Whether the reply says how long to wait. Default yes.
    pub reveal_time: bool,
    /// Where people read what greylisting is: stands in the reply if it is not empty.
    pub url: String,
    /// Whether the first mail that waited gets a header field. Default yes.
    pub header: bool,
    /// What a mail hears when the store does not answer.
    pub on_store_failure: OnStoreFailure,
    /// Whether those whom authenticated users write to may answer without waiting. Default yes.
    pub learn_outgoing: bool,
    /// Whether nothing takes effect: `mode = "observe"`.
    pub observed: bool,
    /// `whitelist_clients`.
    pub clients: Clients,
    /// `whitelist_recipients`.
    pub recipients: Recipients,
}

/// How long rows live in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// A waiting row, after its first attempt.
    pub waiting: Duration,
    /// A passed row, after its last use.
    pub passed: Duration,
    /// A known client, after its last mail.
    pub known: Duration,
}

/// Which entries of known clients let mail pass now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBy {
    /// How many proven retries make an address known, whatever the sender; `None`: never.
    pub address: Option<u32>,
    /// The same of a verified name's domain, for a sender domain.
    pub name: Option<u32>,
    /// The same of a network, for a sender domain.
    pub network: Option<u32>,
    /// Those whose last mail is older count no more.
    pub since: Timestamp,
}

impl KnownBy {
    /// How many proven retries an entry needs; `None` where entries of its kind let nobody pass.
    pub fn passes(&self, client: &str, sender_domain: &str) -> Option<u32> {
        match (sender_domain.is_empty(), client.starts_with("ptr:")) {
            (true, _) => self.address,
            (false, true) => self.name,
            (false, false) => self.network,
        }
    }
}

/// What a mail hears when the store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// It passes.
    #[default]
    Accept,
    /// It is deferred.
    Tempfail,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            terms: Terms::default(),
            prefixes: Prefixes::default(),
            verified_names: true,
            known_after: 2,
            per_recipient: false,
            probe_senders: ["double-bounce", "mailer-daemon", "postmaster"].map(str::to_owned).into(),
            reveal_time: true,
            url: String::new(),
            header: true,
            on_store_failure: OnStoreFailure::Accept,
            learn_outgoing: true,
            observed: false,
            clients: Clients::default(),
            recipients: Recipients::default(),
        }
    }
}

impl Settings {
    /// The settings with which `profile = "postgrey"` begins.
    pub fn postgrey() -> Self {
        const DAY: u64 = 86_400;
        let seconds = Duration::from_secs;
        let terms = Terms {
            profile: Profile::Postgrey,
            delay: seconds(300),
            retry_window: seconds(2 * DAY),
            max_age: seconds(35 * DAY),
            known_max_age: seconds(35 * DAY),
            waiting_limit: 0,
            ..Terms::default()
        };
        let base = Self::default();
        Self {
            terms,
            verified_names: false,
            known_after: 5,
            per_recipient: true,
            probe_senders: Vec::new(),
            learn_outgoing: false,
            ..base
        }
    }

    /// How long rows live.
    pub fn ages(&self) -> Ages {
        let Terms { retry_window, max_age, known_max_age, .. } = self.terms;
        Ages { waiting: retry_window, passed: max_age, known: known_max_age }
    }

    /// The key of a sender, in the profile's form; of one that writes to this recipient.
    pub fn sender_key(&self, sender: &str, recipient: &str) -> String {
        match self.terms.profile {
            Profile::Mailward => sender::normalised(sender, recipient),
            Profile::Postgrey => sender::postgrey(sender),
        }
    }

    /// Which entries of known clients let mail pass now.
    pub fn known_by(&self, now: Timestamp) -> KnownBy {
        let Terms { profile, known_max_age, .. } = &self.terms;
        let age = i64::try_from(known_max_age.as_secs()).unwrap_or(i64::MAX);
        // postgrey knows whole clients only, and forgets them when it cleans up.
        let (domains, since) = match profile {
            Profile::Mailward => (Some(1), Timestamp(now.0.saturating_sub(age))),
            Profile::Postgrey => (None, Timestamp(i64::MIN)),
        };
        KnownBy {
            address: Some(self.known_after).filter(|passes| *passes > 0),
            name: domains.filter(|_| self.verified_names),
            network: domains,
            since,
        }
    }

    /// Whether this sender is deferred only at DATA: callers that ask whether an address exists never get that far, and
    /// a refusal at RCPT would tell them that it does not.
    pub fn is_probe(&self, request: &Request<'_>) -> bool {
        let Some(sender) = request.sender().filter(|_| self.terms.profile == Profile::Mailward) else {
            return false;
        };
        let internal = sender.address.internal();
        let local = internal.rsplit_once('@').map_or(&*internal, |(local, _)| local);
        sender.address.is_null() || self.probe_senders.iter().any(|probe| probe == local)
    }

    /// What the store is to note of a request; `None` where there is nothing to recognise a retry by.
    pub fn observation(&self, request: &Request<'_>, warn_only: bool) -> Option<Observation> {
        let client = &request.session.client;
        let address = client.address?;
        let (sender, recipient) =
            (request.sender()?.address.internal(), request.recipient?.address.internal());
        let (sender, recipient) = (with_a_labels(&sender), with_a_labels(&recipient));
        let network = self.prefixes.network(address);
        let vouched = vouched_domain(client);
        let sender_domain = sender.rsplit_once('@').and_then(|(_, domain)| identity::registrable(domain));
        // Without it anybody could write the name of a correspondent.
        let own_domain = sender_domain.is_some() && vouched == sender_domain;
        let domain = vouched.filter(|_| self.verified_names).map(|domain| format!("ptr:{domain}"));
        let mut vouchers = Vec::new();
        if self.known_after > 0 {
            let client = match self.terms.profile {
                Profile::Mailward => self.prefixes.host(address),
                Profile::Postgrey => address.to_string(),
            };
            vouchers.push(Voucher { client, sender_domain: String::new(), passes: self.known_after });
        }
        // A network or a domain has many tenants: it is known for the sender's domain only.
        if let Some(sender_domain) = sender_domain.filter(|_| self.terms.profile == Profile::Mailward) {
            for client in domain.iter().chain([&network]) {
                let client = client.clone();
                vouchers.push(Voucher { client, sender_domain: sender_domain.clone(), passes: 1 });
            }
        }
        let correspondent = if self.learn_outgoing { bounded(&sender) } else { String::new() };
        let sender = self.sender_key(&sender, &recipient);
        let verified = client.identity.name_status == NameStatus::Verified;
        Some(Observation {
            clients: domain.into_iter().chain([network.clone()]).collect(),
            network,
            sender: bounded(&sender),
            recipient: bounded(&recipient),
            vouchers,
            address: address.to_string(),
            name: if verified { bounded(&client.identity.name) } else { String::new() },
            now: request.now,
            observed: self.observed || warn_only,
            brief: self.terms.profile == Profile::Mailward && self.is_probe(request),
            correspondent,
            own_domain,
            terms: self.terms.clone(),
        })
    }
}

/// More recipients make a message no letter to correspondents.
pub const OUTGOING_LIMIT: usize = 20;

/// What is to be remembered of a message that a local user sent: whom it went to, unless that is a crowd or a machine
/// that takes unsubscriptions.
pub fn outgoing(sender: &str, recipients: &[String], now: Timestamp) -> Option<Outgoing> {
    if sender.is_empty() || recipients.len() > OUTGOING_LIMIT {
        return None;
    }
    let person = |address: &&String| {
        let local = address.rsplit_once('@').map_or("", |(local, _)| local);
        !local.is_empty() && !["unsubscribe", "unsub", "leave"].iter().any(|word| local.contains(word))
    };
    let remote: Vec<String> =
        recipients.iter().filter(person).map(|address| bounded(&with_a_labels(address))).collect();
    (!remote.is_empty()).then(|| Outgoing { local: bounded(&with_a_labels(sender)), remote, now })
}

/// The domain of a client's verified name, if that name says who runs it.
fn vouched_domain(client: &Client) -> Option<String> {
    let identity = &client.identity;
    if identity.name_status != NameStatus::Verified || identity::is_dynamic(&identity.name, client.address?) {
        return None;
    }
    identity::registrable(&identity.name)
}

fn bounded(text: &str) -> String {
    crate::smtp::text::cut(text, ADDRESS_LIMIT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        request::session::Identity,
        testing::{Mail, NOW},
    };

    fn observed(settings: &Settings, mail: &Mail) -> Observation {
        settings.observation(&mail.request(), false).unwrap()
    }

    #[test]
    fn a_client_with_a_verified_name_is_its_domain_or_its_network() {
        let mail = Mail::new().client("mx3.out.example.org", "192.0.2.1").from("Bob+x@mail.example.net");
        let seen = observed(&Settings::default(), &mail);
        assert_eq!(seen.clients, ["ptr:example.org", "192.0.2.0/24"]);
        assert_eq!(
            (seen.sender.as_str(), seen.recipient.as_str()),
            ("bob@mail.example.net", "to@rcpt.example")
        );
        let vouchers: Vec<_> =
            seen.vouchers.iter().map(|v| (v.client.as_str(), v.sender_domain.as_str(), v.passes)).collect();
        let want =
            [("192.0.2.1", "", 2), ("ptr:example.org", "example.net", 1), ("192.0.2.0/24", "example.net", 1)];
        assert_eq!(vouchers, want);
        assert_eq!((seen.now, seen.observed, seen.brief), (NOW, false, false));
    }

    #[test]
    fn a_name_that_is_not_verified_or_carries_the_address_is_no_identity() {
        let network = ["192.0.2.0/24"];
        for identity in [
            Identity::default(),
            Identity::unverified("mx.example.org", NameStatus::Forged),
            Identity::unverified("mx.example.org", NameStatus::Temporary),
            Identity::verified("static.1.2.0.192.clients.example.org"),
        ] {
            let mail = Mail::new().identity(identity);
            assert_eq!(observed(&Settings::default(), &mail).clients, network, "{mail:?}");
        }
        let six = Mail::new().client("unknown", "2001:db8:0:1::7");
        let seen = observed(&Settings::default(), &six);
        assert_eq!(seen.clients, ["2001:db8:0:1::/64"]);
        assert_eq!(seen.vouchers[0].client, "2001:db8:0:1::/64");
    }

    #[test]
    fn the_null_sender_vouches_for_the_address_only_and_is_a_probe() {
        let mail = Mail::new().from("");
        let seen = observed(&Settings::default(), &mail);
        assert_eq!((seen.sender.as_str(), seen.vouchers.len(), seen.brief), ("", 1, true));
        for (sender, probe) in [("", true), ("postmaster@a.example", true), ("bob@a.example", false)] {
            let mail = Mail::new().from(sender);
            assert_eq!(Settings::default().is_probe(&mail.request()), probe, "{sender}");
            assert!(!Settings::postgrey().is_probe(&mail.request()));
        }
    }

    #[test]
    fn a_correspondent_is_known_by_the_verified_name_of_its_host() {
        let forged = Identity::unverified("mx.example.org", NameStatus::Forged);
        let cases = [
            (Identity::verified("mx3.out.example.org"), "bob@mail.example.org", true),
            (Identity::verified("mx3.out.example.org"), "bob@example.net", false),
            (Identity::verified("mx.example.co.uk"), "bob@other.co.uk", false),
            (Identity::verified("co.uk"), "bob@co.uk", false),
            (Identity::verified("mx.example.org"), "", false),
            (Identity::verified("mx.example.org"), "example.org", false),
            (forged, "bob@example.org", false),
            // One rented line of a provider is not the provider.
            (Identity::verified("static.1.2.0.192.example.org"), "bob@example.org", false),
        ];
        for (identity, sender, want) in cases {
            let mail = Mail::new().identity(identity).from(sender);
            assert_eq!(observed(&Settings::default(), &mail).own_domain, want, "{mail:?}");
            let nameless = Settings { verified_names: false, ..Settings::default() };
            assert_eq!(observed(&nameless, &mail).own_domain, want);
        }
    }

    #[test]
    fn only_letters_to_people_make_correspondents() {
        let to = |all: &[&str]| all.iter().map(|address| (*address).to_owned()).collect::<Vec<_>>();
        let learnt = |sender, all: &[&str]| outgoing(sender, &to(all), NOW).map(|outgoing| outgoing.remote);
        assert_eq!(
            learnt("me@a.example", &["you@b.example", "list-leave@b.example", "local"]),
            Some(to(&["you@b.example"]))
        );
        assert_eq!(learnt("me@a.example", &["unsubscribe@b.example"]), None);
        assert_eq!(learnt("", &["you@b.example"]), None);
        assert!(learnt("me@a.example", &["you@b.example"; OUTGOING_LIMIT]).is_some());
        assert_eq!(learnt("me@a.example", &["you@b.example"; OUTGOING_LIMIT + 1]), None);
    }

    #[test]
    fn both_forms_of_a_domain_are_one_key_on_all_sides() {
        let written = |domain: &str| {
            let mail = Mail::new()
                .client("mx3.out.xn--bcher-kva.example", "192.0.2.1")
                .from(&format!("bob@mail.{domain}"))
                .to(&format!("to@{domain}"));
            observed(&Settings::default(), &mail)
        };
        let (a_labels, u_labels) = (written("xn--bcher-kva.example"), written("b\u{fc}cher.example"));
        assert_eq!(a_labels, u_labels);
        assert!(u_labels.own_domain);
        let domains: Vec<_> = u_labels.vouchers.iter().map(|voucher| &*voucher.sender_domain).collect();
        assert_eq!(domains, ["", "xn--bcher-kva.example", "xn--bcher-kva.example"]);
        // Whom a user wrote to in one form answers in the other.
        let remote = ["bob@mail.b\u{fc}cher.example".to_owned()];
        let learnt = outgoing("to@b\u{fc}cher.example", &remote, NOW).unwrap();
        assert_eq!((learnt.remote, learnt.local), (vec![a_labels.correspondent], a_labels.recipient));
    }

    #[test]
    fn postgrey_knows_networks_and_addresses_only() {
        let mail = Mail::new().client("mx.example.org", "192.0.2.1").from("bounce-12@example.net");
        let seen = observed(&Settings::postgrey(), &mail);
        assert_eq!(
            (seen.clients.as_slice(), seen.sender.as_str()),
            (&["192.0.2.0/24".to_owned()][..], "bounce-#@example.net")
        );
        assert_eq!((seen.vouchers.len(), seen.vouchers[0].passes), (1, 5));
    }
}
