//! `reject` and `defer`, of postconf(5).

use super::{
    Ends, Kind, Parse, Restriction,
    args::{Arguments, Codes},
};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request},
    smtp::reply::{Enhanced, ReplyCode},
};

const REJECT: &str = "\
Refuses.

Reply: 554 5.7.1 <x>: CLASS rejected: Access denied
The code is reject_code; x and CLASS are those of the list it stands in: the
client's name[address] and Client host, the HELO name and Helo command, the
address and Sender address or Recipient address, DATA and Data command,
END-OF-MESSAGE and End-of-data. It asks nothing, so it cannot fail for a
while. It never says DUNNO, and nothing behind it can be reached.

Example: client = [\"permit_mynetworks\", \"reject\"]
";

const DEFER: &str = "\
Refuses for now: the client shall try again later.

Reply: 450 4.3.2 <x>: CLASS rejected: Try again later
The code is defer_code; x and CLASS are as with reject. It asks nothing, so it
cannot fail for a while. It never says DUNNO, and nothing behind it can be
reached. Mail that is always deferred comes back to its sender after days:
this is for times of maintenance.

Example: recipient = [\"permit_mynetworks\", \"defer\"]
";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "reject",
        aliases: &[],
        usage: "",
        needs: Event::Connect,
        manual: REJECT,
        parse: Parse::Entry(|arguments| {
            refusal(arguments, |codes| codes.reject_code, Enhanced::new(7, 1), "Access denied")
        }),
    },
    Kind {
        name: "defer",
        aliases: &[],
        usage: "",
        needs: Event::Connect,
        manual: DEFER,
        parse: Parse::Entry(|arguments| {
            refusal(arguments, |codes| codes.defer_code, Enhanced::new(3, 2), "Try again later")
        }),
    },
];

fn refusal(
    arguments: &mut Arguments<'_>,
    code: fn(&Codes) -> ReplyCode,
    status: Enhanced,
    text: &'static str,
) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(Refusal { code: code(&arguments.settings().codes), status, text }))
}

#[derive(Debug)]
struct Refusal {
    code: ReplyCode,
    status: Enhanced,
    text: &'static str,
}

impl Restriction for Refusal {
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        let subject = request.subject;
        Ok(Action::Reject(subject.rejected(request, self.code, self.status, self.text)))
    }

    fn ends(&self, _: Option<Event>) -> Ends {
        Ends::Refuses
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage},
        restriction::{Ends, args::Settings},
        smtp::reply::ReplyCode,
        testing::{Mail, rule, said, said_with, zone},
    };

    #[test]
    fn the_reply_is_about_the_list() {
        let cases = [
            (Stage::Client, "<client.example[192.0.2.1]>: Client host"),
            (Stage::Helo, "<helo.example>: Helo command"),
            (Stage::Sender, "<from@sender.example>: Sender address"),
            (Stage::Recipient, "<to@rcpt.example>: Recipient address"),
            (Stage::Data, "<DATA>: Data command"),
            (Stage::EndOfData, "<END-OF-MESSAGE>: End-of-data"),
        ];
        for (stage, subject) in cases {
            let mail = Mail::new().at(Event::Rcpt, stage);
            let reject = format!("reject 554 5.7.1 {subject} rejected: Access denied");
            assert_eq!(said("reject", &mail, &zone("")), reject);
            let defer = format!("defer 450 4.3.2 {subject} rejected: Try again later");
            assert_eq!(said("defer", &mail, &zone("")), defer);
        }
    }

    #[test]
    fn the_codes_are_settings_and_the_status_follows() {
        let mut settings = Settings::default();
        settings.codes.reject_code = ReplyCode::known(451);
        settings.codes.defer_code = ReplyCode::known(421);
        let said = |line| said_with(line, &settings, &Mail::new().from(""), &zone(""));
        let subject = "<to@rcpt.example>: Recipient address rejected";
        assert_eq!(said("reject"), format!("defer 451 4.7.1 {subject}: Access denied"));
        assert_eq!(said("defer"), format!("defer 421 4.3.2 {subject}: Try again later"));
    }

    #[test]
    fn nothing_behind_them_is_reached() {
        for name in ["reject", "defer"] {
            assert_eq!(rule(name).ends(None), Ends::Refuses, "{name}");
        }
    }
}
