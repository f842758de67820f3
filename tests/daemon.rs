//! The program as a process: exit codes, signals, sockets, file descriptors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net::{UnixDatagram, UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};
use support::{
    directory::Directory,
    postfix::say,
    wire::{Wire, refused_at_rcpt, refused_in},
};

const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");
const REJECT_TO: &str = "554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied";

/// A process that is stopped when the test ends.
struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Process {
    fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    fn start_with(mut command: Command, stdin: Stdio) -> Self {
        let mut child = command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Starts `mailward run` and waits until it listens.
    fn serving(directory: &Directory, policy: &str) -> Self {
        let mut process = Self::start(run(&directory.file("mailward.toml", policy)));
        process.logs("listens on");
        process
    }

    /// Reads the log up to a line that holds `text`.
    fn logs(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            if self.log.read_line(&mut line).unwrap() == 0 {
                panic!("the process ended without logging `{text}`:\n{seen}");
            }
            if line.contains(text) {
                return line;
            }
            seen += &line;
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: its status and the rest of its log.
    fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether mailward can be run as another user; if not, says so, and fails where nothing may be skipped.
fn may_become_nobody() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        say("SKIPPED faults of permission: only root can run mailward as the user nobody");
        assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped");
    }
    root
}

fn run(config: &Path) -> Command {
    let mut command = Command::new(MAILWARD);
    command.arg("run").arg("-c").arg(config).env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    // What it records stays beside its configuration.
    command.env("STATE_DIRECTORY", config.parent().unwrap());
    command
}

fn policy(socket: &Path, rest: &str) -> String {
    format!("socket = \"unix:{}\"\n{rest}\n[restrictions]\nrecipient = ['reject']\n", socket.display())
}

fn socket(directory: &Directory) -> PathBuf {
    directory.path().join("mailward.sock")
}

#[test]
fn a_faulty_configuration_ends_the_start_with_78_and_all_faults() {
    let directory = Directory::new();
    let config = directory.file(
        "mailward.toml",
        "sokcet = \"inet:127.0.0.1:0\"\n[restrictions]\nhelo = ['reject_unknown_hlo']\n",
    );
    let (status, log) = Process::start(run(&config)).ended();
    assert_eq!(status.code(), Some(78));
    for wanted in
        ["mailward.toml:1:1: error: ", "`sokcet`", "mailward.toml:3:10: error: ", "reject_unknown_hlo"]
    {
        assert!(log.contains(wanted), "{wanted} is not in:\n{log}");
    }
}

#[test]
fn a_greylist_of_a_newer_version_ends_the_start_with_78_and_stays_as_it_is() {
    let directory = Directory::new();
    let file = directory.path().join("greylist.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    let sql = "PRAGMA application_id = 1196579148; PRAGMA user_version = 99; CREATE TABLE t (x);";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let before = fs::read(&file).unwrap();
    let text = format!(
        "socket = \"unix:{}\"\n[restrictions]\nrecipient = ['greylist']\n[greylist]\nstore = 'sqlite:{}'\n",
        socket(&directory).display(),
        file.display()
    );
    let config = directory.file("mailward.toml", &text);
    let (status, log) = Process::start(run(&config)).ended();
    assert_eq!(status.code(), Some(78));
    let known = mailward::store::sqlite::SqliteStore::mark().schema;
    let want =
        format!("greylist.db has schema 99, this version knows {known}: it was written by a newer mailward");
    assert!(log.contains(&want), "{log}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_missing_configuration_ends_the_start_with_78() {
    let (status, log) = Process::start(run(Path::new("/nonexistent/mailward.toml"))).ended();
    assert_eq!(status.code(), Some(78));
    assert!(log.contains("/nonexistent/mailward.toml: error: cannot be read: "), "{log}");
}

#[test]
fn a_socket_that_cannot_be_bound_ends_the_start_with_73_and_the_reason() {
    let directory = Directory::new();
    let missing = directory.path().join("missing/mailward.sock");
    let file = directory.file("file.sock", "not a socket");
    let used = directory.path().join("used.sock");
    let _listener = UnixListener::bind(&used).unwrap();
    for (path, reason) in [
        (&missing, "No such file or directory"),
        (&file, "there is a file that is not a socket"),
        (&used, "is mailward running already?"),
    ] {
        let config = directory.file("mailward.toml", &policy(path, ""));
        let (status, log) = Process::start(run(&config)).ended();
        assert_eq!(status.code(), Some(73), "{log}");
        assert!(log.contains(&format!("unix:{}", path.display())) && log.contains(reason), "{log}");
    }
    assert!(UnixStream::connect(&used).is_ok() && file.exists(), "what is in use was not touched");
}

#[test]
fn a_stale_socket_is_replaced_and_rights_and_group_are_set() {
    let directory = Directory::new();
    let path = socket(&directory);
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let process = Process::serving(&directory, &policy(&path, "socket_mode = '0660'\nsocket_group = 'root'"));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.gid()), (0o660, 0));
    assert_eq!(refused_at_rcpt(&path), REJECT_TO);
    process.signal(Signal::TERM);
    let (status, _) = process.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!path.exists(), "the socket is removed at the end");
}

/// What systemd does at a restart: it keeps the socket, connections wait in its backlog, and the next start is handed it.
#[test]
fn a_socket_that_was_kept_over_a_restart_is_served_again_and_no_connection_is_refused() {
    let directory = Directory::new();
    let path = socket(&directory);
    let notify = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let config = directory.file("mailward.toml", &policy(&path, ""));
    for _ in 0..2 {
        let waiting = UnixStream::connect(&path).unwrap();
        let mut command = run(&config);
        command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0");
        command.env("NOTIFY_SOCKET", directory.path().join("notify"));
        let stdin = Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
        let process = Process::start_with(command, stdin);
        let mut buffer = [0; 256];
        let length = notify.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), "FDSTORE=1\nFDNAME=milter\n");
        let length = notify.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), "READY=1\n");
        assert_eq!(refused_in(waiting), REJECT_TO);
        process.signal(Signal::TERM);
        assert_eq!(process.ended().0.code(), Some(0));
        assert_eq!(
            notify.recv(&mut buffer).map(|length| buffer[..length].to_vec()).unwrap(),
            b"STOPPING=1\n"
        );
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "the socket's file stays");
    }
}

#[test]
fn a_kept_socket_of_another_path_is_let_go() {
    let directory = Directory::new();
    let other = UnixListener::bind(directory.path().join("other.sock")).unwrap();
    let notify = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    let path = socket(&directory);
    let mut command = run(&directory.file("mailward.toml", &policy(&path, "")));
    command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0");
    command.env("NOTIFY_SOCKET", directory.path().join("notify"));
    let _process = Process::start_with(command, Stdio::from(OwnedFd::from(other)));
    let mut buffer = [0; 256];
    for want in ["FDSTOREREMOVE=1\nFDNAME=milter\n", "FDSTORE=1\nFDNAME=milter\n", "READY=1\n"] {
        let length = notify.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), want);
    }
    assert_eq!(refused_at_rcpt(&path), REJECT_TO);
}

#[test]
fn a_directory_that_nobody_may_write_ends_the_start_with_73() {
    if !may_become_nobody() {
        return;
    }
    let directory = Directory::new();
    let path = socket(&directory);
    let config = directory.file("mailward.toml", &policy(&path, ""));
    let mut command = run(&config);
    command.uid(65_534).gid(65_534);
    let (status, log) = Process::start(command).ended();
    assert_eq!(status.code(), Some(73), "{log}");
    assert!(log.contains("Permission denied"), "{log}");
}

#[test]
fn a_table_that_nobody_may_read_ends_the_start_with_78() {
    if !may_become_nobody() {
        return;
    }
    let directory = Directory::new();
    let table = directory.file("helo_access", "example.net OK\n");
    fs::set_permissions(&table, fs::Permissions::from_mode(0o600)).unwrap();
    let config =
        directory.file("mailward.toml", "[restrictions]\nhelo = ['check_helo_access hash:helo_access']\n");
    let mut command = run(&config);
    command.uid(65_534).gid(65_534);
    let (status, log) = Process::start(command).ended();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("cannot read `helo_access`: permission denied"), "{log}");
}

#[test]
fn a_reload_takes_a_good_configuration_and_refuses_a_bad_one() {
    let directory = Directory::new();
    let path = socket(&directory);
    let mut process = Process::serving(&directory, &policy(&path, ""));
    assert_eq!(refused_at_rcpt(&path), REJECT_TO);

    directory.file("mailward.toml", "nonsense = 1\n");
    process.signal(Signal::HUP);
    process.logs("`nonsense`");
    process.logs("the old configuration stays in force");
    assert_eq!(refused_at_rcpt(&path), REJECT_TO);

    directory.file("mailward.toml", &policy(&path, "max_sessions = 7\n[codes]\nreject_code = 550"));
    process.signal(Signal::HUP);
    process.logs("max_sessions changed: the change takes effect at the next restart");
    process.logs("reloaded");
    assert_eq!(refused_at_rcpt(&path), REJECT_TO.replace("554", "550"));
    process.signal(Signal::TERM);
    assert_eq!(process.ended().0.code(), Some(0));
}

#[test]
fn a_reload_right_after_the_start_reloads() {
    let directory = Directory::new();
    let path = socket(&directory);
    for _ in 0..5 {
        let mut process = Process::serving(&directory, &policy(&path, ""));
        process.signal(Signal::HUP);
        process.logs("reloaded");
        process.signal(Signal::TERM);
        assert_eq!(process.ended().0.code(), Some(0));
    }
}

#[test]
fn a_stop_waits_for_the_session_in_flight() {
    let directory = Directory::new();
    let path = socket(&directory);
    let mut process = Process::serving(&directory, &policy(&path, ""));
    let mut wire = Wire::open(&path);
    wire.hello();
    process.signal(Signal::TERM);
    process.logs("1 sessions in flight");
    assert_eq!(wire.rcpt(), REJECT_TO);
    drop(wire);
    assert_eq!(process.ended().0.code(), Some(0));
}

#[test]
fn a_stop_does_not_wait_longer_than_its_grace() {
    let directory = Directory::new();
    let path = socket(&directory);
    let process = Process::serving(&directory, &policy(&path, "shutdown_grace = '200ms'"));
    let mut wire = Wire::open(&path);
    wire.hello();
    process.signal(Signal::TERM);
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("shutdown_grace is over: 1 sessions abandoned"), "{log}");
}

#[test]
fn when_file_descriptors_run_out_accepting_pauses_and_no_session_is_cut() {
    let directory = Directory::new();
    let path = socket(&directory);
    let config = directory.file("mailward.toml", &policy(&path, ""));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 24; exec \"$0\" run -c \"$1\"", MAILWARD]).arg(config);
    command.env("STATE_DIRECTORY", directory.path());
    let mut process = Process::start(command);
    assert!(process.logs("open files allowed").contains("24 open files allowed"));
    process.logs("listens on");
    let mut first = Wire::open(&path);
    first.hello();
    let mut waiting: Vec<Wire> = (0..30).map(|_| Wire::open(&path)).collect();
    process.logs("cannot accept a connection");
    assert_eq!(first.rcpt(), REJECT_TO, "the session in flight goes on");
    let mut last = waiting.pop().unwrap();
    drop(waiting);
    last.hello();
    assert_eq!(last.rcpt(), REJECT_TO, "accepting goes on");
    process.signal(Signal::TERM);
    drop((first, last));
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("counted since the start: accept_errors = "), "{log}");
}
