//! The client's connection: address, names and their status, HELO name, login, TLS.

use crate::smtp::{domain, helo::Helo};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// One SMTP session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The client.
    pub client: Client,
    /// The last HELO or EHLO name.
    pub helo: Option<Helo>,
    /// The SASL login: macros `{auth_type}` and `{auth_authen}`.
    pub login: Option<Login>,
    /// TLS, once there is any.
    pub tls: Option<Tls>,
    /// The MTA's own side.
    pub server: Server,
}

/// Postfix's word for a client name or address that is not known; a real key in access tables.
pub const UNKNOWN: &str = "unknown";

/// The client as its connection shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Its address, IPv4-mapped ones as IPv4; `None` for a family without addresses.
    pub address: Option<IpAddr>,
    /// Its port; 0 for a submission that did not come by SMTP.
    pub port: u16,
    /// Its names; [`Identity::default`] until they are known.
    pub identity: Identity,
}

/// What DNS says about the client's address, as smtpd_peer.c finds it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The verified name, or `unknown`.
    pub name: String,
    /// Whether the name is verified, and if not, why.
    pub name_status: NameStatus,
    /// The PTR record's name, verified or not, or `unknown`.
    pub reverse_name: String,
    /// Whether there is a PTR record; never [`NameStatus::Forged`].
    pub reverse_status: NameStatus,
}

impl Default for Identity {
    fn default() -> Self {
        Self::nameless(NameStatus::Missing)
    }
}

impl Identity {
    /// A client without any name: `status` is Missing or Temporary.
    pub fn nameless(status: NameStatus) -> Self {
        Self {
            name: UNKNOWN.to_owned(),
            name_status: status,
            reverse_name: UNKNOWN.to_owned(),
            reverse_status: status,
        }
    }

    /// A client whose PTR name leads back to its address.
    pub fn verified(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            name_status: NameStatus::Verified,
            reverse_name: name.to_owned(),
            reverse_status: NameStatus::Verified,
        }
    }

    /// A client with a PTR name that does not lead back: `status` is Forged or Temporary.
    pub fn unverified(reverse_name: &str, status: NameStatus) -> Self {
        Self {
            name: UNKNOWN.to_owned(),
            name_status: status,
            reverse_name: reverse_name.to_owned(),
            reverse_status: NameStatus::Verified,
        }
    }

    /// The same with what the MTA says of the PTR record: usually the same name, but XCLIENT can tell another, or none.
    fn with_reverse(mut self, name: &str) -> Self {
        match name {
            "" => {}
            UNKNOWN => {
                self.reverse_name = UNKNOWN.to_owned();
                self.reverse_status = NameStatus::Missing;
            }
            name => self.reverse_name = name.to_owned(),
        }
        self
    }

    /// From the macros `{client_name}`, `{client_ptr}` and `{client_resolve}`; `None` where they do not tell.
    pub fn from_macros(name: &str, reverse_name: &str, resolve: &str) -> Option<Self> {
        let status = match resolve {
            "OK" if name.is_empty() || name == UNKNOWN => return None,
            "OK" => return Some(Self::verified(name).with_reverse(reverse_name)),
            "FAIL" => NameStatus::Missing,
            "FORGED" => NameStatus::Forged,
            "TEMP" => NameStatus::Temporary,
            _ => return None,
        };
        Some(match reverse_name {
            UNKNOWN | "" if status == NameStatus::Forged => Self::nameless(NameStatus::Missing),
            UNKNOWN | "" => Self::nameless(status),
            reverse if status == NameStatus::Missing => Self::unverified(reverse, NameStatus::Forged),
            reverse => Self::unverified(reverse, status),
        })
    }
}

/// How the search for a client's name ended: smtpd's name_status and reverse_name_status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameStatus {
    /// Found; for the name: it leads back to the address. `{client_resolve}` = OK.
    Verified,
    /// There is no PTR record, or its name is none. `{client_resolve}` = FAIL.
    Missing,
    /// The PTR name does not lead back to the address. `{client_resolve}` = FORGED.
    Forged,
    /// DNS did not answer. `{client_resolve}` = TEMP.
    Temporary,
}

impl Client {
    /// `name[address]`, as Postfix's logs and replies name a client.
    pub fn host(&self) -> String {
        [&self.identity.name, "[", &self.address_text(), "]"].concat()
    }

    /// The address as text, `unknown` without one.
    pub fn address_text(&self) -> String {
        self.address.map_or_else(|| UNKNOWN.to_owned(), domain::address_text)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())
    }
}

/// A SASL login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// The mechanism, `{auth_type}`.
    pub method: String,
    /// The login name, `{auth_authen}`.
    pub name: String,
}

/// The session's encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Tls {
    /// The protocol, `{tls_version}`.
    pub version: String,
    /// The cipher, `{cipher}`.
    pub cipher: String,
    /// The size of its key in bits, `{cipher_bits}`.
    pub cipher_bits: Option<u32>,
    /// The common name of the client certificate, `{cert_subject}`: Postfix sends it only for a certificate that a
    /// trusted authority signed.
    pub cert_subject: Option<String>,
    /// The common name of who signed it, `{cert_issuer}`, under the same condition.
    pub cert_issuer: Option<String>,
}

/// The MTA's own side of the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// `{daemon_name}`.
    pub name: String,
    /// `{daemon_addr}`.
    pub address: String,
    /// `{daemon_port}`.
    pub port: String,
    /// Postfix's version, from `v`; empty for another MTA.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_observed_macro_sets_give_the_identity_that_postfix_has() {
        let missing = Identity::nameless(NameStatus::Missing);
        let temporary = Identity::nameless(NameStatus::Temporary);
        let cases = [
            (("good.test", "good.test", "OK"), Some(Identity::verified("good.test"))),
            (
                ("unknown", "forged.test", "FORGED"),
                Some(Identity::unverified("forged.test", NameStatus::Forged)),
            ),
            (("unknown", "unknown", "FAIL"), Some(missing.clone())),
            (("unknown", "unknown", "FORGED"), Some(missing)),
            (("unknown", "unknown", "TEMP"), Some(temporary)),
            (("unknown", "fwd.test", "TEMP"), Some(Identity::unverified("fwd.test", NameStatus::Temporary))),
            (("unknown", "x.test", "FAIL"), Some(Identity::unverified("x.test", NameStatus::Forged))),
            (("good.test", "good.test", ""), None),
            (("", "", "OK"), None),
            (("unknown", "unknown", "OK"), None),
            (("good.test", "", "OK"), Some(Identity::verified("good.test"))),
            (
                ("good.test", "other.test", "OK"),
                Some(Identity { reverse_name: "other.test".to_owned(), ..Identity::verified("good.test") }),
            ),
        ];
        for ((name, reverse, resolve), want) in cases {
            assert_eq!(Identity::from_macros(name, reverse, resolve), want, "{name} {reverse} {resolve}");
        }
    }
}
