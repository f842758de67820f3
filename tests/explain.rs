//! `mailward explain`: the whole text that a person sees, and that it asks DNS but changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use std::process::Command;
use support::{directory::Directory, dns::DnsServer};

const POLICY: &str = "\
mynetworks = [\"127.0.0.0/8\"]
[restrictions]
client = [\"permit_mynetworks\", \"check_client_access hash:clients\"]
helo = [\"warn_if_reject reject_non_fqdn_helo_hostname\", \"reject_unknown_helo_hostname\"]
recipient = [\"strict\", \"permit\"]
[classes]
strict = [\"reject_unknown_recipient_domain\"]
";

const ZONE: &str = "
    192.0.2.7 PTR mail.example.com
    mail.example.com A 192.0.2.7
    down.example * SERVFAIL
    example.org MX 10 mx.example.org
";

const DEFERRED: &str = "\
mail.example.com[192.0.2.7], by mailward.toml

RCPT TO:<b@example.org>
 client     permit_mynetworks                         dunno      mailward.toml:3
 client     check_client_access hash:clients          dunno      mailward.toml:3
            key `192.0.2` matches at clients:2
 helo       reject_non_fqdn_helo_hostname             dunno      mailward.toml:4
 helo       reject_unknown_helo_hostname
            defer_if_permit  mailward.toml:4
            450 4.7.1 <down.example>: Helo command rejected: Host not found
            A down.example: server failure (SERVFAIL)
            AAAA down.example: server failure (SERVFAIL)
            MX down.example: server failure (SERVFAIL)
 recipient  strict
            no decision  mailward.toml:5
 recipient    reject_unknown_recipient_domain         dunno      mailward.toml:7
            MX example.org: 10 mx.example.org
 recipient  permit                                    ok         mailward.toml:5
 verdict    deferred by reject_unknown_helo_hostname (mailward.toml:4)
            450 4.7.1 <down.example>: Helo command rejected: Host not found
";

const REFUSED: &str = "\
mail.foo.cn[198.51.100.1], by mailward.toml

RCPT TO:<b@example.org>
 client     permit_mynetworks                         dunno      mailward.toml:3
 client     check_client_access hash:clients          reject     mailward.toml:3
            554 5.7.1 <mail.foo.cn[198.51.100.1]>: Client host rejected: no
            key `cn` matches at clients:1
 verdict    refused by check_client_access hash:clients (mailward.toml:3)
            554 5.7.1 <mail.foo.cn[198.51.100.1]>: Client host rejected: no
";

/// What the command prints, and its exit code. Lookups say how long they took: that is left out.
fn explain(directory: &Directory, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.current_dir(directory.path()).args(["explain", "-c", "mailward.toml"]).args(arguments);
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let lines = text.lines().map(|line| match line.rsplit_once(" (") {
        Some((line, took)) if took.ends_with(" ms)") => format!("{line}\n"),
        Some(_) | None => format!("{line}\n"),
    });
    (lines.collect(), output.status.code())
}

fn directory(server: &DnsServer) -> Directory {
    let directory = Directory::new();
    directory.file("clients", "cn REJECT no\n192.0.2 DUNNO\n");
    directory.file("mailward.toml", &format!("{POLICY}[dns]\nnameservers = [\"{}\"]\n", server.address()));
    directory
}

#[test]
fn every_step_is_shown_with_its_reply_reason_and_lookups() {
    let server = DnsServer::start(ZONE);
    let directory = directory(&server);
    let envelope = ["--from", "a@example.net", "--rcpt", "b@example.org"];
    let deferred = [&["--client", "192.0.2.7", "--helo", "down.example"], &envelope[..]].concat();
    assert_eq!(explain(&directory, &deferred), (DEFERRED.to_owned(), Some(0)));
    assert_eq!(server.queries("PTR", "192.0.2.7"), 1, "the client's names were looked up");
    let named = ["--client", "198.51.100.1", "--client-name", "mail.foo.cn"];
    assert_eq!(explain(&directory, &[&named, &envelope[..]].concat()), (REFUSED.to_owned(), Some(0)));
}

#[test]
fn hostile_arguments_are_shown_escaped_and_json_is_json() {
    let server = DnsServer::start(ZONE);
    let directory = directory(&server);
    let hostile = ["--client", "192.0.2.7", "--helo", "a\u{1b}[31m", "--rcpt", "x\r\ny@example.org"];
    let (text, code) = explain(&directory, &hostile);
    assert_eq!(code, Some(0));
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
    let (json, _) = explain(&directory, &[&hostile[..], &["--json"]].concat());
    let decisions: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(decisions[0]["event"], "rcpt");
    assert_eq!(decisions[0]["steps"][0]["rule"]["origin"]["line"], 3);
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let directory = Directory::new();
    directory.file("mailward.toml", "nonsense = 1\n");
    let client = ["--client", "192.0.2.7"];
    assert_eq!(explain(&directory, &client).1, Some(78));
    directory.file("mailward.toml", "");
    let (text, code) = explain(&directory, &[&client[..], &["--message", "missing.eml"]].concat());
    assert_eq!(code, Some(74));
    assert_eq!(text, "mailward: cannot read missing.eml: No such file or directory (os error 2)\n");
    assert_eq!(explain(&directory, &["--client", "nobody"]).1, Some(64));
}
