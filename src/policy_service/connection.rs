//! One connection to a policy service: a request, a reply, and whether it can be used again.

use crate::{lookup::policy::Endpoint, smtp::text};
use std::io;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

/// The longest reply, in bytes: four of Postfix's lines (line_length_limit = 2048).
const REPLY_LIMIT: usize = 8_192;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection.
    Unreachable(io::Error),
    /// The connection ended before the first byte of the reply.
    Closed,
    /// The connection ended within the reply.
    Cut,
    /// The reply is not made of attributes, or has no action.
    Malformed,
    /// The reply is longer than [`REPLY_LIMIT`].
    TooLong,
    /// The time limit is over.
    TimedOut,
}

impl Failure {
    /// The words of traces.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "cannot be reached",
            Self::Closed => "closed the connection without an answer",
            Self::Cut => "closed the connection within its answer",
            Self::Malformed => "malformed answer",
            Self::TooLong => "answer too long",
            Self::TimedOut => "no answer within the time limit",
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// Nothing came behind the last reply.
    clean: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Connects, to each of the host's addresses in turn.
    pub(super) async fn open(service: &Endpoint) -> Result<Self, Failure> {
        let stream = match service {
            Endpoint::Unix(path) => UnixStream::connect(&**path).await.map(Stream::Unix),
            Endpoint::Inet { host, port } => TcpStream::connect((&**host, *port)).await.map(Stream::Tcp),
        };
        Ok(Self { stream: stream.map_err(Failure::Unreachable)?, clean: true })
    }

    /// Sends a request and reads the action.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<String, Failure> {
        self.clean = false;
        let (reply, rest) = match &mut self.stream {
            Stream::Tcp(stream) => exchange(stream, request).await?,
            Stream::Unix(stream) => exchange(stream, request).await?,
        };
        self.clean = rest == 0;
        action(&reply).ok_or(Failure::Malformed)
    }

    /// Whether a further request can be sent: the service has neither closed the connection nor said anything unasked,
    /// which would be taken for the next answer.
    pub(super) fn is_usable(&self) -> bool {
        let mut byte = [0];
        let read = match &self.stream {
            Stream::Tcp(stream) => stream.try_read(&mut byte),
            Stream::Unix(stream) => stream.try_read(&mut byte),
        };
        self.clean && matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The reply up to its empty line, and how many bytes came behind it.
async fn exchange<S>(stream: &mut S, request: &[u8]) -> Result<(Vec<u8>, usize), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await.map_err(|_| Failure::Closed)?;
    let mut reply = Vec::with_capacity(256);
    let mut buffer = [0; 1_024];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        match length {
            0 if reply.is_empty() => return Err(Failure::Closed),
            0 => return Err(Failure::Cut),
            length => reply.extend_from_slice(&buffer[..length]),
        }
        if let Some(end) = end(&reply) {
            let rest = reply.len() - end;
            reply.truncate(end);
            return if end > REPLY_LIMIT { Err(Failure::TooLong) } else { Ok((reply, rest)) };
        }
        if reply.len() > REPLY_LIMIT {
            return Err(Failure::TooLong);
        }
    }
}

/// Where the reply ends: behind its empty line.
fn end(reply: &[u8]) -> Option<usize> {
    if reply.starts_with(b"\n") {
        return Some(1);
    }
    reply.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2)
}

/// The first `action` among the attributes; others are ignored, as by Postfix.
fn action(reply: &[u8]) -> Option<String> {
    let mut action = None;
    for line in reply.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b'=')?;
        if action.is_none() && &line[..at] == b"action" {
            action = Some(text::from_wire(&line[at + 1..]));
        }
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_up_to_its_empty_line() {
        let cases: [(&[u8], Option<&str>); 9] = [
            (b"action=DUNNO\n\n", Some("DUNNO")),
            (b"action=REJECT a=b\n\n", Some("REJECT a=b")),
            (b"x=1\naction=OK\naction=REJECT\n\n", Some("OK")),
            (b"action=\n\n", Some("")),
            (b"action=\xff\n\n", Some("\u{fffd}")),
            (b"\n", None),
            (b"ACTION=OK\n\n", None),
            (b"action\n\n", None),
            (b"action=OK\nHTTP/1.1 400\n\n", None),
        ];
        for (reply, want) in cases {
            assert_eq!(end(reply), Some(reply.len()), "{reply:?}");
            assert_eq!(action(reply).as_deref(), want, "{reply:?}");
        }
        assert_eq!(end(b"action=OK\n"), None);
        assert_eq!(end(b"a=b\n\naction=OK\n\n"), Some(5));
    }
}
