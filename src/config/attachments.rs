//! `[attachments]` and the sections `[attachments.NAME]`.

use super::{
    build::value,
    loader::Loader,
    raw::{Settings as Raw, Value},
    settings::Config,
};
use crate::{
    attachment::{
        pattern::NamePattern,
        presets::{self, MARKED, MINIMAL, STANDARD},
        rules::{NameRules, Treatment},
    },
    origin::{Fault, Word},
    restriction::{
        args::Tables as _,
        attachment_rules::{Action, Allow, Answer, AttachmentRules, Conflict},
    },
    table::{AccessTable, action::Says},
};
use std::{collections::BTreeSet, sync::Arc};

const SECTION: &str = "attachments.";

/// Reads the rules and the limits.
pub(super) fn read(raw: &Raw, loader: &mut Loader<'_>, config: &mut Config) {
    let settings = &mut config.settings;
    let start = AttachmentRules {
        allow: Allow {
            delimiters: settings.recipient_delimiter.clone(),
            parents: settings.parent_domain_matches_subdomains,
            ..Allow::default()
        },
        ..AttachmentRules::default()
    };
    let own = Reader { raw, prefix: SECTION.to_owned() }.rules(start, loader);
    let below = raw.keys().filter_map(|path| path.strip_prefix(SECTION)?.split_once('.'));
    let names: BTreeSet<&str> = below.map(|(name, _)| name).collect();
    for name in names {
        let reader = Reader { raw, prefix: format!("{SECTION}{name}.") };
        let rules = reader.rules(own.clone(), loader);
        settings.attachments.insert(name.to_owned(), Arc::new(rules));
    }
    settings.attachments.insert(String::new(), Arc::new(own));
    limits(raw, config);
}

fn limits(raw: &Raw, config: &mut Config) {
    let number = |name: &str| match value(raw, &format!("{SECTION}{name}")) {
        Some(Value::Number(number) | Value::Bytes(number)) => usize::try_from(*number).ok(),
        _ => None,
    };
    let limits = &mut config.attachments;
    for (name, limit) in [
        ("depth", &mut limits.depth),
        ("parts", &mut limits.parts),
        ("header_bytes", &mut limits.header_bytes),
        ("parameters", &mut limits.parameters),
        ("segments", &mut limits.segments),
        ("boundaries", &mut limits.boundaries),
        ("encoded_levels", &mut limits.encoded_levels),
        ("names", &mut limits.names),
        ("archive_members", &mut limits.archive_members),
        ("archive_levels", &mut limits.archive_levels),
        ("findings", &mut limits.findings),
        ("container_memory", &mut config.limits.container_memory),
    ] {
        *limit = number(name).unwrap_or(*limit);
    }
    if let Some(Value::Bytes(bytes)) = value(raw, "attachments.inflated_bytes") {
        limits.inflated_bytes = *bytes;
    }
}

/// The keys of one section.
struct Reader<'a> {
    raw: &'a Raw,
    prefix: String,
}

impl Reader<'_> {
    /// The rules of the section, which begin as others.
    fn rules(&self, mut rules: AttachmentRules, loader: &mut Loader<'_>) -> AttachmentRules {
        rules.names = Arc::new(self.names(rules.names.as_ref().clone(), loader));
        if let Some(word) = self.choice("action") {
            rules.action = match word {
                "tempfail" => Action::Tempfail,
                "discard" => Action::Discard,
                "hold" => Action::Hold,
                "mark" => Action::Mark,
                _ => Action::Reject,
            };
        }
        self.answer("on_unparsable", &mut rules.on_unparsable);
        self.answer("on_ambiguous", &mut rules.on_ambiguous);
        if let Some(word) = self.choice("conflict") {
            rules.conflict = match word {
                "mark" => Conflict::Mark,
                "delete" => Conflict::Delete,
                _ => Conflict::RejectIfAll,
            };
        }
        if let Some(Value::Text(word)) = self.value("header") {
            if word.text.is_empty() || !word.text.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
                let fault = word.error(format!("`{}` is not the name of a header field", word.text));
                loader.warn(fault.help("write a name such as `X-Attachment-Check`"));
            }
            rules.header = word.text.as_str().into();
        }
        for (name, tables) in [
            ("allow_clients", &mut rules.allow.clients),
            ("allow_senders", &mut rules.allow.senders),
            ("allow_recipients", &mut rules.allow.recipients),
        ] {
            if let Some(words) = self.words(name) {
                *tables = words.iter().filter_map(|word| table(word, loader)).collect();
            }
        }
        rules
    }

    fn names(&self, mut names: NameRules, loader: &mut Loader<'_>) -> NameRules {
        if let Some(words) = self.words("banned") {
            names.banned = extensions(words, banned, loader).into_iter().collect();
        }
        if let Some(words) = self.words("marked") {
            names.marked = extensions(words, marked, loader).into_iter().collect();
        }
        if let Some(words) = self.words("banned_patterns") {
            let parse =
                |word: &Word| NamePattern::parse(&word.text).map_err(|why| loader.warn(word.error(why)));
            names.banned_patterns = words.iter().map(parse).filter_map(Result::ok).collect();
        }
        for (name, treatment) in [
            ("archives", &mut names.archives),
            ("partial", &mut names.partial),
            ("double_extension", &mut names.double_extension),
        ] {
            match self.choice(name) {
                Some("ignore") => *treatment = Treatment::Ignore,
                Some("mark") => *treatment = Treatment::Mark,
                Some(_) => *treatment = Treatment::Reject,
                None => {}
            }
        }
        names
    }

    fn value(&self, name: &str) -> Option<&Value> {
        value(self.raw, &format!("{}{name}", self.prefix))
    }

    fn words(&self, name: &str) -> Option<&Vec<Word>> {
        match self.value(name) {
            Some(Value::Texts(words)) => Some(words),
            _ => None,
        }
    }

    fn choice(&self, name: &str) -> Option<&'static str> {
        match self.value(name) {
            Some(Value::Choice(word)) => Some(word),
            _ => None,
        }
    }

    fn answer(&self, name: &str, answer: &mut Answer) {
        match self.choice(name) {
            Some("tempfail") => *answer = Answer::Tempfail,
            Some("mark") => *answer = Answer::Mark,
            Some("ignore") => *answer = Answer::Ignore,
            Some(_) => *answer = Answer::Reject,
            None => {}
        }
    }
}

/// The list that a word of `banned` stands for.
fn banned(word: &str) -> Option<Vec<&'static str>> {
    Some(match word {
        "minimal" => presets::extensions(MINIMAL).collect(),
        "standard" => presets::extensions(STANDARD).collect(),
        "strict" => presets::extensions(&[STANDARD, MARKED].concat()).collect(),
        _ => return None,
    })
}

/// The list that a word of `marked` stands for.
fn marked(word: &str) -> Option<Vec<&'static str>> {
    (word == "standard").then(|| presets::extensions(MARKED).collect())
}

/// The extensions that words and lists name.
fn extensions(
    words: &[Word],
    list: fn(&str) -> Option<Vec<&'static str>>,
    loader: &mut Loader<'_>,
) -> Vec<String> {
    let mut all = Vec::new();
    for word in words {
        let text = word.text.as_str();
        let bare = text.trim_start_matches('*').trim_start_matches('.');
        if let Some(list) = list(text) {
            all.extend(list.into_iter().map(str::to_owned));
        } else if bare.is_empty() || bare.contains(['*', '?', '/', '\\', ':', '"']) {
            let fault = word.error(format!("`{text}` is not an extension"));
            loader.warn(fault.help("write patterns for whole names below banned_patterns"));
        } else {
            all.push(bare.to_owned());
        }
    }
    all
}

/// A table of who is allowed.
fn table(word: &Word, loader: &mut Loader<'_>) -> Option<Arc<AccessTable>> {
    match loader.table(word) {
        Ok(table) => {
            let other = |says: &Says| !matches!(says, Says::Ok | Says::Dunno);
            for entry in table.entries().filter(|entry| other(&entry.says)) {
                let message = "this table only says who is allowed: its actions are OK and DUNNO";
                loader.warn(Fault::warning(&entry.origin, 1, message).help("write `DUNNO` for an exception"));
            }
            Some(table)
        }
        Err(fault) => {
            loader.warn(fault);
            None
        }
    }
}
