//! Attachments through a real Postfix: what is refused after the final dot, what passes, and how much of a body is asked
//! for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    config::settings::Socket,
    server::{Server, listener::Bound},
    time::SystemClock,
};
use std::{env, fs, path::Path, sync::Arc};
use support::{
    directory::Directory,
    milter::parse,
    postfix::{PostfixInstance, Setup, available, free_addresses, say},
    smtp::send,
};

const POLICY: &str = "
    [restrictions]
    end_of_data = ['reject_attachment_name']
    [attachments]
    banned = ['minimal']
    on_unparsable = 'mark'
";

const REFUSED: &str = "550 5.7.1 Message refused: attachment ";

/// mailward in this process behind a Postfix of the test's own.
struct Both {
    server: Arc<Server>,
    postfix: PostfixInstance,
    _runtime: tokio::runtime::Runtime,
}

impl Both {
    fn start(policy: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let mut config = parse(policy, Path::new(""));
        let address = free_addresses(1)[0];
        config.socket = Socket::Inet(address);
        let server = runtime.block_on(async {
            let bound = Bound::bind(&config.socket).await.unwrap();
            let server = Server::new(config, Arc::new(SystemClock)).unwrap();
            let serving = server.clone();
            tokio::spawn(async move { serving.serve(bound, std::future::pending()).await });
            server
        });
        let milter = vec![
            format!("smtpd_milters = inet:{}:{}", address.ip(), address.port()),
            "milter_default_action = tempfail".to_owned(),
            "message_size_limit = 0".to_owned(),
            "mailbox_size_limit = 0".to_owned(),
        ];
        let postfix = PostfixInstance::start(&Setup { main_cf: milter, ..Setup::default() });
        Self { server, postfix, _runtime: runtime }
    }

    fn send(&self, messages: &[Vec<u8>]) -> Vec<String> {
        send(self.postfix.address(0), messages)
    }

    fn counter(&self, name: &str) -> u64 {
        self.server.counters().all().find(|(counter, _)| *counter == name).unwrap().1
    }
}

/// A message with one part of this header behind its text.
fn part(header: &str) -> Vec<u8> {
    format!(
        "From: a@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\n.\r\n..text\r\n--b\r\n{}\r\n\r\nTVqQAAMAAAAEAAAA\r\n--b--\r\n",
        header.replace('\n', "\r\n")
    )
    .into_bytes()
}

/// Headers of parts, with the name in the reply; none where the message passes.
const PARTS: &[(&str, Option<&str>)] = &[
    ("Content-Disposition: attachment; filename=\"invoice.pdf.exe\"", Some("invoice.pdf.exe")),
    ("Content-Type: application/x; name=a.PIF", Some("a.PIF")),
    ("Content-Disposition: attachment;\n\tfilename=\n \"a.exe\"", Some("a.exe")),
    ("Content-Disposition: attachment; filename*=utf-8''a%2Eexe", Some("utf-8''a%252Eexe")),
    ("Content-Disposition: attachment; filename*0=\"a.\"; filename*1=exe", Some("a.exe")),
    ("Content-Disposition: attachment; filename=\"=?utf-8?B?YS5leGU=?=\"", Some("=?utf-8?B?YS5leGU=?=")),
    ("Content-Disposition: attachment; filename=\"a.exe.\"", Some("a.exe.")),
    ("Content-Type: message/rfc822\n\nContent-Type: x/y; name=a.com", Some("a.com")),
    ("Content-Disposition: attachment; filename=\"\u{e9}.exe\"", Some("%C3%A9.exe")),
    ("Content-Type: text/plain\n\nbegin 644 a.vbs\n#86)C\n`\nend", Some("a.vbs")),
    ("Content-Disposition: attachment; filename=\"report.pdf\"", None),
    ("Content-ID: <a.exe>", None),
    ("Content-Type: text/html; charset=utf-8", None),
    ("X-Note: name=a.exe", None),
];

#[test]
fn names_are_refused_after_the_final_dot_and_all_else_passes() {
    if !available("attachment names") {
        return;
    }
    let both = Both::start(POLICY);
    let messages: Vec<Vec<u8>> = PARTS.iter().map(|(header, _)| part(header)).collect();
    let mut faults = Vec::new();
    for ((header, name), reply) in PARTS.iter().zip(both.send(&messages)) {
        let right = match name {
            Some(name) => reply.starts_with(&format!("{REFUSED}\"{name}\" has a forbidden name (")),
            None => reply.starts_with("250 "),
        };
        if !right {
            faults.push(format!("{header}: {reply}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    survey(&both);
    large(&both);
    assert_eq!(both.counter("bugs"), 0);
}

/// Postfix takes a refusal of a header or of a piece of a body, and goes on with the session.
#[test]
fn what_is_certain_is_refused_before_the_rest_is_handed_over() {
    if !available("early refusals") {
        return;
    }
    let directory = Directory::new();
    let table = directory.path().join("table");
    fs::write(&table, "/^X-Bad:/ REJECT\n").unwrap();
    let body = [&[b'x'; 76][..], b"\r\n"].concat().repeat(4_000);
    let bad = [b"X-Bad: 1\r\n\r\n".as_slice(), &body].concat();
    let named = [&part("Content-Type: a/b; name=a.exe\r\n\r\n")[..], &body].concat();
    let plain = b"Subject: plain\r\n\r\nhi\r\n".to_vec();
    let name = format!("{REFUSED}\"a.exe\" has a forbidden name (exe)");
    for (entry, message, want, most) in [
        (format!("check_header regexp:{}", table.display()), bad, "550 5.7.1 message content rejected", 0),
        ("reject_attachment_name".to_owned(), named, name.as_str(), 65_535),
    ] {
        let both = Both::start(&format!("[restrictions]\nend_of_data = ['{entry}']\n"));
        let before = both.counter("body_bytes");
        assert_eq!(both.send(std::slice::from_ref(&message)), [want], "{entry}");
        let handed_over = both.counter("body_bytes") - before;
        assert!(handed_over <= most, "{entry}: {handed_over} bytes");
        let replies = both.send(&[message.clone(), plain.clone(), message, plain.clone()]);
        let refused: Vec<bool> = replies.iter().map(|reply| reply == want).collect();
        assert_eq!(refused, [true, false, true, false], "{replies:?}");
        assert!(replies[1].starts_with("250 ") && replies[3].starts_with("250 "), "{replies:?}");
        assert_eq!(both.counter("bugs"), 0);
    }
}

/// The cases of the survey, where their file is at hand.
fn survey(both: &Both) {
    let beside = ["../shared/cases/attachments.jsonl", "../../shared/cases/attachments.jsonl"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = env::var_os("MAILWARD_ATTACHMENT_CASES").map(Into::into);
    let mut files = named.into_iter().chain(beside.map(|path| root.join(path)));
    let Some(text) = files.find_map(|file| fs::read_to_string(file).ok()) else {
        return say("SKIPPED the cases of the survey: there is no attachments.jsonl");
    };
    let cases: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<Vec<u8>> =
        cases.iter().map(|case| base64(case["message_b64"].as_str().unwrap())).collect();
    let (mut refused, mut faults) = (0, Vec::new());
    for (case, reply) in cases.iter().zip(both.send(&messages)) {
        // What Postfix refuses by itself never comes to a milter, and what it cuts off a header at header_size_limit comes
        // to nobody.
        let itself =
            reply.contains("MIME nesting exceeds safety limit") || case["id"] == "b39-pad-110k-same-header";
        let is_refused = reply.starts_with(REFUSED);
        refused += usize::from(is_refused);
        if !itself && is_refused != case["banned"].as_bool().unwrap() {
            faults.push(format!("{}: {reply}", case["id"]));
        }
    }
    say(&format!("survey: {} messages, {refused} refused, {} differ", cases.len(), faults.len()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// 25 MiB pass, and of a message in which nothing can matter next to nothing is asked for.
fn large(both: &Both) {
    const LENGTH: usize = 25 << 20;
    let line = [&[b'A'; 76][..], b"\r\n"].concat();
    let text: Vec<u8> = line.iter().copied().cycle().take(LENGTH).collect();
    let mut attached =
        part("Content-Disposition: attachment; filename=a.pdf\nContent-Transfer-Encoding: base64");
    let end = attached.len() - 10;
    attached.splice(end..end, text.iter().copied());
    let named =
        part(&format!("Content-Disposition: attachment; filename=a.exe\n\n{}", "x\n".repeat(1 << 20)));
    for (what, message, want, most) in [
        ("an attachment", attached, "250 ", LENGTH * 2),
        ("a forbidden name at its beginning", named, REFUSED, 400_000),
    ] {
        let before = both.counter("body_bytes");
        let reply = both.send(std::slice::from_ref(&message)).remove(0);
        let seen = both.counter("body_bytes") - before;
        say(&format!("{what}: {} bytes, {seen} seen", message.len()));
        assert!(reply.starts_with(want), "{what}: {reply}");
        assert!(seen < u64::try_from(most).unwrap(), "{what}: {seen} bytes of the body were asked for");
    }
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut out, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        (bits, count) = ((bits << 6 | digit) & 0xf_ffff, count + 6);
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    out
}
