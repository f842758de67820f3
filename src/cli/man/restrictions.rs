//! `mailward restrictions --man`: the manual page mailward-restrictions(5), from the restrictions' own manual texts.

use super::roff::{literal, title};
use crate::{cli::restrictions::heading, restriction::Kind};
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
    Ok(())
}

fn restriction(kind: &Kind, out: &mut dyn Write) -> io::Result<()> {
    let head = format!("{} {}", kind.name, kind.usage);
    writeln!(out, ".SS {}", literal(head.trim_end()))?;
    for paragraph in kind.manual.trim().split("\n\n") {
        writeln!(out, ".PP")?;
        // Indented lines stand as they are.
        let mut as_it_is = false;
        for line in paragraph.lines() {
            let indented = line.starts_with(' ');
            if indented != as_it_is {
                writeln!(out, "{}", if indented { ".nf" } else { ".fi" })?;
                as_it_is = indented;
            }
            writeln!(out, "{}", literal(line))?;
        }
        if as_it_is {
            writeln!(out, ".fi")?;
        }
    }
    if !kind.aliases.is_empty() {
        writeln!(out, ".PP\nOld names: {}", literal(&kind.aliases.join(", ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restriction;

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
