//! The end of the printed file: what to change in main.cf once mailward is attached, and what to leave there.

use super::{
    document::{Document, Value},
    import::{HEADERS, LISTS, SOCKET},
    lists::{Entry, split},
    main_cf::MainCf,
    page::comment,
    parameters,
};
use crate::smtp::text::{printable, wrap};

/// The columns of a line of main.cf, before it is broken.
const COLUMNS: usize = 69;

/// What becomes of a list in main.cf.
struct Kept<'a> {
    parameter: &'static str,
    entries: Vec<&'a str>,
}

/// The lines, all of them comments.
pub(super) fn lines(document: &Document, main_cf: &MainCf, classes: &[String]) -> Vec<String> {
    let set = LISTS.iter().filter(|(_, parameter, _)| main_cf.get(parameter).is_some());
    let kept: Vec<Kept<'_>> =
        set.map(|(key, parameter, _)| Kept { parameter, entries: kept(entries(document, key)) }).collect();
    let (shrunk, gone): (Vec<_>, Vec<_>) = kept.into_iter().partition(|list| !list.entries.is_empty());
    let mut page = Page::default();
    page.lines.extend([String::new(), format!("# {}", "-".repeat(76))]);
    page.say("What to change in main.cf");
    attach(&mut page, main_cf);
    if !shrunk.is_empty() {
        page.step(
            "These lists shrink to what mailward does not do, and to the permits which that needs before it:",
        );
        for list in &shrunk {
            page.main_cf(&format!("{} =", list.parameter));
            list.entries.iter().for_each(|entry| page.main_cf(&format!("    {}", in_main_cf(entry))));
        }
    }
    let others = ["smtpd_relay_restrictions", "smtpd_etrn_restrictions"];
    let classes_stay =
        !classes.is_empty() && (!shrunk.is_empty() || others.iter().any(|name| main_cf.get(name).is_some()));
    let mut gone: Vec<&str> = gone.iter().map(|list| list.parameter).collect();
    if !classes.is_empty() && !classes_stay {
        gone.push("smtpd_restriction_classes");
    }
    gone.extend(main_cf.names().filter(|name| is_header_table(name) && !has_off(document, name)));
    if !gone.is_empty() {
        page.step("These lines can go, since mailward does all they did:");
        gone.iter().for_each(|parameter| page.main_cf(&format!("postconf -X {parameter}")));
    }
    stays(&mut page, document, main_cf, classes_stay);
    page.say("");
    page.say(
        "The rest of main.cf stays as it is; reply codes that stand here too do no harm there. Services in master.cf \
         with `-o smtpd_..._restrictions` of their own were not read (`postconf -P` shows them): they ask mailward too \
         unless they have `-o smtpd_milters=`. Tables are read where they are: the user mailward must be able to.",
    );
    page.lines
}

fn attach(page: &mut Page, main_cf: &MainCf) {
    page.step("Attach mailward, before the milters that are there:");
    let milters = main_cf.expanded("smtpd_milters").unwrap_or_default();
    let mut all = vec![SOCKET];
    all.extend(split(&milters).into_iter().filter(|milter| *milter != SOCKET));
    page.main_cf(&format!("smtpd_milters = {}", all.join(", ")));
}

/// What stays as it is, with the reasons.
fn stays(page: &mut Page, document: &Document, main_cf: &MainCf, with_classes: bool) {
    let replaced =
        |name: &str| if is_header_table(name) { !has_off(document, name) } else { is_replaced(name) };
    let own = |name: &&str| parameters::stays(name).is_some() && !replaced(name);
    let mut names: Vec<&str> = main_cf.names().filter(own).collect();
    names.sort_by_key(|name| *name != "smtpd_relay_restrictions");
    let relay = main_cf.get("smtpd_relay_restrictions").is_some();
    page.step("These lines stay as they are:");
    if !relay {
        page.main_cf("smtpd_relay_restrictions");
        page.why(
            "It is not set here: leave it so. Relay control is Postfix's own, by this list or by \
             reject_unauth_destination in smtpd_recipient_restrictions.",
        );
    }
    for name in names {
        page.main_cf(&format!("{name} = {}", main_cf.get(name).unwrap_or_default()));
        page.why(parameters::stays(name).unwrap_or_default());
    }
    if with_classes {
        page.main_cf("smtpd_restriction_classes");
        page.why("And its classes, as long as a list or a table that stays names them.");
    }
}

/// Whether mailward has a key for a parameter, and Postfix no use for it any more.
fn is_replaced(name: &str) -> bool {
    parameters::key(name).is_some() && !name.starts_with("smtpd_")
}

/// Whether a parameter names header tables.
fn is_header_table(name: &str) -> bool {
    HEADERS.iter().any(|(parameter, _)| *parameter == name)
}

/// Whether mailward does not carry out a table of this parameter.
fn has_off(document: &Document, parameter: &str) -> bool {
    let is = |was: &String| was.strip_prefix(parameter).is_some_and(|rest| rest.starts_with(" = "));
    let mut entries = entries(document, "end_of_data").iter();
    entries.any(|entry| entry.off.is_some() && entry.was.as_ref().is_some_and(is))
}

fn entries<'a>(document: &'a Document, key: &str) -> &'a [Entry] {
    let lists = document.sections.iter().filter(|section| section.name == "restrictions");
    let found = lists.flat_map(|section| &section.items).find(|item| item.key == key);
    match found.map(|item| &item.value) {
        Some(Value::List(entries)) => entries,
        Some(Value::Plain(_)) | None => &[],
    }
}

/// What main.cf must go on saying: all that stays, and the permits before the last of it.
fn kept(entries: &[Entry]) -> Vec<&str> {
    let Some(last) = entries.iter().rposition(Entry::is_kept) else { return Vec::new() };
    let needed = entries[..=last].iter().filter(|entry| entry.is_kept() || entry.permits);
    let mut kept: Vec<&str> =
        needed.map(|entry| entry.keep.as_str()).filter(|keep| !keep.is_empty()).collect();
    kept.dedup();
    kept
}

/// An entry as main.cf takes it: there a `$` that belongs to an inline table stands twice.
fn in_main_cf(entry: &str) -> String {
    let (head, table) = entry.split_at(entry.find('{').unwrap_or(entry.len()));
    format!("{head}{}", table.replace('$', "$$"))
}

/// The lines of the advice.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
    steps: usize,
}

impl Page {
    fn say(&mut self, text: &str) {
        self.lines.extend(comment("", text));
    }

    fn step(&mut self, text: &str) {
        self.steps += 1;
        self.say("");
        for (number, part) in wrap(text, COLUMNS).into_iter().enumerate() {
            let sign = if number == 0 { format!("{}.", self.steps) } else { "  ".to_owned() };
            self.lines.push(format!("# {sign} {part}"));
        }
        self.say("");
    }

    /// A line of main.cf; a long one goes on in further lines.
    fn main_cf(&mut self, line: &str) {
        let indent = &line[..line.len() - line.trim_start().len()];
        for (number, part) in wrap(&printable(line, '?'), COLUMNS).into_iter().enumerate() {
            let deeper = if number == 0 { "" } else { "    " };
            self.lines.push(format!("#      {indent}{deeper}{part}"));
        }
    }

    /// Why the line above stays.
    fn why(&mut self, text: &str) {
        for (number, part) in wrap(text, COLUMNS - 6).into_iter().enumerate() {
            let sign = if number == 0 { "--" } else { "  " };
            self.lines.push(format!("#          {sign} {part}"));
        }
    }
}
