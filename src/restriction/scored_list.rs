//! A scored list, `[dnsbl.NAME]`: sites with filters and weights, after postscreen_dnsbl_sites of postconf(5).

use super::{args::Arguments, list::List};
use crate::{
    lookup::{
        Lookup, Lookups, Pending,
        answers::DnsAnswer,
        dnsxl::{ListKind, ListUse, address_query},
    },
    origin::{Fault, Word},
    smtp::domain::Domain,
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// The heaviest weight, either way: some thousand of them still add up.
const WEIGHT_LIMIT: i32 = 1_000_000;

/// A scored list.
#[derive(Clone, Debug)]
pub struct ScoredList {
    /// The sites in the order in which they are written.
    pub sites: Vec<Site>,
    /// The score from which reject_dnsbl_score refuses; default 1, as postscreen_dnsbl_threshold.
    pub reject_at: i64,
    /// The score from which greylist_dnsbl_score greylists; `None`: never.
    pub greylist_at: Option<i64>,
    /// What clients are shown instead of a site's name: postscreen_dnsbl_reply_map.
    pub show: BTreeMap<Domain, Box<str>>,
}

impl Default for ScoredList {
    fn default() -> Self {
        Self { sites: Vec::new(), reject_at: 1, greylist_at: None, show: BTreeMap::new() }
    }
}

/// A site of a scored list.
#[derive(Clone, Debug)]
pub struct Site {
    /// The list and the answers that count.
    pub list: List,
    /// What a listing adds to the score.
    pub weight: i32,
}

/// The scored list that a restriction names, and the word for it.
///
/// # Errors
/// When it names none, or there is no such list.
pub(super) fn named(arguments: &mut Arguments<'_>) -> Result<(Arc<ScoredList>, Word), Fault> {
    let word = arguments.word("the name of a scored list").map_err(|fault| {
        let name = &arguments.name().text;
        fault.help(format!("write `{name} main`, and the sites of `main` below [dnsbl.main]"))
    })?;
    Ok((arguments.settings().scored_list(&word)?, word))
}

impl Site {
    /// Reads `domain[=filter][*weight]`.
    ///
    /// # Errors
    /// When the domain, the filter or the weight is none.
    pub fn parse(word: &Word) -> Result<Self, Fault> {
        let (list, weight) = match word.text.split_once('*') {
            Some((list, weight)) => (list, Some(weight)),
            None => (word.text.as_str(), None),
        };
        let weight = match weight {
            None => 1,
            Some(text) => {
                let limits = -WEIGHT_LIMIT..=WEIGHT_LIMIT;
                let number = text.parse::<i32>().ok().filter(|weight| limits.contains(weight));
                number.ok_or_else(|| {
                    let origin = word.origin.right(list.chars().count() + 1);
                    let fault =
                        Fault::error(&origin, text.chars().count(), format!("`{text}` is not a weight"));
                    fault.help("write a whole number, such as `*2` or `*-4`")
                })?
            }
        };
        let word = Word { text: list.to_owned(), origin: word.origin.clone() };
        Ok(Self { list: List::parse(&word, ListKind::Address, weight < 0)?, weight })
    }
}

/// What the sites say of a client together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score<'a> {
    /// The sum of the weights of all sites that list the client.
    pub total: i64,
    /// The name to show, that of the heaviest site which lists the client; the first of several.
    pub shown: Option<&'a str>,
    /// The reason, for traces.
    pub reason: String,
}

impl ScoredList {
    /// Asks all sites, each domain once. What cannot be found out, and a site that is set aside, counts nothing, as in
    /// postscreen.
    ///
    /// # Errors
    /// [`Pending`] until all answers are there.
    pub fn score(&self, address: IpAddr, lookups: &mut Lookups<'_>) -> Result<Score<'_>, Pending> {
        let queries: Vec<Option<Domain>> =
            self.sites.iter().map(|site| address_query(address, &site.list.used.zone)).collect();
        lookups.ahead(queries.iter().flatten().cloned().map(Lookup::A));
        let mut asked: BTreeMap<&Domain, &DnsAnswer<_>> = BTreeMap::new();
        let (mut total, mut heaviest, mut hits) = (0, None, Vec::new());
        for (site, query) in self.sites.iter().zip(&queries) {
            let Some(query) = query else { continue };
            let answer = match asked.get(query) {
                Some(answer) => *answer,
                None => lookups.a(Some(query))?,
            };
            asked.insert(query, answer);
            match answer {
                DnsAnswer::SetAside => hits.push(format!("{} set aside", site.list.shown())),
                DnsAnswer::Temporary(why) | DnsAnswer::Failed(why) => {
                    hits.push(format!("{} no answer: {why}", site.list.shown()));
                }
                DnsAnswer::Records(_) | DnsAnswer::NotFound | DnsAnswer::NullMx | DnsAnswer::Invalid => {}
            }
            if !site.list.counts(answer.records()) {
                continue;
            }
            total += i64::from(site.weight);
            hits.push(format!("{} {:+}", site.list.shown(), site.weight));
            if heaviest.is_none_or(|heaviest: &Site| heaviest.weight < site.weight) {
                heaviest = Some(site);
            }
        }
        let hits = if hits.is_empty() { "no site lists it".to_owned() } else { hits.join(", ") };
        let reason = format!("score {total} ({hits})");
        Ok(Score { total, shown: heaviest.map(|site| self.name(site)), reason })
    }

    /// The name that clients are shown.
    fn name<'a>(&'a self, site: &'a Site) -> &'a str {
        match self.show.get(&site.list.used.zone) {
            Some(name) => name,
            None => site.list.shown(),
        }
    }

    /// The lists it asks, each once. One with weights of both signs is a block list.
    pub fn lists(&self) -> Vec<ListUse> {
        let mut lists: Vec<ListUse> = Vec::new();
        for site in &self.sites {
            match lists.iter_mut().find(|used| used.zone == site.list.used.zone) {
                Some(used) => used.allows &= site.list.used.allows,
                None => lists.push(site.list.used.clone()),
            }
        }
        lists
    }
}
