//! Trying a milter socket as an MTA does: one option negotiation, and QUIT.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

/// How long each step may take; Postfix waits 30 s.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest answer to a negotiation, in bytes: the macros of every stage fit.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Negotiates with whoever listens on a socket, `inet:ADDRESS:PORT` or `unix:/path`.
///
/// # Errors
/// When nobody answers, or what answers is no milter.
pub(super) fn negotiate(socket: &str) -> io::Result<()> {
    match socket.split_once(':') {
        Some(("unix", path)) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        Some(("inet", address)) => {
            let address = address.parse().map_err(io::Error::other)?;
            let stream = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        Some(_) | None => Err(io::Error::other("no socket is known")),
    }
}

/// The address at which this machine reaches a socket that listens on all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn exchange(mut stream: impl Read + Write) -> io::Result<()> {
    // Version 6, every action and every protocol option, as Postfix offers them.
    let offer = [6_u32, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat();
    stream.write_all(&packet(b'O', &offer))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::Error::other("no answer in time"),
        _ => e,
    })?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length == 0 || length > ANSWER_LIMIT {
        return Err(io::Error::other("what answers is not a milter"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    if answer.first() != Some(&b'O') {
        return Err(io::Error::other("it refuses to negotiate"));
    }
    stream.write_all(&packet(b'Q', &[]))
}

fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &[kind], data].concat()
}
