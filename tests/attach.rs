//! `mailward postfix attach|detach|status` against a real Postfix with a configuration of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};
use support::{
    mailward::MailwardInstance,
    postfix::{PostfixInstance, Setup, available},
};

const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");
const POLICY: &str = "[restrictions]\nrecipient = ['permit_mynetworks', 'reject']\n";

/// A Postfix with one service that has milters of its own, and what is said to `mailward postfix`.
struct Stand {
    postfix: PostfixInstance,
    config: PathBuf,
}

impl Stand {
    fn new(main_cf: &[&str]) -> Self {
        let services = vec![vec![], vec!["smtpd_milters =".to_owned()]];
        let main_cf = main_cf.iter().map(|line| (*line).to_owned()).collect();
        let postfix = PostfixInstance::start(&Setup { services, main_cf, ..Setup::default() });
        let config = postfix.directory().join("mailward.toml");
        let stand = Self { postfix, config };
        fs::write(&stand.config, format!("socket = {:?}\n{POLICY}", stand.socket())).unwrap();
        fs::create_dir(stand.postfix.queue_directory().join("mailward")).unwrap();
        stand
    }

    fn socket(&self) -> String {
        format!("unix:{}", self.postfix.queue_directory().join("mailward/mailward.sock").display())
    }

    /// Starts mailward with rights by which any process may connect, or only root.
    fn mailward(&self, mode: &str) -> MailwardInstance {
        MailwardInstance::start_on(&self.socket(), &format!("socket_mode = {mode:?}\n{POLICY}"))
    }

    fn main_cf(&self) -> String {
        fs::read_to_string(self.postfix.directory().join("etc/main.cf")).unwrap()
    }

    /// Runs a command: its exit code and what it printed.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(MAILWARD);
        command.arg("postfix").args(arguments).arg("-c").arg(&self.config);
        command.arg("--config-dir").arg(self.postfix.directory().join("etc"));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
        (status.code().unwrap(), text)
    }

    /// What is printed, with the addresses of the services under fixed names.
    fn said(&self, (code, text): (i32, String)) -> (i32, String) {
        let names = [(self.postfix.address(0), "FIRST"), (self.postfix.address(1), "SECOND")];
        let text = names.iter().fold(text, |text, (address, name)| {
            let padded = format!("\n  {:<20}", address.to_string());
            text.replace(&padded, &format!("\n  {name:<20}")).replace(&address.to_string(), name)
        });
        (code, text.replace(&self.socket(), "SOCKET"))
    }
}

const ELEMENT: &str = "{ unix:mailward/mailward.sock, default_action=tempfail, command_timeout=30s }";

#[test]
fn postfix_is_attached_proved_and_detached_and_main_cf_is_as_before() {
    if !available("attaching Postfix") {
        return;
    }
    let stand = Stand::new(&[
        "smtpd_milters = inet:127.0.0.1:9, { inet:127.0.0.1:10 }",
        "milter_default_action = accept",
    ]);
    let before = stand.main_cf();
    let services = "  FIRST                filtered\n\
                    \x20 SECOND               not filtered: master.cf says -o smtpd_milters=\n";
    let others = "inet:127.0.0.1:9, { inet:127.0.0.1:10 }";
    let change = format!("- smtpd_milters = {others}\n+ smtpd_milters = {ELEMENT}, {others}\n");

    let dry = stand.said(stand.run(&["attach", "--dry-run"]));
    assert_eq!(dry, (0, format!("{change}{services}Nothing was changed (--dry-run).\n")));
    assert_eq!(stand.main_cf(), before);

    let (code, text) = stand.said(stand.run(&["attach"]));
    let silent = "mailward: mailward does not answer on SOCKET: No such file or directory (os error 2)\n  \
                  help: systemctl start mailward\n";
    assert_eq!((code, text), (69, format!("{change}{services}{silent}")));
    assert_eq!(stand.main_cf(), before, "nobody is attached to what does not answer");

    let _mailward = stand.mailward("0666");
    let proved = "Proved: a probe through FIRST was answered by mailward.\n";
    assert_eq!(stand.said(stand.run(&["attach"])), (0, format!("{change}{services}{proved}")));
    let stays = format!("smtpd_milters = {ELEMENT}, {others} stays.\n");
    assert_eq!(stand.said(stand.run(&["attach"])), (0, format!("{stays}{services}{proved}")));

    let (code, text) = stand.said(stand.run(&["status"]));
    let (version, rest) = text.split_once(", ").unwrap();
    assert!(version.starts_with("Postfix 3."), "{version}");
    let want = format!(
        "smtpd_milters = {ELEMENT}, {others}\n{services}While mailward is down: clients hear 451 and try again later \
         (tempfail)\nmailward answers within 20s\nmailward answers on SOCKET\n"
    );
    assert_eq!((code, rest), (0, want.as_str()));

    let (code, text) = stand.run(&["detach"]);
    assert_eq!(
        (code, text),
        (0, format!("- smtpd_milters = {ELEMENT}, {others}\n+ smtpd_milters = {others}\n"))
    );
    assert_eq!(stand.main_cf(), before);
    let (code, text) = stand.run(&["detach"]);
    let want = format!("unix:mailward/mailward.sock is not in smtpd_milters = {others}\n");
    assert_eq!((code, text), (0, want));
    let (code, text) = stand.run(&["status"]);
    assert_eq!(code, 69);
    let want = format!(
        "mailward: no service of Postfix asks mailward\n  help: mailward postfix attach -c {} --config-dir {}\n",
        stand.config.display(),
        stand.postfix.directory().join("etc").display()
    );
    assert!(text.ends_with(&want), "{text}");
}

#[test]
fn a_change_that_does_not_reach_mailward_is_taken_back() {
    if !available("attaching a Postfix that may not connect") {
        return;
    }
    let stand = Stand::new(&[]);
    let before = stand.main_cf();
    let _mailward = stand.mailward("0600");
    let (code, text) = stand.said(stand.run(&["attach"]));
    assert_eq!(code, 69);
    let end = "mailward: a probe through FIRST was not answered by mailward, the change was taken back; Postfix said:\n  \
               451 4.7.1 Service unavailable - try again later\n  help: its log says why\n";
    assert!(text.ends_with(end), "{text}");
    assert_eq!(stand.main_cf(), before);
}
