//! A set and a session as a dialogue file of `tests/postfix`, with Postfix's replies as the expected ones.

use super::{
    lists::{ListSet, texts},
    play::{CLOSED, Exchange},
    session::{Client, Session},
};
use std::fmt::Write as _;

/// The file's text.
pub fn dialogue(set: &ListSet, session: &Session, replies: &[Exchange]) -> String {
    let mut out = String::new();
    let mut block = |head: &str, lines: &[String]| {
        if !lines.is_empty() {
            writeln!(out, "{head}").unwrap();
            lines.iter().for_each(|line| writeln!(out, "    {line}").unwrap());
        }
    };
    block("@maincf", &set.main_cf_settings());
    block("@policy", &set.toml_settings());
    for (stage, entries) in &set.lists {
        block(&format!("@restrictions {stage}"), &texts(entries));
    }
    for table in set.tables().filter(|table| table.is_file()) {
        block(&format!("@table {}", table.name), &table.text());
    }
    if let Client::Own(address) = session.client {
        writeln!(out, "# This client comes from {address} itself.").unwrap();
    }
    writeln!(out, "\n{}", session.client.directive()).unwrap();
    for (at, exchange) in replies.iter().enumerate() {
        match exchange.said.as_str() {
            "" if at == 0 => {}
            "" => out += "@message\n    Subject: parity\n\n    text\n",
            said => writeln!(out, "C: {}", escape(said)).unwrap(),
        }
        if exchange.reply.len() > 1 {
            writeln!(out, "S: {}", &exchange.reply[0][..3]).unwrap();
        } else if exchange.reply[0] != CLOSED {
            let more = if exchange.reply[0].ends_with("Ok: ") { "…" } else { "" };
            writeln!(out, "S: {}{more}", exchange.reply[0]).unwrap();
        }
    }
    out
}

/// Bytes that are not printable ASCII as `\xNN`.
fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    text.bytes().map(byte).collect()
}
