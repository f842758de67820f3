//! The name servers, walked as libresolv does: try by try, each server in its order.
//!
//! SERVFAIL, REFUSED, NOTIMP, silence and network errors lead to the next server; every other reply is final. When
//! all tries are used up, the last server's failure is the answer: NOTIMP is final, the others are temporary.
//! (libresolv: NOTIMP from all is temporary too; here: a failure, because asking again cannot help.)

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use hickory_proto::rr::Name;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    classify::{self, Bare, PLAIN_TTL, Said, Walk, bare, classify},
    counters::{Counters, add},
    health::Health,
    in_flight::Ticket,
    message::{Question, Reply},
    transport,
};
use crate::{
    config::settings,
    lookup::{Lookup, answers::Answer},
};

/// No question takes longer, however many servers and tries there are, and however long it waits for its turn.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);
const NO_REPLY: &str = "no reply in time";

/// The servers and how they are asked.
#[derive(Debug)]
pub(super) struct Upstream {
    servers: RwLock<Arc<[SocketAddr]>>,
    timeout: Duration,
    tries: u32,
    /// Each question on the wire takes a socket.
    wire: Semaphore,
    health: Health,
    counters: Arc<Counters>,
}

impl Upstream {
    pub(super) fn new(servers: Vec<SocketAddr>, settings: &settings::Dns, counters: Arc<Counters>) -> Self {
        Self {
            servers: RwLock::new(servers.into()),
            timeout: settings.timeout,
            tries: settings.tries.max(1),
            wire: Semaphore::new(settings.max_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            health: Health::new(Arc::clone(&counters)),
            counters,
        }
    }

    /// Other servers from now on; false if they are the same.
    pub(super) fn replace(&self, servers: Vec<SocketAddr>) -> bool {
        let mut known = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        let differs = **known != *servers;
        *known = servers.into();
        differs
    }

    fn servers(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.servers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tries × servers × timeout, at most [`QUESTION_LIMIT`].
    fn limit(&self) -> Duration {
        let attempts = u32::try_from(self.servers().len()).unwrap_or(u32::MAX).saturating_mul(self.tries);
        self.timeout.saturating_mul(attempts).min(QUESTION_LIMIT)
    }

    /// The answer to a question and how many seconds it holds. `None` if nobody waits for it any more: it is not sent
    /// then, and one that is under way does not go on to the next try.
    pub(super) async fn ask(&self, lookup: &Lookup, ticket: &Ticket) -> Option<(Answer, u32)> {
        let asked = Instant::now();
        let Some(mut name) = wire_name(lookup) else {
            return Some((bare(lookup, Bare::Failed("name too long")), u32::MAX));
        };
        let permit = tokio::select! {
            permit = timeout_at(asked + self.limit(), self.wire.acquire()) => permit,
            () = ticket.abandoned() => return None,
        };
        let Ok(Ok(_permit)) = permit else {
            add(&self.counters.saturated);
            return Some((lookup.temporary("too many questions in flight"), 0));
        };
        // Who had to wait for his turn still has the whole time for it.
        let deadline = (Instant::now() + self.limit()).min(asked + QUESTION_LIMIT);
        let mut ttl = u32::MAX;
        // Each round but the first asks for an alias's target.
        for _ in 0..classify::QUESTION_COUNT {
            match self.walk(lookup, &name, deadline, ticket).await? {
                Said::Answer(answer, seconds) => return Some((answer, ttl.min(seconds))),
                Said::Walk(reason, Walk::Temporary) => return Some((lookup.temporary(reason), 0)),
                Said::Walk(reason, Walk::Failed) => {
                    return Some((bare(lookup, Bare::Failed(reason)), ttl.min(PLAIN_TTL)));
                }
                Said::Alias(target, seconds) => (name, ttl) = (target, ttl.min(seconds)),
            }
        }
        Some((lookup.not_found(), ttl))
    }

    /// `None` if nobody waits any more.
    async fn walk(&self, lookup: &Lookup, name: &Name, deadline: Instant, ticket: &Ticket) -> Option<Said> {
        let servers = self.servers();
        let mut last = Said::Walk(NO_REPLY, Walk::Temporary);
        let mut heard = false;
        for (number, server) in (0..self.tries).flat_map(|_| servers.iter()).enumerate() {
            if number > 0 && ticket.give_up() {
                return None;
            }
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            let Some(question) = Question::new(name, classify::kind(lookup)) else {
                return Some(Said::Answer(bare(lookup, Bare::Failed("name too long")), u32::MAX));
            };
            let exchange = transport::exchange(*server, &question, &self.counters);
            let bytes = match timeout_at(deadline.min(now + self.timeout), exchange).await {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => {
                    add(&self.counters.network_errors);
                    tracing::debug!(%server, %lookup, %error, "DNS server not reached");
                    last = Said::Walk("network error", Walk::Temporary);
                    continue;
                }
                Err(_) => {
                    add(&self.counters.timeouts);
                    last = Said::Walk(NO_REPLY, Walk::Temporary);
                    continue;
                }
            };
            heard = true;
            self.health.replied();
            // The transport hands over nothing else.
            let Some(reply) = Reply::read(&bytes, &question) else { continue };
            last = classify(lookup, name, &reply);
            match last {
                Said::Answer(..) | Said::Alias(..) => return Some(last),
                Said::Walk(..) => add(&self.counters.refusals),
            }
        }
        if !heard {
            self.health.unheard();
        }
        Some(last)
    }
}

/// The name on the wire; `None` if it does not fit in 255 bytes with its length bytes.
fn wire_name(lookup: &Lookup) -> Option<Name> {
    match lookup {
        Lookup::A(name) | Lookup::Aaaa(name) | Lookup::Mx(name) | Lookup::Ns(name) | Lookup::Txt(name) => {
            // Without the checks of Name::from_ascii(): Postfix's own have been made, and must be the only ones.
            Name::from_labels(name.as_str().split('.').map(str::as_bytes)).ok()
        }
        Lookup::Ptr(address) => Some(Name::from(*address)),
        // No questions of DNS: the answerer sees to them.
        Lookup::Policy(_) | Lookup::Greylist(_) | Lookup::Sleep(_) => None,
    }
}
