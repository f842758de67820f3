//! DNS lists in the configuration: `[replies]` and `[dnsbl.NAME]`.

use super::{
    loader::Loader,
    raw::{Setting, Settings as Raw, Value},
};
use crate::{
    origin::{Fault, Word},
    restriction::{
        args::{Settings, Tables as _},
        rbl_reply::ReplyTemplate,
        scored_list::{ScoredList, Site},
    },
    smtp::domain::Domain,
    table::{action::Says, texts::TextTable},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Reads everything about lists that is no entry.
pub(super) fn read(raw: &Raw, loader: &mut Loader<'_>, settings: &mut Settings) {
    let value = |path: &str| raw.get(path).map(|setting| &setting.value);
    if let Some(Value::Text(word)) = value("replies.default_rbl_reply")
        && !word.text.is_empty()
    {
        match ReplyTemplate::parse(&word.text, &word.origin) {
            Ok(template) => settings.rbl_replies.default = Arc::new(template),
            Err(fault) => here(loader, fault),
        }
    }
    if let Some(Value::Texts(words)) = value("replies.rbl_reply_maps") {
        for word in words {
            match loader.texts(word) {
                Ok(table) => {
                    check_templates(&table, loader);
                    settings.rbl_replies.by_list.push(table);
                }
                Err(fault) => here(loader, fault),
            }
        }
    }
    settings.dnsbl = scored(raw, loader);
}

/// Reports faulty templates of lists that no entry may name. Texts with groups are read when a list asks for them.
fn check_templates(table: &TextTable, loader: &mut Loader<'_>) {
    let mut faults = Vec::new();
    for entry in table.entries() {
        if let Says::Text(text, origin) = &entry.says
            && let Some(text) = text.as_text()
        {
            faults.extend(ReplyTemplate::parse(text, origin).err());
        }
    }
    faults.sort_by_key(|fault| (fault.origin.line, fault.origin.column));
    faults.into_iter().for_each(|fault| loader.warn(fault));
}

/// The sections `[dnsbl.NAME]`.
fn scored(raw: &Raw, loader: &mut Loader<'_>) -> BTreeMap<String, Arc<ScoredList>> {
    let mut lists: BTreeMap<String, ScoredList> = BTreeMap::new();
    for (path, setting) in raw.range("dnsbl.".to_owned()..) {
        let Some((name, key)) = path.strip_prefix("dnsbl.").and_then(|rest| rest.rsplit_once('.')) else {
            break;
        };
        let list = lists.entry(name.to_owned()).or_default();
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match (key, &setting.value) {
            ("sites", Value::Texts(words)) => list.sites = sites(words, loader),
            ("reject_at", Value::Number(score)) => list.reject_at = number(*score),
            ("greylist_at", Value::Number(score)) => {
                list.greylist_at = Some(number(*score)).filter(|at| *at > 0)
            }
            ("show", Value::Names(names)) => {
                for (site, shown) in names {
                    match Domain::for_query(&site.text) {
                        Some(domain) => drop(list.show.insert(domain, shown.text.as_str().into())),
                        None => {
                            here(loader, site.error(format!("`{}` is not a domain of a list", site.text)))
                        }
                    }
                }
            }
            _ => {}
        }
    }
    lists.into_iter().map(|(name, list)| (name, Arc::new(list))).collect()
}

fn sites(words: &[Word], loader: &mut Loader<'_>) -> Vec<Site> {
    let mut sites = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        match Site::parse(word) {
            Ok(site) => {
                if let Some(fault) = site.list.doubts() {
                    here(loader, fault);
                }
                sites.push(site);
            }
            Err(fault) => here(loader, fault),
        }
        if words[..at].iter().any(|other| other.text.eq_ignore_ascii_case(&word.text)) {
            let message = format!("`{}` stands there twice: its weight counts twice", word.text);
            let fault = Fault::warning(&word.origin, word.text.chars().count(), message);
            here(loader, fault.help("take one out, or write the whole weight behind the other"));
        }
    }
    sites
}

/// Which entries name which scored lists, faulty ones too.
#[derive(Default)]
pub(super) struct Scored(BTreeSet<(&'static str, String)>);

impl Scored {
    /// Notes an entry of a kind with its first word.
    pub(super) fn note(&mut self, kind: &'static str, name: Option<&Word>) {
        if let Some(name) = name.filter(|_| [REJECTS, GREYLISTS].contains(&kind)) {
            self.0.insert((kind, name.text.clone()));
        }
    }

    fn has(&self, kind: &'static str, name: &str) -> bool {
        self.0.contains(&(kind, name.to_owned()))
    }
}

const REJECTS: &str = "reject_dnsbl_score";
const GREYLISTS: &str = "greylist_dnsbl_score";

/// Warnings about whole scored lists, and about what of them no entry uses.
pub(super) fn judge(raw: &Raw, settings: &Settings, used: &Scored) -> Vec<Fault> {
    settings.dnsbl.iter().flat_map(|(name, list)| doubts(raw, name, list, used)).collect()
}

fn doubts(raw: &Raw, name: &str, list: &ScoredList, used: &Scored) -> Vec<Fault> {
    let key = |key: &str| raw.get(&format!("dnsbl.{name}.{key}"));
    let mut faults = Vec::new();
    let mut warn = |key: Option<&Setting>, message: String, help: String| {
        if let Some(Setting { name: Word { text, origin }, .. }) = key {
            faults.push(Fault::warning(origin, text.chars().count(), message).help(help));
        }
    };
    let all = ["sites", "reject_at", "greylist_at", "show"].into_iter().filter_map(key);
    let first = all.min_by_key(|setting| (setting.name.origin.line, setting.name.origin.column));
    let (rejects, greylists) = (used.has(REJECTS, name), used.has(GREYLISTS, name));
    if !rejects && !greylists {
        let help = format!("write `{REJECTS} {name}` or `{GREYLISTS} {name}` into a list");
        warn(first, format!("no list uses the scored list `{name}`"), help);
        return faults;
    }
    if list.greylist_at.is_some() && !greylists {
        let message = format!("it greylists nobody: `{GREYLISTS} {name}` stands in no list");
        warn(key("greylist_at"), message, "write it at the end of the recipient list".to_owned());
    }
    let written = match key("sites").map(|setting| &setting.value) {
        Some(Value::Texts(words)) => words.len(),
        _ => 0,
    };
    if written != list.sites.len() {
        // Of a list with faulty sites nothing more can be said.
        return faults;
    }
    if list.sites.is_empty() {
        let help = "write `sites = [\"zen.spamhaus.org=127.0.0.[2..11]*3\"]`".to_owned();
        warn(first, format!("the scored list `{name}` has no sites"), help);
        return faults;
    }
    let highest: i64 = list.sites.iter().map(|site| i64::from(site.weight.max(0))).sum();
    let thresholds = [
        ("reject_at", "refuses", Some(list.reject_at).filter(|_| rejects)),
        ("greylist_at", "greylists", list.greylist_at.filter(|_| greylists)),
    ];
    for (threshold, does, at) in thresholds {
        let Some(at) = at.filter(|at| highest < *at) else { continue };
        let message = format!(
            "the scored list `{name}` never {does}: all weights together are {highest}, {threshold} is {at}"
        );
        warn(key(threshold), message, format!("lower `{threshold}`, or give the sites more weight"));
    }
    let Some(Value::Names(names)) = key("show").map(|setting| &setting.value) else { return faults };
    for (site, _) in names {
        if let Some(domain) = Domain::for_query(&site.text)
            && !list.sites.iter().any(|site| site.list.used.zone == domain)
        {
            let message = format!("`show` names `{domain}`, which is not a site of `{name}`");
            let fault = Fault::warning(&site.origin, site.text.chars().count(), message);
            faults.push(fault.help("write a domain as it stands in `sites`"));
        }
    }
    faults
}

/// A fault in the configuration itself.
fn here(loader: &mut Loader<'_>, fault: Fault) {
    let text = loader.text.clone();
    loader.faults.here(fault, &text);
}
