//! `reject_multi_recipient_bounce`, of postconf(5).

use super::{Kind, Parse, Restriction, args::Arguments};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, envelope::Path},
    smtp::reply::{Enhanced, ReplyCode},
};

const MANUAL: &str = "\
Refuses a bounce for more than one recipient.

A message from the null sender answers one message of one sender, so it has
one recipient. At RCPT TO the second recipient is refused and the first may go
on; at DATA and later the whole message is.

Reply: 550 5.5.3 <x>: CLASS rejected: Multi-recipient bounce
The code is multi_recipient_bounce_reject_code; x and CLASS are those of the
list it stands in: at DATA <DATA>: Data command. It asks nothing, so it cannot
fail for a while. DUNNO for every other sender, and for one recipient.

Example: data = [\"reject_multi_recipient_bounce\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_multi_recipient_bounce",
    aliases: &[],
    usage: "",
    needs: Event::Rcpt,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectMultiRecipientBounce(arguments.settings().codes.multi_recipient_bounce_reject_code)))
}

#[derive(Debug)]
struct RejectMultiRecipientBounce(ReplyCode);

impl Restriction for RejectMultiRecipientBounce {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        // At RCPT the recipient that is judged is not among the accepted ones yet.
        let allowed = usize::from(request.event != Event::Rcpt);
        let accepted = request.envelope.accepted;
        if !request.sender().is_some_and(is_null) || accepted <= allowed {
            return Ok(Action::Dunno);
        }
        lookups.note(format!("{accepted} recipients before this moment"));
        let subject = request.subject;
        Ok(Action::Reject(subject.rejected(request, self.0, Enhanced::new(5, 3), "Multi-recipient bounce")))
    }
}

fn is_null(sender: &Path) -> bool {
    sender.address.is_null()
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage},
        restriction::args::Settings,
        smtp::reply::ReplyCode,
        testing::{Mail, said, said_with, zone},
    };

    const NAME: &str = "reject_multi_recipient_bounce";

    #[test]
    fn the_second_recipient_of_a_bounce_is_refused() {
        let rcpt = "reject 550 5.5.3 <to@rcpt.example>: Recipient address rejected: Multi-recipient bounce";
        let data = "reject 550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce";
        let end = "reject 550 5.5.3 <END-OF-MESSAGE>: End-of-data rejected: Multi-recipient bounce";
        let cases = [
            ("", Event::Rcpt, Stage::Recipient, 0, "dunno"),
            ("", Event::Rcpt, Stage::Recipient, 1, rcpt),
            ("", Event::Rcpt, Stage::Recipient, 2, rcpt),
            ("a@b.example", Event::Rcpt, Stage::Recipient, 1, "dunno"),
            ("", Event::Data, Stage::Data, 1, "dunno"),
            ("", Event::Data, Stage::Data, 2, data),
            ("a@b.example", Event::Data, Stage::Data, 2, "dunno"),
            ("", Event::EndOfMessage, Stage::EndOfData, 1, "dunno"),
            ("", Event::EndOfMessage, Stage::EndOfData, 2, end),
        ];
        for (sender, event, stage, accepted, want) in cases {
            let mut mail = Mail::new().from(sender).at(event, stage);
            mail.envelope.accepted = accepted;
            assert_eq!(said(NAME, &mail, &zone("")), want, "<{sender}> {event:?} {accepted}");
        }
    }

    #[test]
    fn before_mail_there_is_nothing_to_judge() {
        let mail = Mail::new().at(Event::Helo, Stage::Helo);
        assert_eq!(said(NAME, &mail, &zone("")), "dunno");
    }

    #[test]
    fn the_code_is_a_setting() {
        let mut settings = Settings::default();
        settings.codes.multi_recipient_bounce_reject_code = ReplyCode::known(450);
        let mut mail = Mail::new().from("");
        mail.envelope.accepted = 1;
        let want = "defer 450 4.5.3 <to@rcpt.example>: Recipient address rejected: Multi-recipient bounce";
        assert_eq!(said_with(NAME, &settings, &mail, &zone("")), want);
    }
}
