//! What entries of check_policy_service make of words and answers.

use super::KINDS;
use crate::{
    decision::action::{Action, Amendment, ClassId},
    lookup::{
        Lookup, Lookups,
        answers::{Answer, Answers},
        policy::PolicyAnswer,
    },
    origin::{Fault, Origin, Severity, Word},
    request::{Event, Stage, session::Login, session::Tls, subject::Subject},
    restriction::{
        Parse, Restriction,
        args::{Arguments, Settings, Tables},
    },
    table::AccessTable,
    testing::{Mail, word},
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Takes the warnings.
#[derive(Default)]
struct Warned(Vec<Fault>);

impl Tables for Warned {
    fn table(&mut self, word: &Word) -> Result<Arc<AccessTable>, Fault> {
        Err(word.error("no tables here"))
    }

    fn warn(&mut self, fault: Fault) {
        self.0.push(fault);
    }
}

fn settings() -> Settings {
    Settings { classes: Arc::new(HashMap::from([("strict".to_owned(), ClassId(7))])), ..Settings::default() }
}

fn parse(argument: &str) -> (Result<Box<dyn Restriction>, Fault>, Vec<Fault>) {
    let place = |text: &str, column| Word { text: text.to_owned(), origin: Origin::new("t", 1, column) };
    let Parse::Entry(parse) = KINDS[0].parse else { panic!("no entry") };
    let mut warned = Warned::default();
    let settings = settings();
    let name = place("check_policy_service", 1);
    let result = parse(&mut Arguments::new(name, vec![place(argument, 23)], &settings, &mut warned));
    (result, warned.0)
}

fn fault(fault: &Fault) -> String {
    let severity = if fault.severity == Severity::Error { "error" } else { "warning" };
    let help = fault.help.as_deref().unwrap_or_default();
    format!("{}+{} {severity}: {} ({help})", fault.origin.column, fault.width, fault.message)
}

/// The request that an entry sends, and its service and time limit.
fn question(rule: &dyn Restriction, mail: &Mail) -> (Lookup, String, String) {
    let answers = Answers::new();
    let mut lookups = Lookups::new(&answers);
    assert!(rule.check(&mail.request(), &mut lookups).is_err());
    let wanted = lookups.take_wanted();
    let [Lookup::Policy(question)] = &wanted[..] else { panic!("{wanted:?}") };
    let who = format!("{} {:?}", question.service, question.time_limit);
    (wanted[0].clone(), who, question.attributes.to_string())
}

/// What an entry says to an answer, with its note.
fn said(argument: &str, mail: &Mail, answer: PolicyAnswer) -> (Action, String) {
    let rule = parse(argument).0.unwrap();
    let (lookup, ..) = question(rule.as_ref(), mail);
    let mut answers = Answers::new();
    answers.insert(lookup, Answer::Policy(answer), Duration::ZERO);
    let mut lookups = Lookups::new(&answers);
    let action = rule.check(&mail.request(), &mut lookups).unwrap();
    (action, lookups.take_used().1.unwrap_or_default())
}

fn says(text: &str) -> (Action, String) {
    said("inet:10023", &Mail::new(), PolicyAnswer::Action(text.into()))
}

#[test]
fn services_are_named_as_in_main_cf() {
    let cases = [
        ("inet:127.0.0.1:10023", "inet:127.0.0.1:10023 10s"),
        ("inet:localhost:10023", "inet:localhost:10023 10s"),
        ("inet:10023", "inet:localhost:10023 10s"),
        ("inet:[::1]:10023", "inet:[::1]:10023 10s"),
        ("unix:/run/policy.sock", "unix:/run/policy.sock 10s"),
        ("unix:/srv/private/policy", "unix:/srv/private/policy 10s"),
        ("inet:a.example:1, timeout=5s, default_action=DUNNO", "inet:a.example:1 5s"),
        ("inet:a.example:1 { timeout = 7 }", "inet:a.example:1 7s"),
    ];
    for (argument, want) in cases {
        let (rule, warned) = parse(argument);
        assert_eq!(question(rule.unwrap().as_ref(), &Mail::new()).1, want, "{argument}");
        assert_eq!(warned, []);
    }
}

#[test]
fn faulty_arguments_name_their_place_and_the_way_out() {
    const NO: &str = "(write `inet:127.0.0.1:10023` or `unix:/path`)";
    const PRIVATE: &str = "is in Postfix's directory private/, which only Postfix may enter (let the service listen on \
                           `inet:127.0.0.1:PORT` or on a socket elsewhere, or keep this entry in main.cf)";
    let cases = [
        ("", format!("23+1 error: the braces hold no service {NO}")),
        ("postgrey", format!("23+8 error: `postgrey` is not a policy service {NO}")),
        ("tcp:1.2.3.4:5", format!("23+13 error: `tcp:1.2.3.4:5` is not a policy service {NO}")),
        (
            "inet:localhost:policy",
            "23+21 error: `inet:localhost:policy`: the port is a name (write its number, as `getent services` \
             shows it)"
                .to_owned(),
        ),
        ("inet:::1:25", format!("23+11 error: `inet:::1:25` is not a policy service {NO}")),
        ("inet:a:0", format!("23+8 error: `inet:a:0` is not a policy service {NO}")),
        ("inet:a:+5", format!("23+9 error: `inet:a:+5` is not a policy service {NO}")),
        ("unix:private/policy", format!("23+19 error: `private/policy` {PRIVATE}")),
        (
            "unix:/var/spool/postfix/public/../private/policy",
            format!("23+48 error: `/var/spool/postfix/public/../private/policy` {PRIVATE}"),
        ),
        (
            "unix:/var/spool/postfix/private/policy",
            format!("23+38 error: `/var/spool/postfix/private/policy` {PRIVATE}"),
        ),
        (
            "unix:postgrey/socket",
            "23+20 error: the path `postgrey/socket` of a policy service is not absolute (Postfix looks for it below \
             its queue directory: write `unix:/var/spool/postfix/…`)"
                .to_owned(),
        ),
        ("inet:a:1, timeout=x", "41+1 error: a duration begins with a whole number, such as \"20s\" ()".to_owned()),
        (
            "inet:a:1, timeout=0",
            "41+1 error: `0` is out of range (the time limit is at most 10 minutes, and above 0)".to_owned(),
        ),
        (
            "inet:a:1, timout=5s",
            "33+6 error: unknown setting `timout` of a policy service (there are timeout, default_action and \
             policy_context)"
                .to_owned(),
        ),
        (
            "inet:a:1 DUNNO",
            "32+5 error: `DUNNO` is not a setting of a policy service (write `name=value`, or `{ name = value with blanks }`)"
                .to_owned(),
        ),
        (
            "inet:a:1, default_action=REJCT",
            "48+5 error: unknown action `REJCT` (did you mean `REJECT`?)".to_owned(),
        ),
        (
            "inet:a:1, default_action=nothing",
            "48+7 error: `nothing` is neither an action nor a class ()".to_owned(),
        ),
    ];
    for (argument, want) in cases {
        assert_eq!(parse(argument).0.map_err(|error| fault(&error)).unwrap_err(), want, "{argument}");
    }
    let (rule, warned) = parse("inet:a:1, max_idle=5s, try_limit=1");
    assert!(rule.is_ok());
    let effect = "has no effect here (take it out; mailward decides by itself how it keeps connections)";
    let want = [format!("33+8 warning: `max_idle` {effect}"), format!("46+9 warning: `try_limit` {effect}")];
    assert_eq!(warned.iter().map(fault).collect::<Vec<_>>(), want);
}

#[test]
fn an_answer_is_an_action_or_a_class() {
    let cases = [
        ("OK", "ok"),
        ("relay", "ok"),
        ("", "dunno"),
        ("DUNNO whatever", "dunno"),
        ("550", "ok"),
        ("REJECT", "reject 554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied"),
        ("REJECT 5.2.1 a\tb", "reject 554 5.2.1 <to@rcpt.example>: Recipient address rejected: a b"),
        ("DEFER", "defer 450 4.7.1 <to@rcpt.example>: Recipient address rejected: Access denied"),
        (
            "DEFER_IF_PERMIT Greylisted",
            "defer_if_permit 450 4.7.1 <to@rcpt.example>: Recipient address rejected: Greylisted",
        ),
        (
            "defer_if_reject",
            "defer_if_reject 450 4.7.1 <to@rcpt.example>: Recipient address rejected: Service unavailable",
        ),
        ("421 4.7.0 bye", "defer 421 4.7.0 <to@rcpt.example>: Recipient address rejected: bye"),
        ("REJECT $1", "reject 554 5.7.1 <to@rcpt.example>: Recipient address rejected: $1"),
    ];
    for (answer, want) in cases {
        assert_eq!(word(&says(answer).0), want, "{answer}");
    }
    assert_eq!(
        says("strict").0,
        Action::Class { class: ClassId(7), subject: Some(Subject::Recipient), may_permit: true }
    );
    let prepend = Amendment::Prepend { name: "X-A".to_owned(), value: "b".to_owned() };
    assert_eq!(says("PREPEND X-A: b").0, Action::amend(prepend));
    assert_eq!(says("BCC a@b.example").0, Action::amend(Amendment::Bcc("a@b.example".to_owned())));
}

#[test]
fn what_cannot_be_done_is_a_fault_that_says_what_it_was() {
    let long = "x".repeat(8_000);
    let cases = [
        ("FILTER smtp:x", "a milter cannot set a content filter, so `FILTER` is not possible".to_owned()),
        ("REJCT", "unknown action `REJCT`".to_owned()),
        (
            "permit_mynetworks, reject",
            "`permit_mynetworks, reject` is neither an action nor a class".to_owned(),
        ),
        ("Strict", "`Strict` is neither an action nor a class".to_owned()),
        ("check_client_access hash:/etc/passwd", "a table cannot stand inside an access table".to_owned()),
        ("hash:/etc/passwd", "a table cannot stand inside an access table".to_owned()),
        ("600 x", "`600` is not a code that refuses".to_owned()),
        ("BCC", "`BCC` needs an address behind it".to_owned()),
        ("REDIRECT a", "`a` is not an address".to_owned()),
        ("HANGUP", "`HANGUP` is not a documented action, and a milter has none like it".to_owned()),
        (&long, format!("`{long}` is neither an action nor a class")),
    ];
    for (answer, want) in cases {
        let (action, note) = says(answer);
        assert_eq!(word(&action), "fault 451 4.3.5 Server configuration error", "{answer}");
        assert_eq!(note, format!("inet:localhost:10023 answers what cannot be done: {want}"));
    }
}

#[test]
fn without_an_answer_the_default_action_counts() {
    let failed = || PolicyAnswer::Failed("cannot be reached");
    let problem = |what: &str| format!("defer 451 4.3.5 {what} rejected: Server configuration problem");
    let client = Mail::new().at(Event::Rcpt, Stage::Client);
    let cases = [
        ("inet:1", Mail::new(), problem("<to@rcpt.example>: Recipient address")),
        ("inet:1", client, problem("<client.example[192.0.2.1]>: Client host")),
        ("inet:1, default_action=DUNNO", Mail::new(), "dunno".to_owned()),
        (
            "inet:1 { default_action = 450 4.7.1 Later, please }",
            Mail::new(),
            "defer 450 4.7.1 <to@rcpt.example>: Recipient address rejected: Later, please".to_owned(),
        ),
    ];
    for (argument, mail, want) in cases {
        let (action, note) = said(argument, &mail, failed());
        assert_eq!(word(&action), want, "{argument}");
        assert_eq!(note, "inet:localhost:1: cannot be reached, so default_action counts");
    }
    let (class, _) = said("inet:1, default_action=strict", &Mail::new(), failed());
    assert_eq!(
        class,
        Action::Class { class: ClassId(7), subject: Some(Subject::Recipient), may_permit: true }
    );
    assert_eq!(
        said("inet:1", &Mail::new(), PolicyAnswer::NotAsked),
        (Action::Dunno, "inet:localhost:1 is not asked, because it may write".to_owned())
    );
}

#[test]
fn attributes_are_those_that_are_known_and_never_break_their_line() {
    let rule = parse("inet:1, policy_context=one").0.unwrap();
    let mut mail = Mail::new().helo("a\nb=c").from("x\r\nrecipient=evil@a").to("\u{fffd}ü@b");
    mail.session.client.port = 4000;
    mail.session.server.address = "192.0.2.25".to_owned();
    mail.session.server.port = "25".to_owned();
    mail.session.login = Some(Login { method: "PLAIN".to_owned(), name: "bob".to_owned() });
    mail.session.tls = Some(Tls {
        version: "TLSv1.3".to_owned(),
        cipher: "AES".to_owned(),
        cipher_bits: Some(256),
        cert_subject: Some("A + B\nü".to_owned()),
        cert_issuer: Some("CA".to_owned()),
    });
    mail.session.server.version = "3.7.11".to_owned();
    mail.envelope.size = Some(1000);
    mail.envelope.accepted = 3;
    mail.envelope.auth_author = Some("bob@a".to_owned());
    mail.envelope.queue_id = Some("4dZ1TJ2Pz3z".to_owned());
    let head = "client_address=192.0.2.1\nclient_name=client.example\nclient_port=4000\n\
                reverse_client_name=client.example\nserver_address=192.0.2.25\nserver_port=25\n";
    let tail = "queue_id=4dZ1TJ2Pz3z\ninstance=44554f80.1\nsize=1000\netrn_domain=\nstress=\n\
                sasl_method=PLAIN\nsasl_username=bob\nsasl_sender=bob@a\nccert_subject=A+20+2B+20B+0A+C3+BC\n\
                ccert_issuer=CA\nccert_fingerprint=\nccert_pubkey_fingerprint=\n\
                encryption_protocol=TLSv1.3\nencryption_cipher=AES\nencryption_keysize=256\ntls_sni=\npolicy_context=one\n\
                compatibility_level=\nmail_version=3.7.11\n";
    let (_, _, got) = question(rule.as_ref(), &mail);
    let want = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n{head}helo_name=a?b=c\n\
         sender=x??recipient=evil@a\nrecipient=?ü@b\nrecipient_count=0\n{tail}"
    );
    assert_eq!(got, want);
    mail.event = Event::Data;
    mail.recipient = None;
    let (_, _, got) = question(rule.as_ref(), &mail);
    assert!(got.contains("\nprotocol_state=DATA\n") && got.contains("\nrecipient=\nrecipient_count=3\n"));
    let mut mail = Mail::new();
    mail.session = Default::default();
    let (_, _, got) = question(rule.as_ref(), &mail.at(Event::Connect, Stage::Client));
    let want = "request=smtpd_access_policy\nprotocol_state=CONNECT\nprotocol_name=SMTP\nclient_address=unknown\n\
                client_name=unknown\nclient_port=0\nreverse_client_name=unknown\nserver_address=\nserver_port=\n\
                helo_name=\nsender=\nrecipient=\nrecipient_count=0\nqueue_id=\ninstance=44554f80.1\nsize=0\n\
                etrn_domain=\nstress=\nsasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\n\
                ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\nencryption_cipher=\n\
                encryption_keysize=0\ntls_sni=\npolicy_context=one\ncompatibility_level=\nmail_version=\n";
    assert_eq!(got, want);
}

/// Pieces of which arguments and answers are made, put together without sense.
const PIECES: [&str; 28] = [
    "{",
    "}",
    " ",
    ",",
    "=",
    ":",
    "/",
    "[",
    "]",
    "\t",
    "\0",
    "\n",
    "é",
    "\u{85}",
    "\u{2003}",
    "inet:",
    "unix:",
    "1",
    "::1",
    "timeout",
    "default_action=",
    "policy_context=",
    "REJECT",
    "BCC",
    "PREPEND X:",
    "550 ",
    "5.7.1",
    "strict",
];

#[test]
fn no_argument_and_no_answer_can_do_harm() {
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let text: String = (0..random(9)).map(|_| PIECES[random(PIECES.len())]).collect();
        for argument in [text.clone(), format!("inet:1 {text}"), format!("inet:1 default_action={text}")] {
            let _ = parse(&argument);
        }
        if let Action::Reject(reply) = says(&text).0 {
            assert!(!reply.to_string().contains(char::is_control), "{text:?}");
        }
    }
}
