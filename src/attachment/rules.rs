//! Which names are banned: extensions, patterns, double extensions, and archives that hide theirs.

use super::{
    facts::Reason,
    normal::{Forms, extension, forms},
    pattern::NamePattern,
    presets::{self, CLASS_ID, Group},
};
use std::collections::BTreeSet;

/// What happens to what a setting names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing: `ignore`.
    Ignore,
    /// The message gets a mark: `mark`.
    #[default]
    Mark,
    /// As a banned name: `reject`.
    Reject,
}

/// The rules of `[attachments]` or `[attachments.NAME]`.
#[derive(Clone, Debug, Default)]
pub struct NameRules {
    /// `banned`: extensions. Default: the list [`presets::STANDARD`].
    pub banned: Extensions,
    /// `banned_patterns`: patterns for whole names, compared with each normal form. Default: none.
    pub banned_patterns: Vec<NamePattern>,
    /// `marked`: extensions that are let through with a mark. Default: the list [`presets::MARKED`].
    pub marked: Extensions,
    /// `archives`: archives that are encrypted or whose directory cannot be read. Default: mark.
    pub archives: Treatment,
    /// `partial`: pieces of a message (message/partial), which come together only at the recipient. Default: mark.
    pub partial: Treatment,
    /// `double_extension`: what runs or is marked, behind the extension of a document, as in `invoice.pdf.html`.
    /// Default: mark.
    pub double_extension: Treatment,
}

/// A judgement of one name by one set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the name is banned; else it is only marked.
    pub banned: bool,
    /// Why.
    pub reason: Reason,
    /// The form of the name to which that applies.
    pub form: String,
}

/// Extensions of documents and pictures, behind which another one hides.
const DOCUMENTS: &[&str] = &[
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "odt", "ods", "txt", "csv", "jpg", "jpeg",
    "png", "gif", "bmp", "tif", "tiff", "mp3", "mp4", "avi", "wav", "zip", "rar", "7z", "htm", "html", "xml",
    "eml", "msg",
];

impl NameRules {
    /// The list with which `run` starts where nothing is configured.
    pub fn standard() -> Self {
        Self::of(presets::STANDARD, presets::MARKED)
    }

    /// The nine extensions nearly everybody refuses.
    pub fn minimal() -> Self {
        Self::of(presets::MINIMAL, presets::MARKED)
    }

    /// Also what is only marked by default, and archives that cannot be read.
    pub fn strict() -> Self {
        let banned = [presets::STANDARD, presets::MARKED].concat();
        let rules = Self::of(&banned, &[]);
        Self { archives: Treatment::Reject, partial: Treatment::Reject, ..rules }
    }

    fn of(banned: &[Group], marked: &[Group]) -> Self {
        Self {
            banned: presets::extensions(banned).collect(),
            marked: presets::extensions(marked).collect(),
            ..Self::default()
        }
    }

    /// Judges a decoded name in all its forms.
    ///
    /// # Errors
    /// When a pattern was given up and nothing else bans the name.
    pub fn judge(&self, name: &str) -> Result<Option<Verdict>, String> {
        self.judge_forms(&forms(name))
    }

    /// Judges a name whose forms are known: banned in one form is banned.
    ///
    /// # Errors
    /// When a pattern was given up and nothing else bans the name.
    pub fn judge_forms(&self, forms: &Forms) -> Result<Option<Verdict>, String> {
        let (mut marked, mut gave_up) = (None, None);
        for form in forms {
            match self.judge_form(form) {
                Ok(Some(verdict)) if verdict.banned => return Ok(Some(verdict)),
                Ok(verdict) => marked = marked.or(verdict),
                Err(reason) => gave_up = Some(reason),
            }
        }
        gave_up.map_or(Ok(marked), Err)
    }

    fn judge_form(&self, form: &str) -> Result<Option<Verdict>, String> {
        let verdict = |banned, reason| Some(Verdict { banned, reason, form: form.to_owned() });
        if let Some(found) = self.banned.find(form) {
            return Ok(verdict(true, reason(found)));
        }
        for pattern in &self.banned_patterns {
            if pattern.matches(form).map_err(|error| error.to_string())? {
                return Ok(verdict(true, Reason::Pattern(pattern.written().to_owned())));
            }
        }
        let marked = self.marked.find(form);
        if self.double_extension != Treatment::Ignore
            && let Some(last) = double_extension(form)
            && (marked.is_some() || presets::extensions(presets::STANDARD).any(|runs| runs == last))
        {
            let banned = self.double_extension == Treatment::Reject;
            return Ok(verdict(banned, Reason::DoubleExtension(last.to_owned())));
        }
        Ok(marked.and_then(|found| verdict(false, reason(found))))
    }
}

fn reason(extension: &str) -> Reason {
    if extension == CLASS_ID { Reason::ClassId } else { Reason::Extension(extension.to_owned()) }
}

/// The last extension, if that of a document stands before it; blanks between them are there to push it out of sight.
fn double_extension(form: &str) -> Option<&str> {
    let (before, last) = form.rsplit_once('.')?;
    let (_, first) = before.trim_end().rsplit_once('.')?;
    DOCUMENTS.contains(&first).then_some(last)
}

/// A list of extensions. `{...}` stands for any class identifier; one with a dot inside covers both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    single: BTreeSet<String>,
    several: Vec<String>,
    class_ids: bool,
}

impl Extensions {
    /// The extension in the list that a form of a name has.
    pub fn find<'a>(&self, form: &'a str) -> Option<&'a str> {
        let last = extension(form)?;
        if self.single.contains(last) {
            return Some(last);
        }
        if self.class_ids && is_class_id(last) {
            return Some(CLASS_ID);
        }
        self.several.iter().find_map(|entry| {
            let at = form.len().checked_sub(entry.len())?;
            (form.get(at..)? == entry && form.get(..at)?.ends_with('.')).then(|| form.get(at..))?
        })
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.single.is_empty() && self.several.is_empty() && !self.class_ids
    }
}

/// Entries with or without the dot or `*.` before them, in any case.
impl<S: AsRef<str>> FromIterator<S> for Extensions {
    fn from_iter<T: IntoIterator<Item = S>>(entries: T) -> Self {
        let mut list = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim().to_lowercase();
            let entry = entry.trim_start_matches('*').trim_start_matches('.');
            if entry == CLASS_ID || is_class_id(entry) {
                list.class_ids = true;
            } else if entry.contains('.') {
                list.several.push(entry.to_owned());
            } else if !entry.is_empty() {
                list.single.insert(entry.to_owned());
            }
        }
        list
    }
}

/// `{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}`
fn is_class_id(extension: &str) -> bool {
    let Some(inner) = extension.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return false;
    };
    let groups: Vec<_> = inner.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::{NamePattern, NameRules, Reason, Treatment};

    fn judged(rules: &NameRules, name: &str) -> Option<(bool, String)> {
        rules.judge(name).unwrap().map(|verdict| (verdict.banned, verdict.reason.to_string()))
    }

    #[test]
    fn names_are_banned_marked_or_neither() {
        let mut rules = NameRules::standard();
        rules.banned_patterns = vec![NamePattern::parse("*.pdf.zip").unwrap()];
        for (name, want) in [
            ("invoice.pdf.exe", Some((true, "exe"))),
            ("a.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}", Some((true, "class identifier"))),
            ("a.{3050F4D8}", None),
            ("Rechnung.PDF.ZIP", Some((true, "*.pdf.zip"))),
            ("a.html", Some((false, "html"))),
            ("a.pdf.html", Some((false, "html"))),
            ("google.com!example.org!1.zip", None),
            ("a.txt", None),
            ("exe", None),
        ] {
            let want = want.map(|(banned, reason)| (banned, reason.to_owned()));
            assert_eq!(judged(&rules, name), want, "{name}");
        }
    }

    #[test]
    fn a_double_extension_is_one_behind_a_document() {
        let rules = |treatment| NameRules { double_extension: treatment, ..NameRules::minimal() };
        let reject = rules(Treatment::Reject);
        for (name, banned) in
            [("a.pdf.dll", true), ("a.pdf   .html", true), ("report_1.2.html", false), ("a.pdf.asc", false)]
        {
            assert_eq!(judged(&reject, name).is_some_and(|(banned, _)| banned), banned, "{name}");
        }
        let verdict = reject.judge("a.pdf.html").unwrap().unwrap();
        assert_eq!(verdict.reason, Reason::DoubleExtension("html".to_owned()));
        assert_eq!(judged(&rules(Treatment::Ignore), "a.pdf.dll"), None);
    }

    #[test]
    fn entries_are_written_with_or_without_a_dot() {
        let banned = ["*.EXE", ".vbs", "tar.gz", "{...}"].into_iter().collect();
        let rules = NameRules { banned, ..NameRules::default() };
        for name in ["a.exe", "a.vbs", "a.tar.gz", "a.{00000000-0000-0000-0000-000000000000}"] {
            assert!(rules.judge(name).unwrap().unwrap().banned, "{name}");
        }
        assert_eq!(rules.judge("a.gz").unwrap(), None);
        assert_eq!(rules.judge("tar.gz").unwrap(), None);
    }
}
