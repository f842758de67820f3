//! `check_sasl_access`, of postconf(5) and access(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::{Action, Amends},
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, subject::Subject},
    smtp::text,
    table::{
        AccessTable,
        action::{self, MapCodes},
    },
};
use std::sync::Arc;

const MANUAL: &str = "\
Looks up the client's SASL login name in an access table.

The login name is the only key. The actions are those of check_client_access;
replies begin with
    554 5.7.1 <login>: SASL login name rejected:

DUNNO for a client that has not logged in. A milter learns of a login with
MAIL: with delay_reject = false the client and helo lists run before it, and
there this always says DUNNO.

Differences from Postfix: see check_client_access.

Example: sender = [\"check_sasl_access hash:/etc/mailward/stolen_logins\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "check_sasl_access",
    aliases: &[],
    usage: "type:table",
    needs: Event::Mail,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let table = arguments.table()?;
    Ok(Box::new(CheckSaslAccess { table, codes: arguments.settings().codes.of_tables() }))
}

#[derive(Debug)]
struct CheckSaslAccess {
    table: Arc<AccessTable>,
    codes: MapCodes,
}

impl Restriction for CheckSaslAccess {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(login) = &request.session.login else { return Ok(Action::Dunno) };
        match self.table.by_key(&login.name) {
            Ok(Some(hit)) => {
                let key = text::escaped(&hit.key);
                lookups.note(format!("key `{key}` matches at {}", hit.entry.origin));
                Ok(hit.action(Subject::SaslLogin, request, self.codes))
            }
            Ok(None) => Ok(Action::Dunno),
            Err(gave_up) => {
                lookups.note(gave_up.to_string());
                Ok(action::fault(Subject::SaslLogin, request))
            }
        }
    }

    fn amends(&self) -> Amends {
        self.table.amends()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::session::Login,
        restriction::args::Settings,
        testing::{Mail, rule_with, said, zone},
    };

    fn logged_in(name: &str) -> Mail {
        let mut mail = Mail::new();
        mail.session.login = Some(Login { method: "PLAIN".to_owned(), name: name.to_owned() });
        mail
    }

    #[test]
    fn a_login_is_looked_up_whole() {
        let table = "check_sasl_access inline:{bob=REJECT,x@y.example=DEFER,ann=OK,y.example=REJECT}";
        let cases = [
            ("bob", "reject 554 5.7.1 <bob>: SASL login name rejected: Access denied"),
            ("BOB", "reject 554 5.7.1 <BOB>: SASL login name rejected: Access denied"),
            ("x@y.example", "defer 450 4.7.1 <x@y.example>: SASL login name rejected: Access denied"),
            ("z@y.example", "dunno"),
            ("ann", "ok"),
            ("eve", "dunno"),
        ];
        for (login, want) in cases {
            assert_eq!(said(table, &logged_in(login), &zone("")), want, "{login}");
        }
    }

    #[test]
    fn without_a_login_nothing_is_looked_up() {
        assert_eq!(said("check_sasl_access static:REJECT", &Mail::new(), &zone("")), "dunno");
    }

    #[test]
    fn what_cannot_be_printed_is_replaced_in_the_reply() {
        let want = "reject 554 5.7.1 <b_b>: SASL login name rejected: Access denied";
        assert_eq!(said("check_sasl_access static:REJECT", &logged_in("b\nb"), &zone("")), want);
    }

    #[test]
    fn a_missing_table_is_a_fault() {
        let fault = rule_with("check_sasl_access", &Settings::default()).unwrap_err();
        assert_eq!(fault.message, "`check_sasl_access` needs a table behind it");
    }
}
