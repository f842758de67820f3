//! An SMTP client that sends messages as they are.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
};

/// Sends every message in one session, from `from@mail.example` to `to@mail.example`: the replies to their ends. Lines
/// end with CR LF.
pub fn send(address: SocketAddr, messages: &[Vec<u8>]) -> Vec<String> {
    let stream = TcpStream::connect(address).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut reply = || loop {
        let line = lines.next().unwrap().unwrap();
        if line.as_bytes()[3] == b' ' {
            return line;
        }
    };
    let say = |text: &[u8]| (&stream).write_all(text).unwrap();
    reply();
    say(b"EHLO client.example\r\n");
    reply();
    let mut replies = Vec::new();
    for message in messages {
        for command in ["MAIL FROM:<from@mail.example>", "RCPT TO:<to@mail.example>", "DATA"] {
            say(format!("{command}\r\n").as_bytes());
            let answer = reply();
            assert!(answer.starts_with(['2', '3']), "{command}: {answer}");
        }
        say(&stuffed(message));
        replies.push(reply());
    }
    replies
}

/// The message with its dots doubled and the final dot.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 100);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out.extend(b".\r\n");
    out
}
