//! The parts of a message with every name in every reading, as `scan` and `explain` print them.

use super::columns;
use crate::{
    attachment::facts::{Facts, Part, Reading},
    smtp::text::escaped,
};
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns for a part's number.
const NUMBER: usize = 10;

/// Prints the tree. `sets` are the names of the sets of rules, in the walk's order; the first is called by no name.
pub(super) fn print(facts: &Facts, sets: &[String], out: &mut dyn Write) -> io::Result<()> {
    for part in facts.tree.iter().flatten() {
        print_part(part, sets, out)?;
    }
    for (word, trouble) in [("unparsable", &facts.unparsable), ("ambiguous", &facts.ambiguous)] {
        if let Some(trouble) = trouble {
            writeln!(out, " {word:<NUMBER$} {trouble}")?;
        }
    }
    if let Some(gave_up) = &facts.gave_up {
        writeln!(out, " {:<NUMBER$} {}", "given up", escaped(gave_up))?;
    }
    for (number, findings) in facts.findings.iter().enumerate() {
        for finding in findings {
            let word = if finding.banned { "banned" } else { "marked" };
            let reason = escaped(&finding.reason.to_string()).into_owned();
            let name = escaped(&finding.written);
            let by = set(sets, number);
            let rest = format!(" ({reason}) in part {}{by}", finding.part);
            let room = columns().saturating_sub(NUMBER + 2 + rest.width());
            writeln!(out, " {word:<NUMBER$} {}{rest}", end_of(&name, room.max(20)))?;
        }
    }
    Ok(())
}

fn print_part(part: &Part, sets: &[String], out: &mut dyn Write) -> io::Result<()> {
    let kind = if part.media_type.is_empty() { "no type" } else { &part.media_type };
    let kind = escaped(kind);
    writeln!(out, " {:<NUMBER$} {}", part.number, end_of(&kind, columns().saturating_sub(NUMBER + 2)))?;
    for Reading { source, text, banned_by } in &part.names {
        let banned = match banned_by.first() {
            Some(first) => format!("  banned{}", set(sets, *first)),
            None => String::new(),
        };
        let rest = format!("  {source}{banned}");
        let room = columns().saturating_sub(NUMBER + 4 + rest.width());
        let name = escaped(text);
        writeln!(out, " {:<NUMBER$}   {}{rest}", "", end_of(&name, room.max(20)))?;
    }
    Ok(())
}

/// ` by [attachments.NAME]`, for a set with a name.
fn set(sets: &[String], number: usize) -> String {
    match sets.get(number).map(String::as_str) {
        Some("") | None => String::new(),
        Some(name) => format!(" by [attachments.{}]", escaped(name)),
    }
}

/// A text's end within so many columns: there is the extension.
fn end_of(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |c: &char| {
        let left = room.checked_sub(c.width().unwrap_or(0));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let kept: Vec<char> = text.chars().rev().take_while(fits).collect();
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_their_beginning() {
        assert_eq!(end_of("a.exe", 5), "a.exe");
        assert_eq!(end_of("abcdef.exe", 8), "…def.exe");
        assert_eq!(end_of("漢字漢字.exe", 9), "…漢字.exe");
        assert_eq!(end_of("漢字漢字.exe", 10), "…漢字.exe");
    }
}
