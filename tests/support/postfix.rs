//! A Postfix of the test's own: Debian's package with another configuration, queue and data directory, on a loopback
//! address of its own. The system's Postfix and its files are never touched.
//!
//! The daemons run chrooted in the queue directory, as Debian's master.cf has it. So they read `etc/resolv.conf` below
//! it, and a test gives them its own DNS server without a namespace.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The services every instance has, after Debian's master.cf; `local` and `virtual` throw away.
const MASTER_CF: &str = "\
postlog unix-dgram n - n - 1 postlogd
pickup unix n - CHROOT 60 1 pickup
cleanup unix n - CHROOT - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - CHROOT - - trivial-rewrite
bounce unix - - CHROOT - 0 bounce
defer unix - - CHROOT - 0 bounce
trace unix - - CHROOT - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - CHROOT - - smtp
relay unix - - CHROOT - - smtp
error unix - - CHROOT - - error
retry unix - - CHROOT - - error
discard unix - - CHROOT - - discard
local unix - - CHROOT - - discard
virtual unix - - CHROOT - - discard
anvil unix - - CHROOT - 1 anvil
showq unix n - CHROOT - - showq
";

/// Nothing leaves the machine, nobody waits, and no limit ends a session that is refused often.
pub const MAIN_CF: &str = "\
compatibility_level = 3.6
myhostname = mx.example.test
mydestination = $myhostname
mynetworks = 127.0.0.0/8
relay_domains = relayed.example
inet_interfaces = 127.0.0.1
alias_maps =
alias_database =
default_transport = discard:
relay_transport = discard:
smtpd_relay_restrictions = check_recipient_access static:OK, reject_unauth_destination
smtpd_reject_unlisted_recipient = no
local_header_rewrite_clients =
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000000
smtpd_hard_error_limit = 1000000
smtpd_junk_command_limit = 1000000
smtpd_recipient_limit = 10000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
";

/// What an instance shall be.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Lines `name = value` for main.cf, after the harness's own.
    pub main_cf: Vec<String>,
    /// One smtpd service per entry; its lines `name = value` hold for this service alone.
    pub services: Vec<Vec<String>>,
    /// Whether the daemons run chrooted in the queue directory, as on Debian.
    pub chroot: bool,
    /// The DNS server of the chrooted daemons; it must listen on port 53.
    pub nameserver: Option<Ipv4Addr>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { main_cf: Vec::new(), services: vec![Vec::new()], chroot: true, nameserver: None }
    }
}

/// A running Postfix. It is stopped and its directory removed when this is dropped, and also when the test process dies.
#[derive(Debug)]
pub struct PostfixInstance {
    directory: PathBuf,
    services: Vec<SocketAddr>,
    guardian: Child,
}

impl PostfixInstance {
    /// Starts a Postfix and waits until it listens.
    pub fn start(setup: &Setup) -> Self {
        let directory = own_directory("postfix");
        let services = free_addresses(setup.services.len());
        configure(&directory, &services, setup);
        let config = directory.join("etc");
        let start = Command::new("postfix").arg("-c").arg(&config).arg("start").output().unwrap();
        let log = fs::read_to_string(directory.join("maillog")).unwrap_or_default();
        assert!(start.status.success(), "postfix start: {}{log}", String::from_utf8_lossy(&start.stderr));
        let guardian = guard(&directory);
        Self { directory, services, guardian }
    }

    /// Where a service listens, by its place in `Setup::services`.
    pub fn address(&self, service: usize) -> SocketAddr {
        self.services[service]
    }

    /// The directory that holds etc, queue, data and the log.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The queue directory, which is the root of chrooted daemons.
    pub fn queue_directory(&self) -> PathBuf {
        self.directory.join("queue")
    }

    /// The log up to now; the daemons write to it without waiting.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("maillog")).unwrap_or_default()).into_owned()
    }

    /// The queue's name for every message in the queue, by queue id.
    pub fn queue(&self) -> BTreeMap<String, String> {
        let config = self.directory.join("etc");
        let list = Command::new("postqueue").arg("-c").arg(config).arg("-j").output().unwrap();
        assert!(list.status.success(), "postqueue: {}", String::from_utf8_lossy(&list.stderr));
        entries(&String::from_utf8(list.stdout).unwrap())
    }
}

impl Drop for PostfixInstance {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

/// The queue's name by queue id, from what `postqueue -j` prints.
pub fn entries(list: &str) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries = list.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    entries.map(|entry| (text(&entry["queue_id"]), text(&entry["queue_name"]))).collect()
}

/// Why no Postfix can be started here.
pub fn skip_reason() -> Option<String> {
    if !Path::new("/usr/sbin/postfix").exists() {
        return Some("Postfix is not installed (Debian packages postfix and postfix-pcre)".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("only root can start Postfix's master".to_owned());
    }
    None
}

/// Whether a Postfix can be started here. If not, says so past the test runner's capture; in CI it is a failure.
pub fn available(test: &str) -> bool {
    let Some(reason) = skip_reason() else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {reason}");
    say(&format!("SKIPPED {test}: {reason}"));
    false
}

/// Prints a line that is seen also when the test passes.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A new directory of this process below the temporary one.
pub fn own_directory(name: &str) -> PathBuf {
    let number = next_number();
    let directory = std::env::temp_dir().join(format!("mailward-{name}-{}-{number}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Addresses to listen on, for programs that must be told: on a loopback address nobody else uses, so that nobody
/// takes the port before they do.
pub fn free_addresses(number: usize) -> Vec<SocketAddr> {
    let host = own_loopback();
    let listeners: Vec<TcpListener> = (0..number).map(|_| TcpListener::bind((host, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

/// A loopback address that no other call and no other test process gets.
pub fn own_loopback() -> Ipv4Addr {
    // Processes that run at once have ids near each other; so many addresses of 127/8 tell a process's calls apart.
    const CALLS: u32 = 508;
    let number = std::process::id() % (1 << 15) * CALLS + next_number() % CALLS;
    let byte = |number: u32| u8::try_from(number).unwrap();
    let (c, b, a) = (1 + number % 254, number / 254 % 256, 1 + number / 254 / 256 % 255);
    Ipv4Addr::new(127, byte(a), byte(b), byte(c))
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn configure(directory: &Path, services: &[SocketAddr], setup: &Setup) {
    for name in ["etc", "queue", "queue/etc", "data"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    chown(directory.join("data"), Some(id_of("postfix", "passwd")), None).unwrap();
    let root = directory.display();
    let mut main_cf = format!(
        "queue_directory = {root}/queue\ndata_directory = {root}/data\n\
         maillog_file = {root}/maillog\nmaillog_file_prefixes = {root}\n"
    );
    // Postfix warns of a parameter that stands twice.
    let name = |line: &str| line.split('=').next().unwrap().trim().to_owned();
    let given: Vec<String> = setup.main_cf.iter().map(|line| name(line)).collect();
    let own = MAIN_CF.lines().filter(|line| !given.contains(&name(line)));
    for line in own.chain(setup.main_cf.iter().map(String::as_str)) {
        writeln!(main_cf, "{line}").unwrap();
    }
    let chroot = if setup.chroot { "y" } else { "n" };
    let mut master_cf = MASTER_CF.replace("CHROOT", chroot);
    for (address, parameters) in services.iter().zip(&setup.services) {
        writeln!(master_cf, "{address} inet n - {chroot} - - smtpd").unwrap();
        for parameter in parameters {
            writeln!(master_cf, "  -o {{ {parameter} }}").unwrap();
        }
    }
    let nameserver = setup.nameserver.unwrap_or(Ipv4Addr::LOCALHOST);
    let files = [
        ("etc/main.cf", main_cf),
        ("etc/master.cf", master_cf),
        ("queue/etc/resolv.conf", format!("nameserver {nameserver}\n")),
        ("queue/etc/hosts", "127.0.0.1 localhost\n".to_owned()),
        ("queue/etc/nsswitch.conf", "hosts: files dns\n".to_owned()),
    ];
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// The number of a user (file passwd) or a group (file group).
pub fn id_of(name: &str, file: &str) -> u32 {
    let entries = fs::read_to_string(Path::new("/etc").join(file)).unwrap();
    let entry =
        entries.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|entry| entry[0] == name);
    entry.unwrap_or_else(|| panic!("there is no {name} in {file}"))[2].parse().unwrap()
}

/// A shell that waits for the end of this process's pipe and then stops the instance: also after a panic, an interrupt
/// or a kill, when no destructor runs.
fn guard(directory: &Path) -> Child {
    let script = r#"trap '' INT TERM HUP; read -r _; postfix -c "$1/etc" stop; rm -rf "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(directory).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
