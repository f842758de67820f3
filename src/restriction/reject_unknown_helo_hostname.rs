//! `reject_unknown_helo_hostname`, of postconf(5): the HELO name in DNS.

use super::{
    Kind, Parse, Restriction,
    args::{Arguments, TempfailAction},
    helo_literal,
};
use crate::{
    decision::action::Action,
    lookup::{Lookup, Lookups, Pending, answers::DnsStatus},
    origin::Fault,
    request::{Event, Request, subject::Subject},
    smtp::{
        domain::Domain,
        reply::{Enhanced, Reply, ReplyCode},
    },
};

const MANUAL: &str = "\
Refuses a HELO name that has neither an address nor an MX record in DNS.

Reply: 450 4.7.1 <helo>: Helo command rejected: Host not found
If all that DNS answered is malformed:
       450 4.7.1 <helo>: Helo command rejected: Malformed DNS server reply
For a name that begins with [ and is no address literal:
       501 5.5.2 <helo>: Helo command rejected: invalid ip address
The codes are unknown_hostname_reject_code and invalid_hostname_reject_code.
A, AAAA or MX: any of them will do, a null MX too. A name with a trailing dot,
an address without brackets and a name that is not ASCII are never found.

When DNS does not answer: unknown_helo_hostname_tempfail_action, always with
450 4.7.1 <helo>: Helo command rejected: Host not found
DUNNO for a name that is found, for an address literal, and where the client
has given no name.

Postfix: asks A, AAAA and MX one after the other and stops at the first that
is found; here: all three at once, because a mail then waits for one answer
and not for three. The outcome is the same. lookahead = false asks as Postfix.

Example: helo = [\"permit_mynetworks\", \"reject_unknown_helo_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_unknown_helo_hostname",
    aliases: &["reject_unknown_hostname"],
    usage: "",
    needs: Event::Helo,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let settings = arguments.settings();
    Ok(Box::new(RejectUnknownHeloHostname {
        code: settings.codes.unknown_hostname_reject_code,
        literal_code: settings.codes.invalid_hostname_reject_code,
        tempfail: settings.unknown_helo_hostname_tempfail_action,
    }))
}

#[derive(Debug)]
struct RejectUnknownHeloHostname {
    code: ReplyCode,
    literal_code: ReplyCode,
    tempfail: TempfailAction,
}

impl Restriction for RejectUnknownHeloHostname {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(helo) = request.helo() else { return Ok(Action::Dunno) };
        if let Some(action) = helo_literal::judge(helo, request, self.literal_code) {
            return Ok(action);
        }
        // Unlike the domain of an address, Postfix does not convert a HELO name to A-labels.
        let name = if helo.is_ascii() { Domain::for_query(helo) } else { None };
        let types = [Lookup::A, Lookup::Aaaa, Lookup::Mx];
        let status = lookups.strongest(name.as_ref(), types, |status| status == DnsStatus::Found)?;
        let reply =
            |code, text| -> Reply { Subject::Helo.rejected(request, code, Enhanced::new(7, 1), text) };
        Ok(match status {
            DnsStatus::Found | DnsStatus::NullMx => Action::Dunno,
            DnsStatus::Temporary => self.tempfail.action(reply(TempfailAction::CODE, "Host not found")),
            DnsStatus::NotFound | DnsStatus::Failed => Action::Reject(reply(self.code, "Host not found")),
            DnsStatus::Invalid => Action::Reject(reply(self.code, "Malformed DNS server reply")),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        lookup::Lookups,
        request::{Event, Stage},
        restriction::{
            args::{Settings, TempfailAction},
            helo_literal,
        },
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, wanted, zone},
    };

    const NAME: &str = "reject_unknown_helo_hostname";
    const NOT_FOUND: &str = "defer 450 4.7.1 <a.example>: Helo command rejected: Host not found";
    const MALFORMED: &str = "defer 450 4.7.1 <a.example>: Helo command rejected: Malformed DNS server reply";
    const LATER: &str = "defer_if_permit 450 4.7.1 <a.example>: Helo command rejected: Host not found";

    #[test]
    fn the_first_found_type_will_do_and_else_the_strongest_answer_counts() {
        let cases = [
            ("A a.example 192.0.2.1", "dunno"),
            ("A a.example NOTFOUND; AAAA a.example 2001:db8::1", "dunno"),
            ("A a.example NOTFOUND; AAAA a.example NOTFOUND; MX a.example 10 b.example", "dunno"),
            ("A a.example TEMPORARY; AAAA a.example NOTFOUND; MX a.example b.example", "dunno"),
            ("A a.example NOTFOUND; AAAA a.example NOTFOUND; MX a.example NULLMX", "dunno"),
            ("ANY a.example NOTFOUND", NOT_FOUND),
            ("ANY a.example FAILED", NOT_FOUND),
            ("A a.example FAILED; AAAA a.example NOTFOUND; MX a.example NULLMX", NOT_FOUND),
            ("A a.example INVALID; AAAA a.example FAILED; MX a.example NULLMX", MALFORMED),
            ("A a.example INVALID; AAAA a.example NOTFOUND; MX a.example TEMPORARY", LATER),
            ("A a.example TEMPORARY; AAAA a.example NOTFOUND; MX a.example NOTFOUND", LATER),
            ("ANY a.example TEMPORARY", LATER),
        ];
        for (dns, want) in cases {
            assert_eq!(said(NAME, &Mail::new().helo("a.example"), &zone(dns)), want, "{dns}");
        }
    }

    #[test]
    fn what_dns_cannot_be_asked_for_is_not_found() {
        for name in ["a.example.", "1.2.3.4", "::1", "1.2.3", "a..b", "", "größe.example"] {
            let want = format!("defer 450 4.7.1 <{name}>: Helo command rejected: Host not found");
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), want, "{name}");
        }
        for (name, want) in helo_literal::CASES {
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), want, "{name}");
        }
        assert_eq!(said(NAME, &Mail::new().at(Event::Connect, Stage::Client), &zone("")), "dunno");
    }

    #[test]
    fn the_three_types_are_asked_at_once_or_as_postfix_asks() {
        let mail = Mail::new().helo("Localhost");
        let dns = zone("");
        assert_eq!(wanted(NAME, &mail, Lookups::new(&dns)), "A localhost, AAAA localhost, MX localhost");
        assert_eq!(wanted(NAME, &mail, Lookups::frugal(&dns)), "A localhost");
        let dns = zone("A localhost NOTFOUND");
        assert_eq!(wanted(NAME, &mail, Lookups::frugal(&dns)), "AAAA localhost");
    }

    #[test]
    fn a_temporary_failure_keeps_its_450_whatever_the_code_is() {
        let mut settings = Settings::default();
        settings.codes.unknown_hostname_reject_code = ReplyCode::known(550);
        let mail = Mail::new().helo("a.example");
        let said =
            |settings: &Settings, dns| said_with("reject_unknown_hostname", settings, &mail, &zone(dns));
        let want = "reject 550 5.7.1 <a.example>: Helo command rejected: Host not found";
        assert_eq!(said(&settings, "ANY a.example NOTFOUND"), want);
        assert_eq!(said(&settings, "ANY a.example TEMPORARY"), LATER);
        settings.unknown_helo_hostname_tempfail_action = TempfailAction::Defer;
        assert_eq!(said(&settings, "ANY a.example TEMPORARY"), NOT_FOUND);
    }
}
