//! Bugs that show while a message is looked at, in process: `on_bug` answers, and nobody else is harmed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

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
    io,
    path::Path,
    sync::{Arc, Mutex},
};
use support::{
    content::{NAMES, REFUSED, TO, attached, begin, begun, send},
    milter::{Daemon, parse},
};

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
