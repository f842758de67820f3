//! main.cf as Postfix reads it: logical lines of `name = value` (postconf(5), "General format").

use super::expand::Budget;
use std::collections::HashMap;

/// Defaults that values in main.cf refer to; with a Postfix at hand its own answers come first.
const DEFAULTS: [(&str, &str); 8] = [
    ("config_directory", "/etc/postfix"),
    ("data_directory", "/var/lib/postfix"),
    ("default_database_type", "hash"),
    ("mail_owner", "postfix"),
    ("meta_directory", "/etc/postfix"),
    ("queue_directory", "/var/spool/postfix"),
    ("reject_tempfail_action", "defer_if_permit"),
    ("stress", ""),
];

/// How many faults of the file are named.
const COMPLAINTS: usize = 20;

/// The parameters of a main.cf.
#[derive(Debug, Default)]
pub(super) struct MainCf {
    /// Each parameter that is set, once, in the order of the file.
    parameters: Vec<(String, String)>,
    places: HashMap<String, usize>,
    /// What Postfix itself takes where nothing is set, if it was asked.
    defaults: HashMap<String, String>,
    /// What could not be read, for the administrator.
    pub(super) complaints: Vec<String>,
    /// How much may still be expanded.
    pub(super) budget: Budget,
}

impl MainCf {
    /// Reads the text of a main.cf, or what `postconf -n` prints, which has the same form.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut main_cf = Self::default();
        let mut open: Option<(usize, String)> = None;
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').split('\n')) {
            let line = line.trim_end();
            let said = line.trim_start();
            // A comment or an empty line does not end the line that it interrupts.
            if said.is_empty() || said.starts_with('#') {
                continue;
            }
            if said.len() == line.len() {
                main_cf.take(open.take());
                open = Some((number, line.to_owned()));
            } else if let Some((_, text)) = &mut open {
                text.push_str(line);
            } else {
                main_cf.complain(number, "it continues nothing");
            }
        }
        main_cf.take(open);
        main_cf
    }

    fn take(&mut self, line: Option<(usize, String)>) {
        let Some((number, text)) = line else { return };
        let Some((name, value)) = text.split_once('=') else {
            return self.complain(number, "it has no `=`");
        };
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return self.complain(number, "it has no parameter name before the `=`");
        }
        let value = value.trim().to_owned();
        if value.contains(char::REPLACEMENT_CHARACTER) {
            self.complain(number, "it is not UTF-8; what could not be read is U+FFFD");
        }
        match self.places.get(name) {
            // As in Postfix, the last one counts.
            Some(place) => self.parameters[*place].1 = value,
            None => {
                self.places.insert(name.to_owned(), self.parameters.len());
                self.parameters.push((name.to_owned(), value));
            }
        }
    }

    fn complain(&mut self, number: usize, what: &str) {
        match self.complaints.len() {
            COMPLAINTS => self.complaints.push("More lines could not be read.".to_owned()),
            count if count < COMPLAINTS => self.complaints.push(format!("Line {number}: {what}.")),
            _ => {}
        }
    }

    /// The same with what Postfix takes where nothing is set: the output of plain `postconf`.
    pub(super) fn with_defaults(self, bytes: &[u8]) -> Self {
        Self { defaults: Self::parse(bytes).parameters.into_iter().collect(), ..self }
    }

    /// The value of a parameter that is set, as written.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(|place| self.parameters[*place].1.as_str())
    }

    /// The value of a parameter, set or not, as written.
    pub(super) fn effective(&self, name: &str) -> Option<&str> {
        let own = self.get(name).or_else(|| self.defaults.get(name).map(String::as_str));
        own.or_else(|| DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    /// The value of a parameter that is set, with every `$name` in it replaced.
    pub(super) fn expanded(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| self.expand(value))
    }

    /// What is set, in the order of the file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_continue_over_comments_and_the_last_setting_counts() {
        let text = "\u{feff}a = 1\r\n# c\nb = x,\n  # d\n\n\ty\nno equal sign\na=2\nc=\n";
        let main_cf = MainCf::parse(text.as_bytes());
        let cases =
            [("a", Some("2")), ("b", Some("x,\ty")), ("c", Some("")), ("d", None), ("mail_owner", None)];
        for (name, want) in cases {
            assert_eq!(main_cf.get(name), want, "{name}");
        }
        assert_eq!(main_cf.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(main_cf.effective("mail_owner"), Some("postfix"));
        let main_cf = MainCf::parse(b"  x\na b = 1\nok = \xff\nno");
        let want = [
            "Line 1: it continues nothing.",
            "Line 2: it has no parameter name before the `=`.",
            "Line 3: it is not UTF-8; what could not be read is U+FFFD.",
            "Line 4: it has no `=`.",
        ];
        assert_eq!(main_cf.complaints, want);
    }
}
