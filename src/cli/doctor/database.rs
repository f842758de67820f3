//! A database file: whether it is there, is ours, holds together, can be written, and has room.

use super::finding::{Finding, Level};
use crate::sqlite::{Contents, Mark, Soundness};
use std::{fmt, path::PathBuf};

/// What is known of a file.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// `the greylist`.
    pub(super) name: &'static str,
    /// Its path.
    pub(super) path: PathBuf,
    /// What it is recognised by.
    pub(super) mark: Mark,
    /// Whether the daemon moves a corrupt one aside when it starts, and makes it anew.
    pub(super) renewed: bool,
    /// What is found in it.
    pub(super) state: State,
    /// What the daemon says of it: whether it works.
    pub(super) works: Option<bool>,
    /// The disk it is on, or will be on.
    pub(super) disk: Option<Disk>,
    /// Whether the daemon may write it, or what keeps it from that; `None` if nobody knows who the daemon is.
    pub(super) writable: Option<Result<(), String>>,
}

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is none.
    Missing,
    /// We may not look.
    Denied,
    /// It can be read.
    Read {
        /// What is in it.
        contents: Contents,
        /// The file's size and that of its log, in bytes.
        sizes: (u64, u64),
    },
    /// It is from a newer version: found and known schema.
    Newer(i64, i64),
    /// It is another program's.
    Foreign,
    /// It fails, in these words.
    Fails(String),
}

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// The room that is left, in bytes.
    pub(super) free: u64,
    /// Whether nothing can be written.
    pub(super) read_only: bool,
}

/// Below this much room something is about to fail.
const SCARCE: u64 = 64 << 20;
/// Below this much room it is time to look after it.
const LITTLE: u64 = 1 << 30;
/// A log that grows beyond this is held by a reader that does not end.
const LONG_LOG: u64 = 256 << 20;

/// What to do about a corrupt file that the daemon itself renews.
const RENEW: &str = "put back a copy, or restart mailward: a corrupt file is moved aside and made anew";

const SUBJECT: &str = "database";
const REPLACE: &str = "stop mailward, put back a copy or move the file away, start mailward";

/// Judges it.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let path = facts.path.display();
    let (mut findings, mut say) = (Vec::new(), Vec::new());
    let what = format!("{path} ({})", facts.name);
    let mut problem = |level, text: String, fix: &str| {
        say.push(Finding::new(level, SUBJECT, format!("{what} {text}")).fix(fix));
    };
    match &facts.state {
        State::Missing => {}
        State::Denied => {
            problem(
                Level::Note,
                "may not be looked at".to_owned(),
                "run `mailward doctor` as root, or as a member of the group mailward",
            );
        }
        State::Read { contents, sizes } => contained(facts.mark, contents, *sizes, &mut problem),
        State::Newer(found, known) => problem(
            Level::Fail,
            format!("has schema {found}, this version knows {known}: the daemon does not start with it"),
            "install the newer mailward again, or put back a copy from before it",
        ),
        State::Foreign => problem(
            Level::Fail,
            "belongs to another program: the daemon does not start with it".to_owned(),
            "name another file in mailward.toml",
        ),
        State::Fails(why) => {
            let fix = if facts.renewed { RENEW } else { REPLACE };
            problem(Level::Fail, format!("cannot be read: {why}"), fix);
        }
    }
    if facts.works == Some(false) {
        problem(Level::Fail, "fails, says the daemon".to_owned(), "see its log: journalctl -u mailward");
    }
    let read_only = facts.disk.is_some_and(|disk| disk.read_only);
    if read_only {
        problem(
            Level::Fail,
            "is on a file system that is mounted read-only".to_owned(),
            "see dmesg: a failing disk is often remounted so",
        );
    } else if let Some(Err(barrier)) = &facts.writable {
        problem(
            Level::Fail,
            format!("cannot be written: {barrier}"),
            "it and its directory belong to mailward:mailward, with the modes 0640 and 0750",
        );
    }
    room(facts, &mut problem);
    if !say.iter().any(|finding| finding.level == Level::Fail) {
        findings.extend(well(facts));
    }
    findings.extend(say);
    findings
}

/// The line of a file that can be used.
fn well(facts: &Facts) -> Option<Finding> {
    let path = facts.path.display();
    let free = facts.disk.map(|disk| format!(", {} free", Bytes(disk.free))).unwrap_or_default();
    let name = facts.name;
    let text = match &facts.state {
        State::Missing => format!("{path} ({name}) is not there: it is made when it is first needed{free}"),
        State::Read { contents, sizes: (file, log) } => {
            let kind = if contents.wal { "WAL" } else { "no WAL" };
            let all = Bytes(file + log);
            let writable = if facts.writable.is_some() { ", writable" } else { "" };
            format!("{path} ({name}) {all}, {kind}, schema {}{writable}{free}", contents.schema)
        }
        State::Denied | State::Newer(..) | State::Foreign | State::Fails(_) => return None,
    };
    Some(Finding::new(Level::Ok, SUBJECT, text))
}

/// Judges what is in it.
fn contained(
    mark: Mark,
    contents: &Contents,
    (_, log): (u64, u64),
    problem: &mut impl FnMut(Level, String, &str),
) {
    match &contents.soundness {
        Soundness::Sound => {}
        Soundness::Broken(why) => problem(Level::Fail, format!("is corrupt: {}", clause(why)), REPLACE),
        Soundness::Unknown => problem(
            Level::Note,
            "is too large to be checked in passing".to_owned(),
            "sqlite3 -readonly FILE 'PRAGMA quick_check'",
        ),
    }
    if contents.schema < mark.schema && contents.schema > 0 {
        problem(
            Level::Note,
            format!("has schema {}, this version writes {}", contents.schema, mark.schema),
            "restart mailward: it keeps a copy and brings the file up to date",
        );
    }
    if log > LONG_LOG {
        problem(
            Level::Warn,
            format!("has a log of {}: a reader does not end", Bytes(log)),
            "look for a sqlite3 or a copy that hangs: fuser -v FILE",
        );
    }
}

/// The first thing that PRAGMA quick_check says, without the names of SQLite's own functions:
/// `*** in database main ***`, `Tree 2 page 2: btreeInitPage() returns error code 11`.
fn clause(why: &str) -> String {
    let mut lines = why.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with("***")).unwrap_or("it is damaged");
    match line.split_once(": ") {
        Some((place, what)) if what.contains("()") => format!("{} cannot be read", place.to_lowercase()),
        Some(_) | None => line.to_owned(),
    }
}

/// Judges the room on its disk.
fn room(facts: &Facts, problem: &mut impl FnMut(Level, String, &str)) {
    let Some(Disk { free, read_only: false }) = facts.disk else { return };
    if free >= LITTLE {
        return;
    }
    let level = if free < SCARCE { Level::Fail } else { Level::Warn };
    let fix = "make room; [journal] keep and max_size bound the journal";
    problem(level, format!("has only {} left on its disk", Bytes(free)), fix);
}

/// A number of bytes for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..0x10_0000 => (1_u64 << 10, "kB"),
            0x10_0000..0x4000_0000 => (1 << 20, "MB"),
            _ => (1 << 30, "GB"),
        };
        write!(f, "{} {name}", self.0.div_ceil(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::said;

    fn sound() -> State {
        let contents = Contents { schema: 2, wal: true, soundness: Soundness::Sound };
        State::Read { contents, sizes: (40_000, 9_000) }
    }

    fn facts() -> Facts {
        Facts {
            name: "the greylist",
            path: "/d/greylist.db".into(),
            mark: Mark { application_id: 1, schema: 2 },
            renewed: true,
            state: sound(),
            works: Some(true),
            disk: Some(Disk { free: 41 << 30, read_only: false }),
            writable: Some(Ok(())),
        }
    }

    fn contents(change: fn(&mut Contents)) -> State {
        let mut contents = Contents { schema: 2, wal: true, soundness: Soundness::Sound };
        change(&mut contents);
        State::Read { contents, sizes: (1, 0) }
    }

    #[test]
    fn a_file_that_can_be_used_has_one_line() {
        let well = "ok /d/greylist.db (the greylist) 48 kB, WAL, schema 2, writable, 41 GB free";
        assert_eq!(said(&check(&facts())), [well]);
        let missing = Facts { state: State::Missing, ..facts() };
        let want =
            "ok /d/greylist.db (the greylist) is not there: it is made when it is first needed, 41 GB free";
        assert_eq!(said(&check(&missing)), [want]);
    }

    #[test]
    fn what_is_corrupt_is_said_in_words() {
        let cases = [
            (
                "*** in database main ***\nTree 2 page 2: btreeInitPage() returns error code 11",
                "tree 2 page 2 cannot be read",
            ),
            (
                "*** in database main ***\nTree 2 page 2 cell 0: Rowid 1 out of order\nx",
                "Tree 2 page 2 cell 0: Rowid 1 out of order",
            ),
            ("row 1 missing from index i", "row 1 missing from index i"),
            ("", "it is damaged"),
        ];
        for (why, want) in cases {
            assert_eq!(clause(why), want);
        }
    }

    #[test]
    fn what_stops_it_fails_alone_what_is_odd_stands_beside() {
        let little = Disk { free: 500 << 20, read_only: false };
        let cases: [(Facts, &[&str]); 10] = [
            (
                Facts { state: State::Newer(9, 2), ..facts() },
                &["FAIL has schema 9, this version knows 2: the daemon does not start with it"],
            ),
            (Facts { state: State::Foreign, ..facts() }, &["FAIL belongs to another program"]),
            (
                Facts { state: State::Fails("disk I/O error".to_owned()), ..facts() },
                &["FAIL cannot be read: disk I/O error"],
            ),
            (
                Facts {
                    state: contents(|c| c.soundness = Soundness::Broken("page 3".to_owned())),
                    ..facts()
                },
                &["FAIL is corrupt: page 3"],
            ),
            (
                Facts { state: contents(|c| c.soundness = Soundness::Unknown), ..facts() },
                &["ok ", "note is too large to be checked in passing"],
            ),
            (
                Facts { state: contents(|c| c.schema = 1), ..facts() },
                &["ok ", "note has schema 1, this version writes 2"],
            ),
            (Facts { works: Some(false), ..facts() }, &["FAIL fails, says the daemon"]),
            (
                Facts { disk: Some(Disk { free: 9, read_only: true }), ..facts() },
                &["FAIL is on a file system that is mounted read-only"],
            ),
            (
                Facts { writable: Some(Err("it is root's".to_owned())), ..facts() },
                &["FAIL cannot be written: it is root's"],
            ),
            (Facts { disk: Some(little), ..facts() }, &["ok ", "warn has only 500 MB left on its disk"]),
        ];
        for (facts, want) in cases {
            let found = said(&check(&facts));
            let found: Vec<String> =
                found.iter().map(|line| line.replace("/d/greylist.db (the greylist) ", "")).collect();
            let matches = found.iter().zip(want).all(|(found, want)| found.starts_with(want));
            assert!(found.len() == want.len() && matches, "{found:?} {want:?}");
        }
        let wrong = |renewed| Facts { state: State::Fails("x".to_owned()), renewed, ..facts() };
        let fixes = [true, false].map(|renewed| check(&wrong(renewed))[0].fix.clone().unwrap());
        let renew = "put back a copy, or restart mailward: a corrupt file is moved aside and made anew";
        assert_eq!(fixes, [renew, REPLACE]);
        let denied = Facts { state: State::Denied, ..facts() };
        assert_eq!(check(&denied)[0].level, Level::Note);
    }
}
