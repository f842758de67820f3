//! The commands that speak with the running daemon, as processes: `mailward allow` and `status`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};
use support::{
    directory::Directory, mailward::MailwardInstance, postfix::own_directory, wire::refused_at_rcpt,
};

const REJECT_TO: &str = "554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied";

/// Runs the program on a state directory, as `alice` by sudo: its exit code and what it prints.
fn mailward(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.args(arguments).env("STATE_DIRECTORY", directory).env("SUDO_USER", "alice").stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn an_exemption_is_in_force_at_once_and_listed_with_its_uses() {
    let directory = own_directory("allow");
    let socket = directory.join("mailward.sock");
    let daemon = MailwardInstance::start_on(
        &format!("unix:{}", socket.display()),
        "[restrictions]\nrecipient = ['reject']",
    );
    let state = daemon.directory();
    let run = |arguments: &[&str]| mailward(state, arguments);
    assert_eq!(refused_at_rcpt(&socket), REJECT_TO);
    assert_eq!(run(&["allow", "list"]), (0, "no exemption\n".to_owned()));
    let add = ["allow", "add", "network", "192.0.2.0/24", "--reason", "a partner", "--expires", "30d"];
    let (exit, said) = run(&add);
    assert!(exit == 0 && said.starts_with("#1 network 192.0.2.0/24 is let in, until "), "{said}");
    assert!(said.ends_with(" +0000\nin force now\n"), "{said}");
    assert_eq!(refused_at_rcpt(&socket), "c", "continue");
    let config = state.join("mailward.toml");
    let explain =
        ["explain", "-c", config.to_str().unwrap(), "--client", "192.0.2.1", "--client-name", "unknown"];
    let (_, said) = run(&[&explain[..], &["--from", "a@b.example", "--rcpt", "c@d.example"]].concat());
    assert!(said.contains("accepted by allow network 192.0.2.0/24 (#1) (allow.db)"), "{said}");
    // Told that something changed, the daemon writes down what was used.
    assert_eq!(run(&["allow", "add", "sender", "@Sender.Example"]).0, 0);
    let (_, list) = run(&["allow", "list"]);
    assert!(list.starts_with("#1 network 192.0.2.0/24\n    a partner\n    by alice, "), "{list}");
    assert!(
        list.contains("\n    used 1 time, last ") && list.contains("#2 sender @sender.example\n"),
        "{list}"
    );
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert_eq!(run(&["allow", "list", "--unused", "1h"]).1, "no exemption\n");
    let rows: serde_json::Value = serde_json::from_str(&run(&["allow", "list", "--json"]).1).unwrap();
    assert_eq!(
        (&rows[0]["hits"], &rows[1]["hits"], &rows[1]["author"]),
        (&1.into(), &0.into(), &"alice".into())
    );
    let (_, status) = run(&["status", "-c", config.to_str().unwrap()]);
    assert!(status.contains("\nexemptions     2; the file works"), "{status}");
    assert!(status.contains("greylisted 0, exempted 1\n"), "{status}");

    assert_eq!(run(&["allow", "remove", "sender", "@sender.example"]).0, 0);
    let want = "#1 network 192.0.2.0/24 is no longer let in\nin force now\n".to_owned();
    assert_eq!(run(&["allow", "remove", "#1"]), (0, want));
    assert_eq!(refused_at_rcpt(&socket), REJECT_TO);
    assert_eq!(daemon.terminate().code(), Some(0));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn exemptions_are_made_without_the_daemon_too_and_wrong_ones_are_named() {
    let directory = Directory::new();
    let state = directory.path().join("state");
    let run = |arguments: &[&str]| mailward(&state, arguments);
    let (exit, said) = run(&["allow", "add", "sender", "bob@example.org", "--author", "\u{1b}[31m"]);
    assert_eq!(exit, 0);
    assert_eq!(
        said,
        "#1 sender bob@example.org is let in, for good\nin force when the daemon runs\n\
         anybody can forge a sender: client, network or domain are safer\n"
    );
    assert_eq!(fs::metadata(state.join("allow.db")).unwrap().permissions().mode() & 0o777, 0o640);
    let (_, list) = run(&["allow", "list"]);
    assert!(list.contains("    by \\u{1b}[31m, ") && !list.contains('\u{1b}'), "{list}");
    for (arguments, exit, want) in [
        (
            &["add", "client", "192.0.2.300"][..],
            65,
            "mailward: `192.0.2.300` is not an IP address: write an address such as 192.0.2.1 or 2001:db8::1\n",
        ),
        (&["remove", "7"], 65, "mailward: there is no exemption 7: see `mailward allow list`\n"),
        (&["remove", "x"], 64, "mailward: `x` is not a number of `allow list`; or write kind and value\n"),
        (
            &["remove", "ip", "192.0.2.1"],
            64,
            "mailward: write client, network, domain, sender or recipient\n",
        ),
    ] {
        assert_eq!(run(&[&["allow"], arguments].concat()), (exit, want.to_owned()));
    }
    let (exit, said) = run(&["allow", "add", "ip", "192.0.2.1"]);
    assert!(exit == 64 && said.contains("write client, network, domain, sender or recipient"), "{said}");
    let file = directory.file("allow.db", &"no database at all, as long as one ".repeat(40));
    let (exit, said) = mailward(directory.path(), &["allow", "list"]);
    assert!(exit == 74 && said.contains(file.to_str().unwrap()), "{said}");
}

#[test]
fn a_refused_reload_is_a_warning_until_a_good_one() {
    let directory = own_directory("reload");
    let socket = format!("unix:{}", directory.join("mailward.sock").display());
    let mut daemon = MailwardInstance::start_on(&socket, "");
    let config = daemon.directory().join("mailward.toml");
    let good = fs::read_to_string(&config).unwrap();
    let state = daemon.directory().to_owned();
    let status = || mailward(&state, &["status"]);
    // Without -c the built-in policy is asked for: it has the same control socket.
    assert_eq!(status().0, 0, "{}", status().1);
    fs::write(&config, "nonsense = 1\n").unwrap();
    daemon.reload();
    let (exit, said) = status();
    let want = "mailward WARNING - the last reload was refused, the old configuration stays\n";
    assert!(exit == 1 && said.starts_with(want), "{said}");
    fs::write(&config, good).unwrap();
    daemon.reload();
    assert_eq!(status().0, 0);
    drop(daemon);
    let (exit, said) = status();
    assert!(exit == 2 && said.starts_with("mailward CRITICAL - the daemon does not run ("), "{said}");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn metrics_are_printed_or_written_in_one_step_and_go_missing_with_the_daemon() {
    let directory = own_directory("metrics");
    let socket = directory.join("mailward.sock");
    let listener = directory.join("metrics.sock");
    let policy = format!(
        "[restrictions]\nrecipient = ['reject']\n[metrics]\nlisten = 'unix:{}'\n",
        listener.display()
    );
    let daemon = MailwardInstance::start_on(&format!("unix:{}", socket.display()), &policy);
    let state = daemon.directory().to_owned();
    assert_eq!(refused_at_rcpt(&socket), REJECT_TO);
    let (exit, text) = mailward(&state, &["metrics"]);
    assert!(exit == 0 && text.contains("\nmailward_decisions_reject_total 1\n"), "{text}");
    let file = directory.join("mailward.prom");
    let write = || mailward(&state, &["metrics", "-o", file.to_str().unwrap()]);
    assert_eq!(write(), (0, String::new()));
    assert_eq!(write(), (0, String::new()));
    assert!(fs::read_to_string(&file).unwrap().starts_with("# HELP mailward_connections_total "));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(listener.exists());
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!listener.exists() && !state.join("control.sock").exists(), "sockets are removed at the end");
    let names =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["mailward.prom", "mailward.sock"], "the milter's socket is kept for the next start");
    let (exit, said) = write();
    assert!(exit == 69 && said.starts_with("mailward: the daemon does not run ("), "{said}");
    assert!(!file.exists(), "old numbers do not stand still");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_configuration_that_cannot_be_read_is_not_called_faulty() {
    let directory = Directory::new();
    let file = directory.path().join("nope.toml");
    let file = file.to_str().unwrap();
    let why = format!("{file} cannot be read: no such file or directory");
    let refused = (78, format!("mailward: {why}\n"));
    let run = |arguments: &[&str]| mailward(directory.path(), &[arguments, &["-c", file]].concat());
    for arguments in [
        &["greylist", "list"][..],
        &["metrics"],
        &["postfix", "status"],
        &["explain", "--client", "192.0.2.1"],
        &["report"],
        &["why", "192.0.2.1"],
    ] {
        assert_eq!(run(arguments), refused, "{arguments:?}");
    }
    assert_eq!(run(&["status"]), (3, format!("mailward UNKNOWN - {why}\n")));
    fs::write(file, "nonsense = 1\n").unwrap();
    let faulty = format!("mailward: {file} has faults: see `mailward check-config -c {file}`\n");
    assert_eq!(run(&["metrics"]), (78, faulty));
}

#[test]
fn whoever_may_not_look_hears_so_and_whom_to_ask_as() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "SKIPPED whoever_may_not_look_hears_so_and_whom_to_ask_as: only root can become somebody else"
        );
        return;
    }
    let directory = Directory::new();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = directory.file("mailward.toml", "[restrictions]\nrecipient = ['greylist']\n");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o750)).unwrap();
    let config = config.to_str().unwrap();
    for (arguments, what, file) in [
        (&["greylist", "list", "-c", config][..], "the greylist", "greylist.db"),
        (&["allow", "list"], "the exemptions' file", "allow.db"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
        command.args(arguments).env("STATE_DIRECTORY", &state).uid(65_534).gid(65_534);
        let output = command.output().unwrap();
        let want = format!(
            "mailward: {what} {} cannot be read: permission denied: ask as root or as a member of its group\n",
            state.join(file).display()
        );
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(74), want));
    }
}
