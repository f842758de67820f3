//! `permit_tls_all_clientcerts`, of postconf(5).

use super::{Kind, Parse, Restriction};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending},
    request::{Event, Request},
};

const MANUAL: &str = "\
Permits if the client showed a certificate that a trusted authority signed.

Use it only where the authority is your own: with the public ones in
smtpd_tls_CAfile everybody can have such a certificate. It needs
smtpd_tls_ask_ccert = yes in main.cf. It ends only the list it stands in, has
no reply and asks nothing, so it cannot fail for a while. DUNNO without TLS,
without a certificate, and with one that is not trusted.

Postfix: asks its TLS session; here: the macro {cert_subject} tells, because
Postfix sends it for trusted certificates only. So a trusted certificate with
an empty common name is not known here. Sendmail sends the macro for every
certificate: do not use this restriction with Sendmail.

Example: recipient = [\"permit_mynetworks\", \"permit_tls_all_clientcerts\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "permit_tls_all_clientcerts",
    aliases: &[],
    usage: "",
    needs: Event::Helo,
    manual: MANUAL,
    parse: Parse::Entry(|_| Ok(Box::new(PermitTlsAllClientcerts))),
}];

#[derive(Debug)]
struct PermitTlsAllClientcerts;

impl Restriction for PermitTlsAllClientcerts {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let subject = request.session.tls.as_ref().and_then(|tls| tls.cert_subject.as_deref());
        let Some(subject) = subject.filter(|subject| !subject.is_empty()) else { return Ok(Action::Dunno) };
        lookups.note(format!("trusted certificate of {subject}"));
        Ok(Action::Ok)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::session::Tls,
        testing::{Mail, said, zone},
    };

    #[test]
    fn only_a_trusted_certificate_passes() {
        let tls = |subject: Option<&str>| Tls {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
            cert_subject: subject.map(str::to_owned),
            ..Tls::default()
        };
        let cases = [
            (None, "dunno"),
            (Some(tls(None)), "dunno"),
            (Some(tls(Some(""))), "dunno"),
            (Some(tls(Some("partner.example"))), "ok"),
        ];
        for (tls, want) in cases {
            let mut mail = Mail::new();
            mail.session.tls = tls;
            assert_eq!(said("permit_tls_all_clientcerts", &mail, &zone("")), want);
        }
    }
}
