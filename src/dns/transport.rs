//! One question to one server: UDP, and TCP when the reply was cut (RFC 1035 section 4.2, RFC 7766).
//!
//! A new socket for each question gives each a random source port; it is connected, so that the kernel drops what
//! comes from elsewhere and tells at once when nobody listens.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::{
    counters::{Counters, add},
    message::{Head, Question},
};

/// More than any server sends to a question without EDNS.
const UDP_BYTES: usize = 4096;

/// Sends the question and hands over the first reply that belongs to it, as bytes that [`Head::read`] accepts.
pub(super) async fn exchange(
    server: SocketAddr,
    question: &Question,
    counters: &Counters,
) -> io::Result<Vec<u8>> {
    let reply = udp(server, question, counters).await?;
    if Head::read(&reply, question).is_some_and(|head| head.truncated) {
        add(&counters.truncated);
        return tcp(server, question, counters).await;
    }
    Ok(reply)
}

async fn udp(server: SocketAddr, question: &Question, counters: &Counters) -> io::Result<Vec<u8>> {
    let local = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    add(&counters.sent);
    socket.send(&question.bytes).await?;
    let mut buffer = vec![0; UDP_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if buffer.get(..length).is_some_and(|reply| Head::read(reply, question).is_some()) {
            buffer.truncate(length);
            return Ok(buffer);
        }
        // Somebody guesses, or a reply to an earlier user of this port is late: wait for the true one.
        add(&counters.mismatched);
    }
}

async fn tcp(server: SocketAddr, question: &Question, counters: &Counters) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&question.bytes);
    add(&counters.sent);
    stream.write_all(&bytes).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    if Head::read(&reply, question).is_none_or(|head| head.truncated) {
        add(&counters.mismatched);
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(reply)
}
