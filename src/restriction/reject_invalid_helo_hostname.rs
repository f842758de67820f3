//! `reject_invalid_helo_hostname`, of postconf(5): the syntax of the HELO name.

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
Refuses a HELO name that is no host name and no address.

Reply: 501 5.5.2 <helo>: Helo command rejected: Invalid name
For a name that begins with [ and is no address literal:
       501 5.5.2 <helo>: Helo command rejected: invalid ip address
The code is invalid_hostname_reject_code. One trailing dot is allowed, and so
are underscores and an address without brackets. Blanks and any of <>()\\\";@
are shown as ? in the reply. It asks nothing, so it cannot fail for a while.
DUNNO for every other name, and where the client has given none.

Example: helo = [\"permit_mynetworks\", \"reject_invalid_helo_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_invalid_helo_hostname",
    aliases: &["reject_invalid_hostname"],
    usage: "",
    needs: Event::Helo,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectInvalidHeloHostname { code: arguments.settings().codes.invalid_hostname_reject_code }))
}

#[derive(Debug)]
struct RejectInvalidHeloHostname {
    code: ReplyCode,
}

impl Restriction for RejectInvalidHeloHostname {
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(helo) = request.helo() else { return Ok(Action::Dunno) };
        if let Some(action) = helo_literal::judge(helo, request, self.code) {
            return Ok(action);
        }
        let name = helo.strip_suffix('.').unwrap_or(helo);
        if domain::valid_hostname(name) || domain::is_address(name) {
            return Ok(Action::Dunno);
        }
        let reply = Subject::Helo.rejected(request, self.code, Enhanced::new(5, 2), "Invalid name");
        Ok(Action::Reject(reply))
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

    const NAME: &str = "reject_invalid_helo_hostname";

    #[test]
    fn names_that_are_no_host_names_are_refused() {
        let invalid =
            |shown: &str| format!("reject 501 5.5.2 <{shown}>: Helo command rejected: Invalid name");
        let valid = [
            "mail.example",
            "mail",
            "mail.example.",
            "a_b.example",
            "1.2.3.4",
            "01.2.3.4",
            "::1",
            "1-2",
            "f.2.3.4",
        ];
        for name in valid {
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), "dunno", "{name}");
        }
        let cases = [
            ("123", "123"),
            ("1.2.3", "1.2.3"),
            ("-a", "-a"),
            ("a-", "a-"),
            ("a..b", "a..b"),
            ("*.b", "*.b"),
            ("a.b..", "a.b.."),
            (".domain.com", ".domain.com"),
            ("größe.example", "größe.example"),
            ("", ""),
            ("\"\"", "??"),
            ("mail@domain", "mail?domain"),
            ("a b", "a?b"),
        ];
        for (name, shown) in cases {
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), invalid(shown), "{name}");
        }
        for (name, want) in helo_literal::CASES {
            assert_eq!(said(NAME, &Mail::new().helo(name), &zone("")), want, "{name}");
        }
    }

    #[test]
    fn at_helo_itself_the_name_is_shown_raw() {
        let mail = Mail::new().helo("mail@domain").at(Event::Helo, Stage::Helo);
        let want = "reject 501 5.5.2 <mail@domain>: Helo command rejected: Invalid name";
        assert_eq!(said(NAME, &mail, &zone("")), want);
    }

    #[test]
    fn without_helo_it_says_nothing() {
        assert_eq!(said(NAME, &Mail::new().at(Event::Connect, Stage::Client), &zone("")), "dunno");
    }

    #[test]
    fn the_code_is_a_setting_under_the_old_name_too() {
        let mut settings = Settings::default();
        settings.codes.invalid_hostname_reject_code = ReplyCode::known(450);
        let said = |helo| said_with("reject_invalid_hostname", &settings, &Mail::new().helo(helo), &zone(""));
        assert_eq!(said("a..b"), "defer 450 4.5.2 <a..b>: Helo command rejected: Invalid name");
        assert_eq!(said("[x]"), "defer 450 4.5.2 <[x]>: Helo command rejected: invalid ip address");
    }
}
