//! `mailward doctor` on good and broken installations: the real daemon, a real Postfix of the test's own, a DNS server
//! with a zone text.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use support::{
    directory::Directory,
    dns::DnsServer,
    doctor::{Said, ask, command},
    mailward::MailwardInstance,
    postfix::{PostfixInstance, Setup, available},
};

const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");
const POLICY: &str = "[restrictions]\nrecipient = ['reject_unknown_sender_domain']\n";

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

#[test]
fn a_wrong_command_line_is_told_apart_from_a_failure() {
    let output = Command::new(MAILWARD).args(["doctor", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}
