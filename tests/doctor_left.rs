//! `mailward doctor` on what a daemon has left: its databases, their disk, its DNS lists and resolver.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use rusqlite::Connection;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use support::{
    directory::Directory,
    dns::DnsServer,
    doctor::{NOWHERE, Said, ask, command},
    mailward::MailwardInstance,
    postfix::say,
    wire::refused_at_rcpt,
};

/// A state directory with a journal and a greylist of a daemon that has ended, and a resolver.
struct Left {
    directory: Directory,
    dns: DnsServer,
}

impl Left {
    fn new(policy: &str, zone: &str) -> Self {
        let (directory, dns) = (Directory::new(), DnsServer::start(zone));
        let place = |name: &str| directory.path().join(name).display().to_string();
        let config = format!(
            "socket = 'unix:{}'\n{policy}[journal]\npath = '{}'\n[greylist]\nstore = 'sqlite:{}'\n[dns]\nnameservers = \
             ['{}']\n",
            place("mailward.sock"),
            place("state/journal.db"),
            place("state/greylist.db"),
            dns.address(),
        );
        fs::create_dir(directory.path().join("state")).unwrap();
        directory.file("mailward.toml", &config);
        Self { directory, dns }
    }

    /// Lets a daemon make the databases.
    fn with_databases(self) -> Self {
        let config = fs::read_to_string(self.directory.path().join("mailward.toml")).unwrap();
        let (socket, rest) = config.split_once('\n').unwrap();
        let socket = socket.trim_start_matches("socket = '").trim_end_matches('\'');
        let daemon = MailwardInstance::start_on(socket, rest);
        let reply = refused_at_rcpt(&self.directory.path().join("mailward.sock"));
        assert!(reply.starts_with("450 4.2.0 "), "the greylist's file is made: {reply}");
        assert_eq!(daemon.terminate().code(), Some(0));
        for name in ["journal.db", "greylist.db"] {
            let file = Connection::open(self.file(name)).unwrap();
            file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("state").join(name)
    }

    fn ask(&self) -> Said {
        let Said { code, lines } = ask(self.command());
        let path = self.directory.path().display().to_string();
        let resolver = self.dns.address().to_string();
        let named = |line: String| line.replace(&path, "DIR").replace(&resolver, "RESOLVER");
        Said { code, lines: lines.into_iter().map(named).collect() }
    }

    fn command(&self) -> Command {
        let path = self.directory.path();
        command(path, &path.join("mailward.toml"), Path::new(NOWHERE))
    }
}

const GREYLIST: &str = "[restrictions]\nrecipient = ['greylist']\n";

#[test]
fn a_database_from_a_newer_version_or_a_corrupt_one_fails() {
    let left = Left::new(GREYLIST, "").with_databases();
    let said = left.ask();
    assert_eq!(said.about(&["database"]).len(), 2);
    said.has("ok database: DIR/state/greylist.db (the greylist) ");
    said.has("ok database: DIR/state/journal.db (the journal) ");
    said.has("note postfix: not looked at: postconf failed:");

    let journal = Connection::open(left.file("journal.db")).unwrap();
    journal.pragma_update(None, "user_version", 99).unwrap();
    drop(journal);
    let greylist = Connection::open(left.file("greylist.db")).unwrap();
    greylist.pragma_update(None, "application_id", 7).unwrap();
    drop(greylist);
    let said = left.ask();
    let newer = format!(
        "FAIL database: DIR/state/journal.db (the journal) has schema 99, this version knows {}: the daemon does not start \
         with it / install the newer mailward again, or put back a copy from before it",
        mailward::journal::KIND.mark().schema
    );
    assert_eq!(
        said.about(&["database"]),
        [
            "FAIL database: DIR/state/greylist.db (the greylist) belongs to another program: the daemon does not start with it \
         / name another file in mailward.toml",
            &newer,
        ]
    );

    let left = Left::new(GREYLIST, "").with_databases();
    fs::write(left.file("journal.db"), "no database at all, as long as one ".repeat(400)).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(left.file("greylist.db")).unwrap();
    // Behind the first page, which holds the schema.
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&[0xff; 4096 * 2]).unwrap();
    drop(file);
    let said = left.ask();
    said.has("FAIL database: DIR/state/journal.db (the journal) cannot be read: the database is corrupt: ");
    said.has("FAIL database: DIR/state/greylist.db (the greylist) is corrupt: ");
    assert_eq!(said.code, 2);
}

#[test]
fn a_disk_that_cannot_be_written_fails() {
    let left = Left::new(GREYLIST, "");
    let state = left.directory.path().join("state").display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    if !run("mount", &["-t", "tmpfs", "-o", "size=32m", "tmpfs", &state]) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot mount a file system");
        return say("SKIPPED a_disk_that_cannot_be_written_fails: cannot mount a file system");
    }
    let left = left.with_databases();
    assert!(run("mount", &["-o", "remount,ro", &state]));
    let said = left.ask();
    assert!(run("umount", &["-l", &state]));
    for name in ["greylist.db (the greylist)", "journal.db (the journal)"] {
        said.has(&format!(
            "FAIL database: DIR/state/{name} is on a file system that is mounted read-only / see dmesg"
        ));
    }
    assert_eq!(said.code, 2);
}

#[test]
fn a_list_that_refuses_the_resolver_and_a_dead_resolver_fail() {
    let policy =
        "[restrictions]\nclient = ['reject_rbl_client bl.example', 'reject_rbl_client good.example']\n";
    let zone = "
        2.0.0.127.bl.example    A  127.255.255.254
        2.0.0.127.good.example  A  127.0.0.2
    ";
    let left = Left::new(policy, zone);
    let said = left.ask();
    assert_eq!(
        said.about(&["dns"]),
        [
            "ok dns: RESOLVER answers; sound: good.example",
            "FAIL dns: bl.example answers 127.255.255.254: it is asked through a public resolver (DIR/mailward.toml:3). The list \
         is set aside until it behaves / run a resolver of your own and name it in [dns] nameservers, or get a key from \
         the list's operator",
        ]
    );
    left.dns.replace("* * SERVFAIL\ncom * SERVFAIL\n*.com * SERVFAIL\n*.example * SERVFAIL\n");
    let said = left.ask();
    let want = "FAIL dns: no name server answers (RESOLVER): mail passes or waits without DNS / start the resolver, or name \
                one that answers in [dns] nameservers or /etc/resolv.conf";
    assert_eq!(said.about(&["dns"]), [want]);
}

#[test]
fn whoever_is_not_root_hears_what_was_not_seen() {
    if !rustix::process::geteuid().is_root() {
        return say(
            "SKIPPED whoever_is_not_root_hears_what_was_not_seen: only root can become somebody else",
        );
    }
    let left = Left::new(GREYLIST, "").with_databases();
    fs::set_permissions(left.directory.path().join("state"), fs::Permissions::from_mode(0o750)).unwrap();
    let config = fs::read_to_string(left.directory.path().join("mailward.toml")).unwrap();
    let (socket, rest) = config.split_once('\n').unwrap();
    let socket = socket.trim_start_matches("socket = '").trim_end_matches('\'');
    let control = left.directory.path().join("control.sock");
    let rest = format!("control_socket = '{}'\nsocket_mode = '0660'\n{rest}", control.display());
    let daemon = MailwardInstance::start_on(socket, &rest);
    fs::copy(daemon.directory().join("mailward.toml"), left.directory.path().join("mailward.toml")).unwrap();
    const NOBODY: u32 = 65_534;
    let mut command = left.command();
    command.uid(NOBODY).gid(NOBODY);
    let said = ask(command);
    assert_eq!((said.code, said.problems()), (0, vec![]), "{:#?}", said.lines);
    said.has("note daemon: permission denied: ask as root or as a member of its group");
    said.has("note socket: ");
    let denied = said.about(&["database"]);
    assert!(
        denied.len() == 2 && denied.iter().all(|line| line.contains("may not be looked at")),
        "{denied:?}"
    );
}
