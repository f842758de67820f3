//! The shipped policy on ordinary mail, all of which must pass, and on what is certainly wrong, which must be refused with
//! its whole text. Names, HELO and senders have the forms of the large providers; their addresses are theirs, their DNS
//! is a zone text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use indymilter_test::EomAction;
use mailward::config::{self, Disk};
use std::{fmt::Write as _, path::Path};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session, parse, shown},
    servers::SERVERS,
};

const TO: &[&str] = &["<eva@mx.example.test>"];

/// The zone of all of them; every sender's domain has an MX.
fn zone() -> String {
    let mut zone =
        "*.in-addr.arpa PTR nobody.example\nEUR03-DBA-obe.outbound.protection.outlook.com A 40.107.0.1\n\
                    EUR02-AM0-obe.outbound.protection.outlook.com A 40.107.0.2\nexists.example A 192.0.2.9\n\
                    null.example MX 0 .\ndown.example * SERVFAIL\n"
            .to_owned();
    let mut domains: Vec<&str> = Vec::new();
    for (_, address, name, _, sender) in SERVERS {
        let kind = if address.contains(':') { "AAAA" } else { "A" };
        if !zone.contains(&format!("{name} {kind} {address}\n")) {
            writeln!(zone, "{name} {kind} {address}").unwrap();
        }
        domains.extend(sender.rsplit_once('@').map(|(_, domain)| domain));
    }
    domains.sort_unstable();
    domains.dedup();
    for domain in domains {
        writeln!(zone, "{domain} MX 10 mail.shop.example").unwrap();
    }
    zone
}

async fn daemon() -> Daemon {
    let base = Directory::new();
    Daemon::start_with(parse(config::builtin(), base.path()), &zone()).await
}

/// A message with one attachment: the fields that were added, and the answer.
async fn message(session: &mut Session, attachment: &str) -> (Vec<String>, String) {
    let kind = format!(" application/octet-stream; name=\"{attachment}\"");
    for (name, value) in [("Subject", " hello".to_owned()), ("Content-Type", kind)] {
        shown(session.milter.header(name, value).await.unwrap());
    }
    let answer = shown(session.milter.eoh().await.unwrap());
    if answer != "continue" {
        return (Vec::new(), answer);
    }
    shown(session.milter.body(b"x\r\n".to_vec()).await.unwrap());
    let (actions, answer) = session.message().await;
    let added = actions.iter().filter_map(|action| match action {
        EomAction::InsertHeader { name, .. } | EomAction::AddHeader { name, .. } => {
            Some(name.to_string_lossy().into_owned())
        }
        _ => None,
    });
    (added.collect(), answer)
}

/// A whole delivery: the first answer that is not `continue`, with its command; else the marks of the message.
async fn deliver(
    daemon: &Daemon,
    from: &From,
    helo: &str,
    sender: &str,
    to: &[&str],
    attachment: &str,
) -> String {
    let mut session = Session::open(daemon, from).await;
    let quiet = |answer: &str| answer == "continue" || answer == "no reply";
    if !quiet(&session.connected) {
        return session.connected;
    }
    if !helo.is_empty() {
        let answer = session.helo(helo).await;
        if !quiet(&answer) {
            return answer;
        }
    }
    let answer = session.mail(&format!("<{sender}>")).await;
    if !quiet(&answer) {
        return answer;
    }
    for recipient in to {
        let answer = session.rcpt(recipient).await;
        if !quiet(&answer) {
            return answer;
        }
    }
    let answer = session.data().await;
    if !quiet(&answer) {
        return format!("DATA: {answer}");
    }
    match message(&mut session, attachment).await {
        (added, answer) if quiet(&answer) && added.is_empty() => "passes".to_owned(),
        (added, answer) if quiet(&answer) => format!("passes with {}", added.join(", ")),
        (_, answer) => answer,
    }
}

#[tokio::test]
async fn ordinary_mail_passes_at_its_first_attempt() {
    let daemon = daemon().await;
    let mut held = Vec::new();
    for (what, address, name, helo, sender) in SERVERS {
        let helo = if helo.is_empty() { name } else { helo };
        let from = From::named(name, address);
        let said = deliver(&daemon, &from, helo, sender, TO, "offer.pdf").await;
        if said != "passes" {
            held.push(format!("{what}: {said}"));
        }
    }
    assert!(held.is_empty(), "{held:#?}");
}

#[tokio::test]
async fn your_own_machines_and_users_may_have_names_that_nobody_knows() {
    let daemon = daemon().await;
    let nameless = |address: &str| From::resolved(address, "unknown", "unknown", "FAIL");
    let user = |address: &str| From { login: Some("eva".to_owned()), ..nameless(address) };
    let local = From::resolved("127.0.0.1", "localhost", "localhost", "OK");
    let cases = [
        (
            "a telephone",
            user("203.0.113.77"),
            "[192.168.1.23]",
            "eva@mx.example.test",
            &["<bob@firm.example>"][..],
        ),
        (
            "a laptop",
            user("203.0.113.78"),
            "DESKTOP-7G3K2",
            "eva@mx.example.test",
            &["<a@b.example>", "<c@d.example>"],
        ),
        (
            "by IPv6",
            user("2001:db8:77::1"),
            "[IPv6:2001:db8:77::1]",
            "eva@mx.example.test",
            &["<a@b.example>"],
        ),
        ("cron by SMTP", local.clone(), "localhost", "root@mx.example.test", &["<root@mx.example.test>"]),
        ("an application", local.clone(), "app", "www-data@localhost", &["<a@b.example>", "<c@d.example>"]),
        ("its bounce for two", local, "app", "", &["<a@mx.example.test>", "<c@mx.example.test>"]),
    ];
    for (what, from, helo, sender, to) in cases {
        assert_eq!(deliver(&daemon, &from, helo, sender, to, "report.docx").await, "passes", "{what}");
    }
    // sendmail(1) as cron uses it: no address, no HELO.
    let cron = From { port: 0, names: None, ..From::untold("127.0.0.1") };
    assert_eq!(deliver(&daemon, &cron, "", "root@mx.example.test", TO, "x.txt").await, "passes");
}

/// Client, HELO, sender, recipients, attachment, and what is said.
type Case<'a> = (&'a From, &'a str, &'a str, &'a [&'a str], &'a str, &'a str);

#[tokio::test]
async fn what_is_certainly_wrong_is_refused() {
    let daemon = daemon().await;
    let named = From::named("mail.shop.example", "198.51.100.20");
    let nameless = From::resolved("203.0.113.9", "unknown", "unknown", "FAIL");
    let good = "mail.shop.example";
    let shop = "orders@shop.example";
    let to = "<eva@mx.example.test>";
    let cases: [Case<'_>; 14] = [
        (
            &nameless,
            good,
            shop,
            TO,
            "a.pdf",
            "450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.9]",
        ),
        (&named, "", shop, TO, "a.pdf", "503 5.5.1 Error: send HELO/EHLO first"),
        (&named, "foo@bar", shop, TO, "a.pdf", "501 5.5.2 <foo?bar>: Helo command rejected: Invalid name"),
        (
            &named,
            "win7",
            shop,
            TO,
            "a.pdf",
            "504 5.5.2 <win7>: Helo command rejected: need fully-qualified hostname",
        ),
        (
            &named,
            "198.51.100.20",
            shop,
            TO,
            "a.pdf",
            "504 5.5.2 <198.51.100.20>: Helo command rejected: need fully-qualified hostname",
        ),
        (
            &named,
            "ip-172-30-0-149.ec2.internal",
            shop,
            TO,
            "a.pdf",
            "450 4.7.1 <ip-172-30-0-149.ec2.internal>: Helo command rejected: Host not found",
        ),
        (
            &named,
            good,
            "web@localhost",
            TO,
            "a.pdf",
            "504 5.5.2 <web@localhost>: Sender address rejected: need fully-qualified address",
        ),
        (
            &named,
            good,
            "a@nowhere.example",
            TO,
            "a.pdf",
            "450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found",
        ),
        (
            &named,
            good,
            "a@null.example",
            TO,
            "a.pdf",
            "550 5.7.27 <a@null.example>: Sender address rejected: Domain null.example does not accept mail (nullMX)",
        ),
        (
            &named,
            good,
            shop,
            &["<eva@localhost>"],
            "a.pdf",
            "504 5.5.2 <eva@localhost>: Recipient address rejected: need fully-qualified address",
        ),
        (
            &named,
            good,
            "",
            &[to, "<bob@mx.example.test>"],
            "a.pdf",
            "DATA: 550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce",
        ),
        (
            &named,
            good,
            shop,
            TO,
            "invoice.pdf.exe",
            "550 5.7.1 Message refused: attachment \"invoice.pdf.exe\" has a forbidden name (exe)",
        ),
        (
            &named,
            good,
            shop,
            TO,
            "scan.iso",
            "550 5.7.1 Message refused: attachment \"scan.iso\" has a forbidden name (iso)",
        ),
        (&named, good, shop, TO, "sheet.xlsm", "passes with X-Attachment-Check"),
    ];
    let mut faults = Vec::new();
    for (from, helo, sender, to, attachment, want) in cases {
        let said = deliver(&daemon, from, helo, sender, to, attachment).await;
        if said != want {
            faults.push(format!("{said}\n    instead of {want}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn only_what_looks_like_a_rented_or_infected_machine_waits() {
    let daemon = daemon().await;
    let suspicious = [
        From::resolved("203.0.113.10", "unknown", "mail.elsewhere.example", "FORGED"),
        From::named("static.11.5.18.198.clients.hoster.example", "198.18.5.11"),
        From::named("dyn-7-12.pool.isp.example", "198.19.7.12"),
    ];
    for from in &suspicious {
        let said = deliver(&daemon, from, "exists.example", "orders@shop.example", TO, "a.pdf").await;
        let want = "450 4.2.0 <eva@mx.example.test>: Recipient address rejected: Greylisted, please try again in 4 minutes";
        assert_eq!(said, want, "{from:?}");
    }
    daemon.clock.advance(std::time::Duration::from_secs(300));
    for from in &suspicious {
        let said = deliver(&daemon, from, "exists.example", "orders@shop.example", TO, "a.pdf").await;
        assert_eq!(said, "passes with X-Greylist", "{from:?}");
    }
}

/// The text with every line that is switched off switched on: `#key = value` and what stands within.
fn switched_on(text: &str) -> String {
    let off = |line: &str| {
        let bare = line.trim_start();
        let rest = bare.strip_prefix('#').filter(|rest| !rest.starts_with(' ') || rest.starts_with("    \""));
        rest.map(str::to_owned)
    };
    text.lines().map(|line| off(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn what_is_switched_off_loads_when_it_is_switched_on() {
    let directory = Directory::new();
    for name in ["helo_access", "attachment_senders", "whitelist_clients", "whitelist_recipients"] {
        directory
            .file(name, if name.starts_with("whitelist") { "google.com\n" } else { "mail.example.net OK\n" });
    }
    let text = switched_on(config::builtin()).replace("/etc/mailward", directory.path().to_str().unwrap());
    let text = text.replacen("socket = \"inet:127.0.0.1:8895\"\n", "", 1);
    // No list of the policy is without test points.
    let text = text.replace("untested_lists = [\"list.example.org\"]\n", "");
    for key in ["reject_dnsbl_score main", "[dnsbl.main]", "whitelist_clients = ", "nameservers = "] {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(key) || line.contains(&format!("\"{key}\"")));
        assert!(line.is_some_and(|line| !line.trim_start().starts_with('#')), "{key}");
    }
    let loaded = config::parse("mailward.toml", &text, &mut Disk { base: Path::new("").to_owned() });
    let found: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert!(loaded.config.is_some() && found.is_empty(), "{}", found.join("\n"));
}

/// A list entry, or a key with its value, that is switched on.
fn is_setting(line: &str) -> bool {
    let line = line.trim_start();
    line.contains(" = ") && !line.starts_with('#')
}

#[test]
fn every_setting_has_its_reason_above_it() {
    let mut reasoned = false;
    let mut bare = Vec::new();
    for line in config::builtin().lines() {
        match line.trim_start() {
            "" => reasoned = false,
            line if line.starts_with("# ") => reasoned = true,
            line if is_setting(line) && !reasoned => bare.push(line.to_owned()),
            _ => {}
        }
    }
    assert!(bare.is_empty(), "{bare:#?}");
}
