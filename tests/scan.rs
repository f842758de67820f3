//! `mailward scan` and `mailward explain --message`: the whole text that a person sees.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::cli::{self, Exit};
use std::fs;
use support::directory::Directory;

const POLICY: &str = "
[restrictions]
end_of_data = ['check_header pcre:headers', 'reject_attachment_name']
[attachments]
banned = ['exe']
marked = ['docm']
";

const BANNED: &str = "\
From: a@b.example
Subject: hello
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

see below
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=\"=?utf-8?B?aW52b2ljZS5wZGYuZXhl?=\"

MZ
--b
Content-Type: application/x; name=macro.docm

--b--
";

const CLEAN: &str = "From: a@b.example\nSubject: clean\n\ntext\n";

fn mailward(arguments: &[&str]) -> (String, String, Exit) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run([&["mailward"], arguments].concat(), &mut out, &mut err);
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), exit)
}

fn directory() -> Directory {
    let directory = Directory::new();
    let mbox = format!("From x\n{CLEAN}\nFrom y\n{BANNED}\nFrom z\n{CLEAN}");
    let files = [
        ("mailward.toml", POLICY),
        ("headers", "/^Subject: (hel+o)/ WARN $1\n"),
        ("banned.eml", BANNED),
        ("clean.eml", CLEAN),
        ("mbox", &mbox),
    ];
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

const TREE: &str = "  multipart/mixed
  text/plain
  application/octet-stream
              =?utf-8?B?aW52b2ljZS5wZGYuZXhl?=  Content-Disposition
              invoice.pdf.exe  Content-Disposition  banned
  application/x
              macro.docm  Content-Type
 banned     =?utf-8?B?aW52b2ljZS5wZGYuZXhl?= (exe) in part 2
 marked     macro.docm (docm) in part 3
";

/// Without the numbers of parts, which are the walk's affair.
fn unnumbered(text: &str) -> String {
    let bare = |line: &str| match line.strip_prefix(' ') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("  {}\n", rest.split_whitespace().nth(1).unwrap())
        }
        Some(_) | None => format!("{line}\n"),
    };
    text.lines().map(bare).collect()
}

#[test]
fn scan_shows_every_name_and_ends_with_1_if_one_is_banned() {
    let directory = directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (config, banned, clean, mbox) =
        (path("mailward.toml"), path("banned.eml"), path("clean.eml"), path("mbox"));
    let (out, err, exit) = mailward(&["scan", "-c", &config, &banned]);
    assert_eq!((unnumbered(&out), err.as_str(), exit), (format!("{banned}\n{TREE}"), "", Exit::Found));
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let (_, err, exit) = mailward(&["scan", "-c", &config, &clean]);
    assert_eq!((err.as_str(), exit), ("", Exit::Success));
    let (out, _, exit) = mailward(&["scan", "-c", &config, &clean, &mbox]);
    assert_eq!(exit, Exit::Found);
    let heads: Vec<&str> = out.lines().filter(|line| line.starts_with('/')).collect();
    assert_eq!(
        heads,
        [clean.clone(), mbox.clone(), format!("{mbox}, message 2"), format!("{mbox}, message 3")]
    );
    assert!(unnumbered(&out).contains(&format!("{mbox}, message 2\n{TREE}")), "{out}");
}

#[test]
fn scan_prints_json_and_says_what_it_cannot_read() {
    let directory = directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (out, _, exit) = mailward(&["scan", "--json", "-c", &path("mailward.toml"), &path("mbox")]);
    assert_eq!(exit, Exit::Found);
    let all: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(all[1]["number"], 2);
    assert_eq!(all[1]["facts"]["findings"][0][0]["reading"], "invoice.pdf.exe");
    let missing = path("missing");
    let (_, err, exit) = mailward(&["scan", "-c", &path("mailward.toml"), &missing]);
    assert_eq!(exit, Exit::InputOutput);
    assert_eq!(err, format!("mailward: cannot read {missing}: No such file or directory (os error 2)\n"));
}

#[test]
fn explain_decides_with_the_message_and_prints_its_parts() {
    let directory = directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (config, message) = (path("mailward.toml"), path("banned.eml"));
    let session = [
        "--client",
        "192.0.2.1",
        "--client-name",
        "a.example",
        "--from",
        "a@b.example",
        "--rcpt",
        "c@d.example",
    ];
    let arguments = [&["explain", "-c", &config, "--message", &message], &session[..]].concat();
    let (out, err, exit) = mailward(&arguments);
    assert_eq!((err.as_str(), exit), ("", Exit::Success));
    let (before, tree) = out.split_once("\nParts of the message\n").unwrap();
    assert_eq!(unnumbered(tree), TREE);
    let want = "            550 5.7.1 Message refused: attachment\n            \"=?utf-8?B?aW52b2ljZS5wZGYuZXhl?=\" has a forbidden \
                name (exe)";
    assert!(before.contains("END-OF-MESSAGE") && before.trim_end().ends_with(want), "{before}");
    let entries = before.lines().filter(|line| line.starts_with(" end_of_data"));
    assert!(
        entries.clone().count() == 2 && entries.clone().all(|line| line.chars().count() <= 80),
        "{before}"
    );
    assert!(before.contains("check_header pcre:headers") && before.contains("warn"), "{before}");
}
