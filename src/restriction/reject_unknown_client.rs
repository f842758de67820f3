//! `reject_unknown_reverse_client_hostname` and `reject_unknown_client_hostname`, of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{
        Event, Request,
        session::{Client, NameStatus},
    },
    smtp::reply::{Enhanced, Reply, ReplyCode},
};

const REVERSE: &str = "\
Refuses a client whose address has no name in DNS (no PTR record).

Reply: 450 4.7.1 Client host rejected: cannot find your reverse hostname,
       [address]
The code is unknown_client_reject_code. The name need not lead back to the
address; see reject_unknown_client_hostname for that.

When DNS does not answer: the same text with 450, whatever the code is; the
client is deferred at once. DUNNO for a client with a PTR record.

Example: client = [\"permit_mynetworks\",
                   \"reject_unknown_reverse_client_hostname\"]
";

const CLIENT: &str = "\
Refuses a client whose name in DNS is missing or does not lead back to it.

Reply: 450 4.7.25 Client host rejected: cannot find your hostname, [address]
The code is unknown_client_reject_code. The address must have a name (PTR),
and that name must have the address (A or AAAA). Many honest clients fail
this; reject_unknown_reverse_client_hostname asks for less.

When DNS does not answer, to either question: the same text with 450, whatever
the code is; the client is deferred at once. DUNNO for a client with a
verified name.

Example: client = [\"permit_mynetworks\", \"reject_unknown_client_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "reject_unknown_reverse_client_hostname",
        aliases: &[],
        usage: "",
        needs: Event::Connect,
        manual: REVERSE,
        parse: Parse::Entry(|arguments| parse(Name::Reverse, arguments)),
    },
    Kind {
        name: "reject_unknown_client_hostname",
        aliases: &["reject_unknown_client"],
        usage: "",
        needs: Event::Connect,
        manual: CLIENT,
        parse: Parse::Entry(|arguments| parse(Name::Verified, arguments)),
    },
];

fn parse(name: Name, arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectUnknownClient { name, code: arguments.settings().codes.unknown_client_reject_code }))
}

/// Which of the client's names must be there.
#[derive(Debug)]
enum Name {
    Reverse,
    Verified,
}

#[derive(Debug)]
struct RejectUnknownClient {
    name: Name,
    code: ReplyCode,
}

/// When the name could not be found out: Postfix has no parameter for it.
const TEMPORARY: ReplyCode = ReplyCode::known(450);

impl Restriction for RejectUnknownClient {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let client = &request.session.client;
        let status = match self.name {
            Name::Reverse => client.identity.reverse_status,
            Name::Verified => client.identity.name_status,
        };
        let (code, reason) = match status {
            NameStatus::Verified => return Ok(Action::Dunno),
            NameStatus::Missing => (self.code, "no PTR record"),
            NameStatus::Forged => (self.code, "the PTR name does not lead back to the address"),
            NameStatus::Temporary => (TEMPORARY, "DNS did not answer"),
        };
        lookups.note(reason);
        Ok(Action::Reject(self.reply(client, code)))
    }
}

impl RejectUnknownClient {
    /// These two replies begin without `<name>:`, in Postfix as here.
    fn reply(&self, client: &Client, code: ReplyCode) -> Reply {
        let (status, what) = match self.name {
            Name::Reverse => (Enhanced::new(7, 1), "reverse hostname"),
            Name::Verified => (Enhanced::new(7, 25), "hostname"),
        };
        let text = format!("Client host rejected: cannot find your {what}, [{}]", client.address_text());
        Reply::new(code, status, &text)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{
            Event, Stage,
            session::{Identity, NameStatus},
        },
        restriction::args::Settings,
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, zone},
    };

    const REVERSE: &str = "reject_unknown_reverse_client_hostname";
    const CLIENT: &str = "reject_unknown_client_hostname";

    /// Every identity, with the code that each restriction answers when unknown_client_reject_code is 550; 0: DUNNO.
    fn cases() -> [(Identity, u16, u16); 5] {
        [
            (Identity::verified("mail.example"), 0, 0),
            (Identity::nameless(NameStatus::Missing), 550, 550),
            (Identity::nameless(NameStatus::Temporary), 450, 450),
            (Identity::unverified("x.example", NameStatus::Forged), 0, 550),
            (Identity::unverified("x.example", NameStatus::Temporary), 0, 450),
        ]
    }

    fn want(code: u16, detail: u16, what: &str) -> String {
        let (word, class) = if code < 500 { ("defer", 4) } else { ("reject", 5) };
        let text = format!("Client host rejected: cannot find your {what}, [192.0.2.1]");
        if code == 0 { "dunno".to_owned() } else { format!("{word} {code} {class}.7.{detail} {text}") }
    }

    #[test]
    fn a_missing_name_has_the_code_and_a_temporary_failure_450() {
        let mut settings = Settings::default();
        settings.codes.unknown_client_reject_code = ReplyCode::known(550);
        for (identity, reverse, client) in cases() {
            let mail = Mail::new().identity(identity);
            let said = |line| said_with(line, &settings, &mail, &zone(""));
            assert_eq!(said(REVERSE), want(reverse, 1, "reverse hostname"), "{mail:?}");
            assert_eq!(said(CLIENT), want(client, 25, "hostname"), "{mail:?}");
            assert_eq!(said("reject_unknown_client"), want(client, 25, "hostname"));
        }
    }

    #[test]
    fn the_reply_is_postfix_s_at_connect_too() {
        let mail = Mail::new().client("unknown", "2001:db8::1").at(Event::Connect, Stage::Client);
        let reverse =
            "defer 450 4.7.1 Client host rejected: cannot find your reverse hostname, [2001:db8::1]";
        assert_eq!(said(REVERSE, &mail, &zone("")), reverse);
        let client = "defer 450 4.7.25 Client host rejected: cannot find your hostname, [2001:db8::1]";
        assert_eq!(said(CLIENT, &mail, &zone("")), client);
    }
}
