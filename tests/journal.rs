//! The journal: sessions are played through the milter protocol, then its rows and records are compared with what was
//! played.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    cli::{self, Exit},
    config::settings::{self, Privacy},
    journal::{
        Row,
        read::{Query, Reader},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use support::{
    dialogue::{Scene, VERDICTS},
    directory::Directory,
    milter::{Daemon, From, Session, parse},
};

const ZONE: &str = "sender.example A 192.0.2.1";

const POLICY: &str = r#"
[restrictions]
client = ["reject_unknown_client_hostname"]
sender = ["reject_unknown_sender_domain"]
recipient = ["check_recipient_access inline:{ no@rcpt.example=REJECT }", "greylist"]
"#;

struct Played {
    daemon: Daemon,
    directory: Directory,
}

impl Played {
    async fn start(policy: &str, privacy: Privacy) -> Self {
        let directory = Directory::new();
        let mut config = parse(policy, directory.path());
        config.journal = settings::Journal {
            path: Some(directory.path().join("journal.db")),
            privacy,
            ..settings::Journal::default()
        };
        let daemon = Daemon::start_with(config, ZONE).await;
        daemon.server.start_journal();
        Self { daemon, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    /// Ends the journal and opens it for reading.
    fn read(&self) -> Reader {
        self.daemon.server.journal().unwrap().close();
        Reader::open(&self.path()).unwrap().unwrap()
    }
}

/// A row in a line.
fn line(row: &Row<'_>) -> String {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or("-").to_owned();
    format!(
        "{} {} {} <{}> <{}> {} {}",
        row.event,
        row.verdict,
        text(&row.client),
        text(&row.sender),
        text(&row.recipient),
        text(&row.queue_id),
        row.entry.as_deref().unwrap_or("-")
    )
}

#[tokio::test]
async fn every_decision_and_the_end_of_every_message_leave_a_row() {
    let played = Played::start(POLICY, Privacy::None).await;
    let mut session = Session::open(&played.daemon, &From::named("mail.sender.example", "192.0.2.1")).await;
    session.helo("mail.sender.example").await;
    session.mail("<from@sender.example>").await;
    session.rcpt("<no@rcpt.example>").await;
    session.rcpt("<yes@rcpt.example>").await;
    played.daemon.clock.advance(std::time::Duration::from_secs(300));
    session.rcpt("<yes@rcpt.example>").await;
    session.message().await;
    let reader = played.read();
    let mut rows = Vec::new();
    reader
        .each(None, |row, record| {
            assert_eq!(record.is_some(), !row.is_message());
            rows.push(row);
            true
        })
        .unwrap();
    let lines: Vec<String> = rows.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "RCPT reject 192.0.2.1 <from@sender.example> <no@rcpt.example> - \
             check_recipient_access inline:{ no@rcpt.example=REJECT }",
            "RCPT defer 192.0.2.1 <from@sender.example> <yes@rcpt.example> - greylist",
            "RCPT permit 192.0.2.1 <from@sender.example> <yes@rcpt.example> - -",
            "MESSAGE accepted 192.0.2.1 <from@sender.example> <yes@rcpt.example> 4dZ1TJ2Pz3z -",
        ]
    );
    assert_eq!(rows[2].waited, Some(300));
    for what in [
        "192.0.2.1",
        "192.0.2.0/24",
        "192.0.0.0/15",
        "sender.example",
        "SENDER.example",
        "example",
        "from@sender.example",
        "@sender.example",
        "<from@sender.example>",
    ] {
        let query = &Query::meanings(what)[0];
        assert_eq!(reader.find(query, None, 10).unwrap().len(), 4, "{what}");
    }
    for (what, count) in [("no@rcpt.example", 1), ("192.0.2.2", 0), ("ender.example", 0), ("4dZ1TJ2Pz3z", 1)]
    {
        let found = Query::meanings(what);
        assert_eq!(reader.find(&found[0], None, 10).unwrap().len(), count, "{what}");
    }
    let message = rows[3].message.clone().unwrap().into_owned();
    assert_eq!(reader.messages(&[message]).unwrap(), rows);
    drop(session);
    played.daemon.stop().await;
}

#[tokio::test]
async fn with_hashes_no_local_part_is_in_the_file_and_why_still_finds_it() {
    let tables = Directory::new();
    tables.file("known", "secret-known@rcpt.example WARN known\n");
    let known = format!("check_recipient_access hash:{}/known", tables.path().display());
    let policy = POLICY.replace("[\"check_recipient", &format!("[\"{known}\", \"check_recipient"));
    let policy = format!("recipient_delimiter = \"+\"\n{policy}");
    let played = Played::start(&policy, Privacy::Hash).await;
    let mut from = From::named("mail.sender.example", "192.0.2.1");
    from.login = Some("Secret.Login".to_owned());
    let mut session = Session::open(&played.daemon, &from).await;
    session.helo("mail.sender.example").await;
    // The greylist asks for the sender without its extension, and a table may have the recipient without it.
    session.mail("<Secret.From+secret@sender.example>").await;
    session.rcpt("<secret+to@rcpt.example>").await;
    session.rcpt("<\"secret quoted\"@rcpt.example>").await;
    session.rcpt("<secret-known+x@rcpt.example>").await;
    session.message().await;
    let reader = played.read();
    for what in ["secret.from+secret@sender.example", "Secret+To@rcpt.example", "secret.login"] {
        let meanings = Query::meanings(what);
        let found = reader.find(meanings.last().unwrap(), None, 10).unwrap();
        assert!(!found.is_empty(), "{what}");
    }
    for end in ["", "-wal"] {
        let mut path = played.path().into_os_string();
        path.push(end);
        let bytes = fs::read(path).unwrap().to_ascii_lowercase();
        assert!(!bytes.windows(6).any(|window| window == b"secret"), "{end}");
    }
    drop(session);
    played.daemon.stop().await;
}

/// What a command prints, and its exit code.
fn mailward(arguments: &[&str]) -> (String, Exit) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run([&["mailward"], arguments].concat(), &mut out, &mut err);
    out.extend(err);
    (String::from_utf8(out).unwrap(), exit)
}

/// How many decisions of each verdict are in the journal; what `why` tells of each by its name is compared with its row.
fn verdicts_and_steps(config: &Path, journal: &Path) -> Result<[u64; 4], String> {
    let reader = Reader::open(journal).unwrap().unwrap();
    let (mut counts, mut rows) = ([0; 4], Vec::new());
    reader
        .each(None, |row, _| {
            rows.extend((!row.is_message()).then_some(row));
            true
        })
        .unwrap();
    for row in rows {
        let id = row.decision.as_ref();
        let (told, _) = mailward(&["why", id, "-c", config.to_str().unwrap(), "--json"]);
        let told: serde_json::Value =
            serde_json::from_str(&told).map_err(|e| format!("{id}: {e}: {told}"))?;
        let (verdict, reply) = (told["verdict"].as_str(), told["reply"].as_str());
        if (verdict, reply) != (Some(row.verdict.as_ref()), row.reply.as_deref()) {
            return Err(format!("{told}"));
        }
        let at = VERDICTS.iter().position(|known| verdict == Some(known)).unwrap();
        counts[at] += 1;
    }
    Ok(counts)
}

#[tokio::test]
async fn replaying_the_dialogues_under_the_same_configuration_changes_nothing() {
    let (zone, scenes) = Scene::all();
    let (mut all, mut faults) = (0, Vec::new());
    for scene in scenes {
        let path = scene.directory.path().join("journal.db");
        let policy = format!("{}\n[journal]\npath = {path:?}\n", scene.policy);
        let file = scene.directory.file("mailward.toml", &policy);
        let mut config = scene.config();
        config.journal.path = Some(path.clone());
        let daemon = Daemon::start_with(config, &zone).await;
        daemon.server.start_journal();
        let counted = scene.play(daemon).await.verdicts;
        let told = verdicts_and_steps(&file, &path);
        if told != Ok(counted) {
            let name = scene.dialogue.name();
            faults.push(format!("{name}: {counted:?} were counted, `why` tells {told:?}"));
        }
        let (file, path) = (file.to_str().unwrap(), path.to_str().unwrap());
        let (printed, exit) = mailward(&["replay", "--config", file, "--journal", path, "--json"]);
        assert_eq!(exit, Exit::Success, "{printed}");
        let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
        all += told["decisions"].as_u64().unwrap();
        if told["decisions"] != told["same"] {
            faults.push(format!("{}: {printed}", scene.dialogue.name()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(all >= 600, "{all} decisions were made again");
}
