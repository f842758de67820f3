//! Runs list sets on both sides: one Postfix with two services for each set, one that decides by its own lists and one
//! whose milter is mailward, which runs in this process.

use super::{
    lists::ListSet,
    play::{Difference, Exchange, compare, play},
    session::Session,
    vocabulary::RELAY_DOMAINS,
};
use crate::support::{
    directory::Directory,
    dns::DnsServer,
    login,
    postfix::{PostfixInstance, Setup, own_loopback},
};
use mailward::{
    config::{
        self, Disk,
        settings::{Config, Socket},
    },
    server::{Server, handover::Kept, listener::Bound},
    time::SystemClock,
};
use std::{
    fs, iter,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::runtime::Runtime;

/// How many sessions are played at once.
const PLAYERS: usize = 6;

/// What all batches share: DNS, the login server, the runtime.
pub struct Stand {
    runtime: Runtime,
    nameserver: Ipv4Addr,
    _dns: DnsServer,
    login: SocketAddr,
    policy: SocketAddr,
}

/// A set with the sessions to play against it.
#[derive(Clone, Debug)]
pub struct Case {
    pub set: ListSet,
    pub sessions: Vec<Session>,
}

/// How a session went.
#[derive(Clone, Debug)]
pub struct Played {
    pub postfix: Vec<Exchange>,
    pub mailward: Vec<Exchange>,
    pub difference: Option<Difference>,
}

impl Stand {
    pub fn set() -> Self {
        // libresolv knows no other port than 53.
        let nameserver = own_loopback();
        let zone = include_str!("zone");
        let dns = DnsServer::start_at(zone, SocketAddr::from((nameserver, 53))).unwrap();
        let runtime = Runtime::new().unwrap();
        Self { runtime, nameserver, _dns: dns, login: login::start(), policy: super::policy_service::start() }
    }

    /// What mailward makes of a set, or why it refuses it. The set's tables must be written.
    pub fn config(&self, set: &ListSet, directory: &Path) -> Result<Config, String> {
        let toml = self.policy(&set.toml(directory));
        let toml =
            format!("{toml}[dns]\nnameservers = [\"{}:53\"]\ntimeout = \"1s\"\ntries = 2\n", self.nameserver);
        let mut disk = Disk { base: PathBuf::new() };
        let loaded = config::parse(&format!("set{}", set.number), &toml, &mut disk);
        let faults: Vec<String> = loaded.diagnostics.iter().map(|fault| fault.line().to_string()).collect();
        loaded.config.ok_or_else(|| faults.join("\n"))
    }

    /// Plays every session of every case on both sides, in order.
    pub fn play(&self, cases: &[Case]) -> Vec<Vec<Played>> {
        let directory = Directory::new();
        let directories: Vec<PathBuf> =
            (0..cases.len()).map(|at| directory.path().join(at.to_string())).collect();
        let mut services = Vec::new();
        let mut servers = Vec::new();
        for (case, directory) in cases.iter().zip(&directories) {
            fs::create_dir(directory).unwrap();
            case.set.write_tables(directory);
            services.push(case.set.main_cf(directory).iter().map(|line| self.policy(line)).collect());
            let config = self.config(&case.set, directory).unwrap_or_else(|faults| panic!("{faults}"));
            let (server, address) = self.serve(config);
            servers.push(server);
            let milter = format!("smtpd_milters = inet:{address}");
            services.push(vec![milter, "milter_default_action = tempfail".to_owned()]);
        }
        postmap(cases, &directories);
        let postfix = self.postfix(services);
        let played = self.play_all(cases, &postfix);
        for server in servers {
            let bugs =
                server.counters().all().find(|(name, _)| *name == "bugs").map_or(0, |(_, count)| count);
            assert_eq!(bugs, 0, "mailward met a bug of its own");
        }
        if std::env::var_os("POSTFIX_LOG").is_some() {
            eprintln!("{}", postfix.log());
        }
        played
    }

    fn play_all(&self, cases: &[Case], postfix: &PostfixInstance) -> Vec<Vec<Played>> {
        let next = AtomicUsize::new(0);
        let one = |at: usize| {
            let Case { set, sessions } = &cases[at];
            let play = |service: usize, session: &Session| {
                let address = postfix.address(service);
                play(self.runtime.handle(), address, session)
            };
            let both = |session: &Session| {
                let (postfix, mailward) = (play(2 * at, session), play(2 * at + 1, session));
                let difference = compare(set.delay_reject, &postfix, &mailward);
                Played { postfix, mailward, difference }
            };
            sessions.iter().map(both).collect::<Vec<_>>()
        };
        let worker = || {
            let mine =
                iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < cases.len()));
            mine.map(|at| (at, one(at))).collect::<Vec<_>>()
        };
        let mut played: Vec<(usize, Vec<Played>)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..PLAYERS).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        played.sort_by_key(|(at, _)| *at);
        played.into_iter().map(|(_, played)| played).collect()
    }

    fn serve(&self, mut config: Config) -> (Arc<Server>, SocketAddr) {
        config.socket = Socket::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        self.runtime.block_on(async {
            let bound = Bound::bind(&config.socket, Kept::default()).await.unwrap();
            let address = bound.address().unwrap();
            let server = Server::new(config, Arc::new(SystemClock)).unwrap();
            let serving = server.clone();
            tokio::spawn(async move { serving.serve(bound, std::future::pending()).await });
            (server, address)
        })
    }

    fn postfix(&self, services: Vec<Vec<String>>) -> PostfixInstance {
        let mut main_cf = login::main_cf(self.login);
        // Relay control, which stays with Postfix, accepts everything on both sides.
        main_cf.push(
            "smtpd_relay_restrictions = check_client_access static:OK, reject_unauth_destination".to_owned(),
        );
        main_cf.push(RELAY_DOMAINS.to_owned());
        main_cf.push("max_idle = 20s".to_owned());
        let setup = Setup { main_cf, services, chroot: true, nameserver: Some(self.nameserver) };
        let postfix = PostfixInstance::start(&setup);
        // The resolver is set up when a process begins, and none has begun.
        let resolver = format!("nameserver {}\noptions timeout:1 attempts:2\n", self.nameserver);
        fs::write(postfix.queue_directory().join("etc/resolv.conf"), resolver).unwrap();
        postfix
    }

    fn policy(&self, text: &str) -> String {
        text.replace("$POLICY", &self.policy.to_string())
    }
}

/// Compiles the tables that Postfix reads compiled.
fn postmap(cases: &[Case], directories: &[PathBuf]) {
    let mut command = Command::new("postmap");
    let before = command.get_args().count();
    for (case, directory) in cases.iter().zip(directories) {
        for table in case.set.tables().filter(|table| table.wants_postmap()) {
            command.arg(format!("{}:{}", table.kind, directory.join(&table.name).display()));
        }
    }
    if command.get_args().count() > before {
        let output = command.output().unwrap();
        assert!(output.status.success(), "postmap: {}", String::from_utf8_lossy(&output.stderr));
    }
}
