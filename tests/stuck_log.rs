//! A log that takes nothing holds up no mail: lines are dropped, counted, and shown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};
use support::{directory::Directory, wire::Wire};

const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");

/// More than the log's queue and a pipe hold; each decision is a line of the log, and a debug line.
const RECIPIENTS: usize = 8_000;

#[test]
fn a_log_that_nobody_reads_holds_up_no_mail_and_its_drops_are_shown() {
    let directory = Directory::new();
    let socket = directory.path().join("mailward.sock");
    let text = format!("socket = \"unix:{}\"\n[restrictions]\nrecipient = ['reject']\n", socket.display());
    let config = directory.file("mailward.toml", &text);
    let mut daemon = Command::new(MAILWARD)
        .args(["run", "--verbose", "-c"])
        .arg(&config)
        .env("STATE_DIRECTORY", directory.path())
        .env_remove("JOURNAL_STREAM")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(daemon.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listens on") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
    }
    // From here on nobody reads the log.
    let mut wire = Wire::open(&socket);
    wire.hello();
    for _ in 0..RECIPIENTS {
        assert!(wire.rcpt().starts_with("554 5.7.1 <to@rcpt.example>"));
    }
    let status = |kind: &str| {
        let mut command = Command::new(MAILWARD);
        command.args(["status", kind, "-c"]).arg(&config).env("STATE_DIRECTORY", directory.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (exit, shown) = status("--json");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((exit, &shown["decisions"]["reject"]), (Some(1), &RECIPIENTS.into()), "{shown}");
    let dropped = shown["log_dropped"].as_u64().unwrap();
    assert!(dropped > 1_000, "{dropped}");
    let (_, line) = status("--nagios");
    assert!(line.starts_with("mailward WARNING - ") && line.contains(" log lines dropped | "), "{line}");

    drop(wire);
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    let mut rest = Vec::new();
    log.read_to_end(&mut rest).unwrap();
    let written =
        String::from_utf8_lossy(&rest).lines().filter(|line| line.contains(" reject: RCPT ")).count();
    assert!(
        written > 1_000 && written < RECIPIENTS,
        "what was queued is written when the log is read: {written}"
    );
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}
