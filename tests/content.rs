//! The content of messages, in process: what is asked of the MTA, in which pieces it comes, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use indymilter_test::{Actions, EomAction, ProtoOpts};
use std::{ffi::CString, fs};
use support::{
    content::{NAMES, REFUSED, TO, attached, begin, begun, send},
    directory::Directory,
    milter::{Daemon, From, Session, parse},
};

fn inserted(value: &str) -> EomAction {
    let name = c"X-Attachment-Check".into();
    EomAction::InsertHeader { index: 0, name, value: CString::new(value).unwrap() }
}

#[tokio::test]
async fn content_is_negotiated_only_where_something_looks_at_it() {
    let daemon = Daemon::start(NAMES, "").await;
    let session = begun(&daemon, &[]).await;
    let opts = session.milter.negotiated_opts();
    assert!(opts.contains(ProtoOpts::SKIP | ProtoOpts::NOREPLY_HEADER | ProtoOpts::LEADING_SPACE));
    for unwanted in [
        ProtoOpts::NO_HEADER,
        ProtoOpts::NO_EOH,
        ProtoOpts::NO_BODY,
        ProtoOpts::NOREPLY_EOH,
        ProtoOpts::NOREPLY_BODY,
    ] {
        assert!(!opts.contains(unwanted), "{unwanted:?}");
    }
    assert_eq!(session.milter.negotiated_actions(), Actions::REQUEST_MACROS | Actions::ADD_HEADER);
}

#[tokio::test]
async fn a_forbidden_name_is_refused_in_whatever_pieces_and_the_next_message_is_judged_anew() {
    let daemon = Daemon::start(NAMES, "").await;
    let mut session = begun(&daemon, TO).await;
    for size in [65_535, 1_000, 7, 1] {
        let (_, answer, _) = send(&mut session, attached("a.exe", 2_000), size).await;
        assert_eq!(answer, REFUSED, "{size}");
        begin(&mut session, TO).await;
        let (actions, answer, _) = send(&mut session, attached("a.pdf", 2_000), size).await;
        assert_eq!((actions.as_slice(), answer.as_str()), (&[][..], "continue"), "{size}");
        begin(&mut session, TO).await;
    }
    session.milter.close().await.unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_only_marked_gets_a_field_on_top() {
    let daemon = Daemon::start(NAMES, "").await;
    let mut session = begun(&daemon, TO).await;
    let (actions, answer, _) = send(&mut session, attached("a.docm", 100), 65_535).await;
    let value = " marked \"a.docm\" (docm), part 2, Content-Disposition";
    assert_eq!((actions, answer.as_str()), (vec![inserted(value)], "continue"));
}

#[tokio::test]
async fn fields_are_changed_from_the_last_to_the_first_and_each_once() {
    let directory = Directory::new();
    let tables = [
        (
            "one",
            "/^X-Out:/ IGNORE\n/^X-In: (.*)/ PREPEND X-Before: $1\n/^Subject: (.*)/ REPLACE Subject: [$1]\n",
        ),
        ("two", "/^X-Out: 1/ STRIP\n/^X-Hold:/ HOLD\n/^X-Old: (.*)/ REPLACE X-New: $1\n"),
    ];
    for (name, text) in tables {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let policy = "[restrictions]\nend_of_data = ['check_header pcre:one', 'check_header pcre:two']\n";
    let daemon = Daemon::start_with(parse(policy, directory.path()), "").await;
    let mut session = begun(&daemon, TO).await;
    let fields = ["X-Out: 1", "X-In: a", "x-out: 2", "Subject: s", "X-Old: o\n p", "X-In: b", "X-Hold: h"];
    let header =
        fields.map(|field| field.split_once(": ").map(|(name, value)| (name, value.to_owned())).unwrap());
    let (actions, answer, _) = send(&mut session, (header.to_vec(), Vec::new()), 65_535).await;
    let shown: Vec<String> = actions.iter().map(edit).collect();
    // Received of the MTA itself stands before all, as number 0 of what is inserted.
    let want = [
        "delete x-out 2",
        "delete X-Out 1",
        "change Subject 1:  [s]",
        "delete X-Old 1",
        "insert 3 X-Before:  b",
        "insert 3 X-New:  o| p",
        "insert 1 X-Before:  a",
        "hold",
    ];
    assert_eq!(
        (shown.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), answer.as_str()),
        (&want[..], "continue")
    );
}

/// A change in a few words.
fn edit(action: &EomAction) -> String {
    let text = |value: &CString| value.to_str().unwrap().replace('\n', "|");
    match action {
        EomAction::InsertHeader { index, name, value } => {
            format!("insert {index} {}: {}", text(name), text(value))
        }
        EomAction::ChangeHeader { name, index, value } => {
            format!("change {} {index}: {}", text(name), text(value))
        }
        EomAction::DeleteHeader { name, index } => format!("delete {} {index}", text(name)),
        EomAction::Quarantine { .. } => "hold".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn submissions_that_did_not_come_by_smtp_are_not_looked_at() {
    let daemon = Daemon::start(NAMES, "").await;
    let from = From { port: 0, ..From::untold("127.0.0.1") };
    let mut session = Session::open(&daemon, &from).await;
    session.helo("localhost").await;
    begin(&mut session, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.exe", 1 << 20), 65_535).await;
    assert_eq!((answer.as_str(), sent), ("continue", 65_535));
}

#[tokio::test]
async fn an_mta_that_offers_little_is_served_with_less() {
    let daemon = Daemon::start(NAMES, "").await;
    let milter = indymilter_test::TestConnection::configure()
        .protocol_version(2)
        .available_opts(ProtoOpts::from_bits_truncate(0x7f))
        .available_actions(Actions::from_bits_truncate(0x0f))
        .open_unix(&daemon.socket)
        .await
        .unwrap();
    let mut session = Session::with(milter);
    session.milter.connect("client.example", ([192, 0, 2, 1], 4000)).await.unwrap();
    session.helo("helo.example").await;
    begin(&mut session, TO).await;
    let (_, answer, _) = send(&mut session, attached("a.exe", 200_000), 65_535).await;
    assert_eq!(answer, REFUSED);
    begin(&mut session, TO).await;
    let (actions, answer, _) = send(&mut session, attached("a.docm", 200_000), 65_535).await;
    assert_eq!(answer, "continue");
    assert!(!session.milter.negotiated_opts().contains(ProtoOpts::LEADING_SPACE));
    // Such an MTA puts the blank behind the colon itself.
    assert_eq!(actions, [inserted("marked \"a.docm\" (docm), part 2, Content-Disposition")]);
}

#[tokio::test]
async fn recipients_for_whom_it_is_refused_do_not_get_it_and_one_always_does() {
    let policy = format!(
        "{NAMES}[attachments]\nconflict = 'delete'\nallow_recipients = ['inline:{{ virus@rcpt.example=OK }}']\n"
    );
    let daemon = Daemon::start(&policy, "").await;
    let mut session =
        begun(&daemon, &["<to@rcpt.example>", "<Virus@rcpt.example>", "<other@rcpt.example>"]).await;
    let (actions, answer, _) = send(&mut session, attached("a.exe", 100), 65_535).await;
    let deleted = |address: &str| EomAction::DeleteRecipient { rcpt: CString::new(address).unwrap() };
    let want = vec![deleted("<to@rcpt.example>"), deleted("<other@rcpt.example>")];
    assert_eq!((actions, answer.as_str()), (want, "continue"));
    begin(&mut session, TO).await;
    let (_, answer, _) = send(&mut session, attached("a.exe", 100), 65_535).await;
    assert_eq!(answer, REFUSED);
}

#[tokio::test]
async fn a_message_that_nobody_would_get_is_deferred() {
    let policy = "[restrictions]
        end_of_data = ['reject_attachment_name one', 'reject_attachment_name two']
        [attachments]
        conflict = 'delete'
        [attachments.one]
        allow_recipients = ['inline:{ one@rcpt.example=OK }']
        [attachments.two]
        allow_recipients = ['inline:{ two@rcpt.example=OK }']";
    let daemon = Daemon::start(policy, "").await;
    let mut session = begun(&daemon, &["<one@rcpt.example>", "<two@rcpt.example>"]).await;
    let (actions, answer, _) = send(&mut session, attached("a.exe", 100), 65_535).await;
    assert_eq!((actions.len(), answer.as_str()), (0, "451 4.3.0 Message cannot be changed as required"));
}

#[tokio::test]
async fn in_observe_mode_nothing_is_refused_or_changed() {
    let daemon = Daemon::start(&format!("mode = 'observe'\n{NAMES}"), "").await;
    let mut session = begun(&daemon, TO).await;
    for name in ["a.exe", "a.docm"] {
        let (actions, answer, _) = send(&mut session, attached(name, 100), 65_535).await;
        assert_eq!((actions.len(), answer.as_str()), (0, "continue"), "{name}");
        begin(&mut session, TO).await;
    }
    assert_eq!(daemon.counter("decisions_reject"), 1);
}
