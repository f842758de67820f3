//! `reject_rhsbl_client`, `reject_rhsbl_reverse_client`, `reject_rhsbl_helo`, `reject_rhsbl_sender` and
//! `reject_rhsbl_recipient` of postconf(5): lists of domain names.

use super::{Kind, Parse, Restriction, args::Arguments, block_list::BlockList};
use crate::{
    decision::action::Action,
    lookup::{
        Lookups, Pending,
        dnsxl::{self, ListKind, ListUse},
    },
    origin::Fault,
    request::{Event, Request, envelope::Path, session::UNKNOWN, subject::Subject},
};

const CLIENT: &str = "\
Refuses a client whose verified name is on a DNS list of domains.

Reply: 554 5.7.1 Service unavailable; Client host [name] blocked using
       dbl.spamhaus.org; the list's text
Code, words and filters are those of reject_rbl_client. Asked is
mail.example.net.dbl.spamhaus.org for mail.example.net: exactly that name, not
the domains above it. A name that ends with digits is not asked about.

A client without a verified name passes. When DNS does not answer, or the list
is set aside: DUNNO. Differences from Postfix: see reject_rbl_client.

Example: reject_rhsbl_client dbl.spamhaus.org=127.0.1.[2..99]
";

const REVERSE_CLIENT: &str = "\
Refuses a client whose PTR name, verified or not, is on a DNS list of domains.

Reply: 554 5.7.1 Service unavailable; Unverified Client host [name] blocked
       using dbl.spamhaus.org; the list's text
As reject_rhsbl_client, with the name that the address has in DNS, whether or
not it leads back.

A client without a PTR name passes. When DNS does not answer, or the list is
set aside: DUNNO. Differences from Postfix: see reject_rbl_client.

Example: reject_rhsbl_reverse_client dbl.spamhaus.org=127.0.1.[2..99]
";

const HELO: &str = "\
Refuses a client whose HELO name is on a DNS list of domains.

Reply: 554 5.7.1 Service unavailable; Helo command [name] blocked using
       dbl.spamhaus.org; the list's text
As reject_rhsbl_client, with the name that the client gives in HELO or EHLO.

Without HELO, and for an address in its place, it says nothing. When DNS does
not answer, or the list is set aside: DUNNO. Differences from Postfix: see
reject_rbl_client.

Example: reject_rhsbl_helo dbl.spamhaus.org=127.0.1.[2..99]
";

const SENDER: &str = "\
Refuses a sender whose domain is on a DNS list of domains.

Reply: 554 5.7.1 Service unavailable; Sender address [from] blocked using
       dbl.spamhaus.org; the list's text
As reject_rhsbl_client, with the domain of the sender's address as typed.

The null sender and user@[address] pass. When DNS does not answer, or the list
is set aside: DUNNO. Differences from Postfix: see reject_rbl_client.

Example: reject_rhsbl_sender dbl.spamhaus.org=127.0.1.[2..99]
";

const RECIPIENT: &str = "\
Refuses a recipient whose domain is on a DNS list of domains.

Reply: 554 5.7.1 Service unavailable; Recipient address [to] blocked using
       dbl.spamhaus.org; the list's text
As reject_rhsbl_client, with the domain of the recipient's address as typed.

user@[address] passes. When DNS does not answer, or the list is set aside:
DUNNO. Differences from Postfix: see reject_rbl_client.

Example: reject_rhsbl_recipient dbl.spamhaus.org=127.0.1.[2..99]
";

const fn kind(
    name: &'static str,
    needs: Event,
    manual: &'static str,
    parse: fn(&mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault>,
) -> Kind {
    Kind { name, aliases: &[], usage: "domain[=filter]", needs, manual, parse: Parse::Entry(parse) }
}

pub(super) static KINDS: &[Kind] = &[
    kind("reject_rhsbl_client", Event::Connect, CLIENT, |arguments| parse(Of::Client, arguments)),
    kind("reject_rhsbl_reverse_client", Event::Connect, REVERSE_CLIENT, |arguments| {
        parse(Of::ReverseClient, arguments)
    }),
    kind("reject_rhsbl_helo", Event::Helo, HELO, |arguments| parse(Of::Helo, arguments)),
    kind("reject_rhsbl_sender", Event::Mail, SENDER, |arguments| parse(Of::Sender, arguments)),
    kind("reject_rhsbl_recipient", Event::Rcpt, RECIPIENT, |arguments| parse(Of::Recipient, arguments)),
];

fn parse(of: Of, arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectRhsbl { of, list: BlockList::parse(arguments, ListKind::Name)? }))
}

/// Whose name is asked about.
#[derive(Clone, Copy, Debug)]
enum Of {
    Client,
    ReverseClient,
    Helo,
    Sender,
    Recipient,
}

impl Of {
    fn subject(self) -> Subject {
        match self {
            Self::Client => Subject::Client,
            Self::ReverseClient => Subject::ReverseClient,
            Self::Helo => Subject::Helo,
            Self::Sender => Subject::Sender,
            Self::Recipient => Subject::Recipient,
        }
    }

    /// The name or address, if it is known and one.
    fn what<'a>(self, request: &Request<'a>) -> Option<&'a str> {
        let identity = &request.session.client.identity;
        let typed = |path: &'a Path| path.address.typed.as_str();
        match self {
            Self::Client => Some(identity.name.as_str()).filter(|name| *name != UNKNOWN),
            Self::ReverseClient => Some(identity.reverse_name.as_str()).filter(|name| *name != UNKNOWN),
            Self::Helo => request.helo(),
            Self::Sender => request.sender().map(typed).filter(|sender| !sender.is_empty()),
            Self::Recipient => request.recipient.map(typed),
        }
    }
}

#[derive(Debug)]
struct RejectRhsbl {
    of: Of,
    list: BlockList,
}

impl Restriction for RejectRhsbl {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(what) = self.of.what(request) else { return Ok(Action::Dunno) };
        let Some(query) = dnsxl::name_query(what, self.list.zone()) else { return Ok(Action::Dunno) };
        self.list.check(Some(query), (self.of.subject(), what), request, lookups)
    }

    fn lists(&self) -> Vec<ListUse> {
        self.list.uses()
    }

    fn shown(&self) -> Option<&str> {
        self.list.shown()
    }
}

#[cfg(test)]
mod tests {
    use crate::lookup::Lookups;
    use crate::{
        request::{
            Event, Stage,
            session::{Identity, NameStatus},
        },
        testing::{Mail, said, wanted, zone},
    };

    /// The five, each with what it asks about in [`Mail::new`] and how its reply begins.
    const ALL: [(&str, &str, &str); 5] = [
        ("reject_rhsbl_client", "client.example", "Client host [client.example]"),
        ("reject_rhsbl_reverse_client", "client.example", "Unverified Client host [client.example]"),
        ("reject_rhsbl_helo", "helo.example", "Helo command [helo.example]"),
        ("reject_rhsbl_sender", "sender.example", "Sender address [from@sender.example]"),
        ("reject_rhsbl_recipient", "rcpt.example", "Recipient address [to@rcpt.example]"),
    ];

    #[test]
    fn a_listed_name_is_refused_with_the_list_s_text() {
        for (name, domain, what) in ALL {
            let dns = zone(&format!("A {domain}.bl.example 127.0.0.2; TXT {domain}.bl.example bad, worse"));
            let want =
                format!("reject 554 5.7.1 Service unavailable; {what} blocked using bl.example; bad / worse");
            assert_eq!(said(&format!("{name} bl.example"), &Mail::new(), &dns), want);
            let miss = format!("{name} bl.example=127.0.0.3");
            assert_eq!(said(&miss, &Mail::new(), &dns), "dunno");
        }
    }

    #[test]
    fn what_is_not_listed_or_not_known_passes() {
        for (name, domain, _) in ALL {
            for answer in ["NOTFOUND", "TEMPORARY", "FAILED", "INVALID", "SETASIDE"] {
                let dns = zone(&format!("A {domain}.bl.example {answer}"));
                assert_eq!(said(&format!("{name} bl.example"), &Mail::new(), &dns), "dunno", "{answer}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_no_name_is_not_asked_about() {
        let nothing = zone("");
        let early = Mail::new().at(Event::Connect, Stage::Client);
        let unknown = Mail::new().client("unknown", "192.0.2.1");
        let forged = Mail::new().identity(Identity::unverified("x.example", NameStatus::Forged));
        let cases = [
            ("reject_rhsbl_client", &unknown),
            ("reject_rhsbl_client", &forged),
            ("reject_rhsbl_reverse_client", &unknown),
            ("reject_rhsbl_helo", &early),
            ("reject_rhsbl_helo", &Mail::new().helo("192.0.2.1")),
            ("reject_rhsbl_helo", &Mail::new().helo("[192.0.2.1]")),
            ("reject_rhsbl_helo", &Mail::new().helo("helo.example.")),
            ("reject_rhsbl_sender", &early),
            ("reject_rhsbl_sender", &Mail::new().from("")),
            ("reject_rhsbl_sender", &Mail::new().from("a@[192.0.2.1]")),
            ("reject_rhsbl_sender", &Mail::new().from("a@x.12345")),
            ("reject_rhsbl_recipient", &early),
            ("reject_rhsbl_recipient", &Mail::new().to("a@[IPv6:::1]")),
        ];
        for (name, mail) in cases {
            assert_eq!(said(&format!("{name} bl.example"), mail, &nothing), "dunno", "{name} {mail:?}");
        }
    }

    #[test]
    fn the_name_is_asked_for_exactly_and_in_a_labels() {
        let cases = [
            ("reject_rhsbl_reverse_client", "X.example", "A x.example.bl.example"),
            ("reject_rhsbl_sender", "größe.example", "A xn--gre-6ka8i.example.bl.example"),
            ("reject_rhsbl_sender", "localhost", "A localhost.bl.example"),
        ];
        for (name, domain, want) in cases {
            let mail = Mail::new().from(&format!("a@{domain}"));
            let mail = mail.identity(Identity::unverified(domain, NameStatus::Forged));
            let dns = zone("");
            assert_eq!(wanted(&format!("{name} bl.example"), &mail, Lookups::new(&dns)), want);
        }
    }
}
