//! The milter's socket: where it is, whose, and whether it answers.

use super::finding::{Finding, Level};

/// What is known of it.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// What the configuration says; `None` if it has errors.
    pub(super) configured: Option<String>,
    /// Where the daemon says that it listens.
    pub(super) running: Option<String>,
    /// Owner, group and mode of a unix socket, as `mailward:postfix 0660`.
    pub(super) rights: Option<String>,
    /// Whether it negotiates, or why not.
    pub(super) answers: Result<(), Silence>,
}

/// Why a socket does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// We may not connect.
    Denied,
    /// In these words.
    Says(String),
}

impl Facts {
    /// Where the socket is: as the daemon says, who knows.
    pub(super) fn name(&self) -> Option<&str> {
        self.running.as_deref().or(self.configured.as_deref())
    }
}

const SUBJECT: &str = "socket";

/// Judges it.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let Some(name) = facts.name() else { return Vec::new() };
    let rights = facts.rights.as_ref().map(|rights| format!("  {rights}")).unwrap_or_default();
    let first = match &facts.answers {
        Ok(()) => Finding::new(Level::Ok, SUBJECT, format!("{name}{rights}, answers")),
        Err(Silence::Denied) => {
            let text = format!("{name}{rights}: permission denied, so it was not tried");
            Finding::new(Level::Note, SUBJECT, text).fix("run `mailward doctor` as root")
        }
        Err(Silence::Says(why)) => {
            let fix = "systemctl restart mailward; its log says why it cannot listen there";
            Finding::new(Level::Fail, SUBJECT, format!("{name}{rights} does not answer: {why}")).fix(fix)
        }
    };
    let mut findings = vec![first];
    if let (Some(configured), Some(running)) = (&facts.configured, &facts.running)
        && configured != running
    {
        let text = format!("the configuration now says {configured}");
        findings.push(Finding::new(Level::Warn, SUBJECT, text).fix("systemctl restart mailward"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::said;

    #[test]
    fn it_answers_or_there_is_a_way_to_make_it() {
        let facts = |running: Option<&str>, rights: Option<&str>, answers| Facts {
            configured: Some("unix:/s".to_owned()),
            running: running.map(str::to_owned),
            rights: rights.map(str::to_owned),
            answers,
        };
        let says = |why: &str| Err(Silence::Says(why.to_owned()));
        let cases = [
            (
                facts(Some("unix:/s"), Some("mailward:postfix 0660"), Ok(())),
                vec!["ok unix:/s  mailward:postfix 0660, answers"],
            ),
            (
                facts(None, None, says("No such file")),
                vec![
                    "FAIL unix:/s does not answer: No such file / systemctl restart mailward; its log says why it cannot \
                     listen there",
                ],
            ),
            (
                facts(None, None, Err(Silence::Denied)),
                vec!["note unix:/s: permission denied, so it was not tried / run `mailward doctor` as root"],
            ),
            (
                facts(Some("inet:127.0.0.1:1"), None, Ok(())),
                vec![
                    "ok inet:127.0.0.1:1, answers",
                    "warn the configuration now says unix:/s / systemctl restart mailward",
                ],
            ),
        ];
        for (facts, want) in cases {
            assert_eq!(said(&check(&facts)), want);
        }
    }
}
