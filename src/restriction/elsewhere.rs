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

const KEEP: &str = "keep it in main.cf, in the smtpd_*_restrictions where it stands";

const TABLES: &str = "only Postfix knows its own domains and users";
const UNLISTED: &str = "leave smtpd_reject_unlisted_recipient = yes in main.cf, which is the default";
const PROBE: &str = "only Postfix can probe an address, with its verify(8) service";
const FINGERPRINT: &str = "a milter is not told the fingerprint of a certificate";
const OLD: &str = "Postfix 3.9 removed it";

static TABLE: &[Elsewhere] = &[
    // What only Postfix itself can carry out.
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
    word(
        "permit_mx_backup",
        "only Postfix knows which networks and interfaces are its own",
        "list the domains in relay_domains of main.cf",
    ),
    word("check_etrn_access", "a milter does not see ETRN", "leave it in smtpd_etrn_restrictions of main.cf"),
    // What Postfix itself has no more, or never had.
    word("check_relay_domains", OLD, "use reject_unauth_destination in smtpd_relay_restrictions of main.cf"),
    word("reject_maps_rbl", OLD, "use one reject_rbl_client per list"),
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

    /// Every name that smtpd_check.c knows, of today and of older versions.
    const POSTFIX: &str = "\
        check_ccert_access check_client_a_access check_client_access check_client_mx_access check_client_ns_access \
        check_etrn_access check_helo_a_access check_helo_access check_helo_mx_access check_helo_ns_access \
        check_policy_service check_recipient_a_access check_recipient_access check_recipient_maps \
        check_recipient_mx_access check_recipient_ns_access check_relay_domains \
        check_reverse_client_hostname_a_access check_reverse_client_hostname_access \
        check_reverse_client_hostname_mx_access check_reverse_client_hostname_ns_access check_sasl_access \
        check_sender_a_access check_sender_access check_sender_mx_access check_sender_ns_access defer \
        defer_if_permit defer_if_reject defer_unauth_destination permit permit_auth_destination permit_dnswl_client \
        permit_inet_interfaces permit_mx_backup permit_mynetworks permit_naked_ip_address permit_rhswl_client \
        permit_sasl_authenticated permit_tls_all_clientcerts permit_tls_clientcerts reject \
        reject_authenticated_sender_login_mismatch reject_invalid_helo_hostname reject_invalid_hostname \
        reject_known_sender_login_mismatch reject_maps_rbl reject_multi_recipient_bounce \
        reject_non_fqdn_helo_hostname reject_non_fqdn_hostname reject_non_fqdn_recipient reject_non_fqdn_sender \
        reject_plaintext_session reject_rbl reject_rbl_client reject_rhsbl_client reject_rhsbl_helo \
        reject_rhsbl_recipient reject_rhsbl_reverse_client reject_rhsbl_sender reject_sender_login_mismatch \
        reject_unauth_destination reject_unauth_pipelining reject_unauthenticated_sender_login_mismatch \
        reject_unknown_address reject_unknown_client reject_unknown_client_hostname \
        reject_unknown_forward_client_hostname reject_unknown_helo_hostname reject_unknown_hostname \
        reject_unknown_recipient_domain reject_unknown_reverse_client_hostname reject_unknown_sender_domain \
        reject_unlisted_recipient reject_unlisted_sender reject_unverified_recipient reject_unverified_sender sleep \
        warn_if_reject";

    #[test]
    fn every_name_of_postfix_is_a_restriction_or_stands_here() {
        for name in POSTFIX.split_whitespace() {
            assert!(find(name).is_some() != elsewhere(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_message_names_the_reason_and_the_way_out() {
        let cases = [
            (
                "Reject_Unlisted_Recipient",
                "`reject_unlisted_recipient` cannot stand here: only Postfix knows its own domains and users",
                UNLISTED,
            ),
            (
                "check_relay_domains",
                "`check_relay_domains` cannot stand here: Postfix 3.9 removed it",
                "use reject_unauth_destination in smtpd_relay_restrictions of main.cf",
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
