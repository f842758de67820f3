//! `mailward report` against what was played: every number, in a terminal's text, as JSON and as a page, by the built
//! program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    config::settings::{Config, Mode},
    journal::read::Reader,
    request::Event,
    time::{Clock, SystemClock, Timestamp},
};
use serde_json::Value;
use std::{path::Path, time::Duration};
use support::{
    dialogue::{Played, Scene},
    directory::Directory,
    milter::{Daemon, From, Session, parse},
    reported::{figures, of, report, same},
};

/// What a played dialogue must come to, from its answers alone.
#[derive(Debug, Default)]
struct Told {
    refused_at: [u64; 6],
    deferred_at: [u64; 6],
    accepted: u64,
    discarded: bool,
}

impl Told {
    fn of(played: &Played, judges_recipients: bool) -> Self {
        let mut told = Self::default();
        // The recipients that passed, of the message under way.
        let mut passed = 0;
        for (verb, answer) in &played.answers {
            let (place, weight) = match verb.as_str() {
                "CONNECT" => (0, 1),
                "MAIL" => (2, 1),
                "RCPT" => (3, 1),
                "DATA" => (4, passed),
                "." => (5, passed),
                _ => (1, 1),
            };
            if matches!(verb.as_str(), "EHLO" | "HELO" | "MAIL" | "RSET") {
                passed = 0;
            }
            told.discarded |= answer == "discard";
            match answer.as_bytes()[0] {
                b'5' => told.refused_at[place] += weight,
                b'4' => told.deferred_at[place] += weight,
                _ if verb == "RCPT" => passed += 1,
                _ if verb == "." => told.accepted += passed,
                _ => continue,
            }
            if verb == "." || (verb == "DATA" && answer.starts_with(['4', '5'])) {
                passed = 0;
            }
            if verb == "RCPT" && passed > 1 && !judges_recipients {
                // Nobody judges them one by one: the message is one attempt.
                passed = 1;
            }
        }
        told
    }
}

#[tokio::test]
async fn the_dialogues_are_reported_as_they_were_played() {
    let (zone, scenes) = Scene::all();
    let (mut files, mut rejected) = (0, 0);
    for scene in scenes {
        let path = scene.directory.path().join("journal.db");
        let text = format!("journal.path = {path:?}\ncontrol_socket = \"off\"\n{}", scene.policy);
        scene.directory.file("mailward.toml", &text);
        let mut config = scene.config();
        config.journal.path = Some(path.clone());
        let observes = config.mode == Mode::Observe;
        let judges_recipients = config.policy.judges(Event::Rcpt);
        let daemon = start(config, &zone).await;
        let played = scene.play(daemon).await;
        let figures = figures(scene.directory.path());
        compare_rows(&path, &figures);
        let told = Told::of(&played, judges_recipients);
        let name = scene.dialogue.name();
        files += 1;
        if observes || told.discarded {
            continue;
        }
        rejected += told.refused_at.iter().sum::<u64>();
        let mut wanted = vec![("attempts.accepted", told.accepted)];
        let steps = [("0", 0), ("3", 3), ("4", 4), ("5", 5)];
        let paths: Vec<(String, u64)> = steps
            .iter()
            .map(|(at, place)| (format!("funnel.{at}.ends.rejected"), told.refused_at[*place]))
            .collect();
        wanted.extend(paths.iter().map(|(path, want)| (path.as_str(), *want)));
        let held = of(&figures, "attempts.held");
        wanted[0].1 -= held.min(wanted[0].1);
        same(&figures, &wanted, name.as_ref());
        for (at, place) in steps {
            let soft =
                ["deferred", "greylisted"].map(|kind| of(&figures, &format!("funnel.{at}.ends.{kind}")));
            assert_eq!(soft.iter().sum::<u64>(), told.deferred_at[place], "{name} {at}: {figures:#}");
        }
        // A refused HELO is answered at MAIL.
        let before: u64 = ["1", "2"]
            .iter()
            .map(|at| {
                of(&figures, &format!("funnel.{at}.came")) - of(&figures, &format!("funnel.{at}.went_on"))
            })
            .sum();
        assert_eq!(before > 0, told.refused_at[2] + told.deferred_at[2] > 0, "{name}: {figures:#}");
    }
    assert!(files >= 20 && rejected >= 200, "{files} files, {rejected} refused");
}

/// A server whose clock shows an hour ago, with its journal.
async fn start(config: Config, zone: &str) -> Daemon {
    let daemon = Daemon::start_with(config, zone).await;
    daemon.clock.set(Timestamp(SystemClock.now().0 - 3_600));
    daemon.server.start_journal();
    daemon
}

/// The decisions by their verdict, counted again by other means.
fn compare_rows(path: &Path, figures: &Value) {
    let reader = Reader::open(path).unwrap().unwrap();
    let mut counts = [0; 4];
    reader
        .each(None, |row, _| {
            let at =
                ["permit", "defer", "reject", "discard"].iter().position(|verdict| *verdict == row.verdict);
            if let Some(at) = at.filter(|_| !row.is_message()) {
                counts[at] += 1;
            }
            true
        })
        .unwrap();
    let [permit, defer, reject, discard] = counts;
    let wanted = [
        ("decisions.all", counts.iter().sum()),
        ("decisions.permit", permit),
        ("decisions.defer", defer),
        ("decisions.reject", reject),
        ("decisions.discard", discard),
        ("decisions.unreadable", 0),
    ];
    same(figures, &wanted, "decisions");
}

const POLICY: &str = r#"
[restrictions]
client = ["check_client_access inline:{ 203.0.113.66=REJECT }",
    "warn_if_reject reject_rbl_client two.example", "reject_rbl_client one.example"]
sender = ["reject_unknown_sender_domain"]
recipient = ["check_recipient_access inline:{ no@rcpt.example=REJECT, later@rcpt.example=DEFER }", "greylist"]
data = ["check_sender_access inline:{ data@sender.example=REJECT }"]
[dns]
untested_lists = ["one.example", "two.example"]
"#;

const ZONE: &str = "\
sender.example A 192.0.2.1
7.113.0.203.one.example A 127.0.0.2
7.113.0.203.two.example A 127.0.0.4
8.113.0.203.one.example A 127.0.0.2
9.113.0.203.two.example A 127.0.0.2
";

/// A server that was spoken to.
struct Spoken {
    daemon: Daemon,
    directory: Directory,
}

impl Spoken {
    async fn start(mode: &str) -> Self {
        let directory = Directory::new();
        let path = directory.path().join("journal.db");
        let policy = format!("mode = {mode:?}\njournal.path = {path:?}\ncontrol_socket = \"off\"\n{POLICY}");
        directory.file("mailward.toml", &policy);
        let daemon = start(parse(&policy, directory.path()), ZONE).await;
        Self { daemon, directory }
    }

    /// A mail to some recipients, to its end if one of them passes.
    async fn mail(&self, from: &From, sender: &str, recipients: &[&str]) {
        let mut session = Session::open(&self.daemon, from).await;
        session.helo("mail.sender.example").await;
        session.mail(sender).await;
        let mut passed = false;
        for recipient in recipients {
            passed |= session.rcpt(recipient).await == "continue";
        }
        if passed && session.data().await.starts_with(['c', 'n']) {
            session.message().await;
        }
        session.abort().await;
    }

    /// The same mails in every mode.
    async fn speak(&self) {
        let good = From::named("mail.sender.example", "192.0.2.1");
        let of = |address: &str| From::resolved(address, "unknown", "unknown", "FAIL");
        let sender = "<a@sender.example>";
        // Greylisted, twice; then one of the two comes back.
        self.mail(&good, sender, &["<eva@rcpt.example>"]).await;
        self.mail(&good, "<b@sender.example>", &["<ada@rcpt.example>"]).await;
        self.daemon.clock.advance(Duration::from_secs(400));
        self.mail(&good, sender, &["<eva@rcpt.example>", "<no@rcpt.example>", "<later@rcpt.example>"]).await;
        // The client is known by now: one more, and two, refused at DATA.
        self.mail(&good, "<data@sender.example>", &["<x@rcpt.example>"]).await;
        self.daemon.clock.advance(Duration::from_secs(400));
        self.mail(&good, "<data@sender.example>", &["<x@rcpt.example>", "<eva@rcpt.example>"]).await;
        self.mail(&good, "<a@nowhere.example>", &["<eva@rcpt.example>"]).await;
        for address in ["203.0.113.66", "203.0.113.7", "203.0.113.8", "203.0.113.8"] {
            self.mail(&of(address), sender, &["<eva@rcpt.example>"]).await;
        }
        self.daemon.server.journal().unwrap().close();
    }
}

#[tokio::test]
async fn every_number_of_a_report_is_what_was_played() {
    let spoken = Spoken::start("enforce").await;
    spoken.speak().await;
    let figures = figures(spoken.directory.path());
    let wanted = [
        ("mode.enforced", 16),
        ("mode.observed", 0),
        ("attempts.all", 13),
        ("attempts.rejected", 8),
        ("attempts.deferred", 2),
        ("attempts.greylisted", 2),
        ("attempts.accepted", 1),
        ("attempts.came_back", 1),
        ("attempts.open", 0),
        ("attempts.aborted", 0),
        ("funnel.2.went_on", 13),
        ("funnel.3.came", 13),
        ("funnel.3.ends.rejected", 5),
        ("funnel.3.ends.deferred", 2),
        ("funnel.3.ends.greylisted", 2),
        ("funnel.3.went_on", 4),
        ("funnel.4.ends.rejected", 3),
        ("funnel.5.went_on", 1),
        ("greylist.contacts", 2),
        ("greylist.came_back", 1),
        ("greylist.still_out", 1),
        ("greylist.delays.1", 1),
        ("networks.told_apart", 2),
        ("networks.worst.0.greylisted", 2),
        ("networks.worst.0.rejected", 4),
        ("networks.worst.0.accepted", 1),
        ("networks.worst.1.rejected", 4),
    ];
    same(&figures, &wanted, "the mails");
    let rule = |begin: &str| {
        let rules = figures["rules"].as_array().unwrap();
        let found = rules.iter().find(|rule| rule["entry"].as_str().unwrap().starts_with(begin));
        found.unwrap_or_else(|| panic!("{begin}: {rules:#?}")).clone()
    };
    let rules = [
        ("reject_rbl_client one", "rejected", 3),
        ("reject_rbl_client one", "alone", 2),
        ("reject_rbl_client two", "rejected", 0),
        ("reject_rbl_client two", "warned", 1),
        ("check_client_access", "alone", 1),
        ("check_sender_access", "rejected", 3),
        ("check_recipient_access", "rejected", 1),
        ("check_recipient_access", "deferred", 1),
        ("reject_unknown_sender_domain", "deferred", 1),
        ("greylist", "greylisted", 2),
    ];
    for (entry, column, want) in rules {
        assert_eq!(rule(entry)[column], want, "{entry} {column}: {figures:#}");
    }
    // Asked about everybody but the client that a table refuses: 12 recipients.
    let wanted = [
        ("lists.0.asked", 12),
        ("lists.0.listed", 3),
        ("lists.0.alone", 2),
        ("lists.0.refused", 3),
        ("lists.1.listed", 1),
        ("lists.1.alone", 0),
        ("lists.1.refused", 0),
        ("overlaps.0.both", 1),
    ];
    same(&figures, &wanted, "the lists");
    assert_eq!(figures["lists"][0]["zone"], "one.example");
    spoken.daemon.stop().await;
}

#[tokio::test]
async fn in_observe_mode_a_report_tells_what_would_have_happened() {
    let spoken = Spoken::start("observe").await;
    spoken.speak().await;
    let figures = figures(spoken.directory.path());
    // As many as in enforce mode, and none of it took effect.
    let wanted = [
        ("mode.enforced", 0),
        ("attempts.all", 13),
        ("attempts.rejected", 8),
        ("attempts.deferred", 2),
        ("attempts.greylisted", 2),
        ("attempts.accepted", 1),
        ("attempts.only_observed", 12),
        ("funnel.3.went_on", 4),
        ("greylist.contacts", 0),
        ("greylist.would_wait", 2),
    ];
    same(&figures, &wanted, "the mails");
    let text = report(spoken.directory.path(), &[]);
    assert!(
        text.contains("\n[OBSERVE] Nothing was refused. The figures say what would have happened.\n"),
        "{text}"
    );
    let page = report(spoken.directory.path(), &["--html", "-"]);
    assert!(page.contains("<div class=\"band observe\"><b>OBSERVE</b>"));
    spoken.daemon.stop().await;
}

#[tokio::test]
async fn what_a_client_writes_does_nothing_in_any_report() {
    const EVIL: &str = "\u{1b}[2J\u{202e}\u{9b}31m<script>'\"\\&";
    let spoken = Spoken::start("enforce").await;
    let from = From::resolved("192.0.2.80", EVIL, EVIL, "OK");
    let mut session = Session::open(&spoken.daemon, &from).await;
    session.helo(EVIL).await;
    for _ in 0..5 {
        session.mail(&format!("<{EVIL}@nowhere.example>")).await;
        session.rcpt(&format!("<{EVIL}@rcpt.example>")).await;
        session.rcpt("<no@rcpt.example>").await;
        session.abort().await;
        spoken.daemon.clock.advance(Duration::from_secs(1_000));
    }
    spoken.daemon.server.journal().unwrap().close();
    for arguments in [&[][..], &["--json"], &["--html", "-"]] {
        let printed = report(spoken.directory.path(), arguments);
        assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{arguments:?}: {printed}");
        assert!(!printed.contains('\u{202e}') && printed.contains("[2J"), "{arguments:?}: {printed}");
        assert!(!arguments.contains(&"--html") || !printed.contains("<script"), "{printed}");
    }
    drop(session);
    spoken.daemon.stop().await;
}
