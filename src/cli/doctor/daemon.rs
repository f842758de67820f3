//! The daemon: whether it runs, since when, and what it says of itself.

use super::finding::{Finding, Level};
use crate::{
    server::status::Status,
    time::{Timestamp, format_duration},
};
use std::time::Duration;

/// What the control socket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Daemon {
    /// It answers.
    Answers(Box<Status>),
    /// It does not, in these words: it does not run, or hangs.
    Silent(String),
    /// It cannot be asked, in these words: by us, or by anybody.
    NotAsked(String),
}

impl Daemon {
    /// What it says of itself.
    pub(super) fn status(&self) -> Option<&Status> {
        match self {
            Self::Answers(status) => Some(status),
            Self::Silent(_) | Self::NotAsked(_) => None,
        }
    }
}

const SUBJECT: &str = "daemon";

/// Judges it; `version` is this program's, `run` the command that starts the daemon where systemd does not.
pub(super) fn check(daemon: &Daemon, version: &str, run: Option<&str>) -> Vec<Finding> {
    let status = match daemon {
        Daemon::Answers(status) => status,
        Daemon::Silent(why) => {
            let start = match run {
                None => "systemctl start mailward; `journalctl -u mailward` says why it ended".to_owned(),
                Some(run) => format!("start `{run}`, which says why it cannot serve"),
            };
            return vec![Finding::new(Level::Fail, SUBJECT, why).fix(start)];
        }
        Daemon::NotAsked(why) => return vec![Finding::new(Level::Note, SUBJECT, why)],
    };
    let up = ago(status.started, status.now);
    let runs = format!("running for {up}, mode {}, process {}, {}", status.mode, status.pid, status.version);
    let mut findings = vec![Finding::new(Level::Ok, SUBJECT, runs)];
    let mut say = |level, text: String, fix: &str| {
        findings.push(Finding::new(level, SUBJECT, text).fix(fix));
    };
    if status.mode == "observe" {
        let text = "mode is \"observe\": it decides, logs and records everything, and lets everything pass";
        say(Level::Note, text.to_owned(), "when you trust it, set mode = \"enforce\" and reload");
    }
    if status.version != version {
        let text = format!("the daemon is mailward {}, this program {version}", status.version);
        say(Level::Warn, text, "systemctl restart mailward");
    }
    if status.bugs > 0 {
        let text = format!("bugs caught since the start: {}", status.bugs);
        say(Level::Warn, text, "see `bug:` in its log, and report it");
    }
    if status.log_dropped > 0 {
        let text = format!("log lines dropped since the start: {}", status.log_dropped);
        say(Level::Warn, text, "see why the log takes nothing: a full disk, a stopped journald or terminal");
    }
    let sessions = &status.sessions;
    if sessions.most >= sessions.limit {
        let text = format!("max_sessions = {} was reached: clients beyond it wait", sessions.limit);
        say(Level::Warn, text, "raise max_sessions above Postfix's process limit and restart");
    }
    if let Some(lost) = status.journal.as_ref().map(|journal| journal.dropped).filter(|lost| *lost > 0) {
        let text = format!("the journal lost {lost} rows, since its file could not follow");
        say(Level::Warn, text, "put it on a faster disk ([journal] path)");
    }
    findings
}

/// How long ago something was, in its largest unit that is whole enough.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = u64::try_from(now.0.saturating_sub(then.0)).unwrap_or(0);
    let unit = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    format_duration(Duration::from_secs(seconds - seconds % unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::{finding::said, testing::status};
    use crate::server::status::{Journal, Working};

    #[test]
    fn a_daemon_that_is_well_has_one_line() {
        let daemon = |change: fn(&mut Status)| {
            let mut status = status();
            change(&mut status);
            said(&check(&Daemon::Answers(Box::new(status)), "1.0", None))
        };
        let well = "ok running for 25h, mode enforce, process 812, 1.0";
        assert_eq!(daemon(|_| ()), [well]);
        type Change = fn(&mut Status);
        let cases: [(Change, &str); 6] = [
            (
                |s| s.mode = "observe".to_owned(),
                "note mode is \"observe\": it decides, logs and records everything, and lets everything pass / when you \
                 trust it, set mode = \"enforce\" and reload",
            ),
            (|s| s.bugs = 2, "warn bugs caught since the start: 2 / see `bug:` in its log, and report it"),
            (
                |s| s.log_dropped = 9,
                "warn log lines dropped since the start: 9 / see why the log takes nothing: a full disk, a stopped \
                 journald or terminal",
            ),
            (
                |s| s.sessions.most = s.sessions.limit,
                "warn max_sessions = 10 was reached: clients beyond it wait / raise max_sessions above Postfix's process \
                 limit and restart",
            ),
            (
                |s| {
                    let file = Working { works: true, faults: 0, recoveries: 0 };
                    s.journal = Some(Journal { rows: 1, written: 1, queued: 0, dropped: 3, file });
                },
                "warn the journal lost 3 rows, since its file could not follow / put it on a faster disk ([journal] path)",
            ),
            (
                |s| s.version = "0.9".to_owned(),
                "warn the daemon is mailward 0.9, this program 1.0 / systemctl restart mailward",
            ),
        ];
        for (change, want) in cases {
            assert_eq!(daemon(change)[1..], [want]);
        }
    }

    #[test]
    fn one_that_does_not_run_is_started_one_that_may_not_be_asked_is_a_note() {
        let silent = || Daemon::Silent("the daemon does not run (/run/x)".to_owned());
        let want = "FAIL the daemon does not run (/run/x) / systemctl start mailward; `journalctl -u mailward` says why it \
                    ended";
        assert_eq!(said(&check(&silent(), "1", None)), [want]);
        let want = "FAIL the daemon does not run (/run/x) / start `mailward run -c x`, which says why it cannot serve";
        assert_eq!(said(&check(&silent(), "1", Some("mailward run -c x"))), [want]);
        let denied = Daemon::NotAsked("permission denied".to_owned());
        assert_eq!(said(&check(&denied, "1", None)), ["note permission denied"]);
        for (seconds, want) in [(0, "0s"), (119, "119s"), (125, "2m"), (7_000, "116m"), (180_000, "2d")] {
            assert_eq!(ago(Timestamp(5), Timestamp(5 + seconds)), want);
        }
    }
}
