//! Words of postconf(5) that cannot stand in a list here: why, and what to do instead. A list pasted from main.cf gets an
//! honest message for each, never a "did you mean".

use std::fmt;

/// A restriction that this version does not carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name, as in postconf(5).
    pub name: &'static str,
    /// Why it cannot stand here: the end of a sentence that begins with the name.
    pub why: &'static str,
    /// What to do instead.
    pub keep: &'static str,
}

/// `` `reject_unauth_pipelining` cannot stand here: … ``, the message of a diagnostic; [`Elsewhere::keep`] is its help.
impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot stand here: {}", self.name, self.why)
    }
}

/// What to say about a name, in any case of letters; `None` if it is none of Postfix's and none to come.
pub fn elsewhere(name: &str) -> Option<&'static Elsewhere> {
    TABLE.iter().find(|elsewhere| elsewhere.name.eq_ignore_ascii_case(name))
}

const fn word(name: &'static str, why: &'static str, keep: &'static str) -> Elsewhere {
    Elsewhere { name, why, keep }
}

/// A restriction of Postfix that later versions will carry out.
const fn later(name: &'static str) -> Elsewhere {
    word(name, NOT_YET, KEEP)
}

/// One that later versions will carry out and Postfix never does.
const fn own(name: &'static str) -> Elsewhere {
    word(name, NOT_YET, OWN_KEEP)
}

const NOT_YET: &str = "this version does not have it";
const KEEP: &str = "keep it in main.cf, in the smtpd_*_restrictions where it stands";
const OWN_KEEP: &str = "take it out; Postfix does not know it either";

const RELAY: &str =
    "leave it in smtpd_relay_restrictions of main.cf: it keeps the server from being an open relay";
const TABLES: &str = "only Postfix knows its own domains and users";
const UNLISTED: &str = "leave smtpd_reject_unlisted_recipient = yes in main.cf, which is the default";
const PROBE: &str = "only Postfix can probe an address, with its verify(8) service";
const FINGERPRINT: &str = "a milter is not told the fingerprint of a certificate";
const OLD: &str = "Postfix 3.9 removed it";
const LOGINS: &str = "only Postfix knows smtpd_sender_login_maps";

static TABLE: &[Elsewhere] = &[
    // What only Postfix itself can carry out.
    word("reject_unauth_destination", TABLES, RELAY),
    word("defer_unauth_destination", TABLES, RELAY),
    word("permit_auth_destination", TABLES, RELAY),
    word("reject_unlisted_recipient", TABLES, UNLISTED),
    word("reject_unlisted_sender", TABLES, "set smtpd_reject_unlisted_sender = yes in main.cf"),
    word("reject_unverified_sender", PROBE, KEEP),
    word("reject_unverified_recipient", PROBE, KEEP),
    word(
        "reject_unauth_pipelining",
        "a milter cannot see that a client sends ahead of the replies",
        "leave it in smtpd_data_restrictions of main.cf",
    ),
    word("permit_tls_clientcerts", FINGERPRINT, "keep it in main.cf; permit_tls_all_clientcerts works here"),
    word("check_ccert_access", FINGERPRINT, KEEP),
    word("reject_sender_login_mismatch", LOGINS, KEEP),
    word("reject_known_sender_login_mismatch", LOGINS, KEEP),
    word("reject_authenticated_sender_login_mismatch", LOGINS, KEEP),
    word("reject_unauthenticated_sender_login_mismatch", LOGINS, KEEP),
    word(
        "permit_mx_backup",
        "only Postfix knows which networks and interfaces are its own",
        "list the domains in relay_domains of main.cf",
    ),
    word("check_etrn_access", "a milter does not see ETRN", "leave it in smtpd_etrn_restrictions of main.cf"),
    // What Postfix itself has no more, or never had.
    word("check_relay_domains", OLD, "use reject_unauth_destination in smtpd_relay_restrictions of main.cf"),
    word("reject_maps_rbl", OLD, "use one reject_rbl_client per list in main.cf"),
    word("reject_rbl", "it is an old name of reject_rbl_client, which this version does not have", KEEP),
    word("permit_naked_ip_address", OLD, "take it out; use check_client_access for the clients that need it"),
    word(
        "check_recipient_maps",
        "it is an old name of reject_unlisted_recipient, and only Postfix knows its users",
        UNLISTED,
    ),
    word(
        "reject_unknown_forward_client_hostname",
        "no version of Postfix ever carried it out",
        "use reject_unknown_client_hostname, which wants the forward lookup too",
    ),
    // What later versions will carry out.
    later("reject_rbl_client"),
    later("reject_rhsbl_client"),
    later("reject_rhsbl_reverse_client"),
    later("reject_rhsbl_helo"),
    later("reject_rhsbl_sender"),
    later("reject_rhsbl_recipient"),
    later("permit_dnswl_client"),
    later("permit_rhswl_client"),
    later("check_client_a_access"),
    later("check_client_mx_access"),
    later("check_client_ns_access"),
    later("check_reverse_client_hostname_a_access"),
    later("check_reverse_client_hostname_mx_access"),
    later("check_reverse_client_hostname_ns_access"),
    later("check_helo_a_access"),
    later("check_helo_mx_access"),
    later("check_helo_ns_access"),
    later("check_sender_a_access"),
    later("check_sender_mx_access"),
    later("check_sender_ns_access"),
    later("check_recipient_a_access"),
    later("check_recipient_mx_access"),
    later("check_recipient_ns_access"),
    later("check_policy_service"),
    later("check_sasl_access"),
    later("permit_inet_interfaces"),
    later("reject_multi_recipient_bounce"),
    later("reject_plaintext_session"),
    later("sleep"),
    // What later versions will carry out and Postfix never does.
    own("greylist_dnsbl_score"),
    own("reject_dnsbl_score"),
    own("reject_attachment_name"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restriction::find;
    use std::collections::HashSet;

    #[test]
    fn every_name_stands_once_and_is_no_restriction_of_ours() {
        let mut seen = HashSet::new();
        for Elsewhere { name, .. } in TABLE {
            assert!(seen.insert(name), "{name} stands twice");
            assert!(find(name).is_none(), "{name} can stand in a list");
            assert_eq!(elsewhere(&name.to_uppercase()).map(|elsewhere| elsewhere.name), Some(*name));
        }
    }

    #[test]
    fn the_message_names_the_reason_and_the_way_out() {
        let cases = [
            (
                "Reject_Unauth_Destination",
                "`reject_unauth_destination` cannot stand here: only Postfix knows its own domains and users",
                RELAY,
            ),
            (
                "check_relay_domains",
                "`check_relay_domains` cannot stand here: Postfix 3.9 removed it",
                "use reject_unauth_destination in smtpd_relay_restrictions of main.cf",
            ),
            (
                "reject_rbl_client",
                "`reject_rbl_client` cannot stand here: this version does not have it",
                KEEP,
            ),
            (
                "greylist_dnsbl_score",
                "`greylist_dnsbl_score` cannot stand here: this version does not have it",
                OWN_KEEP,
            ),
        ];
        for (name, message, keep) in cases {
            let elsewhere = elsewhere(name).unwrap();
            assert_eq!((elsewhere.to_string().as_str(), elsewhere.keep), (message, keep));
        }
        assert_eq!(elsewhere("permit_mynetworks"), None);
        assert_eq!(elsewhere("reject_unknown_hlo"), None);
    }
}
