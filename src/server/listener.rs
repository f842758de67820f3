//! The listening socket: bound with its rights, accepting without ever giving up, and drained at the end.

use super::{
    accounts::group_id,
    connection::Watched,
    counters::Counters,
    drain::Drain,
    handover::{self, Kept},
};
use crate::config::settings::Socket;
use indymilter::{EitherStream, Listener};
use std::{
    fmt, fs,
    future::Future,
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::Sleep,
};
use tracing::{error, warn};

/// How long accepting pauses when file descriptors or memory run out.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The step at which a missing directory shows.
const LISTEN: &str = "listen on";

/// A connection of either kind of socket.
pub(super) type Connection = EitherStream<TcpStream, UnixStream>;

/// Why the socket cannot be used.
#[derive(Debug)]
pub struct BindError {
    socket: String,
    what: &'static str,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.what, self.socket, self.source)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => f.write_str(" (is mailward running already?)"),
            io::ErrorKind::NotFound if self.what == LISTEN => f.write_str(" (does the directory exist?)"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A socket that is bound and listens.
#[derive(Debug)]
pub struct Bound {
    socket: Bind,
    /// The file to be removed at the end.
    path: Option<PathBuf>,
}

#[derive(Debug)]
enum Bind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Bound {
    /// Binds. A stale socket file, one that nobody listens on, is removed first; one in use is not touched.
    ///
    /// # Errors
    /// When the address cannot be bound, or rights or group cannot be set.
    pub async fn bind(socket: &Socket) -> Result<Self, BindError> {
        Self::listen(socket, Kept::default()).await
    }

    /// Takes the socket that was kept over a restart, or binds one; systemd keeps it for the next start.
    ///
    /// # Errors
    /// As [`Bound::bind`].
    pub async fn take_over(socket: &Socket, kept: Kept) -> Result<Self, BindError> {
        let mut bound = Self::listen(socket, kept).await?;
        let is_kept = match &bound.socket {
            Bind::Tcp(listener) => handover::keep(listener),
            Bind::Unix(listener) => handover::keep(listener),
        };
        if is_kept {
            // The file belongs to the kept socket: the next run listens on it again.
            bound.path = None;
        }
        Ok(bound)
    }

    async fn listen(socket: &Socket, kept: Kept) -> Result<Self, BindError> {
        match socket {
            Socket::Inet(address) => {
                let listener = match kept.tcp(*address) {
                    Some(listener) => TcpListener::from_std(listener),
                    None => TcpListener::bind(address).await,
                };
                let listener = listener.map_err(|e| failed(LISTEN, format!("inet:{address}"), e))?;
                Ok(Self { socket: Bind::Tcp(listener), path: None })
            }
            Socket::Unix { path, mode, group } => Self::bind_unix(path, *mode, group.as_deref(), kept),
        }
    }

    fn bind_unix(path: &Path, mode: u32, group: Option<&str>, kept: Kept) -> Result<Self, BindError> {
        let name = || format!("unix:{}", path.display());
        let listener = match kept.unix(path) {
            Some(listener) => UnixListener::from_std(listener),
            None => {
                remove_stale(path).map_err(|e| failed("replace", name(), e))?;
                UnixListener::bind(path)
            }
        };
        let listener = listener.map_err(|e| failed(LISTEN, name(), e))?;
        let bound = Self { socket: Bind::Unix(listener), path: Some(path.to_owned()) };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|e| failed("set the rights of", name(), e))?;
        if let Some(group) = group {
            let id = group_id(group).map_err(|e| failed("find the socket_group of", name(), e))?;
            std::os::unix::fs::chown(path, None, Some(id))
                .map_err(|e| failed("set the group of", name(), e))?;
        }
        Ok(bound)
    }

    /// The next connection.
    ///
    /// # Errors
    /// When the system gives none: the connection is gone already, or file descriptors ran out.
    pub(super) async fn accept(&self) -> io::Result<Connection> {
        match &self.socket {
            Bind::Tcp(listener) => listener.accept().await.map(|(stream, _)| EitherStream::Tcp(stream)),
            Bind::Unix(listener) => listener.accept().await.map(|(stream, _)| EitherStream::Unix(stream)),
        }
    }

    /// The socket in the words of the configuration, with the port that was really given.
    pub fn name(&self, configured: &Socket) -> String {
        match (configured, self.address()) {
            (_, Some(address)) => format!("inet:{address}"),
            (Socket::Unix { path, .. }, None) => format!("unix:{}", path.display()),
            (Socket::Inet(address), None) => format!("inet:{address}"),
        }
    }

    /// The address of an inet socket; with port 0 in the configuration this is the port that was given.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Bind::Tcp(listener) => listener.local_addr().ok(),
            Bind::Unix(_) => None,
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // A file that is gone already is what is wanted; any other failure leaves a stale socket, which
            // the next start removes.
            let _ = fs::remove_file(path);
        }
    }
}

fn failed(what: &'static str, socket: String, source: io::Error) -> BindError {
    BindError { socket, what, source }
}

/// Removes a socket file on which nobody listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is not a socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(e) => Err(e),
    }
}

/// The listener that the milter library drives.
pub(super) struct Gate {
    bound: Bound,
    drain: Arc<Drain>,
    counters: Arc<Counters>,
    max_sessions: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Gate {
    pub(super) fn new(bound: Bound, drain: Arc<Drain>, counters: Arc<Counters>, max_sessions: usize) -> Self {
        Self { bound, drain, counters, max_sessions, pause: None }
    }

    fn open(&self, stream: Connection) -> Watched {
        self.counters.sessions.add();
        let active = self.drain.opened();
        if active >= self.max_sessions {
            self.counters.sessions_at_limit.add();
            warn!("max_sessions = {} reached: further connections of the MTA wait", self.max_sessions);
        }
        Watched::new(stream, self.drain.clone(), self.counters.clone())
    }
}

impl Listener for Gate {
    type Io = Watched;

    /// Never an error: that would end every session. What is wrong with one connection is that connection's; what is
    /// wrong with us passes.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Io>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if self.drain.is_stopping() {
                return Poll::Pending;
            }
            let accepted = match &mut self.bound.socket {
                Bind::Tcp(listener) => {
                    std::task::ready!(TcpListener::poll_accept(listener, cx)).map(|(stream, _)| {
                        // Without it a reply may wait for the MTA's acknowledgement; a failure only costs time.
                        let _ = stream.set_nodelay(true);
                        EitherStream::Tcp(stream)
                    })
                }
                Bind::Unix(listener) => std::task::ready!(UnixListener::poll_accept(listener, cx))
                    .map(|(stream, _)| EitherStream::Unix(stream)),
            };
            match accepted {
                Ok(stream) => return Poll::Ready(Ok(self.open(stream))),
                Err(e) => {
                    self.counters.accept_errors.add();
                    error!(
                        "cannot accept a connection, trying again in {} ms: {e}",
                        ACCEPT_PAUSE.as_millis()
                    );
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}
