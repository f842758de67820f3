//! Plays a dialogue file against an smtpd and compares every reply as a whole.

use super::{Dialogue, Kind, MTA_ITSELF, Side, Step};
use crate::support::{postfix::PostfixInstance, sink::Sink};
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, BufRead, BufReader, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};
use tokio::net::TcpSocket;

/// Longer than Postfix and a filter take for a reply on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where messages are until they are delivered.
pub trait MailQueue: fmt::Debug {
    /// The queue's name for every message in it, by queue id.
    fn queue(&self) -> BTreeMap<String, String>;
}

impl MailQueue for PostfixInstance {
    fn queue(&self) -> BTreeMap<String, String> {
        self.queue()
    }
}

/// Who is between the client and mailward.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mta {
    Postfix,
    /// It knows no XCLIENT: the player connects from the client's address. Its own replies have other words.
    Sendmail,
}

/// Plays one file, on one side.
#[derive(Debug)]
pub struct Player<'a> {
    dialogue: &'a Dialogue,
    side: Side,
    mta: Mta,
    address: SocketAddr,
    queue: &'a dyn MailQueue,
    sink: &'a Sink,
    stream: Option<BufReader<TcpStream>>,
    /// Lines to send before the next reply is read: pipelining if they are several.
    pending: Vec<u8>,
    queue_id: String,
    compared: usize,
    faults: Vec<String>,
    updates: Vec<Update>,
}

/// A reply that differs from the file: the file's lines, and what came.
#[derive(Debug)]
pub struct Update {
    line: usize,
    lines: usize,
    reply: Vec<String>,
}

impl<'a> Player<'a> {
    pub fn new(
        dialogue: &'a Dialogue,
        side: Side,
        address: SocketAddr,
        queue: &'a dyn MailQueue,
        sink: &'a Sink,
    ) -> Self {
        Self {
            dialogue,
            side,
            mta: Mta::Postfix,
            address,
            queue,
            sink,
            stream: None,
            pending: Vec::new(),
            queue_id: String::new(),
            compared: 0,
            faults: Vec::new(),
            updates: Vec::new(),
        }
    }

    /// The same with another MTA.
    pub fn through(mut self, mta: Mta) -> Self {
        self.mta = mta;
        self
    }

    /// Plays the whole file: how many replies were compared, and each fault as `file:line: expected, got`.
    pub fn play(mut self) -> (usize, Vec<String>, Vec<Update>) {
        let dialogue = self.dialogue;
        let steps = dialogue.steps.iter().filter(|step| step.only.is_none_or(|only| only == self.side));
        let steps: Vec<&Step> = steps.collect();
        for (at, step) in steps.iter().enumerate() {
            // A reply that the file does not write down after a connection must be the greeting.
            let greeted = matches!(steps.get(at + 1), Some(Step { kind: Kind::Expect(_), .. }));
            if let Err(error) = self.step(step, greeted) {
                self.fault(step.line, &error.to_string());
                break;
            }
        }
        (self.compared, self.faults, self.updates)
    }

    fn step(&mut self, step: &Step, greeted: bool) -> io::Result<()> {
        match &step.kind {
            Kind::Connect { xclient, helo } => {
                self.connect(step.line, xclient.as_deref(), helo.as_deref(), greeted)?
            }
            Kind::Send(line) => {
                self.pending.extend(line);
                self.pending.extend(b"\r\n");
            }
            Kind::Expect(expected) => {
                let reply = self.exchange()?;
                self.compare(step, expected, reply);
            }
            Kind::Message(lines) => {
                for line in lines {
                    let stuffing = if line.starts_with('.') { "." } else { "" };
                    self.pending.extend(format!("{stuffing}{line}\r\n").bytes());
                }
                self.pending.extend(b".\r\n");
            }
            Kind::Delivered { from, to, header } => self.delivered(step.line, from, to, header),
            Kind::Held => {
                let queue = self.queue.queue();
                let name = queue.get(&self.queue_id).map_or("none", String::as_str);
                self.check(step.line, "queue", "hold", name);
            }
            // The queue first: a message that was on its way in between is seen by one of the two.
            Kind::Discarded => {
                let queue = self.queue.queue();
                let name = queue.get(&self.queue_id).map_or("none", String::as_str);
                self.check(step.line, "queue", "none", name);
                self.check(step.line, "delivered", "false", &self.sink.has(&self.queue_id).to_string());
            }
        }
        Ok(())
    }

    fn connect(
        &mut self,
        line: usize,
        xclient: Option<&str>,
        helo: Option<&str>,
        greeted: bool,
    ) -> io::Result<()> {
        let stream = match self.mta {
            Mta::Postfix => TcpStream::connect(self.address)?,
            Mta::Sendmail => connect_from(xclient, self.address)?,
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        self.stream = Some(BufReader::new(stream));
        self.pending.clear();
        if let Some(xclient) = xclient.filter(|_| self.mta == Mta::Postfix) {
            self.code(line, "220")?;
            self.pending.extend(format!("{xclient}\r\n").bytes());
        }
        if !greeted {
            self.code(line, "220")?;
        }
        if let Some(helo) = helo {
            self.pending.extend(format!("EHLO {helo}\r\n").bytes());
            self.code(line, "250")?;
        }
        Ok(())
    }

    /// A reply the file does not write down.
    fn code(&mut self, line: usize, code: &str) -> io::Result<()> {
        let reply = self.exchange()?;
        if !matches(&[code.to_owned()], &reply) {
            self.fault(line, &format!("expected {code}, got {}", reply.join(" | ")));
        }
        Ok(())
    }

    /// Sends what waits, and reads one reply.
    fn exchange(&mut self) -> io::Result<Vec<String>> {
        let stream = self.stream.as_mut().ok_or_else(|| io::Error::other("no @client or @new before"))?;
        let pending = std::mem::take(&mut self.pending);
        stream.get_mut().write_all(&pending)?;
        let mut reply = Vec::new();
        loop {
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            let line =
                String::from_utf8(line).unwrap_or_else(|error| error.as_bytes().escape_ascii().to_string());
            let line = line.trim_end_matches(['\r', '\n']).to_owned();
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push(line);
            if last {
                return Ok(reply);
            }
        }
    }

    fn compare(&mut self, step: &Step, expected: &[String], reply: Vec<String>) {
        self.compared += 1;
        if let Some((_, id)) = reply[0].split_once("queued as ") {
            id.clone_into(&mut self.queue_id);
        }
        let same = match self.mta {
            // Its own words are others, and so is what it says to RCPT after all were refused.
            Mta::Sendmail if own(&expected[0]) => reply[0].as_bytes()[0] == expected[0].as_bytes()[0],
            Mta::Sendmail => {
                matches(expected, &reply.iter().map(|line| without_recipient(line)).collect::<Vec<_>>())
            }
            Mta::Postfix => matches(expected, &reply),
        };
        if !same {
            let (expected, got) = (expected.join("\n           "), reply.join("\n           "));
            self.fault(step.line, &format!("\n  expected {expected}\n  got      {got}"));
            self.updates.push(Update { line: step.line, lines: step.lines, reply });
        }
    }

    fn delivered(&mut self, line: usize, from: &str, to: &[String], header: &[String]) {
        let Some(message) = self.sink.wait(&self.queue_id) else {
            return self.fault(line, &format!("message {} was not delivered", self.queue_id));
        };
        self.check(line, "from", from, &message.sender);
        self.check(line, "to", &to.join(","), &message.recipients.join(","));
        if !header.is_empty() {
            let lines: Vec<&str> = message.header.iter().map(|line| undated(line)).collect();
            self.check(line, "header", &header.join("\n"), &lines.join("\n"));
        }
    }

    fn check(&mut self, line: usize, what: &str, expected: &str, got: &str) {
        self.compared += 1;
        if expected != got {
            self.fault(line, &format!("{what}\n  expected {expected}\n  got      {got}"));
        }
    }

    fn fault(&mut self, line: usize, text: &str) {
        self.faults.push(format!("{}:{line}: {text}", self.dialogue.path.display()));
    }
}

impl Update {
    /// Writes the replies that came into the file, for a reader to judge; a code alone stays.
    pub fn write(dialogue: &Dialogue, updates: Vec<Self>) {
        let text = fs::read_to_string(&dialogue.path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for update in updates.into_iter().rev() {
            // A queue id is another one each time.
            let reply = update.reply.iter().map(|line| match line.split_once("queued as ") {
                Some((text, _)) => format!("S: {text}queued as …"),
                None => format!("S: {line}"),
            });
            let at = update.line - 1;
            lines.splice(at..at + update.lines, reply);
        }
        fs::write(&dialogue.path, lines.join("\n") + "\n").unwrap();
    }
}

/// Connects from the address in an XCLIENT command, which must be one of this machine's.
fn connect_from(xclient: Option<&str>, to: SocketAddr) -> io::Result<TcpStream> {
    let words = xclient.unwrap_or_default().split(' ');
    let from = words.filter_map(|word| word.strip_prefix("ADDR=")).next().unwrap_or("127.0.0.1");
    let from: IpAddr = from.trim_start_matches("IPV6:").parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(to).await
    })?;
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether a reply is the MTA's own and not mailward's.
fn own(reply: &str) -> bool {
    reply.starts_with(['2', '3']) || MTA_ITSELF.iter().any(|own| reply.starts_with(own))
}

/// A reply without what Sendmail puts before a milter's text at RCPT: `<recipient>... `.
fn without_recipient(line: &str) -> String {
    match line.split_once(" <").and_then(|(codes, rest)| Some((codes, rest.split_once(">... ")?.1))) {
        Some((codes, text)) => format!("{codes} {text}"),
        None => line.to_owned(),
    }
}

/// A code alone stands for every reply with it; a line that ends in `…` for every line that begins so.
fn matches(expected: &[String], reply: &[String]) -> bool {
    if let [code] = expected
        && code.len() == 3
    {
        return reply.iter().all(|line| line.starts_with(code.as_str()));
    }
    let same = |(expected, line): (&String, &String)| match expected.strip_suffix('…') {
        Some(prefix) => line.starts_with(prefix),
        None => line == expected,
    };
    expected.len() == reply.len() && expected.iter().zip(reply).all(same)
}

/// A header field without what differs from run to run: X-Greylist ends before ` by`.
fn undated(line: &str) -> &str {
    let end = line.find(" by ").filter(|_| line.starts_with("X-Greylist:"));
    &line[..end.unwrap_or(line.len())]
}
