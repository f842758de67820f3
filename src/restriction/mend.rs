//! What the sender of a refused mail has to mend, and whom an exemption from the rule would name: for `why`. One table,
//! because rules of a family share their text.

use super::find;

/// The setting that refuses like a rule, as traces name it.
pub const HELO_REQUIRED: &str = "helo_required";

/// What a refusal by a rule means for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mend {
    /// What the sender's administrator has to mend; full sentences.
    pub sender: &'static str,
    /// Whom an exemption names.
    pub exempt: Exempt,
}

/// Whom an exemption names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// The client's address.
    Client,
    /// The sender's address, or its domain where it has no local part.
    Sender,
    /// The recipient.
    Recipient,
    /// It would not help: the administrator's own rule, or the mail itself, has to change.
    Nothing,
}

const fn mend(sender: &'static str, exempt: Exempt) -> Mend {
    Mend { sender, exempt }
}

const LISTED: Mend = mend(
    "The address is on a public block list. Its operator looks it up on the list's site, removes the cause (often a \
     hijacked account or an infected computer) and asks for its removal there.",
    Exempt::Client,
);
const LISTED_NAME: Mend = mend(
    "The domain is on a public block list. Its owner looks it up on the list's site, removes the cause and asks for its \
     removal there.",
    Exempt::Client,
);
const NAMELESS: Mend = mend(
    "The sending server's address needs a PTR record in DNS whose name leads back to the same address. Whoever gave the \
     server its address sets it.",
    Exempt::Client,
);
const POINTERLESS: Mend = mend(
    "The sending server's address needs a PTR record in DNS. Whoever gave the server its address sets it.",
    Exempt::Client,
);
/// Refused before any list runs, and so before any exemption is looked for.
const SILENT: Mend = mend("The client has to greet (HELO or EHLO) before MAIL.", Exempt::Nothing);
const HELO: Mend = mend(
    "The sending server has to greet with its full host name, one that DNS knows (myhostname in Postfix).",
    Exempt::Client,
);
const SENDER_DOMAIN: Mend = mend(
    "The domain of the sender's address needs an MX or address record in DNS, so that answers can be delivered; or the \
     address is misspelt.",
    Exempt::Sender,
);
const SENDER_FORM: Mend =
    mend("The sender's address has to be complete, with a full domain: user@example.com.", Exempt::Sender);
const RECIPIENT_DOMAIN: Mend =
    mend("The recipient's address is misspelt, or its domain is not in DNS.", Exempt::Nothing);
const WAIT: Mend = mend(
    "Nothing, if it is a mail server: it tries again by itself within minutes to hours, from the same network. A program \
     that sends only once has to hand its mail to a mail server.",
    Exempt::Client,
);
const OWN: Mend = mend(
    "Nothing by itself: this server's administrator refuses such mail. The recipient can ask the administrator to lift it.",
    Exempt::Nothing,
);
const RELAY: Mend = mend(
    "This server does not take mail for that address. The address is misspelt, or the sender has to log in first.",
    Exempt::Nothing,
);
const LOGIN: Mend =
    mend("The sender has to log in with the account that owns the sender's address.", Exempt::Nothing);

/// What a rule's refusal means; by the entry as it is written, or by its name alone.
pub fn of(entry: &str) -> Mend {
    let name = entry.split_whitespace().next().unwrap_or_default();
    let name = find(name).map_or(name, |kind| kind.name);
    match name {
        "reject_rbl_client" | "reject_dnsbl_score" => LISTED,
        name if name.starts_with("reject_rhsbl_") => LISTED_NAME,
        "reject_unknown_client_hostname" => NAMELESS,
        "reject_unknown_reverse_client_hostname" => POINTERLESS,
        HELO_REQUIRED => SILENT,
        "reject_invalid_helo_hostname" | "reject_non_fqdn_helo_hostname" | "reject_unknown_helo_hostname" => {
            HELO
        }
        "reject_unknown_sender_domain" => SENDER_DOMAIN,
        "reject_non_fqdn_sender" => SENDER_FORM,
        "reject_unknown_recipient_domain" | "reject_non_fqdn_recipient" => RECIPIENT_DOMAIN,
        name if name.starts_with("greylist") => WAIT,
        "reject_unauth_destination" | "defer_unauth_destination" => RELAY,
        name if name.ends_with("sender_login_mismatch") => LOGIN,
        "reject_plaintext_session" => {
            mend("The client has to speak TLS (STARTTLS) before it sends mail.", Exempt::Client)
        }
        "reject_multi_recipient_bounce" => mend(
            "A bounce has one recipient. The sending server sends something else with the null sender.",
            Exempt::Client,
        ),
        "reject_attachment_name" => mend(
            "The message holds a file of a kind that is not taken here. Send it in another form, or as a link.",
            Exempt::Nothing,
        ),
        "check_client_access" | "check_reverse_client_hostname_access" | "check_helo_access" => {
            Mend { exempt: Exempt::Client, ..OWN }
        }
        "check_sender_access" => Mend { exempt: Exempt::Sender, ..OWN },
        _ => OWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restriction::registry;

    #[test]
    fn every_rule_that_refuses_by_a_fault_of_the_sender_says_what_to_mend() {
        let own =
            ["reject", "defer", "check_", "permit", "warn_if_reject", "sleep", "reject_unauth_pipelining"];
        for kind in registry() {
            let administrators = own.contains(&kind.name)
                || ["check_", "permit", "defer_if"].iter().any(|begin| kind.name.starts_with(begin));
            assert_eq!(of(kind.name).sender == OWN.sender, administrators, "{}", kind.name);
            for alias in kind.aliases {
                assert_eq!(of(alias), of(kind.name), "{alias}");
            }
        }
    }
}
