//! Asking the running daemon: one line to its control socket, one back.

use crate::server::control::{Answer, Request};
use std::{
    fmt,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// How long the daemon may take; it is asked beside its mail.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest answer that is read, in bytes: thousands of DNS lists and rules fit.
const ANSWER_LIMIT: u64 = 64 << 20;
/// How often it is asked when it ends the connection, because others ask too.
const TRIES: usize = 5;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The daemon does not listen there, or says nothing.
    Silent(io::Error),
    /// We may not ask it.
    Denied,
    /// It answers what this version does not understand, or that it cannot do it.
    Says(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(e) => match e.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => f.write_str("the daemon does not run"),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => f.write_str("the daemon does not answer"),
                _ => write!(f, "the daemon does not answer: {e}"),
            },
            Self::Denied => f.write_str("permission denied: ask as root or as a member of its group"),
            Self::Says(what) => f.write_str(what),
        }
    }
}

/// Asks the daemon.
///
/// # Errors
/// When there is no answer, or one that says why not.
pub(super) fn ask(path: &Path, request: &Request) -> Result<Answer, Unanswered> {
    let mut tries = 1;
    loop {
        match exchange(path, request) {
            Ok(line) => {
                return match serde_json::from_slice(&line) {
                    Ok(Answer::Error(why)) => Err(Unanswered::Says(why)),
                    Ok(answer) => Ok(answer),
                    Err(_) => Err(Unanswered::Says("the daemon is of another version".to_owned())),
                };
            }
            Err(e) if e.kind() == ErrorKind::PermissionDenied => return Err(Unanswered::Denied),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof && tries < TRIES => tries += 1,
            Err(e) => return Err(Unanswered::Silent(e)),
        }
    }
}

fn exchange(path: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    let eof = |e: io::Error| match e.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ErrorKind::UnexpectedEof.into(),
        _ => e,
    };
    stream.write_all(&line).map_err(eof)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_LIMIT)).read_until(b'\n', &mut answer).map_err(eof)?;
    if answer.ends_with(b"\n") { Ok(answer) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
