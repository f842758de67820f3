//! Access by the servers of a domain: postconf(5) check_{client,reverse_client_hostname,helo,sender,recipient}_
//! {a,mx,ns}_access, as smtpd's check_server_access() carries them out.

mod manual;
#[cfg(test)]
mod tests;

use super::{Kind, Parse, Restriction, args::Arguments, check_access::forbid_permits};
use crate::{
    decision::action::{Action, Amends},
    lookup::{Lookup, Lookups, Pending, answers::DnsAnswer},
    origin::Fault,
    request::{Event, Request, session::UNKNOWN, subject::Subject},
    smtp::{
        domain::{self, Domain, HOSTNAME_LIMIT},
        helo, text,
    },
    table::{
        AccessTable, Found,
        action::{self, MapCodes},
    },
};
use std::{borrow::Cow, net::IpAddr, sync::Arc};

/// At most so many servers, and so many addresses of them: dns_rr_list_limit of Postfix 3.9 and newer.
const LIMIT: usize = 100;
/// The addresses of so many servers are asked for at once: hardly a domain has more.
const SERVERS_AHEAD: usize = 8;
/// The NS records of a name and so many of its parents are asked for at once. A name has at most 127 (RFC 1035
/// section 2.3.4), which its owner chooses: not all at once.
const PARENTS_AHEAD: usize = 4;

macro_rules! kinds {
    ($($name:literal $event:ident $subject:ident $servers:ident)*) => {
        &[$(Kind {
            name: $name,
            aliases: &[],
            usage: "type:table",
            needs: Event::$event,
            manual: manual::text!($name, $subject, $servers),
            parse: Parse::Entry(|arguments| entry(arguments, Subject::$subject, Servers::$servers)),
        }),*]
    };
}

/// The restrictions of this file.
pub(super) static KINDS: &[Kind] = kinds! {
    "check_client_a_access" Connect Client A
    "check_client_mx_access" Connect Client Mx
    "check_client_ns_access" Connect Client Ns
    "check_reverse_client_hostname_a_access" Connect ReverseClient A
    "check_reverse_client_hostname_mx_access" Connect ReverseClient Mx
    "check_reverse_client_hostname_ns_access" Connect ReverseClient Ns
    "check_helo_a_access" Helo Helo A
    "check_helo_mx_access" Helo Helo Mx
    "check_helo_ns_access" Helo Helo Ns
    "check_sender_a_access" Mail Sender A
    "check_sender_mx_access" Mail Sender Mx
    "check_sender_ns_access" Mail Sender Ns
    "check_recipient_a_access" Rcpt Recipient A
    "check_recipient_mx_access" Rcpt Recipient Mx
    "check_recipient_ns_access" Rcpt Recipient Ns
};

/// Which servers of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Servers {
    /// The domain's host itself, by its addresses only.
    A,
    /// Its mail exchangers.
    Mx,
    /// Its name servers.
    Ns,
}

impl Servers {
    fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Mx => "MX",
            Self::Ns => "NS",
        }
    }
}

/// What is known about a domain's servers.
enum Known {
    /// Their names, in the order of the DNS reply.
    Servers(Vec<Arc<str>>),
    /// It has none and says so: null MX.
    Nothing,
    /// It could not be found out; Postfix's warning.
    Unknown(Action),
}

fn entry(
    arguments: &mut Arguments<'_>,
    subject: Subject,
    servers: Servers,
) -> Result<Box<dyn Restriction>, Fault> {
    let table = arguments.table()?;
    forbid_permits(arguments, &table)?;
    let settings = arguments.settings();
    let (parents, codes) = (settings.parent_domain_matches_subdomains, settings.codes.of_tables());
    Ok(Box::new(CheckServerAccess { subject, servers, table, parents, codes }))
}

#[derive(Debug)]
struct CheckServerAccess {
    subject: Subject,
    servers: Servers,
    table: Arc<AccessTable>,
    parents: bool,
    codes: MapCodes,
}

impl Restriction for CheckServerAccess {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(name) = self.name(request) else { return Ok(Action::Dunno) };
        let domain = name.rsplit_once('@').map_or(name, |(_, domain)| domain);
        if domain.starts_with('[') {
            return Ok(self.literal(domain, request, lookups));
        }
        let domain = in_a_labels(domain);
        let servers = match self.servers {
            Servers::A => Known::Servers(vec![domain.into()]),
            Servers::Mx => mail_exchangers(&domain, lookups)?,
            Servers::Ns => name_servers(&domain, lookups)?,
        };
        match servers {
            Known::Servers(servers) => self.walk(&servers, request, lookups),
            Known::Nothing => Ok(Action::Dunno),
            Known::Unknown(warning) => Ok(warning),
        }
    }

    fn amends(&self) -> Amends {
        self.table.amends()
    }
}

impl CheckServerAccess {
    /// What is judged; nothing where there is nothing, or nobody.
    fn name<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let identity = &request.session.client.identity;
        let known = |name: &'a str| Some(name).filter(|name| !name.eq_ignore_ascii_case(UNKNOWN));
        let typed = |path: &'a crate::request::envelope::Path| Some(path.address.typed.as_str());
        match self.subject {
            Subject::Client => known(&identity.name),
            Subject::ReverseClient => known(&identity.reverse_name),
            Subject::Helo => request.helo(),
            Subject::Sender => request.sender().and_then(typed).filter(|typed| !typed.is_empty()),
            Subject::Recipient => request.recipient.and_then(typed).filter(|typed| !typed.is_empty()),
            Subject::SaslLogin | Subject::Data | Subject::EndOfData => None,
        }
    }

    /// An address literal is its own mail exchanger and has no name server.
    fn literal(&self, literal: &str, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Action {
        let address = match self.servers {
            Servers::A | Servers::Mx => helo::literal_address(literal),
            Servers::Ns => None,
        };
        let found = address.map(|address| self.table.by_address_text(address));
        found.and_then(|found| self.judge(found, request, lookups)).unwrap_or(Action::Dunno)
    }

    /// Each server by its name, then by its addresses: the first entry that is found counts.
    fn walk(
        &self,
        servers: &[Arc<str>],
        request: &Request<'_>,
        lookups: &mut Lookups<'_>,
    ) -> Result<Action, Pending> {
        let mut count = 0;
        for some in servers.chunks(SERVERS_AHEAD) {
            lookups.ahead(self.questions(some));
            for server in some {
                if let Some(action) = self.judge(self.by_name(server), request, lookups) {
                    return Ok(action);
                }
                for address in addresses(server, lookups)? {
                    count += 1;
                    if count > LIMIT {
                        let servers = self.servers.word();
                        let text =
                            format!("more than {LIMIT} addresses of {servers} hosts: the rest is ignored");
                        return Ok(warning(text));
                    }
                    if let Some(action) = self.judge(self.table.by_address(address), request, lookups) {
                        return Ok(action);
                    }
                }
            }
        }
        Ok(Action::Dunno)
    }

    /// A server by its name, which may be an address; with check_*_a_access names do not count.
    fn by_name(&self, server: &str) -> Found<'_> {
        if domain::is_address(server) {
            return self.table.by_address_text(server);
        }
        match self.servers {
            Servers::A => Ok(None),
            Servers::Mx | Servers::Ns => self.table.by_name(server, self.parents),
        }
    }

    /// The addresses that are needed as far as the names tell.
    fn questions(&self, servers: &[Arc<str>]) -> Vec<Lookup> {
        let needed = servers.iter().take_while(|server| matches!(self.by_name(server), Ok(None)));
        let names = needed.filter_map(|server| host(server));
        names.flat_map(|name| [Lookup::A(name.clone()), Lookup::Aaaa(name)]).collect()
    }

    /// What an entry says, if one was found.
    fn judge(&self, found: Found<'_>, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Option<Action> {
        let hit = match found {
            Ok(hit) => hit?,
            Err(gave_up) => {
                lookups.note(gave_up.to_string());
                return Some(action::fault(self.subject, request));
            }
        };
        let (key, place) = (text::escaped(&hit.key), &hit.entry.origin);
        match hit.action(self.subject, request, self.codes) {
            Action::Ok => {
                lookups.note(format!("key `{key}` says OK at {place}, which is not allowed here"));
                Some(action::forbidden_ok())
            }
            action => {
                lookups.note(format!("key `{key}` matches at {place}"));
                Some(action)
            }
        }
    }
}

/// A domain without MX records is its own mail exchanger, whether it exists or not.
fn mail_exchangers(domain: &str, lookups: &mut Lookups<'_>) -> Result<Known, Pending> {
    let name = Domain::for_query(domain);
    lookups.ahead(host(domain).into_iter().flat_map(|name| [Lookup::A(name.clone()), Lookup::Aaaa(name)]));
    Ok(match lookups.mx(name.as_ref())? {
        DnsAnswer::Records(records) => {
            let names = records.iter().take(LIMIT).map(|mx| mx.exchange.clone());
            Known::Servers(names.collect())
        }
        DnsAnswer::NotFound | DnsAnswer::SetAside => Known::Servers(vec![domain.into()]),
        DnsAnswer::NullMx => Known::Nothing,
        DnsAnswer::Invalid => Known::Unknown(unable(Servers::Mx, domain, "malformed reply")),
        DnsAnswer::Failed(why) | DnsAnswer::Temporary(why) => {
            Known::Unknown(unable(Servers::Mx, domain, why))
        }
    })
}

/// A name without NS records of its own has those of its parent, up to the top level domain.
fn name_servers(domain: &str, lookups: &mut Lookups<'_>) -> Result<Known, Pending> {
    // Unlike a table's key, a name here may lose a dot at its beginning alone (smtpd_check.c check_server_access()).
    fn parent(name: &str) -> Option<&str> {
        name.split_once('.').map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
    }
    let names = std::iter::successors(Some(domain), |name| parent(name));
    let short = names.filter(|name| name.len() <= HOSTNAME_LIMIT);
    let names: Vec<Domain> = short.filter_map(Domain::for_query).collect();
    for some in names.chunks(PARENTS_AHEAD) {
        lookups.ahead(some.iter().cloned().map(Lookup::Ns));
        for name in some {
            let why = match lookups.ns(Some(name))? {
                DnsAnswer::Records(records) => {
                    return Ok(Known::Servers(records.iter().take(LIMIT).cloned().collect()));
                }
                DnsAnswer::NotFound | DnsAnswer::SetAside => continue,
                DnsAnswer::NullMx | DnsAnswer::Invalid => "malformed reply",
                DnsAnswer::Failed(why) | DnsAnswer::Temporary(why) => why,
            };
            return Ok(Known::Unknown(unable(Servers::Ns, name.as_str(), why)));
        }
    }
    Ok(Known::Unknown(unable(Servers::Ns, domain, "not found")))
}

/// A server's addresses: those of both families are asked for at once, as getaddrinfo(3) does. One that has none, or
/// whose addresses cannot be found out, is passed over.
fn addresses(server: &str, lookups: &mut Lookups<'_>) -> Result<Vec<IpAddr>, Pending> {
    if domain::is_address(server) {
        return Ok(Vec::new());
    }
    if let Some(address) = domain::classful(server) {
        return Ok(vec![address.into()]);
    }
    let name = host(server);
    let (v4, v6) = (lookups.a(name.as_ref()), lookups.aaaa(name.as_ref()));
    let (v4, v6) = (v4?.records(), v6?.records());
    Ok(v4.iter().copied().map(IpAddr::from).chain(v6.iter().copied().map(IpAddr::from)).collect())
}

/// The name whose addresses are asked for: one trailing dot is allowed, as in getaddrinfo(3).
fn host(server: &str) -> Option<Domain> {
    if domain::classful(server).is_some() {
        return None;
    }
    Domain::for_query(server.strip_suffix('.').unwrap_or(server))
}

/// The domain in A-labels, as Postfix looks it up; as it is where that cannot be.
fn in_a_labels(domain: &str) -> Cow<'_, str> {
    match Domain::for_query(domain) {
        Some(ascii) if !domain.is_ascii() => Cow::Owned(ascii.to_string()),
        Some(_) | None => Cow::Borrowed(domain),
    }
}

/// Postfix's warning about servers that it cannot find out.
fn unable(servers: Servers, domain: &str, why: &str) -> Action {
    warning(format!("unable to look up {} host for {domain}: {why}", servers.word()))
}

fn warning(text: String) -> Action {
    Action::Remark { word: "warn", text }
}
