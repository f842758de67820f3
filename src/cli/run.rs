//! `mailward run`: serve in the foreground.

use super::{Exit, Failure};
use crate::{
    config::{
        settings::Config,
        source::{Source, allow_file},
    },
    journal::Journal,
    log::Log,
    server::{
        Server, control::Control, handover::Kept, life::Introduction, listener::Bound,
        metrics::http::Listener,
    },
    store::sqlite::SqliteStore,
    time::SystemClock,
};
use clap::Args as ClapArgs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use std::{convert::Infallible, io::Write, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

/// How often dropped log lines are looked for, and the longest time between two signs of life to systemd.
const TICK: Duration = Duration::from_secs(10);

/// Files beside the sessions: standard streams, listener, epoll, databases, the resolver's reserve.
const OTHER_FILES: u64 = 64;

/// Serve in the foreground.
///
/// Without -c and without /etc/mailward/mailward.toml the built-in policy is
/// served on inet:127.0.0.1:8895, and the line that attaches Postfix is printed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward run
  mailward run -c ./mailward.toml --verbose

Signals: SIGHUP reloads the configuration, SIGTERM and SIGINT finish the
sessions in flight and end.")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log debug lines too
    #[arg(short, long)]
    verbose: bool,
}

/// Runs the server until a signal ends it.
///
/// # Errors
/// A faulty configuration, a socket that cannot be bound, a resolver that cannot be set up.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let source = Source::find(args.config.as_deref());
    let loaded = source.load();
    let mut report = String::new();
    for diagnostic in &loaded.diagnostics {
        report.push_str(&diagnostic.to_string());
    }
    let Some(config) = loaded.config else {
        return Err(Failure::Says(
            Exit::Configuration,
            format!("{report}{source}: not started, the configuration has faults"),
        ));
    };
    let kept = Kept::take();
    let log = Log::start(args.verbose);
    report_panics();
    for diagnostic in &loaded.diagnostics {
        warn!("{}", diagnostic.line());
    }
    raise_file_limit(&config);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot start: {e}")))?;
    let result = runtime.block_on(serve(config, source, kept, &log, out));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(
    config: Config,
    source: Source,
    kept: Kept,
    log: &Log,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    // First of all: a signal that comes before its handler ends the process.
    let signals = Signals::new()
        .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot receive signals: {e}")))?;
    if config.policy.greylists() {
        SqliteStore::check(&config.greylist.located())
            .map_err(|e| Failure::Says(Exit::Configuration, format!("not started: {e}")))?;
    }
    Journal::check(&config.journal.located())
        .map_err(|e| Failure::Says(Exit::Configuration, format!("not started: {e}")))?;
    let bound = Bound::take_over(&config.socket, kept)
        .await
        .map_err(|e| Failure::Says(Exit::CannotCreate, e.to_string()))?;
    let socket = bound.name(&config.socket);
    let server = Server::new(config, Arc::new(SystemClock))
        .map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot set up the resolver: {e}")))?;
    server.allowances().open(&allow_file());
    let introduction =
        Introduction { socket: socket.clone(), source: source.to_string(), drops: Some(log.drops().clone()) };
    server.life().introduce(introduction);
    let beside = [control(&server).await, metrics(&server).await];
    server.start_journal();
    info!("mailward {} listens on {socket}, configuration: {source}", env!("CARGO_PKG_VERSION"));
    notify(&[NotifyState::Ready]);
    if !crate::log::to_journal() {
        // A closed standard output is no reason not to serve.
        let _ = out.write_all(super::attach::hint(&socket, &source).as_bytes()).and_then(|()| out.flush());
    }
    let result = server.serve(bound, signals.until_stop(&server, &source, log)).await;
    for task in beside.into_iter().flatten() {
        task.abort();
        // Its socket's file is gone when it has ended.
        let _ = task.await;
    }
    // How often exemptions were used is written down.
    server.allowances().look().await;
    if let Some(journal) = server.journal() {
        journal.close();
    }
    for (name, count) in server.counted().into_iter().filter(|(_, count)| *count > 0) {
        info!("counted since the start: {name} = {count}");
    }
    result.map_err(|e| Failure::Says(Exit::Unavailable, format!("cannot serve: {e}")))
}

/// Serves the control socket beside the mail, which does not depend on it.
async fn control(server: &Arc<Server>) -> Option<JoinHandle<Infallible>> {
    let path = server.running().config.control_socket.located()?;
    match Control::bind(&path).await {
        Ok(control) => Some(tokio::spawn(control.serve(server.clone()))),
        Err(e) => {
            warn!("`mailward status` gets no answer: {e}");
            None
        }
    }
}

/// Serves the metrics beside the mail, where that is wanted.
async fn metrics(server: &Arc<Server>) -> Option<JoinHandle<Infallible>> {
    let socket = server.running().config.metrics.clone()?;
    match Listener::bind(&socket).await {
        Ok(listener) => {
            info!("metrics can be fetched from {}", listener.name(&socket));
            Some(tokio::spawn(listener.serve(server.clone())))
        }
        Err(e) => {
            error!("the metrics cannot be fetched: {e}");
            None
        }
    }
}

/// The signals that the server obeys.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Completes at SIGTERM or SIGINT; until then reloads at SIGHUP, and looks after log, resolver and systemd. A reload
    /// runs beside: a table on a file system that hangs holds up neither the end nor the signs of life.
    async fn until_stop(mut self, server: &Arc<Server>, source: &Source, log: &Log) {
        let watchdog = sd_notify::watchdog_enabled();
        let mut tick = interval(watchdog.map_or(TICK, |timeout| (timeout / 2).min(TICK)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reload: Option<JoinHandle<()>> = None;
        let mut again = false;
        let mut dropped = 0;
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    again = reload.is_some();
                    if reload.is_none() {
                        reload = Some(begin_reload(server, source));
                    }
                }
                () = ended(&mut reload) => {
                    reload = again.then(|| begin_reload(server, source));
                    again = false;
                    if reload.is_none() {
                        notify(&[NotifyState::Ready]);
                    }
                }
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = tick.tick() => {
                    if watchdog.is_some() {
                        notify(&[NotifyState::Watchdog]);
                    }
                    server.refresh_resolver();
                    if log.drops().count() > dropped {
                        dropped = log.drops().count();
                        warn!("the log takes nothing: {dropped} lines dropped since the start");
                    }
                }
            }
        }
        notify(&[NotifyState::Stopping]);
    }
}

fn begin_reload(server: &Arc<Server>, source: &Source) -> JoinHandle<()> {
    let now = NotifyState::monotonic_usec_now();
    notify(&[NotifyState::Reloading].into_iter().chain(now).collect::<Vec<_>>());
    let (server, source) = (server.clone(), source.clone());
    tokio::spawn(async move { server.reload(&source).await })
}

/// Completes when the reload has; never without one. A panic in it is reported by the hook.
async fn ended(reload: &mut Option<JoinHandle<()>>) {
    match reload {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

/// Tells systemd; without systemd this does nothing.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        warn!("cannot tell systemd about our state: {e}");
    }
}

/// A panic is a bug; it goes into the log, and the callback it happened in answers on_bug.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let message = panic.payload_as_str().unwrap_or("no message");
        error!("bug: panic{place}: {}", crate::smtp::text::escaped(message));
    }));
}

/// Raises the soft limit of open files to the hard one, and says if it is still too low for `max_sessions`.
fn raise_file_limit(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(e) = setrlimit(Resource::Nofile, raised) {
        warn!("cannot raise the limit of open files: {e}");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else { return };
    // A session asks one policy service at a time.
    let policy = config.policy_service.max_in_flight.min(config.limits.max_sessions) as u64;
    let needed = config.limits.max_sessions as u64 + config.dns.max_in_flight as u64 + policy + OTHER_FILES;
    if files < needed {
        warn!(
            "{files} open files allowed, but max_sessions, [dns] max_in_flight and the rest may need {needed}: \
             beyond the limit connections wait (LimitNOFILE= in the unit raises it)"
        );
    }
}
