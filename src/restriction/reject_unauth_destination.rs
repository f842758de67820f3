//! `permit_auth_destination`, `reject_unauth_destination` and `defer_unauth_destination`, of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, envelope::Path},
    smtp::reply::{Enhanced, Reply, ReplyCode},
    table::{domain_list::DomainList, pattern::GaveUp},
};
use std::sync::Arc;

macro_rules! manual {
    ($first:literal, $reply:literal, $example:literal) => {
        concat!(
            $first,
            "
A destination is authorised if its domain is in local_domains, or is in
relay_domains or below one of those. An address that after the MTA's rewriting
still says itself which way the mail should take (user%domain@example.net,
user@domain@example.net) is not.
",
            $reply,
            "
local_domains is what main.cf has in mydestination, virtual_alias_domains and
virtual_mailbox_domains; relay_domains is that of main.cf. If both are empty
it is an error when the configuration is loaded, since a list pasted from
main.cf would then refuse all mail. Leave it in smtpd_relay_restrictions of
main.cf too: Postfix must not be an open relay when mailward is not asked.

Postfix: knows its own domains, and counts addresses such as user@[192.0.2.1]
with one of its interfaces as its own; here: what the two settings say,
because that is all a milter knows. Write [192.0.2.1] into local_domains.
Postfix: with allow_untrusted_routing = yes the way of an address does not
matter; here: always, because that makes an open relay of many servers.

Example: ",
            $example,
            "\n"
        )
    };
}

const PERMIT: &str = manual!(
    "Permits a recipient of an authorised destination.\n",
    "
It ends only the list it stands in. DUNNO for every other recipient, and at
DATA and later when there are several.
",
    "recipient = [\"permit_auth_destination\", \"reject\"]"
);

const REJECT: &str = manual!(
    "Refuses a recipient whose destination is not authorised.\n",
    "
Reply: 554 5.7.1 <to>: Relay access denied
The code is relay_domains_reject_code. DUNNO for an authorised destination,
and at DATA and later when there are several recipients.
",
    "recipient = [\"permit_mynetworks\", \"reject_unauth_destination\"]"
);

const DEFER: &str = manual!(
    "Defers a recipient whose destination is not authorised.\n",
    "
Reply: 454 4.7.1 <to>: Relay access denied
The code is relay_domains_reject_code less 100. DUNNO for an authorised
destination, and at DATA and later when there are several recipients.
",
    "recipient = [\"permit_mynetworks\", \"defer_unauth_destination\"]"
);

pub(super) static KINDS: &[Kind] = &[
    kind("permit_auth_destination", PERMIT, |arguments| entry(arguments, Then::Permit)),
    kind("reject_unauth_destination", REJECT, |arguments| {
        let code = arguments.settings().codes.relay_domains_reject_code;
        entry(arguments, Then::Refuse(Some(code)))
    }),
    kind("defer_unauth_destination", DEFER, |arguments| {
        let code = arguments.settings().codes.relay_domains_reject_code.get() - 100;
        entry(arguments, Then::Refuse(ReplyCode::new(code)))
    }),
];

const fn kind(
    name: &'static str,
    manual: &'static str,
    parse: fn(&mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault>,
) -> Kind {
    Kind { name, aliases: &[], usage: "", needs: Event::Rcpt, manual, parse: Parse::Entry(parse) }
}

/// What follows from the destination.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// An authorised one is permitted.
    Permit,
    /// Every other is refused; without a code, with what Postfix answers instead of one that refuses nothing.
    Refuse(Option<ReplyCode>),
}

fn entry(arguments: &mut Arguments<'_>, then: Then) -> Result<Box<dyn Restriction>, Fault> {
    let settings = arguments.settings();
    let (relay, local) = (settings.relay_domains.clone(), settings.local_domains.clone());
    if relay.is_empty() && local.is_empty() {
        let name = &arguments.name().text;
        let message = format!("`{name}` needs `local_domains` or `relay_domains`, and both are empty");
        let fault = arguments.name().error(message);
        return Err(
            fault.help("leave it in smtpd_relay_restrictions of main.cf, where Postfix knows its domains")
        );
    }
    Ok(Box::new(AuthDestination { relay, local, then }))
}

#[derive(Debug)]
struct AuthDestination {
    relay: Arc<DomainList>,
    local: Arc<DomainList>,
    then: Then,
}

impl Restriction for AuthDestination {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(path) = request.recipient else { return Ok(Action::Dunno) };
        let authorised = match self.authorised(path, lookups) {
            Ok(authorised) => authorised,
            Err(gave_up) => {
                lookups.note(gave_up.to_string());
                return Ok(Action::Fault(reply(
                    path,
                    ReplyCode::known(451),
                    (3, 0),
                    "Temporary lookup failure",
                )));
            }
        };
        Ok(match self.then {
            Then::Permit if authorised => Action::Ok,
            Then::Refuse(code) if !authorised => Action::Reject(match code {
                Some(code) => reply(path, code, (7, 1), "Relay access denied"),
                None => Reply::new(ReplyCode::known(450), Enhanced::new(7, 1), "Service unavailable"),
            }),
            Then::Permit | Then::Refuse(_) => Action::Dunno,
        })
    }
}

impl AuthDestination {
    fn authorised(&self, path: &Path, lookups: &mut Lookups<'_>) -> Result<bool, GaveUp> {
        let Some(domain) = path.address.domain() else { return Ok(true) };
        if path.address.is_routed() {
            lookups.note("the address chooses its own way");
            return Ok(false);
        }
        let list = if self.local.contains(domain)? {
            "local_domains"
        } else if self.relay.contains(domain)? {
            "relay_domains"
        } else {
            return Ok(false);
        };
        lookups.note(format!("{domain} is in {list}"));
        Ok(true)
    }
}

fn reply(path: &Path, code: ReplyCode, (subject, detail): (u16, u16), text: &str) -> Reply {
    Reply::new(code, Enhanced::new(subject, detail), &format!("<{}>: {text}", path.address.typed))
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage},
        restriction::args::Settings,
        smtp::reply::ReplyCode,
        table::{
            domain_list::{DomainList, Subdomains},
            memory::{Memory, word},
        },
        testing::{Mail, rule_with, said_with, zone},
    };
    use std::sync::Arc;

    const NAMES: [&str; 3] =
        ["permit_auth_destination", "reject_unauth_destination", "defer_unauth_destination"];

    fn list(words: &str, subdomains: Subdomains) -> Arc<DomainList> {
        let words: Vec<_> = words.split_whitespace().map(word).collect();
        DomainList::load(&words, subdomains, &mut Memory::default()).into()
    }

    fn settings() -> Settings {
        Settings {
            local_domains: list("local.example [192.0.2.1]", Subdomains::None),
            relay_domains: list("!no.relay.example relay.example", Subdomains::Match),
            ..Settings::default()
        }
    }

    fn says(name: &str, mail: &Mail) -> String {
        said_with(name, &settings(), mail, &zone(""))
    }

    #[test]
    fn own_and_relayed_domains_are_authorised() {
        for to in
            ["a@local.example", "A@LOCAL.example", "a@relay.example", "a@mail.relay.example", "a@[192.0.2.1]"]
        {
            let said = NAMES.map(|name| says(name, &Mail::new().to(to)));
            assert_eq!(said, ["ok", "dunno", "dunno"], "{to}");
        }
    }

    #[test]
    fn others_are_not() {
        for to in [
            "a@other.example",
            "a@mail.local.example",
            "a@no.relay.example",
            "a@[192.0.2.2]",
            "a%other.example@local.example",
            "a@other.example@local.example",
            "other.example!a@relay.example",
        ] {
            let said = NAMES.map(|name| says(name, &Mail::new().to(to)));
            let reject = format!("reject 554 5.7.1 <{to}>: Relay access denied");
            let defer = format!("defer 454 4.7.1 <{to}>: Relay access denied");
            assert_eq!(said, ["dunno".to_owned(), reject, defer], "{to}");
        }
    }

    #[test]
    fn without_a_recipient_or_its_domain_there_is_nothing_to_judge() {
        let none = Mail::new().at(Event::Mail, Stage::Sender);
        assert_eq!(NAMES.map(|name| says(name, &none)), ["dunno"; 3]);
        let bare = Mail::new().to("postmaster");
        assert_eq!(NAMES.map(|name| says(name, &bare)), ["ok", "dunno", "dunno"]);
    }

    #[test]
    fn the_code_is_a_setting() {
        let said = |code: u16| {
            let mut settings = settings();
            settings.codes.relay_domains_reject_code = ReplyCode::new(code).unwrap();
            let said = |name: &str| said_with(name, &settings, &Mail::new(), &zone(""));
            [said("reject_unauth_destination"), said("defer_unauth_destination")]
        };
        let text = "<to@rcpt.example>: Relay access denied";
        assert_eq!(said(550), [format!("reject 550 5.7.1 {text}"), format!("defer 450 4.7.1 {text}")]);
        let unavailable = "defer 450 4.7.1 Service unavailable".to_owned();
        assert_eq!(said(450), [format!("defer 450 4.7.1 {text}"), unavailable]);
    }

    #[test]
    fn a_table_that_takes_too_long_is_a_temporary_fault() {
        let mut memory = Memory::default();
        memory.files.insert("t", "/^(a+)+$/ x\n".to_owned());
        let slow = DomainList::load(&[word("pcre:t")], Subdomains::None, &mut memory).into();
        let settings = Settings { local_domains: slow, ..Settings::default() };
        let to = format!("x@{}.", "a".repeat(60));
        let mail = Mail::new().to(&format!("{to}b"));
        let want = format!("fault 451 4.3.0 <{to}b>: Temporary lookup failure");
        assert_eq!(said_with("reject_unauth_destination", &settings, &mail, &zone("")), want);
    }

    #[test]
    fn without_domains_it_is_an_error_that_says_where_it_belongs() {
        for name in NAMES {
            let fault = rule_with(name, &Settings::default()).unwrap_err();
            let want = format!("`{name}` needs `local_domains` or `relay_domains`, and both are empty");
            assert_eq!(fault.message, want);
            let help = "leave it in smtpd_relay_restrictions of main.cf, where Postfix knows its domains";
            assert_eq!(fault.help.as_deref(), Some(help));
        }
    }
}
