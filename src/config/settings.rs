//! The configuration as the server uses it: plain data, one `Default` beside each struct.

use crate::{attachment, policy::Policy, request::Event, restriction::args::Settings, smtp::domain::Domain};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Everything that mailward.toml says.
#[derive(Debug, Default)]
pub struct Config {
    /// `socket`, `socket_mode`, `socket_group`.
    pub socket: Socket,
    /// `control_socket`.
    pub control_socket: ControlSocket,
    /// `[metrics] listen`: where metrics can be fetched by HTTP; loopback or a unix socket. Default: nowhere.
    pub metrics: Option<Socket>,
    /// `mode`.
    pub mode: Mode,
    /// `max_sessions`, `decision_deadline` and their kin.
    pub limits: Limits,
    /// `on_bug`.
    pub on_bug: OnBug,
    /// `[restrictions]`, `[classes]` and what they need.
    pub policy: Policy,
    /// What restrictions were made with: `mynetworks`, `[codes]` and their kin.
    pub settings: Settings,
    /// `[dns]`.
    pub dns: Dns,
    /// `[dns] untested_lists`: the DNS lists without test points. Not in [`Dns`]: a change needs no new resolver.
    pub untested_lists: Vec<Domain>,
    /// `[policy_service]`, as far as the services are asked by it.
    pub policy_service: PolicyService,
    /// The limits of `[attachments]`; its rules are in `settings`.
    pub attachments: attachment::limits::Limits,
    /// The store's part of `[greylist]`; the rules' part is in `settings`.
    pub greylist: Greylist,
    /// `[journal]`.
    pub journal: Journal,
    /// The configuration's name in the journal: SHA-256 of its files, in hexadecimal.
    pub digest: Arc<str>,
}

impl Config {
    /// The keys in which `new` differs and which take effect only at a restart.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let differs = [
            ("socket", self.socket.name() != new.socket.name()),
            ("socket_mode or socket_group", self.socket.rights() != new.socket.rights()),
            ("control_socket", self.control_socket != new.control_socket),
            ("metrics.listen", self.metrics != new.metrics),
            ("greylist.store", self.greylist != new.greylist),
            ("attachments.container_memory", self.limits.container_memory != new.limits.container_memory),
            ("[journal]", self.journal != new.journal),
            ("max_sessions", self.limits.max_sessions != new.limits.max_sessions),
            ("idle_timeout", self.limits.idle_timeout != new.limits.idle_timeout),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

/// Where mailward listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// `inet:127.0.0.1:8895`, `inet:[::1]:8895`.
    Inet(SocketAddr),
    /// `unix:/path`.
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// Its permission bits; default 0660.
        mode: u32,
        /// Its group by name; default: as the directory gives it.
        group: Option<String>,
    },
}

impl Socket {
    /// Its address or path, in the words of the configuration.
    pub fn name(&self) -> String {
        match self {
            Self::Inet(address) => format!("inet:{address}"),
            Self::Unix { path, .. } => format!("unix:{}", path.display()),
        }
    }

    fn rights(&self) -> Option<(u32, Option<&str>)> {
        match self {
            Self::Inet(_) => None,
            Self::Unix { mode, group, .. } => Some((*mode, group.as_deref())),
        }
    }
}

impl Default for Socket {
    fn default() -> Self {
        Self::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 8895)))
    }
}

/// Where the daemon takes commands.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ControlSocket {
    /// In /run/mailward, or below the state directory.
    #[default]
    Usual,
    /// Nowhere.
    Off,
    /// At this path.
    At(PathBuf),
}

/// Whether decisions take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// Decide and log everything, answer "continue".
    Observe,
}

/// What a client hears when mailward itself has a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnBug {
    /// 451, try again.
    #[default]
    Tempfail,
    /// The mail passes.
    Accept,
}

/// Limits of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent sessions; beyond it a client waits. Default 4000.
    pub max_sessions: usize,
    /// Time for one answer, below Postfix's milter_command_timeout of 30 s. Default 20 s.
    pub decision_deadline: Duration,
    /// Time for the answer to a message, and for looking at it, below Postfix's milter_content_timeout of 300 s. Default
    /// 120 s.
    pub content_deadline: Duration,
    /// Memory for looking into the containers of all messages in flight, in bytes. Default 64 MiB.
    pub container_memory: usize,
    /// How long sessions in flight may go on after SIGTERM. Default 8 s.
    pub shutdown_grace: Duration,
    /// How long a session may be silent; Postfix's own limits are shorter. Default 7210 s.
    pub idle_timeout: Duration,
}

impl Limits {
    /// Time for the answer to an event.
    pub fn deadline(&self, event: Event) -> Duration {
        if event == Event::EndOfMessage { self.content_deadline } else { self.decision_deadline }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sessions: 4000,
            decision_deadline: Duration::from_secs(20),
            content_deadline: Duration::from_secs(120),
            container_memory: 64 << 20,
            shutdown_grace: Duration::from_secs(8),
            idle_timeout: Duration::from_secs(7210),
        }
    }
}

/// `[dns]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The servers, in the order in which they are asked; empty: those of /etc/resolv.conf.
    pub nameservers: Vec<SocketAddr>,
    /// Time of one try at one server. Default 2 s.
    pub timeout: Duration,
    /// Tries over all servers. Default 3.
    pub tries: u32,
    /// Questions in flight at once. Default 512.
    pub max_in_flight: usize,
    /// Memory of the cache in bytes. Default 32 MiB.
    pub cache_size: u64,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            timeout: Duration::from_secs(2),
            tries: 3,
            max_in_flight: 512,
            cache_size: 32 << 20,
        }
    }
}

/// `[policy_service]`: limits of the requests to policy services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyService {
    /// Requests in flight to each service; further ones wait within their time limit. Default 100.
    pub max_in_flight: usize,
}

impl Default for PolicyService {
    fn default() -> Self {
        Self { max_in_flight: 100 }
    }
}

/// Where and how the greylist is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greylist {
    /// The database's file. Default `greylist.db` below the state directory.
    pub path: PathBuf,
    /// How sure a commit is on disk. Default `normal`.
    pub synchronous: Synchronous,
    /// How long a lock of another process is waited for. Default 2 s.
    pub busy_timeout: Duration,
}

impl Default for Greylist {
    fn default() -> Self {
        Self {
            path: PathBuf::from("greylist.db"),
            synchronous: Synchronous::Normal,
            busy_timeout: Duration::from_secs(2),
        }
    }
}

/// PRAGMA synchronous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// A crash of the machine may lose everything since the system last wrote.
    Off,
    /// A crash of the machine may lose the last rows, at the cost of a further retry; never the file.
    #[default]
    Normal,
    /// Every answered row is on disk.
    Full,
}

impl Synchronous {
    /// SQLite's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Full => "full",
        }
    }
}

/// `[journal]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The database's file; `None`: nothing is recorded. Default `journal.db` below the state directory.
    pub path: Option<PathBuf>,
    /// How long decisions are kept. Default 30 d.
    pub keep: Duration,
    /// How large the file may become, in bytes. Default 2 GiB.
    pub max_size: u64,
    /// What is kept of mail addresses. Default all of them.
    pub privacy: Privacy,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            path: Some(PathBuf::from("journal.db")),
            keep: Duration::from_secs(30 * 86_400),
            max_size: 2 << 30,
            privacy: Privacy::None,
        }
    }
}

/// What the journal keeps of the local parts of mail addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privacy {
    /// They are kept as they are.
    #[default]
    None,
    /// Keyed hashes, by which `why` still finds them.
    Hash,
}
