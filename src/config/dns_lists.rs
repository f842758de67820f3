//! DNS lists in the configuration: `[replies]` and `[dnsbl.NAME]`.

use super::{
    loader::Loader,
    raw::{Settings as Raw, Value},
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
use std::{collections::BTreeMap, sync::Arc};

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
    let mut lists: BTreeMap<String, (ScoredList, Word)> = BTreeMap::new();
    for (path, setting) in raw.range("dnsbl.".to_owned()..) {
        let Some((name, key)) = path.strip_prefix("dnsbl.").and_then(|rest| rest.rsplit_once('.')) else {
            break;
        };
        let (list, _) =
            lists.entry(name.to_owned()).or_insert_with(|| (ScoredList::default(), setting.name.clone()));
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
                        None => here(loader, site.error(format!("`{}` is no domain of a list", site.text))),
                    }
                }
            }
            _ => {}
        }
    }
    for (name, (list, word)) in &lists {
        let written = match raw.get(&format!("dnsbl.{name}.sites")).map(|setting| &setting.value) {
            Some(Value::Texts(words)) => words.len(),
            _ => 0,
        };
        // Of a list with faulty sites nothing more can be said.
        if written == list.sites.len() {
            judge(name, list, word, raw, loader);
        }
    }
    lists.into_iter().map(|(name, (list, _))| (name, Arc::new(list))).collect()
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

/// What can only be said of a whole scored list, each at the key that says it; `word` is the first of its keys.
fn judge(name: &str, list: &ScoredList, word: &Word, raw: &Raw, loader: &mut Loader<'_>) {
    let setting = |key: &str| raw.get(&format!("dnsbl.{name}.{key}"));
    let key = |key: &str| setting(key).map(|setting| &setting.name);
    let warning =
        |word: &Word, message: String| Fault::warning(&word.origin, word.text.chars().count(), message);
    let highest: i64 = list.sites.iter().map(|site| i64::from(site.weight.max(0))).sum();
    if list.sites.is_empty() {
        let message = format!("the scored list `{name}` has no sites");
        let fault = warning(key("sites").unwrap_or(word), message);
        here(loader, fault.help("write `sites = [\"zen.spamhaus.org=127.0.0.[2..11]*3\"]`"));
    } else if highest < list.reject_at {
        let message = format!(
            "the scored list `{name}` never refuses: all weights together are {highest}, reject_at is {}",
            list.reject_at
        );
        let fault = warning(key("reject_at").or_else(|| key("sites")).unwrap_or(word), message);
        here(loader, fault.help("lower `reject_at`, or give the sites more weight"));
    }
    let Some(Value::Names(names)) = setting("show").map(|setting| &setting.value) else { return };
    for (site, _) in names {
        if let Some(domain) = Domain::for_query(&site.text)
            && !list.sites.iter().any(|site| site.list.used.zone == domain)
        {
            here(loader, warning(site, format!("`show` names `{domain}`, which is no site of `{name}`")));
        }
    }
}

/// A fault in the configuration itself.
fn here(loader: &mut Loader<'_>, fault: Fault) {
    let text = loader.text.clone();
    loader.faults.here(fault, &text);
}
