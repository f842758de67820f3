//! What the doctor says: one line about one thing, how bad it is, and how it is mended.

use crate::{
    cli::Exit,
    smtp::text::{printable, wrap},
};
use serde::Serialize;
use std::io::{self, Write};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing, or not to be seen by whoever asks.
    Note,
    /// Mail is filtered, but not as it should be.
    Warn,
    /// Mail is not filtered, or a part of the policy does not work.
    Fail,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }

    /// The exit code of a monitoring plugin.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Ok | Self::Note => Exit::Success,
            Self::Warn => Exit::Warning,
            Self::Fail => Exit::Critical,
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How bad it is.
    pub(super) level: Level,
    /// What it is about: `daemon`, `postfix`.
    pub(super) subject: &'static str,
    /// What was found.
    pub(super) text: String,
    /// How it is mended.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn new(level: Level, subject: &'static str, text: impl Into<String>) -> Self {
        Self { level, subject, text: text.into(), fix: None }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The finding in columns, after which its text and its fix are broken.
    pub(super) fn print(&self, columns: usize, out: &mut dyn Write) -> io::Result<()> {
        const INDENT: usize = 18;
        let room = columns.saturating_sub(INDENT);
        let fix = self.fix.iter().map(|fix| format!("Fix: {fix}"));
        let parts = [self.text.clone()].into_iter().chain(fix);
        let mut lines = parts.flat_map(|part| wrap(&printable(&part, '?'), room));
        let first = lines.next().unwrap_or_default();
        writeln!(out, "{:<6}{:<12}{first}", self.level.word(), self.subject)?;
        lines.try_for_each(|line| writeln!(out, "{:INDENT$}{line}", ""))
    }
}

/// The worst of all.
pub(super) fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// Findings as the tests of the checks compare them: `FAIL text / fix`.
#[cfg(test)]
pub(super) fn said(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let fix = finding.fix.as_ref().map(|fix| format!(" / {fix}")).unwrap_or_default();
        format!("{} {}{fix}", finding.level.word(), finding.text)
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_stands_in_columns_and_shows_nothing_that_moves_the_cursor() {
        let text = "zen.spamhaus.org is set aside: it answers 127.255.255.254: a\u{1b}[31m";
        let finding = Finding::new(Level::Fail, "dns", text).fix("apt install unbound");
        let mut out = Vec::new();
        finding.print(60, &mut out).unwrap();
        let want = "\
FAIL  dns         zen.spamhaus.org is set aside: it answers
                  127.255.255.254: a?[31m
                  Fix: apt install unbound
";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        let levels = [Level::Ok, Level::Note, Level::Warn, Level::Fail];
        assert_eq!(levels.map(|level| level.exit().code()), [0, 0, 1, 2]);
        assert_eq!(worst(&[]), Level::Ok);
    }
}
