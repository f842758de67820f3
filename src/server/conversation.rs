//! What is known about one connection of the MTA: the session, the message under way, and the configuration that both
//! began with.

use super::{Running, content::Looking, negotiate::Agreed};
use crate::{
    decision::{Deferrals, action::Amendment},
    greylist,
    request::{
        DecisionId,
        envelope::{Envelope, Path},
        message::Message,
        session::{Client, Identity, Login, Server, Session, Tls},
    },
    smtp::{
        address::{Address, without_route},
        helo::Helo,
        reply::Reply,
        text,
    },
};
use indymilter::{Macros, SocketInfo};
use std::{
    ffi::{CStr, CString},
    net::IpAddr,
    sync::Arc,
};

/// More changes of one message than any policy means; they grow only with the recipients.
const AMENDMENT_LIMIT: usize = 4_000;

/// One connection, from negotiation to close. A reload does not touch it.
pub(super) struct Conversation {
    pub(super) running: Arc<Running>,
    pub(super) agreed: Agreed,
    /// Shared with what the journal has not written yet.
    pub(super) session: Arc<Session>,
    /// Whether the client's names are known; else they are looked up at the first decision.
    pub(super) identified: bool,
    /// A submission that did not come by SMTP (sendmail(1), bounces): no policy, since rejecting a recipient there
    /// leaves the mail in the maildrop queue for ever.
    pub(super) exempt: bool,
    /// A callback had a bug where no answer was due: it is given at the next one that is.
    pub(super) broken: bool,
    /// The refusal of the last HELO, due at MAIL: an MTA that is told at HELO holds it against every later HELO of the
    /// session, however good.
    pub(super) helo_refusal: Option<Reply>,
    /// What the list of CONNECT deferred: each HELO starts with it.
    pub(super) connect_carried: Deferrals,
    /// What the lists of CONNECT and of the last HELO deferred.
    pub(super) carried: Deferrals,
    pub(super) transaction: Transaction,
}

/// One message.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    /// What CONNECT, HELO and MAIL deferred.
    pub(super) carried: Deferrals,
    /// The accepted recipients as the MTA knows them, `<user@domain>` without a source route; kept only where the policy
    /// may change recipients.
    pub(super) recipients: Vec<String>,
    /// The only accepted recipient, for the lists at DATA and later.
    pub(super) only: Option<Path>,
    /// The recipients of an authenticated user, as far as the greylist wants to know them.
    pub(super) outgoing: Vec<String>,
    /// Changes to be made at the end of the message.
    pub(super) amendments: Vec<Amendment>,
    /// The content that is coming in, if anything looks at it.
    pub(super) looking: Option<Looking>,
    /// What was found in it, at its end.
    pub(super) message: Option<Message>,
}

impl Conversation {
    pub(super) fn new(running: Arc<Running>, agreed: Agreed) -> Self {
        Self {
            running,
            agreed,
            session: Arc::default(),
            identified: false,
            exempt: false,
            broken: false,
            helo_refusal: None,
            connect_carried: Deferrals::default(),
            carried: Deferrals::default(),
            transaction: Transaction::default(),
        }
    }

    /// CONNECT.
    pub(super) fn connect(&mut self, hostname: &CStr, socket: &SocketInfo, macros: &Macros) {
        let (address, port) = match socket {
            SocketInfo::Inet(address) => (Some(address.ip().to_canonical()), address.port()),
            SocketInfo::Unknown | SocketInfo::Unix(_) => (None, 0),
        };
        let value = |name| get(macros, name).unwrap_or_default();
        let resolve = value(c"{client_resolve}");
        let told = Identity::from_macros(&value(c"{client_name}"), &value(c"{client_ptr}"), &resolve);
        self.exempt = resolve.is_empty() && is_local(socket);
        self.identified = told.is_some() || address.is_none();
        let identity = told.unwrap_or_else(|| unverified_hostname(hostname));
        self.session = Arc::new(Session {
            client: Client { address, port, identity },
            server: Server {
                name: value(c"{daemon_name}"),
                address: value(c"{daemon_addr}"),
                port: value(c"{daemon_port}"),
                version: value(c"v").strip_prefix("Postfix ").unwrap_or_default().to_owned(),
            },
            ..Session::default()
        });
        self.connect_carried = Deferrals::default();
        self.carried = Deferrals::default();
        self.helo_refusal = None;
        self.transaction = Transaction::default();
    }

    /// HELO or EHLO: also after STARTTLS. It ends a transaction (RFC 5321 section 4.1.4), and after a refused MAIL the MTA
    /// need not have told an abort.
    pub(super) fn helo(&mut self, name: &CStr, macros: &Macros) {
        self.transaction = Transaction::default();
        let session = Arc::make_mut(&mut self.session);
        session.helo = Some(Helo::from_wire(name.to_bytes()));
        session.tls = tls(macros).or_else(|| session.tls.take());
    }

    /// MAIL: a new message begins, whatever became of the one before.
    pub(super) fn mail(&mut self, arguments: &[CString], macros: &Macros, instance: DecisionId) {
        let session = Arc::make_mut(&mut self.session);
        session.login = get(macros, c"{auth_authen}")
            .map(|name| Login { method: get(macros, c"{auth_type}").unwrap_or_default(), name });
        session.tls = tls(macros).or_else(|| session.tls.take());
        let mut envelope = Envelope {
            sender: Some(path(arguments, macros, &SENDER)),
            auth_author: get(macros, c"{auth_author}"),
            instance: Some(instance),
            ..Envelope::default()
        };
        for argument in arguments.iter().skip(1) {
            let argument = text::from_wire(argument.to_bytes());
            match argument.split_once('=') {
                Some((key, value)) if key.eq_ignore_ascii_case("SIZE") => envelope.size = value.parse().ok(),
                None if argument.eq_ignore_ascii_case("SMTPUTF8") => envelope.smtputf8 = true,
                Some(_) | None => {}
            }
        }
        self.transaction = Transaction { envelope, carried: self.carried.clone(), ..Transaction::default() };
        self.queue_id(macros);
    }

    /// RCPT: the recipient that is to be judged.
    pub(super) fn rcpt(&mut self, arguments: &[CString], macros: &Macros) -> Path {
        self.queue_id(macros);
        path(arguments, macros, &RECIPIENT)
    }

    /// The recipient passed.
    pub(super) fn accepted(&mut self, arguments: &[CString], path: Path) {
        let transaction = &mut self.transaction;
        let learns = self.session.login.is_some()
            && self.running.config.settings.greylist.learn_outgoing
            && transaction.outgoing.len() <= greylist::OUTGOING_LIMIT;
        if learns {
            transaction.outgoing.push(path.address.internal().into_owned());
        }
        transaction.envelope.accepted += 1;
        if self.running.content.names_recipients() {
            transaction.envelope.recipients.push(path.clone());
        }
        transaction.only = (transaction.envelope.accepted == 1).then_some(path);
        if self.agreed.actions.contains(indymilter::Actions::DELETE_RCPT) {
            let typed = arguments.first().map(|argument| text::from_wire(argument.to_bytes()));
            transaction.recipients.extend(typed.map(|typed| format!("<{}>", without_route(&typed))));
        }
    }

    /// The macro `i`, as soon as the MTA has one.
    pub(super) fn queue_id(&mut self, macros: &Macros) {
        if let Some(id) = get(macros, c"i") {
            self.transaction.envelope.queue_id = Some(id);
        }
    }

    /// The client's address, where its names are still to be looked up.
    pub(super) fn unidentified(&self) -> Option<IpAddr> {
        if self.identified { None } else { self.session.client.address }
    }
}

impl Transaction {
    /// Takes what a decision asks for. A message is held once and copied once to each address, however many recipients
    /// ask for it, and a field is changed once.
    pub(super) fn take(&mut self, amendments: &[Amendment]) {
        for amendment in amendments {
            let known = self.amendments.iter().any(|known| match (known, amendment) {
                (Amendment::Hold(_), Amendment::Hold(_)) => true,
                (Amendment::Bcc(known), Amendment::Bcc(new))
                | (Amendment::Redirect(known), Amendment::Redirect(new)) => known.eq_ignore_ascii_case(new),
                // The first table that wants it decides what becomes of a field.
                _ => match (known.field(), amendment.field()) {
                    (Some((known, number)), Some((name, index))) => {
                        number == index && known.eq_ignore_ascii_case(name)
                    }
                    _ => false,
                },
            });
            if !known && self.amendments.len() < AMENDMENT_LIMIT {
                self.amendments.push(amendment.clone());
            }
        }
    }
}

/// Whether a connection that the MTA says nothing about is no SMTP session: Postfix plays sendmail(1) and bounces from
/// port 0 of the loopback address, and a local socket has no remote client.
fn is_local(socket: &SocketInfo) -> bool {
    match socket {
        SocketInfo::Inet(address) => address.port() == 0 && address.ip().to_canonical().is_loopback(),
        SocketInfo::Unix(_) => true,
        SocketInfo::Unknown => false,
    }
}

struct PathMacros {
    address: &'static CStr,
    host: &'static CStr,
    mailer: &'static CStr,
}

const SENDER: PathMacros =
    PathMacros { address: c"{mail_addr}", host: c"{mail_host}", mailer: c"{mail_mailer}" };
const RECIPIENT: PathMacros =
    PathMacros { address: c"{rcpt_addr}", host: c"{rcpt_host}", mailer: c"{rcpt_mailer}" };

/// The address of MAIL or RCPT with what the MTA made of it. An empty macro beside a typed address is none: Postfix sends
/// it empty for the null sender only.
fn path(arguments: &[CString], macros: &Macros, names: &PathMacros) -> Path {
    let typed = arguments.first().map_or(&b""[..], |argument| argument.to_bytes());
    let rewritten = macros.get(names.address).map(CStr::to_bytes).filter(|bytes| !bytes.is_empty());
    Path {
        address: Address::from_wire(typed, rewritten),
        host: get(macros, names.host),
        mailer: get(macros, names.mailer),
    }
}

/// Postfix names the subject of a certificate only if it trusts it; Sendmail names any, and says in `{verify}` whether
/// it is to be trusted.
fn tls(macros: &Macros) -> Option<Tls> {
    let trusted = get(macros, c"{verify}").is_none_or(|verify| verify == "OK");
    Some(Tls {
        version: get(macros, c"{tls_version}")?,
        cipher: get(macros, c"{cipher}").unwrap_or_default(),
        cipher_bits: get(macros, c"{cipher_bits}").and_then(|bits| bits.parse().ok()),
        cert_subject: get(macros, c"{cert_subject}").filter(|_| trusted),
        cert_issuer: get(macros, c"{cert_issuer}").filter(|_| trusted),
    })
}

/// The value of a macro, if it has one.
fn get(macros: &Macros, name: &CStr) -> Option<String> {
    macros.get(name).map(|value| text::from_wire(value.to_bytes())).filter(|value| !value.is_empty())
}

/// What an MTA without `{client_resolve}` tells: its own idea of the name, not verified. It stands in the log until the
/// lookups are there, and where there is no address to look up.
fn unverified_hostname(hostname: &CStr) -> Identity {
    let name = text::from_wire(hostname.to_bytes());
    if name.is_empty() || name.starts_with('[') {
        return Identity::default();
    }
    Identity { reverse_name: name, ..Identity::default() }
}
