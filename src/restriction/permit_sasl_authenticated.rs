//! `permit_sasl_authenticated`, of postconf(5).

use super::{Kind, Parse, Restriction};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    request::{Event, Request},
};

const MANUAL: &str = "\
Permits if the client has logged in with AUTH (RFC 4954).

It ends only the list it stands in, so it usually stands behind
permit_mynetworks in each. It has no reply and asks nothing, so it cannot fail
for a while. DUNNO for a client that has not logged in. A milter learns of a
login with MAIL: with delay_reject = false the client and helo lists run
before it, and there this always says DUNNO.

Example: sender = [\"permit_sasl_authenticated\",
                   \"reject_unknown_sender_domain\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "permit_sasl_authenticated",
    aliases: &[],
    usage: "",
    needs: Event::Mail,
    manual: MANUAL,
    parse: Parse::Entry(|_| Ok(Box::new(PermitSaslAuthenticated))),
}];

#[derive(Debug)]
struct PermitSaslAuthenticated;

impl Restriction for PermitSaslAuthenticated {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(login) = &request.session.login else { return Ok(Action::Dunno) };
        lookups.note(format!("logged in with {}", login.method));
        Ok(Action::Ok)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::session::Login,
        testing::{Mail, said, zone},
    };

    #[test]
    fn only_a_login_passes() {
        let mut mail = Mail::new();
        assert_eq!(said("permit_sasl_authenticated", &mail, &zone("")), "dunno");
        mail.session.login = Some(Login { method: "PLAIN".to_owned(), name: "bob".to_owned() });
        assert_eq!(said("permit_sasl_authenticated", &mail, &zone("")), "ok");
    }
}
