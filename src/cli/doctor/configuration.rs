//! The configuration: what check-config finds, and whether the daemon serves what is on the disk.

use super::finding::{Finding, Level};
use crate::{cli::configured::quoted, config::diagnostic::Diagnostic, server::status::Configuration};
use std::path::Path;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Where it comes from.
    pub(super) source: String,
    /// The command that shows its faults.
    pub(super) check: String,
    /// What check-config finds.
    pub(super) diagnostics: &'a [Diagnostic],
    /// Its digest; `None` if it has errors.
    pub(super) digest: Option<&'a str>,
    /// What the daemon serves.
    pub(super) running: Option<&'a Configuration>,
}

const SUBJECT: &str = "config";

/// Judges it.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        facts.diagnostics.iter().map(|diagnostic| fault(diagnostic, &facts.check)).collect();
    let in_force = facts.running.is_some_and(|running| Some(running.digest.as_str()) == facts.digest);
    if facts.digest.is_some() {
        let state = if in_force { "loads, and is in force" } else { "loads" };
        findings.insert(0, Finding::new(Level::Ok, SUBJECT, format!("{} {state}", facts.source)));
    }
    // A daemon of an older version names no digest.
    let Some(running) = facts.running.filter(|running| !running.digest.is_empty()) else { return findings };
    if let Some(refused) = running.refused {
        let text = format!("a reload was refused {}: what was in force before still is", refused.rfc5322());
        findings.push(Finding::new(Level::Warn, SUBJECT, text).fix("mend its faults, then reload"));
    } else if !in_force {
        findings.push(not_in_force(facts, running));
    }
    findings
}

fn fault(diagnostic: &Diagnostic, check: &str) -> Finding {
    let level = if diagnostic.is_error() { Level::Fail } else { Level::Warn };
    let fault = &diagnostic.fault;
    let finding = Finding::new(level, SUBJECT, format!("{}: {}", fault.origin, fault.message));
    match &fault.help {
        Some(help) => finding.fix(help),
        // A file that cannot be read.
        None if fault.origin.line == 0 => finding,
        None => finding.fix(format!("`{check}` shows the line")),
    }
}

fn not_in_force(facts: &Facts<'_>, running: &Configuration) -> Finding {
    if running.source != facts.source {
        let text = format!("the daemon serves another one: {}", running.source);
        return Finding::new(Level::Warn, SUBJECT, text)
            .fix(format!("look at that one: mailward doctor -c {}", quoted(Path::new(&running.source))));
    }
    let text = format!("it, or a table of it, changed since it was loaded {}", running.loaded.rfc5322());
    Finding::new(Level::Warn, SUBJECT, text).fix("systemctl reload mailward")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::doctor::finding::said,
        config::{Disk, parse},
        time::Timestamp,
    };

    #[test]
    fn faults_come_with_their_help_and_a_change_with_the_reload() {
        let running = |source: &str, digest: &str, refused| Configuration {
            source: source.to_owned(),
            loaded: Timestamp(0),
            refused,
            digest: digest.to_owned(),
        };
        let ok = "ok f loads, and is in force";
        let cases = [
            (Some("d"), None, vec!["ok f loads"]),
            (Some("d"), Some(running("f", "d", None)), vec![ok]),
            (Some("d"), Some(running("f", "", None)), vec!["ok f loads"]),
            (
                Some("d"),
                Some(running("f", "e", None)),
                vec![
                    "ok f loads",
                    "warn it, or a table of it, changed since it was loaded Thu, 01 Jan 1970 00:00:00 +0000 / systemctl \
                     reload mailward",
                ],
            ),
            (
                Some("d"),
                Some(running("g", "e", None)),
                vec![
                    "ok f loads",
                    "warn the daemon serves another one: g / look at that one: mailward doctor -c g",
                ],
            ),
            (
                None,
                Some(running("f", "e", Some(Timestamp(60)))),
                vec![
                    "warn a reload was refused Thu, 01 Jan 1970 00:01:00 +0000: what was in force before still is / mend \
                     its faults, then reload",
                ],
            ),
        ];
        for (digest, running, want) in cases {
            let facts = Facts {
                source: "f".to_owned(),
                check: String::new(),
                diagnostics: &[],
                digest,
                running: running.as_ref(),
            };
            assert_eq!(said(&check(&facts)), want);
        }
        let text = "[restrictions]\nhelo = ['reject_unknown_hlo_hostname']\n";
        let loaded = parse("f", text, &mut Disk { base: "".into() });
        let facts = Facts {
            source: "f".to_owned(),
            check: String::new(),
            diagnostics: &loaded.diagnostics,
            digest: None,
            running: None,
        };
        let found = said(&check(&facts));
        assert!(found.len() == 1 && found[0].starts_with("FAIL f:2: unknown restriction"), "{found:?}");
        assert!(found[0].contains(" / "), "{found:?}");
    }
}
