//! The control socket: one connection, one line of JSON as the request, one as the answer. Whoever may open the socket
//! may ask; nobody who is slow, silent or endless holds up others, and mail knows nothing of it.

use super::{
    Server, beside,
    listener::{BindError, Bound, Connection},
    status::Status,
};
use crate::config::settings::Socket;
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, fs, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::{Duration, timeout},
};

/// The longest request, in bytes.
const REQUEST_LIMIT: u64 = 4096;
/// How long a connection may take for its request, and again for reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The socket's permissions: its owner and its group.
const MODE: u32 = 0o660;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// How the server is.
    Status,
    /// All metrics, as Prometheus reads them.
    Metrics,
    /// The file of the exemptions was changed.
    AllowChanged,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Metrics`].
    Metrics(String),
    /// It was done.
    Done,
    /// Why there is no other answer.
    Error(String),
}

/// The socket.
#[derive(Debug)]
pub struct Control(Bound);

impl Control {
    /// Binds it, as the milter's socket: a stale file is removed, one in use is not touched. Its directory is made where
    /// there is none.
    ///
    /// # Errors
    /// When it cannot be bound, or its rights cannot be set.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        if let Some(directory) = path.parent() {
            // Where that fails, binding says why.
            let _ = fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
        }
        Bound::bind(&Socket::Unix { path: path.to_owned(), mode: MODE, group: None }).await.map(Self)
    }

    /// Answers until it is dropped, and removes the socket then.
    pub async fn serve(self, server: Arc<Server>) -> Infallible {
        beside::serve(self.0, server, "the control socket", converse).await
    }
}

/// One request and its answer.
async fn converse(server: Arc<Server>, mut stream: Connection) {
    let mut line = Vec::new();
    let mut request = BufReader::new(&mut stream).take(REQUEST_LIMIT);
    let read = timeout(PATIENCE, request.read_until(b'\n', &mut line)).await;
    let answer = match read {
        Ok(Ok(0)) => return,
        Ok(Ok(_)) if line.ends_with(b"\n") => answer(&server, &line).await,
        Ok(Ok(_)) => Answer::Error(format!("a request is one line of at most {REQUEST_LIMIT} bytes")),
        Ok(Err(_)) | Err(_) => {
            server.counters.control_errors.add();
            return;
        }
    };
    // Plain data with string keys can always be written.
    let Ok(mut text) = serde_json::to_string(&answer) else { return };
    text.push('\n');
    let written = timeout(PATIENCE, async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    });
    if !matches!(written.await, Ok(Ok(()))) {
        server.counters.control_errors.add();
    }
}

async fn answer(server: &Arc<Server>, line: &[u8]) -> Answer {
    match serde_json::from_slice(line) {
        Ok(Request::Status) => Answer::Status(Box::new(server.status())),
        Ok(Request::Metrics) => {
            let server = server.clone();
            match tokio::task::spawn_blocking(move || server.metrics()).await {
                Ok(text) => Answer::Metrics(text),
                Err(_) => Answer::Error("a bug: see the log".to_owned()),
            }
        }
        Ok(Request::AllowChanged) if server.allowances().look().await => Answer::Done,
        Ok(Request::AllowChanged) => Answer::Error("the exemptions are not taken up yet".to_owned()),
        Err(_) => {
            server.counters.control_errors.add();
            Answer::Error("no such request in this version".to_owned())
        }
    }
}
