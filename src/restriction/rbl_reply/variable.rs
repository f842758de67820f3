//! The variables of reply templates: postconf(5) default_rbl_reply.

use super::Context;
use crate::{request::session::UNKNOWN, smtp::address::Address};
use std::borrow::Cow;

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Client,
    ClientAddress,
    ClientName,
    ClientPort,
    HeloName,
    Localtime,
    RblClass,
    RblCode,
    RblDomain,
    /// `rbl_txt` too.
    RblReason,
    RblWhat,
    Recipient,
    RecipientDomain,
    RecipientName,
    ReverseClientName,
    Sender,
    SenderDomain,
    SenderName,
    ServerName,
}

const NAMES: [(&str, Variable); 20] = [
    ("client", Variable::Client),
    ("client_address", Variable::ClientAddress),
    ("client_name", Variable::ClientName),
    ("client_port", Variable::ClientPort),
    ("helo_name", Variable::HeloName),
    ("localtime", Variable::Localtime),
    ("rbl_class", Variable::RblClass),
    ("rbl_code", Variable::RblCode),
    ("rbl_domain", Variable::RblDomain),
    ("rbl_reason", Variable::RblReason),
    ("rbl_txt", Variable::RblReason),
    ("rbl_what", Variable::RblWhat),
    ("recipient", Variable::Recipient),
    ("recipient_domain", Variable::RecipientDomain),
    ("recipient_name", Variable::RecipientName),
    ("reverse_client_name", Variable::ReverseClientName),
    ("sender", Variable::Sender),
    ("sender_domain", Variable::SenderDomain),
    ("sender_name", Variable::SenderName),
    ("server_name", Variable::ServerName),
];

impl Variable {
    /// The variable of a name.
    pub(super) fn find(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable)
    }

    /// The name that is most like an unknown one.
    pub(super) fn near(name: &str) -> Option<&'static str> {
        if name.len() > 64 {
            return None;
        }
        let far = |known: &str| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), known);
        let known = NAMES.iter().map(|(known, _)| (far(known), *known));
        known.filter(|(far, known)| *far <= known.len() / 4 + 1).min().map(|(_, known)| known)
    }

    /// The value; empty where the request has no such thing.
    pub(super) fn value<'a>(self, of: &Context<'a>) -> Cow<'a, str> {
        let request = of.request;
        let client = &request.session.client;
        let sender = request.sender().map(|path| &path.address);
        let recipient = request.recipient.map(|path| &path.address);
        match self {
            Self::Client => client.host().into(),
            Self::ClientAddress => client.address_text().into(),
            Self::ClientName => client.identity.name.as_str().into(),
            Self::ClientPort if client.port == 0 => UNKNOWN.into(),
            Self::ClientPort => client.port.to_string().into(),
            Self::HeloName => request.helo().unwrap_or_default().into(),
            Self::Localtime => request.now.rfc5322().into(),
            Self::RblClass => of.subject.class().into(),
            Self::RblCode => of.code.to_string().into(),
            Self::RblDomain => of.domain.into(),
            Self::RblReason => of.reason.into(),
            Self::RblWhat => of.what.into(),
            Self::Recipient => sender_or_null(recipient),
            Self::RecipientName => name(recipient),
            Self::RecipientDomain => domain(recipient),
            Self::ReverseClientName => client.identity.reverse_name.as_str().into(),
            Self::Sender => sender_or_null(sender),
            Self::SenderName => name(sender),
            Self::SenderDomain => domain(sender),
            Self::ServerName => request.session.server.name.as_str().into(),
        }
    }
}

/// smtpd_expand_addr() writes the null sender and its name as `<>`.
const NULL: &str = "<>";

fn sender_or_null(address: Option<&Address>) -> Cow<'_, str> {
    address.map_or("", |address| if address.is_null() { NULL } else { &address.typed }).into()
}

fn name(address: Option<&Address>) -> Cow<'_, str> {
    let Some(address) = address else { return "".into() };
    let local = address.typed.rsplit_once('@').map_or(address.typed.as_str(), |(local, _)| local);
    if address.is_null() { NULL.into() } else { local.into() }
}

fn domain(address: Option<&Address>) -> Cow<'_, str> {
    address.and_then(Address::typed_domain).unwrap_or_default().into()
}
