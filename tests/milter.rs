//! The whole server in process: negotiation, every event, several messages and recipients, reload, drain.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use indymilter_test::{Actions, EomAction, MacroStage, ProtoOpts, SocketInfo, TestConnection};
use std::{ffi::CString, path::Path};
use support::milter::{Daemon, From, Session, parse};

const ZONE: &str = "
    helo.example A 192.0.2.7
    sender.example MX 10 mx.sender.example
    good.example A 192.0.2.1
    192.0.2.1 PTR good.example
    192.0.2.2 PTR forged.example
    forged.example A 192.0.2.99
    192.0.2.5 PTR SERVFAIL
    2001:db8::1 PTR six.example
    six.example AAAA 2001:db8::1
";

const REJECT_TO: &str = "554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied";

fn client() -> From {
    From::named("client.example", "192.0.2.1")
}

fn lists(recipient: &str) -> String {
    format!("[restrictions]\nrecipient = {recipient}\n")
}

#[tokio::test]
async fn a_refusal_at_rcpt_is_worded_as_postfix_words_it_and_the_session_goes_on() {
    let daemon =
        Daemon::start(&lists("['reject_unknown_sender_domain', 'reject_non_fqdn_recipient']"), ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    assert_eq!(session.helo("helo.example").await, "no reply");
    assert_eq!(session.mail("<a@nowhere.example>").await, "no reply");
    assert_eq!(
        session.rcpt("<to@rcpt.example>").await,
        "450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found"
    );
    session.milter.abort().await.unwrap();
    session.mail("<a@sender.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    assert_eq!(
        session.rcpt("<to@rcpt>").await,
        "504 5.5.2 <to@rcpt>: Recipient address rejected: need fully-qualified address"
    );
    assert_eq!(session.rcpt("<other@rcpt.example>").await, "continue");
    assert_eq!(session.message().await, (vec![], "continue".to_owned()));
    session.mail("<>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue", "a second message in the session");
    assert_eq!(daemon.counter("decisions_permit"), 3);
    assert_eq!(daemon.counter("decisions_defer"), 1);
    assert_eq!(daemon.counter("decisions_reject"), 1);
    session.milter.close().await.unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn only_what_the_policy_needs_is_negotiated() {
    let daemon = Daemon::start(&lists("['reject']"), ZONE).await;
    let session = Session::open(&daemon, &client()).await;
    let opts = session.milter.negotiated_opts();
    for wanted in [
        ProtoOpts::NOREPLY_CONNECT,
        ProtoOpts::NOREPLY_HELO,
        ProtoOpts::NOREPLY_MAIL,
        ProtoOpts::NO_DATA,
        ProtoOpts::NO_HEADER,
        ProtoOpts::NO_BODY,
        ProtoOpts::LEADING_SPACE,
    ] {
        assert!(opts.contains(wanted), "{wanted:?}");
    }
    assert!(!opts.contains(ProtoOpts::NOREPLY_RCPT) && !opts.contains(ProtoOpts::NO_CONNECT));
    assert_eq!(session.milter.negotiated_actions(), Actions::REQUEST_MACROS);
    let connect = session.milter.requested_macros()[&MacroStage::Connect].to_str().unwrap().to_owned();
    for name in ["j", "_", "v", "{daemon_name}", "{client_name}", "{client_ptr}", "{client_resolve}"] {
        assert!(connect.split(' ').any(|word| word == name), "{name}");
    }
    session.milter.close().await.unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn an_mta_that_offers_little_is_served_with_less() {
    let daemon = Daemon::start(&lists("['reject']"), ZONE).await;
    let mut milter = TestConnection::configure()
        .protocol_version(2)
        .available_opts(ProtoOpts::from_bits_truncate(0x7f))
        .available_actions(Actions::from_bits_truncate(0x0f))
        .open_unix(&daemon.socket)
        .await
        .unwrap();
    assert_eq!(milter.requested_macros().len(), 0);
    let answers = [
        milter.connect("client.example", ([192, 0, 2, 1], 4000)).await.unwrap(),
        milter.helo("helo.example").await.unwrap(),
        milter.mail(["<from@sender.example>"]).await.unwrap(),
        milter.rcpt(["<to@rcpt.example>"]).await.unwrap(),
    ];
    let answers: Vec<_> = answers.into_iter().map(support::milter::shown).collect();
    assert_eq!(answers, ["continue", "continue", "continue", REJECT_TO]);
    milter.close().await.unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn with_delay_reject_off_a_deferral_waits_for_rcpt_and_that_of_a_helo_for_the_next_one() {
    let policy = "delay_reject = false
        [restrictions]
        helo = ['check_helo_access inline:{ tried.example=DEFER_IF_PERMIT }']";
    let daemon = Daemon::start(policy, ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("tried.example").await;
    session.mail("<bob@sender.example>").await;
    assert_eq!(
        session.rcpt("<to@rcpt.example>").await,
        "450 4.7.1 <tried.example>: Helo command rejected: Service unavailable"
    );
    session.helo("helo.example").await;
    session.mail("<bob@sender.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    session.milter.close().await.unwrap();
    daemon.stop().await;
}

/// An MTA tells no abort where it took no MAIL, such as after a refused one.
#[tokio::test]
async fn a_helo_is_not_judged_by_the_sender_before_it() {
    let policy = "delay_reject = false
        [restrictions]
        helo = ['check_sender_access inline:{ bad@sender.example=REJECT }']
        sender = ['check_sender_access inline:{ bad@sender.example=REJECT }']";
    let daemon = Daemon::start(policy, ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    assert_eq!(
        session.mail("<bad@sender.example>").await,
        "554 5.7.1 <bad@sender.example>: Sender address rejected: Access denied"
    );
    session.helo("helo.example").await;
    assert_eq!(session.mail("<good@sender.example>").await, "continue");
    session.milter.close().await.unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn with_delay_reject_off_each_list_answers_at_its_own_event() {
    let policy = "delay_reject = false
        [restrictions]
        client = ['check_client_access inline:{ bad.example=REJECT }']
        helo = ['reject_invalid_helo_hostname']
        sender = ['reject_non_fqdn_sender']
        recipient = ['reject']";
    let daemon = Daemon::start(policy, ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    assert_eq!(session.helo("mail@domain").await, "no reply");
    assert_eq!(
        session.mail("<bob@sender.example>").await,
        "501 5.5.2 <mail@domain>: Helo command rejected: Invalid name",
        "raw at HELO, and answered at MAIL"
    );
    assert_eq!(session.helo("helo.example").await, "no reply", "a good HELO makes it good");
    assert_eq!(
        session.mail("<bob>").await,
        "504 5.5.2 <bob>: Sender address rejected: need fully-qualified address"
    );
    assert_eq!(session.mail("<bob@sender.example>").await, "continue");
    assert_eq!(session.rcpt("<to@rcpt.example>").await, REJECT_TO);
    session.milter.close().await.unwrap();
    let mut bad = TestConnection::configure().open_unix(&daemon.socket).await.unwrap();
    let macros =
        [("{client_name}", "bad.example"), ("{client_ptr}", "bad.example"), ("{client_resolve}", "OK")];
    bad.macros(MacroStage::Connect, macros).await.unwrap();
    let answer = bad.connect("bad.example", ([192, 0, 2, 9], 4000)).await.unwrap();
    assert_eq!(
        support::milter::shown(answer),
        "554 5.7.1 <bad.example[192.0.2.9]>: Client host rejected: Access denied"
    );
    drop(bad);
    daemon.stop().await;
}

#[tokio::test]
async fn the_mta_s_findings_about_the_client_are_not_looked_up_again() {
    let daemon = Daemon::start("[restrictions]\nclient = ['reject_unknown_client_hostname']", ZONE).await;
    for (from, want) in [
        (From::named("client.example", "192.0.2.1"), "continue"),
        (
            From::resolved("192.0.2.2", "unknown", "forged.example", "FORGED"),
            "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.2]",
        ),
    ] {
        assert_eq!(Session::open(&daemon, &from).await.ordinary().await, want);
    }
    assert_eq!(daemon.dns.total(), 0);
}

#[tokio::test]
async fn an_mta_that_does_not_tell_the_names_has_them_looked_up() {
    let policy = "[restrictions]\nclient = ['reject_unknown_client_hostname']\n[codes]\nunknown_client_reject_code = 550";
    let daemon = Daemon::start(policy, ZONE).await;
    let refused = |code: &str, address: &str| {
        format!("{code}.7.25 Client host rejected: cannot find your hostname, [{address}]")
    };
    for (address, want) in [
        ("192.0.2.1", "continue".to_owned()),
        ("2001:db8::1", "continue".to_owned()),
        ("192.0.2.2", refused("550 5", "192.0.2.2")),
        ("192.0.2.3", refused("550 5", "192.0.2.3")),
        ("192.0.2.5", refused("450 4", "192.0.2.5")),
        ("2001:db8::2", refused("550 5", "2001:db8::2")),
    ] {
        assert_eq!(Session::open(&daemon, &From::untold(address)).await.ordinary().await, want, "{address}");
    }
}

#[tokio::test]
async fn a_submission_that_did_not_come_by_smtp_is_exempt() {
    let daemon = Daemon::start(&lists("['reject']"), ZONE).await;
    let local = From { port: 0, ..From::untold("127.0.0.1") };
    assert_eq!(Session::open(&daemon, &local).await.ordinary().await, "continue");
    let smtp = From::named("localhost", "127.0.0.1");
    assert_eq!(Session::open(&daemon, &smtp).await.ordinary().await, REJECT_TO, "SMTP from 127.0.0.1 is not");
    assert_eq!(daemon.counter("sessions_exempt"), 1);
}

#[tokio::test]
async fn a_client_without_an_address_is_not_exempt() {
    let daemon = Daemon::start(&lists("['permit_mynetworks', 'reject']"), ZONE).await;
    let mut milter = TestConnection::configure().open_unix(&daemon.socket).await.unwrap();
    milter.connect("[unknown]", SocketInfo::Unknown).await.unwrap();
    milter.helo("helo.example").await.unwrap();
    milter.mail(["<from@sender.example>"]).await.unwrap();
    let answer = milter.rcpt(["<to@rcpt.example>"]).await.unwrap();
    assert_eq!(support::milter::shown(answer), REJECT_TO);
    assert_eq!(daemon.counter("sessions_exempt"), 0);
    assert_eq!(daemon.counter("packets_unterminated"), 0);
}

#[tokio::test]
async fn an_authenticated_client_passes() {
    let daemon = Daemon::start(&lists("['permit_sasl_authenticated', 'reject']"), ZONE).await;
    let user = From { login: Some("user".to_owned()), ..client() };
    assert_eq!(Session::open(&daemon, &user).await.ordinary().await, "continue");
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, REJECT_TO);
}

#[tokio::test]
async fn observing_decides_and_always_continues() {
    let daemon = Daemon::start(&format!("mode = 'observe'\n{}", lists("['reject']")), ZONE).await;
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, "continue");
}

#[tokio::test]
async fn what_tables_ask_for_is_done_at_the_end_of_the_message() {
    let table = "inline:{ { hold@rcpt.example = HOLD look at this }, \
         { prepend@rcpt.example = PREPEND X-One: 1 }, { second@rcpt.example = PREPEND X-Two: 2 }, \
         { bcc@rcpt.example = BCC copy@rcpt.example }, \
         { redirect@rcpt.example = REDIRECT other@rcpt.example }, { drop@rcpt.example = DISCARD } }";
    let daemon = Daemon::start(&lists(&format!("['check_recipient_access {table}']")), ZONE).await;
    let insert = |name: &str, value: &str| EomAction::InsertHeader {
        index: 0,
        name: CString::new(name).unwrap(),
        value: CString::new(value).unwrap(),
    };
    let add = |address: &str| EomAction::AddRecipient { rcpt: CString::new(address).unwrap(), args: None };
    let delete = |address: &str| EomAction::DeleteRecipient { rcpt: CString::new(address).unwrap() };
    let cases: [(&[&str], Vec<EomAction>); 8] = [
        (
            &["<hold@rcpt.example>"],
            vec![EomAction::Quarantine {
                reason: CString::new("<hold@rcpt.example>: Recipient address look at this").unwrap(),
            }],
        ),
        (
            &["<prepend@rcpt.example>", "<second@rcpt.example>"],
            vec![insert("X-Two", " 2"), insert("X-One", " 1")],
        ),
        (&["<bcc@rcpt.example>"], vec![add("<copy@rcpt.example>")]),
        (&["<bcc@rcpt.example>", "<BCC@rcpt.example>", "<a@rcpt.example>"], vec![add("<copy@rcpt.example>")]),
        (&["<copy@rcpt.example>", "<bcc@rcpt.example>"], vec![]),
        (
            &["<@route.example:Open@rcpt.example>", "<redirect@rcpt.example>"],
            vec![
                delete("<Open@rcpt.example>"),
                delete("<redirect@rcpt.example>"),
                add("<other@rcpt.example>"),
            ],
        ),
        (
            &["<a@rcpt.example>", "<redirect@rcpt.example>"],
            vec![delete("<a@rcpt.example>"), delete("<redirect@rcpt.example>"), add("<other@rcpt.example>")],
        ),
        (&["<a@rcpt.example>"], vec![]),
    ];
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    for (recipients, want) in cases {
        session.mail("<from@sender.example>").await;
        for recipient in recipients {
            assert_eq!(session.rcpt(recipient).await, "continue");
        }
        assert_eq!(session.message().await, (want, "continue".to_owned()));
    }
    session.mail("<from@sender.example>").await;
    assert_eq!(session.rcpt("<drop@rcpt.example>").await, "discard");
}

#[tokio::test]
async fn a_change_that_the_mta_does_not_allow_defers_the_message() {
    let daemon = Daemon::start(&lists("['check_recipient_access static:HOLD']"), ZONE).await;
    let mut milter = TestConnection::configure()
        .available_actions(Actions::empty() | Actions::ADD_HEADER)
        .open_unix(&daemon.socket)
        .await
        .unwrap();
    milter.connect("client.example", ([192, 0, 2, 1], 4000)).await.unwrap();
    milter.helo("helo.example").await.unwrap();
    milter.mail(["<from@sender.example>"]).await.unwrap();
    milter.rcpt(["<to@rcpt.example>"]).await.unwrap();
    let (_, answer) = milter.eom().await.unwrap();
    assert_eq!(support::milter::shown(answer), "451 4.3.0 Message cannot be changed as required");
    assert_eq!(daemon.counter("amendments_unavailable"), 1);
}

#[tokio::test]
async fn a_session_keeps_its_configuration_over_a_reload() {
    let daemon = Daemon::start(&lists("['reject']"), ZONE).await;
    let mut old = Session::open(&daemon, &client()).await;
    let mut config = parse(&lists("['permit']"), Path::new(""));
    config.dns.nameservers = vec![daemon.dns.address()];
    daemon.server.replace(config).unwrap();
    assert_eq!(old.ordinary().await, REJECT_TO);
    assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, "continue");
    assert_eq!(daemon.counter("reloads"), 1);
}

#[tokio::test]
async fn a_stop_lets_sessions_in_flight_end_and_takes_no_new_ones() {
    let mut daemon = Daemon::start(&lists("['reject']"), ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    daemon.begin_stop();
    session.mail("<from@sender.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, REJECT_TO, "still served");
    session.milter.close().await.unwrap();
    let server = daemon.server.clone();
    daemon.ended().await;
    let abandoned = server.counters().sessions_abandoned.get();
    assert_eq!(abandoned, 0);
}

#[tokio::test]
async fn a_lookup_without_answer_ends_at_the_deadline_as_temporary() {
    let policy =
        format!("decision_deadline = '200ms'\n{}", lists("['reject_unknown_sender_domain', 'permit']"));
    let zone = "slow.example MX TIMEOUT\nslow.example A TIMEOUT\nslow.example AAAA TIMEOUT";
    let daemon = Daemon::start(&policy, zone).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<a@slow.example>").await;
    assert_eq!(
        session.rcpt("<to@rcpt.example>").await,
        "450 4.1.8 <a@slow.example>: Sender address rejected: Domain not found"
    );
    assert_eq!(daemon.counter("lookups_timed_out"), 3);
    assert_eq!(session.rcpt("<to@rcpt.example>").await.split(' ').next(), Some("450"));
}
