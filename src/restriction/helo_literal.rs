//! The address literal in HELO, judged alike by the three HELO restrictions: smtpd_check.c, reject_invalid_hostaddr().

use crate::{
    decision::action::Action,
    request::{Request, subject::Subject},
    smtp::{
        helo::{Literal, literal},
        reply::{Enhanced, ReplyCode},
    },
};

/// What a HELO name in brackets is answered with; `None` if it does not begin with one. `code` is always
/// invalid_hostname_reject_code, also in the restrictions that have a code of their own.
pub(super) fn judge(name: &str, request: &Request<'_>, code: ReplyCode) -> Option<Action> {
    Some(match literal(name)? {
        Literal::Address(_) => Action::Dunno,
        Literal::Malformed => {
            Action::Reject(Subject::Helo.rejected(request, code, Enhanced::new(5, 2), "invalid ip address"))
        }
    })
}

/// Literals and what each HELO restriction says to them, for the tests of all three.
#[cfg(test)]
pub(super) const CASES: [(&str, &str); 11] = [
    ("[192.0.2.1]", "dunno"),
    ("[IPv6:2001:db8::1]", "dunno"),
    ("[ipv6:::1]", "dunno"),
    ("[01.2.3.4]", "dunno"),
    ("[]", "reject 501 5.5.2 <[]>: Helo command rejected: invalid ip address"),
    ("[", "reject 501 5.5.2 <[>: Helo command rejected: invalid ip address"),
    ("[1.2.3.4", "reject 501 5.5.2 <[1.2.3.4>: Helo command rejected: invalid ip address"),
    ("[::1]", "reject 501 5.5.2 <[::1]>: Helo command rejected: invalid ip address"),
    ("[1.2.3]", "reject 501 5.5.2 <[1.2.3]>: Helo command rejected: invalid ip address"),
    ("[1.2.3.4].", "reject 501 5.5.2 <[1.2.3.4].>: Helo command rejected: invalid ip address"),
    ("[mail.example]", "reject 501 5.5.2 <[mail.example]>: Helo command rejected: invalid ip address"),
];
