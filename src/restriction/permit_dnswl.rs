//! `permit_dnswl_client` and `permit_rhswl_client` of postconf(5): allow lists.

use super::{
    Kind, Parse, Restriction,
    args::Arguments,
    list::{self, List, Listing},
};
use crate::{
    decision::action::Action,
    lookup::{
        Lookups, Pending,
        dnsxl::{self, ListKind, ListUse},
    },
    origin::Fault,
    request::{Event, Request, session::UNKNOWN, subject::Subject},
    smtp::reply::{Enhanced, Reply, ReplyCode},
};

const ADDRESS: &str = "\
Permits a client whose address is on a DNS allow list.

OK for a listed client: the rest of this list is skipped, not the other lists.
Names and filters are those of reject_rbl_client. Write a filter: without one
any answer permits.

When DNS does not answer: DEFER_IF_REJECT with
    450 4.7.1 <address>: Client host rejected: Service unavailable
so that a client that may be on the list is not refused for good. When the
list is set aside: DUNNO.

Postfix: permits at RCPT TO only where it is the recipient's destination, so
that an allow list opens no relay; here: everywhere, because relay control
stays in main.cf (reject_unauth_destination) and a permit here cannot undo it.

Example: permit_dnswl_client list.dnswl.org=127.0.[0..255].[1..3]
";

const NAME: &str = "\
Permits a client whose verified name is on a DNS allow list.

As permit_dnswl_client, with the name: exactly that one, not the domains above
it. A client without a verified name is not looked up, nor is a name that ends
with digits.

When DNS does not answer: DEFER_IF_REJECT with
    450 4.7.1 <name>: Client host rejected: Service unavailable
When the list is set aside: DUNNO.

Postfix: permits at RCPT TO only where it is the recipient's destination;
here: everywhere, because relay control stays in main.cf.

Example: permit_rhswl_client swl.example.net=127.0.0.2
";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "permit_dnswl_client",
        aliases: &[],
        usage: "domain[=filter]",
        needs: Event::Connect,
        manual: ADDRESS,
        parse: Parse::Entry(|arguments| parse(ListKind::Address, arguments)),
    },
    Kind {
        name: "permit_rhswl_client",
        aliases: &[],
        usage: "domain[=filter]",
        needs: Event::Connect,
        manual: NAME,
        parse: Parse::Entry(|arguments| parse(ListKind::Name, arguments)),
    },
];

fn parse(kind: ListKind, arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let (list, entry) = list::allow_list(arguments, kind)?;
    Ok(Box::new(PermitDnswl { list, entry }))
}

#[derive(Debug)]
struct PermitDnswl {
    list: List,
    entry: Option<String>,
}

impl Restriction for PermitDnswl {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let client = &request.session.client;
        let zone = &self.list.used.zone;
        let (what, query) = match self.list.used.kind {
            ListKind::Address => {
                let Some(address) = client.address else { return Ok(Action::Dunno) };
                (client.address_text(), dnsxl::address_query(address, zone))
            }
            ListKind::Name if client.identity.name == UNKNOWN => return Ok(Action::Dunno),
            ListKind::Name => (client.identity.name.clone(), dnsxl::name_query(&client.identity.name, zone)),
        };
        let Some(query) = query else { return Ok(Action::Dunno) };
        Ok(match self.list.ask(Some(query), false, lookups)? {
            Listing::Listed { .. } => Action::Ok,
            Listing::NotListed | Listing::SetAside => Action::Dunno,
            Listing::Unknown => Action::DeferIfReject(unavailable(&what)),
        })
    }

    fn lists(&self) -> Vec<ListUse> {
        vec![self.list.used.clone()]
    }

    fn shown(&self) -> Option<&str> {
        self.entry.as_deref()
    }
}

fn unavailable(what: &str) -> Reply {
    let text = format!("<{what}>: {} rejected: Service unavailable", Subject::Client.class());
    Reply::new(ReplyCode::known(450), Enhanced::new(7, 1), &text)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Mail, said, zone};

    const DNSWL: &str = "permit_dnswl_client wl.example=127.0.[0..255].[1..3]";
    const RHSWL: &str = "permit_rhswl_client wl.example=127.0.[0..255].[1..3]";

    #[test]
    fn a_listed_client_is_permitted_and_its_text_not_asked_for() {
        let cases = [
            ("127.0.9.1", "ok"),
            ("127.0.9.0, 127.0.9.3", "ok"),
            ("127.0.9.0", "dunno"),
            ("127.255.255.254", "dunno"),
            ("NOTFOUND", "dunno"),
            ("SETASIDE", "dunno"),
        ];
        for (answer, want) in cases {
            // Step by step, as Postfix, the text is asked for too; it changes nothing.
            let names = ["1.2.0.192.wl.example", "client.example.wl.example"];
            let dns = names.map(|name| format!("A {name} {answer}; TXT {name} TEMPORARY")).join(";");
            assert_eq!(said(DNSWL, &Mail::new(), &zone(&dns)), want, "{answer}");
            assert_eq!(said(RHSWL, &Mail::new(), &zone(&dns)), want, "{answer}");
        }
    }

    #[test]
    fn a_list_that_does_not_answer_softens_what_refuses_later() {
        for answer in ["TEMPORARY", "FAILED", "INVALID"] {
            let dns = zone(&format!("A 1.2.0.192.wl.example {answer}; A client.example.wl.example {answer}"));
            let want = |what| {
                format!("defer_if_reject 450 4.7.1 <{what}>: Client host rejected: Service unavailable")
            };
            assert_eq!(said(DNSWL, &Mail::new(), &dns), want("192.0.2.1"));
            assert_eq!(said(RHSWL, &Mail::new(), &dns), want("client.example"));
        }
    }

    #[test]
    fn a_client_without_a_name_is_not_looked_up() {
        assert_eq!(said(RHSWL, &Mail::new().client("unknown", "192.0.2.1"), &zone("")), "dunno");
        assert_eq!(said(RHSWL, &Mail::new().client("mail.123", "192.0.2.1"), &zone("")), "dunno");
    }
}
