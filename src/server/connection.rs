//! One connection of the MTA: its opening made readable, its packets followed, itself counted.

use super::{
    counters::Counters,
    drain::Drain,
    frames::{Frames, Violation},
    opening::Opening,
};
use indymilter::EitherStream;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tracing::warn;

/// How much is read at once up to CONNECT: what an MTA sends until then, mostly.
const OPENING_BYTES: usize = 1024;

/// A connection whose packets are followed and which counts itself.
pub(super) struct Watched {
    stream: EitherStream<TcpStream, UnixStream>,
    opening: Opening,
    frames: Frames,
    /// Whether the MTA ended the connection.
    ended: bool,
    drain: Arc<Drain>,
    counters: Arc<Counters>,
}

impl Watched {
    pub(super) fn new(
        stream: EitherStream<TcpStream, UnixStream>,
        drain: Arc<Drain>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { stream, opening: Opening::default(), frames: Frames::default(), ended: false, drain, counters }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = if this.opening.is_over() {
            std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf))
        } else {
            std::task::ready!(this.poll_opening(cx, buf))
        };
        let read = &buf.filled()[before..];
        this.ended |= result.is_err() || read.is_empty();
        let counters = &this.counters;
        this.frames.feed(read, |violation| report(violation, counters));
        Poll::Ready(result)
    }
}

impl Watched {
    /// Reads by way of [`Opening`], until it has something or the connection ends.
    fn poll_opening(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let bytes = self.opening.take(buf.remaining());
            if !bytes.is_empty() || self.opening.is_over() {
                buf.put_slice(&bytes);
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; OPENING_BYTES];
            let mut read = ReadBuf::new(&mut space);
            std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                self.opening.end();
            } else {
                self.opening.feed(read.filled());
            }
        }
    }
}

fn report(violation: Violation, counters: &Counters) {
    violation.counter(counters).add();
    warn!("milter protocol: {}", violation.text());
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.ended |= matches!(result, Poll::Ready(Err(_)));
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(violation) = self.frames.finish().filter(|_| self.ended) {
            report(violation, &self.counters);
        } else if !self.ended && !self.frames.quit && !self.drain.is_stopping() {
            self.counters.sessions_cut.add();
            if !self.frames.is_broken() {
                warn!(
                    "milter protocol: session ended by mailward: idle too long, or a packet that cannot be read"
                );
            }
        }
        self.drain.closed();
    }
}
