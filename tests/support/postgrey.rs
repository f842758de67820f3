//! The packaged postgrey, started by a test, with the time of each attempt in the request (`policy_test_time`).

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
};

const PROGRAM: &str = "/usr/sbin/postgrey";

/// A running postgrey with its own defaults and without whitelists.
pub struct Postgrey {
    child: Child,
    stream: BufReader<UnixStream>,
}

impl Postgrey {
    /// Whether it can be started; what is left out for want of it is said, and in CI nothing may be.
    pub fn available(what: &str) -> bool {
        let available = Path::new(PROGRAM).exists() && rustix::process::getuid().is_root();
        if !available {
            let why = format!("{what}: no postgrey, or not root");
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
            super::postfix::say(&format!("SKIPPED {why}"));
        }
        available
    }

    /// Starts one with an empty database in a directory.
    pub fn start(directory: &Path) -> Self {
        let at = |name: &str, file: &str| format!("--{name}={}", directory.join(file).display());
        let mut child = Command::new(PROGRAM)
            .args([at("unix", "socket"), at("dbdir", ""), at("pidfile", "pid")])
            .args(["--user=root", "--group=root", "--whitelist-clients=/dev/null"])
            .args(["--whitelist-recipients=/dev/null"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // It gives up its rights when it has bound its socket.
        assert!(lines.any(|line| line.unwrap().starts_with("Setting gid")), "postgrey does not start");
        std::thread::spawn(move || lines.for_each(drop));
        let stream = BufReader::new(UnixStream::connect(directory.join("socket")).unwrap());
        Self { child, stream }
    }

    /// Whether it lets an attempt pass.
    pub fn passes(&mut self, at: i64, address: &str, (sender, recipient): (&str, &str)) -> bool {
        let request = format!(
            "request=smtpd_access_policy\nclient_address={address}\nclient_name=unknown\nsender={sender}\n\
             recipient={recipient}\npolicy_test_time={at}\n\n"
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut action, mut end) = (String::new(), String::new());
        self.stream.read_line(&mut action).unwrap();
        self.stream.read_line(&mut end).unwrap();
        assert!(action.starts_with("action=") && end == "\n", "{action}{end}");
        !action.starts_with("action=DEFER_IF_PERMIT")
    }

    /// Ends it as systemd does.
    pub fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Postgrey {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
