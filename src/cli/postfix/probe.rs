//! The proof that mail is filtered: Postfix asks mailward.

use crate::server::probe;
use std::{
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    thread,
    time::Duration,
};

/// How long one answer is waited for. postscreen(8) lets a new client wait six seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often, and after which pauses, Postfix is asked again when it lets a probe pass: after a reload its idle processes
/// still answer by the configuration that they began with.
const RETRIES: (u32, Duration) = (20, Duration::from_millis(500));

/// How a probe through Postfix ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Probed {
    /// mailward answered.
    Answered,
    /// Somebody else did, with these words.
    Otherwise(String),
    /// Postfix could not be asked.
    NotAsked(String),
}

/// Where smtpd listens, as seen from this machine.
pub(in crate::cli) fn address(service: &str) -> Option<SocketAddr> {
    let (host, port) = match service.rsplit_once(':') {
        Some((host, port)) => (host.trim_matches(['[', ']']), port),
        None => ("127.0.0.1", service),
    };
    let port = match port {
        "smtp" => 25,
        "submission" => 587,
        "smtps" | "submissions" => 465,
        port => port.parse().ok()?,
    };
    (host, port).to_socket_addrs().ok()?.next()
}

/// Sends a probe through a Postfix that was reloaded a moment ago.
pub(super) fn after_reload(address: SocketAddr) -> Probed {
    settled(|| through(address), RETRIES)
}

/// The first outcome that is not an old process letting the probe pass, or the last one.
fn settled(mut probe: impl FnMut() -> Probed, (retries, pause): (u32, Duration)) -> Probed {
    let mut probed = probe();
    for _ in 0..retries {
        match &probed {
            Probed::Otherwise(reply) if reply.starts_with('2') => {}
            Probed::Answered | Probed::Otherwise(_) | Probed::NotAsked(_) => break,
        }
        thread::sleep(pause);
        probed = probe();
    }
    probed
}

/// Sends a probe through Postfix.
pub(in crate::cli) fn through(address: SocketAddr) -> Probed {
    let token = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
    let want = probe::answer(&token).to_string();
    match dialogue(address, &probe::helo_name(&token)) {
        Ok(reply) if reply == want => Probed::Answered,
        Ok(reply) => Probed::Otherwise(reply),
        Err(e) => Probed::NotAsked(e.to_string()),
    }
}

/// The dialogue up to the answer to RCPT, or to the first refusal.
fn dialogue(address: SocketAddr, helo: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut last = reply(&mut answers)?;
    for command in [format!("EHLO {helo}"), "MAIL FROM:<>".to_owned(), "RCPT TO:<postmaster>".to_owned()] {
        if !last.starts_with('2') {
            break;
        }
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        last = reply(&mut answers)?;
    }
    // Whatever it says to this, the answer is known.
    let _ = stream.write_all(b"QUIT\r\n");
    Ok(last)
}

/// The first line of a reply; Postfix's smtpd_reject_footer comes after it.
fn reply(answers: &mut impl BufRead) -> io::Result<String> {
    let mut first = None;
    loop {
        let mut line = Vec::new();
        if answers.by_ref().take(4_096).read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let more = line.get(3) == Some(&b'-');
        if more {
            line[3] = b' ';
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let first = first.get_or_insert(line);
        if !more {
            return Ok(std::mem::take(first));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_from_before_the_reload_is_no_verdict() {
        let otherwise = |reply: &str| Probed::Otherwise(reply.to_owned());
        let (old, refused) = (otherwise("250 2.1.5 Ok"), otherwise("451 4.7.1 Service unavailable"));
        let not_asked = Probed::NotAsked("connection refused".to_owned());
        let cases = [
            (vec![Probed::Answered], 1),
            (vec![old.clone(), old.clone(), Probed::Answered], 3),
            (vec![old.clone(), refused.clone()], 2),
            (vec![refused], 1),
            (vec![not_asked], 1),
            (vec![old; 4], 4),
        ];
        for (outcomes, asked) in cases {
            let mut rest = outcomes.iter();
            let probed = settled(|| rest.next().unwrap().clone(), (3, Duration::ZERO));
            assert_eq!((&probed, outcomes.len() - rest.len()), (outcomes.last().unwrap(), asked));
        }
    }

    #[test]
    fn a_service_is_found_where_it_listens() {
        let cases = [
            ("smtp", Some("127.0.0.1:25")),
            ("submission", Some("127.0.0.1:587")),
            ("2525", Some("127.0.0.1:2525")),
            ("127.0.0.9:10025", Some("127.0.0.9:10025")),
            ("[::1]:25", Some("[::1]:25")),
            ("no-such-service", None),
        ];
        for (service, want) in cases {
            assert_eq!(address(service).map(|address| address.to_string()).as_deref(), want, "{service}");
        }
    }
}
