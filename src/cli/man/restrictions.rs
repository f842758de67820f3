//! `mailward restrictions --man`: the manual page mailward-restrictions(5), from the restrictions' own manual texts.

use super::roff::{literal, title};
use crate::{
    cli::restrictions::heading,
    restriction::{Kind, topics::TOPICS},
};
use std::io::{self, Write};

/// Writes the page, in the language of man(7). `kinds` are in the order in which they are shown.
pub(in crate::cli) fn write(kinds: &[&Kind], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", title("mailward-restrictions"))?;
    writeln!(
        out,
        ".SH NAME\nmailward\\-restrictions \\- what can stand in a restriction list of mailward.toml"
    )?;
    for some in kinds.chunk_by(|one, other| one.needs == other.needs) {
        if let Some(kind) = some.first() {
            writeln!(out, ".SH {}", literal(heading(kind.needs).trim_end_matches(':')))?;
        }
        for kind in some {
            restriction(kind, out)?;
        }
    }
    for topic in TOPICS {
        writeln!(out, ".SH {}", literal(topic.heading))?;
        text(topic.manual, out)?;
    }
    Ok(())
}

fn restriction(kind: &Kind, out: &mut dyn Write) -> io::Result<()> {
    let head = format!("{} {}", kind.name, kind.usage);
    writeln!(out, ".SS {}", literal(head.trim_end()))?;
    text(kind.manual, out)?;
    if !kind.aliases.is_empty() {
        writeln!(out, ".PP\nOld names: {}", literal(&kind.aliases.join(", ")))?;
    }
    Ok(())
}

/// A manual text.
fn text(manual: &str, out: &mut dyn Write) -> io::Result<()> {
    for paragraph in manual.trim().split("\n\n") {
        writeln!(out, ".PP")?;
        // Indented lines stand as they are, and so do replies, which are no part of the text behind them.
        let mut as_it_is = false;
        for line in paragraph.lines() {
            let stands = line.starts_with(' ') || is_reply(line);
            if stands != as_it_is {
                writeln!(out, "{}", if stands { ".nf" } else { ".fi" })?;
                as_it_is = stands;
            }
            writeln!(out, "{}", literal(line))?;
        }
        if as_it_is {
            writeln!(out, ".fi")?;
        }
    }
    Ok(())
}

/// Whether a line begins with a reply.
fn is_reply(line: &str) -> bool {
    let text = line.strip_prefix("Reply: ");
    text.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restriction;

    #[test]
    fn replies_stand_alone() {
        let defer = restriction::find("defer").unwrap();
        let mut page = Vec::new();
        write(&[defer], &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let reply = ".nf\nReply: 450 4.3.2 <x>: CLASS rejected: Try again later\n.fi\nThe code is defer_code";
        assert!(page.contains(reply), "{page}");
    }

    #[test]
    fn every_restriction_has_its_section_and_only_known_requests_are_used() {
        let kinds: Vec<&Kind> = restriction::registry().collect();
        let mut page = Vec::new();
        write(&kinds, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let sections = page.lines().filter(|line| line.starts_with(".SS ")).count();
        assert_eq!(sections, kinds.len());
        let known = [".TH ", ".SH ", ".SS ", ".PP", ".nf", ".fi"];
        let requests = page.lines().filter(|line| line.starts_with(['.', '\'']));
        for request in requests {
            assert!(known.iter().any(|known| request.starts_with(known)), "{request}");
        }
    }
}
