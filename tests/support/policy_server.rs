//! A policy server whose answers a test chooses, and which remembers what it was asked (SMTPD_POLICY_README).

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Say {
    /// Answers `action=…` and an empty line.
    Action(String),
    /// Writes this and waits for the next request.
    Raw(Vec<u8>),
    /// Writes this and closes the connection.
    Close(Vec<u8>),
    /// Never answers; the connection stays open.
    Hang,
}

/// An action.
pub fn action(text: &str) -> Say {
    Say::Action(text.to_owned())
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The number of its connection, from 1.
    pub connection: usize,
    /// Its lines, without the empty one at the end.
    pub text: String,
}

impl Asked {
    /// The value of an attribute.
    pub fn get(&self, name: &str) -> &str {
        value(&self.text, name)
    }
}

fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

type Script = dyn Fn(&Asked) -> Say + Send + Sync;

/// The running server; it stops when dropped.
pub struct PolicyServer {
    address: SocketAddr,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

struct State {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
    came: Condvar,
    connections: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl PolicyServer {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script)
    }

    /// Starts at an address.
    pub fn start_at(address: SocketAddr, script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Box::new(script),
            asked: Mutex::default(),
            came: Condvar::new(),
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = state.clone();
        let listening = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut connections = shared.connections.lock().unwrap();
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                connections.push(stream.try_clone().unwrap());
                let (state, number) = (shared.clone(), connections.len());
                thread::spawn(move || serve(stream, number, &state));
            }
        });
        Self { address, state, listening: Some(listening) }
    }

    /// A server whose answers stand in a file: lines `KEY ACTION`, where the key is the recipient's local part, behind
    /// `CONTEXT/` if the request has a policy_context. `!close` closes the connection, `!raw TEXT` writes the text with
    /// an empty line; what the file does not name is DUNNO.
    pub fn from_file(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let entries = text.lines().filter_map(|line| line.trim().split_once(' '));
        let answers: HashMap<String, String> =
            entries.map(|(key, say)| (key.to_owned(), say.trim().to_owned())).collect();
        Self::start(move |asked| {
            let local = asked.get("recipient").split('@').next().unwrap();
            let key = match asked.get("policy_context") {
                "" => local.to_owned(),
                context => format!("{context}/{local}"),
            };
            let say = answers.get(&key).map_or("DUNNO", String::as_str);
            match say.strip_prefix("!raw ") {
                Some(raw) => Say::Raw(format!("{raw}\n\n").into_bytes()),
                None if say == "!close" => Say::Close(Vec::new()),
                None => action(say),
            }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub fn wait(&self, count: usize) -> Vec<Asked> {
        let asked = self.state.asked.lock().unwrap();
        let fewer = |asked: &mut Vec<Asked>| asked.len() < count;
        self.state.came.wait_timeout_while(asked, PATIENCE, fewer).unwrap().0.clone()
    }
}

impl Drop for PolicyServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        for connection in &*self.state.connections.lock().unwrap() {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the listener, which then ends and leaves its port to the next.
        let _ = TcpStream::connect(self.address);
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

fn serve(mut stream: TcpStream, connection: usize, state: &State) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut text = Vec::new();
        loop {
            match lines.read_until(b'\n', &mut text) {
                Ok(length) if length > 0 => {}
                _ => return,
            }
            if text.ends_with(b"\n\n") || text == b"\n" {
                break;
            }
        }
        text.pop();
        let asked = Asked { connection, text: String::from_utf8_lossy(&text).into_owned() };
        let say = (state.script)(&asked);
        state.asked.lock().unwrap().push(asked);
        state.came.notify_all();
        let written = match say {
            Say::Action(text) => stream.write_all(format!("action={text}\n\n").as_bytes()),
            Say::Raw(bytes) => stream.write_all(&bytes),
            Say::Close(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            Say::Hang => Ok(()),
        };
        if written.is_err() {
            return;
        }
    }
}
