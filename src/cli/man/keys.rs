//! The manual page mailward.toml(5), from the one table of keys.

use super::roff::{literal, title};
use crate::config::keys::{self, Key};
use std::io::{self, Write};

const DESCRIPTION: &str = "\
The configuration of mailward, in TOML. Every key has a default, so the empty file is valid. A key that is not known, an \
unreadable table or a bad table line is an error when the file is loaded; \\fBmailward check\\-config\\fR shows all of \
them. At SIGHUP the file is read again; a faulty one is reported, and the old configuration stays in force.
.PP
What can stand in the lists below \\fB[restrictions]\\fR stands in mailward\\-restrictions(5).";

/// Writes the page, in the language of man(7).
pub(super) fn write(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", title("mailward.toml"))?;
    writeln!(out, ".SH NAME\nmailward.toml \\- configuration of mailward")?;
    writeln!(out, ".SH SYNOPSIS\n/etc/mailward/mailward.toml")?;
    writeln!(out, ".SH DESCRIPTION\n{DESCRIPTION}")?;
    let mut section = None;
    for key in keys::keys() {
        let begins = section_of(key);
        if section != Some(begins) {
            section = Some(begins);
            let heading = if begins.is_empty() { "KEYS OUTSIDE OF SECTIONS" } else { begins };
            writeln!(out, ".SH {}", literal(heading))?;
        }
        key_entry(key, out)?;
    }
    writeln!(out, ".SH FILES\n/etc/mailward/mailward.toml, /usr/share/doc/mailward/mailward.toml")?;
    writeln!(out, ".SH SEE ALSO\nmailward(1), mailward\\-restrictions(5), postconf(5), access(5)")
}

/// `[dns]`, or nothing for a key outside.
fn section_of(key: &Key) -> &'static str {
    match key.path.split_once('.') {
        Some((section, _)) => section,
        None => "",
    }
}

fn key_entry(key: &Key, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, ".TP\n.B {}", literal(key.path))?;
    writeln!(out, "{}", literal(key.manual))?;
    writeln!(out, ".RS\n.PP\nTakes {}. Default: {}", literal(&key.takes.describe()), literal(key.default))?;
    if key.example != key.default {
        writeln!(out, ".br\nExample: {}", literal(key.example))?;
    }
    writeln!(out, ".RE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_with_its_default_and_only_known_requests_are_used() {
        let mut page = Vec::new();
        write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert_eq!(page.lines().filter(|line| line.starts_with(".B ")).count(), keys::keys().count());
        let sections = page.lines().filter(|line| line.starts_with(".SH ")).collect::<Vec<_>>();
        let mut once = sections.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), sections.len(), "a section stands twice: {sections:?}");
        let known = [".TH ", ".SH ", ".TP", ".B ", ".RS", ".RE", ".PP", ".br"];
        for request in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|known| request.starts_with(known)), "{request}");
        }
    }
}
