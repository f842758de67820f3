//! What must wait in main.cf for the sake of an entry that is not carried out here.
//!
//! Taking an entry out of a list is no harmless thing: if it permits, all that stands behind it would refuse mail that
//! Postfix lets pass; and a class loses what it was for, wherever its name stands, in lists and in tables.

use super::{
    document::{Document, Value},
    lists::Entry,
};
use crate::config::Files;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

/// How often classes within classes are followed.
const DEPTH: usize = 100;

/// What is known of the classes.
#[derive(Default)]
struct Known {
    /// Those that may permit with an entry that is not carried out here.
    leaky: HashSet<String>,
    /// Those with an entry that stays in main.cf.
    kept: HashSet<String>,
    /// Those that may permit at all.
    permitting: HashSet<String>,
}

impl Known {
    fn count(&self) -> usize {
        self.leaky.len() + self.kept.len() + self.permitting.len()
    }
}

/// The classes that an entry comes to: its own name, or those in its table.
type Reached = HashMap<String, Vec<String>>;

/// Leaves in main.cf what stands behind an entry that may permit and is not carried out here, and every entry that
/// comes to a class of which something stays there.
pub(super) fn hold_back(document: &mut Document, classes: &[String], files: &mut dyn Files) {
    let classes: HashSet<&str> = classes.iter().map(String::as_str).collect();
    let mut reached = Reached::new();
    for item in document.items_mut() {
        let Value::List(entries) = &item.value else { continue };
        for entry in entries.iter().filter(|entry| entry.off.is_none() && !classes.is_empty()) {
            if !reached.contains_key(&entry.text) {
                reached.insert(entry.text.clone(), reach(&entry.text, &classes, files));
            }
        }
    }
    let mut known = Known::default();
    for _ in 0..DEPTH {
        let before = known.count();
        for item in document.items_mut() {
            let Value::List(entries) = &mut item.value else { continue };
            let leaks = hold_back_list(entries, &known.leaky, &reached);
            for entry in entries.iter_mut() {
                let to = reached.get(&entry.text).map_or(&[][..], Vec::as_slice);
                entry.stays |= to.iter().any(|class| known.kept.contains(class));
                entry.permits |= to.iter().any(|class| known.permitting.contains(class));
            }
            if !classes.contains(item.key.as_str()) {
                continue;
            }
            let is = [leaks, entries.iter().any(Entry::is_kept), entries.iter().any(|entry| entry.permits)];
            let sets = [&mut known.leaky, &mut known.kept, &mut known.permitting];
            for (_, set) in is.into_iter().zip(sets).filter(|(is, _)| *is) {
                set.insert(item.key.clone());
            }
        }
        if known.count() == before {
            break;
        }
    }
    for item in document.items_mut() {
        let Value::List(entries) = &mut item.value else { continue };
        for entry in entries.iter_mut().filter(|entry| entry.stays && entry.off.is_none()) {
            let note =
                "Stays in main.cf as well: a part of the class that it comes to is not carried out here.";
            entry.notes.push(note.to_owned());
        }
    }
}

/// Whether a list may permit with an entry that is not carried out here; what stands behind that is held back.
fn hold_back_list(entries: &mut [Entry], leaky: &HashSet<String>, reached: &Reached) -> bool {
    let mut leak: Option<String> = None;
    for entry in entries.iter_mut() {
        if let Some(leak) = &leak {
            let why = format!("Stays in main.cf behind `{leak}`, which may let pass what this would refuse.");
            entry.off.get_or_insert(why);
            continue;
        }
        let absent = entry.off.is_some() && entry.permits && !entry.keep.is_empty();
        let to = reached.get(&entry.text).map_or(&[][..], Vec::as_slice);
        if absent || to.iter().any(|class| leaky.contains(class)) {
            leak = Some(entry.text.clone());
        }
    }
    leak.is_some()
}

/// The classes whose names stand in an entry or in the file that it names.
fn reach(entry: &str, classes: &HashSet<&str>, files: &mut dyn Files) -> Vec<String> {
    let file = entry.rsplit(' ').next().and_then(|word| word.split_once(':'));
    let file = file.and_then(|(_, path)| files.read(Path::new(path)).ok()).unwrap_or_default();
    let words =
        [entry, &file].into_iter().flat_map(|text| text.split([' ', '\t', '\r', '\n', ',', '{', '}', '=']));
    let named: HashSet<&str> = words.filter(|word| classes.contains(word)).collect();
    named.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::document::{Item, Section},
        *,
    };
    use crate::config::Unreadable;

    /// Every file is a table that comes to the class `polite`.
    struct Polite;

    impl Files for Polite {
        fn read(&mut self, _: &Path) -> Result<String, Unreadable> {
            Ok("# greylist them\n/dialup/\tpolite\n".to_owned())
        }
    }

    fn entry(text: &str) -> Entry {
        let (text, off) = text.strip_prefix('#').map_or((text, None), |text| (text, Some(String::new())));
        let permits = text.starts_with("permit") || text.starts_with("check_client");
        Entry { text: text.to_owned(), keep: text.to_owned(), off, permits, ..Entry::default() }
    }

    /// The recipient list after holding back beside the class `polite`: `#` for a comment, `+` for what main.cf keeps.
    fn held(recipient: &[&str], polite: &[&str]) -> Vec<String> {
        let item = |key: &str, entries: &[&str]| Item {
            key: key.to_owned(),
            comment: String::new(),
            value: Value::List(entries.iter().map(|text| entry(text)).collect()),
            off: None,
        };
        let restrictions = Section { name: "restrictions", items: vec![item("recipient", recipient)] };
        let classes = Section { name: "classes", items: vec![item("polite", polite)] };
        let mut document = Document { head: Vec::new(), sections: vec![restrictions, classes] };
        hold_back(&mut document, &["polite".to_owned()], &mut Polite);
        let Value::List(entries) = &document.sections[0].items[0].value else { return Vec::new() };
        let show = |entry: &Entry| {
            let off = if entry.off.is_some() { "#" } else { "" };
            format!("{off}{}{}", if entry.is_kept() { "+" } else { "" }, entry.text)
        };
        entries.iter().map(show).collect()
    }

    #[test]
    fn what_stands_behind_a_missing_permit_waits_in_main_cf() {
        let cases = [
            (vec!["#permit_x", "reject_a"], vec!["reject"], vec!["#+permit_x", "#+reject_a"]),
            (vec!["#reject_x", "reject_a"], vec!["reject"], vec!["#+reject_x", "reject_a"]),
            (vec!["polite", "reject_a"], vec!["#permit_x"], vec!["+polite", "#+reject_a"]),
            (vec!["polite", "reject_a"], vec!["#reject_x"], vec!["+polite", "reject_a"]),
            (vec!["polite", "reject_a"], vec!["permit"], vec!["polite", "reject_a"]),
        ];
        for (recipient, polite, want) in cases {
            assert_eq!(held(&recipient, &polite), want, "{recipient:?} {polite:?}");
        }
    }

    #[test]
    fn a_table_that_comes_to_a_class_waits_with_it() {
        let table = "check_client_access pcre:/t";
        assert_eq!(held(&[table, "reject_a"], &["#service"]), [&format!("+{table}"), "reject_a"]);
        assert_eq!(held(&[table, "reject_a"], &["#permit_x"]), [&format!("+{table}"), "#+reject_a"]);
        assert_eq!(held(&[table, "reject_a"], &["reject_b"]), [table, "reject_a"]);
        let inline = "check_client_access inline:{ a = polite }";
        assert_eq!(held(&[inline], &["#service"]), [format!("+{inline}")]);
    }
}
