//! The built program, run by a test.

use super::postfix::{free_addresses, own_directory};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// How long the program is given to start, in steps after which it may have ended instead.
const PATIENCE: (u32, Duration) = (300, Duration::from_millis(100));

/// The program cargo built beside a test. A bench, which is built without it, starts none.
pub const PROGRAM: Option<&str> = option_env!("CARGO_BIN_EXE_mailward");

/// A running `mailward run`. It is killed when dropped.
#[derive(Debug)]
pub struct MailwardInstance {
    directory: PathBuf,
    socket: String,
    child: Child,
    notify: UnixDatagram,
}

impl MailwardInstance {
    /// Starts the program with a policy (mailward.toml without `socket`) on a free loopback port.
    pub fn start(policy: &str) -> Self {
        Self::start_on(&format!("inet:{}", free_addresses(1)[0]), policy)
    }

    /// Starts the program on a socket and waits until it says to be ready, as it says it to systemd.
    pub fn start_on(socket: &str, policy: &str) -> Self {
        let directory = own_directory("run");
        let config = directory.join("mailward.toml");
        fs::write(&config, format!("socket = {socket:?}\n{policy}")).unwrap();
        let notify = UnixDatagram::bind(directory.join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE.1)).unwrap();
        let child = Command::new(PROGRAM.unwrap())
            .args(["run", "-c"])
            .arg(&config)
            .env("NOTIFY_SOCKET", directory.join("notify"))
            .env("STATE_DIRECTORY", &directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut instance = Self { directory, socket: socket.to_owned(), child, notify };
        if !instance.is_ready() {
            panic!("mailward is not ready:\n{}", instance.log());
        }
        instance
    }

    /// Waits until it says to be ready; false if it ended instead.
    fn is_ready(&mut self) -> bool {
        for _ in 0..PATIENCE.0 {
            let mut buffer = [0; 4096];
            let length = self.notify.recv(&mut buffer).unwrap_or(0);
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == "READY=1") {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                break;
            }
        }
        false
    }

    /// Makes it read its configuration again, and waits until it has.
    pub fn reload(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        assert!(self.is_ready(), "{}", self.log());
    }

    /// Its socket; `smtpd_milters` names it so too, unless Postfix sees it from inside a chroot.
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// Where its configuration and its state are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Ends it as systemd does, and waits for it.
    pub fn terminate(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for MailwardInstance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
