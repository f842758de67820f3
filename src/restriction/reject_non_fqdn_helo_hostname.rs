//! `reject_non_fqdn_helo_hostname`, of postconf(5): a HELO name with a dot in it.

use super::{Kind, Parse, Restriction, args::Arguments, helo_literal};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, subject::Subject},
    smtp::{
        domain,
        reply::{Enhanced, ReplyCode},
    },
};

const MANUAL: &str = "\
Refuses a HELO name that is not fully qualified, as RFC 5321 wants it.

Reply: 504 5.5.2 <helo>: Helo command rejected: need fully-qualified hostname
For a name that begins with [ and is no address literal:
       501 5.5.2 <helo>: Helo command rejected: invalid ip address
The codes are non_fqdn_reject_code and invalid_hostname_reject_code. One
trailing dot is allowed; an address without brackets is not. A name that is
not ASCII passes only in mail with SMTPUTF8. It asks nothing, so it cannot
fail for a while. DUNNO for every other name, and where the client has given
none.

Example: helo = [\"permit_mynetworks\", \"reject_non_fqdn_helo_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_non_fqdn_helo_hostname",
    aliases: &["reject_non_fqdn_hostname"],
    usage: "",
    needs: Event::Helo,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let codes = &arguments.settings().codes;
    Ok(Box::new(RejectNonFqdnHeloHostname {
        code: codes.non_fqdn_reject_code,
        literal_code: codes.invalid_hostname_reject_code,
    }))
}

#[derive(Debug)]
struct RejectNonFqdnHeloHostname {
    code: ReplyCode,
    literal_code: ReplyCode,
}

impl Restriction for RejectNonFqdnHeloHostname {
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(helo) = request.helo() else { return Ok(Action::Dunno) };
        if let Some(action) = helo_literal::judge(helo, request, self.literal_code) {
            return Ok(action);
        }
        if domain::is_fully_qualified(helo, request.envelope.smtputf8) {
            return Ok(Action::Dunno);
        }
        let text = "need fully-qualified hostname";
        Ok(Action::Reject(Subject::Helo.rejected(request, self.code, Enhanced::new(5, 2), text)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage},
        restriction::{args::Settings, helo_literal},
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, zone},
    };

    const NAME: &str = "reject_non_fqdn_helo_hostname";

    #[test]
    fn names_without_a_dot_are_refused() {
        for name in ["mail.example", "foo.bar.", "f.2.3.4", "a_b.example"] {
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), "dunno", "{name}");
        }
        for name in ["mail", "mail.", "1.2.3.4", "::1", "a..b", ".domain.com", "", "größe.example"] {
            let want =
                format!("reject 504 5.5.2 <{name}>: Helo command rejected: need fully-qualified hostname");
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), want, "{name}");
        }
        for (name, want) in helo_literal::CASES {
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), want, "{name}");
        }
    }

    #[test]
    fn u_labels_need_smtputf8() {
        let mut mail = Mail::new().helo("größe.example");
        mail.envelope.smtputf8 = true;
        assert_eq!(said(NAME, &mail, &zone("")), "dunno");
    }

    #[test]
    fn without_helo_it_says_nothing() {
        assert_eq!(said(NAME, &Mail::new().at(Event::Connect, Stage::Client), &zone("")), "dunno");
    }

    #[test]
    fn a_bad_literal_keeps_its_own_code() {
        let mut settings = Settings::default();
        settings.codes.non_fqdn_reject_code = ReplyCode::known(450);
        let said =
            |helo| said_with("reject_non_fqdn_hostname", &settings, &Mail::new().helo(helo), &zone(""));
        let want = "defer 450 4.5.2 <mail>: Helo command rejected: need fully-qualified hostname";
        assert_eq!(said("mail"), want);
        assert_eq!(said("[x]"), "reject 501 5.5.2 <[x]>: Helo command rejected: invalid ip address");
    }
}
