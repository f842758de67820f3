//! Asks header tables for the fields of a message as they come.

use super::{
    Class, HeaderTable,
    action::{Matched, Place, fault},
    mime::{Field, Mime},
};
use crate::{
    decision::action::Action,
    request::message::{Appetite, Inspect},
    smtp::text,
};
use std::{collections::HashMap, sync::Arc};

/// The most that one table may ask for in one message; beyond it the message is refused for now, since what it asks
/// cannot be done in full.
const ACTIONS: usize = 500;

/// Names of fields whose numbers are kept, for changes of fields. A message with more cannot be changed.
const NAMES: usize = 2_000;

/// The longest such name, in bytes.
const NAME: usize = 100;

/// One entry that asks a table.
#[derive(Clone, Debug)]
pub struct Use {
    /// The table.
    pub table: Arc<HeaderTable>,
    /// Which of Postfix's parameters the entry stands for.
    pub class: Class,
}

impl Use {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.class == other.class
    }
}

/// All tables that a policy asks.
#[derive(Debug, Default)]
pub struct Plan {
    uses: Vec<Use>,
}

impl Plan {
    /// Adds an entry. Tables are asked once, however many entries name them.
    pub fn add(&mut self, entry: &Use) {
        if !self.uses.iter().any(|known| known.is(entry)) {
            self.uses.push(entry.clone());
        }
    }

    /// What all tables are asked, in a digest each.
    pub fn digests(&self) -> Vec<(u32, Class)> {
        self.uses.iter().map(|entry| (entry.table.digest(), entry.class)).collect()
    }

    /// Whether no entry asks a table.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty()
    }

    /// Whether an entry is asked for a field. As with Postfix's parameters, whose defaults are `$header_checks`: without
    /// an entry of its own a class is that of the table for the message's header.
    fn asks(&self, entry: &Use, class: Class) -> bool {
        let has_own = || self.uses.iter().any(|other| other.class == class);
        entry.class == class || entry.class == Class::Primary && !has_own()
    }

    fn edits(&self) -> bool {
        self.uses.iter().any(|entry| entry.table.edits())
    }
}

/// What one table found.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// In order; the last decides, if any does.
    pub actions: Vec<Action>,
    /// Which field and which entry of the table decided.
    pub reason: Option<String>,
    closed: bool,
}

/// What all tables of a plan found.
#[derive(Debug)]
pub struct Found {
    plan: Arc<Plan>,
    answers: Vec<Answers>,
}

impl Found {
    /// What the table of an entry found.
    pub fn by(&self, entry: &Use) -> Option<&Answers> {
        let at = self.plan.uses.iter().position(|known| known.is(entry))?;
        self.answers.get(at)
    }
}

/// Asks the tables of a plan while a message streams by.
#[derive(Debug)]
pub struct Inspector {
    mime: Mime,
    tables: Tables,
    fields: usize,
    /// How many fields of each name there were; only if any table changes fields.
    names: Option<HashMap<Box<[u8]>, usize>>,
}

#[derive(Debug)]
struct Tables {
    plan: Arc<Plan>,
    answers: Vec<Answers>,
}

impl Inspector {
    /// An inspector for one message.
    pub fn new(plan: Arc<Plan>) -> Self {
        let names = plan.edits().then(HashMap::new);
        let answers = vec![Answers::default(); plan.uses.len()];
        Self { mime: Mime::new(), tables: Tables { plan, answers }, fields: 0, names }
    }

    /// The message is over.
    pub fn finish(mut self) -> Found {
        if !self.tables.are_closed() {
            let Self { mime, tables, .. } = &mut self;
            mime.end(|field| tables.ask(field, None));
        }
        Found { plan: self.tables.plan, answers: self.tables.answers }
    }

    /// The place of a field of the message's own header, if fields can be changed.
    fn place(&mut self, name: &[u8]) -> Option<Place> {
        let at = self.fields;
        self.fields += 1;
        let names = self.names.as_mut()?;
        let name: Box<[u8]> = name.to_ascii_lowercase().into();
        if name.len() > NAME || names.len() >= NAMES && !names.contains_key(&name) {
            return None;
        }
        let index = names.entry(name).or_default();
        *index += 1;
        Some(Place { at, index: *index })
    }

    fn appetite(&self) -> Appetite {
        if self.mime.is_over() || self.tables.are_closed() { Appetite::Enough } else { Appetite::More }
    }
}

impl Inspect for Inspector {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        let place = self.place(name);
        let Self { mime, tables, .. } = self;
        mime.header(name, value, |field| tables.ask(field, place));
    }

    fn end_of_headers(&mut self) -> Appetite {
        self.mime.end_of_headers();
        self.appetite()
    }

    fn body(&mut self, chunk: &[u8]) -> Appetite {
        let Self { mime, tables, .. } = self;
        if !tables.are_closed() {
            mime.body(chunk, |field| tables.ask(field, None));
        }
        self.appetite()
    }
}

impl Tables {
    fn are_closed(&self) -> bool {
        self.answers.iter().all(|answers| answers.closed)
    }

    fn ask(&mut self, field: Field<'_>, place: Option<Place>) {
        let Self { plan, answers } = self;
        for (entry, answers) in plan.uses.iter().zip(answers) {
            if !answers.closed && plan.asks(entry, field.class) {
                answers.ask(&entry.table, field, place);
            }
        }
    }
}

impl Answers {
    fn ask(&mut self, table: &HeaderTable, field: Field<'_>, place: Option<Place>) {
        let found = table.rules.find(|pattern| pattern.matches(field.text)).and_then(|found| match found {
            Some((pattern, says)) => {
                Ok(Some((pattern.captured_bytes(field.text)?, says, pattern.origin().clone())))
            }
            None => Ok(None),
        });
        let (groups, says, origin) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(gave_up) => return self.end(fault(), gave_up.to_string()),
        };
        // A field of the message's own header without a place cannot be changed, and it should be.
        let lost = says.edits() && !field.in_part && place.is_none();
        if lost || self.actions.len() >= ACTIONS {
            return self.end(fault(), "the message has too many fields to be changed as required".to_owned());
        }
        let name = field.text.split(|byte| *byte == b':').next().unwrap_or_default();
        let reason = format!("{} matches at {origin}", text::escaped(&text::from_wire(name)));
        let matched = Matched { field: field.text, place, groups: &groups };
        says.actions(&matched, |action| match action {
            Action::Ok | Action::Reject(_) | Action::Fault(_) | Action::Discard(_) => {
                self.end(action, reason.clone());
            }
            action => self.actions.push(action),
        });
    }

    fn end(&mut self, action: Action, reason: String) {
        self.closed = true;
        self.actions.push(action);
        self.reason = Some(reason);
    }
}
