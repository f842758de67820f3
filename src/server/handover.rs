//! The listening socket over a restart: systemd keeps it (FileDescriptorStoreMax= of systemd.service(5), FDSTORE=1 of
//! sd_notify(3)) and hands it to the next start, so that the MTA's connections wait in its backlog instead of failing.

use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixListener,
    },
    path::Path,
};
use tracing::warn;

/// The name under which the socket is kept.
const NAME: &str = "milter";

/// What systemd kept of the run before.
#[derive(Debug, Default)]
pub struct Kept {
    unix: Vec<UnixListener>,
    tcp: Vec<TcpListener>,
}

impl Kept {
    /// Takes what was handed to this process. To be called before any thread is started: it changes the environment, so
    /// that no child takes the sockets for its own.
    pub fn take() -> Self {
        let mut handed = ListenFd::from_env();
        let mut kept = Self::default();
        for at in 0..handed.len() {
            // What is of another kind, or broken, is none of ours.
            if let Ok(Some(listener)) = handed.take_unix_listener(at) {
                kept.unix.extend(listener.set_nonblocking(true).is_ok().then_some(listener));
            } else if let Ok(Some(listener)) = handed.take_tcp_listener(at) {
                kept.tcp.extend(listener.set_nonblocking(true).is_ok().then_some(listener));
            }
        }
        kept
    }

    /// The socket bound to a path, if it still stands there.
    pub(super) fn unix(self, path: &Path) -> Option<UnixListener> {
        let is_ours = |listener: &UnixListener| {
            let address = listener.local_addr().ok();
            address.as_ref().and_then(|address| address.as_pathname()) == Some(path) && path.exists()
        };
        let handed = !self.unix.is_empty() || !self.tcp.is_empty();
        let found = self.unix.into_iter().find(is_ours);
        forget(handed && found.is_none());
        found
    }

    /// The socket bound to an address.
    pub(super) fn tcp(self, address: SocketAddr) -> Option<TcpListener> {
        let is_ours = |listener: &TcpListener| listener.local_addr().ok() == Some(address);
        let handed = !self.unix.is_empty() || !self.tcp.is_empty();
        let found = self.tcp.into_iter().find(is_ours);
        forget(handed && found.is_none());
        found
    }
}

/// Lets systemd close what it keeps: the configuration names another socket now.
fn forget(wrong: bool) {
    if wrong && let Err(e) = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(NAME)]) {
        warn!("cannot tell systemd to close an older socket: {e}");
    }
}

/// Gives the socket to systemd for the next start: whether there is a systemd that may keep it.
pub(super) fn keep(socket: &impl AsFd) -> bool {
    match give(socket.as_fd()) {
        Ok(given) => given,
        Err(e) => {
            warn!("cannot give the socket to systemd, a restart will refuse connections for a moment: {e}");
            false
        }
    }
}

fn give(socket: BorrowedFd<'_>) -> io::Result<bool> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(false);
    }
    sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(NAME)], &[socket])?;
    Ok(true)
}
