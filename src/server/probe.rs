//! The probe of `mailward postfix attach`: a session that only mailward can answer, so that the answer proves that Postfix
//! asks it.

use crate::{
    request::session::Session,
    smtp::reply::{Enhanced, Reply, ReplyCode},
};

/// What stands before the token in the HELO name, and behind it.
const AROUND: (&str, &str) = ("mailward-probe-", ".invalid");

/// The HELO name for a token.
pub fn helo_name(token: &str) -> String {
    format!("{}{token}{}", AROUND.0, AROUND.1)
}

/// The reply to every recipient of a probe, as the client hears it.
pub fn answer(token: &str) -> Reply {
    let text = format!("mailward {} answers {token}", env!("CARGO_PKG_VERSION"));
    Reply::new(ReplyCode::known(450), Enhanced::new(7, 0), &text)
}

/// The token of a session that is a probe: one from this machine, under a name that no host can have. All its recipients
/// are refused, so nobody gains anything by it.
pub(super) fn token(session: &Session) -> Option<&str> {
    session.client.address.filter(std::net::IpAddr::is_loopback)?;
    let token = session.helo.as_ref()?.raw.strip_prefix(AROUND.0)?.strip_suffix(AROUND.1)?;
    let is_token = (8..=40).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_token.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::helo::Helo;

    #[test]
    fn only_a_session_from_this_machine_under_such_a_name_is_a_probe() {
        let cases = [
            ("127.0.0.1", "mailward-probe-0123456789abcdef.invalid", Some("0123456789abcdef")),
            ("::1", "mailward-probe-0123456789abcdef.invalid", Some("0123456789abcdef")),
            ("192.0.2.1", "mailward-probe-0123456789abcdef.invalid", None),
            ("127.0.0.1", "mailward-probe-short.invalid", None),
            ("127.0.0.1", "mailward-probe-01234567 89abcdef.invalid", None),
            ("127.0.0.1", "mailward-probe-0123456789abcdef.example", None),
            ("127.0.0.1", "localhost", None),
        ];
        for (address, helo, want) in cases {
            let mut session = Session::default();
            session.client.address = Some(address.parse().unwrap());
            session.helo = Some(Helo::from_wire(helo.as_bytes()));
            assert_eq!(token(&session), want, "{address} {helo}");
        }
        assert_eq!(token(&Session::default()), None);
        assert_eq!(helo_name("0123456789abcdef"), "mailward-probe-0123456789abcdef.invalid");
        let want = format!("450 4.7.0 mailward {} answers 0123456789abcdef", env!("CARGO_PKG_VERSION"));
        assert_eq!(answer("0123456789abcdef").to_string(), want);
    }
}
