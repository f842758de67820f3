//! `mailward greylist import` and `export`: every format, twice.
//!
//! In the files of tests/import_greylist `{-60}` stands for a minute ago; its README says who wrote which.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    cli::Exit,
    time::{Clock, SystemClock},
};
use std::{fs, path::Path};
use support::{
    directory::Directory,
    greylist::{attempt, command, empty, say, sqlite},
};

/// A text of tests/import_greylist, its times made real.
fn text(name: &str, now: i64) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import_greylist").join(name);
    let mut text = fs::read_to_string(path).unwrap();
    while let Some(begin) = text.find('{') {
        let end = begin + text[begin..].find('}').unwrap();
        let offset: i64 = text[begin + 1..end].parse().unwrap();
        text.replace_range(begin..=end, &(now + offset).to_string());
    }
    text
}

/// What an export says, without origins, times relative to now.
fn exported(directory: &Directory, now: i64, known: bool) -> Vec<String> {
    let arguments: &[&str] = if known { &["export", "--known"] } else { &["export"] };
    let (exit, out, err) = command(directory, "", arguments);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    let shown = |field: &str| match field.parse::<i64>() {
        Ok(time) if time > 1_000_000_000 => (time - now).to_string(),
        _ => field.to_owned(),
    };
    let line = |line: &str| line.split(',').map(shown).collect::<Vec<_>>().join(",");
    out.lines().skip(1).map(line).collect()
}

/// A format's file, what the import says of it, and what it leaves.
struct Case {
    from: &'static str,
    file: &'static str,
    says: &'static str,
    faults: &'static [&'static str],
    rows: &'static [&'static str],
    known: &'static [&'static str],
}

const CASES: [Case; 9] = [
    Case {
        from: "postgrey",
        file: "postgrey.dump",
        says: "postgrey: 4 rows and 2 known clients, 0 entries of no use, 2 faulty\n",
        faults: &["line 12: it is hashed by --privacy", "line 14: it has no recipient"],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-400,-50,-100,1,1,,,import:postgrey",
            "192.0.2.0/24,new@x.example,to@rcpt.example,-100,-50,,2,0,,,import:postgrey",
            "198.51.100.0/24,a/b@y.example,c/d@rcpt.example,-100,-100,,1,0,198.51.100.7,,import:postgrey",
            "2001:db8:0:1::/64,,to@rcpt.example,-100,-100,,1,0,,,import:postgrey",
        ],
        known: &[
            "192.0.2.0/24,x.example,1,-50,-100,-50,0,import:postgrey",
            "198.51.100.9,,5,-3600,-3600,-3600,0,import:postgrey",
            "2001:db8:0:2::/64,,1,-3600,-3600,-3600,0,import:postgrey",
        ],
    },
    Case {
        from: "sqlgrey",
        file: "sqlgrey.sql",
        says: "sqlgrey: 3 rows and 2 known clients, 1 entry of no use, 1 faulty\n",
        faults: &["connect, row 4: `192.0` is neither an address nor a network"],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-100,-100,,1,0,,,import:sqlgrey",
            "198.51.100.0/24,,to@rcpt.example,-100,-100,,1,0,198.51.100.7,,import:sqlgrey",
        ],
        known: &[
            "2001:db8:0:1::/64,y.example,1,-3600,-90000,-3600,0,import:sqlgrey",
            "203.0.113.0/24,z.example,1,-3600,-90000,-3600,0,import:sqlgrey",
        ],
    },
    Case {
        from: "sqlgrey",
        file: "sqlgrey-from_awl.csv",
        says: "sqlgrey: 0 rows and 1 known client, 0 entries of no use, 0 faulty\n",
        faults: &[],
        rows: &[],
        known: &["192.0.2.0/24,y.example,1,-3600,-90000,-3600,0,import:sqlgrey"],
    },
    Case {
        from: "milter-greylist",
        file: "milter-greylist.db",
        says: "milter-greylist: 3 rows and 0 known clients, 1 entry of no use, 2 faulty\n",
        faults: &["line 18: `soon` is not a time in Unix seconds", "line 19: it has no sender in brackets"],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-300,-300,,1,0,192.0.2.1,,import:milter-greylist",
            "198.51.100.0/24,a@y.example,odd local@rcpt.example,-3600,-3600,-3600,1,1,198.51.100.7,,import:milter-greylist",
            "2001:db8:0:1::/64,,to@rcpt.example,-1860,-1860,,1,0,2001:db8:0:1::7,,import:milter-greylist",
        ],
        known: &["198.51.100.0/24,y.example,1,-3600,-3600,-3600,0,import:milter-greylist"],
    },
    Case {
        from: "greylistd",
        file: "greylistd",
        says: "greylistd: 2 rows and 1 known client, 0 entries of no use, 2 faulty\n",
        faults: &["line 4: `triplets` does not say what it is", "line 8: it has not three numbers"],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-90000,-3600,-3600,1,1,192.0.2.1,,import:greylistd",
            "198.51.100.0/24,,to@rcpt.example,-200,-100,,2,0,,,import:greylistd",
        ],
        known: &[
            "192.0.2.0/24,x.example,1,-3600,-3600,-3600,0,import:greylistd",
            "192.0.2.9,,2,-7200,-7200,-7200,0,import:greylistd",
        ],
    },
    Case {
        from: "spamd",
        file: "spamdb.txt",
        says: "spamd: 2 rows and 1 known client, 2 entries of no use, 2 faulty\n",
        faults: &["line 4: `not an address` is not an address", "line 7: it is not a line of spamdb"],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-100,-100,,1,0,192.0.2.1,,import:spamd",
            "198.51.100.0/24,,to@rcpt.example,-200,-200,,1,0,198.51.100.1,,import:spamd",
        ],
        known: &["192.0.2.9,,7,-110400,-900000,-110400,0,import:spamd"],
    },
    Case {
        from: "greylistd",
        file: "written/greylistd",
        says: "greylistd: 3 rows and 1 known client, 0 entries of no use, 1 faulty\n",
        faults: &["line 8: it is not a triplet"],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-600,-600,-600,1,1,192.0.2.1,,import:greylistd",
            "198.51.100.0/24,,to@rcpt.example,-603,-603,,1,0,198.51.100.7,,import:greylistd",
            "2001:db8:0:1::/64,a@y.example,to@rcpt.example,-603,-603,,1,0,2001:db8:0:1::7,,import:greylistd",
        ],
        known: &[
            "192.0.2.0/24,x.example,1,-600,-600,-600,0,import:greylistd",
            "192.0.2.9,,2,-600,-600,-600,0,import:greylistd",
        ],
    },
    Case {
        from: "milter-greylist",
        file: "written/milter-greylist.db",
        says: "milter-greylist: 3 rows and 0 known clients, 0 entries of no use, 0 faulty\n",
        faults: &[],
        rows: &[
            "192.0.2.0/24,bob@x.example,rcpt1425@example.org,-2402,-2402,,1,0,192.0.2.1,,import:milter-greylist",
            "198.51.100.0/24,,rcpt2023@example.org,-2402,-2402,,1,0,198.51.100.9,,import:milter-greylist",
            "198.51.100.0/24,a@y.example,rcpt1469@example.org,-600,-600,-600,1,1,198.51.100.7,,import:milter-greylist",
        ],
        known: &["198.51.100.0/24,y.example,1,-600,-600,-600,0,import:milter-greylist"],
    },
    Case {
        from: "sqlgrey",
        file: "written/sqlgrey.sql",
        says: "sqlgrey: 3 rows and 2 known clients, 1 entry of no use, 0 faulty\n",
        faults: &[],
        rows: &[
            "192.0.2.0/24,bob@x.example,to@rcpt.example,-664,-664,,1,0,,,import:sqlgrey",
            "192.0.2.0/24,o'brien@q.example,to@rcpt.example,-664,-664,,1,0,,,import:sqlgrey",
            "203.0.113.0/24,bounce-#-x@lists.z.example,to@rcpt.example,-664,-664,,1,0,,,import:sqlgrey",
        ],
        known: &[
            "2001:db8:0:1::/64,y.example,1,-600,-664,-600,0,import:sqlgrey",
            "203.0.113.0/24,z.example,1,-600,-664,-600,0,import:sqlgrey",
        ],
    },
];

/// Makes the file of a case in the form in which the other greylister has it.
fn made(directory: &Directory, file: &str, now: i64) -> String {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let path = directory.path().join(name);
    match name {
        "greylistd" => {
            fs::create_dir(&path).unwrap();
            for part in ["states", "triplets"] {
                fs::write(path.join(part), text(&format!("{file}/{part}"), now)).unwrap();
            }
        }
        "sqlgrey.sql" => {
            rusqlite::Connection::open(&path).unwrap().execute_batch(&text(file, now)).unwrap();
        }
        _ => fs::write(&path, text(file, now)).unwrap(),
    }
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_format_is_taken_over_once() {
    for case in CASES {
        let (directory, now) = (empty().await, SystemClock.now().0);
        let file = made(&directory, case.file, now);
        let (exit, dry, _) = command(&directory, "", &["import", case.from, &file, "--dry-run"]);
        assert!(
            exit == Exit::Success && dry.starts_with(case.says) && dry.ends_with("nothing was changed\n"),
            "{dry}"
        );
        assert!(exported(&directory, now, false).is_empty());
        let (exit, says, faults) = command(&directory, "", &["import", case.from, &file]);
        let (first, second) = says.split_once('\n').unwrap();
        assert_eq!((exit, format!("{first}\n").as_str()), (Exit::Success, case.says), "{faults}");
        let faults: Vec<&str> = faults.lines().map(|line| line.strip_prefix("mailward: ").unwrap()).collect();
        assert_eq!(faults, case.faults);
        assert_eq!(exported(&directory, now, false), case.rows, "{}", case.file);
        assert_eq!(exported(&directory, now, true), case.known, "{}", case.file);
        let counts = |what: &str, new: usize, same: usize, expired: &str| {
            format!("{what:<14} {new} new, 0 improved, {same} changed nothing, {expired} too old")
        };
        let expired: Vec<&str> = second.lines().map(|line| line.rsplit(' ').nth(2).unwrap()).collect();
        let (rows, known) = (case.rows.len(), case.known.len());
        let want = [counts("rows", rows, 0, expired[0]), counts("known clients", known, 0, expired[1])];
        assert_eq!(second.lines().collect::<Vec<_>>(), want);
        let (_, again, _) = command(&directory, "", &["import", case.from, &file]);
        let want = [counts("rows", 0, rows, expired[0]), counts("known clients", 0, known, expired[1])];
        assert_eq!(again.lines().skip(1).collect::<Vec<_>>(), want);
        assert_eq!(exported(&directory, now, false), case.rows);
    }
}

#[tokio::test]
async fn an_export_is_an_import() {
    let (directory, now) = (empty().await, SystemClock.now().0);
    let file = made(&directory, "postgrey.dump", now);
    command(&directory, "", &["import", "postgrey", &file]);
    // What SMTP lets through: quotes, commas, line ends.
    let odd = attempt("\"a,\r\n\"b\"@w.example", now - support::greylist::T);
    assert_eq!(say(&sqlite(&directory), odd).await, "New 240");
    for arguments in [&["export"][..], &["export", "--known"]] {
        let (_, csv, _) = command(&directory, "", arguments);
        let other = empty().await;
        let path = other.file("greylist.csv", &csv);
        let (exit, _, err) = command(&other, "", &["import", "csv", path.to_str().unwrap()]);
        assert_eq!((exit, err.as_str()), (Exit::Success, ""));
        assert_eq!(command(&other, "", arguments).1, csv);
        let (_, json, _) = command(&directory, "", &[arguments, &["--json"]].concat());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json.as_array().unwrap().len(), if arguments.len() == 1 { 5 } else { 3 });
    }
}

#[tokio::test]
async fn exemptions_move_with_an_export() {
    let directory = empty().await;
    for arguments in [
        &["open", "bob@rcpt.example", "30m", "--reason", "waits for a code, \"soon\""][..],
        &["opt-out", "m\u{fc}nchen.example"],
        &["opt-in", "rcpt.example", "--reason", "asked for it"],
    ] {
        assert_eq!(command(&directory, "", arguments).0, Exit::Success);
    }
    let (exit, csv, err) = command(&directory, "", &["export", "--exemptions"]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "kind,value,until,reason,created"));
    assert!(
        lines[1].starts_with("open,bob@rcpt.example,1")
            && lines[1].contains("\"waits for a code, \"\"soon\"\"\"")
    );
    assert!(lines[2].starts_with("opt_in,rcpt.example,,asked for it,"), "{csv}");
    assert!(lines[3].starts_with("opt_out,xn--mnchen-3ya.example,,,"), "{csv}");
    let other = empty().await;
    let path = other.file("exemptions.csv", &csv);
    let import = ["import", "csv", path.to_str().unwrap()];
    let head = "csv: 0 rows, 0 known clients and 3 exemptions, 0 entries of no use, 0 faulty\n";
    let (_, said, _) = command(&other, "", &[&import[..], &["--dry-run"]].concat());
    assert_eq!(said, format!("{head}3 exemptions would be taken over, 0 are too old; nothing was changed\n"));
    let (exit, said, err) = command(&other, "", &import);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    let became = "exemptions     3 new, 0 improved, 0 changed nothing, 0 too old\n";
    assert_eq!(said, format!("{head}{became}"));
    assert_eq!(command(&other, "", &["export", "--exemptions"]).1, csv);
    let json = |directory, arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&command(directory, "", arguments).1).unwrap()
    };
    let listed = json(&directory, &["exemptions", "--json"]);
    assert_eq!(json(&other, &["exemptions", "--json"]), listed);
    assert_eq!(json(&other, &["export", "--exemptions", "--json"]), listed);
    // What cannot be one is told, what has ended is too old.
    let odd = "kind,value,until,reason,created\nopen,a@x.example,9,,1\nnever,a@x.example,,,1\nopen,,,,1\n\
               open,a@x.example,soon,,1\n";
    let odd = other.file("odd.csv", odd);
    let (exit, said, err) = command(&other, "", &["import", "csv", odd.to_str().unwrap()]);
    let want = "mailward: line 3: `never` is not open, opt_in or opt_out\n\
                mailward: line 4: `` is neither an address nor a domain: write one such as bob@example.org or example.org\n\
                mailward: line 5: `soon` is not a time in Unix seconds\n";
    assert_eq!((exit, err.as_str()), (Exit::Success, want));
    assert!(said.ends_with("0 new, 0 improved, 0 changed nothing, 1 too old\n"), "{said}");
}

#[tokio::test]
async fn with_postgrey_s_profile_keys_are_postgrey_s() {
    let (directory, now) = (empty().await, SystemClock.now().0);
    let file = made(&directory, "postgrey.dump", now);
    let (exit, says, _) = command(&directory, "profile = 'postgrey'", &["import", "postgrey", &file]);
    assert!(exit == Exit::Success && says.starts_with("postgrey: 4 rows and 2 known clients"), "{says}");
    let want = [
        "198.51.100.9,,5,-3600,-3600,-3600,0,import:postgrey",
        "2001:db8:0:2::1,,1,-3600,-3600,-3600,0,import:postgrey",
    ];
    assert_eq!(exported(&directory, now, true), want);
}

#[tokio::test]
async fn what_sqlgrey_has_of_who_opted_out_is_told_with_the_way_to_take_it_over() {
    let directory = empty().await;
    let path = directory.path().join("sqlgrey.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch(&text("written/sqlgrey.sql", SystemClock.now().0)).unwrap();
    theirs.execute_batch("INSERT INTO optout_email VALUES ('free@example.org')").unwrap();
    theirs.execute_batch("INSERT INTO optin_domain VALUES ('a.example'), ('b.example')").unwrap();
    let (exit, _, err) = command(&directory, "", &["import", "sqlgrey", path.to_str().unwrap()]);
    let want = format!(
        "mailward: 1 row of optout_email not taken over. Where sqlgrey's `optmethod` used it:\n  \
         sqlite3 {path} 'SELECT email FROM optout_email' |\n  \
         while read -r who; do mailward greylist opt-out \"$who\" --reason sqlgrey; done\n\
         mailward: 2 rows of optin_domain not taken over. Where sqlgrey's `optmethod` used it:\n  \
         sqlite3 {path} 'SELECT domain FROM optin_domain' |\n  \
         while read -r who; do mailward greylist opt-in \"$who\" --reason sqlgrey; done\n  \
         and set `opt_in = true` in [greylist]\n",
        path = path.display()
    );
    assert_eq!((exit, err), (Exit::Success, want));
}

#[tokio::test]
async fn rows_that_no_store_can_have_are_faults_with_their_line() {
    let directory = empty().await;
    let now = SystemClock.now().0;
    let rows = format!(
        "client,sender,recipient,first_seen,last_seen,passed_at,deferred,passed,last_ip,last_name,origin\n\
         nonsense,a@x.example,to@rcpt.example,{now},{now},,1,0,,,smtp\n\
         0.0.0.0/0,a@x.example,to@rcpt.example,{now},{now},,1,0,,,smtp\n\
         192.0.2.0/24,a@x.example,,{now},{now},,1,0,,,smtp\n\
         192.0.2.0/24,a@x.example,to@rcpt.example,{now},{now},,1,0,,,evil\n\
         192.0.2.0/24,a@x.example,to@rcpt.example,{now},{now},,1,0,,,import:postgrey\n"
    );
    let path = directory.file("greylist.csv", &rows);
    let (exit, out, err) = command(&directory, "", &["import", "csv", path.to_str().unwrap()]);
    let no_client =
        "is not a client: an address, a network of 8 bits or more (IPv6: 16), or `ptr:` and a domain";
    let want = format!(
        "mailward: line 2: `nonsense` {no_client}\n\
         mailward: line 3: `0.0.0.0/0` {no_client}\n\
         mailward: line 4: it has no recipient\n\
         mailward: line 5: `evil` is not an origin: smtp, observe, admin, or import: and a format\n"
    );
    assert_eq!((exit, err), (Exit::Success, want));
    assert!(
        out.starts_with(
            "csv: 1 row and 0 known clients, 0 entries of no use, 4 faulty\nrows           1 new"
        ),
        "{out}"
    );
}
