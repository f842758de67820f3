//! Plays a session against an smtpd, and says where two sides differ.

use super::{
    policy_service::REFUSAL,
    session::{Client, Session},
};
use std::{
    io::{self, BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};
use tokio::{net::TcpSocket, runtime::Handle};

/// Longer than Postfix and a filter take for a reply on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stands for a reply after the connection was closed.
pub const CLOSED: &str = "(closed)";
/// What stands for one that does not come: Postfix does so with a configuration that is wrong.
pub const SILENCE: &str = "(no reply)";

/// What was said, and the whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The command; empty for the connection itself and for a message.
    pub said: String,
    pub reply: Vec<String>,
}

impl Exchange {
    /// The code's first digit.
    pub fn class(&self) -> char {
        self.reply[0].chars().next().unwrap_or('?')
    }
}

/// Plays a session; every exchange from the greeting that the client described by it gets.
pub fn play(handle: &Handle, server: SocketAddr, session: &Session) -> Vec<Exchange> {
    let mut wire = Wire::connect(handle, server, &session.client).unwrap();
    let mut exchanges = Vec::new();
    let mut reply = wire.reply();
    if let Some(xclient) = session.client.xclient() {
        reply = wire.say(&format!("{xclient}\r\n"));
    }
    exchanges.push(Exchange { said: String::new(), reply });
    for said in &session.steps {
        if exchanges
            .iter()
            .any(|exchange| exchange.reply.iter().any(|line| [CLOSED, SILENCE].contains(&line.as_str())))
        {
            break;
        }
        let reply = wire.say(&format!("{said}\r\n"));
        let open = reply[0].starts_with("354");
        exchanges.push(Exchange { said: said.clone(), reply });
        if open {
            let reply = wire.say("Subject: parity\r\n\r\ntext\r\n.\r\n");
            exchanges.push(Exchange { said: String::new(), reply });
        }
    }
    exchanges
}

struct Wire(BufReader<TcpStream>);

impl Wire {
    fn connect(handle: &Handle, server: SocketAddr, client: &Client) -> io::Result<Self> {
        let from: IpAddr = match client {
            Client::Said { .. } => Ipv4Addr::LOCALHOST.into(),
            Client::Own(address) => address.parse().unwrap(),
        };
        let stream = handle.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(from, 0))?;
            socket.connect(server).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn say(&mut self, text: &str) -> Vec<String> {
        if self.0.get_mut().write_all(text.as_bytes()).is_err() {
            return vec![CLOSED.to_owned()];
        }
        self.reply()
    }

    fn reply(&mut self) -> Vec<String> {
        let mut reply = Vec::new();
        loop {
            let mut line = Vec::new();
            let end = match self.0.read_until(b'\n', &mut line) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => SILENCE,
                Err(_) | Ok(0) => CLOSED,
                Ok(_) => "",
            };
            if !end.is_empty() {
                reply.push(end.to_owned());
                return reply;
            }
            let line =
                String::from_utf8(line).unwrap_or_else(|error| error.as_bytes().escape_ascii().to_string());
            let line = line.trim_end_matches(['\r', '\n']);
            // A queue id is another one each time.
            let line = line.split_once("queued as ").map_or(line, |(before, _)| before);
            reply.push(line.to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }
}

/// Where the two sides of a session differ: what was said, Postfix's reply, mailward's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub said: String,
    pub postfix: String,
    pub mailward: String,
}

/// What helo_required answers.
const NO_HELO: &str = "Error: send HELO/EHLO first";

/// Whether MAIL was refused for its own form, before any filter saw it.
fn is_before_filters(exchange: &Exchange) -> bool {
    exchange.reply[0].contains("syntax") || exchange.reply[0].contains("SMTPUTF8")
}

/// Whether Postfix knows more at CONNECT than a milter: that the session is not encrypted.
fn is_told_later(exchange: &Exchange) -> bool {
    exchange.reply[0].ends_with("Session encryption is required")
}

/// The first difference, if there is one.
pub fn compare(delay_reject: bool, postfix: &[Exchange], mailward: &[Exchange]) -> Option<Difference> {
    let difference = |said: &str, postfix: &[String], mailward: &[String]| {
        let (postfix, mailward) = (postfix.join(" | "), mailward.join(" | "));
        Some(Difference { said: said.to_owned(), postfix, mailward })
    };
    for (at, own) in postfix.iter().enumerate() {
        let early =
            own.said.is_empty() && at == 0 || own.said.starts_with("EHLO") || own.said.starts_with("HELO");
        if !delay_reject && early && matches!(own.class(), '4' | '5') && !own.reply[0].contains("Syntax") {
            // A milter's words for a connection or a HELO come at MAIL; what the session does then is another matter.
            let next = mailward[at..].iter().find(|next| next.said.starts_with("MAIL"))?;
            // After a milter's 421 Postfix closes the connection without a word.
            let closes = own.reply[0].starts_with("421 ") && next.reply == [CLOSED];
            let same = next.reply == own.reply || closes || is_before_filters(next) || is_told_later(own);
            return if same { None } else { difference(&own.said, &own.reply, &next.reply) };
        }
        match mailward.get(at) {
            Some(other) if other.reply == own.reply => {}
            // Postfix asks for HELO before it reads the address, a milter is asked after that.
            Some(other) if own.reply[0].ends_with(NO_HELO) && is_before_filters(other) => {}
            // A policy service is not asked about what is deferred anyway.
            Some(other) if own.reply[0].ends_with(REFUSAL) && other.class() == '4' => {}
            Some(other) => return difference(&own.said, &own.reply, &other.reply),
            None => return difference(&own.said, &own.reply, &[]),
        }
    }
    None
}
