//! `defer_if_permit` and `defer_if_reject`, of postconf(5).

use super::{Kind, Parse, Restriction};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    request::{Event, Request},
    smtp::reply::{Enhanced, ReplyCode},
};

const DEFER_IF_PERMIT: &str = "\
Defers the mail if nothing refuses it in the end.

Reply: 450 4.7.0 <x>: CLASS rejected: defer_if_permit requested
x and CLASS are those of the list it stands in, as with reject. The first
reason of a mail is kept, goes on into the later lists, and becomes the answer
where the mail would be accepted; a refusal goes out instead of it. It asks
nothing, so it cannot fail for a while, and never says DUNNO.

Example: sender = [\"check_sender_access hash:/etc/mailward/ok\",
                   \"defer_if_permit\"]
";

const DEFER_IF_REJECT: &str = "\
Turns a later refusal of this list into a deferral.

Reply: 450 4.7.0 <x>: CLASS rejected: defer_if_reject requested
x and CLASS are those of the list it stands in, as with reject. The reply goes
out in the place of a later 5xx of the same list; a later 4xx goes out
unchanged. The end of the list forgets it. It asks nothing, so it cannot fail
for a while, and never says DUNNO.

Example: helo = [\"defer_if_reject\", \"reject_invalid_helo_hostname\"]
";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "defer_if_permit",
        aliases: &[],
        usage: "",
        needs: Event::Connect,
        manual: DEFER_IF_PERMIT,
        parse: Parse::Entry(|_| Ok(Box::new(DeferIf::Permit))),
    },
    Kind {
        name: "defer_if_reject",
        aliases: &[],
        usage: "",
        needs: Event::Connect,
        manual: DEFER_IF_REJECT,
        parse: Parse::Entry(|_| Ok(Box::new(DeferIf::Reject))),
    },
];

#[derive(Debug)]
enum DeferIf {
    Permit,
    Reject,
}

/// Hard-wired in Postfix: the generic_checks() of smtpd_check.c take no parameter for it.
const CODE: ReplyCode = ReplyCode::known(450);

impl Restriction for DeferIf {
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        let reply = |text| request.subject.rejected(request, CODE, Enhanced::new(7, 0), text);
        Ok(match self {
            Self::Permit => Action::DeferIfPermit(reply("defer_if_permit requested")),
            Self::Reject => Action::DeferIfReject(reply("defer_if_reject requested")),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Event, Stage},
        restriction::Ends,
        testing::{Mail, rule, said, zone},
    };

    #[test]
    fn they_raise_their_flag_with_the_reply_of_the_list() {
        let cases = [
            (Stage::Client, "<client.example[192.0.2.1]>: Client host"),
            (Stage::Recipient, "<to@rcpt.example>: Recipient address"),
        ];
        for (stage, subject) in cases {
            let mail = Mail::new().at(Event::Rcpt, stage);
            for name in ["defer_if_permit", "defer_if_reject"] {
                let want = format!("{name} 450 4.7.0 {subject} rejected: {name} requested");
                assert_eq!(said(name, &mail, &zone("")), want);
            }
        }
    }

    #[test]
    fn the_list_goes_on_behind_them() {
        for name in ["defer_if_permit", "defer_if_reject"] {
            assert_eq!(rule(name).ends(None), Ends::Never, "{name}");
        }
    }
}
