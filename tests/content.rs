//! The content of messages, in process: what is asked of the MTA, in which pieces it comes, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use indymilter_test::{Actions, EomAction, ProtoOpts};
use mailward::{
    config::settings::OnBug,
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Origin,
    policy::Entry,
    request::{
        Request,
        message::{Appetite, Inspect},
    },
    restriction::{Restriction, content::Looks},
};
use std::{
    ffi::CString,
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
};
use support::{
    directory::Directory,
    milter::{Daemon, From, Session, parse, shown},
};

const REFUSED: &str = "550 5.7.1 Message refused: attachment \"a.exe\" has a forbidden name (exe)";

/// A message with an attachment of this name and a body of so many bytes behind it.
fn attached(name: &str, length: usize) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let header = vec![
        ("Subject", " attached".to_owned()),
        ("Content-Type", " multipart/mixed;\n boundary=b1".to_owned()),
    ];
    let mut body = format!(
        "--b1\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b1\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment;\r\n\tfilename=\"{name}\"\r\n\r\n"
    )
    .into_bytes();
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    body.extend(line.iter().cycle().take(length));
    body.extend(b"\r\n--b1--\r\n");
    (header, body)
}

/// Sends a message in pieces of so many bytes, up to the end of what is wanted or to a refusal: the changes, the answer,
/// and how many bytes of the body were handed over.
async fn send(
    session: &mut Session,
    (header, body): (Vec<(&str, String)>, Vec<u8>),
    size: usize,
) -> (Vec<EomAction>, String, usize) {
    let silent = session.milter.negotiated_opts().contains(ProtoOpts::NOREPLY_HEADER);
    for (name, value) in header {
        let answer = shown(session.milter.header(name, value).await.unwrap());
        assert_eq!(answer, if silent { "no reply" } else { "continue" });
    }
    let answer = shown(session.milter.eoh().await.unwrap());
    if answer != "continue" {
        return (Vec::new(), answer, 0);
    }
    let mut sent = 0;
    for chunk in body.chunks(size) {
        sent += chunk.len();
        match shown(session.milter.body(chunk.to_vec()).await.unwrap()).as_str() {
            "continue" => {}
            "Skip" => break,
            refusal => return (Vec::new(), refusal.to_owned(), sent),
        }
    }
    let (actions, answer) = session.message().await;
    (actions, answer, sent)
}

async fn begun(daemon: &Daemon, recipients: &[&str]) -> Session {
    let mut session = Session::open(daemon, &From::named("client.example", "192.0.2.1")).await;
    session.helo("helo.example").await;
    begin(&mut session, recipients).await;
    session
}

async fn begin(session: &mut Session, recipients: &[&str]) {
    session.mail("<from@sender.example>").await;
    for recipient in recipients {
        assert_eq!(session.rcpt(recipient).await, "continue");
    }
}

fn inserted(value: &str) -> EomAction {
    let name = c"X-Attachment-Check".into();
    EomAction::InsertHeader { index: 0, name, value: CString::new(value).unwrap() }
}

const TO: &[&str] = &["<to@rcpt.example>"];
const NAMES: &str = "[restrictions]\nend_of_data = ['reject_attachment_name']\n";

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
async fn the_rest_of_a_body_is_skipped_once_nothing_in_it_can_matter() {
    const MEGABYTES: usize = 25 << 20;
    let directory = Directory::new();
    fs::write(directory.path().join("table"), "/^X-Bad:/ REJECT\n").unwrap();
    let policy = "[restrictions]\nend_of_data = ['check_header pcre:table']\n";
    let daemon = Daemon::start_with(parse(policy, directory.path()), "").await;
    let mut session = begun(&daemon, TO).await;
    let plain = (vec![("Subject", " plain".to_owned())], vec![b'x'; MEGABYTES]);
    let (_, answer, sent) = send(&mut session, plain, 65_535).await;
    assert_eq!((answer.as_str(), sent), ("continue", 65_535));
    begin(&mut session, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.exe", MEGABYTES), 65_535).await;
    assert_eq!(answer, "continue");
    assert!(sent > MEGABYTES, "parts may follow: {sent}");
    begin(&mut session, TO).await;
    // A piece that is shorter is the last: there is nothing to skip, and the end must come.
    let short = (vec![("X-Bad", " 1".to_owned())], vec![b'x'; 1_000]);
    let (_, answer, _) = send(&mut session, short, 65_535).await;
    assert_eq!(answer, "550 5.7.1 message content rejected");
    assert!(daemon.counter("body_bytes") < 2 * u64::try_from(MEGABYTES).unwrap());
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
async fn a_forbidden_name_ends_the_looking() {
    const MEGABYTES: usize = 25 << 20;
    let daemon = Daemon::start(NAMES, "").await;
    let mut session = begun(&daemon, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.exe", MEGABYTES), 65_535).await;
    assert_eq!(answer, REFUSED);
    assert!(sent <= 4 * 65_535, "{sent} bytes were wanted though the answer was certain");
    begin(&mut session, TO).await;
    let (_, answer, sent) = send(&mut session, attached("a.pdf", MEGABYTES), 65_535).await;
    assert_eq!(answer, "continue");
    assert!(sent > MEGABYTES);
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

/// What is answered to a message, and to which part of it.
async fn heard(
    session: &mut Session,
    (header, body): (Vec<(&str, String)>, Vec<u8>),
) -> (String, &'static str) {
    for (name, value) in header {
        session.milter.header(name, value).await.unwrap();
    }
    let answer = shown(session.milter.eoh().await.unwrap());
    if answer != "continue" {
        return (answer, "header");
    }
    for chunk in body.chunks(65_535) {
        match shown(session.milter.body(chunk.to_vec()).await.unwrap()).as_str() {
            "continue" => {}
            "Skip" => break,
            refusal => return (refusal.to_owned(), "body"),
        }
    }
    (session.message().await.1, "end")
}

#[tokio::test]
async fn a_refusal_is_given_as_soon_as_it_is_certain() {
    let directory = Directory::new();
    fs::write(directory.path().join("table"), "/^X-Bad:/ REJECT\n/^X-Drop:/ DISCARD\n").unwrap();
    let field = |name| (vec![(name, " 1".to_owned())], vec![b'x'; 200_000]);
    let name = |name| attached(name, 200_000);
    let (table, names) = ("'check_header pcre:table'", "'reject_attachment_name'");
    let both = format!("{names}, {table}");
    let behind = |entry: &str| format!("'{entry}', {names}");
    for (what, entries, message, want) in [
        ("a field", table, field("X-Bad"), ("550 5.7.1 message content rejected", "header")),
        ("a name", names, name("a.exe"), (REFUSED, "body")),
        ("a short message", names, attached("a.exe", 100), (REFUSED, "end")),
        ("names are looked for", &both, field("X-Bad"), ("550 5.7.1 message content rejected", "end")),
        ("no permit", &behind("permit_mynetworks"), name("a.exe"), (REFUSED, "body")),
        ("a permit", &behind("permit"), name("a.exe"), ("continue", "end")),
        ("perhaps a permit", &behind("permit_dnswl_client list.example"), name("a.exe"), ("continue", "end")),
        ("dropped", table, field("X-Drop"), ("discard", "end")),
        ("warned of", &behind("warn_if_reject"), name("a.exe"), ("continue", "end")),
        ("nothing", names, name("a.pdf"), ("continue", "end")),
    ] {
        let policy = format!("[restrictions]\nend_of_data = [{entries}]\n");
        let listed = "2.0.0.127.list.example A 127.0.0.2\n1.2.0.192.list.example A 127.0.0.2\n";
        let daemon = Daemon::start_with(parse(&policy, directory.path()), listed).await;
        let mut session = begun(&daemon, TO).await;
        for times in 1..=2 {
            let (answer, moment) = heard(&mut session, message.clone()).await;
            assert_eq!((answer.as_str(), moment), want, "{what}");
            let rejected = if want.0.starts_with('5') { times } else { 0 };
            assert_eq!(daemon.counter("decisions_reject"), rejected, "{what}: decided once");
            begin(&mut session, TO).await;
        }
        session.milter.close().await.unwrap();
        daemon.stop().await;
    }
}

/// A rule with a bug that shows at the end of the message.
#[derive(Debug)]
struct Panics;

impl Restriction for Panics {
    #[allow(clippy::panic, reason = "planted")]
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        if request.message.is_some() { panic!("planted") } else { Ok(Action::Dunno) }
    }
}

#[tokio::test]
async fn a_bug_about_content_is_answered_counted_and_survived() {
    for (on_bug, want) in
        [(OnBug::Tempfail, "451 4.3.0 Internal error, please try again later"), (OnBug::Accept, "continue")]
    {
        let mut config = parse(NAMES, Path::new(""));
        config.on_bug = on_bug;
        let panics = Entry::new("panics", Origin::builtin("test"), false, Box::new(Panics));
        config.policy.lists[5].entries.insert(0, panics);
        let daemon = Daemon::start_with(config, "").await;
        let mut session = begun(&daemon, TO).await;
        let (_, answer, _) = send(&mut session, attached("a.exe", 100), 65_535).await;
        assert_eq!(answer, want);
        assert_eq!(daemon.counter("bugs"), 1);
        begin(&mut session, TO).await;
        assert_eq!(session.message().await.1, "continue", "without content there is nothing to stumble over");
        session.milter.close().await.unwrap();
    }
}

/// Stumbles over a piece of a body.
struct Stumbles;

impl Inspect for Stumbles {
    fn header(&mut self, _: &[u8], _: &[u8]) {}

    fn end_of_headers(&mut self) -> Appetite {
        Appetite::More
    }

    #[allow(clippy::panic, reason = "planted")]
    fn body(&mut self, chunk: &[u8]) -> Appetite {
        if chunk.starts_with(b"stumble") { panic!("planted") } else { Appetite::More }
    }
}

/// A rule that looks with it, and says nothing.
#[derive(Debug)]
struct LooksAndStumbles;

impl Restriction for LooksAndStumbles {
    fn check(&self, _: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        Ok(Action::Dunno)
    }

    fn looks(&self) -> Option<Looks> {
        Some(Looks::Own(|| Box::new(Stumbles)))
    }
}

/// The log of this test's thread, on which its server runs too.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_bug_in_an_inspector_costs_one_message_a_tempfail() {
    const BUG: &str = "451 4.3.0 Internal error, please try again later";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (on_bug, want) in [(OnBug::Tempfail, BUG), (OnBug::Accept, "continue")] {
        let refusing = "recipient = ['check_recipient_access inline:{ refused@rcpt.example=REJECT }']";
        let mut config = parse(&format!("{NAMES}{refusing}\n"), Path::new(""));
        config.on_bug = on_bug;
        let entry = Entry::new("stumbles", Origin::builtin("test"), false, Box::new(LooksAndStumbles));
        config.policy.lists[5].entries.push(entry);
        let daemon = Daemon::start_with(config, "").await;
        let mut session = begun(&daemon, TO).await;
        let stumble = || (vec![("Subject", " s".to_owned())], b"stumble".to_vec());
        let (_, answer, _) = send(&mut session, stumble(), 65_535).await;
        assert_eq!(answer, want);
        begin(&mut session, TO).await;
        let refused = session.rcpt("<refused@rcpt.example>").await;
        assert_eq!(refused, "554 5.7.1 <refused@rcpt.example>: Recipient address rejected: Access denied");
        let (_, answer, _) = send(&mut session, attached("a.exe", 100), 65_535).await;
        assert_eq!(answer, REFUSED, "the same session, and the other inspectors, go on");
        begin(&mut session, TO).await;
        let (_, answer, _) = send(&mut session, attached("a.pdf", 100), 65_535).await;
        assert_eq!((answer.as_str(), daemon.counter("bugs")), ("continue", 1));
        session.milter.close().await.unwrap();
        daemon.stop().await;
    }
    let line = "bug: panic while looking at a message; answering on_bug at its end";
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches(line).count(), 2, "once for each\n{log}");
}
