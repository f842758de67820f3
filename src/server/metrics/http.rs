//! The listener that Prometheus scrapes: GET /metrics, one request a connection. It listens for this machine alone.

use super::exposition::CONTENT_TYPE;
use crate::{
    config::settings::Socket,
    server::{
        Server, beside,
        listener::{BindError, Bound, Connection},
    },
};
use std::{convert::Infallible, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, timeout},
};

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 8 * 1024;
/// The most header fields of a request.
const FIELD_LIMIT: usize = 64;
/// How long a request may take, and again the reading of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The listener.
#[derive(Debug)]
pub struct Listener(Bound);

impl Listener {
    /// Binds it, as the milter's socket.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub async fn bind(socket: &Socket) -> Result<Self, BindError> {
        Bound::bind(socket).await.map(Self)
    }

    /// Its address, with the port that was really given.
    pub fn name(&self, configured: &Socket) -> String {
        self.0.name(configured)
    }

    /// Answers until it is dropped.
    pub async fn serve(self, server: Arc<Server>) -> Infallible {
        beside::serve(self.0, server, "the listener of the metrics", converse).await
    }
}

/// One request and its answer.
async fn converse(server: Arc<Server>, mut stream: Connection) {
    let asked = timeout(PATIENCE, head(&mut stream)).await.unwrap_or(None);
    let Some(asked) = asked else { return server.counters.control_errors.add() };
    let (status, kind, body) = match asked {
        Asked::Metrics => {
            let server = server.clone();
            match tokio::task::spawn_blocking(move || server.metrics()).await {
                Ok(text) => ("200 OK", CONTENT_TYPE, text),
                Err(_) => ("500 Internal Server Error", "text/plain", "a bug: see the log\n".to_owned()),
            }
        }
        Asked::Elsewhere => ("404 Not Found", "text/plain", "the metrics are at /metrics\n".to_owned()),
        Asked::Otherwise => ("405 Method Not Allowed", "text/plain", "use GET\n".to_owned()),
        Asked::Garbage => {
            server.counters.control_errors.add();
            ("400 Bad Request", "text/plain", "this is no HTTP\n".to_owned())
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let written = timeout(PATIENCE, async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await
    });
    if !matches!(written.await, Ok(Ok(()))) {
        server.counters.control_errors.add();
    }
}

/// What a request wants.
enum Asked {
    Metrics,
    /// Another path.
    Elsewhere,
    /// Another method.
    Otherwise,
    Garbage,
}

/// Reads a request up to the end of its head; `None` if it ends before.
async fn head(stream: &mut Connection) -> Option<Asked> {
    let mut read = Vec::new();
    loop {
        let mut space = [0; 1024];
        let length = stream.read(&mut space).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&space[..length]);
        let mut fields = [httparse::EMPTY_HEADER; FIELD_LIMIT];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&read) {
            Ok(httparse::Status::Complete(_)) => {
                let path = request.path.unwrap_or_default();
                let path = path.split_once('?').map_or(path, |(path, _)| path);
                return Some(match (request.method, path) {
                    (Some("GET"), "/metrics") => Asked::Metrics,
                    (Some("GET"), _) => Asked::Elsewhere,
                    (Some(_) | None, _) => Asked::Otherwise,
                });
            }
            Ok(httparse::Status::Partial) if read.len() < HEAD_LIMIT => {}
            Ok(httparse::Status::Partial) | Err(_) => return Some(Asked::Garbage),
        }
    }
}
