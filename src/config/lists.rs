//! Restriction lists and classes: from words to entries, with everything that can be known to be wrong before the
//! first mail.

use super::{
    asked,
    dns_lists::Scored,
    ends,
    faults::did_you_mean,
    loader::{Loader, RightHand},
    raw::Setting,
    text::Text,
    uses::{Needs, Owner, Use, Uses},
    words::{self, Token},
};
use crate::{
    decision::action::ClassId,
    origin::{Fault, Origin, Word},
    policy::{Entry, List, Policy},
    request::Stage,
    restriction::{
        self, Kind, Parse,
        args::{Arguments, Settings},
        class::Class,
        elsewhere,
    },
    table::Source,
};
use std::{collections::HashMap, rc::Rc, sync::Arc};

/// How many words behind a name a restriction is offered; the longest takes one.
const ARGUMENTS: usize = 8;

/// The actions of access(5) that are no restrictions: a class of such a name could not be reached from a table.
const ACTIONS: [&str; 14] = [
    "ok", "relay", "dunno", "discard", "hold", "info", "warn", "redirect", "bcc", "prepend", "filter",
    "hangup", "delay", "ignore",
];

/// Builds lists; keeps what can only be judged when all of them are there.
pub(super) struct Builder<'a> {
    /// Tables and faults.
    pub(super) loader: Loader<'a>,
    /// What restrictions read when they are made.
    pub(super) settings: Settings,
    /// Which scored lists are used.
    pub(super) scored: Scored,
    uses: Uses,
    /// The `warn_if_reject` before an entry, by the entry's place.
    warned: HashMap<Origin, Word>,
}

impl<'a> Builder<'a> {
    /// A builder that knows the classes' names.
    pub(super) fn new(mut loader: Loader<'a>, settings: Settings, classes: &[&Setting]) -> Self {
        let mut names = HashMap::new();
        let text = loader.text.clone();
        for (number, class) in classes.iter().enumerate() {
            let name = &class.name;
            let taken = restriction::find(&name.text).map(|kind| kind.name);
            let taken = taken.or_else(|| elsewhere::elsewhere(&name.text).map(|elsewhere| elsewhere.name));
            if let Some(taken) = taken {
                let message = format!("the class `{}` has the name of the restriction `{taken}`", name.text);
                loader.faults.here(name.error(message), &text);
            } else if ACTIONS.iter().any(|action| action.eq_ignore_ascii_case(&name.text)) {
                let message = format!("the class `{}` has the name of an action of access tables", name.text);
                loader.faults.here(name.error(message), &text);
            } else if name.text.is_empty()
                || name.text.contains([' ', '\t', '\r', '\n', ',', '{', '}', ':', '='])
            {
                let message = format!("`{}` cannot be written in a list", name.text);
                loader
                    .faults
                    .here(name.error(message).help("use letters, digits and `_` for a class"), &text);
            }
            names.insert(name.text.clone(), ClassId(number));
        }
        loader.classes = classes.len();
        let settings = Settings { classes: Arc::new(names.clone()), ..settings };
        loader.names = names;
        Self { loader, settings, scored: Scored::default(), uses: Uses::default(), warned: HashMap::new() }
    }

    /// The list of a stage.
    pub(super) fn stage(&mut self, stage: Stage, tokens: Vec<Token>) -> List {
        let text = self.loader.text.clone();
        self.list(Owner::Stage(stage), tokens, &text)
    }

    /// The list of a class.
    pub(super) fn class(&mut self, class: ClassId, tokens: Vec<Token>) -> List {
        let text = self.loader.text.clone();
        self.list(Owner::Class(class), tokens, &text)
    }

    /// The lists on the right-hand sides of tables, and of the tables which those name.
    pub(super) fn right_hands(&mut self) -> Vec<List> {
        let mut lists = Vec::new();
        while let Some(RightHand { list, text }) = self.loader.right_hands.get(lists.len()).cloned() {
            let id = ClassId(self.loader.classes + lists.len());
            let text = text.unwrap_or_else(|| Rc::new(Text::new(&list.origin.file, String::new())));
            let start = text.byte(list.origin.line, list.origin.column);
            let place = |at: usize| text.advance(start, list.text[..at].chars().count());
            let tokens = words::split(&list.text, &text, &place).unwrap_or_else(|fault| {
                self.loader.faults.push(fault, Some(&text));
                Vec::new()
            });
            lists.push(self.list(Owner::Class(id), tokens, &text));
        }
        lists
    }

    fn list(&mut self, owner: Owner, tokens: Vec<Token>, text: &Rc<Text>) -> List {
        let mut rest = tokens;
        rest.reverse();
        let mut list = List::default();
        let mut warn: Option<Word> = None;
        while let Some(Token { word, group, .. }) = rest.pop() {
            if let Some(group) = group {
                rest.extend(group.into_iter().rev());
                continue;
            }
            if let Some(kind) = restriction::find(&word.text)
                && matches!(kind.parse, Parse::WarnIfReject)
            {
                warn = Some(word);
                continue;
            }
            let warn = warn.take();
            let Some(entry) = self.entry(owner, word, warn.is_some(), &mut rest, text) else { continue };
            if let Some(warn) = warn {
                self.warned.insert(entry.written.origin.clone(), warn);
            }
            list.entries.push(entry);
        }
        if let Some(warn) = warn {
            let message = format!("`{}` has no restriction behind it", warn.text);
            self.fault(warn.error(message), text);
        }
        list
    }

    /// Makes an entry.
    fn entry(
        &mut self,
        owner: Owner,
        word: Word,
        warn_only: bool,
        rest: &mut Vec<Token>,
        text: &Rc<Text>,
    ) -> Option<Entry> {
        if let Some(class) = self.loader.names.get(&word.text) {
            self.uses.classes.push(Use { owner, class: *class, word: word.clone() });
            let Word { text, origin } = word;
            let restriction = Box::new(Class(*class));
            return Some(Entry::new(&text, origin, warn_only, restriction));
        }
        let implied = implied_check(owner, &word.text);
        let name = implied.unwrap_or(&word.text);
        let Some((kind, parse)) = restriction::find(name).and_then(|kind| match kind.parse {
            Parse::Entry(parse) => Some((kind, parse)),
            Parse::WarnIfReject => None,
        }) else {
            self.unknown(&word, rest, text);
            return None;
        };
        if let Some(check) = implied {
            // Its check is read as if it stood before it.
            let table = word.clone();
            let token = Token { width: table.text.chars().count(), word: table, group: None };
            rest.push(token);
            let check = Word { text: check.to_owned(), ..word };
            return self.entry(owner, check, warn_only, rest, text);
        }
        // The next restriction is no argument: what is missing then is said, and the next is judged by itself.
        let behind = rest.iter().rev().take(ARGUMENTS).take_while(|token| !self.is_entry(&token.word.text));
        let behind: Vec<Word> = behind.map(|token| token.word.clone()).collect();
        let mut written = word.text.clone();
        let mut arguments = Arguments::new(word.clone(), behind.clone(), &self.settings, &mut self.loader);
        let made = parse(&mut arguments);
        let taken = behind.len() - arguments.rest().len();
        rest.truncate(rest.len() - taken);
        for argument in &behind[..taken] {
            written.push(' ');
            written.push_str(&argument.text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        self.scored.note(kind.name, behind[..taken].first());
        let amends = made.as_ref().is_ok_and(|restriction| restriction.amends().any());
        let greylists = made.as_ref().is_ok_and(|restriction| restriction.greylists());
        self.uses.needs.push(Needs { owner, event: kind.needs, amends, greylists, word: word.clone() });
        match made {
            Ok(restriction) => {
                let written = restriction.shown().map_or(written, str::to_owned);
                Some(Entry::new(&written, word.origin, warn_only, restriction))
            }
            Err(fault) => {
                self.fault(fault, text);
                None
            }
        }
    }

    fn unknown(&mut self, word: &Word, rest: &mut Vec<Token>, text: &Rc<Text>) {
        let name = word.text.as_str();
        if name != "=" && !name.starts_with('#') {
            // What is no restriction itself belonged to this word: it is no fault of its own.
            while rest.last().is_some_and(|token| self.is_argument(&token.word.text)) {
                rest.pop();
            }
        }
        if let Some(elsewhere) = elsewhere::elsewhere(name) {
            return self.fault(word.error(elsewhere.to_string()).help(elsewhere.keep), text);
        }
        if name.starts_with('#') {
            let line = word.origin.line;
            while rest.last().is_some_and(|token| token.word.origin.line == line) {
                rest.pop();
            }
            return self
                .fault(word.error("a comment inside a list").help("put comments outside the quotes"), text);
        }
        if rest.last().is_some_and(|token| token.word.text == "=") {
            rest.pop();
            return self.fault(
                word.error(format!("`{name} =` is not part of the list"))
                    .help("paste what is behind the `=`"),
                text,
            );
        }
        let fault = word.error(format!("unknown restriction `{name}`"));
        self.fault(
            match self.suggest(name) {
                Some(help) => fault.help(help),
                None => fault,
            },
            text,
        );
    }

    /// Whether a word is an entry, here or in Postfix.
    fn is_entry(&self, word: &str) -> bool {
        let known = restriction::find(word).is_some() || self.loader.names.contains_key(word);
        known || elsewhere::elsewhere(word).is_some()
    }

    /// Whether a word can only be an argument.
    fn is_argument(&self, word: &str) -> bool {
        let number = word.bytes().all(|byte| byte.is_ascii_digit());
        !self.is_entry(word) && (number || word.contains(['.', ':', '/', '*']))
    }

    fn suggest(&self, name: &str) -> Option<String> {
        if self.loader.faults.is_full() {
            return None;
        }
        if name.starts_with('$') {
            return Some("mailward has no parameters: write their value".to_owned());
        }
        if name.contains(':') {
            return Some("write what it checks before it, such as check_client_access".to_owned());
        }
        let kinds =
            restriction::registry().flat_map(|kind: &Kind| kind.aliases.iter().copied().chain([kind.name]));
        let known = kinds.chain(self.loader.names.keys().map(String::as_str));
        did_you_mean(name, known).map(|known| format!("did you mean `{known}`?"))
    }

    fn fault(&mut self, fault: Fault, text: &Rc<Text>) {
        if Rc::ptr_eq(text, &self.loader.text) {
            self.loader.faults.here(fault, text);
        } else {
            self.loader.faults.push(fault, Some(text));
        }
    }

    /// Judges what needs all lists: classes that contain themselves, entries that run too early to ever match or not at
    /// all, lists that are asked twice.
    ///
    /// `trusted` tells whether mynetworks is set at all.
    pub(super) fn finish(mut self, policy: &Policy, trusted: bool) -> Loader<'a> {
        let text = self.loader.text.clone();
        if !trusted && let Some(word) = self.uses.first("permit_mynetworks", self.loader.classes) {
            // Postfix's default is not empty, so a line pasted from main.cf would mean something else.
            let message = format!("`{}` permits nobody: mynetworks is not set", word.text);
            let fault = Fault::warning(&word.origin, word.text.chars().count(), message);
            self.fault(
                fault.help(
                    "write `mynetworks = [\"127.0.0.0/8\", \"[::1]/128\"]`, or as in `postconf mynetworks`",
                ),
                &text,
            );
        }
        for fault in self.uses.judge(policy.delay_reject, self.loader.classes, policy.classes.len()) {
            self.fault(fault, &text);
        }
        let dead = ends::judge(policy, &self.warned);
        for fault in dead.into_iter().chain(asked::judge(policy, &self.settings.dnsbl)) {
            // It may stand on the right-hand side of a table.
            Source::fault(&mut self.loader, fault);
        }
        self.loader
    }
}

/// The check that a table without one stands for, which depends on the list.
///
/// Postfix: in a class it is that of the list from which the class is reached; here: an error there, because the same
/// table would mean different things.
fn implied_check(owner: Owner, word: &str) -> Option<&'static str> {
    if !word.contains(':') {
        return None;
    }
    match owner {
        Owner::Stage(Stage::Client) => Some("check_client_access"),
        Owner::Stage(Stage::Helo) => Some("check_helo_access"),
        Owner::Stage(Stage::Sender) => Some("check_sender_access"),
        Owner::Stage(Stage::Recipient) => Some("check_recipient_access"),
        // As in Postfix.
        Owner::Stage(Stage::Data | Stage::EndOfData) | Owner::Class(_) => None,
    }
}
