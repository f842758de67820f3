//! What main.cf refuses before mailward is asked: Postfix runs its own lists first, so what stands in both runs twice, and
//! mail that Postfix refuses is in no journal.

use super::finding::{Finding, Level};
use crate::{
    cli::postfix::{
        import::LISTS,
        lists::{Entry, Lists},
        policy::{Service, service},
    },
    lookup::dnsxl::key::without_key,
};
use std::collections::HashSet;

/// What mailward's own policy says.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    /// The names of its restrictions.
    pub(super) names: HashSet<String>,
    /// The zones of its DNS lists.
    pub(super) zones: HashSet<String>,
    /// Whether it greylists.
    pub(super) greylists: bool,
}

/// What main.cf says.
#[derive(Clone, Debug, Default)]
pub(super) struct MainCf {
    /// The values of the restriction lists, by their parameters.
    pub(super) lists: Vec<(&'static str, String)>,
    /// The names of smtpd_restriction_classes.
    pub(super) classes: HashSet<String>,
    /// postscreen_dnsbl_sites.
    pub(super) postscreen: String,
}

const SUBJECT: &str = "postfix";

/// Names what runs twice, and what runs before.
pub(super) fn check(main_cf: &MainCf, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for (parameter, value) in &main_cf.lists {
        let bare = LISTS.iter().find(|(_, known, _)| known == parameter).and_then(|(_, _, bare)| *bare);
        let lists = Lists { classes: &main_cf.classes, maps_rbl_domains: &[] };
        let mut twice: Vec<String> = Vec::new();
        for entry in lists.entries(value, bare) {
            match judge(&entry, policy) {
                Standing::Elsewhere => {}
                Standing::Before(name) if before.contains(&name) => {}
                Standing::Before(name) => before.push(name),
                Standing::Twice(name) => twice.push(name),
                Standing::Greylisting => {
                    let text = format!("`{}` in {parameter} greylists too: mail waits twice", shown(&entry));
                    let fix = "take over what it has learnt (mailward greylist import), then take it out of main.cf";
                    findings.push(Finding::new(Level::Warn, SUBJECT, text).fix(fix));
                }
            }
        }
        if !twice.is_empty() {
            let text = format!("{parameter} has {} too, which runs before mailward", twice.join(", "));
            findings.push(Finding::new(Level::Warn, SUBJECT, text).fix("remove it there or here"));
        }
    }
    let asked = postscreen_zones(&main_cf.postscreen);
    let asked: Vec<String> = asked.filter(|zone| policy.zones.contains(zone)).collect();
    if !asked.is_empty() {
        let text = format!("postscreen asks {} too, and refuses before mailward", asked.join(", "));
        findings.push(Finding::new(Level::Note, SUBJECT, text));
    }
    if !before.is_empty() {
        let text =
            format!("main.cf also has {}: what that refuses, `mailward why` never sees", before.join(", "));
        let fix = "mailward postfix import shows how mailward takes it over";
        findings.push(Finding::new(Level::Note, SUBJECT, text).fix(fix));
    }
    findings
}

/// What an entry of main.cf is to mailward.
enum Standing {
    /// Postfix's own affair, or one that refuses nothing.
    Elsewhere,
    /// mailward could do it.
    Before(String),
    /// mailward does it.
    Twice(String),
    /// It greylists, as mailward does.
    Greylisting,
}

fn judge(entry: &Entry, policy: &Policy) -> Standing {
    let written = shown(entry);
    if let Some(argument) = written.strip_prefix("check_policy_service ")
        && matches!(service(argument), Service::Greylisting(_))
    {
        return if policy.greylists { Standing::Greylisting } else { Standing::Before(written) };
    }
    let mut words = entry.text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let refuses = name.starts_with("reject") || name.starts_with("check_");
    if entry.off.is_some() || !refuses {
        return Standing::Elsewhere;
    }
    let is_list = name.starts_with("reject_rbl") || name.starts_with("reject_rhsbl");
    if let Some(zone) = words.next().filter(|_| is_list).and_then(|list| list.split('=').next()) {
        // The key of a customer is shown to nobody.
        let written = format!("{name} {}", without_key(zone).unwrap_or(zone));
        let same = policy.zones.contains(&zone.to_ascii_lowercase());
        return if same { Standing::Twice(written) } else { Standing::Before(written) };
    }
    // Tables are of one subject, but not of one content.
    let same = !name.starts_with("check_") && policy.names.contains(name);
    if same { Standing::Twice(written) } else { Standing::Before(written) }
}

/// An entry as main.cf has it.
fn shown(entry: &Entry) -> String {
    let was = entry.was.as_deref().unwrap_or(&entry.text);
    was.split(" (").next().unwrap_or(was).to_owned()
}

/// The zones of postscreen_dnsbl_sites: `zone=filter*weight`.
fn postscreen_zones(sites: &str) -> impl Iterator<Item = String> + '_ {
    let sites = sites.split([',', ' ', '\t']).filter(|site| !site.is_empty());
    sites.map(|site| site.split(['=', '*']).next().unwrap_or(site).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::said;

    fn policy(names: &[&str], zones: &[&str], greylists: bool) -> Policy {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Policy { names: set(names), zones: set(zones), greylists }
    }

    fn found(value: &str, policy: &Policy) -> Vec<String> {
        let lists = vec![("smtpd_recipient_restrictions", value.to_owned())];
        said(&check(&MainCf { lists, ..MainCf::default() }, policy))
    }

    #[test]
    fn what_stands_in_both_is_removed_in_one_what_runs_before_is_known() {
        let nothing = policy(&[], &[], false);
        let both = policy(&["reject_unknown_sender_domain"], &["zen.spamhaus.org"], true);
        let relay = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, \
                     reject_unlisted_recipient, reject_unverified_recipient";
        assert_eq!(found(relay, &both), [""; 0]);
        let want = "warn smtpd_recipient_restrictions has reject_rbl_client zen.spamhaus.org, \
                    reject_unknown_sender_domain too, which runs before mailward / remove it there or here";
        let value = "permit_mynetworks reject_rbl_client zen.spamhaus.org, reject_unknown_sender_domain";
        assert_eq!(found(value, &both), [want]);
        let want = "note main.cf also has reject_rbl_client zen.spamhaus.org, reject_unknown_sender_domain: what that \
                    refuses, `mailward why` never sees / mailward postfix import shows how mailward takes it over";
        assert_eq!(found(value, &nothing), [want]);
        let postgrey = "check_policy_service inet:127.0.0.1:10023";
        let want = "warn `check_policy_service inet:127.0.0.1:10023` in smtpd_recipient_restrictions greylists too: mail \
                    waits twice / take over what it has learnt (mailward greylist import), then take it out of main.cf";
        assert_eq!(found(postgrey, &both), [want]);
        assert!(found(postgrey, &nothing)[0].starts_with("note main.cf also has check_policy_service"));
        let old = "reject_unknown_address";
        assert!(found(old, &both)[0].starts_with("warn "), "old names are the same restriction");
        assert!(found("check_sender_access hash:/x", &both)[0].starts_with("note "));
        let screen = MainCf {
            postscreen: "zen.spamhaus.org=127.0.0.[2..11]*3 x.example".to_owned(),
            ..MainCf::default()
        };
        let want = "note postscreen asks zen.spamhaus.org too, and refuses before mailward";
        assert_eq!(said(&check(&screen, &both)), [want]);
    }
}
