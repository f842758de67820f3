//! Greylisting from end to end: a real Postfix asks our server, whose clock is the test's, and delivers what passed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use support::{
    milter::Daemon,
    postfix::{PostfixInstance, Setup, available, free_addresses},
    sink::Sink,
};

const WAIT: &str = "450 4.2.0 <to@rcpt.example>: Recipient address rejected: Greylisted, please try again in";

/// A Postfix with two listening addresses, which deliver what passes, and the milter of both.
struct Stage {
    postfix: PostfixInstance,
    daemon: Daemon,
    sink: Sink,
}

impl Stage {
    async fn set(greylist: &str) -> Self {
        let address = free_addresses(1)[0];
        let policy = format!("[restrictions]\nrecipient = ['greylist']\n[greylist]\n{greylist}\n");
        let daemon = Daemon::start_on(address, &policy, "").await;
        let sink = Sink::start();
        let service =
            vec![format!("smtpd_milters = inet:{address}"), "milter_default_action = tempfail".to_owned()];
        let services = vec![service.clone(), service];
        let setup = Setup { main_cf: sink.main_cf(), services, ..Setup::default() };
        Self { postfix: PostfixInstance::start(&setup), daemon, sink }
    }

    /// A session of `mx1.out.example.org[192.0.2.1]` with one of the addresses, up to RCPT.
    async fn rcpt(&self, mx: usize, sender: &str) -> (Smtp, String) {
        let (address, sender) = (self.postfix.address(mx), sender.to_owned());
        blocking(move || {
            let mut smtp = Smtp::open(address);
            smtp.ask("XCLIENT NAME=mx1.out.example.org REVERSE_NAME=mx1.out.example.org ADDR=192.0.2.1");
            smtp.ask("EHLO mx1.out.example.org");
            assert!(smtp.ask(&format!("MAIL FROM:<{sender}>")).starts_with("250 "));
            let answer = smtp.ask("RCPT TO:<to@rcpt.example>");
            (smtp, answer)
        })
        .await
    }

    /// Sends a message that passes: its X-Greylist fields as they are delivered.
    async fn delivered(&self, mx: usize, sender: &str) -> Vec<String> {
        let (mut smtp, answer) = self.rcpt(mx, sender).await;
        assert_eq!(answer, "250 2.1.5 Ok");
        let queued = blocking(move || {
            assert!(smtp.ask("DATA").starts_with("354 "));
            smtp.ask("Subject: test\r\n\r\ntext\r\n.")
        })
        .await;
        let id = queued.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{queued}"));
        let message = self.sink.wait(id).unwrap_or_else(|| panic!("{id} is not delivered"));
        assert_eq!(message.recipients, ["to@rcpt.example"]);
        message.header.into_iter().filter(|line| line.starts_with("X-Greylist")).collect()
    }
}

/// Runs what waits for Postfix beside the server.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// One SMTP session.
struct Smtp(BufReader<TcpStream>);

impl Smtp {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut smtp = Self(BufReader::new(stream));
        assert!(smtp.reply().starts_with("220 "));
        smtp
    }

    /// Sends a line or a text: the last line of the reply.
    fn ask(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "Postfix has hung up");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_waits_is_delivered_with_its_header_and_the_next_passes_at_once() {
    if !available("greylisting with Postfix") {
        return;
    }
    let stage = Stage::set("").await;
    assert_eq!(stage.rcpt(0, "from@sender.example").await.1, format!("{WAIT} 4 minutes"));
    stage.daemon.clock.advance(Duration::from_secs(239));
    assert_eq!(stage.rcpt(0, "from@sender.example").await.1, format!("{WAIT} 1 second"));
    stage.daemon.clock.advance(Duration::from_secs(1));
    let version = env!("CARGO_PKG_VERSION");
    let header = format!(
        "X-Greylist: delayed 240 seconds by mailward-{version} at mx.example.test; Mon, 01 May 2006 00:04:00 +0000"
    );
    assert_eq!(stage.delivered(0, "from@sender.example").await, [header]);
    assert_eq!(stage.delivered(0, "from@sender.example").await, [""; 0], "the second message at once");
    assert_eq!(stage.delivered(1, "other@sender.example").await, [""; 0], "the domain has proven itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_to_the_second_mx_passes_there_in_a_second() {
    if !available("greylisting with two MX addresses") {
        return;
    }
    let stage = Stage::set("delay = '1s'").await;
    assert_eq!(stage.rcpt(0, "from@sender.example").await.1, format!("{WAIT} 1 second"));
    stage.daemon.clock.advance(Duration::from_secs(1));
    let headers = stage.delivered(1, "from@sender.example").await;
    assert_eq!(headers.len(), 1);
    assert!(headers[0].starts_with("X-Greylist: delayed 1 seconds by mailward-"), "{headers:?}");
    assert_eq!(stage.rcpt(0, "bot@elsewhere.example").await.1, format!("{WAIT} 1 second"));
}
