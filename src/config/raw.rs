//! From TOML to typed values by the table of keys: unknown keys, wrong types and values out of range are found here.

use super::{
    faults::{Faults, did_you_mean},
    keys::{self, Key, Takes},
    syntax,
    text::Text,
    words::{self, Offsets, Token},
};
use crate::{
    origin::{Fault, Word},
    smtp::reply::ReplyCode,
    time::parse_duration,
};
use std::{collections::BTreeMap, ops::Range, time::Duration};
use toml::de::{DeInteger, DeTable, DeValue};

/// A value of the right type.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Word),
    Texts(Vec<Word>),
    List(Vec<Token>),
    Bool(bool),
    Number(u64),
    Span(Duration),
    Bytes(u64),
    Choice(&'static str),
    Permissions(u32),
    Code(ReplyCode),
    Names(Vec<(Word, Word)>),
}

/// A key that is set, and its value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The last part of the key as written.
    pub(super) name: Word,
    /// The value.
    pub(super) value: Value,
}

/// All keys that are set rightly, by path.
pub(super) type Settings = BTreeMap<String, Setting>;

/// Reads a file's keys; every fault goes to `faults`.
pub(super) fn read(text: &Text, faults: &mut Faults) -> Settings {
    let source = syntax::read(text, faults);
    let (tree, _) = DeTable::parse_recoverable(&source);
    let mut reader = Reader { text, faults, settings: Settings::new() };
    reader.section("", tree.get_ref());
    reader.settings
}

struct Reader<'a> {
    text: &'a Text,
    faults: &'a mut Faults,
    settings: Settings,
}

impl Reader<'_> {
    fn section(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let word = self.word(name.get_ref(), name.span());
            if let Some(key) = keys::find(&path) {
                self.key(key, path, word, value.get_ref(), value.span());
                continue;
            }
            let below = value.get_ref().as_table();
            // A broken header takes the key behind it for a section.
            if below.is_some() && self.faults.is_broken(&self.text.origin(value.span().start)) {
                continue;
            }
            match below {
                Some(below) if keys::is_section(&path) => self.section(&format!("{path}."), below),
                _ if keys::is_section(&path) && !keys::has_own_keys(prefix) => {
                    let fault = self.fault(name.span(), format!("`{path}` is a section, not a value"));
                    let section = if prefix.is_empty() { path } else { format!("{prefix}NAME") };
                    self.take(
                        fault.help(format!("write `[{section}]` on a line of its own, its keys below it")),
                    );
                }
                _ => self.unknown(prefix, name.get_ref(), name.span(), below.is_some()),
            }
        }
    }

    fn key(&mut self, key: &Key, path: String, name: Word, value: &DeValue<'_>, span: Range<usize>) {
        // The TOML reader puts something without a place where it found nothing; it has told so already.
        if span.is_empty() {
            return;
        }
        let value = match value {
            DeValue::String(string) => self.string(key, &path, string, span),
            DeValue::Integer(integer) => self.integer(key, &path, integer, span),
            DeValue::Boolean(value) if key.takes == Takes::Bool => Some(Value::Bool(*value)),
            DeValue::Array(items) if matches!(key.takes, Takes::Texts | Takes::Strings | Takes::List) => {
                let mut strings = Vec::new();
                for item in items.iter().filter(|item| !item.span().is_empty()) {
                    match item.get_ref() {
                        DeValue::String(string) => strings.push((string.as_ref(), item.span())),
                        other => {
                            let what = type_name(other);
                            self.take(self.fault(item.span(), format!("`{path}` takes strings, not {what}")));
                        }
                    }
                }
                Some(self.strings(key.takes, &strings))
            }
            DeValue::Table(names) if key.takes == Takes::Names => {
                Some(Value::Names(self.names(&path, names)))
            }
            other => {
                self.take(self.wrong_type(key, &path, type_name(other), span));
                None
            }
        };
        if let Some(value) = value {
            self.settings.insert(path, Setting { name, value });
        }
    }

    fn names(&mut self, path: &str, table: &DeTable<'_>) -> Vec<(Word, Word)> {
        let mut names = Vec::new();
        for (name, value) in table {
            let shown = match value.get_ref() {
                DeValue::String(string) => self.word(string, self.body(&value.span())),
                other => {
                    let message = format!("`{path}` takes strings, not {}", type_name(other));
                    self.take(self.fault(value.span(), message));
                    continue;
                }
            };
            names.push((self.word(name.get_ref(), name.span()), shown));
        }
        names
    }

    fn string(&mut self, key: &Key, path: &str, string: &str, span: Range<usize>) -> Option<Value> {
        let bad = |message: String| self.fault(span.clone(), format!("`{path}`: {message}"));
        let result = match key.takes {
            Takes::Text => Ok(Value::Text(self.word(string, self.body(&span)))),
            Takes::Texts | Takes::Strings | Takes::List => {
                return Some(self.strings(key.takes, &[(string, span)]));
            }
            Takes::Choice(choices) => {
                choices.iter().find(|choice| **choice == string).map(|c| Value::Choice(c)).ok_or_else(|| {
                    let fault = bad(format!("unknown value \"{string}\""));
                    match did_you_mean(string, choices.iter().copied()) {
                        Some(choice) => fault.help(format!("did you mean \"{choice}\"?")),
                        None => fault.help(format!("it takes {}", key.takes.describe())),
                    }
                })
            }
            Takes::Span(min, max) => match parse_duration(string) {
                Ok(value) if (min..=max).contains(&value) => Ok(Value::Span(value)),
                Ok(_) => Err(bad(format!("\"{string}\" is out of range"))
                    .help(format!("it takes {}", key.takes.describe()))),
                Err(error) => Err(bad(error.to_string())),
            },
            Takes::Bytes(min, max) => match parse_bytes(string) {
                Some(value) if (min..=max).contains(&value) => Ok(Value::Bytes(value)),
                Some(_) => Err(bad(format!("\"{string}\" is out of range"))
                    .help(format!("it takes {}", key.takes.describe()))),
                None => Err(bad(format!("\"{string}\" is not a size"))
                    .help("write a number and KiB, MiB or GiB, such as \"32 MiB\"")),
            },
            Takes::Permissions => match u32::from_str_radix(string, 8) {
                Ok(bits) if bits <= 0o777 && !string.starts_with('+') => Ok(Value::Permissions(bits)),
                _ => Err(bad(format!("\"{string}\" are not permission bits"))
                    .help("write three octal digits, such as \"0660\"")),
            },
            Takes::Bool | Takes::Number(..) | Takes::Code | Takes::Names => {
                let fault = self.wrong_type(key, path, "a string", span.clone());
                Err(match (key.takes, string.to_ascii_lowercase().as_str()) {
                    (Takes::Bool, "yes" | "true" | "on") => fault.help("write true, without quotes"),
                    (Takes::Bool, "no" | "false" | "off") => fault.help("write false, without quotes"),
                    (Takes::Number(..) | Takes::Code, number) if number.parse::<u64>().is_ok() => {
                        fault.help(format!("write {number}, without quotes"))
                    }
                    _ => fault,
                })
            }
        };
        result.map_err(|fault| self.take(fault)).ok()
    }

    fn integer(
        &mut self,
        key: &Key,
        path: &str,
        integer: &DeInteger<'_>,
        span: Range<usize>,
    ) -> Option<Value> {
        let written = &self.text.text[span.clone()];
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let unsigned = number.and_then(|number| u64::try_from(number).ok());
        let range = || {
            let fault = self.fault(span.clone(), format!("`{path}`: {written} is out of range"));
            fault.help(format!("it takes {}", key.takes.describe()))
        };
        let result = match key.takes {
            Takes::Number(min, max) => {
                unsigned.filter(|n| (min..=max).contains(n)).map(Value::Number).ok_or_else(range)
            }
            Takes::Bytes(min, max) => {
                unsigned.filter(|n| (min..=max).contains(n)).map(Value::Bytes).ok_or_else(range)
            }
            Takes::Code => {
                let code = unsigned.and_then(|n| u16::try_from(n).ok()).and_then(ReplyCode::new);
                code.map(Value::Code).ok_or_else(|| {
                    let fault = self.fault(
                        span.clone(),
                        format!("`{path}`: {written} is not a reply code that a milter can send"),
                    );
                    fault.help(format!("it takes {}", key.takes.describe()))
                })
            }
            Takes::Permissions if integer.radix() == 8 => {
                let bits = unsigned.and_then(|n| u32::try_from(n).ok()).filter(|bits| *bits <= 0o777);
                bits.map(Value::Permissions).ok_or_else(range)
            }
            Takes::Permissions => {
                let fault = self.fault(span.clone(), format!("`{path}`: {written} is a decimal number"));
                Err(fault.help("write three octal digits, such as \"0660\""))
            }
            Takes::Span(..) => Err(self
                .wrong_type(key, path, "a number", span.clone())
                .help(format!("write the unit too, such as \"{written}s\""))),
            Takes::Text
            | Takes::Texts
            | Takes::Strings
            | Takes::List
            | Takes::Bool
            | Takes::Choice(_)
            | Takes::Names => Err(self.wrong_type(key, path, "a number", span.clone())),
        };
        result.map_err(|fault| self.take(fault)).ok()
    }

    /// Splits strings into words; a list's with what braces keep together.
    fn strings(&mut self, takes: Takes, strings: &[(&str, Range<usize>)]) -> Value {
        if takes == Takes::Strings {
            let word = |(string, span): &(&str, Range<usize>)| self.word(string, self.body(span));
            return Value::Texts(strings.iter().map(word).collect());
        }
        let mut tokens = Vec::new();
        for (string, span) in strings {
            let offsets = Offsets::of(&self.text.text[span.clone()], span.start);
            match words::split(string, self.text, &|at| offsets.byte(at)) {
                Ok(more) => tokens.extend(more),
                Err(fault) => self.take(fault),
            }
        }
        tokens.iter().for_each(|token| self.faults.written(token));
        match takes {
            Takes::Texts => Value::Texts(tokens.into_iter().map(|token| token.word).collect()),
            _ => Value::List(tokens),
        }
    }

    fn unknown(&mut self, prefix: &str, name: &str, span: Range<usize>, section: bool) {
        let what = if section { "section" } else { "key" };
        let fault = self.fault(span, format!("unknown {what} `{prefix}{name}`"));
        let fault = match help_for_unknown(prefix, name) {
            Some(help) => fault.help(help),
            None => fault,
        };
        self.take(fault);
    }

    fn wrong_type(&self, key: &Key, path: &str, found: &str, span: Range<usize>) -> Fault {
        self.fault(span, format!("`{path}` takes {}, not {found}", key.takes.describe()))
    }

    fn word(&self, text: &str, span: Range<usize>) -> Word {
        Word { text: text.to_owned(), origin: self.text.origin(span.start) }
    }

    /// A string's place without its quotes.
    fn body(&self, span: &Range<usize>) -> Range<usize> {
        Offsets::of(&self.text.text[span.clone()], span.start).byte(0)..span.end
    }

    fn fault(&self, span: Range<usize>, message: String) -> Fault {
        Fault::error(&self.text.origin(span.start), self.text.characters(span.start, span.end), message)
    }

    fn take(&mut self, fault: Fault) {
        self.faults.here(fault, self.text);
    }
}

/// What to write instead of an unknown key.
fn help_for_unknown(prefix: &str, name: &str) -> Option<String> {
    if let Some(list) = name.strip_prefix("smtpd_").and_then(|rest| rest.strip_suffix("_restrictions")) {
        return match keys::find(&format!("restrictions.{list}")) {
            Some(_) => Some(format!("write it as `{list}` below [restrictions]")),
            None => Some("this list stays in main.cf".to_owned()),
        };
    }
    match name {
        "smtpd_policy_service_default_action" | "smtpd_policy_service_timeout" => {
            let key = name.trim_start_matches("smtpd_policy_service_");
            return Some(format!("write it as `{key}` below [policy_service]"));
        }
        "smtpd_delay_reject" => return Some("write it as `delay_reject`".to_owned()),
        "smtpd_restriction_classes" => return Some("define classes below [classes]".to_owned()),
        _ => {}
    }
    let mut elsewhere = keys::keys().filter(|key| !key.path.ends_with(".*"));
    if let Some(key) = elsewhere.find(|key| key.path.rsplit('.').next() == Some(name)) {
        return Some(match key.path.rsplit_once('.') {
            Some((section, _)) => format!("`{name}` stands below [{}]", section.replace('*', "NAME")),
            None => format!("`{name}` stands above the first [section]"),
        });
    }
    let sections = [
        "restrictions",
        "classes",
        "codes",
        "dns",
        "replies",
        "dnsbl",
        "policy_service",
        "greylist",
        "metrics",
        "attachments",
    ]
    .into_iter()
    .filter(|_| prefix.is_empty());
    let prefix = keys::pattern_of(prefix);
    let siblings = keys::keys().filter_map(|key| key.path.strip_prefix(prefix.as_str()));
    let siblings = siblings.filter(|rest| !rest.contains(['.', '*'])).chain(sections);
    did_you_mean(name, siblings).map(|key| format!("did you mean `{key}`?"))
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// A size: a number, and KiB, MiB or GiB.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
