//! Hostile and broken input over the milter protocol: the session ends cleanly or goes on, no other session is harmed,
//! nothing raw reaches a reply or the log, and everything is counted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    config::settings::{Config, OnBug},
    decision::action::Action,
    lookup::{Lookups, Pending},
    origin::Origin,
    policy::Entry,
    request::{Request, Stage},
    restriction::Restriction,
};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex},
};
use support::milter::{Daemon, From, Session, parse};

const REJECT: &str = "[restrictions]\nrecipient = ['reject']\n";
const REJECT_TO: &str = "554 5.7.1 <to@rcpt.example>: Recipient address rejected: Access denied";

fn client() -> From {
    From::named("client.example", "192.0.2.1")
}

fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(data.len() + 1).unwrap().to_be_bytes().to_vec();
    out.push(kind);
    out.extend_from_slice(data);
    out
}

/// Negotiation and CONNECT as Postfix 3.7 sends them.
fn opening() -> Vec<u8> {
    let offer = [6_u32.to_be_bytes(), 0x1ff_u32.to_be_bytes(), 0x1f_ffff_u32.to_be_bytes()].concat();
    [frame(b'O', &offer), frame(b'C', b"client.example\x004\x9c\x40192.0.2.1\0")].concat()
}

/// Sends bytes, says that there are no more, and reads everything that comes back until the server closes.
fn exchange(daemon: &Daemon, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    // The server may close while we still send: that is an end of the session as good as any.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => answer,
        Err(e) if e.kind() == io::ErrorKind::ConnectionReset => answer,
        Err(e) => panic!("{e}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_packet_ends_its_session_only_and_is_counted() {
    let daemon = Daemon::start(REJECT, "").await;
    let mut other = Session::open(&daemon, &client()).await;
    other.helo("helo.example").await;
    let cases: [(&str, Vec<u8>); 11] = [
        ("packets_bad_length", vec![0, 0, 0, 0, b'H']),
        ("packets_bad_length", vec![0xff, 0xff, 0xff, 0xff, b'H']),
        ("packets_bad_length", [vec![0x00, 0x10, 0x00, 0x02, b'H'], vec![b'x'; 64]].concat()),
        ("packets_unknown", frame(b'Z', b"")),
        ("packets_unknown", frame(0, b"\0\0")),
        ("packets_unterminated", frame(b'H', b"helo")),
        ("packets_unterminated", [frame(b'M', b"<a@b.example>\0"), frame(b'R', b"<c@d.example>")].concat()),
        ("packets_truncated", vec![0, 0, 0, 99, b'M', b'<']),
        ("packets_truncated", vec![0, 0]),
        ("packets_out_of_order", frame(b'R', b"<c@d.example>\0")),
        ("packets_out_of_order", [frame(b'T', b""), frame(b'E', b"")].concat()),
    ];
    for (counter, bytes) in cases {
        let before = daemon.counter(counter);
        let bytes = [opening(), bytes].concat();
        let daemon_ref = &daemon;
        let answer = tokio::task::block_in_place(|| exchange(daemon_ref, &bytes));
        assert_eq!(answer.get(4), Some(&b'O'), "negotiation was answered");
        while daemon.counter(counter) == before {
            tokio::task::yield_now().await;
        }
    }
    other.mail("<from@sender.example>").await;
    assert_eq!(other.rcpt("<to@rcpt.example>").await, REJECT_TO, "the other session goes on");
    assert_eq!(daemon.counter("bugs"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_without_negotiation_and_random_bytes_harm_nobody() {
    let daemon = Daemon::start(REJECT, "").await;
    let mut other = Session::open(&daemon, &client()).await;
    other.helo("helo.example").await;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..300_usize {
        let mut bytes = if round % 2 == 0 { opening() } else { Vec::new() };
        for _ in 0..round {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state.to_be_bytes()[0]);
        }
        let daemon = &daemon;
        tokio::task::block_in_place(|| exchange(daemon, &bytes));
    }
    other.mail("<from@sender.example>").await;
    assert_eq!(other.rcpt("<to@rcpt.example>").await, REJECT_TO);
    assert_eq!(daemon.counter("bugs"), 0);
}

#[tokio::test]
async fn commands_out_of_order_get_no_answer_and_leave_the_session_unharmed() {
    let daemon = Daemon::start(REJECT, "").await;
    let orderly =
        [frame(b'M', b"<a@b.example>\0"), frame(b'R', b"<to@rcpt.example>\0"), frame(b'Q', b"")].concat();
    let bytes = [opening(), frame(b'R', b"<early@rcpt.example>\0"), orderly].concat();
    let answer = tokio::task::spawn_blocking({
        let daemon = Arc::new(daemon);
        move || (exchange(&daemon, &bytes), daemon)
    });
    let (answer, daemon) = answer.await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains(REJECT_TO) && !text.contains("early"), "{text:?}");
    assert_eq!(daemon.counter("packets_out_of_order"), 1);
}

/// A log that a test reads; the whole process writes into it, so the other tests too.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn hostile_arguments_reach_neither_reply_nor_log_raw() {
    let log = Lines::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let policy = "[restrictions]
        helo = ['warn_if_reject reject_invalid_helo_hostname']
        recipient = ['warn_if_reject reject_non_fqdn_sender', 'reject']";
    let daemon = Daemon::start(policy, "").await;
    let hostile: [&[u8]; 9] = [
        b"a\r\n250 ok",
        b"\x1b[2Jclear",
        b"caf\xe9\xff\xfe",
        "x\u{202e}exe.txt".as_bytes(),
        b"%n%s%%",
        b"${IFS}`id`'; DROP TABLE greylist; --",
        b"\x01\x02\x7f\t",
        b"\xc2\x85\xc2\x9bnext",
        b"x> to=<victim@rcpt.example> rule=permit, where=x, id=0",
    ];
    for bytes in hostile {
        let name = std::ffi::CString::new(bytes).unwrap();
        let mut session = Session::open(&daemon, &client()).await;
        session.milter.helo(name.clone()).await.unwrap();
        session.milter.mail([name.clone()]).await.unwrap();
        let reply = support::milter::shown(session.milter.rcpt([name]).await.unwrap());
        assert!(
            reply.starts_with("554 5.7.1 <")
                && reply.ends_with(": Recipient address rejected: Access denied")
        );
        assert!(!reply.chars().any(char::is_control), "{reply:?}");
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.lines().count() >= 3 * hostile.len(), "every decision was logged");
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}'));
    assert!(!text.contains("from=<x>") && text.contains("from=<x\\u{3e}"), "no field is forged");
}

#[tokio::test]
async fn a_name_of_100_000_bytes_is_answered_and_cut() {
    let daemon = Daemon::start("[restrictions]\nhelo = ['reject_invalid_helo_hostname']", "").await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("x".repeat(100_000)).await;
    session.mail("<from@sender.example>").await;
    let reply = session.rcpt("<to@rcpt.example>").await;
    assert!(reply.starts_with("501 5.5.2 <xxxx"), "{reply}");
    assert_eq!(reply.len(), 510);
    session.helo("helo.example").await;
    session.mail("<from@sender.example>").await;
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue", "the session goes on");
}

/// A rule with a bug.
#[derive(Debug)]
struct Panics;

impl Restriction for Panics {
    #[allow(clippy::panic, reason = "planted")]
    fn check(&self, request: &Request<'_>, _: &mut Lookups<'_>) -> Result<Action, Pending> {
        let bug = match request.recipient {
            Some(path) => path.address.typed.starts_with("bug@"),
            None => request.helo() == Some("bug.example"),
        };
        if bug { panic!("planted") } else { Ok(Action::Dunno) }
    }
}

fn with_a_bug(on_bug: OnBug) -> Config {
    let mut config = parse(REJECT, Path::new(""));
    config.on_bug = on_bug;
    for stage in [Stage::Helo, Stage::Recipient] {
        let panics = Entry::new("panics", Origin::builtin("test"), false, Box::new(Panics));
        config.policy.lists[stage as usize].entries.insert(0, panics);
    }
    config
}

#[tokio::test]
async fn a_bug_where_no_answer_is_due_is_answered_once_at_the_next_command() {
    let mut config = with_a_bug(OnBug::Tempfail);
    config.policy.delay_reject = false;
    let daemon = Daemon::start_with(config, "").await;
    let mut session = Session::open(&daemon, &client()).await;
    assert_eq!(session.helo("bug.example").await, "no reply");
    assert_eq!(
        session.mail("<from@sender.example>").await,
        "451 4.3.0 Internal error, please try again later"
    );
    assert_eq!(session.mail("<from@sender.example>").await, "continue");
    assert_eq!(session.rcpt("<to@rcpt.example>").await, REJECT_TO);
    assert_eq!(daemon.counter("bugs"), 1);
}

#[tokio::test]
async fn a_bug_in_a_rule_is_answered_counted_and_survived() {
    for (on_bug, want) in
        [(OnBug::Tempfail, "451 4.3.0 Internal error, please try again later"), (OnBug::Accept, "continue")]
    {
        let daemon = Daemon::start_with(with_a_bug(on_bug), "").await;
        let mut session = Session::open(&daemon, &client()).await;
        session.helo("helo.example").await;
        session.mail("<from@sender.example>").await;
        assert_eq!(session.rcpt("<bug@rcpt.example>").await, want);
        assert_eq!(session.rcpt("<to@rcpt.example>").await, REJECT_TO, "the same session goes on");
        assert_eq!(Session::open(&daemon, &client()).await.ordinary().await, REJECT_TO);
        assert_eq!(daemon.counter("bugs"), 1);
    }
}
