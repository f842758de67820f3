//! Who is greylisted, and what it hears.

use super::*;
use crate::{
    greylist::whitelist::{Clients, Recipients},
    lookup::{answers::Answer, greylist::Wait},
    request::{
        Stage,
        session::{Identity, Login, Tls},
    },
    testing::{Mail, greylisted, said_with},
};

const NEW: Greylisted = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };

fn with(change: impl FnOnce(&mut Settings)) -> args::Settings {
    let mut greylist = Settings::default();
    change(&mut greylist);
    args::Settings { greylist: Arc::new(greylist), ..args::Settings::default() }
}

fn says(line: &str, settings: &args::Settings, mail: &Mail, answer: Greylisted) -> String {
    said_with(line, settings, mail, &greylisted(line, settings, mail, answer))
}

#[test]
fn the_reply_is_about_the_recipient_in_every_list() {
    let want = "defer_if_permit 450 4.2.0 <to@rcpt.example>: Recipient address rejected: \
         Greylisted, please try again in 4 minutes";
    for stage in [Stage::Client, Stage::Helo, Stage::Sender, Stage::Recipient] {
        let mail = Mail::new().at(Event::Rcpt, stage);
        assert_eq!(says("greylist", &with(|_| {}), &mail, NEW), want);
    }
    let mail = Mail::new().at(Event::Data, Stage::Data);
    let want = "defer_if_permit 450 4.2.0 Greylisted, please try again in 4 minutes";
    assert_eq!(says("greylist", &with(|_| {}), &mail, NEW), want);
}

#[test]
fn the_reply_says_how_long_and_where_to_read() {
    let reply = |left, settings: &args::Settings| {
        let answer = Greylisted::Waits { left: Duration::from_secs(left), why: Wait::EarlyRetry };
        let said = says("greylist", settings, &Mail::new(), answer);
        said.split_once("Greylisted, please try again ").unwrap().1.to_owned()
    };
    for (left, want) in [(0, "in 1 second"), (59, "in 59 seconds"), (60, "in 1 minute"), (61, "in 2 minutes")]
    {
        assert_eq!(reply(left, &with(|_| {})), want);
    }
    let quiet = with(|s| {
        s.reveal_time = false;
        s.url = "https://a.example/grey".to_owned();
    });
    assert_eq!(reply(60, &quiet), "later, see https://a.example/grey");
}

#[test]
fn null_and_probing_senders_wait_at_data() {
    for sender in ["", "double-bounce@a.example"] {
        let want = "defer_at_data 450 4.2.0 Greylisted, please try again in 4 minutes";
        assert_eq!(says("greylist", &with(|_| {}), &Mail::new().from(sender), NEW), want);
    }
    let postgrey = args::Settings { greylist: Arc::new(Settings::postgrey()), ..args::Settings::default() };
    assert!(
        says("greylist", &postgrey, &Mail::new().from(""), NEW).starts_with("defer_if_permit 450 4.2.0 <to@")
    );
}

#[test]
fn who_is_known_passes_and_the_first_time_says_so() {
    for answer in [Greylisted::Passed, Greylisted::Known, Greylisted::Correspondent, Greylisted::Exempt] {
        assert_eq!(says("greylist", &with(|_| {}), &Mail::new(), answer), "dunno");
    }
    let opened = Greylisted::Opened { waited: Duration::from_secs(312) };
    let mut mail = Mail::new();
    mail.session.server.name = "mx.example.org".to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "Amend(Prepend {{ name: \"X-Greylist\", value: \"delayed 312 seconds by mailward-{version} at \
         mx.example.org; Mon, 01 May 2006 00:00:00 +0000\" }})"
    );
    assert_eq!(says("greylist", &with(|_| {}), &mail, opened), want);
    assert_eq!(says("greylist", &with(|s| s.header = false), &mail, opened), "dunno");
    mail.envelope.greylist_passed = true;
    assert_eq!(says("greylist", &with(|_| {}), &mail, NEW), "dunno", "the rest of the message is clear");
    let each = with(|s| s.per_recipient = true);
    assert!(says("greylist", &each, &mail, NEW).starts_with("defer_if_permit"));
    assert_eq!(says("greylist", &each, &mail, opened), "dunno", "one header a message");
}

#[test]
fn a_failing_store_passes_or_defers_as_set() {
    let failing = Greylisted::Unavailable("the database is locked");
    assert_eq!(says("greylist", &with(|_| {}), &Mail::new(), failing), "dunno");
    let tempfail = with(|s| s.on_store_failure = OnStoreFailure::Tempfail);
    let want = "defer_if_permit 450 4.2.0 <to@rcpt.example>: Recipient address rejected: \
         Greylisted, please try again later";
    assert_eq!(says("greylist", &tempfail, &Mail::new(), failing), want);
}

#[test]
fn trusted_clients_and_whitelists_are_not_asked_for() {
    let mut settings = with(|s| {
        let mut faults = Vec::new();
        (s.clients, s.recipients) = (Clients::default(), Recipients::default());
        s.clients.read("c", "white.example\n198.51.100", &mut faults);
        s.recipients.read("r", "postmaster@", &mut faults);
    });
    settings.mynetworks = Arc::new(["203.0.113.0/24".parse().unwrap()].into_iter().collect());
    let mut login = Mail::new();
    login.session.login = Some(Login { method: "PLAIN".to_owned(), name: "bob".to_owned() });
    let mut certificate = Mail::new();
    certificate.session.tls = Some(Tls { cert_subject: Some("cn".to_owned()), ..Tls::default() });
    let nobody = Mail::new();
    let cases = [
        (login, "dunno"),
        (certificate, "dunno"),
        (Mail::new().client("unknown", "203.0.113.9"), "dunno"),
        (Mail::new().client("mx.white.example", "192.0.2.1"), "dunno"),
        (Mail::new().identity(Identity::unverified("mx.white.example", NameStatus::Forged)), "defer"),
        (Mail::new().client("unknown", "198.51.100.1"), "dunno"),
        (Mail::new().to("postmaster@rcpt.example"), "dunno"),
        (Mail { recipient: None, ..Mail::new() }, "dunno"),
        (nobody, "defer"),
    ];
    for (mail, want) in cases {
        assert!(says("greylist", &settings, &mail, NEW).starts_with(want), "{mail:?}");
    }
}

#[test]
fn what_a_list_of_exceptions_names_is_told_in_postgrey_s_words() {
    let settings = with(|s| {
        let mut faults = Vec::new();
        s.clients.read("c", "client.example", &mut faults);
        s.recipients.read("r", "postmaster@", &mut faults);
    });
    let client = Mail::new();
    let recipient = Mail::new().client("unknown", "192.0.2.1").to("postmaster@rcpt.example");
    for (mail, reason, said) in [
        (client, "client whitelist: client.example", Whitelist::Client),
        (recipient, "recipient whitelist: postmaster@", Whitelist::Recipient),
    ] {
        let dns = crate::testing::zone("");
        let mut lookups = Lookups::new(&dns);
        let rule = crate::testing::rule_with("greylist", &settings).unwrap();
        assert_eq!(rule.check(&mail.request(), &mut lookups), Ok(Action::Dunno));
        let (used, noted) = lookups.take_used();
        assert_eq!(noted.as_deref(), Some(reason));
        assert!(matches!(&used[0].answer, Answer::Greylist(Greylisted::Whitelisted(list)) if *list == said));
    }
}

#[test]
fn only_the_suspicious_are_greylisted() {
    let cases = [
        (Identity::verified("mx.a.example"), "dunno", "dunno"),
        (Identity::default(), "defer", "dunno"),
        (Identity::unverified("mx.a.example", NameStatus::Forged), "defer", "dunno"),
        (Identity::unverified("mx.a.example", NameStatus::Temporary), "defer", "dunno"),
        (Identity::verified("dyn-7.a.example"), "dunno", "defer"),
        (Identity::unverified("192-0-2-1.a.example", NameStatus::Forged), "defer", "defer"),
    ];
    for (identity, unknown, dynamic) in cases {
        let mail = Mail::new().identity(identity);
        let says = |line| says(line, &with(|_| {}), &mail, NEW);
        assert!(says("greylist_unknown_client_hostname").starts_with(unknown), "{mail:?}");
        assert!(says("greylist_dynamic_client_hostname").starts_with(dynamic), "{mail:?}");
    }
}
