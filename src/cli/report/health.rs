//! Health lights: how the daemon and everything that it uses are at the moment of the report.

use crate::{
    cli::control::Unanswered,
    server::status::{List, Status, Working},
};
use serde::Serialize;

/// After so long without a row, somebody should look, in seconds.
const STALE: i64 = 6 * 3_600;
/// Lists that are named.
const NAMED: usize = 3;

/// A light.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Light {
    /// What it is about.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) state: State,
    /// The same in words.
    pub(super) says: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Good,
    /// Nobody can be asked.
    Unknown,
    /// Mail is served, but somebody should look.
    Warning,
    /// It does not work.
    Bad,
}

impl State {
    /// The word that stands in its place where there are no colours.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Unknown => "?",
            Self::Warning => "look",
            Self::Bad => "FAIL",
        }
    }
}

fn light(name: &'static str, state: State, says: impl Into<String>) -> Light {
    Light { name, state, says: says.into() }
}

fn good_if(is: bool) -> State {
    if is { State::Good } else { State::Warning }
}

/// All lights; `newest` is the time of the journal's newest row.
pub(super) fn lights(status: &Result<Status, Unanswered>, newest: Option<i64>, now: i64) -> Vec<Light> {
    let age = newest.map(|newest| now.saturating_sub(newest).max(0));
    let status = match status {
        Ok(status) => status,
        Err(why) => {
            let state = match why {
                Unanswered::Silent(_) => State::Bad,
                Unanswered::Denied | Unanswered::Says(_) => State::Unknown,
            };
            let fresh = good_if(age.is_some_and(|age| age < STALE));
            return vec![light("daemon", state, why.to_string()), light("journal", fresh, newest_row(age))];
        }
    };
    let up = span(status.now.0.saturating_sub(status.started.0));
    let mut lights = vec![light("daemon", State::Good, format!("{} answers, up {up}", status.version))];
    let refused = status.configuration.refused.is_some();
    let loaded = "the last reload was refused, the old configuration stays in force";
    let says = if refused { loaded.to_owned() } else { format!("{} in force", status.configuration.source) };
    lights.push(light("configuration", good_if(!refused), says));
    lights.push(journal(status, newest, age));
    lights.push(dns_lists(&status.lists));
    let resolver = &status.resolver;
    let says = if resolver.answers { "answers" } else { "no DNS server answers" };
    lights.push(light(
        "resolver",
        good_if(resolver.answers),
        format!("{says}; {} timeouts", resolver.timeouts),
    ));
    lights.push(databases(status));
    let quiet = status.log_dropped == 0 && status.bugs == 0;
    let says = format!("{} log lines lost, {} bugs caught", status.log_dropped, status.bugs);
    lights.push(light("log", good_if(quiet), says));
    lights
}

fn newest_row(age: Option<i64>) -> String {
    age.map_or_else(|| "it has no row yet".to_owned(), |age| format!("newest row {} old", span(age)))
}

fn journal(status: &Status, newest: Option<i64>, age: Option<i64>) -> Light {
    let Some(recorded) = &status.journal else {
        return light("journal", State::Warning, "the running daemon keeps none");
    };
    let row = newest_row(age);
    if !recorded.file.works {
        return light("journal", State::Bad, format!("its file fails, nothing is recorded; {row}"));
    }
    let silent = status.decisions.all() > 0 && newest.is_none_or(|newest| newest < status.started.0);
    if silent {
        return light("journal", State::Warning, format!("nothing recorded since the daemon began; {row}"));
    }
    let lost = match recorded.dropped {
        0 => "no record lost".to_owned(),
        lost => format!("{lost} records lost"),
    };
    let fresh = age.is_none_or(|age| age < STALE);
    light("journal", good_if(fresh && recorded.dropped == 0), format!("{row}, {lost}"))
}

fn dns_lists(lists: &[List]) -> Light {
    let aside: Vec<&List> = lists.iter().filter(|list| list.state == "set_aside").collect();
    if aside.is_empty() {
        let says = match lists.len() {
            0 => "the policy asks none".to_owned(),
            1 => "1 in use, not set aside".to_owned(),
            count => format!("{count} in use, none set aside"),
        };
        return light("DNS lists", State::Good, says);
    }
    let one = |list: &&List| match &list.trouble {
        Some(trouble) => format!("{} (it {trouble})", list.zone),
        None => list.zone.clone(),
    };
    let named: Vec<String> = aside.iter().take(NAMED).map(one).collect();
    let more = match aside.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    light("DNS lists", State::Warning, format!("set aside, not asked: {}{more}", named.join(", ")))
}

fn databases(status: &Status) -> Light {
    let greylist = status.greylist.as_ref().map(|file| ("greylist", file));
    let journal = status.journal.as_ref().map(|journal| ("journal", &journal.file));
    let files: Vec<(&str, &Working)> =
        greylist.into_iter().chain([("exemptions", &status.exemptions.file)]).chain(journal).collect();
    let names = |works: bool| {
        let names: Vec<&str> =
            files.iter().filter(|(_, file)| file.works == works).map(|(name, _)| *name).collect();
        names.join(", ")
    };
    let faults: u64 = files.iter().map(|(_, file)| file.faults).sum();
    let says = match (names(true), names(false)) {
        (work, fail) if fail.is_empty() && faults == 0 => format!("no fault: {work}"),
        (work, fail) if fail.is_empty() => format!("work again after {faults} faults: {work}"),
        (_, fail) => format!("fail: {fail}"),
    };
    light("databases", good_if(names(false).is_empty()), says)
}

/// A time in its largest units.
fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::status::tests::well,
        server::status::{Journal, Working},
        time::Timestamp,
    };

    fn told(status: Status, newest: Option<i64>) -> Vec<String> {
        let lights = lights(&Ok(status), newest, 90_061);
        lights.iter().map(|light| format!("{} {}: {}", light.state.word(), light.name, light.says)).collect()
    }

    #[test]
    fn every_fault_has_its_light() {
        let well_told = [
            "ok daemon: 1 answers, up 1 d 1 h",
            "ok configuration: f in force",
            "ok journal: newest row 11 s old, no record lost",
            "ok DNS lists: the policy asks none",
            "ok resolver: answers; 0 timeouts",
            "ok databases: no fault: greylist, exemptions, journal",
            "ok log: 0 log lines lost, 0 bugs caught",
        ];
        assert_eq!(told(well(), Some(90_050)), well_told);
        let broken = || Working { works: false, faults: 1, recoveries: 0 };
        let aside = List {
            zone: "bl.example".to_owned(),
            place: "f:1".to_owned(),
            state: "set_aside".to_owned(),
            trouble: Some("lists everything".to_owned()),
            advice: None,
        };
        type Change = Box<dyn Fn(&mut Status)>;
        let recorded = |dropped, file| Some(Journal { rows: 1, written: 1, queued: 0, dropped, file });
        let cases: [(&str, Change); 9] = [
            (
                "look configuration: the last reload was refused, the old configuration stays in force",
                Box::new(|s| s.configuration.refused = Some(Timestamp(1))),
            ),
            ("look journal: the running daemon keeps none", Box::new(|s| s.journal = None)),
            (
                "FAIL journal: its file fails, nothing is recorded; newest row 11 s old",
                Box::new(move |s| s.journal = recorded(0, broken())),
            ),
            (
                "look journal: newest row 11 s old, 3 records lost",
                Box::new(move |s| s.journal = recorded(3, Working { works: true, ..broken() })),
            ),
            (
                "look journal: nothing recorded since the daemon began; newest row 11 s old",
                Box::new(|s| s.started = Timestamp(90_055)),
            ),
            (
                "look DNS lists: set aside, not asked: bl.example (it lists everything)",
                Box::new(move |s| s.lists = vec![aside.clone()]),
            ),
            ("look resolver: no DNS server answers; 0 timeouts", Box::new(|s| s.resolver.answers = false)),
            ("look databases: fail: greylist", Box::new(move |s| s.greylist = Some(broken()))),
            ("look log: 0 log lines lost, 2 bugs caught", Box::new(|s| s.bugs = 2)),
        ];
        for (want, change) in cases {
            let mut status = well();
            change(&mut status);
            let told = told(status, Some(90_050));
            assert!(told.iter().any(|line| line == want), "{want}: {told:?}");
        }
        assert_eq!(told(well(), Some(1_000))[2], "look journal: newest row 1 d 0 h old, no record lost");
    }

    #[test]
    fn without_the_daemon_there_is_still_the_journal() {
        let silent = Err(Unanswered::Silent(std::io::ErrorKind::NotFound.into()));
        let of = |status: &Result<Status, Unanswered>, newest| {
            lights(status, newest, 100)
                .iter()
                .map(|light| (light.state, light.says.clone()))
                .collect::<Vec<_>>()
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(
            of(&silent, None),
            [(State::Bad, text("the daemon does not run")), (State::Warning, text("it has no row yet"))]
        );
        let denied = Err(Unanswered::Denied);
        assert_eq!(of(&denied, Some(90))[0].0, State::Unknown);
        assert_eq!(of(&denied, Some(90))[1], (State::Good, text("newest row 10 s old")));
    }
}
