//! A set of restriction lists with tables, classes and settings, and its two spellings: main.cf and mailward.toml.

use std::{fmt::Write as _, fs, path::Path};

/// The lists, by their name in both configurations.
pub const STAGES: [&str; 6] = ["client", "helo", "sender", "recipient", "data", "end_of_data"];

/// A set.
#[derive(Clone, Debug, Default)]
pub struct ListSet {
    /// Its place in the run, for messages.
    pub number: usize,
    pub delay_reject: bool,
    /// The networks that both sides trust.
    pub mynetworks: Vec<String>,
    pub settings: Vec<Setting>,
    pub classes: Vec<(String, Vec<Entry>)>,
    pub lists: Vec<(&'static str, Vec<Entry>)>,
    /// Whether a table says something that Postfix calls a configuration error.
    pub faulty: bool,
}

/// A setting in both spellings; an empty one says that there it is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub main_cf: String,
    /// The section of mailward.toml; empty for the keys before all sections.
    pub section: &'static str,
    pub toml: String,
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    pub warn_if_reject: bool,
    pub name: String,
    pub arguments: Vec<Argument>,
}

/// What stands behind an entry's name.
#[derive(Clone, Debug)]
pub enum Argument {
    Word(String),
    Table(Table),
}

/// An access table.
#[derive(Clone, Debug)]
pub struct Table {
    pub kind: &'static str,
    /// The file, for the kinds that have one.
    pub name: String,
    pub lines: Vec<Line>,
}

/// A line of a table; of a pattern table the whole of an `if` … `endif`, without `says`.
#[derive(Clone, Debug)]
pub struct Line {
    pub key: String,
    pub says: String,
}

impl Table {
    pub fn is_file(&self) -> bool {
        !matches!(self.kind, "inline" | "static")
    }

    /// Whether Postfix needs it compiled.
    pub fn wants_postmap(&self) -> bool {
        matches!(self.kind, "hash" | "btree")
    }

    fn word(&self) -> String {
        match self.kind {
            "inline" => {
                let pairs = self.lines.iter().map(|line| format!("{{ {} = {} }}", line.key, line.says));
                format!("inline:{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
            }
            "static" => match self.lines.first() {
                Some(line) if line.says.contains(' ') => format!("static:{{ {} }}", line.says),
                Some(line) => format!("static:{}", line.says),
                None => "static:DUNNO".to_owned(),
            },
            kind => format!("{kind}:$DIR/{}", self.name),
        }
    }

    pub fn text(&self) -> Vec<String> {
        let line = |line: &Line| {
            let text =
                if line.says.is_empty() { line.key.clone() } else { format!("{}\t{}", line.key, line.says) };
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        self.lines.iter().flat_map(line).collect()
    }
}

impl Entry {
    /// The entry as both configurations spell it.
    pub fn text(&self) -> String {
        let mut text = if self.warn_if_reject { "warn_if_reject ".to_owned() } else { String::new() };
        text += &self.name;
        for argument in &self.arguments {
            match argument {
                Argument::Word(word) => write!(text, " {word}").unwrap(),
                Argument::Table(table) => write!(text, " {}", table.word()).unwrap(),
            }
        }
        // A bare table is an entry without a name.
        text.trim_start().replace("  ", " ")
    }
}

impl ListSet {
    /// All entries, those of the classes too.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let classes = self.classes.iter().map(|(_, entries)| entries);
        self.lists.iter().map(|(_, entries)| entries).chain(classes).flatten()
    }

    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.entries().flat_map(|entry| &entry.arguments).filter_map(|argument| match argument {
            Argument::Table(table) => Some(table),
            Argument::Word(_) => None,
        })
    }

    /// Further lines of main.cf, without the lists and the tables' directory.
    pub fn main_cf_settings(&self) -> Vec<String> {
        let mut lines = vec![format!("mynetworks = {}", self.mynetworks.join(", "))];
        if !self.delay_reject {
            lines.push("smtpd_delay_reject = no".to_owned());
        }
        lines.extend(
            self.settings.iter().map(|setting| setting.main_cf.clone()).filter(|line| !line.is_empty()),
        );
        if !self.classes.is_empty() {
            let names: Vec<&str> = self.classes.iter().map(|(name, _)| name.as_str()).collect();
            lines.push(format!("smtpd_restriction_classes = {}", names.join(" ")));
            lines.extend(self.classes.iter().map(|(name, entries)| format!("{name} = {}", joined(entries))));
        }
        lines
    }

    /// The parameters of the smtpd that decides itself.
    pub fn main_cf(&self, directory: &Path) -> Vec<String> {
        let lists =
            self.lists.iter().map(|(stage, list)| format!("smtpd_{stage}_restrictions = {}", joined(list)));
        let lines = self.main_cf_settings().into_iter().chain(lists);
        lines.map(|line| line.replace("$DIR", &directory.display().to_string())).collect()
    }

    /// Lines of mailward.toml before `[restrictions]`.
    pub fn toml_settings(&self) -> Vec<String> {
        let mut lines = vec![format!("mynetworks = {:?}", self.mynetworks)];
        if !self.delay_reject {
            lines.push("delay_reject = false".to_owned());
        }
        let mut sections: Vec<&str> = self.settings.iter().map(|setting| setting.section).collect();
        sections.sort_unstable();
        sections.dedup();
        for section in sections {
            if !section.is_empty() {
                lines.push(format!("[{section}]"));
            }
            let of_section = self.settings.iter().filter(|setting| setting.section == section);
            lines.extend(of_section.map(|setting| setting.toml.clone()).filter(|line| !line.is_empty()));
        }
        if !self.classes.is_empty() {
            lines.push("[classes]".to_owned());
            lines.extend(self.classes.iter().map(|(name, entries)| format!("{name} = {:?}", texts(entries))));
        }
        lines
    }

    /// The same lists as mailward.toml.
    pub fn toml(&self, directory: &Path) -> String {
        let lists = self.lists.iter().map(|(stage, entries)| format!("{stage} = {:?}", texts(entries)));
        let lines = self.toml_settings().into_iter().chain(["[restrictions]".to_owned()]).chain(lists);
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        text.replace("$DIR", &directory.display().to_string())
    }

    /// Writes the tables into a directory of the set's own.
    pub fn write_tables(&self, directory: &Path) {
        for table in self.tables().filter(|table| table.is_file()) {
            fs::write(directory.join(&table.name), table.text().join("\n") + "\n").unwrap();
        }
    }
}

pub fn texts(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(Entry::text).collect()
}

fn joined(entries: &[Entry]) -> String {
    texts(entries).join(", ")
}
