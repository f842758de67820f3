//! A table entry and what it says about a subject: the actions of access(5), as smtpd's check_table_result() does
//! them.

use super::template::Template;
use crate::{
    decision::action::{Action, Amendment, Amends, ClassId},
    origin::Origin,
    request::{Request, subject::Subject},
    smtp::{
        domain,
        reply::{Enhanced, Reply, ReplyCode},
        text,
    },
};
use std::borrow::Cow;

/// The codes that entries without a code of their own answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapCodes {
    /// `access_map_reject_code`, of REJECT.
    pub reject: ReplyCode,
    /// `access_map_defer_code`, of DEFER, DEFER_IF_PERMIT and DEFER_IF_REJECT.
    pub defer: ReplyCode,
}

/// An entry's right-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the entry begins.
    pub origin: Origin,
    /// What it says.
    pub says: Says,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// DUNNO.
    Dunno,
    /// OK, RELAY, or digits only.
    Ok,
    /// REJECT, DEFER, or a code with a text.
    Refuse(Code, Refusal),
    /// DEFER_IF_PERMIT.
    DeferIfPermit(Refusal),
    /// DEFER_IF_REJECT.
    DeferIfReject(Refusal),
    /// DISCARD.
    Discard(Template),
    /// HOLD.
    Hold(Template),
    /// REDIRECT.
    Redirect(Template),
    /// BCC.
    Bcc(Template),
    /// PREPEND.
    Prepend {
        /// The field's name.
        name: Box<str>,
        /// The field's value.
        value: Template,
    },
    /// INFO and WARN, by Postfix's word for the log line.
    Remark(&'static str, Template),
    /// A restriction list.
    Class(ClassId),
    /// A text, in a table that is none of access(5), and where it begins.
    Text(Template, Origin),
}

/// Where a refusal's code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// [`MapCodes::reject`].
    Reject,
    /// [`MapCodes::defer`].
    Defer,
    /// The entry itself.
    Own(ReplyCode),
}

/// Status and text of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The enhanced status.
    pub status: Enhanced,
    /// The text.
    pub text: Template,
}

impl Entry {
    /// Which changes of a message the entry asks for.
    pub fn amends(&self) -> Amends {
        let none = Amends::default();
        match self.says {
            Says::Hold(_) => Amends { quarantine: true, ..none },
            Says::Prepend { .. } => Amends { headers: true, ..none },
            Says::Redirect(_) | Says::Bcc(_) => Amends { recipients: true, ..none },
            Says::Discard(_) => Amends { discard: true, ..none },
            Says::Dunno
            | Says::Ok
            | Says::Refuse(..)
            | Says::DeferIfPermit(_)
            | Says::DeferIfReject(_)
            | Says::Remark(..)
            | Says::Class(_)
            | Says::Text(..) => none,
        }
    }

    /// Whether its text wants what a pattern's groups matched.
    pub fn has_groups(&self) -> bool {
        match &self.says {
            Says::Refuse(_, Refusal { text, .. })
            | Says::DeferIfPermit(Refusal { text, .. })
            | Says::DeferIfReject(Refusal { text, .. })
            | Says::Discard(text)
            | Says::Hold(text)
            | Says::Redirect(text)
            | Says::Bcc(text)
            | Says::Prepend { value: text, .. }
            | Says::Remark(_, text)
            | Says::Text(text, _) => text.has_groups(),
            Says::Dunno | Says::Ok | Says::Class(_) => false,
        }
    }

    /// The action for a subject, with what a pattern's groups matched.
    pub fn action(
        &self,
        groups: &[String],
        subject: Subject,
        request: &Request<'_>,
        codes: MapCodes,
    ) -> Action {
        let reply = |code, refusal: &Refusal| {
            subject.rejected(request, code, refusal.status, &refusal.text.expand(groups))
        };
        let trigger =
            |template: &Template, word: &str| trigger(&template.expand(groups), word, subject, request);
        match &self.says {
            // Tables of texts are no access tables.
            Says::Dunno | Says::Text(..) => Action::Dunno,
            Says::Ok => Action::Ok,
            Says::Refuse(code, refusal) => {
                let code = match code {
                    Code::Reject => codes.reject,
                    Code::Defer => codes.defer,
                    Code::Own(code) => *code,
                };
                Action::Reject(reply(code, refusal))
            }
            Says::DeferIfPermit(refusal) => Action::DeferIfPermit(reply(codes.defer, refusal)),
            Says::DeferIfReject(refusal) => Action::DeferIfReject(reply(codes.defer, refusal)),
            Says::Discard(text) => Action::Discard(trigger(text, "DISCARD")),
            Says::Hold(text) => Action::amend(Amendment::Hold(trigger(text, "HOLD"))),
            Says::Redirect(address) => {
                addressed(address, groups, Amendment::Redirect).unwrap_or_else(|| fault(subject, request))
            }
            Says::Bcc(address) => {
                addressed(address, groups, Amendment::Bcc).unwrap_or_else(|| fault(subject, request))
            }
            Says::Prepend { name, value } => {
                let (name, value) = (name.to_string(), line(value.expand(groups)));
                Action::amend(Amendment::Prepend { name, value })
            }
            Says::Remark(word, text) => Action::Remark { word, text: trigger(text, &word.to_uppercase()) },
            Says::Class(class) => Action::Class { class: *class, subject: Some(subject), may_permit: true },
            // A table of texts is never asked for an action.
        }
    }
}

/// What Postfix answers when a table cannot be asked.
pub fn fault(subject: Subject, request: &Request<'_>) -> Action {
    const CODE: ReplyCode = ReplyCode::known(451);
    Action::Fault(subject.rejected(request, CODE, Enhanced::new(3, 5), "Server configuration error"))
}

/// What Postfix answers when a table says OK where that is not allowed.
pub fn forbidden_ok() -> Action {
    const CODE: ReplyCode = ReplyCode::known(451);
    Action::Fault(Reply::new(CODE, Enhanced::new(3, 5), "Server configuration error"))
}

/// The text of Postfix's log lines for DISCARD and HOLD.
fn trigger(text: &str, word: &str, subject: Subject, request: &Request<'_>) -> String {
    let text = if text.is_empty() { format!("triggers {word} action") } else { text.to_owned() };
    line(Cow::Owned(format!("<{}>: {} {text}", subject.name(request), subject.class())))
}

/// The change that an address asks for; `None` when a pattern's groups made no address of it.
fn addressed(template: &Template, groups: &[String], change: fn(String) -> Amendment) -> Option<Action> {
    let address = template.expand(groups);
    is_address(&address).then(|| Action::amend(change(address.into_owned())))
}

/// One line without control characters.
fn line(text: Cow<'_, str>) -> String {
    text::printable(&text, ' ').into_owned()
}

/// Whether a text can be a recipient: `user@domain` in external form, with nothing around it.
pub fn is_address(address: &str) -> bool {
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    let literal = host.starts_with('[') && host.ends_with(']');
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
    let local_ok = if quoted {
        !local[1..local.len() - 1].contains(|c: char| c == '"' || c == '\\' || c.is_control())
    } else {
        !local.is_empty() && local.chars().all(plain)
    };
    local_ok
        && (domain::valid_utf8_hostname(host)
            || literal && host.chars().all(|c| c.is_ascii_alphanumeric() || "[].:".contains(c)))
}
