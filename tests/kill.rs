//! SIGKILL in the middle of load: what was answered is in the file, the file is sound, and the next session is served.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use rusqlite::{Connection, OptionalExtension};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use support::{
    directory::Directory,
    mailward::MailwardInstance,
    milter::{From, Session},
};
use tokio::sync::Notify;

const ROUNDS: usize = 20;
const SESSIONS: usize = 8;
/// Answers after which a round ends, more in each: the kill comes at another moment of a group.
const ANSWERS: usize = 60;

/// Senders whose 450 was heard.
#[derive(Default)]
struct Heard {
    senders: Mutex<Vec<String>>,
    enough: Notify,
}

/// One session that sends until the server is gone.
async fn load(socket: PathBuf, name: String, wanted: usize, heard: Arc<Heard>) {
    let from = From::resolved("192.0.2.1", "unknown", "unknown", "FAIL");
    let mut session = Session::open_on(&socket, &from).await;
    let _ = session.milter.helo("helo.example").await;
    for number in 0.. {
        let sender = format!("{name}x{number}@sender.example");
        let (mail, rcpt) = ([format!("<{sender}>")], ["<to@rcpt.example>"]);
        if session.milter.mail(mail).await.is_err() {
            return;
        }
        let Ok(answer) = session.milter.rcpt(rcpt).await else { return };
        let answer = support::milter::shown(answer);
        assert!(answer.starts_with("450 4.2.0 <to@rcpt.example>"), "{answer}");
        let mut senders = heard.senders.lock().unwrap();
        senders.push(sender);
        if senders.len() >= wanted {
            heard.enough.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_row_outlives_a_kill() {
    let directory = Directory::new();
    let file = directory.path().join("greylist.db");
    let policy = format!(
        "[restrictions]\nrecipient = ['greylist']\n[greylist]\nstore = 'sqlite:{}'\nwaiting_limit = 0\n",
        file.display()
    );
    let socket = directory.path().join("mailward.sock");
    let on = format!("unix:{}", socket.display());
    let mut all = 0;
    for round in 0..ROUNDS {
        let instance = MailwardInstance::start_on(&on, &policy);
        let heard = Arc::new(Heard::default());
        // Letters only: numbers are one sender to the greylist.
        let letter = |number: usize| char::from(b'g' + u8::try_from(number % 20).unwrap());
        let tasks: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let name = format!("{}{}", letter(round), letter(session));
                tokio::spawn(load(socket.clone(), name, ANSWERS + 7 * round, heard.clone()))
            })
            .collect();
        heard.enough.notified().await;
        drop(instance);
        for task in tasks {
            task.await.unwrap();
        }
        let senders = heard.senders.lock().unwrap();
        assert!(senders.len() >= ANSWERS + 7 * round);
        all += senders.len();
        missing_none(&file, &senders);
    }
    let _instance = MailwardInstance::start_on(&on, &policy);
    let from = From::resolved("192.0.2.1", "unknown", "unknown", "FAIL");
    assert!(Session::open_on(&socket, &from).await.ordinary().await.starts_with("450 4.2.0"));
    assert!(all >= ROUNDS * ANSWERS);
}

/// The file is sound and has a row for each sender.
fn missing_none(file: &Path, senders: &[String]) {
    let connection = Connection::open(file).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut find = connection.prepare("SELECT 1 FROM greylist WHERE sender = ?1").unwrap();
    for sender in senders {
        let found = find.query_row([sender], |row| row.get::<_, i64>(0)).optional().unwrap();
        assert!(found.is_some(), "{sender} was answered and is not there");
    }
}
