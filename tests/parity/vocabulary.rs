//! The vocabulary of the generator: one line for each restriction that both sides know. What is missing here and not in
//! [`WITHOUT`] makes the test fail.

use super::{
    lists::Argument,
    maker::{Maker, NO_PARENTS, setting},
    tables::{About, May, table},
};
use mailward::{
    config::{self, Disk},
    restriction,
};
use std::path::PathBuf;

/// What must be there for a restriction to have something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// A verified client name.
    ClientName,
    ReverseName,
    Helo,
    /// A sender that is not null.
    Sender,
    Recipient,
    Login,
}

/// A restriction.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    pub name: &'static str,
    /// How often it comes, in comparison with others.
    pub weight: usize,
    /// Whether it says the same to everything, so that nothing behind it would be reached too often.
    pub decides: bool,
    pub needs: Needs,
    /// How it can end: a letter for each of hit, miss, not applicable, temporary.
    pub outcomes: &'static str,
    pub arguments: fn(&mut Maker<'_>) -> Vec<Argument>,
}

impl Word {
    /// Whether this build of mailward has it.
    pub fn is_known(&self) -> bool {
        let bare = || takes("[restrictions]\nrecipient = 'static:DUNNO'\n");
        if self.name.is_empty() { bare() } else { restriction::find(self.name).is_some() }
    }
}

/// Whether this build of mailward takes a configuration.
pub fn takes(toml: &str) -> bool {
    config::parse("probe", toml, &mut Disk { base: PathBuf::new() }).config.is_some()
}

/// Restrictions that no generated session can play, and why.
pub const WITHOUT: &[(&str, &str)] = &[
    ("permit_tls_all_clientcerts", "needs a TLS handshake, which XCLIENT cannot play"),
    (
        "permit_inet_interfaces",
        "looks at the real client, whom XCLIENT does not change: Postfix permits every played one",
    ),
    ("warn_if_reject", "is a prefix: the generator puts it before any entry"),
    ("reject_dnsbl_score", "Postfix's smtpd has no scored lists"),
    ("greylist", "Postfix has none"),
    ("greylist_dnsbl_score", "Postfix has none"),
    ("greylist_unknown_client_hostname", "Postfix has none"),
    ("greylist_dynamic_client_hostname", "Postfix has none"),
    ("reject_attachment_name", "Postfix has none"),
    ("check_header", "Postfix asks header tables elsewhere: tests/header_checks.rs"),
    ("check_mime_header", "see check_header"),
    ("check_nested_header", "see check_header"),
];

/// The domains that every Postfix of the run relays to; trivial-rewrite(8) knows no others for one smtpd alone.
pub const RELAY_DOMAINS: &str = "relay_domains = good.example, other.example";

/// Permits at RCPT what is listed. Postfix: only what the server relays to anyway; here: no such guard. So the sessions of
/// a set with such an entry have no other recipients.
pub const GUARDED: [&str; 2] = ["permit_dnswl_client", "permit_rhswl_client"];

/// Postfix: asks a policy service where it stands; here: only if everything else permits, because it may write. So it
/// comes only as the last entry of the last list at RCPT.
pub const LAST: &str = "check_policy_service";

/// All words.
pub fn words() -> impl Iterator<Item = &'static Word> {
    WORDS.iter()
}

/// A restriction that says the same to everything.
const fn always(name: &'static str) -> Word {
    Word { name, weight: 1, decides: true, needs: Needs::Nothing, outcomes: "h", arguments: |_| Vec::new() }
}

/// A restriction without arguments.
const fn plain(name: &'static str, needs: Needs, outcomes: &'static str) -> Word {
    Word { name, weight: 3, decides: false, needs, outcomes, arguments: |_| Vec::new() }
}

/// A restriction with arguments.
const fn with(
    name: &'static str,
    needs: Needs,
    outcomes: &'static str,
    arguments: fn(&mut Maker<'_>) -> Vec<Argument>,
) -> Word {
    Word { name, weight: 3, decides: false, needs, outcomes, arguments }
}

fn access(maker: &mut Maker<'_>, about: About) -> Vec<Argument> {
    vec![Argument::Table(table(maker, about, May::All))]
}

fn access_no_permit(maker: &mut Maker<'_>, about: About) -> Vec<Argument> {
    vec![Argument::Table(table(maker, about, May::NotPermit))]
}

fn servers(maker: &mut Maker<'_>) -> Vec<Argument> {
    access_no_permit(maker, About::Servers)
}

fn list(maker: &mut Maker<'_>, domains: &[&str]) -> Vec<Argument> {
    vec![Argument::Word(maker.random.pick(domains).to_owned())]
}

fn address_list(maker: &mut Maker<'_>) -> Vec<Argument> {
    list(maker, &["bl.example", "bl.example=127.0.0.[2..4]", "bl.example=127.0.0.[2;9]", "nowhere.example"])
}

fn name_list(maker: &mut Maker<'_>) -> Vec<Argument> {
    list(maker, &["rhs.example", "rhs.example=127.0.1.[2..3]", "rhs.example=127.0.1.4"])
}

fn destinations(maker: &mut Maker<'_>) -> Vec<Argument> {
    // Nor does it know of parent domains that one smtpd alone does not match.
    maker.settings.retain(|setting| setting.main_cf != NO_PARENTS);
    let toml = "relay_domains = [\"good.example\", \"other.example\"]\nlocal_domains = [\"mx.example.test\"]";
    maker.need(setting(RELAY_DOMAINS, "", toml));
    Vec::new()
}

/// A table without its check: what it is asked about follows from the list.
fn bare_table(maker: &mut Maker<'_>) -> Vec<Argument> {
    let about = match maker.stage {
        "client" => About::Client,
        "helo" => About::Helo,
        "sender" => About::Sender,
        _ => About::Recipient,
    };
    access(maker, about)
}

fn logins(maker: &mut Maker<'_>) -> Vec<Argument> {
    let map = "inline:{ { user@good.example = joe }, { a@good.example = jane }, { @other.example = joe } }";
    let toml = format!("sender_login_maps = {map:?}");
    maker.need(setting(&format!("smtpd_sender_login_maps = {map}"), "", &toml));
    Vec::new()
}

#[rustfmt::skip]
static WORDS: &[Word] = &[
    always("permit"),
    always("reject"),
    always("defer"),
    always("defer_if_permit"),
    always("defer_if_reject"),
    plain("permit_mynetworks", Needs::Nothing, "hm"),
    plain("permit_sasl_authenticated", Needs::Nothing, "hm"),
    plain("reject_invalid_helo_hostname", Needs::Helo, "hmn"),
    plain("reject_non_fqdn_helo_hostname", Needs::Helo, "hmn"),
    plain("reject_unknown_helo_hostname", Needs::Helo, "hmnt"),
    plain("reject_non_fqdn_sender", Needs::Sender, "hmn"),
    plain("reject_non_fqdn_recipient", Needs::Recipient, "hm"),
    plain("reject_unknown_sender_domain", Needs::Sender, "hmnt"),
    plain("reject_unknown_recipient_domain", Needs::Recipient, "hmt"),
    plain("reject_unknown_client_hostname", Needs::Nothing, "hmt"),
    plain("reject_unknown_reverse_client_hostname", Needs::Nothing, "hmt"),
    plain("reject_multi_recipient_bounce", Needs::Nothing, "hm"),
    plain("reject_plaintext_session", Needs::Nothing, "h"),
    with("check_client_access", Needs::Nothing, "hm", |maker| access(maker, About::Client)),
    with("check_reverse_client_hostname_access", Needs::Nothing, "hm", |maker| access_no_permit(maker, About::Client)),
    with("check_helo_access", Needs::Helo, "hmn", |maker| access(maker, About::Helo)),
    with("check_sender_access", Needs::Nothing, "hm", |maker| access(maker, About::Sender)),
    with("check_recipient_access", Needs::Recipient, "hm", |maker| access(maker, About::Recipient)),
    with("check_sasl_access", Needs::Login, "hmn", |maker| access(maker, About::Login)),
    with("check_client_a_access", Needs::ClientName, "hmnt", servers),
    with("check_client_mx_access", Needs::ClientName, "hmnt", servers),
    with("check_client_ns_access", Needs::ClientName, "hmnt", servers),
    with("check_reverse_client_hostname_a_access", Needs::ReverseName, "hmnt", servers),
    with("check_reverse_client_hostname_mx_access", Needs::ReverseName, "hmnt", servers),
    with("check_reverse_client_hostname_ns_access", Needs::ReverseName, "hmnt", servers),
    with("check_helo_a_access", Needs::Helo, "hmnt", servers),
    with("check_helo_mx_access", Needs::Helo, "hmnt", servers),
    with("check_helo_ns_access", Needs::Helo, "hmnt", servers),
    with("check_sender_a_access", Needs::Sender, "hmnt", servers),
    with("check_sender_mx_access", Needs::Sender, "hmnt", servers),
    with("check_sender_ns_access", Needs::Sender, "hmnt", servers),
    with("check_recipient_a_access", Needs::Recipient, "hmt", servers),
    with("check_recipient_mx_access", Needs::Recipient, "hmt", servers),
    with("check_recipient_ns_access", Needs::Recipient, "hmt", servers),
    with("reject_rbl_client", Needs::Nothing, "hmt", address_list),
    with("reject_rhsbl_client", Needs::ClientName, "hmnt", name_list),
    with("reject_rhsbl_reverse_client", Needs::ReverseName, "hmnt", name_list),
    with("reject_rhsbl_helo", Needs::Helo, "hmnt", name_list),
    with("reject_rhsbl_sender", Needs::Sender, "hmnt", name_list),
    with("reject_rhsbl_recipient", Needs::Recipient, "hmt", name_list),
    with("permit_dnswl_client", Needs::Nothing, "hmt", |maker| list(maker, &["wl.example", "wl.example=127.0.5.1"])),
    with("permit_rhswl_client", Needs::ClientName, "hmnt", |maker| list(maker, &["rhswl.example"])),
    with("permit_auth_destination", Needs::Recipient, "hm", destinations),
    with("reject_unauth_destination", Needs::Recipient, "hm", destinations),
    with("defer_unauth_destination", Needs::Recipient, "hm", destinations),
    with("reject_sender_login_mismatch", Needs::Sender, "hmn", logins),
    with("reject_known_sender_login_mismatch", Needs::Sender, "hmn", logins),
    with("reject_authenticated_sender_login_mismatch", Needs::Sender, "hmn", logins),
    with("reject_unauthenticated_sender_login_mismatch", Needs::Sender, "hmn", logins),
    Word { weight: 0, ..with(LAST, Needs::Nothing, "hm", |_| vec![Argument::Word("inet:$POLICY".to_owned())]) },
    with("", Needs::Nothing, "", bare_table),
    with("sleep", Needs::Nothing, "m", |_| vec![Argument::Word("0".to_owned())]),
];
