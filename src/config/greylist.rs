//! `[greylist]`: the store's settings, the rules', and the whitelists.

use super::{
    Files, Unreadable,
    build::{Values, value},
    raw::Value,
    settings::{Config, Synchronous},
    text::Text,
};
use crate::{
    greylist::{OnStoreFailure, Settings},
    origin::{Fault, Word},
    smtp::text::cut,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The longest text that a reply has room for, in bytes.
const URL_LIMIT: usize = 200;

impl Values<'_> {
    pub(super) fn greylist(&mut self, config: &mut Config, files: &mut dyn Files) {
        self.store(config);
        let mut settings = match value(self.raw, "greylist.profile") {
            Some(Value::Choice("postgrey")) => Settings::postgrey(),
            _ => Settings::default(),
        };
        let terms = &mut settings.terms;
        self.duration("greylist.delay", &mut terms.delay);
        self.duration("greylist.retry_window", &mut terms.retry_window);
        self.duration("greylist.max_age", &mut terms.max_age);
        self.duration("greylist.known_max_age", &mut terms.known_max_age);
        self.duration("greylist.known_spacing", &mut terms.known_spacing);
        self.number("greylist.waiting_limit", &mut terms.waiting_limit);
        self.bool("greylist.opt_in", &mut terms.opt_in);
        if terms.delay >= terms.retry_window {
            let key = if self.raw.contains_key("greylist.delay") {
                "greylist.delay"
            } else {
                "greylist.retry_window"
            };
            self.error(key, "no retry would ever pass: delay is not below retry_window");
        }
        self.number("greylist.ipv4_prefix", &mut settings.prefixes.ipv4);
        self.number("greylist.ipv6_prefix", &mut settings.prefixes.ipv6);
        self.number("greylist.known_after", &mut settings.known_after);
        self.bool("greylist.verified_names", &mut settings.verified_names);
        self.bool("greylist.per_recipient", &mut settings.per_recipient);
        self.bool("greylist.reveal_time", &mut settings.reveal_time);
        self.bool("greylist.learn_outgoing", &mut settings.learn_outgoing);
        self.bool("greylist.header", &mut settings.header);
        if let Some(Value::Texts(words)) = value(self.raw, "greylist.probe_senders") {
            settings.probe_senders = words.iter().map(|word| word.text.to_lowercase()).collect();
        }
        if let Some(Value::Text(word)) = value(self.raw, "greylist.url") {
            settings.url = cut(&word.text, URL_LIMIT).to_owned();
        }
        if let Some(Value::Choice("tempfail")) = value(self.raw, "greylist.on_store_failure") {
            settings.on_store_failure = OnStoreFailure::Tempfail;
        }
        settings.observed = config.mode == super::settings::Mode::Observe;
        self.whitelist("greylist.whitelist_clients", files, |name, text, faults| {
            settings.clients.read(name, text, faults);
        });
        self.whitelist("greylist.whitelist_recipients", files, |name, text, faults| {
            settings.recipients.read(name, text, faults);
        });
        config.settings.greylist = Arc::new(settings);
    }

    fn store(&mut self, config: &mut Config) {
        let store = &mut config.greylist;
        if let Some(Value::Text(word)) = value(self.raw, "greylist.store") {
            match store_path(word) {
                Ok(path) => store.path = path,
                Err(fault) => self.faults.here(fault, self.text),
            }
        }
        self.duration("greylist.busy_timeout", &mut store.busy_timeout);
        store.synchronous = match value(self.raw, "greylist.synchronous") {
            Some(Value::Choice("off")) => Synchronous::Off,
            Some(Value::Choice("full")) => Synchronous::Full,
            _ => Synchronous::Normal,
        };
    }

    /// Reads the files of a whitelist, and what the administrator added beside them.
    fn whitelist(
        &mut self,
        path: &str,
        files: &mut dyn Files,
        mut read: impl FnMut(&str, &str, &mut Vec<Fault>),
    ) {
        let Some(Value::Texts(words)) = value(self.raw, path) else { return };
        for word in words {
            let local = format!("{}.local", word.text);
            for (name, needed) in [(&word.text, true), (&local, false)] {
                match files.read(Path::new(name)) {
                    Ok(text) => self.entries(name, &text, &mut read),
                    Err(Unreadable::Missing) if !needed => {}
                    Err(reason) => {
                        self.faults.here(word.error(format!("cannot read {name}: {reason}")), self.text);
                    }
                }
            }
        }
    }

    fn entries(&mut self, name: &str, text: &str, read: &mut impl FnMut(&str, &str, &mut Vec<Fault>)) {
        let mut faults = Vec::new();
        read(name, text, &mut faults);
        let source = (!faults.is_empty()).then(|| Text::new(name, text.to_owned()));
        for fault in faults {
            self.faults.push(fault, source.as_ref());
        }
    }

    fn error(&mut self, path: &str, message: &str) {
        let Some(setting) = self.raw.get(path) else { return };
        self.faults.here(setting.name.error(message), self.text);
    }
}

/// Reads `sqlite:/path`.
fn store_path(word: &Word) -> Result<PathBuf, Fault> {
    let help = "write `sqlite:` and the file, such as `sqlite:/var/lib/mailward/greylist.db`";
    match word.text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() && !path.contains('\0') => Ok(PathBuf::from(path)),
        Some(("postgres" | "postgresql", _)) => {
            Err(word.error("PostgreSQL is not in this version").help(help))
        }
        Some(_) | None => Err(word.error(format!("`{}` is not a store", word.text)).help(help)),
    }
}
