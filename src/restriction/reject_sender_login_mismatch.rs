//! `reject_sender_login_mismatch` and its siblings, of postconf(5), with smtpd_sender_login_maps.

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, envelope::Path, subject::Subject},
    smtp::{
        address::owner_keys,
        reply::{Enhanced, Reply, ReplyCode},
        text,
    },
    table::{pattern::GaveUp, texts::TextTable},
};
use std::sync::Arc;

macro_rules! manual {
    ($first:literal, $replies:literal, $name:literal) => {
        concat!(
            $first,
            $replies,
            "
The owners of an address are the logins, between blanks or commas, that
sender_login_maps (main.cf's smtpd_sender_login_maps) has for it. The keys are
user+ext@example.net, user@example.net (with recipient_delimiter), user+ext
and user where this MTA delivers the domain itself, @example.net. Letters of
any case are the same. Tables of the types regexp: and pcre: see only the
complete address. The address is the one after the MTA's rewriting; the reply
shows it as typed. DUNNO for the null sender.

Without sender_login_maps it is an error when the configuration is loaded.
A table whose pattern takes too long answers 451 4.3.0 <from>: Temporary
lookup failure.
Postfix: knows its own domains by myorigin and mydestination; here: by the
transport local in {mail_mailer}, because that is what a milter is told.
Postfix: says nothing in a smtpd without SASL (smtpd_sasl_auth_enable = no);
here: judges there too, because a milter is not told. Keep it out of the list
of a port without AUTH if owners send from elsewhere.

Example: sender = [\"",
            $name,
            "\"]\n"
        )
    };
}

const BOTH: &str = manual!(
    "Refuses a sender address that the client's login does not own.\n",
    "
Reply for a client that has logged in, also if the address has no owner:
    553 5.7.1 <from>: Sender address rejected: not owned by user login
Reply for one that has not, if the address has an owner:
    553 5.7.1 <from>: Sender address rejected: not logged in
",
    "reject_sender_login_mismatch"
);

const KNOWN: &str = manual!(
    "Refuses a sender address that has owners, and the client is none.\n",
    "
Reply for a client that has logged in:
    553 5.7.1 <from>: Sender address rejected: not owned by user login
Reply for one that has not:
    553 5.7.1 <from>: Sender address rejected: not logged in
DUNNO for an address without owners.
",
    "reject_known_sender_login_mismatch"
);

const AUTHENTICATED: &str = manual!(
    "Refuses a login a sender address that it does not own.\n",
    "
Reply, also if the address has no owner:
    553 5.7.1 <from>: Sender address rejected: not owned by user login
DUNNO for a client that has not logged in.
",
    "reject_authenticated_sender_login_mismatch"
);

const UNAUTHENTICATED: &str = manual!(
    "Refuses a sender address that has owners to a client without a login.\n",
    "
Reply: 553 5.7.1 <from>: Sender address rejected: not logged in
DUNNO for a client that has logged in, and for an address without owners.
",
    "reject_unauthenticated_sender_login_mismatch"
);

pub(super) static KINDS: &[Kind] = &[
    kind("reject_sender_login_mismatch", BOTH, |arguments| entry(arguments, Who::Everybody)),
    kind("reject_known_sender_login_mismatch", KNOWN, |arguments| entry(arguments, Who::OfOwnedAddresses)),
    kind("reject_authenticated_sender_login_mismatch", AUTHENTICATED, |arguments| {
        entry(arguments, Who::Authenticated)
    }),
    kind("reject_unauthenticated_sender_login_mismatch", UNAUTHENTICATED, |arguments| {
        entry(arguments, Who::Unauthenticated)
    }),
];

const fn kind(
    name: &'static str,
    manual: &'static str,
    parse: fn(&mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault>,
) -> Kind {
    Kind { name, aliases: &[], usage: "", needs: Event::Mail, manual, parse: Parse::Entry(parse) }
}

/// Whose mail is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Everybody,
    OfOwnedAddresses,
    Authenticated,
    Unauthenticated,
}

fn entry(arguments: &mut Arguments<'_>, who: Who) -> Result<Box<dyn Restriction>, Fault> {
    let settings = arguments.settings();
    let (maps, delimiters) = (settings.sender_login_maps.clone(), settings.recipient_delimiter.clone());
    if maps.is_empty() {
        let name = &arguments.name().text;
        let fault = arguments.name().error(format!("`{name}` needs `sender_login_maps`, which is empty"));
        return Err(
            fault.help("set it as smtpd_sender_login_maps of main.cf, or leave the restriction there")
        );
    }
    Ok(Box::new(LoginMismatch { who, maps, delimiters }))
}

#[derive(Debug)]
struct LoginMismatch {
    who: Who,
    maps: Arc<[TextTable]>,
    delimiters: String,
}

impl Restriction for LoginMismatch {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(path) = request.sender().filter(|path| !path.address.is_null()) else {
            return Ok(Action::Dunno);
        };
        let login = request.session.login.as_ref().map(|login| login.name.as_str());
        match (self.who, login) {
            (Who::Authenticated, None) | (Who::Unauthenticated, Some(_)) => return Ok(Action::Dunno),
            (Who::Everybody | Who::OfOwnedAddresses, _)
            | (Who::Authenticated, Some(_))
            | (Who::Unauthenticated, None) => {}
        }
        let owners = match self.owners(path) {
            Ok(owners) => owners,
            Err(gave_up) => {
                lookups.note(gave_up.to_string());
                let text = format!("<{}>: Temporary lookup failure", path.address.typed);
                return Ok(Action::Fault(Reply::new(ReplyCode::known(451), Enhanced::new(3, 0), &text)));
            }
        };
        match &owners {
            Some(owners) => lookups.note(format!("owned by {}", text::escaped(owners))),
            None => lookups.note("nobody owns the address"),
        }
        let text = match (login, owners) {
            (Some(login), Some(owners)) if is_among(login, &owners) => return Ok(Action::Dunno),
            (Some(_), None) if self.who == Who::OfOwnedAddresses => return Ok(Action::Dunno),
            (Some(login), _) => format!("not owned by user {login}"),
            (None, Some(_)) => "not logged in".to_owned(),
            (None, None) => return Ok(Action::Dunno),
        };
        const CODE: ReplyCode = ReplyCode::known(553);
        Ok(Action::Reject(Subject::Sender.rejected(request, CODE, Enhanced::new(7, 1), &text)))
    }
}

impl LoginMismatch {
    /// The owners of an address: the first key that any table has counts, in external form before internal form.
    fn owners(&self, path: &Path) -> Result<Option<String>, GaveUp> {
        let local = path.mailer.as_deref() == Some("local");
        let internal = path.address.internal();
        for (number, key) in owner_keys(&internal, &self.delimiters, local).enumerate() {
            for form in key.forms() {
                for table in self.maps.iter() {
                    let found =
                        if number == 0 { table.full(form)? } else { table.partial(&form.to_lowercase())? };
                    if let Some(owners) = found {
                        return Ok(Some(owners.into_owned()));
                    }
                }
            }
        }
        Ok(None)
    }
}

fn is_among(login: &str, owners: &str) -> bool {
    let separator = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | ',');
    owners.split(separator).any(|owner| !owner.is_empty() && owner.to_lowercase() == login.to_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::{
        request::session::Login,
        restriction::args::Settings,
        table::{
            memory::{Memory, word},
            texts::TextTable,
        },
        testing::{Mail, rule_with, said_with, zone},
    };
    use std::sync::Arc;

    const NAMES: [&str; 4] = [
        "reject_sender_login_mismatch",
        "reject_known_sender_login_mismatch",
        "reject_authenticated_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch",
    ];

    fn settings(tables: &[&str]) -> Settings {
        let mut memory = Memory::default();
        memory.files.insert("slow", "/^(a+)+$/ x\n".to_owned());
        memory.files.insert("patterns", "/^(.*)@pat\\.example$/ ${1}\n".to_owned());
        let maps = tables.iter().map(|table| TextTable::load(&word(table), &mut memory).unwrap());
        let sender_login_maps: Arc<[TextTable]> = maps.collect();
        assert_eq!(memory.messages(), [""; 0]);
        Settings { sender_login_maps, recipient_delimiter: "+".to_owned(), ..Settings::default() }
    }

    fn mail(sender: &str, login: Option<&str>) -> Mail {
        let mut mail = Mail::new().from(sender);
        mail.session.login = login.map(|name| Login { method: "PLAIN".to_owned(), name: name.to_owned() });
        mail
    }

    const MAP: &str = "inline:{{a@own.example=ann, bob},@all.example=carl,user@ext.example=ann,home=ann}";

    #[test]
    fn owners_may_send_and_others_may_not() {
        let not_owned = |from: &str, login: &str| {
            format!("reject 553 5.7.1 <{from}>: Sender address rejected: not owned by user {login}")
        };
        let anonymous =
            |from: &str| format!("reject 553 5.7.1 <{from}>: Sender address rejected: not logged in");
        let dunno = || "dunno".to_owned();
        // The sender, the login, and what the four restrictions say.
        let own = "a@own.example";
        let cases = [
            (own, Some("ann"), [dunno(), dunno(), dunno(), dunno()]),
            (own, Some("BOB"), [dunno(), dunno(), dunno(), dunno()]),
            (
                own,
                Some("eve"),
                [not_owned(own, "eve"), not_owned(own, "eve"), not_owned(own, "eve"), dunno()],
            ),
            (own, None, [anonymous(own), anonymous(own), dunno(), anonymous(own)]),
            ("x@y.example", Some("ann"), {
                let said = not_owned("x@y.example", "ann");
                [said.clone(), dunno(), said, dunno()]
            }),
            ("x@y.example", None, [dunno(), dunno(), dunno(), dunno()]),
            ("", Some("eve"), [dunno(), dunno(), dunno(), dunno()]),
            ("", None, [dunno(), dunno(), dunno(), dunno()]),
        ];
        for (sender, login, want) in cases {
            let mail = mail(sender, login);
            let said = NAMES.map(|name| said_with(name, &settings(&[MAP]), &mail, &zone("")));
            assert_eq!(said, want, "<{sender}> {login:?}");
        }
    }

    #[test]
    fn addresses_are_looked_up_as_mail_addr_find_does() {
        let tables = settings(&[MAP, "regexp:patterns"]);
        let cases = [
            ("A@Own.example", "ann", None, "dunno"),
            ("any@all.example", "carl", None, "dunno"),
            ("any@all.example", "ann", None, "any@all.example"),
            ("user+x@ext.example", "ann", None, "dunno"),
            ("home@here.example", "ann", Some("local"), "dunno"),
            ("home+x@here.example", "ann", Some("local"), "dunno"),
            ("home@here.example", "ann", Some("smtp"), "home@here.example"),
            ("joe@pat.example", "joe", None, "dunno"),
            ("joe@pat.example", "ann", None, "joe@pat.example"),
        ];
        for (sender, login, mailer, want) in cases {
            let mut mail = mail(sender, Some(login));
            if let Some(sender) = &mut mail.envelope.sender {
                sender.mailer = mailer.map(str::to_owned);
            }
            let want = match want {
                "dunno" => want.to_owned(),
                from => {
                    format!("reject 553 5.7.1 <{from}>: Sender address rejected: not owned by user {login}")
                }
            };
            assert_eq!(said_with(NAMES[0], &tables, &mail, &zone("")), want, "{sender} {login}");
        }
        let mail = mail("\"a b\"@own.example", Some("ann"));
        for key in ["{\"a b\"@own.example=ann}", "{a b@own.example=ann}"] {
            let tables = settings(&[&format!("inline:{{{key}}}")]);
            assert_eq!(said_with(NAMES[0], &tables, &mail, &zone("")), "dunno", "{key}");
        }
    }

    #[test]
    fn a_table_that_takes_too_long_is_a_temporary_fault() {
        let tables = settings(&["pcre:slow"]);
        let from = format!("{}@x", "a".repeat(60));
        let want = format!("fault 451 4.3.0 <{from}>: Temporary lookup failure");
        assert_eq!(said_with(NAMES[0], &tables, &mail(&from, Some("ann")), &zone("")), want);
    }

    #[test]
    fn without_a_map_it_is_an_error() {
        for name in NAMES {
            let fault = rule_with(name, &Settings::default()).unwrap_err();
            assert_eq!(fault.message, format!("`{name}` needs `sender_login_maps`, which is empty"));
        }
    }
}
