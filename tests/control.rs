//! The control socket and `mailward status`: what they show adds up with what was played, and nobody who abuses the
//! socket holds up others or mail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    cli::{self, Exit},
    server::{control::Control, life::Introduction, status::Status},
};
use std::{convert::Infallible, fs, os::unix::fs::PermissionsExt, path::PathBuf};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
};

/// A server with its control socket in a directory of the test's own.
struct Controlled {
    daemon: Daemon,
    directory: Directory,
    control: JoinHandle<Infallible>,
}

impl Controlled {
    async fn start(policy: &str, zone: &str) -> Self {
        let directory = Directory::new();
        let daemon = Daemon::start(policy, zone).await;
        let control = Control::bind(&directory.path().join("control.sock")).await.unwrap();
        let control = tokio::spawn(control.serve(daemon.server.clone()));
        let socket = format!("unix:{}", daemon.socket.display());
        let introduction = Introduction { socket, source: "test.toml".to_owned(), drops: None };
        daemon.server.life().introduce(introduction);
        Self { daemon, directory, control }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path()).await.unwrap()
    }

    /// What the socket answers to these bytes.
    async fn says(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        // It may have heard enough before all is written.
        let _ = stream.write_all(request).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    async fn status(&self, arguments: &[&str]) -> (Exit, String) {
        status(&self.directory, &format!("control_socket = {:?}\n", self.path()), arguments).await
    }

    async fn shown(&self) -> Status {
        serde_json::from_str(&self.status(&["--json"]).await.1).unwrap()
    }
}

/// Runs `mailward status` with a configuration.
async fn status(directory: &Directory, config: &str, arguments: &[&str]) -> (Exit, String) {
    let config = directory.file("mailward.toml", config);
    let mut all = vec!["mailward".to_owned(), "status".to_owned(), "-c".to_owned()];
    all.push(config.to_str().unwrap().to_owned());
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    tokio::task::spawn_blocking(|| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = cli::run(all, &mut out, &mut err);
        out.extend(err);
        (exit, String::from_utf8(out).unwrap())
    })
    .await
    .unwrap()
}

fn client() -> From {
    From::named("mx.example.org", "192.0.2.1")
}

const POLICY: &str = "
[restrictions]
sender = ['check_sender_access inline:{ { bad@sender.example = REJECT }, { later@sender.example = 450 later }, { gone@sender.example = DISCARD } }']
recipient = ['greylist']
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_adds_up_with_what_was_played() {
    let server = Controlled::start(POLICY, "").await;
    let mut session = Session::open(&server.daemon, &client()).await;
    session.helo("helo.example").await;
    for (sender, count) in [("bad", 3), ("later", 2), ("gone", 1), ("from", 4)] {
        for _ in 0..count {
            session.mail(&format!("<{sender}@sender.example>")).await;
            session.rcpt("<to@rcpt.example>").await;
            session.abort().await;
        }
    }
    let shown = server.shown().await;
    let decisions = &shown.decisions;
    assert_eq!((decisions.reject, decisions.defer, decisions.discard, decisions.permit), (3, 6, 1, 0));
    assert_eq!((decisions.greylisted, decisions.exempted, decisions.all()), (4, 0, 10));
    assert_eq!((shown.sessions.now, shown.sessions.limit, shown.sessions.total), (1, 4000, 1));
    assert_eq!(server.shown().await.sessions.total, 2, "the command tries the socket itself");
    assert_eq!((shown.mode.as_str(), shown.pid), ("enforce", std::process::id()));
    assert_eq!(server.daemon.counter("sessions_cut"), 0, "and says goodbye");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_are_for_people_and_for_monitoring() {
    let server = Controlled::start(POLICY, "").await;
    let mut session = Session::open(&server.daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<bad@sender.example>").await;
    session.rcpt("<to@rcpt.example>").await;
    let (exit, text) = server.status(&[]).await;
    assert_eq!(exit, Exit::Success, "{text}");
    assert!(
        text.starts_with("mailward OK - 1 decision, 100% refused, 1 session\nversion        0."),
        "{text}"
    );
    for line in [
        "decisions      permit 0, defer 0, reject 1, discard 0",
        "configuration  test.toml",
        "greylist       works; 0 faults, 0 times recovered",
        "resolver       answers; 0 questions, 0 timeouts, 0 outages",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let (exit, line) = server.status(&["--nagios"]).await;
    // The session by which the command before tried the socket may not have ended yet.
    let (said, data) = line.split_once(" | ").unwrap();
    assert!(said.starts_with("mailward OK - 1 decision, 100% refused, "), "{line}");
    assert!(data.starts_with("permit=0c defer=0c reject=1c discard=0c "), "{line}");
    assert!(exit == Exit::Success && line.lines().count() == 1, "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_set_aside_is_a_warning_without_its_key() {
    let policy = "[restrictions]\nclient = ['reject_rbl_client secret.zen.dq.spamhaus.net=127.0.0.2']\n";
    let zone = "2.0.0.127.secret.zen.dq.spamhaus.net A 127.255.255.254";
    let server = Controlled::start(policy, zone).await;
    server.daemon.server.test_lists().await;
    let (exit, text) = server.status(&[]).await;
    assert!(exit == Exit::Warning, "{text}");
    assert!(text.starts_with("mailward WARNING - zen.dq.spamhaus.net is set aside\n"), "{text}");
    assert!(text.contains("it answers 127.255.255.254: it is asked through a public\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let (_, json) = server.status(&["--json"]).await;
    assert!(!text.contains("secret") && !json.contains("secret"), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_milter_socket_and_a_dead_daemon_are_critical() {
    let Controlled { daemon, directory, control } = Controlled::start(POLICY, "").await;
    daemon.stop().await;
    let path = directory.path().join("control.sock");
    let config = format!("control_socket = {path:?}\n");
    let (exit, text) = status(&directory, &config, &[]).await;
    assert!(exit == Exit::Critical, "{text}");
    assert!(text.contains(" does not serve the MTA: No such file or directory"), "{text}");
    control.abort();
    assert!(control.await.unwrap_err().is_cancelled());
    assert!(!path.exists(), "the socket is removed at the end");
    let want = format!("mailward CRITICAL - the daemon does not run ({})\n", path.display());
    assert_eq!(status(&directory, &config, &[]).await, (Exit::Critical, want));
    let off = "mailward UNKNOWN - control_socket is \"off\": nobody can be asked\n".to_owned();
    assert_eq!(status(&directory, "control_socket = \"off\"\n", &[]).await, (Exit::Unknown, off));
    let (exit, text) = status(&directory, "nonsense = 1\n", &[]).await;
    assert!(exit == Exit::Unknown && text.starts_with("mailward UNKNOWN - "), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_endless_lines_get_an_error_and_are_counted() {
    let server = Controlled::start(POLICY, "").await;
    let unknown = "{\"error\":\"no such request in this version\"}\n";
    for garbage in [
        &b"\n"[..],
        b"GET / HTTP/1.0\r\n\r\n",
        b"{}\n",
        b"{\"command\":\"shut_down\"}\n",
        b"\xff\xfe\0\n",
        b"[[[[[[[[[[[[[[[[[[[[[[\n",
    ] {
        assert_eq!(server.says(garbage).await, unknown, "{}", garbage.escape_ascii());
    }
    let deep = [b"[".repeat(4_000), b"\n".to_vec()].concat();
    assert_eq!(server.says(&deep).await, unknown);
    let mut endless = server.connect().await;
    let mut written = 0;
    while written < 1 << 20 && endless.write_all(&[b'x'; 1024]).await.is_ok() {
        written += 1024;
    }
    let mut answer = String::new();
    let _ = endless.read_to_string(&mut answer).await;
    assert!(written < 1 << 20, "nobody reads on for ever");
    assert_eq!(server.daemon.counter("control_errors"), 7);
    assert!(server.says(b"{\"command\":\"status\"}\n").await.starts_with("{\"status\":{\"version\":"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_connections_hold_up_neither_status_nor_mail() {
    let server = Controlled::start(POLICY, "").await;
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        let mut stream = server.connect().await;
        // Some have begun to talk, and some do not read.
        if silent.len() % 2 == 0 {
            let _ = stream.write_all(b"{\"comm").await;
        }
        silent.push(stream);
    }
    let (exit, text) = server.status(&[]).await;
    assert_eq!(exit, Exit::Success, "{text}");
    let mut session = Session::open(&server.daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<bad@sender.example>").await;
    assert!(session.rcpt("<to@rcpt.example>").await.starts_with("554 5.7.1 <bad@sender.example>"));
    assert_eq!(server.shown().await.decisions.reject, 1);
    drop(silent);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_one_in_use_is_not() {
    let directory = Directory::new();
    let path = directory.path().join("below/control.sock");
    let first = Control::bind(&path).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let error = Control::bind(&path).await.unwrap_err().to_string();
    assert!(error.ends_with("(is mailward running already?)"), "{error}");
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok(), "what is in use was not touched");
    drop(first);
    assert!(!path.exists());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    Control::bind(&path).await.unwrap();
    fs::write(&path, "a file").unwrap();
    assert!(Control::bind(&path).await.is_err() && path.exists());
}
