//! Asking `mailward doctor`, and what it says.

use super::mailward::PROGRAM;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// What the doctor says: its exit code, and `level subject: text / fix` for each finding.
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// The findings.
    pub lines: Vec<String>,
}

impl Said {
    /// The findings about some subjects; those about the machine depend on it.
    pub fn about(&self, subjects: &[&str]) -> Vec<&str> {
        let is = |line: &&str| subjects.iter().any(|subject| line.contains(&format!(" {subject}: ")));
        self.lines.iter().map(String::as_str).filter(is).collect()
    }

    /// Whether a line begins so.
    #[track_caller]
    pub fn has(&self, begin: &str) {
        assert!(self.lines.iter().any(|line| line.starts_with(begin)), "{begin}\n{:#?}", self.lines);
    }

    /// The findings that are no good news, without those about the machine.
    pub fn problems(&self) -> Vec<&str> {
        let all = self.lines.iter().map(String::as_str);
        let bad = all.filter(|line| line.starts_with("warn ") || line.starts_with("FAIL "));
        bad.filter(|line| !line.contains(" systemd: ") && !line.contains(" clock: ")).collect()
    }
}

/// The doctor's command line for a state directory with its configuration.
pub fn command(state: &Path, config: &Path, postfix: &Path) -> Command {
    let mut command = Command::new(PROGRAM.unwrap());
    command.args(["doctor", "--json", "-c"]).arg(config).arg("--config-dir").arg(postfix);
    command.env("STATE_DIRECTORY", state).stdin(Stdio::null());
    command
}

/// Asks it.
pub fn ask(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let of = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let line = |finding: &serde_json::Value| {
        let fix = of(finding, "fix");
        let fix = if fix.is_empty() { fix } else { format!(" / {fix}") };
        format!(
            "{} {}: {}{fix}",
            of(finding, "level").replace("fail", "FAIL"),
            of(finding, "subject"),
            of(finding, "text")
        )
    };
    let lines = report["findings"].as_array().unwrap().iter().map(line).collect();
    Said { code: output.status.code().unwrap(), lines }
}

/// No Postfix at all.
pub const NOWHERE: &str = "/no such directory";
