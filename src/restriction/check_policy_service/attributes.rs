//! The attributes of a policy request, in the order in which Postfix's smtpd sends them (smtpd_check.c,
//! check_policy_service()).

use crate::{
    request::{Event, Request},
    restriction::content::Size,
    smtp::text::printable,
};
use std::fmt::{Display, Write as _};

/// The lines `name=value`, without the empty one at the end.
pub(super) fn of(request: &Request<'_>, policy_context: &str) -> String {
    let session = request.session;
    let client = &session.client;
    let envelope = request.envelope;
    let after_rcpt = matches!(request.event, Event::Data | Event::EndOfMessage);
    let login = session.login.as_ref();
    let tls = session.tls.as_ref();
    let common_name = |name: Option<&String>| name.map(|name| xtext(name)).unwrap_or_default();

    let mut lines = Lines(String::with_capacity(1024));
    lines.add("request", "smtpd_access_policy");
    lines.add("protocol_state", request.event.word());
    // Postfix: SMTP after HELO; here: ESMTP, because a milter is not told HELO from EHLO.
    lines.add("protocol_name", if session.helo.is_none() { "SMTP" } else { "ESMTP" });
    lines.add("client_address", client.address_text());
    lines.add("client_name", &client.identity.name);
    lines.add("client_port", client.port);
    lines.add("reverse_client_name", &client.identity.reverse_name);
    lines.add("server_address", &session.server.address);
    lines.add("server_port", &session.server.port);
    lines.add("helo_name", request.helo().unwrap_or_default());
    lines.add("sender", request.sender().map_or("", |path| &path.address.typed));
    lines.add("recipient", request.recipient.map_or("", |path| &path.address.typed));
    lines.add("recipient_count", if after_rcpt { envelope.accepted } else { 0 });
    lines.add("queue_id", envelope.queue_id.as_deref().unwrap_or_default());
    lines.add("instance", envelope.instance.unwrap_or(request.id));
    let size = request.message.and_then(|message| message.facts::<Size>());
    lines.add("size", size.map_or(envelope.size.unwrap_or_default(), |size| size.0));
    lines.add("etrn_domain", "");
    lines.add("stress", "");
    lines.add("sasl_method", login.map_or("", |login| &login.method));
    lines.add("sasl_username", login.map_or("", |login| &login.name));
    lines.add("sasl_sender", envelope.auth_author.as_deref().unwrap_or_default());
    lines.add("ccert_subject", common_name(tls.and_then(|tls| tls.cert_subject.as_ref())));
    lines.add("ccert_issuer", common_name(tls.and_then(|tls| tls.cert_issuer.as_ref())));
    lines.add("ccert_fingerprint", "");
    lines.add("ccert_pubkey_fingerprint", "");
    lines.add("encryption_protocol", tls.map_or("", |tls| &tls.version));
    lines.add("encryption_cipher", tls.map_or("", |tls| &tls.cipher));
    lines.add("encryption_keysize", tls.and_then(|tls| tls.cipher_bits).unwrap_or_default());
    lines.add("tls_sni", "");
    lines.add("policy_context", policy_context);
    lines.add("compatibility_level", "");
    lines.add("mail_version", &session.server.version);
    lines.0
}

struct Lines(String);

impl Lines {
    /// A value can never end its line: a line break is not printable.
    fn add(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        let _ = writeln!(self.0, "{name}={}", printable(&value, '?'));
    }
}

/// The xtext of RFC 3461 section 4, which Postfix uses for the names in certificates.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'+' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "+{byte:02X}");
        }
    }
    out
}
