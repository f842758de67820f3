//! From the keys that are set to the configuration as the server uses it.

use super::{
    Files, attachments, dns_lists,
    faults::Faults,
    lists::Builder,
    loader::Loader,
    raw::{Setting, Settings as Raw, Value},
    settings::{Config, Journal, Mode, OnBug, Privacy, Socket},
    text::Text,
    values,
};
use crate::{
    decision::{Written, action::ClassId},
    origin::{Fault, Word},
    request::Stage,
    restriction::{args::TempfailAction, mend::HELO_REQUIRED},
    smtp::{domain::Domain, reply::ReplyCode},
    table::{
        Source,
        domain_list::{DomainList, Subdomains},
        network_list::NetworkList,
        texts::TextTable,
    },
};
use std::{mem, path::PathBuf, rc::Rc, time::Duration};

/// Postfix's default of milter_command_timeout.
const MILTER_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Postfix's default of milter_content_timeout.
const MILTER_CONTENT_TIMEOUT: Duration = Duration::from_secs(300);

/// Builds the configuration; it is of use only if there is no error among the faults.
pub(super) fn build(raw: &Raw, text: Rc<Text>, faults: Faults, files: &mut dyn Files) -> (Config, Faults) {
    let mut values = Values { raw, text: &text, faults };
    let mut config = Config::default();
    values.server(&mut config);
    values.socket(&mut config.socket);
    values.watched(&mut config);
    values.dns(&mut config);
    values.settings(&mut config);
    values.policy_service(&mut config);
    values.greylist(&mut config, files);
    values.journal(&mut config.journal);
    let Values { faults, .. } = values;

    let classes: Vec<&Setting> =
        raw.iter().filter(|(path, _)| path.starts_with("classes.")).map(|(_, setting)| setting).collect();
    let mut loader = Loader::new(text, faults, files);
    loader.parents = config.settings.parent_domain_matches_subdomains;
    tables(raw, &mut config, &mut loader);
    dns_lists::read(raw, &mut loader, &mut config.settings);
    attachments::read(raw, &mut loader, &mut config);
    let mut builder = Builder::new(loader, config.settings.clone(), &classes);
    for stage in Stage::ALL {
        if let Some(Value::List(tokens)) = value(raw, &format!("restrictions.{stage}")) {
            config.policy.lists[stage as usize] = builder.stage(stage, tokens.clone());
        }
    }
    for (number, class) in classes.iter().enumerate() {
        let Value::List(tokens) = &class.value else { continue };
        config.policy.classes.push(builder.class(ClassId(number), tokens.clone()));
    }
    config.policy.classes.extend(builder.right_hands());
    let source = builder.loader.text.clone();
    // Also where its value is wrong: one fault is enough then.
    let trusted = source.text.lines().any(|line| line.trim_start().starts_with("mynetworks"));
    let scored = mem::take(&mut builder.scored);
    let loader = builder.finish(&config.policy, trusted);
    let mut faults = loader.faults;
    let unused = unused_lists(raw, &config);
    for fault in unused.into_iter().chain(dns_lists::judge(raw, &config.settings, &scored)) {
        faults.here(fault, &source);
    }
    (config, faults)
}

/// Warnings about `untested_lists` that no restriction asks, most likely mistyped.
fn unused_lists(raw: &Raw, config: &Config) -> Vec<Fault> {
    let Some(Value::Texts(words)) = value(raw, "dns.untested_lists") else { return Vec::new() };
    let used: Vec<Domain> = config.policy.dnsxl().into_iter().map(|list| list.zone).collect();
    let unused = words.iter().filter(|word| values::zone(word).is_ok_and(|zone| !used.contains(&zone)));
    let warning = |word: &Word| {
        let message = format!("no restriction asks the list `{}`", word.text);
        Fault::warning(&word.origin, word.text.chars().count(), message)
            .help("write its zone as it stands in the restrictions, without a filter")
    };
    unused.map(warning).collect()
}

/// The settings that may name tables.
fn tables(raw: &Raw, config: &mut Config, loader: &mut Loader<'_>) {
    let words = |path: &str| match value(raw, path) {
        Some(Value::Texts(words)) => words.as_slice(),
        _ => &[],
    };
    let settings = &mut config.settings;
    let subdomains = match settings.parent_domain_matches_subdomains {
        true => Subdomains::Match,
        false => Subdomains::MatchDotted,
    };
    let lists = [
        ("local_domains", Subdomains::None, &mut settings.local_domains),
        ("relay_domains", subdomains, &mut settings.relay_domains),
    ];
    for (path, subdomains, list) in lists {
        if !words(path).is_empty() {
            *list = DomainList::load(words(path), subdomains, loader).into();
        }
    }
    settings.mynetworks = NetworkList::load(words("mynetworks"), loader).into();
    let mut maps = Vec::new();
    for word in words("sender_login_maps") {
        match TextTable::load(word, loader) {
            Ok(table) => maps.push(table),
            Err(fault) => Source::fault(loader, fault),
        }
    }
    settings.sender_login_maps = maps.into();
}

pub(super) fn value<'a>(raw: &'a Raw, path: &str) -> Option<&'a Value> {
    raw.get(path).map(|setting| &setting.value)
}

/// The plain values.
pub(super) struct Values<'a> {
    pub(super) raw: &'a Raw,
    pub(super) text: &'a Text,
    pub(super) faults: Faults,
}

impl Values<'_> {
    fn server(&mut self, config: &mut Config) {
        config.mode = match value(self.raw, "mode") {
            Some(Value::Choice("observe")) => Mode::Observe,
            _ => Mode::Enforce,
        };
        config.on_bug = match value(self.raw, "on_bug") {
            Some(Value::Choice("accept")) => OnBug::Accept,
            _ => OnBug::Tempfail,
        };
        self.bool("delay_reject", &mut config.policy.delay_reject);
        self.bool("lookahead", &mut config.policy.lookahead);
        if let Some(Setting { name, value: Value::Bool(true) }) = self.raw.get("helo_required") {
            let written = Written { text: HELO_REQUIRED.into(), origin: name.origin.clone() };
            config.policy.helo_required = Some(written.into());
        }
        let limits = &mut config.limits;
        self.number("max_sessions", &mut limits.max_sessions);
        self.duration("decision_deadline", &mut limits.decision_deadline);
        self.duration("content_deadline", &mut limits.content_deadline);
        self.duration("shutdown_grace", &mut limits.shutdown_grace);
        self.duration("idle_timeout", &mut limits.idle_timeout);
        if limits.decision_deadline >= MILTER_COMMAND_TIMEOUT {
            let help = "raise milter_command_timeout in main.cf above it, or lower it to \"20s\"";
            self.warn("decision_deadline", "Postfix waits 30 s by default and gives up before this", help);
        }
        if limits.content_deadline >= MILTER_CONTENT_TIMEOUT {
            let help = "raise milter_content_timeout in main.cf above it, or lower it to \"120s\"";
            self.warn("content_deadline", "Postfix waits 300 s by default and gives up before this", help);
        }
    }

    fn socket(&mut self, socket: &mut Socket) {
        if let Some(Value::Text(word)) = value(self.raw, "socket") {
            match values::socket(word) {
                Ok(configured) => *socket = configured,
                Err(fault) => self.faults.here(fault, self.text),
            }
        }
        let Socket::Unix { mode, group, .. } = socket else {
            return self.inet_socket(socket);
        };
        if let Some(Value::Permissions(bits)) = value(self.raw, "socket_mode") {
            *mode = *bits;
        }
        if let Some(Value::Text(word)) = value(self.raw, "socket_group") {
            *group = Some(word.text.clone()).filter(|group| !group.is_empty());
        }
    }

    fn inet_socket(&mut self, socket: &Socket) {
        if let Socket::Inet(address) = socket
            && !address.ip().to_canonical().is_loopback()
        {
            let message = format!(
                "whoever reaches {address} can speak with mailward: the protocol has no authentication"
            );
            self.warn(
                "socket",
                &message,
                "use a unix socket or a loopback address, or protect the port by a firewall",
            );
        }
        for key in ["socket_mode", "socket_group"] {
            if self.raw.contains_key(key) && self.raw.contains_key("socket") {
                self.warn(
                    key,
                    "it has no effect on an inet socket",
                    "set it only with `socket = \"unix:/path\"`",
                );
            }
        }
    }

    /// Where the daemon is looked after.
    fn watched(&mut self, config: &mut Config) {
        if let Some(Value::Text(word)) = value(self.raw, "control_socket") {
            match values::control_socket(word) {
                Ok(configured) => config.control_socket = configured,
                Err(fault) => self.faults.here(fault, self.text),
            }
        }
        if let Some(Value::Text(word)) = value(self.raw, "metrics.listen") {
            match values::metrics(word) {
                Ok(configured) => config.metrics = configured,
                Err(fault) => self.faults.here(fault, self.text),
            }
        }
    }

    fn dns(&mut self, config: &mut Config) {
        let dns = &mut config.dns;
        dns.nameservers = self.each("dns.nameservers", values::nameserver);
        config.untested_lists = self.each("dns.untested_lists", values::zone);
        self.duration("dns.timeout", &mut dns.timeout);
        self.number("dns.tries", &mut dns.tries);
        self.number("dns.max_in_flight", &mut dns.max_in_flight);
        if let Some(Value::Bytes(size)) = value(self.raw, "dns.cache_size") {
            dns.cache_size = *size;
        }
        if dns.timeout.saturating_mul(dns.tries) > config.limits.decision_deadline {
            let key = if self.raw.contains_key("dns.timeout") { "dns.timeout" } else { "dns.tries" };
            let message = "all tries together take longer than decision_deadline, which cuts them off";
            self.warn(key, message, "lower `timeout` or `tries` below [dns]");
        }
    }

    fn settings(&mut self, config: &mut Config) {
        let settings = &mut config.settings;
        self.bool("parent_domain_matches_subdomains", &mut settings.parent_domain_matches_subdomains);
        if let Some(Value::Text(word)) = value(self.raw, "recipient_delimiter") {
            match word.text.chars().find(|c| !c.is_ascii_punctuation() || matches!(c, '@' | '"' | '\\')) {
                Some(c) => {
                    let fault = word.error(format!("`{c}` cannot separate an address's extension"));
                    self.faults.here(fault.help("use characters such as `+` or `-`"), self.text);
                }
                None => settings.recipient_delimiter.clone_from(&word.text),
            }
        }
        let codes = &mut settings.codes;
        for (name, code) in [
            ("access_map_defer_code", &mut codes.access_map_defer_code),
            ("access_map_reject_code", &mut codes.access_map_reject_code),
            ("defer_code", &mut codes.defer_code),
            ("invalid_hostname_reject_code", &mut codes.invalid_hostname_reject_code),
            ("multi_recipient_bounce_reject_code", &mut codes.multi_recipient_bounce_reject_code),
            ("maps_rbl_reject_code", &mut codes.maps_rbl_reject_code),
            ("non_fqdn_reject_code", &mut codes.non_fqdn_reject_code),
            ("plaintext_reject_code", &mut codes.plaintext_reject_code),
            ("reject_code", &mut codes.reject_code),
            ("relay_domains_reject_code", &mut codes.relay_domains_reject_code),
            ("unknown_address_reject_code", &mut codes.unknown_address_reject_code),
            ("unknown_client_reject_code", &mut codes.unknown_client_reject_code),
            ("unknown_hostname_reject_code", &mut codes.unknown_hostname_reject_code),
        ] {
            self.code(&format!("codes.{name}"), code);
        }
        let both = self.tempfail("reject_tempfail_action").unwrap_or_default();
        settings.unknown_helo_hostname_tempfail_action =
            self.tempfail("unknown_helo_hostname_tempfail_action").unwrap_or(both);
        settings.unknown_address_tempfail_action =
            self.tempfail("unknown_address_tempfail_action").unwrap_or(both);
    }

    fn policy_service(&mut self, config: &mut Config) {
        let defaults = &mut config.settings.policy_service;
        defaults.deadline = config.limits.decision_deadline;
        if let Some(Value::Text(word)) = value(self.raw, "policy_service.default_action")
            && word.text != defaults.default_action.text
        {
            defaults.default_action = word.clone();
        }
        self.duration("policy_service.timeout", &mut defaults.time_limit);
        self.number("policy_service.max_in_flight", &mut config.policy_service.max_in_flight);
        if defaults.time_limit >= config.limits.decision_deadline {
            let message = "decision_deadline is not longer, and cuts the request off";
            self.warn("policy_service.timeout", message, "set it below decision_deadline");
        }
    }

    fn journal(&mut self, journal: &mut Journal) {
        if let Some(Value::Text(word)) = value(self.raw, "journal.path") {
            if word.text.contains('\0') {
                self.faults.here(word.error("no path holds a NUL"), self.text);
            }
            journal.path = Some(PathBuf::from(&word.text)).filter(|path| !path.as_os_str().is_empty());
        }
        self.duration("journal.keep", &mut journal.keep);
        if let Some(Value::Bytes(size)) = value(self.raw, "journal.max_size") {
            journal.max_size = *size;
        }
        journal.privacy = match value(self.raw, "journal.privacy") {
            Some(Value::Choice("hash")) => Privacy::Hash,
            _ => Privacy::None,
        };
    }

    pub(super) fn bool(&self, path: &str, target: &mut bool) {
        if let Some(Value::Bool(value)) = value(self.raw, path) {
            *target = *value;
        }
    }

    pub(super) fn number<N: TryFrom<u64>>(&self, path: &str, target: &mut N) {
        if let Some(Value::Number(value)) = value(self.raw, path)
            && let Ok(value) = N::try_from(*value)
        {
            *target = value;
        }
    }

    pub(super) fn duration(&self, path: &str, target: &mut Duration) {
        if let Some(Value::Span(value)) = value(self.raw, path) {
            *target = *value;
        }
    }

    fn code(&self, path: &str, target: &mut ReplyCode) {
        if let Some(Value::Code(value)) = value(self.raw, path) {
            *target = *value;
        }
    }

    fn tempfail(&self, name: &str) -> Option<TempfailAction> {
        match value(self.raw, &format!("codes.{name}")) {
            Some(Value::Choice("defer")) => Some(TempfailAction::Defer),
            Some(_) => Some(TempfailAction::DeferIfPermit),
            None => None,
        }
    }

    /// Reads each word of a list of strings.
    fn each<T>(&mut self, path: &str, read: impl Fn(&Word) -> Result<T, Fault>) -> Vec<T> {
        let Some(Value::Texts(words)) = value(self.raw, path) else { return Vec::new() };
        let mut all = Vec::with_capacity(words.len());
        for word in words {
            match read(word) {
                Ok(value) => all.push(value),
                Err(fault) => self.faults.here(fault, self.text),
            }
        }
        all
    }

    /// A warning about a key that is set.
    fn warn(&mut self, path: &str, message: &str, help: &str) {
        let Some(Setting { name, .. }) = self.raw.get(path) else { return };
        let fault = Fault::warning(&name.origin, name.text.chars().count(), message);
        self.faults.here(fault.help(help), self.text);
    }
}
