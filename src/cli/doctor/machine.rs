//! The machine: its clock, and whether the daemon comes back after a boot.

use super::finding::{Finding, Level};
use crate::time::Timestamp;

/// What is known of the clock.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// The time.
    pub(super) now: Timestamp,
    /// The time of the journal's last row.
    pub(super) newest: Option<Timestamp>,
    /// Whether it is synchronised; `None` if nobody knows.
    pub(super) synchronized: Option<bool>,
}

/// What systemd says of the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// `systemctl is-enabled`: `enabled`, `disabled`, `not-found`.
    pub(super) enabled: String,
    /// `systemctl is-active`: `active`, `failed`.
    pub(super) active: String,
}

/// A row a little ahead is one of a clock that was set.
const AHEAD: i64 = 60;

/// Judges the clock, by which greylisting lives.
pub(super) fn clock(clock: &Clock) -> Vec<Finding> {
    const SUBJECT: &str = "clock";
    let ahead = clock.newest.map_or(0, |newest| newest.0.saturating_sub(clock.now.0));
    if ahead > AHEAD {
        let text = format!("it went back: the journal's last row is {ahead} s ahead of it");
        let fix = "set the clock and keep it right: apt install systemd-timesyncd";
        return vec![Finding::new(Level::Warn, SUBJECT, text).fix(fix)];
    }
    let now = clock.now.rfc5322();
    vec![match clock.synchronized {
        Some(true) => Finding::new(Level::Ok, SUBJECT, format!("{now}, synchronised")),
        Some(false) => Finding::new(Level::Note, SUBJECT, format!("{now}, not synchronised"))
            .fix("apt install systemd-timesyncd, unless another program keeps it right"),
        None => Finding::new(Level::Ok, SUBJECT, now),
    }]
}

/// Judges the unit; `None`: the machine was not booted with systemd.
pub(super) fn unit(unit: Option<&Unit>, runs: bool) -> Vec<Finding> {
    const SUBJECT: &str = "systemd";
    let Some(Unit { enabled, active }) = unit else {
        let text = "does not run here: see to it that mailward is started at boot";
        return vec![Finding::new(Level::Note, SUBJECT, text)];
    };
    let missing = enabled.is_empty() || enabled == "not-found";
    if missing {
        let text = "there is no mailward.service: mailward does not come back after a boot";
        let fix = "install the package, or a unit of your own (packaging/systemd)";
        return vec![Finding::new(Level::Note, SUBJECT, text).fix(fix)];
    }
    let mut findings = Vec::new();
    if enabled.starts_with("enabled") {
        findings.push(Finding::new(Level::Ok, SUBJECT, format!("mailward.service is enabled, {active}")));
    } else {
        let text = format!("mailward.service is {enabled}: it does not come back after a boot");
        findings.push(Finding::new(Level::Warn, SUBJECT, text).fix("systemctl enable mailward"));
    }
    if runs && active != "active" {
        let text = format!("a daemon runs, but not that of mailward.service, which is {active}");
        findings.push(Finding::new(Level::Note, SUBJECT, text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::said;

    #[test]
    fn a_clock_that_went_back_is_seen_by_the_last_row() {
        let now = Timestamp(86_400);
        let facts = |newest, synchronized| Clock { now, newest, synchronized };
        let date = "Fri, 02 Jan 1970 00:00:00 +0000";
        let cases = [
            (facts(None, Some(true)), format!("ok {date}, synchronised")),
            (facts(Some(Timestamp(86_450)), None), format!("ok {date}")),
            (
                facts(Some(Timestamp(87_400)), Some(true)),
                "warn it went back: the journal's last row is 1000 s ahead of it / set the clock and keep it right: apt \
                 install systemd-timesyncd"
                    .to_owned(),
            ),
            (
                facts(None, Some(false)),
                format!(
                    "note {date}, not synchronised / apt install systemd-timesyncd, unless another program keeps it right"
                ),
            ),
        ];
        for (facts, want) in cases {
            assert_eq!(said(&clock(&facts)), [want]);
        }
    }

    #[test]
    fn a_unit_that_is_not_enabled_does_not_come_back() {
        let check = |enabled: &str, active: &str, runs| {
            let facts = Unit { enabled: enabled.to_owned(), active: active.to_owned() };
            said(&unit(Some(&facts), runs))
        };
        assert_eq!(check("enabled", "active", true), ["ok mailward.service is enabled, active"]);
        let disabled = "warn mailward.service is disabled: it does not come back after a boot / systemctl enable mailward";
        assert_eq!(check("disabled", "active", true), [disabled]);
        let other = "note a daemon runs, but not that of mailward.service, which is failed";
        assert_eq!(check("enabled", "failed", true)[1], other);
        assert!(check("not-found", "inactive", false)[0].starts_with("note there is no mailward.service"));
        assert!(said(&unit(None, true))[0].starts_with("note does not run here"));
    }
}
