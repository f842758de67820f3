//! Negotiation: which events, answers, changes and macros a policy needs, masked with what the MTA offers.
//!
//! An option that was not offered ends the session (Postfix and Sendmail differ by version), and a macro list replaces
//! the MTA's own for that stage, so each list repeats Postfix's defaults (postconf(5) milter_*_macros).

use crate::{
    decision::action::Amends,
    policy::{Policy, content::Content},
    request::{Event, Stage},
};
use indymilter::{Actions, MacroStage, ProtoOpts};
use std::ffi::CStr;

/// The macros of each stage.
pub(super) const MACROS: [(MacroStage, &CStr); 7] = [
    (
        MacroStage::Connect,
        c"j {daemon_name} {daemon_addr} {daemon_port} v _ {client_name} {client_ptr} {client_resolve} {client_addr} {client_port} {client_connections}",
    ),
    (MacroStage::Helo, c"{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {verify}"),
    // TLS once more: a client need not say EHLO after STARTTLS.
    (
        MacroStage::Mail,
        c"i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer} {tls_version} {cipher} {cert_subject} {verify}",
    ),
    (MacroStage::Rcpt, c"i {rcpt_addr} {rcpt_host} {rcpt_mailer}"),
    (MacroStage::Data, c"i"),
    (MacroStage::Eoh, c"i"),
    (MacroStage::Eom, c"i"),
];

/// What was agreed on, for the life of the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    /// Protocol options.
    pub(super) opts: ProtoOpts,
    /// Changes of the message.
    pub(super) actions: Actions,
}

impl Agreed {
    /// Asks for what the policy needs of what is offered.
    pub(super) fn between(policy: &Policy, content: &Content, actions: Actions, opts: ProtoOpts) -> Self {
        Self { opts: options(policy, content) & opts, actions: changes(policy.amends()) & actions }
    }

    /// Whether the MTA takes macro lists.
    pub(super) fn takes_macros(self) -> bool {
        self.actions.contains(Actions::REQUEST_MACROS)
    }

    /// Whether the MTA waits for no answer to an event.
    pub(super) fn is_silent(self, event: Event) -> bool {
        match event {
            Event::Connect => self.opts.contains(ProtoOpts::NOREPLY_CONNECT),
            Event::Helo => self.opts.contains(ProtoOpts::NOREPLY_HELO),
            Event::Mail => self.opts.contains(ProtoOpts::NOREPLY_MAIL),
            Event::Rcpt | Event::Data | Event::EndOfMessage => false,
        }
    }
}

/// Events that nothing in the policy answers are told without waiting for us, or not at all. RCPT always has an answer;
/// the content is sent only if something looks at it, and then its pieces may be skipped.
fn options(policy: &Policy, content: &Content) -> ProtoOpts {
    let answers = |event| policy.judges(event);
    let mut opts = ProtoOpts::LEADING_SPACE | ProtoOpts::NO_UNKNOWN;
    opts |= if content.is_empty() {
        ProtoOpts::NO_HEADER | ProtoOpts::NO_EOH | ProtoOpts::NO_BODY
    } else {
        ProtoOpts::NOREPLY_HEADER | ProtoOpts::SKIP
    };
    opts.set(ProtoOpts::NOREPLY_CONNECT, !answers(Event::Connect));
    // A refusal of HELO is given at MAIL.
    opts.set(ProtoOpts::NOREPLY_HELO, true);
    opts.set(ProtoOpts::NOREPLY_MAIL, !answers(Event::Mail) && !answers(Event::Helo));
    opts.set(ProtoOpts::NO_DATA, policy.list(Stage::Data).entries.is_empty() && !policy.greylists());
    opts
}

fn changes(amends: Amends) -> Actions {
    let mut actions = Actions::REQUEST_MACROS;
    actions.set(Actions::ADD_HEADER, amends.headers || amends.fields);
    actions.set(Actions::CHANGE_HEADER, amends.fields);
    actions.set(Actions::ADD_RCPT | Actions::DELETE_RCPT, amends.recipients);
    actions.set(Actions::QUARANTINE, amends.quarantine);
    actions
}
