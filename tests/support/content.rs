//! Messages with attachments, and sending them in pieces.

use super::milter::{Daemon, From, Session, shown};
use indymilter_test::{EomAction, ProtoOpts};

/// What a message with `a.exe` hears.
pub const REFUSED: &str = "550 5.7.1 Message refused: attachment \"a.exe\" has a forbidden name (exe)";

/// A message with an attachment of this name and a body of so many bytes behind it.
pub fn attached(name: &str, length: usize) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let header = vec![
        ("Subject", " attached".to_owned()),
        ("Content-Type", " multipart/mixed;\n boundary=b1".to_owned()),
    ];
    let mut body = format!(
        "--b1\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b1\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment;\r\n\tfilename=\"{name}\"\r\n\r\n"
    )
    .into_bytes();
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    body.extend(line.iter().cycle().take(length));
    body.extend(b"\r\n--b1--\r\n");
    (header, body)
}

/// Sends a message in pieces of so many bytes, up to the end of what is wanted or to a refusal: the changes, the answer,
/// and how many bytes of the body were handed over.
pub async fn send(
    session: &mut Session,
    (header, body): (Vec<(&str, String)>, Vec<u8>),
    size: usize,
) -> (Vec<EomAction>, String, usize) {
    let silent = session.milter.negotiated_opts().contains(ProtoOpts::NOREPLY_HEADER);
    for (name, value) in header {
        let answer = shown(session.milter.header(name, value).await.unwrap());
        assert_eq!(answer, if silent { "no reply" } else { "continue" });
    }
    let answer = shown(session.milter.eoh().await.unwrap());
    if answer != "continue" {
        return (Vec::new(), answer, 0);
    }
    let mut sent = 0;
    for chunk in body.chunks(size) {
        sent += chunk.len();
        match shown(session.milter.body(chunk.to_vec()).await.unwrap()).as_str() {
            "continue" => {}
            "Skip" => break,
            refusal => return (Vec::new(), refusal.to_owned(), sent),
        }
    }
    let (actions, answer) = session.message().await;
    (actions, answer, sent)
}

/// A session up to the recipients of a message.
pub async fn begun(daemon: &Daemon, recipients: &[&str]) -> Session {
    let mut session = Session::open(daemon, &From::named("client.example", "192.0.2.1")).await;
    session.helo("helo.example").await;
    begin(&mut session, recipients).await;
    session
}

/// A message up to its recipients, who are all accepted.
pub async fn begin(session: &mut Session, recipients: &[&str]) {
    session.mail("<from@sender.example>").await;
    for recipient in recipients {
        assert_eq!(session.rcpt(recipient).await, "continue");
    }
}

/// One recipient.
pub const TO: &[&str] = &["<to@rcpt.example>"];
/// A policy that looks at names.
pub const NAMES: &str = "[restrictions]\nend_of_data = ['reject_attachment_name']\n";
