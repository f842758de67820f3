//! Makes random list sets from the vocabulary.

use super::{
    lists::{Argument, Entry, Line, ListSet, STAGES, Setting, Table},
    random::Random,
    vocabulary::{self, Word},
};
use mailward::config::keys::{self, Takes};

/// What makes one set.
pub struct Maker<'a> {
    pub random: &'a mut Random,
    /// The names of the classes that tables may name.
    pub classes: Vec<String>,
    pub settings: Vec<Setting>,
    pub faulty: bool,
    /// The list that is being made; empty for a class.
    pub stage: &'static str,
    temper: Temper,
    tables: usize,
    deck: &'a mut Deck,
}

/// What the lists of a set do beside what the vocabulary brings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Temper {
    Even,
    /// Most lists defer, several times and in several words: which deferral wins shows only there.
    Deferring,
    /// The first list throws the message away: whether a later one is still asked shows only there.
    Discarding,
}

/// The vocabulary as a deck of cards: so every restriction comes as often as its weight says, in any order.
#[derive(Debug, Default)]
pub struct Deck {
    cards: Vec<&'static Word>,
    /// Words of which half of the cards shall be.
    wanted: Vec<&'static str>,
}

impl Deck {
    /// A deck in which these words come often.
    pub fn of(wanted: Vec<&'static str>) -> Self {
        Self { cards: Vec::new(), wanted }
    }

    fn draw(&mut self, random: &mut Random) -> &'static Word {
        if self.cards.is_empty() {
            let known: Vec<&Word> = vocabulary::words().filter(|word| word.is_known()).collect();
            let often = known.iter().map(|word| word.weight).sum::<usize>() / self.wanted.len().max(1);
            let weight = |word: &Word| word.weight + if self.wanted.contains(&word.name) { often } else { 0 };
            self.cards = known.into_iter().flat_map(|word| std::iter::repeat_n(word, weight(word))).collect();
            random.shuffle(&mut self.cards);
        }
        self.cards.pop().unwrap()
    }
}

/// Codes and their kin, by the same name in main.cf and in `[codes]`.
const CODES: &[(&str, &[&str])] = &[
    ("access_map_defer_code", &["451", "452"]),
    ("access_map_reject_code", &["550", "450", "553"]),
    ("defer_code", &["451", "550"]),
    ("invalid_hostname_reject_code", &["550", "450"]),
    ("non_fqdn_reject_code", &["550", "450"]),
    ("reject_code", &["550", "450"]),
    ("unknown_address_reject_code", &["550", "554"]),
    ("unknown_client_reject_code", &["550", "554"]),
    ("unknown_hostname_reject_code", &["550", "554"]),
    ("maps_rbl_reject_code", &["550", "450"]),
    ("multi_recipient_bounce_reject_code", &["554", "450"]),
    ("plaintext_reject_code", &["451", "550"]),
    ("relay_domains_reject_code", &["550", "551"]),
];

/// In the words of both: an action as a string.
const ACTIONS: &[&str] =
    &["reject_tempfail_action", "unknown_helo_hostname_tempfail_action", "unknown_address_tempfail_action"];

/// Postfix's default without smtpd_access_maps.
pub const NO_PARENTS: &str = "parent_domain_matches_subdomains = debug_peer_list, fast_flush_domains, mynetworks, \
                          permit_mx_backup_networks, qmqpd_authorized_clients, relay_domains";

impl<'a> Maker<'a> {
    pub fn new(random: &'a mut Random, deck: &'a mut Deck) -> Self {
        let temper = random.weighted(&[(75, Temper::Even), (20, Temper::Deferring), (5, Temper::Discarding)]);
        let (classes, settings) = (Vec::new(), Vec::new());
        Self { random, classes, settings, faulty: false, stage: "", temper, tables: 0, deck }
    }

    /// A set.
    pub fn set(mut self, number: usize) -> ListSet {
        let delay_reject = self.random.percent(75);
        self.settings();
        let mut classes = Vec::new();
        for name in ["strict", "lenient"] {
            if self.random.percent(25) {
                let length = 1 + self.random.below(3);
                let entries = (0..length).map(|_| self.entry()).collect();
                classes.push((name.to_owned(), entries));
                self.classes.push(name.to_owned());
            }
        }
        let mut lists = Vec::new();
        for stage in STAGES {
            let percent = match stage {
                "sender" | "recipient" => 55,
                "client" | "helo" => 45,
                _ => 15,
            };
            if self.random.percent(percent) {
                lists.push((stage, self.list(stage, delay_reject)));
            }
        }
        if lists.is_empty() {
            lists.push(("recipient", self.list("recipient", delay_reject)));
        }
        let mynetworks = self.mynetworks();
        let Self { settings, faulty, .. } = self;
        ListSet { number, delay_reject, mynetworks, settings, classes, lists, faulty }
    }

    /// The name of a new table.
    pub fn table_name(&mut self) -> String {
        self.tables += 1;
        format!("t{}", self.tables)
    }

    /// Adds a setting that an entry needs, once.
    pub fn need(&mut self, setting: Setting) {
        let name = |setting: &Setting| setting.main_cf.split('=').next().unwrap_or_default().to_owned();
        if !self.settings.iter().any(|other| name(other) == name(&setting)) {
            self.settings.push(setting);
        }
    }

    fn list(&mut self, stage: &'static str, delay_reject: bool) -> Vec<Entry> {
        self.stage = stage;
        let length = 1 + self.random.below(4);
        let mut entries: Vec<Entry> = (0..length).map(|_| self.entry()).collect();
        if self.temper == Temper::Deferring && self.random.percent(70) {
            for _ in 0..=self.random.below(3) {
                let entry = self.deferral();
                entries.insert(self.random.below(entries.len() + 1), entry);
            }
            if self.random.percent(30) {
                entries.push(Entry {
                    warn_if_reject: false,
                    name: "reject".to_owned(),
                    arguments: Vec::new(),
                });
            }
        }
        if self.temper == Temper::Discarding {
            self.temper = Temper::Even;
            entries.insert(self.random.below(entries.len() + 1), always_says("DISCARD"));
        }
        if let Some(last) = vocabulary::words().find(|word| word.name == vocabulary::LAST && word.is_known())
            && stage == "recipient"
            && self.random.percent(20)
        {
            let arguments = (last.arguments)(self);
            entries.push(Entry { warn_if_reject: false, name: last.name.to_owned(), arguments });
        }
        if stage == "client" && !delay_reject {
            // The client that says XCLIENT is itself one that the list sees; it must get through.
            entries.insert(
                0,
                Entry { warn_if_reject: false, name: "permit_mynetworks".to_owned(), arguments: Vec::new() },
            );
        }
        entries
    }

    /// Defers, in words of its own or in those of all.
    fn deferral(&mut self) -> Entry {
        let word = self.random.pick(&["defer_if_permit", "defer_if_reject"]);
        if self.random.percent(30) {
            return Entry { warn_if_reject: false, name: word.to_owned(), arguments: Vec::new() };
        }
        self.tables += 1;
        always_says(&format!("{} deferral {}", word.to_ascii_uppercase(), self.tables))
    }

    fn entry(&mut self) -> Entry {
        if !self.classes.is_empty() && self.random.percent(12) {
            let at = self.random.below(self.classes.len());
            let (name, warn_if_reject) = (self.classes[at].clone(), self.random.percent(20));
            return Entry { warn_if_reject, name, arguments: Vec::new() };
        }
        let mut word = self.deck.draw(self.random);
        // Postfix knows no check for a bare table in other lists.
        while word.name.is_empty() && !["client", "helo", "sender", "recipient"].contains(&self.stage) {
            word = self.deck.draw(self.random);
        }
        let warn_if_reject = self.random.percent(if word.decides { 50 } else { 13 });
        let arguments = (word.arguments)(self);
        Entry { warn_if_reject, name: word.name.to_owned(), arguments }
    }

    fn mynetworks(&mut self) -> Vec<String> {
        let mut networks = vec!["127.0.0.0/24".to_owned()];
        for network in ["192.0.2.4/32", "[2001:db8::]/64", "10.20.31.0/24", "[2001:db8:1::]/48"] {
            if self.random.percent(30) {
                networks.push(network.to_owned());
            }
        }
        networks
    }

    fn settings(&mut self) {
        if self.random.percent(20) {
            self.need(setting(NO_PARENTS, "", "parent_domain_matches_subdomains = false"));
        }
        if self.random.percent(25) {
            let delimiter = self.random.pick(&["+", "+-", "."]);
            let line = format!("recipient_delimiter = {delimiter}");
            self.need(setting(&line, "", &format!("recipient_delimiter = {delimiter:?}")));
        }
        if self.random.percent(15) && keys::find("helo_required").is_some() {
            self.need(setting("smtpd_helo_required = yes", "", "helo_required = true"));
        }
        for (name, codes) in CODES {
            if self.random.percent(12)
                && keys::find(&format!("codes.{name}")).is_some_and(|key| key.takes == Takes::Code)
            {
                let code = self.random.pick(codes);
                let line = format!("{name} = {code}");
                self.need(setting(&line, "codes", &line));
            }
        }
        for name in ACTIONS {
            if self.random.percent(12) {
                let action = self.random.pick(&["defer", "defer_if_permit"]);
                self.need(setting(&format!("{name} = {action}"), "codes", &format!("{name} = {action:?}")));
            }
        }
    }
}

/// An entry that says this of every client.
fn always_says(says: &str) -> Entry {
    let line = Line { key: String::new(), says: says.to_owned() };
    let table = Table { kind: "static", name: String::new(), lines: vec![line] };
    let arguments = vec![Argument::Table(table)];
    Entry { warn_if_reject: false, name: "check_client_access".to_owned(), arguments }
}

/// A setting from its spellings.
pub fn setting(main_cf: &str, section: &'static str, toml: &str) -> Setting {
    Setting { main_cf: main_cf.to_owned(), section, toml: toml.to_owned() }
}
