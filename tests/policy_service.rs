//! check_policy_service in the whole server, against a scripted policy server on loopback, and against postgrey.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use std::{
    collections::HashSet,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    milter::{Daemon, From, Session},
    policy_server::{Asked, PolicyServer, Say, action},
    postfix::{free_addresses, own_directory, say},
};
use tokio::time::Instant;

const PROBLEM: &str = "451 4.3.5 <to@rcpt.example>: Recipient address rejected: Server configuration problem";
const ZONE: &str = "sender.example MX 10 mx.sender.example";

fn client() -> From {
    From::named("client.example", "192.0.2.1")
}

/// A policy whose recipient list asks a service, with more entries behind it.
fn asks(service: SocketAddr, more: &str) -> String {
    format!("[restrictions]\nrecipient = ['check_policy_service inet:{service}', {more}]\n")
}

/// What an ordinary mail's RCPT hears.
async fn ordinary(daemon: &Daemon) -> String {
    Session::open(daemon, &client()).await.ordinary().await
}

/// Answers by the recipient's local part: blanks are `+` there.
fn by_recipient(asked: &Asked) -> Say {
    action(&asked.get("recipient").split('@').next().unwrap().replace('+', " "))
}

#[tokio::test]
async fn every_action_has_its_reply() {
    let service = PolicyServer::start(by_recipient);
    let policy = format!("[classes]\nstrict = ['reject']\n{}", asks(service.address(), ""));
    let daemon = Daemon::start(&policy, ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<from@sender.example>").await;
    let rejected = |code: &str, local: &str, text: &str| {
        format!("{code} <{local}@rcpt.example>: Recipient address rejected: {text}")
    };
    let error = "451 4.3.5 Server configuration error".to_owned();
    let cases = [
        ("OK", "continue".to_owned()),
        ("DUNNO", "continue".to_owned()),
        ("PREPEND+X-A:+b", "continue".to_owned()),
        ("REJECT", rejected("554 5.7.1", "REJECT", "Access denied")),
        ("REJECT+no", rejected("554 5.7.1", "REJECT+no", "no")),
        ("DEFER", rejected("450 4.7.1", "DEFER", "Access denied")),
        ("DEFER_IF_PERMIT+later", rejected("450 4.7.1", "DEFER_IF_PERMIT+later", "later")),
        ("HANGUP", error.clone()),
        ("550+5.1.1+who", rejected("550 5.1.1", "550+5.1.1+who", "who")),
        ("strict", rejected("554 5.7.1", "strict", "Access denied")),
        ("nonsense", error.clone()),
        ("FILTER+smtp:x", error),
        ("DISCARD", "discard".to_owned()),
    ];
    for (local, want) in &cases {
        assert_eq!(session.rcpt(&format!("<{local}@rcpt.example>")).await, *want, "{local}");
    }
    let asked = service.asked();
    assert_eq!(asked.len(), cases.len());
    assert!(asked.iter().all(|asked| asked.connection == 1), "one connection serves them all");
    assert_eq!(daemon.counter("configuration_faults"), 3);
    assert_eq!(daemon.counter("policy_services_failed"), 0);
}

#[tokio::test]
async fn the_request_is_worded_as_postfix_words_it() {
    let service = PolicyServer::start(|_| action("DUNNO"));
    let policy = format!(
        "{}data = ['check_policy_service {{ inet:{}, policy_context=data }}']\n",
        asks(service.address(), ""),
        service.address()
    );
    let daemon = Daemon::start(&policy, ZONE).await;
    let mut session = Session::open(&daemon, &From { login: Some("bob".to_owned()), ..client() }).await;
    session.helo("helo.example").await;
    for recipients in [&["<To@rcpt.example>", "<second@rcpt.example>"][..], &["<only@rcpt.example>"]] {
        session.mail("<From@sender.example> SIZE=1234").await;
        for recipient in recipients {
            assert_eq!(session.rcpt(recipient).await, "continue");
        }
        assert_eq!(session.data().await, "continue");
        assert_eq!(session.message().await.1, "continue");
    }
    let asked = service.asked();
    let instance = asked[0].get("instance").to_owned();
    let want = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\n\
         client_name=client.example\nclient_port=40000\nreverse_client_name=client.example\nserver_address=\n\
         server_port=25\nhelo_name=helo.example\nsender=From@sender.example\nrecipient=To@rcpt.example\n\
         recipient_count=0\nqueue_id=\ninstance={instance}\nsize=1234\netrn_domain=\nstress=\nsasl_method=PLAIN\n\
         sasl_username=bob\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\n\
         ccert_pubkey_fingerprint=\nencryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n\
         tls_sni=\npolicy_context=\ncompatibility_level=\nmail_version=\n"
    );
    assert_eq!(asked[0].text, want);
    let said: Vec<_> = asked
        .iter()
        .map(|asked| {
            ["protocol_state", "recipient", "recipient_count", "policy_context"].map(|name| asked.get(name))
        })
        .collect();
    let want = [
        ["RCPT", "To@rcpt.example", "0", ""],
        ["RCPT", "second@rcpt.example", "0", ""],
        ["DATA", "", "2", "data"],
        ["RCPT", "only@rcpt.example", "0", ""],
        ["DATA", "only@rcpt.example", "1", "data"],
    ];
    assert_eq!(said, want);
    let instances: Vec<&str> = asked.iter().map(|asked| asked.get("instance")).collect();
    assert!(instances[..3].iter().all(|name| *name == instance), "one message, one name: {instances:?}");
    assert!(instances[3] == instances[4] && instances[3] != instance, "{instances:?}");
}

#[tokio::test]
async fn a_mail_that_is_refused_anyway_never_reaches_the_service() {
    let service = PolicyServer::start(|_| action("OK"));
    let daemon = Daemon::start(
        &asks(service.address(), "'reject_unknown_sender_domain', 'reject_non_fqdn_recipient'"),
        ZONE,
    )
    .await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<a@nowhere.example>").await;
    assert_eq!(
        session.rcpt("<to@rcpt.example>").await,
        "450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found"
    );
    session.mail("<a@sender.example>").await;
    assert_eq!(
        session.rcpt("<to@rcpt>").await,
        "504 5.5.2 <to@rcpt>: Recipient address rejected: need fully-qualified address"
    );
    assert_eq!(service.asked().len(), 0);
    assert_eq!(session.rcpt("<to@rcpt.example>").await, "continue");
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn the_second_service_is_asked_only_if_the_first_lets_the_mail_pass() {
    let first = PolicyServer::start(by_recipient);
    let second = PolicyServer::start(|_| action("DEFER second"));
    let more = format!("'check_policy_service inet:{}'", second.address());
    let daemon = Daemon::start(&asks(first.address(), &more), ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<from@sender.example>").await;
    for (local, want, asked) in [("REJECT", "554", 0), ("OK", "cont", 0), ("DUNNO", "450 ", 1)] {
        let said = session.rcpt(&format!("<{local}@rcpt.example>")).await;
        assert!(said.starts_with(want), "{local}: {said}");
        assert_eq!(second.asked().len(), asked, "{local}");
    }
}

#[tokio::test]
async fn a_service_that_hangs_costs_its_own_time_limit_and_no_other_session_s() {
    let service = PolicyServer::start(|_| Say::Hang);
    let policy = format!(
        "[restrictions]\nrecipient = ['check_recipient_access inline:{{ other@rcpt.example=OK }}', \
         'check_policy_service {{ inet:{}, timeout=1500ms }}']\n[policy_service]\nmax_in_flight = 1\n",
        service.address()
    );
    let daemon = Daemon::start(&policy, ZONE).await;
    let (mut first, mut other) =
        (Session::open(&daemon, &client()).await, Session::open(&daemon, &client()).await);
    for session in [&mut first, &mut other] {
        session.helo("helo.example").await;
        session.mail("<from@sender.example>").await;
    }
    let began = Instant::now();
    let mut hanging = Box::pin(first.rcpt("<to@rcpt.example>"));
    // The other session is served from its RCPT on while the first one waits.
    let mut served = 0;
    let said = loop {
        tokio::select! {
            biased;
            said = &mut hanging => break said,
            said = other.rcpt("<other@rcpt.example>"), if served < 5 => {
                assert_eq!(said, "continue");
                served += 1;
            }
        }
    };
    let took = began.elapsed();
    assert_eq!(said, PROBLEM);
    assert_eq!(served, 5, "served while the service hung");
    assert!(took >= Duration::from_millis(1500) && took < Duration::from_secs(8), "{took:?}");
    drop(hanging);
    // The only place is free again, and waiting for it counts too.
    assert_eq!(first.rcpt("<to@rcpt.example>").await, PROBLEM);
    assert_eq!(daemon.counter("policy_services_failed"), 2);
    assert_eq!(daemon.counter("lookups_timed_out"), 0);
}

#[tokio::test]
async fn without_an_answer_the_default_action_counts() {
    let nobody = free_addresses(1)[0];
    let daemon = Daemon::start(&asks(nobody, ""), ZONE).await;
    assert_eq!(ordinary(&daemon).await, PROBLEM, "nobody listens");
    assert_eq!(daemon.counter("policy_services_failed"), 1);
    let daemon =
        Daemon::start(&format!("{}[policy_service]\ndefault_action = 'DUNNO'\n", asks(nobody, "")), ZONE)
            .await;
    assert_eq!(ordinary(&daemon).await, "continue");
    let cases: [(&str, Say); 8] = [
        ("closed", Say::Close(Vec::new())),
        ("half an answer", Say::Close(b"action=OK\n".to_vec())),
        ("half a line", Say::Close(b"action=O".to_vec())),
        ("no attributes", Say::Raw(b"HTTP/1.1 400 Bad Request\n\n".to_vec())),
        ("no action", Say::Raw(b"answer=OK\n\n".to_vec())),
        ("nothing", Say::Raw(b"\n".to_vec())),
        ("a huge line", Say::Raw([b"action=".to_vec(), vec![b'x'; 1 << 20]].concat())),
        ("countless lines", Say::Raw(b"a=b\n".repeat(1 << 18))),
    ];
    for (what, says) in cases {
        let service = PolicyServer::start(move |_| says.clone());
        let daemon = Daemon::start(&asks(service.address(), ""), ZONE).await;
        assert_eq!(ordinary(&daemon).await, PROBLEM, "{what}");
        assert_eq!(ordinary(&daemon).await, PROBLEM, "{what}, the next time too");
        assert_eq!(service.asked().len(), 2, "{what}: asked once a mail");
        assert_eq!(daemon.counter("policy_services_failed"), 2, "{what}");
    }
}

#[tokio::test]
async fn connections_are_kept_and_replaced_when_the_service_restarts() {
    let service = PolicyServer::start(|_| action("REJECT first"));
    let address = service.address();
    let daemon = Daemon::start(&asks(address, ""), ZONE).await;
    let said = |text: &str| format!("554 5.7.1 <to@rcpt.example>: Recipient address rejected: {text}");
    for _ in 0..3 {
        assert_eq!(ordinary(&daemon).await, said("first"));
    }
    assert!(service.asked().iter().all(|asked| asked.connection == 1));
    drop(service);
    let service = PolicyServer::start_at(address, |_| action("REJECT second"));
    assert_eq!(ordinary(&daemon).await, said("second"));
    assert_eq!(daemon.counter("policy_services_failed"), 0);
    // One that closes after each answer costs nothing but connections.
    drop(service);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let service = PolicyServer::start_at(address, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Say::Close(b"action=REJECT third\n\n".to_vec())
    });
    for _ in 0..5 {
        assert_eq!(ordinary(&daemon).await, said("third"));
    }
    assert_eq!(count.load(Ordering::SeqCst), 5, "no request is sent twice");
    let connections: HashSet<usize> = service.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections.len(), 5);
}

#[tokio::test]
async fn what_comes_unasked_is_not_taken_for_the_next_answer() {
    let service = PolicyServer::start(|asked| match asked.connection {
        1 => Say::Raw(b"action=DUNNO\n\naction=OK\n\n".to_vec()),
        _ => action("REJECT"),
    });
    let daemon = Daemon::start(&asks(service.address(), ""), ZONE).await;
    assert_eq!(ordinary(&daemon).await, "continue");
    assert!(ordinary(&daemon).await.starts_with("554 "));
}

#[tokio::test]
async fn a_kept_connection_that_closes_on_a_request_is_replaced_once() {
    let count = AtomicUsize::new(0);
    let service = PolicyServer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 | 2 => action("REJECT"),
        _ => Say::Close(Vec::new()),
    });
    let daemon = Daemon::start(&asks(service.address(), ""), ZONE).await;
    for want in ["554 5.7.1", "554 5.7.1", "451 4.3.5"] {
        assert_eq!(&ordinary(&daemon).await[..9], want);
    }
    let connections: Vec<usize> = service.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1, 1, 2, 2, 3], "the third mail met two closed ones");
}

#[tokio::test]
async fn a_service_on_a_unix_socket_is_asked() {
    let directory = own_directory("policy");
    let path = directory.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\n\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        stream.write_all(b"action=REJECT by unix\n\n").await.unwrap();
        let _ = stream.read_buf(&mut request).await;
    });
    let policy = format!("[restrictions]\nclient = ['check_policy_service unix:{}']\n", path.display());
    let daemon = Daemon::start(&policy, ZONE).await;
    assert_eq!(
        ordinary(&daemon).await,
        "554 5.7.1 <client.example[192.0.2.1]>: Client host rejected: by unix"
    );
    let _ = std::fs::remove_dir_all(&directory);
}

#[tokio::test]
async fn explain_does_not_ask_what_may_write() {
    let service = PolicyServer::start(|_| action("REJECT"));
    let directory = own_directory("explain");
    let config = directory.join("mailward.toml");
    std::fs::write(&config, asks(service.address(), "")).unwrap();
    let run = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let given = ["--client", "192.0.2.1", "--client-name", "client.example", "--rcpt", "to@rcpt.example"];
        let head = ["mailward", "explain", "-c", config.to_str().unwrap()];
        mailward::cli::run(head.into_iter().chain(given), &mut out, &mut err);
        String::from_utf8([out, err].concat()).unwrap()
    };
    let printed = tokio::task::spawn_blocking(run).await.unwrap();
    let note = format!("inet:{} is not asked, because it may write", service.address());
    assert!(printed.contains(&note) && printed.contains("verdict    accepted"), "{printed}");
    assert_eq!(service.asked().len(), 0);
    let _ = std::fs::remove_dir_all(&directory);
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn postgrey_greylists_through_mailward() {
    if !std::path::Path::new("/usr/sbin/postgrey").exists() {
        say("SKIPPED postgrey: it is not installed (Debian package postgrey)");
        return;
    }
    let directory = own_directory("postgrey");
    let address = free_addresses(1)[0];
    let mut command = Command::new("/usr/sbin/postgrey");
    command.arg(format!("--inet={address}")).arg(format!("--dbdir={}", directory.display()));
    command.args(["--delay=300", "--user=root", "--group=root"]);
    let (out, err) = (Stdio::null(), Stdio::null());
    let postgrey = Running(command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap());
    let patience = Instant::now() + Duration::from_secs(30);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < patience, "postgrey does not listen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let daemon = Daemon::start(&asks(address, ""), ZONE).await;
    let mut session = Session::open(&daemon, &client()).await;
    session.helo("helo.example").await;
    session.mail("<from@sender.example>").await;
    for _ in 0..2 {
        assert_eq!(
            session.rcpt("<to@rcpt.example>").await,
            "450 4.2.0 <to@rcpt.example>: Recipient address rejected: Greylisted, see \
             http://postgrey.schweikert.ch/help/rcpt.example.html"
        );
    }
    assert_eq!(session.rcpt("<postmaster@rcpt.example>").await, "continue", "postgrey's own exception");
    drop(postgrey);
    let _ = std::fs::remove_dir_all(&directory);
}
