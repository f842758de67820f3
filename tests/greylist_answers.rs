//! What the commands of `mailward greylist` say to an administrator, and the file that they make where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    cli::{self, Exit},
    lookup::greylist::Observation,
    store::{Filter, GreylistStore},
    time::Timestamp,
};
use rusqlite::Connection;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};
use support::{
    directory::Directory,
    greylist::{T, attempt, command, known_by, rows, say, sqlite},
};

/// Runs `mailward greylist` with a configuration: how it ended, what it answered, what it complained of.
fn configured(directory: &Directory, config: &str, arguments: &[&str]) -> (Exit, String, String) {
    let config = directory.file("mailward.toml", config);
    let all = ["mailward", "greylist", "-c", config.to_str().unwrap()];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = all.iter().chain(arguments);
    // A thread of its own, as a process would be: the command has a runtime of its own too.
    let exit = std::thread::scope(|scope| scope.spawn(|| cli::run(all, &mut out, &mut err)).join().unwrap());
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn what_writes_makes_the_file_before_the_daemon_ever_ran() {
    let entries = "WHITE|192.0.2.9|||1|2|9999999999|0|7\n";
    let cases: [&[&str]; 4] = [
        &["import", "spamd", "FILE"],
        &["open", "bob@example.org", "30m"],
        &["opt-out", "bob@example.org"],
        &["opt-in", "bob@example.org"],
    ];
    for arguments in cases {
        let directory = Directory::new();
        let spamdb = directory.file("spamdb", entries).display().to_string();
        let path = directory.path().join("greylist.db");
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == "FILE" { &spamdb } else { *word }).collect();
        let (exit, _, err) = command(&directory, "", &arguments);
        let want = format!("mailward: there was no greylist yet: {} is made\n", path.display());
        assert_eq!((exit, err), (Exit::Success, want), "{arguments:?}");
        let (file, place) = (fs::metadata(&path).unwrap(), fs::metadata(directory.path()).unwrap());
        assert_eq!((file.uid(), file.gid()), (place.uid(), place.gid()), "it is the daemon's");
        assert_eq!(file.permissions().mode() & 0o137, 0);
        let (exit, _, err) = command(&directory, "", &arguments);
        assert_eq!((exit, err.as_str()), (Exit::Success, ""), "once");
        assert_eq!(command(&directory, "", &["stats"]).0, Exit::Success);
    }
}

#[test]
fn no_file_is_made_where_none_is_wanted() {
    let directory = Directory::new();
    let spamdb = directory.file("spamdb", "WHITE|192.0.2.9|||1|2|9999999999|0|7\n").display().to_string();
    let path = directory.path().join("greylist.db");
    let (exit, out, err) = command(&directory, "", &["import", "spamd", &spamdb, "--dry-run"]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    assert!(out.ends_with("nothing was changed\n"), "{out}");
    for reader in [&["list"][..], &["show", "bob@example.org"], &["stats"], &["export"], &["purge"]] {
        let want = format!(
            "mailward: there is no greylist at {}: `mailward run` makes it when a policy greylists, \
             `mailward greylist import` when it takes something over\n",
            path.display()
        );
        assert_eq!(command(&directory, "", reader), (Exit::Unavailable, String::new(), want));
    }
    assert!(!path.exists());
    let nowhere = directory.path().join("mistyped");
    let config = format!("[greylist]\nstore = 'sqlite:{}/greylist.db'\n", nowhere.display());
    let want = format!(
        "mailward: there is no directory {} for the greylist: make it, writable for the daemon, or mend `store` of \
         [greylist]\n",
        nowhere.display()
    );
    let said = configured(&directory, &config, &["opt-out", "bob@example.org"]);
    assert_eq!(said, (Exit::CannotCreate, String::new(), want));
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn a_list_that_ends_at_its_limit_says_so() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    for number in 0..3 {
        say(&store, attempt(&format!("{number}@x.example"), 0)).await;
    }
    let note = "mailward: the latest 2 rows are shown, and there are more: see --limit\n";
    for (arguments, lines, want) in [
        (&["list", "--limit", "2"][..], 3, note),
        (&["list", "--limit", "3"], 4, ""),
        (&["list", "--sender", "1@x.example", "--limit", "1"], 2, ""),
        (&["list"], 4, ""),
    ] {
        let (_, out, err) = command(&directory, "", arguments);
        assert_eq!((out.lines().count(), err.as_str()), (lines, want), "{arguments:?}");
    }
    let (_, out, err) = command(&directory, "", &["list", "--limit", "2", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((rows.as_array().unwrap().len(), err.as_str()), (2, ""));
}

#[tokio::test]
async fn of_many_rows_the_first_are_shown_and_json_has_more() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    for number in 0..25 {
        say(&store, attempt(&format!("a@{number}.example"), 0)).await;
    }
    let (exit, out, err) = command(&directory, "", &["show", "to@rcpt.example"]);
    let note = "mailward: the first 20 rows are shown, and there are more: see `mailward greylist list`\n";
    assert_eq!((exit, out.matches(" waits since ").count(), err.as_str()), (Exit::Success, 20, note));
    let (_, out, err) = command(&directory, "", &["show", "to@rcpt.example", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((all["rows"].as_array().map(Vec::len), err.as_str()), (Some(25), ""));
}

#[tokio::test]
async fn what_an_administrator_let_pass_is_told_apart_and_its_first_mail_is_seen() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    let mail = |after| Observation { vouchers: Vec::new(), ..attempt("a@x.example", after) };
    assert_eq!(say(&store, mail(0)).await, "New 240");
    assert_eq!(store.pass(Filter::default(), Timestamp(T + 10)).await.unwrap(), 1);
    let shown = || {
        let (_, out, _) = command(&directory, "", &["show", "a@x.example"]);
        let lines: Vec<&str> = out.lines().map(str::trim).collect();
        (lines[1].to_owned(), lines[2].split_once(", ").unwrap().1.to_owned())
    };
    let passed = "passed by an administrator Mon, 01 May 2006 00:00:10 +0000";
    assert_eq!(shown(), (format!("{passed}, no mail since"), "deferred once".to_owned()));
    assert_eq!(say(&store, mail(16)).await, "Passed");
    assert_eq!(shown(), (passed.to_owned(), "deferred once, mail in 1 hour".to_owned()));
    assert_eq!(say(&store, mail(17)).await, "Passed");
    assert_eq!(shown().1, "deferred once, mail in 1 hour");
    assert_eq!(say(&store, mail(4_000)).await, "Passed");
    assert_eq!(shown().1, "deferred once, mail in 2 hours");
    let stats = store.stats(known_by()).await.unwrap();
    assert_eq!((stats.passed, stats.delays.iter().map(|(_, mails)| mails).sum::<u64>()), (1, 0));
    // A wait that begins anew is none of an administrator's.
    assert_eq!(say(&store, mail(4_000_000)).await, "New 240");
    assert_eq!(rows(&store).await[0].origin, "smtp");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_helps() {
    let directory = Directory::new();
    assert_eq!(command(&directory, "", &["opt-out", "bob@example.org"]).0, Exit::Success);
    let path = directory.path().join("greylist.db");
    let said = |what: &str| format!("mailward: the greylist {} {what}\n", path.display());
    let locks = Connection::open(&path).unwrap();
    locks.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = said("is locked by another program: try again in a moment");
    let patience = "busy_timeout = '10ms'";
    assert_eq!(
        command(&directory, patience, &["opt-out", "ann@example.org"]),
        (Exit::Temporary, String::new(), locked.clone())
    );
    let dump = directory.file("spamdb", "WHITE|192.0.2.9|||1|2|9999999999|0|7\n");
    let (exit, _, err) = command(&directory, patience, &["import", "spamd", dump.to_str().unwrap()]);
    assert_eq!((exit, err), (Exit::Temporary, locked));
    assert_eq!(command(&directory, patience, &["exemptions"]).0, Exit::Success, "looking waits for nobody");
    locks.execute_batch("ROLLBACK").unwrap();
    drop(locks);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let want = said("is a directory: name a file in `store` of [greylist]");
    for arguments in [&["list"][..], &["opt-out", "bob@example.org"]] {
        let want = (Exit::Configuration, String::new(), want.clone());
        assert_eq!(command(&directory, "", arguments), want, "{arguments:?}");
    }
}

#[tokio::test]
async fn statistics_say_what_their_delays_leave_out() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    let heading = || {
        let (_, out, _) = command(&directory, "", &["stats"]);
        out.lines().find(|line| line.starts_with("What passed had waited")).unwrap().to_owned()
    };
    let mail = |sender: &str, after| Observation { vouchers: Vec::new(), ..attempt(sender, after) };
    assert_eq!(say(&store, mail("a@x.example", 0)).await, "New 240");
    assert_eq!(say(&store, mail("a@x.example", 300)).await, "opened 300");
    assert_eq!(heading(), "What passed had waited:");
    for (number, want) in [
        (1, "What passed had waited (without 1 row imported or let pass by hand):"),
        (2, "What passed had waited (without 2 rows imported or let pass by hand):"),
    ] {
        assert_eq!(say(&store, mail(&format!("{number}@y.example"), 0)).await, "New 240");
        assert_eq!(store.pass(Filter::default(), Timestamp(T + 10)).await.unwrap(), 1);
        assert_eq!(heading(), want);
    }
}
