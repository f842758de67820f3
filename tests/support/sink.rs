//! An SMTP server that takes every message: where the tests' Postfix delivers to, so that a test sees what would have
//! gone out.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// Longer than Postfix takes to deliver on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message as it was delivered.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// The envelope sender, without angle brackets.
    pub sender: String,
    /// The envelope recipients, sorted.
    pub recipients: Vec<String>,
    /// The header's lines; Postfix's own Received field is shortened to `Received:`.
    pub header: Vec<String>,
}

/// The running server. Its thread ends with the test process.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    messages: Arc<Messages>,
}

#[derive(Debug, Default)]
struct Messages {
    by_queue_id: Mutex<HashMap<String, Delivered>>,
    arrived: Condvar,
}

impl Sink {
    /// Starts on a free port of 127.0.0.1.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let messages = Arc::new(Messages::default());
        let shared = Arc::clone(&messages);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, messages }
    }

    /// The lines for main.cf that send all mail here.
    pub fn main_cf(&self) -> Vec<String> {
        let next_hop = format!("[{}]:{}", self.address.ip(), self.address.port());
        vec![
            "default_transport = smtp".to_owned(),
            "relay_transport = relay".to_owned(),
            format!("relayhost = {next_hop}"),
        ]
    }

    /// Waits for the message with a queue id.
    pub fn wait(&self, queue_id: &str) -> Option<Delivered> {
        let messages = self.messages.by_queue_id.lock().unwrap();
        let missing = |messages: &mut HashMap<String, Delivered>| !messages.contains_key(queue_id);
        let (messages, _) = self.messages.arrived.wait_timeout_while(messages, PATIENCE, missing).unwrap();
        messages.get(queue_id).cloned()
    }

    /// Whether the message with a queue id was delivered.
    pub fn has(&self, queue_id: &str) -> bool {
        self.messages.by_queue_id.lock().unwrap().contains_key(queue_id)
    }
}

fn serve(stream: &TcpStream, messages: &Messages) -> io::Result<()> {
    let mut lines = BufReader::new(stream).split(b'\n');
    let mut writer = stream;
    let mut message = Delivered::default();
    writer.write_all(b"220 sink\r\n")?;
    while let Some(line) = lines.next() {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "MAIL" => {
                message = Delivered { sender: path(&line), ..Delivered::default() };
                "250 ok\r\n"
            }
            "RCPT" => {
                message.recipients.push(path(&line));
                "250 ok\r\n"
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let (queue_id, header) = content(&mut lines)?;
                let mut message = Delivered { header, ..std::mem::take(&mut message) };
                message.recipients.sort();
                messages.by_queue_id.lock().unwrap().insert(queue_id, message);
                messages.arrived.notify_all();
                "250 ok\r\n"
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n"),
            _ => "250 ok\r\n",
        };
        writer.write_all(reply.as_bytes())?;
    }
    Ok(())
}

/// Reads a message up to its final dot: the queue id in Postfix's Received field, and the header.
fn content(lines: &mut impl Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<(String, Vec<String>)> {
    let (mut queue_id, mut header): (_, Vec<String>) = (String::new(), Vec::new());
    let (mut in_header, mut in_received) = (true, false);
    for line in lines {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if line == "." {
            break;
        }
        in_header &= !line.is_empty();
        if !in_header {
            continue;
        }
        let continues = line.starts_with([' ', '\t']);
        in_received = if continues { in_received } else { line.starts_with("Received:") };
        if !in_received {
            header.push(line);
            continue;
        }
        if !continues {
            header.push("Received:".to_owned());
        }
        if let Some((_, id)) = line.split_once(" id ") {
            queue_id = id.chars().take_while(char::is_ascii_alphanumeric).collect();
        }
    }
    Ok((queue_id, header))
}

fn path(line: &str) -> String {
    let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.map_or_else(String::new, |(path, _)| path.to_owned())
}
