//! The restriction lists of main.cf, entry by entry: what mailward takes over, what stays, and why.
//!
//! Which names this version has is asked of the registry, so that a new restriction needs no line here.

use super::policy::{self, Service};
use crate::restriction::{
    self,
    elsewhere::{self, Elsewhere},
};
use std::{collections::HashSet, mem};

/// An entry on its way from main.cf to mailward.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Entry {
    /// The entry as it stands in mailward.toml.
    pub(in crate::cli) text: String,
    /// How main.cf says it, where that is not the same.
    pub(in crate::cli) was: Option<String>,
    /// Why it is a comment only.
    pub(in crate::cli) off: Option<String>,
    /// What the administrator should know about it.
    pub(super) notes: Vec<String>,
    /// How main.cf says it as long as mailward does not carry it out; empty where Postfix has no use for it either.
    pub(super) keep: String,
    /// Whether it may end the list with a permit: what stays in main.cf behind it needs it there too.
    pub(super) permits: bool,
    /// Whether it stays in main.cf even if mailward has it.
    pub(super) stays: bool,
}

impl Entry {
    /// Whether main.cf must go on saying it.
    pub(super) fn is_kept(&self) -> bool {
        (self.off.is_some() || self.stays) && !self.keep.is_empty()
    }
}

/// Words that relay control is made of: Postfix goes on refusing what it would relay, whatever a filter says.
const RELAY: [&str; 3] = ["reject_unauth_destination", "defer_unauth_destination", "permit_auth_destination"];

const RELAY_WHY: &str = "Stays in main.cf: relay control is Postfix's own affair, so that the server is no open \
                         relay even without a filter.";

/// Names that Postfix has dropped, and what its present versions take instead.
const DROPPED: [(&str, &str); 3] = [
    ("check_relay_domains", "reject_unauth_destination"),
    ("check_recipient_maps", "reject_unlisted_recipient"),
    ("reject_unknown_forward_client_hostname", ""),
];

/// What a list is read with.
pub(in crate::cli) struct Lists<'a> {
    /// The names of smtpd_restriction_classes.
    pub(in crate::cli) classes: &'a HashSet<String>,
    /// The lists of maps_rbl_domains, which reject_maps_rbl asked.
    pub(in crate::cli) maps_rbl_domains: &'a [String],
}

impl Lists<'_> {
    /// The entries of a list. `bare` is the restriction that a `type:table` without a name stands for.
    pub(in crate::cli) fn entries(&self, value: &str, bare: Option<&str>) -> Vec<Entry> {
        let mut words = split(value).into_iter().peekable();
        let mut entries = Vec::new();
        let mut warn = false;
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case("warn_if_reject") {
                warn = true;
                continue;
            }
            let next = words.peek().filter(|next| takes_argument(word) && !self.is_entry(next)).copied();
            if next.is_some() {
                words.next();
            }
            for mut entry in self.entry(word, next.unwrap_or_default(), bare) {
                if warn {
                    prefix(&mut entry, word);
                }
                entries.push(entry);
            }
            warn = false;
        }
        entries
    }

    fn entry(&self, name: &str, argument: &str, bare: Option<&str>) -> Vec<Entry> {
        let written = if argument.is_empty() { name.to_owned() } else { format!("{name} {argument}") };
        let lower = name.to_ascii_lowercase();
        let permits = may_permit(&lower);
        let entry = Entry { text: written.clone(), keep: written.clone(), permits, ..Entry::default() };
        if let Some(unset) = unset(&written) {
            let off = format!("Not taken over: `{unset}` is not set in this main.cf.");
            // It might be anything, a permit too.
            return vec![Entry { off: Some(off), permits: true, ..entry }];
        }
        if self.classes.contains(name) {
            if restriction::find(name).is_some() || elsewhere::elsewhere(name).is_some() {
                let off = format!(
                    "Stays in main.cf: the class `{name}` has the name of a restriction of mailward's."
                );
                return vec![Entry { off: Some(off), permits: true, ..entry }];
            }
            return vec![entry];
        }
        if lower == "check_policy_service" {
            return vec![service(entry, argument)];
        }
        if lower == "reject_maps_rbl" {
            return self.maps_rbl(entry);
        }
        if RELAY.contains(&lower.as_str()) {
            return vec![Entry { off: Some(RELAY_WHY.to_owned()), ..entry }];
        }
        if name.contains(':') {
            return vec![bare_table(entry, name, bare)];
        }
        vec![match restriction::find(name) {
            Some(kind) => {
                let argument =
                    argument.strip_prefix("proxy:").filter(|rest| rest.contains(':')).unwrap_or(argument);
                let text = format!("{} {argument}", kind.name).trim_end().to_owned();
                let was = (text != written).then_some(written);
                Entry { text, was, ..entry }
            }
            None => absent(entry, name),
        }]
    }

    /// One entry for each list that reject_maps_rbl asked.
    fn maps_rbl(&self, entry: Entry) -> Vec<Entry> {
        let old = "reject_maps_rbl with maps_rbl_domains";
        if self.maps_rbl_domains.is_empty() {
            let off = "Left out: reject_maps_rbl asks the lists of maps_rbl_domains, and there are none.";
            return vec![Entry { off: Some(off.to_owned()), keep: String::new(), ..entry }];
        }
        let lists = self.maps_rbl_domains.iter();
        let entries = lists.flat_map(|list| self.entry("reject_rbl_client", list, None));
        entries.map(|entry| Entry { was: Some(old.to_owned()), ..entry }).collect()
    }

    /// Whether a word begins an entry, here or in Postfix.
    fn is_entry(&self, word: &str) -> bool {
        let known = self.classes.contains(word) || restriction::find(word).is_some();
        known || elsewhere::elsewhere(word).is_some()
    }
}

/// Splits a value at blanks and commas; what stands in braces is kept together, and a brace that is never closed holds
/// all that follows it.
pub(in crate::cli) fn split(value: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut depth, mut start) = (0_usize, None);
    for (at, c) in value.char_indices() {
        if depth == 0 && (c.is_ascii_whitespace() || c == ',') {
            words.extend(start.take().map(|start: usize| &value[start..at]));
            continue;
        }
        start.get_or_insert(at);
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    words.extend(start.map(|start| &value[start..]));
    words
}

/// Whether a name has a word of its own behind it: known from its manual, else from how Postfix names such things.
fn takes_argument(name: &str) -> bool {
    if name.contains(':') {
        return false;
    }
    if let Some(kind) = restriction::find(name) {
        return !kind.usage.is_empty();
    }
    let name = name.to_ascii_lowercase();
    let check = name.starts_with("check_") && !DROPPED.iter().any(|(dropped, _)| *dropped == name);
    let list =
        name.starts_with("reject_rbl") || name.starts_with("reject_rhsbl") || name.ends_with("wl_client");
    check || list || name == "sleep"
}

/// Whether an entry can end its list with a permit (access(5): tables of reverse names and of servers may not say OK).
fn may_permit(name: &str) -> bool {
    let table = name.strip_prefix("check_").and_then(|rest| rest.strip_suffix("_access"));
    let never =
        |of: &str| of.starts_with("reverse_") || ["_a", "_mx", "_ns"].iter().any(|end| of.ends_with(end));
    name.starts_with("permit") || table.is_some_and(|of| !never(of))
}

/// A parameter that could not be replaced.
fn unset(written: &str) -> Option<&str> {
    // Right-hand sides of inline: tables may hold a `$` of their own.
    let bare = written.split('{').next().unwrap_or_default();
    // A number is what a pattern's group matched.
    let named = |at: &usize| !written[at + 2..].starts_with(|c: char| c.is_ascii_digit());
    let braced = || written.match_indices("${").map(|(at, _)| at).find(named);
    let at = bare.find('$').or_else(braced)?;
    written[at..].split([' ', ',', ':', '/']).next()
}

fn service(entry: Entry, argument: &str) -> Entry {
    match policy::service(argument) {
        Service::Other(what) => {
            Entry { off: Some(format!("Stays in main.cf, where Postfix asks the service: {what}.")), ..entry }
        }
        Service::Greylisting(name) => {
            let (text, known) = policy::greylist();
            let was = Some(format!("{} ({name})", entry.text));
            let off = format!("Stays in main.cf for now: this version of mailward does not have {text}.");
            Entry { text: text.to_owned(), was, off: (!known).then_some(off), permits: false, ..entry }
        }
    }
}

/// A `type:table` alone in a list is looked up by what the list is about (smtpd_check.c).
fn bare_table(entry: Entry, table: &str, bare: Option<&str>) -> Entry {
    let table = table.strip_prefix("proxy:").filter(|rest| rest.contains(':')).unwrap_or(table);
    match bare {
        Some(check) => {
            Entry { text: format!("{check} {table}"), was: Some(entry.text.clone()), permits: true, ..entry }
        }
        None => {
            let off = "Not taken over: a table without a restriction before it means different things in different \
                       lists. Write what it checks before it, such as check_client_access.";
            Entry { off: Some(off.to_owned()), permits: true, ..entry }
        }
    }
}

/// A name that this version does not have.
fn absent(entry: Entry, name: &str) -> Entry {
    let Some(Elsewhere { name, why, keep }) = elsewhere::elsewhere(name) else {
        let off = format!(
            "Warning: `{name}` is not a restriction that mailward or Postfix 3.10 knows; it is left to main.cf."
        );
        return Entry { off: Some(off), ..entry };
    };
    if let Some((_, now)) = DROPPED.iter().find(|(dropped, _)| dropped == name) {
        return Entry { off: Some(format!("Left out: {why}; {keep}.")), keep: (*now).to_owned(), ..entry };
    }
    // What "keep it where it stands" says is said by the first words already.
    let said = keep.starts_with("keep it in main.cf, ") || keep.starts_with("leave it in smtpd_");
    let more = if said { String::new() } else { format!("; {keep}") };
    Entry { off: Some(format!("Stays in main.cf: {why}{more}.")), ..entry }
}

/// Puts `warn_if_reject` before an entry.
fn prefix(entry: &mut Entry, name: &str) {
    if let Some(Elsewhere { why, .. }) = elsewhere::elsewhere(name)
        && entry.off.as_ref().is_some_and(|off| off.starts_with("Stays in main.cf: "))
    {
        // What to set in its place would refuse where this only warns.
        entry.off = Some(format!("Stays in main.cf: {why}."));
    }
    for text in [&mut entry.text, &mut entry.keep].into_iter().chain(&mut entry.was) {
        if !text.is_empty() {
            *text = format!("warn_if_reject {}", mem::take(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each entry as it stands in mailward.toml, behind `#` if it is a comment, and as main.cf keeps it.
    fn read(value: &str, bare: Option<&str>) -> Vec<(String, String)> {
        let classes = HashSet::from(["strict".to_owned(), "greylist".to_owned()]);
        let lists = Lists { classes: &classes, maps_rbl_domains: &[] };
        let show = |entry: Entry| {
            let sign = if entry.off.is_some() { "#" } else { "" };
            let kept = if entry.is_kept() { entry.keep } else { String::new() };
            (format!("{sign}{}", entry.text), kept)
        };
        lists.entries(value, bare).into_iter().map(show).collect()
    }

    #[test]
    fn entries_take_their_arguments_and_modern_names() {
        let cases = [
            ("permit_mynetworks,strict", vec![("permit_mynetworks", ""), ("strict", "")]),
            ("greylist", vec![("#greylist", "greylist")]),
            ("REJECT_unknown_client", vec![("reject_unknown_client_hostname", "")]),
            (
                "check_client_access proxy:hash:/x permit hash:/y",
                vec![
                    ("check_client_access hash:/x", ""),
                    ("permit", ""),
                    ("check_client_access hash:/y", ""),
                ],
            ),
            ("check_client_access permit", vec![("check_client_access", ""), ("permit", "")]),
            (
                "warn_if_reject reject_unknown_client",
                vec![("warn_if_reject reject_unknown_client_hostname", "")],
            ),
            ("reject_unauth_destination", vec![("#reject_unauth_destination", "reject_unauth_destination")]),
            ("check_relay_domains", vec![("#check_relay_domains", "reject_unauth_destination")]),
            ("permit_naked_ip_address", vec![("#permit_naked_ip_address", "permit_naked_ip_address")]),
            ("reject_maps_rbl", vec![("#reject_maps_rbl", "")]),
            ("reject_nonsense $a", vec![("#reject_nonsense", "reject_nonsense"), ("#$a", "$a")]),
            (
                "check_policy_service unix:private/policyd-spf",
                vec![(
                    "#check_policy_service unix:private/policyd-spf",
                    "check_policy_service unix:private/policyd-spf",
                )],
            ),
            (
                "check_client_access inline:{ a = OK, b=$x }",
                vec![("check_client_access inline:{ a = OK, b=$x }", "")],
            ),
            (
                "check_client_access proxy:pcre:{{/^a(.)$/ REJECT ${1}}}, permit",
                vec![("check_client_access pcre:{{/^a(.)$/ REJECT ${1}}}", ""), ("permit", "")],
            ),
        ];
        for (value, want) in cases {
            let want: Vec<_> = want.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            assert_eq!(read(value, Some("check_client_access")), want, "{value}");
        }
        assert_eq!(read("hash:/y", None), [("#hash:/y".to_owned(), "hash:/y".to_owned())]);
    }

    #[test]
    fn tables_of_server_and_reverse_names_never_permit() {
        let cases = [
            ("permit_mynetworks", true),
            ("check_client_access", true),
            ("check_sasl_access", true),
            ("check_sender_ns_access", false),
            ("check_reverse_client_hostname_access", false),
            ("check_policy_service", false),
            ("reject_unknown_sender_domain", false),
        ];
        for (name, want) in cases {
            assert_eq!(may_permit(name), want, "{name}");
        }
    }

    #[test]
    fn braces_keep_words_together() {
        assert_eq!(split(" a,b {c, d}e\t{ f }, {g h"), ["a", "b", "{c, d}e", "{ f }", "{g h"]);
        assert_eq!(split("}a {"), ["}a", "{"]);
        assert_eq!(split(" , "), [""; 0]);
    }
}
