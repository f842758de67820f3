//! DNS: the answers to [`Lookup`]s, from the system's or the configured name servers.
//!
//! hickory encodes and decodes names and questions; the servers are walked (`upstream`), the replies told apart
//! (`classify`) and the answers kept (`cache`) here, because Postfix's verdicts depend on differences that
//! a resolver library hides: which response code it was, whether another server knows better, and that `localhost`,
//! `*.invalid` and the reverse names of 127.0.0.0/8 are asked for like all others.

mod cache;
mod classify;
mod counters;
mod health;
mod in_flight;
mod message;
mod resolv_conf;
mod transport;
mod upstream;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

pub use counters::Counters;

use crate::{
    config::settings,
    lookup::{Lookup, answers::Answer},
    smtp::domain::Domain,
    time::{Clock, SystemClock},
};
use cache::Cache;
use counters::add;
use in_flight::{InFlight, Joined, Ticket};
use upstream::Upstream;

/// The DNS adapter; clones share everything.
#[derive(Clone, Debug)]
pub struct Dns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cache: Cache,
    in_flight: Arc<InFlight>,
    upstream: Upstream,
    counters: Arc<Counters>,
    /// When /etc/resolv.conf was last changed, as far as it is what we use.
    system: Option<Mutex<Option<SystemTime>>>,
}

/// Why there is no DNS.
#[derive(Debug)]
pub enum DnsError {
    /// The system's name servers cannot be read.
    ResolvConf(io::Error),
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResolvConf(error) => write!(f, "cannot read {}: {error}", resolv_conf::PATH),
        }
    }
}

impl std::error::Error for DnsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ResolvConf(error) => Some(error),
        }
    }
}

impl Dns {
    /// An adapter for the configured servers; without any, for those of /etc/resolv.conf.
    ///
    /// # Errors
    /// [`DnsError::ResolvConf`] if that file is needed and exists, but cannot be read.
    pub fn new(settings: &settings::Dns) -> Result<Self, DnsError> {
        Self::with_clock(settings, Arc::new(SystemClock))
    }

    /// The same with another clock, by which the cache's answers age.
    ///
    /// # Errors
    /// As [`Dns::new`].
    pub fn with_clock(settings: &settings::Dns, clock: Arc<dyn Clock>) -> Result<Self, DnsError> {
        let (system, servers) = match &*settings.nameservers {
            [] => {
                let changed = resolv_conf::changed();
                (Some(Mutex::new(changed)), resolv_conf::system().map_err(DnsError::ResolvConf)?)
            }
            servers => (None, servers.to_vec()),
        };
        let counters = Arc::new(Counters::default());
        Ok(Self(Arc::new(Inner {
            cache: Cache::new(settings.cache_size, clock, Arc::clone(&counters)),
            in_flight: Arc::default(),
            upstream: Upstream::new(servers, settings, Arc::clone(&counters)),
            counters,
            system,
        })))
    }

    /// Reads /etc/resolv.conf again, if the servers come from there and the file changed. The cache stays.
    ///
    /// # Errors
    /// [`DnsError::ResolvConf`] if it cannot be read: the old servers stay.
    pub fn refresh(&self) -> Result<(), DnsError> {
        let Some(system) = &self.0.system else { return Ok(()) };
        let changed = resolv_conf::changed();
        let mut known = system.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != changed {
            let servers = resolv_conf::system().map_err(DnsError::ResolvConf)?;
            if self.0.upstream.replace(servers) {
                tracing::info!("took up the name servers of {}", resolv_conf::PATH);
            }
            *known = changed;
        }
        Ok(())
    }

    /// The answer, if it is known already.
    pub fn cached(&self, lookup: &Lookup) -> Option<Answer> {
        let answer = self.0.cache.get(lookup)?;
        add(&self.0.counters.cache_hits);
        Some(answer)
    }

    /// Forgets the kept answers about a name and all names below it.
    pub fn forget_below(&self, zone: &Domain) {
        self.0.cache.forget_below(zone);
    }

    /// The answer, from the cache or the servers; [`Answer::is_temporary`] when they do not give one. It may be dropped
    /// at any time: the question goes on for others who wait for it, and for the cache.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn ask(&self, lookup: &Lookup) -> Answer {
        match self.cached(lookup) {
            Some(answer) => answer,
            None => self.join(lookup, true).await,
        }
    }

    /// The answer of the servers, whatever the cache has; the cache takes it. For who wants to know how things stand now.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn ask_anew(&self, lookup: &Lookup) -> Answer {
        self.join(lookup, false).await
    }

    /// Asks, or waits with others who ask the same.
    async fn join(&self, lookup: &Lookup, from_cache: bool) -> Answer {
        let waiter = match self.0.in_flight.join(lookup) {
            Joined::Other(waiter) => {
                add(&self.0.counters.merged);
                waiter
            }
            Joined::First(ticket, waiter) => {
                // Between the look into the cache and the ticket another task may have been answered.
                if let Some(answer) = from_cache.then(|| self.cached(lookup)).flatten() {
                    ticket.answer(answer.clone());
                    return answer;
                }
                add(&self.0.counters.questions);
                tokio::spawn(run(Arc::clone(&self.0), ticket));
                waiter
            }
        };
        waiter.wait().await.unwrap_or_else(|| lookup.temporary("the question was given up"))
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The bytes of the cache in use, at most `cache_size`.
    pub fn cache_bytes(&self) -> u64 {
        self.0.cache.settled_bytes()
    }
}

async fn run(dns: Arc<Inner>, ticket: Ticket) {
    let Some((answer, ttl)) = dns.upstream.ask(ticket.lookup(), &ticket).await else {
        add(&dns.counters.abandoned);
        return;
    };
    if answer.is_temporary() {
        add(&dns.counters.temporary);
    }
    dns.cache.insert(ticket.lookup().clone(), answer.clone(), ttl);
    ticket.answer(answer);
}
