//! Which parameter of main.cf becomes which key, and which ones stay with Postfix.

use super::{
    document::{Item, Value},
    lists::{Entry, split},
    main_cf::MainCf,
    page::quoted,
};
use crate::config::keys::{self, Key, Takes};

/// Parameters that stay although they concern what mailward does, and why; a `*` stands for any ending.
const STAY: &[(&str, &str)] = &[
    ("smtpd_relay_restrictions", "Relay control: without it the server could be an open relay."),
    ("smtpd_etrn_restrictions", "A milter does not see ETRN."),
    ("smtpd_helo_required", "Postfix also asks those who do not come through the filter."),
    ("smtpd_delay_reject", "It also says when the lists run that stay here."),
    ("smtpd_reject_unlisted_recipient", "Only Postfix knows its own users."),
    ("smtpd_reject_unlisted_sender", "Only Postfix knows its own users."),
    ("unknown_local_recipient_reject_code", "Only Postfix knows its own users."),
    ("unknown_relay_recipient_reject_code", "Only Postfix knows its own users."),
    ("unknown_virtual_*", "Only Postfix knows its own users."),
    ("unverified_*", "Only Postfix can probe an address."),
    ("relay_domains_reject_code", "It belongs to relay control."),
    ("permit_mx_backup_networks", "It belongs to relay control."),
    ("smtpd_policy_service_*", "It belongs to the policy services that stay here."),
    ("header_checks", HEADERS),
    ("mime_header_checks", HEADERS),
    ("nested_header_checks", HEADERS),
    ("body_checks", "mailward does not look at the text of a message."),
    ("milter_header_checks", "It is about headers that milters add."),
    ("smtpd_reject_footer", "Postfix adds it to the replies of milters too."),
    ("smtpd_null_access_lookup_key", "It belongs to the tables that stay here; mailward looks up `<>`."),
    ("smtpd_forbid_unauth_pipelining", "A milter does not see that a client sends ahead of the replies."),
    ("postscreen_*", "postscreen runs before Postfix asks any milter."),
    ("milter_default_action", "It says what Postfix does while mailward is down."),
];

const HEADERS: &str = "A table of it cannot be carried out by mailward.";

/// Parameters whose key has another name, or stands outside all sections.
const KEYS: [(&str, &str); 6] = [
    ("smtpd_delay_reject", "delay_reject"),
    ("recipient_delimiter", "recipient_delimiter"),
    ("smtpd_helo_required", "helo_required"),
    ("smtpd_sender_login_maps", "sender_login_maps"),
    ("default_rbl_reply", "replies.default_rbl_reply"),
    ("rbl_reply_maps", "replies.rbl_reply_maps"),
];

/// Why a parameter stays, if it is one to speak of.
pub(super) fn stays(parameter: &str) -> Option<&'static str> {
    let found = STAY.iter().find(|(name, _)| match name.strip_suffix('*') {
        Some(beginning) => parameter.starts_with(beginning),
        None => *name == parameter,
    });
    found.map(|(_, why)| *why)
}

/// The path of the key that takes a parameter over, if this version has one.
pub(super) fn key(parameter: &str) -> Option<(&'static Key, String)> {
    let named = KEYS.iter().find(|(name, _)| *name == parameter).map(|(_, path)| (*path).to_owned());
    let path = named.unwrap_or_else(|| format!("codes.{parameter}"));
    keys::find(&path).map(|key| (key, path))
}

/// The key of a parameter that is set, with its section.
pub(super) fn item(main_cf: &MainCf, parameter: &str) -> Option<(&'static str, Item)> {
    let (known, path) = key(parameter)?;
    // A reply is a template: its `$names` are the mail server's, not main.cf's.
    let section = ["codes", "replies"].into_iter().find(|section| path.starts_with(&format!("{section}.")));
    let value = match section {
        Some("replies") => main_cf.get(parameter)?.to_owned(),
        Some(_) | None => main_cf.expanded(parameter)?,
    };
    let name = path.rsplit('.').next().unwrap_or(&path).to_owned();
    let comment = if name == parameter { String::new() } else { format!("{parameter} of main.cf") };
    let value = match known.takes {
        Takes::Bool => match value.to_ascii_lowercase().as_str() {
            "yes" | "true" => Value::Plain("true".to_owned()),
            "no" | "false" => Value::Plain("false".to_owned()),
            _ => Value::Plain(quoted(&value)),
        },
        Takes::Code | Takes::Number(..) if is_number(&value) => Value::Plain(value),
        Takes::Texts => Value::List(split(&value).into_iter().map(plain).collect()),
        Takes::Text
        | Takes::Strings
        | Takes::List
        | Takes::Code
        | Takes::Number(..)
        | Takes::Span(..)
        | Takes::Bytes(..)
        | Takes::Choice(_)
        | Takes::Names
        | Takes::Permissions => Value::Plain(quoted(&value)),
    };
    Some((section.unwrap_or_default(), Item { key: name, comment, value, off: None }))
}

fn is_number(value: &str) -> bool {
    (1..10).contains(&value.len())
        && !value.starts_with('0')
        && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// An entry of a list that is no restriction.
fn plain(text: &str) -> Entry {
    Entry { text: text.to_owned(), ..Entry::default() }
}

/// `mynetworks`, if a list trusts them.
pub(super) fn mynetworks(main_cf: &MainCf, trusted: bool) -> Option<Item> {
    let style = main_cf.get("mynetworks_style").map(|style| format!(" (mynetworks_style = {style})"));
    let style = style.unwrap_or_default();
    let (value, comment) = match (main_cf.expanded("mynetworks"), main_cf.effective("mynetworks")) {
        (Some(value), _) => (value, String::new()),
        (None, _) if !trusted => return None,
        (None, Some(default)) => {
            let comment = format!(
                "main.cf does not set mynetworks: these are the networks that Postfix works out for this \
                 machine{style}. They do not change by themselves here."
            );
            (default.to_owned(), comment)
        }
        (None, None) => {
            let comment = format!(
                "main.cf does not set mynetworks{style}, and what Postfix works out for its machine cannot be seen from \
                 here: put in what `postconf mynetworks` prints there."
            );
            ("127.0.0.0/8 [::1]/128".to_owned(), comment)
        }
    };
    let networks = split(&value).into_iter().map(plain).collect();
    Some(Item { key: "mynetworks".to_owned(), comment, value: Value::List(networks), off: None })
}

/// `parent_domain_matches_subdomains`, as far as access tables go.
pub(super) fn parents(main_cf: &MainCf) -> Option<Item> {
    let value = main_cf.expanded("parent_domain_matches_subdomains")?;
    let on = split(&value).contains(&"smtpd_access_maps");
    let key = "parent_domain_matches_subdomains".to_owned();
    let comment = format!(
        "main.cf: {} smtpd_access_maps in parent_domain_matches_subdomains.",
        if on { "with" } else { "without" }
    );
    Some(Item { key, comment, value: Value::Plain(on.to_string()), off: None })
}
