//! The milter server: listener, callbacks, reload and graceful shutdown.

pub mod accounts;
pub mod allow;
mod amend;
pub mod answer;
mod beside;
mod bug;
mod connection;
mod content;
pub mod control;
mod conversation;
pub mod counters;
pub mod decide;
mod drain;
mod early;
mod frames;
pub mod handover;
mod judge;
pub mod life;
pub mod listener;
pub mod metrics;
mod milter;
mod negotiate;
mod opening;
pub mod probe;
mod record;
mod reload;
mod reply;
pub mod status;
pub mod watch;

use crate::{
    attachment::budget::Budget,
    config::settings::Config,
    dns::{Dns, DnsError},
    journal::Journal,
    policy::content::Content,
    policy_service::PolicyServices,
    request::DecisionId,
    store::sqlite::SqliteStore,
    time::{Clock, Timestamp},
};
use allow::Allowances;
use answer::Answerer;
use counters::Counters;
use drain::Drain;
use life::Life;
use listener::{Bound, Gate};
use metrics::{Metrics, Rules};
use std::{
    convert::Infallible,
    future::Future,
    io,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tracing::{info, warn};
use watch::Watch;

/// How much longer than the grace a callback may hold up the end of the process.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A configuration with what serves it. A session keeps the one it began with.
pub struct Running {
    /// The configuration.
    pub config: Config,
    /// How its policy looks at messages.
    pub content: Content,
    /// Who answers its lookups.
    pub answerer: Answerer,
    /// The watch on its DNS lists.
    pub watch: Watch,
    /// The resolver.
    pub dns: Arc<Dns>,
    /// What its entries are counted by.
    rules: Rules,
}

impl Running {
    /// `watch` is the one of the configuration before.
    fn new(
        config: Config,
        dns: Arc<Dns>,
        watch: &Watch,
        greylist: Arc<SqliteStore>,
        counters: Arc<Counters>,
        metrics: &Metrics,
        budget: Arc<Budget>,
    ) -> Arc<Self> {
        let rules = metrics.rules(&config);
        let watch = watch.follow(config.policy.dnsxl(), &config.untested_lists);
        let services = Arc::new(PolicyServices::new(&config.policy_service));
        let answerer = Answerer::new(dns.clone(), watch.clone(), services, counters).with_greylist(greylist);
        let content = Content::of(&config.policy, &config.attachments, budget);
        Arc::new(Self { config, content, answerer, watch, dns, rules })
    }
}

/// The server.
pub struct Server {
    running: RwLock<Arc<Running>>,
    counters: Arc<Counters>,
    /// Shared over reloads; its file is opened when a policy greylists.
    greylist: Arc<SqliteStore>,
    allowances: Allowances,
    life: Life,
    metrics: Metrics,
    drain: Arc<Drain>,
    /// As at the start: a change needs a restart.
    max_sessions: usize,
    /// The memory for looking into containers.
    budget: Arc<Budget>,
    /// What was decided; nothing is recorded until it is started.
    journal: OnceLock<Journal>,
    clock: Arc<dyn Clock>,
    next: AtomicU32,
}

impl Server {
    /// A server for a configuration.
    ///
    /// # Errors
    /// When the resolver cannot be set up.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>, DnsError> {
        let counters = Arc::new(Counters::default());
        let dns = Arc::new(Dns::new(&config.dns)?);
        let watch = Watch::new(counters.clone());
        let ages = config.settings.greylist.ages();
        let greylist = Arc::new(SqliteStore::new(&config.greylist.located(), Some(ages), clock.clone()));
        let max_sessions = config.limits.max_sessions;
        let metrics = Metrics::default();
        let budget = Budget::new(config.limits.container_memory);
        let running =
            Running::new(config, dns, &watch, greylist.clone(), counters.clone(), &metrics, budget.clone());
        // Another process has another beginning, so that names differ over a restart within one second.
        let next = AtomicU32::new(std::process::id().wrapping_mul(0x9e37_79b1));
        Ok(Arc::new(Self {
            running: RwLock::new(running),
            allowances: Allowances::new(counters.clone()),
            counters,
            greylist,
            life: Life::new(clock.now()),
            metrics,
            drain: Arc::default(),
            max_sessions,
            budget,
            journal: OnceLock::new(),
            clock,
            next,
        }))
    }

    /// The configuration in force for new sessions.
    pub fn running(&self) -> Arc<Running> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes up another /etc/resolv.conf, where that is what the configuration wants.
    pub fn refresh_resolver(&self) {
        if let Err(e) = self.running().dns.refresh() {
            warn!("the name servers stay as they are: {e}");
        }
    }

    /// Everything counted since the start, that of the resolver too.
    pub fn counted(&self) -> Vec<(&'static str, u64)> {
        let journal = self.journal.get().into_iter().flat_map(|journal| journal.counters().all());
        self.counters.all().chain(self.running().dns.counters().all()).chain(journal).collect()
    }

    /// What the server knows of itself.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// The exemptions.
    pub fn allowances(&self) -> &Allowances {
        &self.allowances
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Puts a new configuration in force for new sessions. The resolver with its cache stays unless `[dns]` changed.
    ///
    /// # Errors
    /// When the new resolver cannot be set up: the old configuration stays.
    pub fn replace(&self, config: Config) -> Result<(), DnsError> {
        let old = self.running();
        for setting in old.config.needs_restart(&config) {
            warn!("{setting} changed: the change takes effect at the next restart");
        }
        let dns =
            if old.config.dns == config.dns { old.dns.clone() } else { Arc::new(Dns::new(&config.dns)?) };
        dns.refresh()?;
        self.greylist.set_ages(config.settings.greylist.ages());
        if config.policy.greylists() {
            self.greylist.start();
        }
        let running = Running::new(
            config,
            dns,
            &old.watch,
            self.greylist.clone(),
            self.counters.clone(),
            &self.metrics,
            self.budget.clone(),
        );
        let watch = running.watch.clone();
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = running;
        // Not before: the new lists must be found.
        watch.wake();
        self.counters.reloads.add();
        Ok(())
    }

    /// Tests all DNS lists of the policy now, and comes back when it is known which are set aside.
    pub async fn test_lists(&self) {
        let running = self.running();
        running.watch.test_all(&running.dns).await;
    }

    /// Tests the DNS lists whenever they are due, those of the configuration in force.
    async fn watch_lists(&self) -> Infallible {
        loop {
            let running = self.running();
            running.watch.test_due(&running.dns).await;
            running.watch.due().await;
        }
    }

    /// Serves until `stop` completes, then lets the sessions in flight end for at most `shutdown_grace`.
    ///
    /// # Errors
    /// Never for the fault of a session; only if the milter library gives up.
    pub async fn serve(self: &Arc<Self>, bound: Bound, stop: impl Future<Output = ()>) -> io::Result<()> {
        let limits = self.running().config.limits.clone();
        if self.running().config.policy.greylists() {
            self.greylist.start();
        }
        let drain = self.drain.clone();
        let gate = Gate::new(bound, drain.clone(), self.counters.clone(), limits.max_sessions);
        let settings = indymilter::Config {
            max_connections: limits.max_sessions,
            connection_timeout: limits.idle_timeout,
            ..indymilter::Config::default()
        };
        let over = tokio::sync::Notify::new();
        let shutdown = async {
            stop.await;
            drain.stop();
            if drain.active() > 0 {
                info!("stopping: {} sessions in flight", drain.active());
            }
            let grace = self.running().config.limits.shutdown_grace;
            let drained = tokio::time::timeout(grace, drain.wait()).await;
            if drained.is_err() {
                for _ in 0..drain.active() {
                    self.counters.sessions_abandoned.add();
                }
                warn!("shutdown_grace is over: {} sessions abandoned", drain.active());
            }
            over.notify_one();
        };
        tokio::select! {
            result = indymilter::run(gate, milter::callbacks(self), settings, shutdown) => result,
            never = self.watch_lists() => match never {},
            () = async { over.notified().await; tokio::time::sleep(LAST_WORD).await } => Ok(()),
        }
    }

    fn next_id(&self, at: Timestamp) -> DecisionId {
        DecisionId { at, count: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}
