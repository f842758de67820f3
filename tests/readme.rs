//! README.md keeps its word: every command in it is run, every line of its tables and every configuration is read.
//!
//! Fenced blocks are `sh` (commands), `toml` (configurations), `sql` (questions to the greylist) or `text`; `code` between
//! single quotes is a command when it begins with the name of one of our programs. What only a machine of its own can run
//! stands in [`ELSEWHERE`]; a command in neither fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    config::{self, Disk},
    time::{Clock as _, SystemClock},
};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use support::{
    directory::Directory,
    dns::DnsServer,
    mailward::MailwardInstance,
    postfix::{PostfixInstance, Setup, available},
    wire::refused_at_rcpt,
};

const README: &str = include_str!("../README.md");
const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");

/// Commands that are run elsewhere, and by whom.
const ELSEWHERE: &[(&str, &str)] = &[
    ("packaging/build-deb", "tests/install.sh"),
    ("apt install ./target/deb/mailward_*.deb", "tests/install.sh, in a container"),
    ("systemctl reload mailward", "tests/install.sh, in a container"),
    ("apt remove mailward", "tests/install.sh, in a container"),
    ("apt purge mailward", "tests/install.sh, in a container"),
    ("systemctl stop postgrey", "nobody: it stops the service of another package"),
    ("tests/run", ".ci/run; it runs this test"),
    ("cargo doc --no-deps --open", ".ci/run, without a browser"),
];

/// Programs whose names begin a command between quotes.
const PROGRAMS: [&str; 7] =
    ["mailward", "cargo", "apt", "systemctl", "packaging/build-deb", "tests/run", "postfix"];

/// Commands that end with more than 0, as their manuals say.
const ENDS: &[(&str, &[i32])] = &[
    ("mailward doctor", &[0, 1, 2]),
    ("mailward status --nagios", &[0, 1]),
    ("mailward scan message.eml", &[1]),
    // Nothing of theirs was stopped here.
    ("mailward why invoices@billing.example --for-sender", &[65]),
];

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut open: Option<&str> = None;
    for line in README.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(""), Some(_)) => open = None,
            (Some(name), None) => {
                assert!(["sh", "toml", "sql", "text"].contains(&name), "a block of the language {name:?}");
                open = Some(name);
                if name == language {
                    blocks.push(String::new());
                }
            }
            (Some(_), Some(_)) => panic!("a block within a block: {line}"),
            (None, Some(name)) if name == language => {
                *blocks.last_mut().unwrap() += &format!("{line}\n");
            }
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block that does not end");
    blocks
}

/// Every command, in the order of the page, without what a comment says about it.
fn commands() -> Vec<String> {
    let (mut commands, mut open) = (Vec::new(), None);
    for line in README.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(_), Some(_)) => open = None,
            (Some(language), None) => open = Some(language),
            (None, Some("sh")) => {
                let command = line.split(" #").next().unwrap().trim();
                assert!(!command.ends_with('\\'), "a command is one line: {command}");
                if !command.is_empty() && !command.starts_with('#') {
                    commands.push(command.to_owned());
                }
            }
            (None, Some(_)) => {}
            (None, None) => {
                let quoted = line.split('`').skip(1).step_by(2).filter(|text| is_command(text));
                commands.extend(quoted.map(str::to_owned));
            }
        }
    }
    commands
}

/// Whether a quoted text is a command; a name alone is none.
fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    PROGRAMS.contains(&first) && (words.next().is_some() || first.contains('/'))
}

/// A machine with a Postfix and a mailward, for which the commands are meant.
struct Machine {
    directory: Directory,
    postfix: PostfixInstance,
    daemon: MailwardInstance,
    _dns: DnsServer,
}

impl Machine {
    fn new() -> Self {
        let directory = Directory::new();
        let postfix = PostfixInstance::start(&Setup::default());
        fs::create_dir(postfix.queue_directory().join("mailward")).unwrap();
        let dns = DnsServer::start("");
        let place = |name: &str| directory.path().join(name).display().to_string();
        let policy = format!(
            "socket_mode = '0666'\ncontrol_socket = '{}'\n[restrictions]\nrecipient = ['greylist']\n[greylist]\nstore = \
             'sqlite:{}'\n[journal]\npath = '{}'\n[dns]\nnameservers = ['{}']\n",
            place("control.sock"),
            place("greylist.db"),
            place("journal.db"),
            dns.address()
        );
        let path = postfix.queue_directory().join("mailward/mailward.sock");
        let socket = format!("unix:{}", path.display());
        // The first one leaves a journal and a greylist with something in them.
        let first = MailwardInstance::start_on(&socket, &policy);
        assert!(refused_at_rcpt(&path).starts_with("450 4.2.0 "));
        assert_eq!(first.terminate().code(), Some(0));
        let daemon = MailwardInstance::start_on(&socket, &policy);
        let machine = Self { directory, postfix, daemon, _dns: dns };
        machine.programs();
        machine.directory.file("postgrey.dump", &postgrey());
        let message = "Subject: x\nContent-Disposition: attachment; filename=a.exe\n\n\n";
        fs::write(machine.work().join("message.eml"), message).unwrap();
        fs::copy(machine.daemon.directory().join("mailward.toml"), machine.work().join("new.toml")).unwrap();
        machine
    }

    /// Where the commands run.
    fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// `mailward` as it is when it is installed: with the configuration of this machine where it takes one; and `cargo`,
    /// which has built already.
    fn programs(&self) {
        let bin = self.directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::create_dir(self.work()).unwrap();
        let config = self.daemon.directory().join("mailward.toml");
        let mailward = format!(
            "#!/bin/sh\ncase \" $* \" in\n*' -c '* | *' --config '* | *' restrictions'* | *' man '* | *' import -o '* | *' --version'*) exec \
             {MAILWARD} \"$@\" ;;\n*) exec {MAILWARD} \"$@\" -c {} ;;\nesac\n",
            config.display()
        );
        let built = self.directory.path().join("built-in.toml");
        let other = support::postfix::free_addresses(1)[0];
        fs::write(&built, config::builtin().replace("127.0.0.1:8895", &other.to_string())).unwrap();
        // What serves is a second mailward; what comes after it speaks with the one that runs.
        let cargo = format!(
            "#!/bin/sh\n[ \"$1 $2 $3\" = 'run --release --' ] || exit 64\nshift 3\n[ \"$1\" != run ] || exec {MAILWARD} \
             \"$@\" -c {}\nexec {MAILWARD} \"$@\" -c {}\n",
            built.display(),
            config.display()
        );
        for (name, text) in [("mailward", mailward), ("cargo", cargo)] {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// The command on this machine: its places have other names.
    fn shell(&self, command: &str) -> Command {
        let dump = self.directory.path().join("postgrey.dump");
        let command = command.replace("/var/lib/postgrey", dump.to_str().unwrap());
        let path =
            format!("{}:{}", self.directory.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", &command]).current_dir(self.work()).env("PATH", path).stdin(Stdio::null());
        shell.env("MAIL_CONFIG", self.postfix.directory().join("etc"));
        shell.env("STATE_DIRECTORY", self.directory.path());
        shell
    }

    /// Runs a command to its end.
    fn run(&self, command: &str) {
        let Output { status, stdout, stderr } = self.shell(command).output().unwrap();
        let known = ENDS.iter().find(|(known, _)| *known == command);
        let ends = known.map_or(&[0][..], |(_, ends)| *ends);
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(status.code().is_some_and(|code| ends.contains(&code)), "{command}: {status}\n{said}");
        assert!(!said.contains("panicked"), "{command}\n{said}");
    }

    /// Starts a command that serves, and ends it when it has said how Postfix is attached.
    fn serve(&self, command: &str) {
        let mut shell = self.shell(&format!("exec {command}"));
        let state = self.directory.path().join("second");
        let mut child =
            shell.env("STATE_DIRECTORY", state).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map(Result::unwrap).find(|line| line.contains("postconf -e"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said.is_some_and(|line| line.contains("smtpd_milters")), "{command} says what comes next");
    }
}

/// What a postgrey has left that was here until now: in the file, times are `{seconds from now}`.
fn postgrey() -> String {
    let text = fs::read_to_string("tests/import_greylist/postgrey.dump").unwrap();
    let mut parts = text.split('{');
    let mut dump = parts.next().unwrap().to_owned();
    for part in parts {
        let (after, rest) = part.split_once('}').unwrap();
        dump += &format!("{}{rest}", SystemClock.now().0 + after.parse::<i64>().unwrap());
    }
    dump
}

#[test]
fn every_command_is_run() {
    let commands = commands();
    assert!(commands.len() > 20, "{commands:#?}");
    for (command, by) in ELSEWHERE {
        assert!(README.contains(command), "README.md has `{command}` no longer, which is run by {by}");
    }
    if !available("the commands of README.md") {
        return;
    }
    let machine = Machine::new();
    for command in commands {
        if ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == command) {
            continue;
        }
        if command.ends_with("-- run") {
            machine.serve(&command);
        } else {
            machine.run(&command);
        }
    }
    let main_cf = fs::read_to_string(machine.postfix.directory().join("etc/main.cf")).unwrap();
    assert!(!main_cf.contains("mailward.sock"), "the last command detaches it");
}

#[test]
fn every_question_is_answered_by_sqlite3() {
    let machine_has = Command::new("sqlite3").arg("-version").output().is_ok();
    if !machine_has || !available("the questions of README.md") {
        return;
    }
    let machine = Machine::new();
    let file = machine.directory.path().join("greylist.db");
    for block in blocks("sql") {
        let mut sqlite3 = Command::new("sqlite3");
        let output = sqlite3.arg("-readonly").arg(&file).arg(format!("\n{block}")).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{block}\n{output:?}");
        assert!(!output.stdout.is_empty(), "somebody waits");
    }
}

#[test]
fn every_configuration_loads_without_a_warning() {
    let blocks = blocks("toml");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let base = PathBuf::new();
        let text = format!("mynetworks = ['127.0.0.0/8']\n{block}");
        let loaded = config::parse("README.md", &text, &mut Disk { base });
        assert!(loaded.config.is_some(), "{block}\n{:?}", loaded.diagnostics);
        // A delay alone is used by no list here.
        let found: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert!(found.is_empty() || !block.contains("restrictions"), "{found:?}");
    }
}

/// The rows of the table of tutorials: the cells between backquotes.
fn rows() -> Vec<(&'static str, &'static str)> {
    let table = README.lines().skip_while(|line| !line.starts_with("| a tutorial's line in main.cf")).skip(2);
    let cells =
        table.take_while(|line| line.starts_with('|')).map(|line| line.split('`').collect::<Vec<_>>());
    cells.map(|cells| (cells[1], cells[3])).collect()
}

#[test]
fn every_line_of_a_tutorial_is_imported_as_the_table_says() {
    let rows = rows();
    assert!(rows.len() >= 9);
    let directory = Directory::new();
    directory.file("helo_access", "mail.example.net OK\n");
    directory.file("header_checks", "/^Subject: x/ REJECT\n");
    let there = |text: &str| text.replace("/etc/postfix", directory.path().to_str().unwrap());
    for (main_cf, want) in rows {
        let file = directory.file("main.cf", &format!("{}\n", there(main_cf)));
        let output = Command::new(MAILWARD).args(["postfix", "import"]).arg(file).output().unwrap();
        let made = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{main_cf}\n{}", String::from_utf8_lossy(&output.stderr));
        let made: toml::Table = toml::from_str(&made).unwrap();
        let want: toml::Table = toml::from_str(&there(want)).unwrap();
        for (key, value) in want {
            match (value, &made[&key]) {
                (toml::Value::Table(section), made) => {
                    for (key, value) in section {
                        assert_eq!(made.get(&key), Some(&value), "{main_cf}");
                    }
                }
                (value, made) => assert_eq!(*made, value, "{main_cf}"),
            }
        }
    }
}
