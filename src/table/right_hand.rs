//! Reading the right-hand side of a table entry (access(5)), in the order in which smtpd's check_table_result()
//! recognises its words.

use super::{
    Source,
    action::{Code, Entry, Refusal, Says, is_address},
    lines::Line,
    template::{Groups, Template},
};
use crate::{
    origin::Fault,
    smtp::reply::{Enhanced, ReplyCode},
};
use std::ops::Range;

/// The actions, for "did you mean".
const WORDS: [&str; 15] = [
    "BCC",
    "DEFER",
    "DEFER_IF_PERMIT",
    "DEFER_IF_REJECT",
    "DISCARD",
    "DUNNO",
    "HOLD",
    "INFO",
    "OK",
    "PREPEND",
    "REDIRECT",
    "REJECT",
    "RELAY",
    "WARN",
    "permit",
];

/// The `x.7.1` of a refusal without a status of its own.
const POLICY: Enhanced = Enhanced::new(7, 1);

/// Reads the action that stands at `span` of `line`; the entry begins where the line does. A fault goes to `source`,
/// and there is no entry then.
///
/// Postfix: reads the action after `$1` was put in; here: before, because a client must not choose an action.
pub fn parse(line: &Line, span: Range<usize>, groups: Groups, source: &mut dyn Source) -> Option<Entry> {
    let span = line.trim(span);
    if source.values_are_texts() {
        let text = Template::parse(line, span.clone(), groups).map_err(|fault| source.fault(fault)).ok()?;
        return Some(Entry { origin: line.origin(0), says: Says::Text(text, line.origin(span.start)) });
    }
    match read(line, span.clone(), groups, source) {
        Ok(says) => Some(Entry { origin: line.origin(0), says }),
        Err(fault) => {
            source.fault(fault);
            None
        }
    }
}

fn read(line: &Line, span: Range<usize>, groups: Groups, source: &mut dyn Source) -> Result<Says, Fault> {
    let value = &line.text[span.clone()];
    let word = value.split([' ', '\t']).next().unwrap_or_default();
    let word_span = span.start..span.start + word.len();
    let rest = line.trim(word_span.end..span.end);
    if groups != Groups::Plain && word.contains('$') {
        let message = format!("`{word}`: what the pattern matched cannot choose the action");
        return Err(line.error(word_span, message).help("write the action, and `$1` only in its text"));
    }
    let text = |default: &str| text_or(line, rest.clone(), groups, default);
    let refusal = |default| refusal(line, rest.clone(), groups, default);
    Ok(match word.to_ascii_uppercase().as_str() {
        // Postfix: an empty result makes the table fail at the mail (451 4.3.5).
        "" => {
            let before = span.start.saturating_sub(1);
            return Err(line
                .error(before..before + 1, "an action is missing")
                .help("write `OK`, `DUNNO` or `REJECT`"));
        }
        "DUNNO" => Says::Dunno,
        "OK" | "RELAY" => Says::Ok,
        "REJECT" => Says::Refuse(Code::Reject, refusal("Access denied")?),
        "DEFER" => Says::Refuse(Code::Defer, refusal("Access denied")?),
        "DEFER_IF_PERMIT" => Says::DeferIfPermit(refusal("Service unavailable")?),
        "DEFER_IF_REJECT" => Says::DeferIfReject(refusal("Service unavailable")?),
        "DISCARD" => Says::Discard(text("")?),
        "HOLD" => Says::Hold(text("")?),
        "INFO" => Says::Remark("info", text("")?),
        "WARN" => Says::Remark("warn", text("")?),
        "REDIRECT" => Says::Redirect(address(line, word_span, rest, groups)?),
        "BCC" => Says::Bcc(address(line, word_span, rest, groups)?),
        "PREPEND" => {
            let (name, value) = field(line, word_span, rest, groups)?;
            Says::Prepend { name, value }
        }
        "FILTER" => {
            let fault =
                line.error(word_span, "a milter cannot set a content filter, so `FILTER` is not possible");
            return Err(fault.help("keep this entry in a table of main.cf's own restrictions"));
        }
        "HANGUP" | "DELAY" => {
            let fault = line.error(
                word_span,
                format!("`{word}` is not a documented action, and a milter has none like it"),
            );
            return Err(fault.help("write `421 text` to refuse and close the connection"));
        }
        number if !rest.is_empty() && is_digits(number) => {
            Says::Refuse(Code::Own(code(line, word_span, word)?), refusal("Access denied")?)
        }
        _ if groups != Groups::Plain && value.contains('$') => {
            let fault = line.error(span, "what the pattern matched cannot be part of a restriction list");
            return Err(fault.help("write an action with a text, such as `REJECT $1`"));
        }
        _ => other(line, span, word, source)?,
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// A number alone, or a restriction list.
fn other(line: &Line, span: Range<usize>, word: &str, source: &mut dyn Source) -> Result<Says, Fault> {
    let value = &line.text[span.clone()];
    let word_span = span.start..span.start + word.len();
    if is_digits(value) {
        let fault =
            line.warning(span, format!("`{value}` permits: a number without a text means OK, as in Postfix"));
        source.fault(fault.help(number_help(value)));
        return Ok(Says::Ok);
    }
    if let Some(colon) = value.find(':') {
        let at = span.start + colon;
        let start =
            line.text[..at].rfind([' ', '\t', ',']).map_or(span.start, |blank| blank + 1).max(span.start);
        let end = line.text[at..span.end].find([' ', '\t', ',']).map_or(span.end, |blank| at + blank);
        let fault = line.error(start..end, "a table cannot stand inside an access table");
        return Err(fault.help("put the check into a class below [classes] and write the class's name here"));
    }
    if let Some(brace) = value.find('{') {
        let brace = span.start + brace;
        let fault = line.error(brace..brace + 1, "a restriction list in an access table takes no braces");
        return Err(fault.help("write its entries without them, or put them into a class below [classes]"));
    }
    if let Some(near) = near(word) {
        let fault = line.error(word_span, format!("unknown action `{word}`"));
        return Err(fault.help(format!("did you mean `{near}`?")));
    }
    Ok(Says::Class(source.class(value, &line.origin(span.start))))
}

fn number_help(value: &str) -> String {
    match value.parse().ok().and_then(ReplyCode::new) {
        Some(code) => format!("write `{code} text` to refuse with this code, or `OK`"),
        None => "write `OK`".to_owned(),
    }
}

fn code(line: &Line, span: Range<usize>, word: &str) -> Result<ReplyCode, Fault> {
    let number = if word.len() == 3 { word.parse::<u16>().ok() } else { None };
    if let Some(code) = number.and_then(ReplyCode::new) {
        return Ok(code);
    }
    match number {
        Some(number) if (400..600).contains(&number) => {
            let help = format!("write `{}50 text`; RFC 5321 knows no reply {number}", number / 100);
            Err(line
                .error(span, format!("a milter cannot send the code {number}, though Postfix can"))
                .help(help))
        }
        _ => {
            let fault = line.error(span, format!("`{word}` is not a code that refuses"));
            Err(fault.help("write a code from 400 to 459 or from 500 to 559, or `OK`"))
        }
    }
}

/// The action that an unknown word was probably meant to be. Restrictions and classes are written in lower case, and
/// what is close to none of the actions may be a class all the same.
fn near(word: &str) -> Option<&'static str> {
    let upper = word.to_ascii_uppercase();
    let letters = word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    if !letters || !word.contains(|c: char| c.is_ascii_uppercase()) || upper == "PERMIT" {
        return None;
    }
    let distance = |known: &str| strsim::damerau_levenshtein(known, &upper);
    let close = |known: &&&str| distance(known) <= if known.len() < 5 { 1 } else { 2 };
    WORDS.iter().filter(close).min_by_key(|known| distance(known)).copied()
}

/// The text at `span`, or the default where there is none.
///
/// # Errors
/// When it names a group that there is not.
pub fn text_or(line: &Line, span: Range<usize>, groups: Groups, default: &str) -> Result<Template, Fault> {
    if span.is_empty() { Ok(Template::text(default)) } else { Template::parse(line, span, groups) }
}

/// An optional enhanced status and an optional text.
fn refusal(line: &Line, span: Range<usize>, groups: Groups, default: &str) -> Result<Refusal, Fault> {
    let (status, rest) = Enhanced::split(&line.text[span.clone()]);
    let text = text_or(line, span.end - rest.len()..span.end, groups, default)?;
    Ok(Refusal { status: status.unwrap_or(POLICY), text })
}

/// The address behind an action.
///
/// # Errors
/// When there is none.
pub fn address(
    line: &Line,
    word: Range<usize>,
    span: Range<usize>,
    groups: Groups,
) -> Result<Template, Fault> {
    let name = &line.text[word.clone()];
    if span.is_empty() {
        let fault = line.error(word, format!("`{name}` needs an address behind it"));
        return Err(fault.help(format!("write `{name} user@example.com`")));
    }
    let address = Template::parse(line, span.clone(), groups)?;
    if address.as_text().is_none_or(is_address) {
        return Ok(address);
    }
    let message = format!("`{}` is not an address", &line.text[span.clone()]);
    Err(line.error(span, message).help(format!("write `{name} user@example.com`")))
}

/// The header field behind an action: its name and its value.
///
/// # Errors
/// When there is none, or its name can be none.
pub fn field(
    line: &Line,
    word: Range<usize>,
    span: Range<usize>,
    groups: Groups,
) -> Result<(Box<str>, Template), Fault> {
    let action = &line.text[word.clone()];
    let help = format!("write `{action} Name: value`");
    if span.is_empty() {
        return Err(line.error(word, format!("`{action}` needs a header field behind it")).help(help));
    }
    let Some((name, _)) = line.text[span.clone()].split_once(':') else {
        let message = format!("`{}` is not a header field: there is no colon", &line.text[span.clone()]);
        return Err(line.error(span, message).help(help));
    };
    let name_span = span.start..span.start + name.len();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(line.error(name_span, format!("`{name}` is not the name of a header field")).help(help));
    }
    if groups != Groups::Plain && name.contains('$') {
        let message = format!("`{name}`: what the pattern matched cannot choose the header field");
        return Err(line.error(name_span, message).help("write `$1` only in the field's value"));
    }
    let value = Template::parse(line, line.trim(name_span.end + 1..span.end), groups)?;
    Ok((name.into(), value))
}

#[cfg(test)]
mod tests;
