//! Syntax errors of TOML: all of them, in an administrator's words, and what is left of the file without them.

use super::{faults::Faults, text::Text};
use crate::origin::Fault;
use std::{borrow::Cow, ops::Range};
use toml::de::{DeTable, Error};

/// How often a file is read again without the lines at which the TOML reader gives up.
const ROUNDS: usize = 16;

/// How many lines a list may have for its beginning to be found.
const LINES: usize = 1_000;

/// Reports all syntax errors. What comes back has the places of the text; lines that the TOML reader cannot get past
/// are blank in it, so that what follows them is judged too.
pub(super) fn read<'t>(text: &'t Text, faults: &mut Faults) -> Cow<'t, str> {
    let mut source = Cow::Borrowed(text.text.as_str());
    for _ in 0..ROUNDS {
        let (_, errors) = DeTable::parse_recoverable(&source);
        let mut blank = Vec::new();
        for error in &errors {
            let span = error.span().unwrap_or(source.len()..source.len());
            if let Some((bracket, list)) = open_list(error, &span, text) {
                let fault = Fault::error(&text.origin(bracket), 1, "this list is not closed");
                faults.syntax(fault.help("close it with `]`"), text);
                blank.push(list);
                // The errors behind it are consequences: the next round sees what is really there.
                break;
            }
            if error.message().starts_with("key with no value") {
                blank.push(line_around(span.start, text));
            }
            faults.syntax(reword(error, span, text), text);
        }
        if blank.is_empty() {
            break;
        }
        source = Cow::Owned(without(&source, &blank));
    }
    source
}

/// The text with blanks in the place of everything but line ends.
fn without(source: &str, blank: &[Range<usize>]) -> String {
    let mut bytes = source.as_bytes().to_vec();
    for byte in blank.iter().flat_map(|range| range.clone()) {
        if let Some(byte) = bytes.get_mut(byte).filter(|byte| !matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
    }
    // Whole lines only were blanked, so no character was cut; if one were, it would show as U+FFFD.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line_around(byte: usize, text: &Text) -> Range<usize> {
    let (start, line) = text.line(text.origin(byte).line).unwrap_or((byte, ""));
    start..start + line.len()
}

/// A list that was never closed, if that is why a key or a section is taken for its element: its bracket, and all its
/// lines.
fn open_list(error: &Error, span: &Range<usize>, text: &Text) -> Option<(usize, Range<usize>)> {
    let at = text.origin(span.start).line;
    let (end, line) = text.line(at)?;
    if !error.message().starts_with("missing comma between array elements") || !begins_setting(line) {
        return None;
    }
    (1..at).rev().take(LINES).find_map(|number| {
        let (start, line) = text.line(number)?;
        let (key, value) = line.split_once('=')?;
        let bracket = start + line.len() - value.trim_start().len();
        (is_key(key.trim()) && value.trim_start().starts_with('[')).then_some((bracket, start..end))
    })
}

fn begins_setting(line: &str) -> bool {
    let line = line.trim_start();
    let setting = line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()));
    setting || line.strip_prefix('[').is_some_and(|rest| is_key(rest.trim_end_matches([']', ' ', '\t'])))
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The TOML reader's error in our words where its own mislead.
fn reword(error: &Error, span: Range<usize>, text: &Text) -> Fault {
    let at_end = span.start >= text.text.len();
    let width = text.characters(span.start, span.end);
    let fault = |message: &str| Fault::error(&text.origin(span.start), width, message);
    let message = error.message();
    if message.starts_with("string values must be quoted") {
        let word = text.text.get(span.clone()).unwrap_or_default();
        return match word {
            "" => fault("a value is missing"),
            word => fault(&format!("`{word}` is not a value")).help("put text into quotes"),
        };
    }
    if message.starts_with("invalid") && message.contains("visible characters") {
        return fault("a control character inside a string").help("write it as an escape such as `\\u0007`");
    }
    for (kind, quotes) in [("basic", "\"\"\""), ("literal", "'''")] {
        if at_end && message.starts_with(&format!("invalid multi-line {kind} string")) {
            let open = text.text.rfind(quotes).unwrap_or(span.start);
            let fault = Fault::error(&text.origin(open), 3, "this string is not closed");
            return fault.help(format!("close it with `{quotes}`"));
        }
        if message == format!("invalid {kind} string, expected `{}`", &quotes[..1]) {
            return fault("the string is not closed").help(format!("close it with `{}`", &quotes[..1]));
        }
    }
    fault(message)
}
