//! `reject_unknown_sender_domain` and `reject_unknown_recipient_domain`, of postconf(5), with the null MX of RFC 7505.

use super::{
    Kind, Parse, Restriction,
    args::{Arguments, TempfailAction},
    envelope_address::EnvelopeAddress,
};
use crate::{
    decision::action::Action,
    lookup::{Lookup, Lookups, Pending, answers::DnsStatus},
    origin::Fault,
    request::{Event, Request},
    smtp::{
        domain::Domain,
        reply::{Enhanced, Reply, ReplyCode},
    },
};

const SENDER: &str = "\
Refuses a sender whose domain has neither an MX nor an address record in DNS.

Reply: 450 4.1.8 <from>: Sender address rejected: Domain not found
If the MX reply of DNS is malformed:
       450 4.1.8 <from>: Sender address rejected: Malformed DNS server reply
If the domain takes no mail at all (null MX, RFC 7505), whatever the code is:
       550 5.7.27 <from>: Sender address rejected: Domain x does not accept
       mail (nullMX)
The code is unknown_address_reject_code. The domain is that of the address
after the MTA's rewriting; the reply shows the address as typed.

When DNS does not answer: unknown_address_tempfail_action, always with
450 4.1.8 <from>: Sender address rejected: Domain not found
DUNNO for a domain that is found, for [addresses], for an address without a
domain, for the null sender, and where this MTA is the domain's destination.

Postfix: knows its own domains by mydestination and the virtual domains;
here: by the transport local, virtual, lmtp or error in {mail_mailer}, because
that is what a milter is told. So an own domain with another transport is
looked up here, and a foreign one with one of these is not.

Postfix: asks MX, A and AAAA one after the other; here: all three at once,
because a mail then waits for one answer and not for three. The outcome is the
same. lookahead = false asks as Postfix.

Example: sender = [\"permit_mynetworks\", \"reject_unknown_sender_domain\"]
";

const RECIPIENT: &str = "\
Refuses a recipient whose domain has neither MX nor address record in DNS.

Reply: 450 4.1.2 <to>: Recipient address rejected: Domain not found
If the MX reply of DNS is malformed:
       450 4.1.2 <to>: Recipient address rejected: Malformed DNS server reply
If the domain takes no mail at all (null MX, RFC 7505), whatever the code is:
       556 5.1.10 <to>: Recipient address rejected: Domain x does not accept
       mail (nullMX)
The code is unknown_address_reject_code. The domain is that of the address
after the MTA's rewriting; the reply shows the address as typed.

When DNS does not answer: unknown_address_tempfail_action, always with
450 4.1.2 <to>: Recipient address rejected: Domain not found
DUNNO for a domain that is found, for [addresses], for an address without a
domain, where this MTA is the domain's destination, and at DATA and later when
there are several recipients.

Postfix: knows its own domains by mydestination and the virtual domains;
here: by the transport local, virtual, lmtp or error in {rcpt_mailer}, because
that is what a milter is told. So an own domain with another transport is
looked up here, and a foreign one with one of these is not.

Postfix: asks MX, A and AAAA one after the other; here: all three at once,
because a mail then waits for one answer and not for three. The outcome is the
same. lookahead = false asks as Postfix.

Example: recipient = [\"reject_unknown_recipient_domain\"]
";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "reject_unknown_sender_domain",
        aliases: &["reject_unknown_address"],
        usage: "",
        needs: Event::Mail,
        manual: SENDER,
        parse: Parse::Entry(|arguments| parse(EnvelopeAddress::Sender, arguments)),
    },
    Kind {
        name: "reject_unknown_recipient_domain",
        aliases: &[],
        usage: "",
        needs: Event::Rcpt,
        manual: RECIPIENT,
        parse: Parse::Entry(|arguments| parse(EnvelopeAddress::Recipient, arguments)),
    },
];

fn parse(of: EnvelopeAddress, arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let settings = arguments.settings();
    Ok(Box::new(RejectUnknownDomain {
        of,
        code: settings.codes.unknown_address_reject_code,
        tempfail: settings.unknown_address_tempfail_action,
    }))
}

#[derive(Debug)]
struct RejectUnknownDomain {
    of: EnvelopeAddress,
    code: ReplyCode,
    tempfail: TempfailAction,
}

/// The replies to an address of a domain with null MX, which Postfix has no parameter for (RFC 7505 section 4.2).
const NULL_MX_SENDER: (ReplyCode, Enhanced) = (ReplyCode::known(550), Enhanced::new(7, 27));
const NULL_MX_RECIPIENT: (ReplyCode, Enhanced) = (ReplyCode::known(556), Enhanced::new(1, 10));

impl Restriction for RejectUnknownDomain {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(path) = self.of.path(request) else { return Ok(Action::Dunno) };
        let Some(domain) = path.address.domain() else { return Ok(Action::Dunno) };
        if path.is_final() {
            lookups.note("this MTA is the destination");
            return Ok(Action::Dunno);
        }
        if domain.starts_with('[') && domain.ends_with(']') {
            return Ok(Action::Dunno);
        }
        let name = Domain::for_query(domain);
        let status = lookups.strongest(name.as_ref(), [Lookup::Mx, Lookup::A, Lookup::Aaaa], is_enough)?;
        let reply = |code, text| self.reply(request, code, text);
        Ok(match status {
            DnsStatus::Found => Action::Dunno,
            DnsStatus::NullMx => Action::Reject(self.null_mx(request, domain)),
            DnsStatus::Temporary => self.tempfail.action(reply(TempfailAction::CODE, "Domain not found")),
            DnsStatus::NotFound | DnsStatus::Failed => Action::Reject(reply(self.code, "Domain not found")),
            DnsStatus::Invalid => Action::Reject(reply(self.code, "Malformed DNS server reply")),
        })
    }
}

impl RejectUnknownDomain {
    fn reply(&self, request: &Request<'_>, code: ReplyCode, text: &str) -> Reply {
        let status = match self.of {
            EnvelopeAddress::Sender => Enhanced::new(1, 8),
            EnvelopeAddress::Recipient => Enhanced::new(1, 2),
        };
        self.of.subject().rejected(request, code, status, text)
    }

    fn null_mx(&self, request: &Request<'_>, domain: &str) -> Reply {
        let (code, status) = match self.of {
            EnvelopeAddress::Sender => NULL_MX_SENDER,
            EnvelopeAddress::Recipient => NULL_MX_RECIPIENT,
        };
        let text = format!("Domain {domain} does not accept mail (nullMX)");
        self.of.subject().rejected_exactly(request, code, status, &text)
    }
}

/// reject_unknown_mailhost() stops at these: an address record does not help a domain with null MX or malformed MX.
fn is_enough(status: DnsStatus) -> bool {
    match status {
        DnsStatus::Found | DnsStatus::Invalid | DnsStatus::NullMx => true,
        DnsStatus::NotFound | DnsStatus::Failed | DnsStatus::Temporary => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        lookup::Lookups,
        request::{Event, Stage},
        restriction::args::{Settings, TempfailAction},
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, wanted, zone},
    };

    const SENDER: &str = "reject_unknown_sender_domain";
    const RECIPIENT: &str = "reject_unknown_recipient_domain";
    const NOT_FOUND: &str = "Domain not found";
    const MALFORMED: &str = "Malformed DNS server reply";

    /// A mail from and to one domain.
    fn mail(domain: &str) -> Mail {
        Mail::new().from(&format!("from@{domain}")).to(&format!("to@{domain}"))
    }

    #[test]
    fn a_domain_that_exists_passes() {
        let cases = [
            "MX a.example 10 b.example",
            "MX a.example NOTFOUND; A a.example 192.0.2.1",
            "MX a.example NOTFOUND; A a.example NOTFOUND; AAAA a.example 2001:db8::1",
            "MX a.example TEMPORARY; A a.example 192.0.2.1",
            "MX a.example FAILED; A a.example TEMPORARY; AAAA a.example 2001:db8::1",
            "MX a.example 10 192.0.2.1",
        ];
        for dns in cases {
            assert_eq!(said(SENDER, &mail("a.example"), &zone(dns)), "dunno", "{dns}");
            assert_eq!(said(RECIPIENT, &mail("A.example"), &zone(dns)), "dunno", "{dns}");
        }
    }

    #[test]
    fn a_domain_that_is_not_found_is_refused() {
        let cases = [
            ("ANY a.example NOTFOUND", "defer", NOT_FOUND),
            ("ANY a.example FAILED", "defer", NOT_FOUND),
            ("MX a.example NOTFOUND; A a.example NOTFOUND; AAAA a.example FAILED", "defer", NOT_FOUND),
            ("MX a.example INVALID", "defer", MALFORMED),
            ("MX a.example TEMPORARY; A a.example INVALID", "defer", MALFORMED),
            (
                "MX a.example TEMPORARY; A a.example NOTFOUND; AAAA a.example NOTFOUND",
                "defer_if_permit",
                NOT_FOUND,
            ),
            (
                "MX a.example NOTFOUND; A a.example NOTFOUND; AAAA a.example TEMPORARY",
                "defer_if_permit",
                NOT_FOUND,
            ),
            (
                "MX a.example TEMPORARY; A a.example FAILED; AAAA a.example FAILED",
                "defer_if_permit",
                NOT_FOUND,
            ),
        ];
        for (dns, word, text) in cases {
            let want = format!("{word} 450 4.1.8 <from@a.example>: Sender address rejected: {text}");
            assert_eq!(said(SENDER, &mail("a.example"), &zone(dns)), want, "{dns}");
            let want = format!("{word} 450 4.1.2 <to@a.example>: Recipient address rejected: {text}");
            assert_eq!(said(RECIPIENT, &mail("a.example"), &zone(dns)), want, "{dns}");
        }
    }

    #[test]
    fn null_mx_is_final_whatever_the_settings_and_other_records_say() {
        let mut settings = Settings::default();
        settings.codes.unknown_address_reject_code = ReplyCode::known(450);
        let dns = zone("MX a.example NULLMX; A a.example 192.0.2.1");
        let said = |line| said_with(line, &settings, &mail("a.example"), &dns);
        let text = "Domain a.example does not accept mail (nullMX)";
        let want = format!("reject 550 5.7.27 <from@a.example>: Sender address rejected: {text}");
        assert_eq!(said(SENDER), want);
        let want = format!("reject 556 5.1.10 <to@a.example>: Recipient address rejected: {text}");
        assert_eq!(said(RECIPIENT), want);
    }

    #[test]
    fn what_dns_cannot_be_asked_for_is_not_found() {
        for domain in ["a..b", "-a.example", "1.2.3", "192.0.2.1", ""] {
            let want = format!("defer 450 4.1.8 <from@{domain}>: Sender address rejected: Domain not found");
            assert_eq!(said(SENDER, &mail(domain), &zone("")), want, "{domain}");
        }
        let want = "defer 450 4.1.8 <from@größe.example>: Sender address rejected: Domain not found";
        assert_eq!(said(SENDER, &mail("größe.example"), &zone("ANY xn--gre-6ka8i.example NOTFOUND")), want);
    }

    #[test]
    fn what_has_no_foreign_domain_is_not_judged() {
        for address in ["", "bob", "a@[192.0.2.1]", "a@[anything]"] {
            let mail = Mail::new().from(address).to(address);
            assert_eq!(said(SENDER, &mail, &zone("")), "dunno", "{address}");
            assert_eq!(said(RECIPIENT, &mail, &zone("")), "dunno", "{address}");
        }
        for mailer in ["local", "virtual", "lmtp", "error"] {
            let mut mail = mail("a.example");
            mail.envelope.sender.as_mut().unwrap().mailer = Some(mailer.to_owned());
            mail.recipient.as_mut().unwrap().mailer = Some(mailer.to_owned());
            assert_eq!(said(SENDER, &mail, &zone("")), "dunno", "{mailer}");
            assert_eq!(said(RECIPIENT, &mail, &zone("")), "dunno", "{mailer}");
        }
        assert_eq!(said(SENDER, &Mail::new().at(Event::Helo, Stage::Helo), &zone("")), "dunno");
        assert_eq!(said(RECIPIENT, &Mail::new().at(Event::Mail, Stage::Sender), &zone("")), "dunno");
    }

    #[test]
    fn the_rewritten_domain_is_asked_for_and_the_typed_address_shown() {
        let mut mail = Mail::new().from("Bob");
        mail.envelope.sender.as_mut().unwrap().address.rewritten = "bob@a.example".to_owned();
        let want = "defer 450 4.1.8 <Bob>: Sender address rejected: Domain not found";
        assert_eq!(said(SENDER, &mail, &zone("ANY a.example NOTFOUND")), want);
    }

    #[test]
    fn the_three_types_are_asked_at_once_or_as_postfix_asks() {
        let dns = zone("");
        let mail = mail("a.example");
        assert_eq!(wanted(SENDER, &mail, Lookups::new(&dns)), "MX a.example, A a.example, AAAA a.example");
        assert_eq!(wanted(RECIPIENT, &mail, Lookups::frugal(&dns)), "MX a.example");
    }

    #[test]
    fn a_temporary_failure_keeps_its_450_whatever_the_code_is() {
        let mut settings = Settings::default();
        settings.codes.unknown_address_reject_code = ReplyCode::known(550);
        let said = |settings: &Settings, dns| {
            said_with("reject_unknown_address", settings, &mail("a.example"), &zone(dns))
        };
        let reply = "<from@a.example>: Sender address rejected: Domain not found";
        assert_eq!(said(&settings, "ANY a.example NOTFOUND"), format!("reject 550 5.1.8 {reply}"));
        assert_eq!(said(&settings, "ANY a.example TEMPORARY"), format!("defer_if_permit 450 4.1.8 {reply}"));
        settings.unknown_address_tempfail_action = TempfailAction::Defer;
        assert_eq!(said(&settings, "ANY a.example TEMPORARY"), format!("defer 450 4.1.8 {reply}"));
    }
}
