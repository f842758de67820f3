//! The whole server in this process, and a client that plays the MTA's side of the milter protocol as Postfix does.

use super::{directory::Directory, dns::DnsServer};
use indymilter_test::{EomAction, MacroStage, Status, TestConnection};
use mailward::{
    config::{
        self, Disk,
        settings::{Config, Socket},
    },
    server::{Server, listener::Bound},
    time::{FixedClock, Timestamp},
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle};

/// A running server with its DNS server.
pub struct Daemon {
    /// Its unix socket, if it has one.
    pub socket: PathBuf,
    pub server: Arc<Server>,
    pub dns: DnsServer,
    /// The time of requests and of the greylist's upkeep; it stands still.
    pub clock: Arc<FixedClock>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
    _directory: Directory,
}

impl Daemon {
    /// Starts a server for a mailward.toml and a zone.
    pub async fn start(policy: &str, zone: &str) -> Self {
        Self::start_with(parse(policy, Path::new("")), zone).await
    }

    /// Starts a server for a configuration, on a socket of its own and with the zone's server as its resolver.
    pub async fn start_with(mut config: Config, zone: &str) -> Self {
        let directory = Directory::new();
        let path = directory.path().join("mailward.sock");
        config.socket = Socket::Unix { path, mode: 0o600, group: None };
        Self::start_in(directory, config, zone).await
    }

    /// Starts a server for a mailward.toml on a TCP port, for an MTA that may not see this process's files.
    pub async fn start_on(address: SocketAddr, policy: &str, zone: &str) -> Self {
        let config = Config { socket: Socket::Inet(address), ..parse(policy, Path::new("")) };
        Self::start_in(Directory::new(), config, zone).await
    }

    async fn start_in(directory: Directory, mut config: Config, zone: &str) -> Self {
        let dns = DnsServer::start(zone);
        let socket = match &config.socket {
            Socket::Unix { path, .. } => path.clone(),
            Socket::Inet(_) => PathBuf::new(),
        };
        config.greylist.path = directory.path().join(&config.greylist.path);
        config.dns.nameservers = vec![dns.address()];
        let bound = Bound::bind(&config.socket).await.unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp(1_146_441_600)));
        let server = Server::new(config, clock.clone()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = server.clone();
        let task = tokio::spawn(async move {
            let stop = async { drop(stopped.await) };
            serving.serve(bound, stop).await
        });
        Self { socket, server, dns, clock, stop: Some(stop), task, _directory: directory }
    }

    /// Stops the server as SIGTERM does, and waits for its end.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap().unwrap();
    }

    /// Begins the stop without waiting.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end of a server whose stop has begun.
    pub async fn ended(self) {
        self.task.await.unwrap().unwrap();
    }

    /// A counter by its name.
    pub fn counter(&self, name: &str) -> u64 {
        let mut all = self.server.counters().all();
        all.find(|(counter, _)| *counter == name).unwrap_or_else(|| panic!("no counter {name}")).1
    }
}

/// A configuration from its text, with tables below a directory.
pub fn parse(policy: &str, base: &Path) -> Config {
    let loaded = config::parse("test.toml", policy, &mut Disk { base: base.to_owned() });
    let faults: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    loaded.config.unwrap_or_else(|| panic!("{}", faults.join("\n")))
}

/// Who connects.
#[derive(Clone, Debug)]
pub struct From {
    pub address: IpAddr,
    pub port: u16,
    /// `{client_name}`, `{client_ptr}`, `{client_resolve}`; none of them as with an MTA that does not tell.
    pub names: Option<(String, String, String)>,
    pub login: Option<String>,
}

impl From {
    /// A client with a verified name.
    pub fn named(name: &str, address: &str) -> Self {
        Self::resolved(address, name, name, "OK")
    }

    /// A client as the three macros describe it.
    pub fn resolved(address: &str, name: &str, reverse: &str, resolve: &str) -> Self {
        let names = Some((name.to_owned(), reverse.to_owned(), resolve.to_owned()));
        Self { address: address.parse().unwrap(), port: 40_000, names, login: None }
    }

    /// A client of which the MTA tells only the address.
    pub fn untold(address: &str) -> Self {
        Self { address: address.parse().unwrap(), port: 40_000, names: None, login: None }
    }
}

/// One milter connection.
pub struct Session {
    pub milter: TestConnection,
    /// The answer to CONNECT.
    pub connected: String,
    /// The SASL login, from now on.
    pub login: Option<String>,
    in_message: bool,
}

impl Session {
    /// Connects and negotiates as Postfix 3.7 does, and tells of the client.
    pub async fn open(daemon: &Daemon, from: &From) -> Self {
        Self::open_on(&daemon.socket, from).await
    }

    /// The same with a server on any unix socket.
    pub async fn open_on(socket: &Path, from: &From) -> Self {
        let milter = TestConnection::configure()
            .read_timeout(Duration::from_secs(30))
            .open_unix(socket)
            .await
            .unwrap();
        let login = from.login.clone();
        let mut session = Self { milter, connected: String::new(), login, in_message: false };
        session.tell(from).await;
        let host = match &from.names {
            Some((name, ..)) if name != "unknown" => name.clone(),
            _ => format!("[{}]", from.address),
        };
        let address = SocketAddr::new(from.address, from.port);
        session.connected = shown(session.milter.connect(host, address).await.unwrap());
        session
    }

    /// A connection that was negotiated elsewhere and knows of no client yet.
    pub fn with(milter: TestConnection) -> Self {
        Self { milter, connected: String::new(), login: None, in_message: false }
    }

    async fn tell(&mut self, from: &From) {
        let mut macros = vec![
            ("j", "mx.example.test".to_owned()),
            ("{daemon_name}", "mx.example.test".to_owned()),
            ("{daemon_port}", "25".to_owned()),
        ];
        if let Some((name, reverse, resolve)) = &from.names {
            macros.push(("{client_name}", name.clone()));
            macros.push(("{client_ptr}", reverse.clone()));
            macros.push(("{client_resolve}", resolve.clone()));
        }
        self.milter.macros(MacroStage::Connect, macros).await.unwrap();
    }

    pub async fn helo(&mut self, name: impl indymilter_test::IntoCString) -> String {
        shown(self.milter.helo(name).await.unwrap())
    }

    /// MAIL, with `{mail_addr}` as Postfix makes it.
    pub async fn mail(&mut self, argument: &str) -> String {
        self.in_message = true;
        let (path, parameters) = match argument.split_once("> ") {
            Some((path, parameters)) => (format!("{path}>"), parameters),
            None => (argument.to_owned(), ""),
        };
        let address = rewritten(&path);
        let mailer = mailer(&address);
        let mut macros = vec![("{mail_addr}", address), ("{mail_mailer}", mailer)];
        if let Some(login) = &self.login {
            macros.push(("{auth_authen}", login.clone()));
            macros.push(("{auth_type}", "PLAIN".to_owned()));
        }
        self.milter.macros(MacroStage::Mail, macros).await.unwrap();
        let arguments = [path].into_iter().chain(parameters.split_whitespace().map(str::to_owned));
        shown(self.milter.mail(arguments).await.unwrap())
    }

    /// RCPT, with `{rcpt_addr}` as Postfix makes it.
    pub async fn rcpt(&mut self, argument: &str) -> String {
        let address = rewritten(argument);
        let mailer = mailer(&address);
        let macros = [("{rcpt_addr}", address), ("{rcpt_mailer}", mailer)];
        self.milter.macros(MacroStage::Rcpt, macros).await.unwrap();
        shown(self.milter.rcpt([argument]).await.unwrap())
    }

    /// HELO, MAIL and RCPT of an ordinary mail: the answer to RCPT.
    pub async fn ordinary(&mut self) -> String {
        self.helo("helo.example").await;
        self.mail("<from@sender.example>").await;
        self.rcpt("<to@rcpt.example>").await
    }

    /// The end of the message under way, if there is one: RSET, or another HELO.
    pub async fn abort(&mut self) -> String {
        if std::mem::take(&mut self.in_message) {
            self.milter.abort().await.unwrap();
        }
        "no reply".to_owned()
    }

    /// DATA.
    pub async fn data(&mut self) -> String {
        if self.milter.negotiated_opts().contains(indymilter_test::ProtoOpts::NO_DATA) {
            return "no reply".to_owned();
        }
        shown(self.milter.data().await.unwrap())
    }

    /// A message without fields, as far as its content is wanted.
    pub async fn nothing_in_it(&mut self) {
        let wanted = self.milter.negotiated_opts();
        if !wanted.contains(indymilter_test::ProtoOpts::NO_EOH) {
            self.milter.eoh().await.unwrap();
        }
    }

    /// The final dot: the changes of the message, and the answer.
    pub async fn message(&mut self) -> (Vec<EomAction>, String) {
        self.in_message = false;
        self.milter.macros(MacroStage::Eom, [("i", "4dZ1TJ2Pz3z")]).await.unwrap();
        let (actions, status) = self.milter.eom().await.unwrap();
        (actions.actions, shown(status))
    }
}

/// An address as Postfix's rewriting makes it, as far as the tests need it: `$myorigin` appended, lower case, without
/// a trailing dot or a source route, `user%domain@us` followed.
fn rewritten(argument: &str) -> String {
    const US: &str = "@mx.example.test";
    let address = argument.trim_matches(['<', '>']);
    let routed = address.strip_prefix('@').and_then(|rest| rest.split_once(':'));
    let address = routed.map_or(address, |(_, rest)| rest);
    let address = address.strip_suffix('.').unwrap_or(address).to_lowercase();
    if let Some((user, domain)) = address.strip_suffix(US).and_then(|local| local.rsplit_once('%')) {
        return format!("{user}@{domain}");
    }
    if address.is_empty() || address.contains('@') { address } else { address + US }
}

/// The transport of an address: this host is the final destination of one domain.
fn mailer(address: &str) -> String {
    if address.ends_with("@mx.example.test") { "local" } else { "smtp" }.to_owned()
}

/// An answer in one line: `continue`, `no reply`, `discard`, or the reply as the client reads it.
pub fn shown(status: Status) -> String {
    match status {
        Status::Continue => "continue".to_owned(),
        Status::Noreply => "no reply".to_owned(),
        Status::Discard => "discard".to_owned(),
        Status::Reject { message: Some(text) } | Status::Tempfail { message: Some(text) } => {
            String::from_utf8(text.into_bytes()).unwrap().replace("%%", "%")
        }
        other => format!("{other:?}"),
    }
}
