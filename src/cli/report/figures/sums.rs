//! Whether the figures of a report add up.

use super::{Ends, Outcome, Report};

impl Report {
    /// What does not add up; empty, or there is a bug.
    pub(in crate::cli::report) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut equal = |what: &str, one: u64, other: u64| {
            if one != other {
                found.push(format!("{what}: {one} and {other}"));
            }
        };
        let Self { decisions, attempts, funnel, times, rules, greylist, .. } = self;
        let verdicts = decisions.permit + decisions.defer + decisions.reject + decisions.discard;
        equal("decisions and their verdicts", decisions.all, verdicts);
        equal("decisions and their modes", decisions.all, self.mode.enforced + self.mode.observed);
        equal("attempts and their ends", attempts.all, attempts.ends.all());
        let mut came = attempts.all;
        for step in funnel {
            equal(&format!("those that came to {}", step.moment.words()), step.came, came);
            let went_on = came.saturating_sub(step.ends.all());
            equal(&format!("those that went on from {}", step.moment.words()), step.went_on, went_on);
            came = went_on;
        }
        equal("those that went on to the end and those taken", came, attempts.ends.taken());
        let mut by_step = Ends::default();
        funnel.iter().for_each(|step| by_step.add_all(&step.ends));
        let mut by_time = Ends::default();
        times.columns.iter().for_each(|column| by_time.add_all(&column.ends));
        let mut by_rule = Ends::default();
        rules.iter().for_each(|rule| by_rule.add_all(&rule.ends));
        for outcome in Outcome::ALL {
            let all = attempts.ends.of(outcome);
            equal(&format!("{outcome:?} over time"), all, by_time.of(outcome));
            if !outcome.is_taken() {
                equal(&format!("{outcome:?} by step"), all, by_step.of(outcome));
            }
            if outcome.is_stopped() {
                equal(&format!("{outcome:?} by entry"), all, by_rule.of(outcome));
            }
        }
        equal("first contacts", greylist.contacts, greylist.came_back + greylist.still_out);
        let passed = greylist.came_back + greylist.from_before;
        equal("those that waited and their delays", passed, greylist.delays.iter().sum());
        for list in &self.lists {
            let answers = list.listed + list.clean + list.timed_out + list.failed;
            equal(&format!("answers of {}", list.zone), list.asked, answers);
        }
        found
    }
}
