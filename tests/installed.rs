//! The dialogue files with an installed mailward: `tests/install.sh` boots a system with a network of its own and runs
//! these in that network. The package's unit, user, sandbox and socket are those that an administrator has; the policy is
//! each file's own.
//!
//! `MAILWARD_SYSTEM` is the system's root as it is seen here, `MAILWARD_ENTER` the words before a command that enter it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

mod support;

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
};
use support::{
    dialogue::{Dialogue, MailQueue, Mta, Player, Side},
    login,
    postfix::{self, entries, say},
    stage::Stage,
};

/// Where the files' tables are, for mailward.
const TABLES: &str = "/etc/mailward/dialogues";
const SMTPD: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 25);

/// The system under test.
#[derive(Debug)]
struct System {
    root: PathBuf,
    enter: Vec<String>,
}

impl System {
    fn find() -> Self {
        let root = env::var_os("MAILWARD_SYSTEM").unwrap();
        let enter = env::var("MAILWARD_ENTER").unwrap();
        Self { root: root.into(), enter: enter.split_whitespace().map(str::to_owned).collect() }
    }

    /// What a command in the system printed; it must succeed.
    fn run(&self, command: &[&str]) -> String {
        let mut words = self.enter.iter().map(String::as_str).chain(command.iter().copied());
        let mut process = Command::new(words.next().unwrap());
        process.args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = process.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// The stage of one side's files, with the tables in the system.
    fn stage(&self) -> Stage {
        let tables = self.path(TABLES);
        let _ = fs::remove_dir_all(&tables);
        fs::create_dir(&tables).unwrap();
        Stage::set_at(Side::Milter, tables, Ipv4Addr::LOCALHOST)
    }

    /// Starts mailward with the policy of a file and without the data of the file before.
    fn start_mailward(&self, stage: &Stage, dialogue: &Dialogue, socket: &str) {
        self.run(&["systemctl", "stop", "mailward"]);
        for entry in fs::read_dir(self.path("/var/lib/mailward")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let policy = stage.policy(dialogue).replace(&self.root.display().to_string(), "");
        let config = self.path("/etc/mailward/mailward.toml");
        fs::write(config, format!("socket = {socket:?}\n{policy}")).unwrap();
        self.run(&["systemctl", "start", "mailward"]);
    }

    fn log(&self) -> String {
        self.run(&["journalctl", "--no-pager", "-o", "cat", "-u", "mailward", "-n", "50"])
    }
}

impl MailQueue for System {
    fn queue(&self) -> BTreeMap<String, String> {
        entries(&self.run(&["postqueue", "-j"]))
    }
}

/// The socket that the installed configuration names.
fn socket(system: &System) -> String {
    let config = fs::read_to_string(system.path("/usr/share/doc/mailward/examples/mailward.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("#socket = \"unix:")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
#[ignore = "tests/install.sh runs it with a system that has mailward and Postfix"]
fn the_installed_mailward_answers_through_postfix() {
    let system = System::find();
    let stage = system.stage();
    let own = postfix::MAIN_CF.lines().map(str::to_owned);
    let sink = stage.sink.main_cf().into_iter().chain(login::main_cf(login::start()));
    // install.sh keeps Postfix to IPv4, and Debian names itself in the banner.
    let system_wide =
        ["inet_protocols = all", "smtpd_banner = $myhostname ESMTP $mail_name"].map(str::to_owned);
    for line in own.chain(sink).chain(system_wide) {
        system.run(&["postconf", "-e", &line]);
    }
    system.run(&["systemctl", "restart", "postfix"]);
    let attached = system.run(&["postconf", "-h", "smtpd_milters"]);
    assert!(attached.contains("unix:mailward/mailward.sock"), "{attached}");
    let mut all = Vec::new();
    for dialogue in &stage.dialogues {
        system.start_mailward(&stage, dialogue, &socket(&system));
        let (faults, _) = stage.play(dialogue, Side::Milter, SocketAddr::from(SMTPD), &system);
        if !faults.is_empty() {
            all.push(format!("{}\n{}", faults.join("\n"), system.log()));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
#[ignore = "tests/install.sh runs it with a system that has mailward and Sendmail"]
fn the_installed_mailward_answers_through_sendmail() {
    let system = System::find();
    let stage = system.stage();
    for dialogue in &stage.dialogues {
        system.start_mailward(&stage, dialogue, &socket(&system));
        let player = Player::new(dialogue, Side::Milter, SocketAddr::from(SMTPD), &system, &stage.sink);
        let (compared, faults, _) = player.through(Mta::Sendmail).play();
        assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), system.log());
        say(&format!("Sendmail: {} ... {compared} replies ok", dialogue.name()));
    }
}
