//! The exemptions in force: a snapshot that each decision takes, kept up to date by a thread that also writes down how
//! often they were used. A file that fails takes no exemption away and holds up no mail.

use super::counters::Counters;
use crate::{
    allow::Exemptions,
    decision::{Decision, Written},
    request::Request,
    smtp::text::escaped,
    sqlite,
    store::allow::{AllowFile, Hits},
    time::Timestamp,
};
use std::{
    collections::HashMap,
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

/// How often the file is looked at when nobody says that it changed.
const EVERY: Duration = Duration::from_secs(5);
/// How long a lock of another process is waited for; a further look follows soon.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);
/// How many calls for a look may wait; one look serves them all.
const QUEUE: usize = 64;
/// How long whoever calls for a look waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The exemptions of a server.
pub struct Allowances {
    shared: Arc<Shared>,
    /// The thread that looks after the file.
    keeper: OnceLock<SyncSender<oneshot::Sender<()>>>,
    path: OnceLock<PathBuf>,
}

struct Shared {
    snapshot: RwLock<Arc<Exemptions>>,
    /// Uses since they were last written down, by the exemption's number.
    hits: Mutex<HashMap<i64, (u64, Timestamp)>>,
    counters: Arc<Counters>,
}

impl Allowances {
    /// No exemptions, until [`open`](Self::open).
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        let shared = Shared { snapshot: RwLock::default(), hits: Mutex::default(), counters };
        Self { shared: Arc::new(shared), keeper: OnceLock::new(), path: OnceLock::new() }
    }

    /// Takes up the exemptions of a file, and goes on doing so. It need not exist yet.
    pub fn open(&self, path: &Path) {
        let _ = self.path.set(path.to_owned());
        let (sender, calls) = sync_channel(QUEUE);
        let mut keeper = Keeper::new(path, self.shared.clone());
        // The first mail must find them.
        keeper.look();
        let thread = thread::Builder::new().name("allow".to_owned());
        match thread.spawn(move || keeper.run(&calls)) {
            Ok(_) => drop(self.keeper.set(sender)),
            Err(e) => {
                self.shared.counters.allow_faults.add();
                error!("the exemptions have no thread, later changes are not seen: {e}");
            }
        }
    }

    /// Takes up the exemptions of a file once, as they are. For who decides nothing in earnest.
    pub fn read(&self, path: &Path) {
        Keeper::new(path, self.shared.clone()).look();
    }

    /// The exemptions now.
    pub fn snapshot(&self) -> Arc<Exemptions> {
        self.shared.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file, once it is known.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.get().map(PathBuf::as_path)
    }

    /// Looks at the file now, and writes down the uses so far: whether that was done in time.
    pub async fn look(&self) -> bool {
        let Some(keeper) = self.keeper.get() else { return true };
        let (done, wait) = oneshot::channel();
        // A full queue means that somebody else waits for the same.
        if keeper.try_send(done).is_err() {
            return false;
        }
        matches!(tokio::time::timeout(PATIENCE, wait).await, Ok(Ok(())))
    }

    /// Counts a decision that an exemption took part in.
    pub(super) fn count(&self, exemptions: &Exemptions, request: &Request<'_>, decision: &Decision) {
        let Some(written) = request.exemption else { return };
        let by = |rule: &Written| std::ptr::eq(rule, written.as_ref());
        if !decision.steps.iter().any(|step| by(&step.rule.written)) {
            return;
        }
        self.shared.counters.decisions_exempted.add();
        if let Some(exempt) = exemptions.find(request) {
            self.shared.add(exempt.id, 1, request.now);
        }
    }
}

impl Shared {
    fn add(&self, id: i64, count: u64, last: Timestamp) {
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = hits.entry(id).or_insert((0, last));
        *noted = (noted.0.saturating_add(count), noted.1.max(last));
    }
}

/// The thread's state.
struct Keeper {
    path: PathBuf,
    shared: Arc<Shared>,
    file: Option<AllowFile>,
    /// The file's version that the snapshot shows.
    shown: Option<i64>,
    /// What is wrong, as it was logged; `None` while all is well.
    fault: Option<&'static str>,
}

impl Keeper {
    fn new(path: &Path, shared: Arc<Shared>) -> Self {
        Self { path: path.to_owned(), shared, file: None, shown: None, fault: None }
    }

    /// Works until the server is gone.
    fn run(mut self, calls: &Receiver<oneshot::Sender<()>>) {
        loop {
            let first = match calls.recv_timeout(EVERY) {
                Ok(done) => Some(done),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let waiting: Vec<_> = first.into_iter().chain(calls.try_iter()).collect();
            self.look();
            for done in waiting {
                // Whoever called may be gone.
                let _ = done.send(());
            }
        }
        self.look();
    }

    /// Writes down the uses, and takes up what changed.
    fn look(&mut self) {
        match self.looked() {
            Ok(()) => {
                if self.fault.take().is_some() {
                    self.shared.counters.allow_recoveries.add();
                    info!("{} can be read and written again", self.path.display());
                }
            }
            Err(error) => {
                self.file = None;
                let words = error.words();
                if self.fault != Some(words) {
                    warn!("the exemptions stay as they are: {}: {error}", self.path.display());
                    // Another fault on top of one is no second outage.
                    if self.fault.replace(words).is_none() {
                        self.shared.counters.allow_faults.add();
                    }
                }
            }
        }
    }

    fn looked(&mut self) -> Result<(), sqlite::Error> {
        if self.file.as_ref().is_some_and(AllowFile::has_moved) {
            self.file = None;
        }
        if self.file.is_none() {
            self.shown = None;
            self.file = AllowFile::open(&self.path, LOCK_PATIENCE)?;
        }
        let Some(file) = &self.file else {
            self.show(Vec::new());
            return Ok(());
        };
        let version = file.version()?;
        if self.shown != Some(version) {
            let kept = file.exemptions()?;
            self.show(kept);
            self.shown = Some(version);
        }
        self.note()
    }

    fn show(&self, kept: Vec<crate::allow::Exemption>) {
        let (exemptions, faults) = Exemptions::new(kept);
        for fault in faults {
            warn!("{} {}: it has no effect", self.path.display(), escaped(&fault));
        }
        let mut snapshot = self.shared.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        if snapshot.len() != exemptions.len() {
            info!("exemptions in force: {}", exemptions.len());
        }
        *snapshot = Arc::new(exemptions);
    }

    /// Uses that cannot be written down now are kept for the next time.
    fn note(&mut self) -> Result<(), sqlite::Error> {
        let taken = mem::take(&mut *self.shared.hits.lock().unwrap_or_else(PoisonError::into_inner));
        let hits: Vec<Hits> = taken.into_iter().map(|(id, (count, last))| Hits { id, count, last }).collect();
        let Some(file) = self.file.as_mut().filter(|_| !hits.is_empty()) else { return Ok(()) };
        let noted = file.note(&hits);
        if noted.is_err() {
            hits.iter().for_each(|hits| self.shared.add(hits.id, hits.count, hits.last));
        }
        noted
    }
}
