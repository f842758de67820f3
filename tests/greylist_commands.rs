//! `mailward greylist` for an administrator: exemptions, ages, statistics, and an import beside a running daemon.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    cli::Exit,
    config::settings,
    lookup::greylist::{Observation, Terms},
    store::{GreylistStore, sqlite::SqliteStore},
    time::{Clock, SystemClock, Timestamp},
};
use rusqlite::Connection;
use std::{fmt::Write as _, fs, sync::Arc};
use support::{
    directory::Directory,
    greylist::{T, answer, attempt, command, known_by, now, rows, say, settings, sqlite},
};

#[test]
fn a_command_leaves_a_corrupt_file_where_it_is_and_says_so() {
    let directory = Directory::new();
    let garbage = "no database at all, and longer than a header of one would be; ".repeat(9);
    directory.file("greylist.db", &garbage);
    for arguments in [&["list"][..], &["show", "a@x.example"], &["stats"], &["purge"]] {
        let (exit, out, err) = command(&directory, "", arguments);
        let said = format!(
            "mailward: the greylist {}/greylist.db is not a database, or a broken one: see whether `store` of [greylist] \
             names the right file; if it does, restart mailward, which keeps it under another name and begins a new one\n",
            directory.path().display()
        );
        assert_eq!((exit, out.as_str(), err), (Exit::InputOutput, "", said), "{arguments:?}");
        assert_eq!(fs::read_to_string(directory.path().join("greylist.db")).unwrap(), garbage);
        let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let aside = files.filter(|name| name.to_string_lossy().contains("corrupt"));
        assert_eq!(aside.count(), 0);
    }
}

#[test]
fn a_command_leaves_an_older_file_to_the_daemon() {
    let directory = Directory::new();
    let old = Connection::open(directory.path().join("greylist.db")).unwrap();
    old.execute_batch(include_str!("../migrations/sqlite/0001_greylist.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 1196579148; PRAGMA user_version = 1").unwrap();
    let (exit, out, err) = command(&directory, "", &["list"]);
    assert_eq!((exit, out.as_str()), (Exit::Unavailable, ""), "{err}");
    let said = "greylist.db has schema 1, this version works with 3: the daemon of this version brings it up to date\n";
    assert!(err.starts_with("mailward: the greylist: /") && err.ends_with(said), "{err}");
    let version: i64 = old.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[tokio::test]
async fn recipients_are_exempted_listed_and_taken_back() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    assert_eq!(say(&store, now("a@x.example", 0)).await, "New 240");
    assert_eq!(answer(&directory, &["exemptions"]), "no exemptions\n");
    let why = "--reason=a\u{1b}[2J code";
    assert!(
        answer(&directory, &["open", "To@rcpt.example", "30m", why])
            .starts_with("to@rcpt.example is open until")
    );
    assert_eq!(answer(&directory, &["opt-out", "@Rcpt.example"]), "rcpt.example is never greylisted\n");
    let opted_in = "other.example is greylisted as all others are: `opt_in = true` in [greylist] would leave these in peace\n";
    assert_eq!(answer(&directory, &["opt-in", "other.example", "--reason", "asked for it"]), opted_in);
    let table = "KIND     FOR   RECIPIENT       REASON\n\
                 open     29m   to@rcpt.example a\\u{1b}[2J code\n\
                 opt-in   ever  other.example   asked for it\n\
                 opt-out  ever  rcpt.example\n";
    assert_eq!(answer(&directory, &["exemptions"]).replace("30m", "29m"), table);
    assert_eq!(say(&store, now("b@y.example", 0)).await, "Exempt");
    assert_eq!(
        answer(&directory, &["close", "to@rcpt.example"]),
        "1 exemption of to@rcpt.example taken back\n"
    );
    assert_eq!(say(&store, now("b@y.example", 0)).await, "Exempt", "its domain has one too");
    assert_eq!(answer(&directory, &["close", "@RCPT.example"]), "1 exemption of rcpt.example taken back\n");
    assert_eq!(answer(&directory, &["close", "rcpt.example"]), "rcpt.example had no exemption\n");
    assert_eq!(say(&store, now("b@y.example", 0)).await, "New 240");
    let json: serde_json::Value =
        serde_json::from_str(&answer(&directory, &["exemptions", "--json"])).unwrap();
    assert_eq!(json[0]["kind"], "opt_in");
    assert_eq!((&json[0]["until"], &json[0]["value"]), (&serde_json::Value::Null, &"other.example".into()));
    for wrong in ["", "@", "bob@", "two words", "a\nb", "m\u{fc}nchen..example"] {
        assert_eq!(command(&directory, "", &["opt-out", wrong]).0, Exit::Usage, "{wrong:?}");
    }
}

#[tokio::test]
async fn an_exemption_of_a_domain_in_u_labels_is_one_of_its_a_labels() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    let to = |recipient: &str| Observation { recipient: recipient.to_owned(), ..now("a@x.example", 0) };
    assert_eq!(say(&store, to("bob@xn--mnchen-3ya.example")).await, "New 240");
    let cases: [(&[&str], &str); 3] = [
        (&["opt-out", "M\u{fc}nchen.example"], "xn--mnchen-3ya.example is never greylisted\n"),
        (&["opt-out", "@m\u{fc}nchen.example"], "xn--mnchen-3ya.example is never greylisted\n"),
        (&["opt-out", "bob@m\u{fc}nchen.example"], "bob@xn--mnchen-3ya.example is never greylisted\n"),
    ];
    for (arguments, want) in cases {
        assert_eq!(answer(&directory, arguments), want);
        assert_eq!(say(&store, to("bob@xn--mnchen-3ya.example")).await, "Exempt");
        assert!(answer(&directory, &["close", arguments[1]]).starts_with("1 exemption of "));
    }
    let open = answer(&directory, &["open", "m\u{fc}nchen.example", "30m"]);
    assert!(open.starts_with("xn--mnchen-3ya.example is open until "), "{open}");
    assert!(
        answer(&directory, &["opt-in", "m\u{fc}nchen.example"]).starts_with("xn--mnchen-3ya.example is ")
    );
}

#[tokio::test]
async fn an_address_that_no_mail_can_have_is_refused() {
    let directory = Directory::new();
    say(&sqlite(&directory), now("a@x.example", 0)).await;
    let local = |length: usize| format!("{}@example.org", "x".repeat(length));
    assert_eq!(command(&directory, "", &["opt-out", &local(64)]).0, Exit::Success);
    let long = format!("a@{}example.org", "example.".repeat(32));
    for (wrong, want) in
        [(local(65), "a local part has at most 64 octets"), (long, "one has at most 254 octets")]
    {
        let (exit, out, err) = command(&directory, "", &["opt-out", &wrong]);
        let want = format!("mailward: `{}` is not an address: {want}\n", &wrong[..wrong.len().min(80)]);
        assert_eq!((exit, out.as_str(), err), (Exit::Usage, "", want));
    }
}

#[tokio::test]
async fn ages_go_by_the_last_attempt() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    for (sender, after) in [("new@x.example", -60), ("hour@x.example", -4_000), ("day@x.example", -90_000)] {
        say(&store, now(sender, after)).await;
    }
    // It began long ago and came again just now.
    say(&store, now("again@x.example", -200)).await;
    say(&store, now("again@x.example", -10)).await;
    let listed = |arguments: &[&str]| -> Vec<String> {
        let out = answer(&directory, &[&["list", "--json"], arguments].concat());
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        json.as_array().unwrap().iter().map(|row| row["sender"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&["--older", "1h"]), ["hour@x.example", "day@x.example"]);
    assert_eq!(listed(&["--newer", "1h"]), ["again@x.example", "new@x.example"]);
    assert_eq!(listed(&["--older", "1h", "--newer", "1d"]), ["hour@x.example"]);
    assert_eq!(listed(&["--newer", "2m", "--sender", "new@x.example"]), ["new@x.example"]);
    assert_eq!(command(&directory, "", &["list", "--older", "soon"]).0, Exit::Usage);
    assert_eq!(answer(&directory, &["forget", "--older", "1d"]), "1 row forgotten\n");
    assert_eq!(rows(&store).await.len(), 3);
}

#[tokio::test]
async fn statistics_help_to_choose_a_delay() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    for (sender, retries) in [("a@x.example", &[300][..]), ("b@x.example", &[61, 400])] {
        let at = |after| Observation { vouchers: Vec::new(), ..attempt(sender, after) };
        say(&store, at(0)).await;
        for after in retries {
            say(&store, at(*after)).await;
        }
    }
    let json: serde_json::Value = serde_json::from_str(&answer(&directory, &["stats", "--json"])).unwrap();
    for classes in [&json["delays"], &json["first_retries"]] {
        let (first, last) = (&classes[0], classes.as_array().unwrap().last().unwrap());
        assert_eq!((first["below"].is_u64(), &first["mails"]), (true, &0.into()));
        assert_eq!((&last["below"], &last["mails"]), (&serde_json::Value::Null, &0.into()));
    }
    let stats = answer(&directory, &["stats"]);
    assert!(stats.lines().all(|line| line.chars().count() <= 80), "{stats}");
    for want in [
        "waiting         0\npassed          2\n",
        "  below 2m               1  ####################\n",
        "  below 6m               1  ####################\n",
        "  delay          mails   mean wait     had to come once more\n",
        "  1m                 2          3m                   0 (0 %)\n",
        "  4m                 2        350s                   0 (0 %)\n",
        "  5m                 2        350s                   0 (0 %)\n",
        "  10m                0           -                 2 (100 %)\n",
    ] {
        assert!(stats.contains(want), "{want}in\n{stats}");
    }
}

#[tokio::test]
async fn an_import_beside_a_daemon_leaves_nobody_without_an_answer() {
    let directory = Directory::new();
    // As patient as a daemon is.
    let file = settings::Greylist { path: settings(&directory).path, ..settings::Greylist::default() };
    let store = SqliteStore::new(&file, None, Arc::new(SystemClock));
    let terms = Terms { waiting_limit: 0, ..Terms::default() };
    let mail = |number: usize| {
        let observation = Observation { vouchers: Vec::new(), ..now(&format!("{number}@d.example"), 0) };
        Observation { sender: format!("n{number}@d.example"), terms: terms.clone(), ..observation }
    };
    assert_eq!(say(&store, mail(0)).await, "New 240");
    let mut dump = String::new();
    let seconds = SystemClock.now().0;
    for number in 0..20_000 {
        let (a, b) = (number / 250, number % 250);
        writeln!(dump, "GREY|10.{a}.{b}.1|mx|<s{number}@x.example>|<to@rcpt.example>|{seconds}|0|0|1|0")
            .unwrap();
    }
    let file = directory.file("spamdb", &dump);
    let file = file.to_str().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let mut answered = 1;
    std::thread::scope(|scope| {
        let import = scope.spawn(|| {
            let said = command(&directory, "", &["import", "spamd", file]);
            done.store(true, std::sync::atomic::Ordering::Release);
            said
        });
        // Another thread than the test's: there is a runtime already.
        let mails = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let mut number = 1;
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    assert_eq!(say(&store, mail(number)).await, "New 240");
                    number += 1;
                }
                number
            })
        });
        assert_eq!(import.join().unwrap().0, Exit::Success);
        answered = mails.join().unwrap();
    });
    assert!(answered > 1, "mails came meanwhile");
    let stats = store.stats(known_by()).await.unwrap();
    assert_eq!(stats.waiting, 20_000 + u64::try_from(answered).unwrap());
}

#[tokio::test]
async fn what_is_known_of_a_client_is_shown_and_a_bare_domain_is_no_address() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    assert_eq!(say(&store, now("a@liar.example", 0)).await, "New 240");
    assert_eq!(say(&store, now("b@good.example", 0)).await, "New 240");
    let known = |client: &str, sender_domain: &str, passes, hits| {
        mailward::store::Record::Known(mailward::store::KnownClient {
            client: client.to_owned(),
            sender_domain: sender_domain.to_owned(),
            passes,
            last_pass: Timestamp(T),
            first_seen: Timestamp(T),
            last_seen: SystemClock.now(),
            hits,
            origin: "smtp".to_owned(),
        })
    };
    let records = vec![
        known("198.51.100.2", "", 2, 1),
        known("198.51.100.3", "", 1, 1),
        known("198.51.100.0/24", "example.net", 3, 2),
        known("198.51.100.30", "", 2, 1),
    ];
    let ages = mailward::greylist::Settings::default().ages();
    store.import(records, ages, SystemClock.now()).await.unwrap();
    let shown = answer(&directory, &["show", "198.51.100.3"]).replace("seen 1s ago", "seen 0s ago");
    let network = "198.51.100.0/24 is a known client, for senders of example.net\n    \
                   3 proven retries, the last Mon, 01 May 2006 00:00:00 +0000\n    \
                   last seen 0s ago, origin smtp\n";
    let want = |standing: &str, proofs: &str| {
        format!(
            "198.51.100.3 {standing}, for every sender\n    {proofs}, the last Mon, 01 May 2006 00:00:00 +0000\n    \
             last seen 0s ago, origin smtp\n"
        )
    };
    assert_eq!(shown, want("is not known yet", "1 of 2 proven retries") + network);
    let cases = [
        ("", "is not known yet", "1 of 2 proven retries", 3),
        ("known_after = 1", "is a known client", "1 proven retry", 4),
        ("known_after = 0", "lets no mail pass by this configuration", "1 proven retry", 1),
        ("profile = 'postgrey'", "is not known yet", "1 of 5 proven retries", 0),
    ];
    for (greylist, standing, proofs, count) in cases {
        let (_, stats, _) = command(&directory, greylist, &["stats", "--json"]);
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        let (_, shown, _) = command(&directory, greylist, &["show", "198.51.100.3"]);
        let shown = shown.replace("seen 1s ago", "seen 0s ago");
        assert_eq!(
            (stats["known_clients"].as_u64(), shown.starts_with(&want(standing, proofs))),
            (Some(count), true),
            "{shown}"
        );
    }
    assert_eq!(command(&directory, "", &["show", "198.51.100.300"]).1, "nothing is known of it\n");
    let liar = answer(&directory, &["show", "liar.example"]);
    assert!(liar.starts_with("192.0.2.0/24 from <a@liar.example> to <to@rcpt.example>\n"), "{liar}");
    assert!(liar.contains(" ago, deferred once\n"), "{liar}");
    assert_eq!(liar, answer(&directory, &["show", "@Liar.example"]));
    let domain = |argument: &str| {
        format!(
            "mailward: `good.example` is a domain: for all of its addresses write {argument} @good.example\n"
        )
    };
    let (of_senders, of_recipients) = (domain("--sender"), domain("--recipient"));
    let empty = "mailward: --sender is empty: leave it out for whomever, for the null sender write '<>'\n";
    let refused: [(&[&str], &str); 10] = [
        (&["forget", "--recipient", "good.example"], &of_recipients),
        (&["forget", "--sender", "good.example"], &of_senders),
        (&["list", "--sender", "good.example"], &of_senders),
        (&["pass", "--sender", "good.example"], &of_senders),
        (&["forget", "--sender", ""], empty),
        (&["pass", "--sender", "", "--older", "1h"], empty),
        (&["forget", "--recipient", ""], "mailward: --recipient is empty: leave it out for whomever\n"),
        (&["forget", "--recipient", "<>"], "mailward: `<>` is the null sender: no mail goes to it\n"),
        (
            &["list", "--client", "999.1.1.1"],
            "mailward: `999.1.1.1` is not an address or network: write one such as 192.0.2.1, 192.0.2.0/24 or \
             ptr:example.org\n",
        ),
        (&["list", "--limit", "0"], "error: invalid value '0' for '--limit <NUMBER>'"),
    ];
    for (arguments, want) in refused {
        let (exit, _, err) = command(&directory, "", arguments);
        assert!(exit == Exit::Usage && err.starts_with(want), "{err}");
    }
    assert_eq!(command(&directory, "", &["show", ""]).0, Exit::Usage);
    assert_eq!(rows(&store).await.len(), 2);
    assert_eq!(answer(&directory, &["forget", "--sender", "@good.example"]), "1 row forgotten\n");
}

#[tokio::test]
async fn who_is_forgotten_waits_again_though_it_was_known() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    for (sender, after, want) in
        [("a@x.example", -300, "New 240"), ("a@x.example", -60, "opened 240"), ("b@x.example", -50, "Known")]
    {
        assert_eq!(say(&store, now(sender, after)).await, want);
    }
    let recipient = answer(&directory, &["forget", "--recipient", "to@rcpt.example"]);
    assert_eq!(recipient, "1 row forgotten\n");
    assert_eq!(say(&store, now("a@x.example", -40)).await, "Known");
    let said = answer(&directory, &["forget", "--client", "192.0.2.1"]);
    assert_eq!(said, "0 rows and 2 known clients forgotten\n");
    assert_eq!(say(&store, now("a@x.example", -30)).await, "New 240");
    let said = answer(&directory, &["forget", "--sender", "a@x.example", "--json"]);
    assert_eq!(said, "{\n  \"known_clients\": 0,\n  \"rows\": 1\n}\n");
}

#[tokio::test]
async fn a_list_that_goes_to_a_program_is_not_cut() {
    let directory = Directory::new();
    let long = format!("{}@sender-with-a-long-name.example", "bounces-".repeat(7));
    assert_eq!(say(&sqlite(&directory), now(&long, 0)).await, "New 240");
    let list = answer(&directory, &["list"]);
    let want = ["waits", "1", "192.0.2.0/24", &long, "to@rcpt.example"];
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!([row[0], row[2], row[3], row[4], row[5]], want);
    let head = list.lines().next().unwrap();
    assert_eq!(head.find("RECIPIENT"), list.lines().nth(1).unwrap().find("to@rcpt.example"));
}
