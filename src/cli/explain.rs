//! `mailward explain`: the live policy on a described session. Asks DNS, changes nothing, prints every step.

mod replayed;

use super::{Exit, Failure, columns, configured, message, parts, scan};
use crate::{
    allow::Exemptions,
    config::{
        settings::Mode,
        source::{Source, allow_file},
    },
    decision::{Decision, Deferrals, Verdict, trace::trace},
    lookup::{
        dnsxl::{ListUse, key::without_key},
        dnsxl_health::State,
    },
    policy::content::Content,
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        message::{Inspect as _, Message},
        session::{Identity, Login, NameStatus, Session, Tls},
        subject::Subject,
    },
    restriction::content::Attachments,
    server::{Running, Server, decide, watch::ListState},
    smtp::{helo::Helo, text::escaped},
    time::{Clock, SystemClock},
};
use clap::Args as ClapArgs;
use std::{
    fs,
    io::{Read as _, Write},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
};
use tokio::{runtime, time::Instant};

/// The longest message that is read, in bytes.
const MESSAGE_LIMIT: u64 = 256 << 20;

/// Decide a described session with the live policy, and print every step.
///
/// Asks DNS as the server does; changes nothing.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward explain --client 192.0.2.1 --helo mail.example.net \\
      --from alice@example.net --rcpt bob@example.org
  mailward explain --client 2001:db8::1 --client-name unknown --helo x --json
  mailward explain --replay 6a0f1c2e.1f

What an MTA alone knows is not described: every address counts as foreign to
it, and no client certificate as trusted.

Without --client-name and --reverse-name the names are looked up in DNS, as
Postfix does. The test points of the policy's DNS lists are asked first; a list
that cannot be believed is set aside, as the server would do. Exit status 0
whatever the verdict.")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The client's address
    #[arg(long, value_name = "IP", required_unless_present = "replay")]
    client: Option<IpAddr>,
    /// A decision of the journal (id= in the log), decided again from its recorded answers
    #[arg(long, value_name = "ID", conflicts_with_all = ["client", "client_name", "reverse_name", "helo", "from",
        "rcpt", "message", "login", "tls"])]
    replay: Option<String>,
    /// Its verified name, or "unknown"
    #[arg(long, value_name = "NAME")]
    client_name: Option<String>,
    /// The name of its PTR record, or "unknown"
    #[arg(long, value_name = "NAME")]
    reverse_name: Option<String>,
    /// What it says at HELO or EHLO
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// The sender; "" or "<>" for the null sender
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// A recipient; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    rcpt: Vec<String>,
    /// A message: the lists of DATA and of its end run too
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// The SASL login
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// The session is encrypted
    #[arg(long)]
    tls: bool,
    /// Print the decisions as JSON
    #[arg(long)]
    json: bool,
}

/// Decides the described session and prints how.
///
/// # Errors
/// A faulty configuration, an unreadable message.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let source = Source::find(args.config.as_deref());
    let config = configured::read(&source)?;
    if let Some(id) = &args.replay {
        return replayed::run(id, &config, &source, args.json, out);
    }
    let message = args.message.as_ref().map(|file| read_message(file)).transpose()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot start: {e}")))?;
    let decisions = runtime.block_on(async {
        let server = Server::new(config, Arc::new(SystemClock))
            .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot set up the resolver: {e}")))?;
        // A list that the server would not believe must not be believed here.
        server.test_lists().await;
        server.allowances().read(&allow_file());
        let running = server.running();
        let mut dialogue = Dialogue::new(args, &server, &running, message.as_deref()).await?;
        let decisions = dialogue.play(args).await?;
        Ok::<_, Failure>((decisions, dialogue.session, dialogue.message, running.clone()))
    })?;
    let (decisions, session, message, running) = decisions;
    if args.json {
        return print_json(&decisions, out);
    }
    print(&decisions, &session, &running, &source, out)?;
    if let Some(found) = message.as_ref().and_then(|message| message.facts::<Attachments>()) {
        writeln!(out, "\nParts of the message")?;
        parts::print(&found.facts, &scan::sets(&running.config).0, out)?;
    }
    Ok(())
}

/// A message to be looked at; no MTA takes one as long as the limit.
fn read_message(file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(MESSAGE_LIMIT).read_to_end(&mut message));
    match read {
        Ok(length) if length as u64 == MESSAGE_LIMIT => {
            let message = format!("{} is longer than {} MiB", file.display(), MESSAGE_LIMIT >> 20);
            Err(Failure::Says(Exit::Data, message))
        }
        Ok(_) => Ok(message),
        Err(e) => Err(Failure::Says(Exit::InputOutput, format!("cannot read {}: {e}", file.display()))),
    }
}

/// What is found in a message that comes as a file.
fn look(content: &Content, file: &[u8]) -> Message {
    let mut inspection = content.with_tree().inspect();
    let body = message::headers(file, |name, value| inspection.header(name, value));
    inspection.end_of_headers();
    inspection.body(body);
    inspection.finish()
}

/// The described session on its way through the events.
struct Dialogue<'a> {
    running: &'a Running,
    exemptions: Arc<Exemptions>,
    session: Session,
    envelope: Envelope,
    carried: Deferrals,
    count: u32,
    message: Option<Message>,
}

impl<'a> Dialogue<'a> {
    async fn new(
        args: &Args,
        server: &Server,
        running: &'a Running,
        message: Option<&[u8]>,
    ) -> Result<Self, Failure> {
        let mut session = Session::default();
        let address = args.client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
        session.client.address = Some(address);
        session.client.port = 25;
        session.client.identity = match named(args) {
            Some(identity) => identity,
            None => decide::identify(address, &running.answerer, deadline(running))
                .await
                .map_err(|e| Failure::Says(Exit::Unavailable, e.to_string()))?,
        };
        session.helo = args.helo.as_ref().map(|name| Helo::from_wire(name.as_bytes()));
        session.login =
            args.login.as_ref().map(|name| Login { method: "PLAIN".to_owned(), name: name.clone() });
        session.tls = args.tls.then(|| Tls { version: "TLSv1.3".to_owned(), ..Tls::default() });
        let size = message.and_then(|message| u64::try_from(message.len()).ok());
        let envelope = Envelope { sender: args.from.as_deref().map(Path::new), size, ..Envelope::default() };
        let message = message.map(|message| look(&running.content, message));
        let exemptions = server.allowances().snapshot();
        let carried = Deferrals::default();
        Ok(Self { running, exemptions, session, envelope, carried, count: 0, message })
    }

    /// Every event that has a list, until one refuses for good.
    async fn play(&mut self, args: &Args) -> Result<Vec<Decision>, Failure> {
        let mut decisions = Vec::new();
        for event in [Event::Connect, Event::Helo, Event::Mail] {
            let known = match event {
                Event::Helo => args.helo.is_some(),
                Event::Mail => args.from.is_some(),
                _ => true,
            };
            let Some(decision) = self.event(event, None).await?.filter(|_| known) else { continue };
            self.carried = decision.deferrals.clone();
            let refused = decision.verdict != Verdict::Pass;
            decisions.push(decision);
            if refused {
                return Ok(decisions);
            }
        }
        let mut only = None;
        for address in &args.rcpt {
            let path = Path::new(address);
            let passed = match self.event(Event::Rcpt, Some(&path)).await? {
                Some(decision) => {
                    decisions.push(decision);
                    decisions.last().is_some_and(|decision| decision.verdict == Verdict::Pass)
                }
                None => true,
            };
            if passed {
                self.envelope.accepted += 1;
                self.envelope.recipients.push(path.clone());
                only = (self.envelope.accepted == 1).then_some(path);
            }
        }
        if self.message.is_some() && self.envelope.accepted > 0 {
            for event in [Event::Data, Event::EndOfMessage] {
                decisions.extend(self.event(event, only.as_ref()).await?);
            }
        }
        Ok(decisions)
    }

    async fn event(&mut self, event: Event, recipient: Option<&Path>) -> Result<Option<Decision>, Failure> {
        let policy = &self.running.config.policy;
        if !policy.judges(event) {
            return Ok(None);
        }
        let now = SystemClock.now();
        self.count += 1;
        let request = Request {
            id: DecisionId { at: now, count: self.count },
            event,
            stage: Stage::Client,
            subject: Subject::Client,
            session: &self.session,
            envelope: &self.envelope,
            recipient,
            message: self.message.as_ref().filter(|_| event == Event::EndOfMessage),
            now,
            carried: &self.carried,
            exemption: None,
        };
        let exemption = self.exemptions.find(&request).map(|exempt| &exempt.written);
        let request = Request { exemption, ..request };
        let answerer = self.running.answerer.reading_only();
        let decision = decide::decide(policy, &request, &answerer, deadline(self.running)).await;
        decision.map(Some).map_err(|e| Failure::Says(Exit::Unavailable, e.to_string()))
    }
}

fn deadline(running: &Running) -> Instant {
    Instant::now() + running.config.limits.decision_deadline
}

/// The names from the command line; `None` to look them up.
fn named(args: &Args) -> Option<Identity> {
    let is_name = |name: &&str| !name.is_empty() && *name != "unknown";
    let name = args.client_name.as_deref();
    let reverse = args.reverse_name.as_deref();
    match (name.filter(is_name), reverse.filter(is_name)) {
        (Some(name), Some(reverse)) => {
            Some(Identity { reverse_name: reverse.to_owned(), ..Identity::verified(name) })
        }
        (Some(name), None) => Some(Identity::verified(name)),
        (None, Some(reverse)) => Some(Identity::unverified(reverse, NameStatus::Forged)),
        (None, None) if name.is_some() || reverse.is_some() => Some(Identity::nameless(NameStatus::Missing)),
        (None, None) => None,
    }
}

fn print(
    decisions: &[Decision],
    session: &Session,
    running: &Running,
    source: &Source,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let client = session.client.host();
    writeln!(out, "{}, by {source}", escaped(&client))?;
    if running.config.mode == Mode::Observe {
        writeln!(out, "mode = \"observe\": nothing of this takes effect")?;
    }
    print_lists(&running.watch.states(), out)?;
    if decisions.is_empty() {
        writeln!(
            out,
            "No list runs for what was described: the session passes. Give --rcpt, or see check-config."
        )?;
    }
    for decision in decisions {
        let about = match (decision.event, &decision.summary.recipient) {
            (Event::Rcpt, Some(recipient)) => format!(" TO:<{}>", escaped(recipient)),
            _ => String::new(),
        };
        writeln!(out, "\n{}{about}", decision.event.word())?;
        write!(out, "{}", trace(decision, columns()))?;
    }
    Ok(())
}

/// The DNS lists that are not believed, and why.
fn print_lists(lists: &[ListState], out: &mut dyn Write) -> Result<(), Failure> {
    for ListState { list: ListUse { zone, origin, .. }, state } in lists {
        let zone = without_key(zone.as_str()).unwrap_or(zone.as_str());
        match state {
            State::SetAside(trouble) => {
                writeln!(out, "list {zone} ({origin}) is set aside: it {trouble}; {}", trouble.advice())?;
            }
            State::Unknown => writeln!(out, "list {zone} ({origin}) cannot be tested: nothing answers")?,
            State::Sound => {}
        }
    }
    Ok(())
}

fn print_json(decisions: &[Decision], out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, decisions).map_err(|e| Failure::from(std::io::Error::from(e)))?;
    writeln!(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lookup::{dnsxl::ListKind, dnsxl_health::Trouble},
        origin::Origin,
        smtp::domain::Domain,
    };

    #[test]
    fn lists_that_are_not_believed_are_named_with_the_reason() {
        let states = [
            ("good.example", State::Sound),
            ("dead.example", State::SetAside(Trouble::ListsNothing(ListKind::Name))),
            ("dark.example", State::Unknown),
        ];
        let lists = states.map(|(zone, state)| {
            let zone = Domain::for_query(zone).unwrap();
            let origin = Origin::new("mailward.toml", 7, 1);
            ListState { list: ListUse { zone, kind: ListKind::Name, allows: false, origin }, state }
        });
        let mut out = Vec::new();
        assert!(print_lists(&lists, &mut out).is_ok());
        let want = "\
list dead.example (mailward.toml:7) is set aside: it does not list the test name TEST: it is closed, or no list of \
names; remove the list if it is closed; name it in [dns] untested_lists if it has no test points
list dark.example (mailward.toml:7) cannot be tested: nothing answers
";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
