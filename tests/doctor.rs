//! `mailward doctor` on good and broken installations: the real daemon, a real Postfix of the test's own, a DNS server
//! with a zone text.

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
    mailward::MailwardInstance,
    postfix::{PostfixInstance, Setup, available, say},
    wire::refused_at_rcpt,
};

const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");
const POLICY: &str = "[restrictions]\nrecipient = ['reject_unknown_sender_domain']\n";

/// What the doctor says: its exit code, and `level subject: text / fix` for each finding.
struct Said {
    code: i32,
    lines: Vec<String>,
}

impl Said {
    /// The findings about some subjects; those about the machine depend on it.
    fn about(&self, subjects: &[&str]) -> Vec<&str> {
        let is = |line: &&str| subjects.iter().any(|subject| line.contains(&format!(" {subject}: ")));
        self.lines.iter().map(String::as_str).filter(is).collect()
    }

    /// Whether a line begins so.
    #[track_caller]
    fn has(&self, begin: &str) {
        assert!(self.lines.iter().any(|line| line.starts_with(begin)), "{begin}\n{:#?}", self.lines);
    }

    /// The findings that are no good news, without those about the machine.
    fn problems(&self) -> Vec<&str> {
        let all = self.lines.iter().map(String::as_str);
        let bad = all.filter(|line| line.starts_with("warn ") || line.starts_with("FAIL "));
        bad.filter(|line| !line.contains(" systemd: ") && !line.contains(" clock: ")).collect()
    }
}

/// The doctor's command line for a state directory with its configuration.
fn command(state: &Path, config: &Path, postfix: &Path) -> Command {
    let mut command = Command::new(MAILWARD);
    command.args(["doctor", "--json", "-c"]).arg(config).arg("--config-dir").arg(postfix);
    command.env("STATE_DIRECTORY", state).stdin(Stdio::null());
    command
}

fn ask(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let of = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let line = |finding: &serde_json::Value| {
        let fix = of(finding, "fix");
        let fix = if fix.is_empty() { fix } else { format!(" / {fix}") };
        format!(
            "{} {}: {}{fix}",
            of(finding, "level").replace("fail", "FAIL"),
            of(finding, "subject"),
            of(finding, "text")
        )
    };
    let lines = report["findings"].as_array().unwrap().iter().map(line).collect();
    Said { code: output.status.code().unwrap(), lines }
}

/// No Postfix at all.
const NOWHERE: &str = "/no such directory";

/// A Postfix, a mailward below its queue directory, and the DNS server that it asks.
struct Stand {
    postfix: PostfixInstance,
    dns: DnsServer,
    policy: String,
}

impl Stand {
    fn new(main_cf: &[&str], policy: &str) -> Self {
        let main_cf = main_cf.iter().map(|line| (*line).to_owned()).collect();
        let postfix = PostfixInstance::start(&Setup { main_cf, ..Setup::default() });
        fs::create_dir(postfix.queue_directory().join("mailward")).unwrap();
        let dns = DnsServer::start("");
        let policy = format!("{policy}[dns]\nnameservers = ['{}']\n", dns.address());
        Self { postfix, dns, policy }
    }

    fn path(&self) -> PathBuf {
        self.postfix.queue_directory().join("mailward/mailward.sock")
    }

    fn daemon(&self, mode: &str) -> MailwardInstance {
        let socket = format!("unix:{}", self.path().display());
        MailwardInstance::start_on(&socket, &format!("socket_mode = {mode:?}\n{}", self.policy))
    }

    fn etc(&self) -> PathBuf {
        self.postfix.directory().join("etc")
    }

    fn set(&self, setting: &str) {
        for (program, arguments) in [("postconf", vec!["-e", setting]), ("postfix", vec!["reload"])] {
            let done = Command::new(program).arg("-c").arg(self.etc()).args(arguments).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
    }

    /// Asks the doctor, with paths and addresses under fixed names.
    fn ask(&self, state: &Path) -> Said {
        let Said { code, lines } = ask(command(state, &state.join("mailward.toml"), &self.etc()));
        let names = [
            (self.path().display().to_string(), "SOCKET"),
            (self.postfix.queue_directory().display().to_string(), "QUEUE"),
            (self.etc().display().to_string(), "ETC"),
            (self.postfix.address(0).to_string(), "SMTP"),
            (self.dns.address().to_string(), "RESOLVER"),
            (state.display().to_string(), "STATE"),
        ];
        let named = |line: String| names.iter().fold(line, |line, (long, short)| line.replace(long, short));
        Said { code, lines: lines.into_iter().map(named).collect() }
    }
}

const ATTACHED: &str = "smtpd_milters = { unix:mailward/mailward.sock, default_action=tempfail }";

#[test]
fn an_installation_that_is_well_has_nothing_to_mend() {
    if !available("the doctor beside a Postfix") {
        return;
    }
    let stand = Stand::new(&[ATTACHED], POLICY);
    let daemon = stand.daemon("0666");
    let said = stand.ask(daemon.directory());
    assert!(said.problems().is_empty(), "{:#?}", said.lines);
    said.has("ok daemon: running for ");
    said.has("ok postfix: 3.");
    assert_eq!(
        said.about(&["config", "socket", "dns"]),
        [
            "ok config: STATE/mailward.toml loads, and is in force",
            "ok socket: unix:SOCKET  root:root 0666, answers",
            "ok dns: RESOLVER answers; the policy asks no DNS list",
        ]
    );
    assert_eq!(
        said.about(&["postfix"])[1..],
        [
            "ok postfix: SMTP, chroot=yes, smtpd_milters reaches mailward (unix:mailward/mailward.sock)",
            "ok postfix: a probe through it was answered by mailward",
            "note postfix: while mailward is down: clients hear 451 and try again later (tempfail); `attach --if-down` \
         changes that",
        ]
    );
    said.has("ok database: STATE/journal.db (the journal) ");

    let mut text = Command::new(MAILWARD);
    text.args(["doctor", "-c"]).arg(daemon.directory().join("mailward.toml"));
    text.arg("--config-dir").arg(stand.etc()).env("STATE_DIRECTORY", daemon.directory());
    let text = String::from_utf8(text.output().unwrap().stdout).unwrap();
    assert!(text.starts_with("ok    daemon      running for "), "{text}");
    assert!(text.contains("\nok    socket      unix:/"), "{text}");

    // What changed on the disk is not in force before the reload.
    let config = daemon.directory().join("mailward.toml");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{before}timeout = '1s'\n")).unwrap();
    let said = stand.ask(daemon.directory());
    assert_eq!(said.code, 1);
    said.has("warn config: it, or a table of it, changed since it was loaded ");
    fs::write(&config, format!("{before}timeout = 'soon'\n")).unwrap();
    let said = stand.ask(daemon.directory());
    assert_eq!(said.code, 2);
    said.has("FAIL config: STATE/mailward.toml:");
}

#[test]
fn a_daemon_that_is_down_is_said_by_name_and_postfix_is_looked_at_all_the_same() {
    if !available("the doctor without a daemon") {
        return;
    }
    let stand = Stand::new(&[ATTACHED], POLICY);
    let daemon = stand.daemon("0666");
    let state = Directory::new();
    fs::copy(daemon.directory().join("mailward.toml"), state.path().join("mailward.toml")).unwrap();
    assert_eq!(daemon.terminate().code(), Some(0));
    let said = stand.ask(state.path());
    assert_eq!(said.code, 2);
    said.has("FAIL daemon: the daemon does not run (STATE/control.sock) / ");
    said.has("FAIL socket: unix:SOCKET  root:root 0666 does not answer: Connection refused");
    let want = "note postfix: SMTP, chroot=yes: smtpd_milters names unix:mailward/mailward.sock, where mailward does not \
                listen now";
    said.has(want);
    said.has("ok dns: RESOLVER answers");
    said.has("ok database: STATE/journal.db (the journal) is not there: it is made when it is first needed");
}

#[test]
fn a_socket_that_postfix_cannot_reach_fails_with_the_reason() {
    if !available("the doctor and a chroot") {
        return;
    }
    let stand = Stand::new(&[], POLICY);
    let daemon = stand.daemon("0600");
    let said = stand.ask(daemon.directory());
    assert_eq!(said.code, 2);
    said.has("note postfix: SMTP, chroot=yes: not filtered, smtpd_milters =");
    said.has("FAIL postfix: no service asks mailward: mail is not filtered / mailward postfix attach -c STATE/mailward.toml --config-dir ETC");

    stand.set(ATTACHED);
    let said = stand.ask(daemon.directory());
    let want = "FAIL postfix: SMTP, chroot=yes: may not connect to unix:mailward/mailward.sock: SOCKET is root:root 0600, \
                and the user is postfix / ";
    said.has(want);
    let want = "FAIL postfix: a probe through it was not answered by mailward; it said: 451 4.7.1 Service unavailable - \
                try again later / see `milter` in Postfix's log, which says why";
    said.has(want);

    fs::set_permissions(stand.path(), fs::Permissions::from_mode(0o666)).unwrap();
    stand.set(&format!("smtpd_milters = unix:{}", stand.path().display()));
    let said = stand.ask(daemon.directory());
    said.has("FAIL postfix: SMTP, chroot=yes: smtpd_milters names unix:SOCKET, which is QUEUESOCKET from there, where ");
    said.has("FAIL postfix: a probe through it was not answered by mailward");
    said.has("note postfix: while mailward is down: ");
}

#[test]
fn what_main_cf_refuses_before_or_twice_is_named() {
    if !available("the doctor and main.cf") {
        return;
    }
    let stand = Stand::new(
        &[
            ATTACHED,
            "smtpd_sender_restrictions = permit_mynetworks, reject_unknown_address, reject_non_fqdn_sender",
            "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10023",
        ],
        "[restrictions]\nrecipient = ['reject_unknown_sender_domain', 'greylist']\n",
    );
    let daemon = stand.daemon("0666");
    let said = stand.ask(daemon.directory());
    let want = "warn postfix: smtpd_sender_restrictions has reject_unknown_address too, which runs before mailward / \
                remove it there or here";
    said.has(want);
    said.has("warn postfix: `check_policy_service inet:127.0.0.1:10023` in smtpd_recipient_restrictions greylists too");
    said.has(
        "note postfix: main.cf also has reject_non_fqdn_sender: what that refuses, `mailward why` never sees",
    );
    said.has("ok database: STATE/greylist.db (the greylist) ");
    assert_eq!(said.code, 1);
}

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

#[test]
fn a_wrong_command_line_is_told_apart_from_a_failure() {
    let output = Command::new(MAILWARD).args(["doctor", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}
