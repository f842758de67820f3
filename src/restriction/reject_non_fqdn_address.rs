//! `reject_non_fqdn_sender` and `reject_non_fqdn_recipient`, of postconf(5): an address with a whole domain.

use super::{Kind, Parse, Restriction, args::Arguments, envelope_address::EnvelopeAddress};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
    smtp::{
        domain,
        reply::{Enhanced, ReplyCode},
    },
};

const SENDER: &str = "\
Refuses a sender whose domain is not fully qualified, as RFC 5321 wants it.

Reply: 504 5.5.2 <from>: Sender address rejected: need fully-qualified address
The code is non_fqdn_reject_code. It judges the address as the client typed
it, before the MTA completes it: bob is refused. One trailing dot is allowed,
and anything between [ and ]. A domain that is not ASCII passes only in mail
with SMTPUTF8. It asks nothing, so it cannot fail for a while. DUNNO for every
other address, for the null sender, and before MAIL.

Example: sender = [\"permit_mynetworks\", \"reject_non_fqdn_sender\"]
";

const RECIPIENT: &str = "\
Refuses a recipient whose domain is not fully qualified, as RFC 5321 wants it.

Reply: 504 5.5.2 <to>: Recipient address rejected: need fully-qualified
       address
The code is non_fqdn_reject_code. It judges the address as the client typed
it, before the MTA completes it: bob is refused. One trailing dot is allowed,
and anything between [ and ]. A domain that is not ASCII passes only in mail
with SMTPUTF8. It asks nothing, so it cannot fail for a while. DUNNO for every
other address, before RCPT, and at DATA and later when there are several
recipients.

Example: recipient = [\"permit_mynetworks\", \"reject_non_fqdn_recipient\"]
";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "reject_non_fqdn_sender",
        aliases: &[],
        usage: "",
        needs: Event::Mail,
        manual: SENDER,
        parse: Parse::Entry(|arguments| parse(EnvelopeAddress::Sender, arguments)),
    },
    Kind {
        name: "reject_non_fqdn_recipient",
        aliases: &[],
        usage: "",
        needs: Event::Rcpt,
        manual: RECIPIENT,
        parse: Parse::Entry(|arguments| parse(EnvelopeAddress::Recipient, arguments)),
    },
];

fn parse(of: EnvelopeAddress, arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectNonFqdn { of, code: arguments.settings().codes.non_fqdn_reject_code }))
}

#[derive(Debug)]
struct RejectNonFqdn {
    of: EnvelopeAddress,
    code: ReplyCode,
}

impl Restriction for RejectNonFqdn {
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(path) = self.of.path(request) else { return Ok(Action::Dunno) };
        let name = path.address.typed_domain().unwrap_or_default();
        let bracketed = name.starts_with('[') && name.ends_with(']');
        if bracketed || domain::is_fully_qualified(name, request.envelope.smtputf8) {
            return Ok(Action::Dunno);
        }
        let text = "need fully-qualified address";
        Ok(Action::Reject(self.of.subject().rejected(request, self.code, Enhanced::new(5, 2), text)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage},
        restriction::args::Settings,
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, zone},
    };

    const VALID: [&str; 7] = [
        "a@mail.example",
        "a@mail.example.",
        "a@[192.0.2.1]",
        "a@[anything at all]",
        "a@f.2.3.4",
        "a b@c.example",
        "a@localhost@c.example",
    ];
    const INVALID: [&str; 8] =
        ["bob", "a@", "a@localhost", "a@localhost.", "a@1.2.3.4", "a@a..b", "a@[1.2.3.4", "a@größe.example"];

    #[test]
    fn an_address_without_a_whole_domain_is_refused() {
        for address in VALID {
            let mail = Mail::new().from(address).to(address);
            assert_eq!(said("reject_non_fqdn_sender", &mail, &zone("")), "dunno", "{address}");
            assert_eq!(said("reject_non_fqdn_recipient", &mail, &zone("")), "dunno", "{address}");
        }
        for address in INVALID {
            let mail = Mail::new().from(address).to(address);
            let want = |class| {
                format!(
                    "reject 504 5.5.2 <{address}>: {class} address rejected: need fully-qualified address"
                )
            };
            assert_eq!(said("reject_non_fqdn_sender", &mail, &zone("")), want("Sender"));
            assert_eq!(said("reject_non_fqdn_recipient", &mail, &zone("")), want("Recipient"));
        }
    }

    #[test]
    fn u_labels_need_smtputf8() {
        let mut mail = Mail::new().from("a@größe.example").to("a@größe.example");
        mail.envelope.smtputf8 = true;
        assert_eq!(said("reject_non_fqdn_sender", &mail, &zone("")), "dunno");
        assert_eq!(said("reject_non_fqdn_recipient", &mail, &zone("")), "dunno");
    }

    #[test]
    fn what_is_not_there_is_not_judged() {
        assert_eq!(said("reject_non_fqdn_sender", &Mail::new().from(""), &zone("")), "dunno");
        let helo = Mail::new().at(Event::Helo, Stage::Helo);
        assert_eq!(said("reject_non_fqdn_sender", &helo, &zone("")), "dunno");
        let mail = Mail::new().at(Event::Mail, Stage::Sender);
        assert_eq!(said("reject_non_fqdn_recipient", &mail, &zone("")), "dunno");
    }

    #[test]
    fn the_code_is_a_setting_and_the_reply_shows_the_typed_address() {
        let mut settings = Settings::default();
        settings.codes.non_fqdn_reject_code = ReplyCode::known(450);
        let mut mail = Mail::new().from("Bob");
        mail.envelope.sender.as_mut().unwrap().address.rewritten = "bob@origin.example".to_owned();
        let want = "defer 450 4.5.2 <Bob>: Sender address rejected: need fully-qualified address";
        assert_eq!(said_with("reject_non_fqdn_sender", &settings, &mail, &zone("")), want);
    }
}
