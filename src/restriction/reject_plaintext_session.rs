//! `reject_plaintext_session`, of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
    smtp::reply::{Enhanced, Reply, ReplyCode},
};

const MANUAL: &str = "\
Refuses a session that is not encrypted.

Reply: 450 4.7.1 Session encryption is required
The code is plaintext_reject_code. It asks nothing, so it cannot fail for a
while. DUNNO for a session with TLS. A server that takes mail from everybody
must not refuse plain text (RFC 3207 section 4): this is for a port of its
own, or for a class that access tables name.

Postfix: with delay_reject = false knows at CONNECT that a session on port 465
is encrypted; here: DUNNO at CONNECT, because a milter is told of TLS at HELO.

Example: sender = [\"permit_mynetworks\", \"reject_plaintext_session\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_plaintext_session",
    aliases: &[],
    usage: "",
    needs: Event::Helo,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectPlaintextSession(arguments.settings().codes.plaintext_reject_code)))
}

#[derive(Debug)]
struct RejectPlaintextSession(ReplyCode);

impl Restriction for RejectPlaintextSession {
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        if request.event == Event::Connect || request.session.tls.is_some() {
            return Ok(Action::Dunno);
        }
        let reply = Reply::new(self.0, Enhanced::new(7, 1), "Session encryption is required");
        Ok(Action::Reject(reply))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage, session::Tls},
        restriction::args::Settings,
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, zone},
    };

    const NAME: &str = "reject_plaintext_session";

    #[test]
    fn plain_text_is_refused_in_every_list_with_the_same_words() {
        for stage in Stage::ALL {
            let mail = Mail::new().at(Event::Rcpt, stage);
            let want = "defer 450 4.7.1 Session encryption is required";
            assert_eq!(said(NAME, &mail, &zone("")), want, "{stage}");
        }
        let mut settings = Settings::default();
        settings.codes.plaintext_reject_code = ReplyCode::known(530);
        let want = "reject 530 5.7.1 Session encryption is required";
        assert_eq!(said_with(NAME, &settings, &Mail::new(), &zone("")), want);
    }

    #[test]
    fn tls_passes() {
        let mut mail = Mail::new();
        let (version, cipher) = ("TLSv1.3".to_owned(), String::new());
        mail.session.tls = Some(Tls { version, cipher, ..Tls::default() });
        assert_eq!(said(NAME, &mail, &zone("")), "dunno");
    }

    #[test]
    fn at_connect_nobody_knows() {
        let mail = Mail::new().at(Event::Connect, Stage::Client);
        assert_eq!(said(NAME, &mail, &zone("")), "dunno");
        let mail = Mail::new().at(Event::Helo, Stage::Helo);
        assert_eq!(said(NAME, &mail, &zone("")), "defer 450 4.7.1 Session encryption is required");
    }
}
