//! The actions of header_checks(5), read when the table is loaded and carried out in Postfix's words.

use crate::{
    decision::action::{Action, Amendment, Amends, FieldValue},
    origin::Fault,
    smtp::{
        reply::{Enhanced, Reply, ReplyCode},
        text,
    },
    table::{
        Source,
        action::is_address,
        lines::Line,
        right_hand::{address, field, text_or},
        template::{Groups, Template},
    },
};
use std::ops::Range;

/// The actions, for "did you mean".
const WORDS: [&str; 14] = [
    "BCC", "DISCARD", "DUNNO", "FILTER", "HOLD", "IGNORE", "INFO", "OK", "PASS", "PREPEND", "REDIRECT",
    "REJECT", "REPLACE", "STRIP",
];

/// What Postfix answers when REJECT has no text.
const REJECTED: &str = "message content rejected";

/// The longest text of a log line or a reply, and the longest field, in bytes.
const TEXT_LIMIT: usize = 998;
const FIELD_LIMIT: usize = 102_400;

/// The longest piece of a field that a log line shows, in bytes, as in Postfix.
const SHOWN: usize = 200;

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Dunno,
    Reject {
        code: ReplyCode,
        status: Enhanced,
        text: Template,
    },
    Discard(Template),
    Hold(Template),
    Redirect(Template),
    Bcc(Template),
    Prepend {
        name: Box<str>,
        value: Template,
    },
    Replace {
        name: Box<str>,
        value: Template,
    },
    /// IGNORE, and STRIP with what it logs.
    Remove(Option<Template>),
    Remark(&'static str, Template),
    Pass(Template),
}

/// Where a field of the message's own header stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// How many fields stand before it.
    pub(super) at: usize,
    /// How many fields of its name there are up to it, itself included.
    pub(super) index: usize,
}

/// What an action is about.
pub(super) struct Matched<'a> {
    /// `Name: value`.
    pub(super) field: &'a [u8],
    /// `None`: it belongs to a part, or its place is unknown.
    pub(super) place: Option<Place>,
    pub(super) groups: &'a [Vec<u8>],
}

/// Reads the action that stands at `span` of `line`.
pub(super) fn parse(
    line: &Line,
    span: Range<usize>,
    groups: Groups,
    source: &mut dyn Source,
) -> Option<(Says, bool)> {
    match read(line, line.trim(span), groups) {
        Ok(says) => {
            let wants_groups = says.texts().is_some_and(Template::has_groups);
            Some((says, wants_groups))
        }
        Err(fault) => {
            source.fault(fault);
            None
        }
    }
}

fn read(line: &Line, span: Range<usize>, groups: Groups) -> Result<Says, Fault> {
    let value = &line.text[span.clone()];
    let word = value.split([' ', '\t']).next().unwrap_or_default();
    let word_span = span.start..span.start + word.len();
    let rest = line.trim(word_span.end..span.end);
    if word.contains('$') {
        let message = format!("`{word}`: what the pattern matched cannot choose the action");
        return Err(line.error(word_span, message).help("write the action, and `$1` only in its text"));
    }
    let text = || text_or(line, rest.clone(), groups, "");
    Ok(match word.to_ascii_uppercase().as_str() {
        "DUNNO" | "OK" => Says::Dunno,
        "REJECT" => reject(line, rest, groups)?,
        "DISCARD" => Says::Discard(text()?),
        "HOLD" => Says::Hold(text()?),
        "REDIRECT" => Says::Redirect(address(line, word_span, rest, groups)?),
        "BCC" => Says::Bcc(address(line, word_span, rest, groups)?),
        "PREPEND" => {
            let (name, value) = field(line, word_span, rest, groups)?;
            Says::Prepend { name, value }
        }
        "REPLACE" => {
            let (name, value) = field(line, word_span, rest, groups)?;
            Says::Replace { name, value }
        }
        "IGNORE" => Says::Remove(None),
        "STRIP" => Says::Remove(Some(text()?)),
        "WARN" => Says::Remark("warn", text()?),
        "INFO" => Says::Remark("info", text()?),
        "PASS" => Says::Pass(text()?),
        "FILTER" => {
            let fault =
                line.error(word_span, "a milter cannot set a content filter, so `FILTER` is not possible");
            return Err(fault.help("keep this entry in header_checks of main.cf"));
        }
        _ => return Err(unknown(line, word_span, word)),
    })
}

fn unknown(line: &Line, span: Range<usize>, word: &str) -> Fault {
    let fault = line.error(span, format!("unknown action `{word}`"));
    let upper = word.to_ascii_uppercase();
    let distance = |known: &&&str| strsim::damerau_levenshtein(known, &upper);
    match WORDS.iter().filter(|known| distance(known) <= 2).min_by_key(distance) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("the actions are those of header_checks(5)"),
    }
}

/// REJECT with its text; a status 4.x.x before it makes the refusal a temporary one.
fn reject(line: &Line, span: Range<usize>, groups: Groups) -> Result<Says, Fault> {
    const PERMANENT: ReplyCode = ReplyCode::known(550);
    const TEMPORARY: ReplyCode = ReplyCode::known(451);
    let written = &line.text[span.clone()];
    let (status, rest) = Enhanced::split(written);
    if status.is_some() && written.starts_with('2') {
        let fault = line.error(span.start..span.end - rest.len(), "a status of the class 2 refuses nothing");
        return Err(fault.help("write a status that begins with 4 or 5"));
    }
    let code = if status.is_some() && written.starts_with('4') { TEMPORARY } else { PERMANENT };
    let text = text_or(line, span.end - rest.len()..span.end, groups, REJECTED)?;
    Ok(Says::Reject { code, status: status.unwrap_or(Enhanced::new(7, 1)), text })
}

impl Says {
    fn texts(&self) -> Option<&Template> {
        match self {
            Self::Reject { text, .. }
            | Self::Discard(text)
            | Self::Hold(text)
            | Self::Redirect(text)
            | Self::Bcc(text)
            | Self::Prepend { value: text, .. }
            | Self::Replace { value: text, .. }
            | Self::Remark(_, text)
            | Self::Pass(text) => Some(text),
            Self::Remove(text) => text.as_ref(),
            Self::Dunno => None,
        }
    }

    /// Which changes of a message it asks for.
    pub(super) fn amends(&self) -> Amends {
        let none = Amends::default();
        match self {
            Self::Hold(_) => Amends { quarantine: true, ..none },
            Self::Redirect(_) | Self::Bcc(_) => Amends { recipients: true, ..none },
            Self::Prepend { .. } => Amends { headers: true, ..none },
            Self::Replace { .. } | Self::Remove(_) => Amends { headers: true, fields: true, ..none },
            Self::Discard(_) => Amends { discard: true, ..none },
            Self::Dunno | Self::Reject { .. } | Self::Remark(..) | Self::Pass(_) => none,
        }
    }

    /// Whether it changes the field that it matches, or what stands before it.
    pub(super) fn edits(&self) -> bool {
        matches!(self, Self::Prepend { .. } | Self::Replace { .. } | Self::Remove(_))
    }

    /// The actions for a field.
    pub(super) fn actions(&self, matched: &Matched<'_>, mut out: impl FnMut(Action)) {
        let shown =
            |template: &Template, word: &str| shown(&expanded(template, matched.groups), word, matched.field);
        let remark = |word: &'static str, text: String| Action::Remark { word, text };
        let (word, change) = match self {
            Self::Dunno => return,
            Self::Reject { code, status, text } => {
                return out(Action::Reject(Reply::new(*code, *status, &expanded(text, matched.groups))));
            }
            Self::Discard(text) => return out(Action::Discard(shown(text, "DISCARD"))),
            Self::Hold(text) => return out(Action::amend(Amendment::Hold(shown(text, "HOLD")))),
            Self::Redirect(address) => return out(addressed(address, matched, Amendment::Redirect)),
            Self::Bcc(address) => return out(addressed(address, matched, Amendment::Bcc)),
            Self::Remark(word, text) => return out(remark(word, shown(text, ""))),
            Self::Pass(text) => {
                out(remark("pass", shown(text, "")));
                return out(Action::Ok);
            }
            Self::Prepend { name, value } => ("PREPEND", Change::Prepend(name, value)),
            Self::Replace { name, value } => ("REPLACE", Change::Replace(name, value)),
            Self::Remove(text) => {
                if let Some(text) = text {
                    out(remark("strip", shown(text, "")));
                }
                (if text.is_some() { "STRIP" } else { "IGNORE" }, Change::Remove)
            }
        };
        match (matched.place, Change::name(matched.field)) {
            (Some(place), Some(name)) => change.amendments(place, name, matched.groups, out),
            _ => out(remark(UNCHANGED, shown(&Template::text(CANNOT), word))),
        }
    }
}

/// The word of the remark about a change that cannot be made.
pub const UNCHANGED: &str = "unchanged";

const CANNOT: &str = "a milter cannot change the fields of a part";

/// A change of one field.
enum Change<'a> {
    Prepend(&'a str, &'a Template),
    Replace(&'a str, &'a Template),
    Remove,
}

impl Change<'_> {
    fn name(field: &[u8]) -> Option<&str> {
        let colon = field.iter().position(|byte| *byte == b':')?;
        std::str::from_utf8(&field[..colon]).ok()
    }

    fn amendments(self, place: Place, name: &str, groups: &[Vec<u8>], mut out: impl FnMut(Action)) {
        let Place { at, index } = place;
        let insert = |name: &str, value: &Template| {
            Action::amend(Amendment::Insert { at, name: name.to_owned(), value: folded(value, groups) })
        };
        let remove = || Action::amend(Amendment::Remove { at, name: name.to_owned(), index });
        match self {
            Self::Prepend(name, value) => out(insert(name, value)),
            Self::Remove => out(remove()),
            Self::Replace(new, value) if new.eq_ignore_ascii_case(name) => {
                let value = folded(value, groups);
                out(Action::amend(Amendment::Replace { name: new.to_owned(), index, value }));
            }
            Self::Replace(new, value) => {
                out(insert(new, value));
                out(remove());
            }
        }
    }
}

/// The change that an address asks for; a fault when a pattern's groups made no address of it.
fn addressed(template: &Template, matched: &Matched<'_>, change: fn(String) -> Amendment) -> Action {
    let address = expanded(template, matched.groups);
    if is_address(&address) { Action::amend(change(address)) } else { fault() }
}

/// What is answered where a table cannot be asked, or says something impossible.
pub(super) fn fault() -> Action {
    const CODE: ReplyCode = ReplyCode::known(451);
    Action::Fault(Reply::new(CODE, Enhanced::new(3, 5), "Server configuration error"))
}

/// Postfix's log line about a field: `header Subject: x: text`, without a text `header Subject: x`.
fn shown(text: &str, word: &str, field: &[u8]) -> String {
    let field = text::from_wire(&field[..field.len().min(4 * SHOWN)]);
    let field = text::printable(&field, ' ');
    let field = text::cut(&field, SHOWN);
    let text = text::printable(text, ' ');
    match (word, &*text) {
        ("", "") => format!("header {field}"),
        (word, "") => format!("header {field}: triggers {word} action"),
        (_, text) => format!("header {field}: {text}"),
    }
}

fn expanded(template: &Template, groups: &[Vec<u8>]) -> String {
    text::from_wire(&template.expand_bytes(groups, TEXT_LIMIT))
}

/// A field's value without anything that could begin another field: a line that goes on begins with a blank.
fn folded(template: &Template, groups: &[Vec<u8>]) -> FieldValue {
    let value = template.expand_bytes(groups, FIELD_LIMIT);
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|byte| *byte == b'\n') {
        if !out.is_empty() {
            out.push(b'\n');
            if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                out.push(b'\t');
            }
        }
        out.extend(line.iter().filter(|byte| !byte.is_ascii_control() || **byte == b'\t'));
    }
    FieldValue(out)
}
