//! A Postfix instance: whether it asks mailward, from where it stands, and what it does while mailward is down.

use super::finding::{Finding, Level};
use crate::{
    cli::{
        configured::quoted,
        postfix::{
            milters::{address, elements, meaning, setting},
            probe::Probed,
        },
    },
    smtp::text::escaped,
    time::{format_duration, parse_duration},
};
use std::{path::PathBuf, time::Duration};

/// What is known of an instance.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Its directory, where it is not the default one.
    pub(super) directory: Option<PathBuf>,
    /// Its version.
    pub(super) version: String,
    /// Whether it runs; `None` if we may not ask.
    pub(super) runs: Option<bool>,
    /// milter_default_action.
    pub(super) default_action: String,
    /// milter_command_timeout.
    pub(super) command_timeout: String,
    /// smtpd_milter_maps.
    pub(super) maps: String,
    /// mailward's decision_deadline.
    pub(super) deadline: Duration,
    /// The command that attaches it to this configuration of mailward's.
    pub(super) attach: String,
    /// Its services that talk to clients.
    pub(super) services: Vec<Service>,
    /// How a probe through the first filtered service ended; `None` if none was sent.
    pub(super) probe: Option<Probed>,
}

/// A service of smtpd(8).
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its name in master.cf.
    pub(super) name: String,
    /// Whether it is chrooted in the queue directory.
    pub(super) chroot: bool,
    /// Whether it speaks TLS from the first byte.
    pub(super) wrapped: bool,
    /// Whether master.cf sets smtpd_milters for it.
    pub(super) overridden: bool,
    /// The smtpd_milters in force.
    pub(super) milters: String,
    /// The element that means mailward, and where it leads.
    pub(super) ours: Option<(String, Reach)>,
}

/// Where an address of smtpd_milters leads to from inside of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To mailward's socket.
    Ours,
    /// To where mailward's socket would be, if it listened.
    Absent,
    /// To a path where nothing is.
    Nothing(PathBuf),
    /// To another socket.
    Another(PathBuf),
    /// To ours, but Postfix's user may not go there, for this reason.
    Barred(String),
    /// We may not look.
    Unseen,
}

const SUBJECT: &str = "postfix";

/// Judges an instance.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![version(facts)];
    for service in &facts.services {
        findings.push(filtered(facts, service));
    }
    if !facts.services.iter().any(|service| service.ours.is_some()) {
        let text = "no service asks mailward: mail is not filtered";
        findings.push(Finding::new(Level::Fail, SUBJECT, text).fix(attach(facts)));
    }
    findings.extend(proof(facts));
    findings.extend(down(facts));
    if !facts.maps.is_empty() {
        let text = format!("clients in smtpd_milter_maps = {} have other milters", escaped(&facts.maps));
        findings.push(Finding::new(Level::Note, SUBJECT, text));
    }
    findings
}

fn version(facts: &Facts) -> Finding {
    let Facts { version, runs, directory, .. } = facts;
    let place = directory.as_ref().map(|path| format!(" in {}", path.display())).unwrap_or_default();
    match runs {
        Some(true) => Finding::new(Level::Ok, SUBJECT, format!("{version}{place}, runs")),
        Some(false) => {
            let text = format!("{version}{place} does not run");
            Finding::new(Level::Warn, SUBJECT, text).fix("systemctl start postfix")
        }
        None => {
            let text = format!("{version}{place}; only root sees whether it runs");
            Finding::new(Level::Note, SUBJECT, text)
        }
    }
}

/// The command that attaches this instance.
fn attach(facts: &Facts) -> String {
    match &facts.directory {
        Some(directory) => format!("{} --config-dir {}", facts.attach, quoted(directory)),
        None => facts.attach.clone(),
    }
}

fn filtered(facts: &Facts, service: &Service) -> Finding {
    let Service { name, chroot, overridden, milters, ours, .. } = service;
    let who = format!("{}, chroot={}", escaped(name), if *chroot { "yes" } else { "no" });
    let Some((element, reach)) = ours else {
        let why = match overridden {
            true => format!("master.cf says -o smtpd_milters={}", escaped(milters)),
            false => format!("smtpd_milters = {}", escaped(milters)),
        };
        let text = format!("{who}: not filtered, {}", why.trim_end());
        return match overridden {
            true => Finding::new(Level::Note, SUBJECT, text)
                .fix("take the -o out of master.cf, if clients of this service shall be filtered"),
            false => Finding::new(Level::Note, SUBJECT, text),
        };
    };
    let at = escaped(address(element)).into_owned();
    let fail =
        |text: String, fix: String| Finding::new(Level::Fail, SUBJECT, format!("{who}: {text}")).fix(fix);
    let bare =
        "a path below Postfix's queue directory, named without a leading slash, works chrooted and not";
    match reach {
        Reach::Ours => {
            Finding::new(Level::Ok, SUBJECT, format!("{who}, smtpd_milters reaches mailward ({at})"))
        }
        Reach::Absent => {
            let text = format!("{who}: smtpd_milters names {at}, where mailward does not listen now");
            Finding::new(Level::Note, SUBJECT, text)
        }
        Reach::Unseen => {
            let text = format!("{who}: smtpd_milters names {at}; only root sees whether that is reached");
            Finding::new(Level::Note, SUBJECT, text)
        }
        Reach::Nothing(path) => {
            let seen = path.display();
            let text = format!("smtpd_milters names {at}, which is {seen} from there, where nothing is");
            fail(text, format!("{}; {bare}", attach(facts)))
        }
        Reach::Another(path) => {
            let text =
                format!("smtpd_milters names {at}, which is {}: not mailward's socket", path.display());
            fail(text, attach(facts))
        }
        Reach::Barred(why) => fail(
            format!("may not connect to {at}: {why}"),
            "systemctl restart mailward, which runs `mailward prepare`; or set socket_mode and socket_group"
                .to_owned(),
        ),
    }
}

/// What a probe proved.
fn proof(facts: &Facts) -> Option<Finding> {
    Some(match facts.probe.as_ref()? {
        Probed::Answered => Finding::new(Level::Ok, SUBJECT, "a probe through it was answered by mailward"),
        Probed::NotAsked(why) => {
            let text = format!("no probe could be sent through it: {}", escaped(why));
            Finding::new(Level::Note, SUBJECT, text)
        }
        Probed::Otherwise(reply) if is_without_milter(reply) => {
            let text =
                format!("a probe through it was not answered by mailward; it said: {}", escaped(reply));
            Finding::new(Level::Fail, SUBJECT, text).fix("see `milter` in Postfix's log, which says why")
        }
        Probed::Otherwise(reply) => {
            let text =
                format!("a probe through it proves nothing, it was refused before: {}", escaped(reply));
            Finding::new(Level::Note, SUBJECT, text)
        }
    })
}

/// Whether a reply says that the milter was not heard: the probe passed, or Postfix names the fault.
fn is_without_milter(reply: &str) -> bool {
    reply.starts_with('2') || reply.starts_with("421") || reply.contains("Service unavailable")
}

/// What happens while mailward is down, and whether a decision fits into Postfix's patience.
fn down(facts: &Facts) -> Vec<Finding> {
    let element = facts.services.iter().find_map(|service| service.ours.as_ref());
    let Some((element, _)) = element else { return Vec::new() };
    let action = setting(element, "default_action").unwrap_or(&facts.default_action);
    let text = format!("while mailward is down: {}", meaning(action));
    let other = format!("{} --if-down tempfail", attach(facts));
    let mut findings = vec![match action {
        "reject" => Finding::new(Level::Warn, SUBJECT, text).fix(other),
        _ => Finding::new(Level::Note, SUBJECT, format!("{text}; `attach --if-down` changes that")),
    }];
    let limit = setting(element, "command_timeout").unwrap_or(&facts.command_timeout);
    if let Ok(limit) = parse_duration(limit)
        && limit <= facts.deadline
    {
        let (limit, deadline) = (format_duration(limit), format_duration(facts.deadline));
        let text = format!("it waits {limit} for an answer that may take decision_deadline = {deadline}");
        findings.push(Finding::new(Level::Warn, SUBJECT, text).fix(attach(facts)));
    }
    findings
}

/// The element of smtpd_milters that means mailward's socket: by its relative name, its path, or its port on loopback.
pub(super) fn own<'a>(milters: &'a str, socket: &str, relative: &str) -> Option<&'a str> {
    let means = |element: &str| {
        let named = address(element);
        let port = |at: &str| -> Option<String> {
            let (host, port) = at.strip_prefix("inet:")?.rsplit_once(':')?;
            let loopback = host == "localhost"
                || host.starts_with("127.")
                || matches!(host, "[::1]" | "0.0.0.0" | "[::]");
            loopback.then(|| port.to_owned())
        };
        named == relative || named == socket || (port(named).is_some() && port(named) == port(socket))
    };
    elements(milters).into_iter().find(|element| means(element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::said;

    const ELEMENT: &str = "{ unix:m/m.sock, default_action=tempfail, command_timeout=30s }";

    fn service(name: &str, ours: Option<(&str, Reach)>) -> Service {
        Service {
            name: name.to_owned(),
            chroot: true,
            wrapped: false,
            overridden: false,
            milters: String::new(),
            ours: ours.map(|(element, reach)| (element.to_owned(), reach)),
        }
    }

    fn facts(services: Vec<Service>) -> Facts {
        Facts {
            directory: None,
            version: "3.10.13".to_owned(),
            runs: Some(true),
            default_action: "shutdown".to_owned(),
            command_timeout: "30s".to_owned(),
            maps: String::new(),
            deadline: Duration::from_secs(20),
            attach: "mailward postfix attach".to_owned(),
            services,
            probe: None,
        }
    }

    const RUNS: &str = "ok 3.10.13, runs";
    const REACHED: &str = "ok smtp, chroot=yes, smtpd_milters reaches mailward (unix:m/m.sock)";
    const DOWN: &str = "note while mailward is down: clients hear 451 and try again later (tempfail); `attach \
                        --if-down` changes that";

    #[test]
    fn what_is_attached_and_what_is_not() {
        let good = facts(vec![service("smtp", Some((ELEMENT, Reach::Ours)))]);
        assert_eq!(said(&check(&good)), [RUNS, REACHED, DOWN]);
        let bare = facts(vec![service("smtp", None)]);
        let want = [
            RUNS,
            "note smtp, chroot=yes: not filtered, smtpd_milters =",
            "FAIL no service asks mailward: mail is not filtered / mailward postfix attach",
        ];
        assert_eq!(said(&check(&bare)), want);
        let other = Service { overridden: true, ..service("submission", None) };
        let both = facts(vec![service("smtp", Some((ELEMENT, Reach::Ours))), other]);
        let want = "note submission, chroot=yes: not filtered, master.cf says -o smtpd_milters= / take the -o out of \
                    master.cf, if clients of this service shall be filtered";
        assert_eq!(said(&check(&both)), [RUNS, REACHED, want, DOWN]);
        let shutdown = facts(vec![service("smtp", Some(("unix:m/m.sock", Reach::Ours)))]);
        assert!(said(&check(&shutdown))[2].contains("clients hear 421 and try again later (shutdown)"));
    }

    #[test]
    fn a_socket_that_is_not_reached_fails() {
        let cases = [
            (
                Reach::Nothing("/q/run/m.sock".into()),
                "FAIL smtp, chroot=yes: smtpd_milters names unix:/run/m.sock, which is /q/run/m.sock from there, where \
                 nothing is / mailward postfix attach; a path below Postfix's queue directory, named without a leading \
                 slash, works chrooted and not",
            ),
            (
                Reach::Another("/run/m.sock".into()),
                "FAIL smtp, chroot=yes: smtpd_milters names unix:/run/m.sock, which is /run/m.sock: not mailward's socket \
                 / mailward postfix attach",
            ),
            (
                Reach::Barred("/run/m.sock has the mode 0600".to_owned()),
                "FAIL smtp, chroot=yes: may not connect to unix:/run/m.sock: /run/m.sock has the mode 0600 / systemctl \
                 restart mailward, which runs `mailward prepare`; or set socket_mode and socket_group",
            ),
            (
                Reach::Absent,
                "note smtp, chroot=yes: smtpd_milters names unix:/run/m.sock, where mailward does not listen now",
            ),
            (
                Reach::Unseen,
                "note smtp, chroot=yes: smtpd_milters names unix:/run/m.sock; only root sees whether that is reached",
            ),
        ];
        for (reach, want) in cases {
            let facts = facts(vec![service("smtp", Some(("unix:/run/m.sock", reach)))]);
            assert_eq!(said(&check(&facts))[1], want);
        }
    }

    #[test]
    fn a_probe_proves_or_says_why_not() {
        let probed = |probe| {
            let facts =
                Facts { probe: Some(probe), ..facts(vec![service("smtp", Some((ELEMENT, Reach::Ours)))]) };
            said(&check(&facts))[2].clone()
        };
        let otherwise = |reply: &str| probed(Probed::Otherwise(reply.to_owned()));
        assert_eq!(probed(Probed::Answered), "ok a probe through it was answered by mailward");
        for reply in ["250 2.1.5 Ok", "451 4.7.1 Service unavailable - try again later", "421 4.7.1 x"] {
            let want = format!(
                "FAIL a probe through it was not answered by mailward; it said: {reply} / see `milter` in Postfix's log, \
                 which says why"
            );
            assert_eq!(otherwise(reply), want);
        }
        assert!(otherwise("530 5.7.0 Must issue a STARTTLS command first").starts_with("note "));
        assert!(probed(Probed::NotAsked("refused".to_owned())).starts_with("note no probe could be sent"));
    }

    #[test]
    fn limits_and_exceptions_are_named() {
        let hasty = "{ unix:m/m.sock, default_action=reject, command_timeout=15s }";
        let facts = Facts {
            runs: Some(false),
            directory: Some("/etc/postfix-out".into()),
            maps: "cidr:/x".to_owned(),
            ..facts(vec![service("smtp", Some((hasty, Reach::Ours)))])
        };
        let want = [
            "warn 3.10.13 in /etc/postfix-out does not run / systemctl start postfix",
            REACHED,
            "warn while mailward is down: all mail is refused for good (reject) / mailward postfix attach --config-dir \
             /etc/postfix-out --if-down tempfail",
            "warn it waits 15s for an answer that may take decision_deadline = 20s / mailward postfix attach \
             --config-dir /etc/postfix-out",
            "note clients in smtpd_milter_maps = cidr:/x have other milters",
        ];
        assert_eq!(said(&check(&facts)), want);
    }

    #[test]
    fn mailward_is_known_under_all_of_its_names() {
        let cases = [
            ("unix:m/m.sock", "unix:/q/m/m.sock", Some("unix:m/m.sock")),
            ("inet:h:1, { unix:/q/m/m.sock, a=b }", "unix:/q/m/m.sock", Some("{ unix:/q/m/m.sock, a=b }")),
            ("inet:localhost:8895", "inet:127.0.0.1:8895", Some("inet:localhost:8895")),
            ("inet:127.0.0.1:8895", "inet:0.0.0.0:8895", Some("inet:127.0.0.1:8895")),
            ("inet:mx2.example:8895", "inet:127.0.0.1:8895", None),
            ("inet:localhost:8891", "inet:127.0.0.1:8895", None),
            ("", "unix:/q/m/m.sock", None),
        ];
        for (milters, socket, want) in cases {
            assert_eq!(own(milters, socket, "unix:m/m.sock"), want, "{milters}");
        }
    }
}
