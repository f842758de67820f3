//! The greylist in SQLite: one thread with the one connection that writes, commits in groups and cleans up behind itself.
//!
//! A failure is told to the mails that wait for an answer, logged once, and mended where that is possible: a deleted file
//! is made anew, a corrupt one moved aside, everything else tried again.

mod admin;
mod checkpoint;
mod exemptions;
mod find;
mod forget;
mod observe;
mod open;
#[cfg(test)]
mod plans;
mod retries;
pub mod rows;
mod select;
mod steps;
mod transfer;
mod upkeep;
mod writer;

use super::{
    Counters, Entry, Exemption, Filter, Forgotten, GreylistStore, KnownClient, KnownFilter, KnownKey, Merged,
    Purged, Record, RowKey, Stats, StoreError,
};
use crate::{
    config::settings,
    greylist::{Ages, KnownBy, identity::Prefixes},
    lookup::greylist::{Greylisted, Observation, Outgoing},
    sqlite::{self, Mark},
    time::{Clock, Timestamp},
};
use futures_util::future::BoxFuture;
use observe::InUse;
use rusqlite::{Connection, TransactionBehavior};
use select::Change;
use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};
use tokio::sync::oneshot;
use tracing::error;
use writer::Writer;

/// How many jobs may wait for the writer; more than sessions that a server has.
const QUEUE: usize = 16_384;

/// A database failure that is the administrator's own request: it gets its own answer.
type Request = Box<dyn FnOnce(Result<&mut Connection, StoreError>) + Send>;

/// What the writer is to do.
enum Job {
    Observe(Arc<Observation>, oneshot::Sender<Greylisted>),
    Request(Request),
}

/// How long rows live, as the last reload said.
type SharedAges = Arc<Mutex<Ages>>;

/// The store. It opens its file at the first use, or at [`start`](Self::start).
pub struct SqliteStore {
    settings: settings::Greylist,
    ages: Option<SharedAges>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    writer: OnceLock<Option<SyncSender<Job>>>,
    /// Whether a corrupt file is moved aside and made anew, and an older one brought up to date.
    mends: bool,
}

impl SqliteStore {
    /// A store in the file of the settings. With `ages` it removes by itself what has expired.
    pub fn new(settings: &settings::Greylist, ages: Option<Ages>, clock: Arc<dyn Clock>) -> Self {
        let ages = ages.map(|ages| Arc::new(Mutex::new(ages)));
        let (counters, writer) = (Arc::default(), OnceLock::new());
        Self { settings: settings.clone(), ages, clock, counters, writer, mends: true }
    }

    /// A store for a command of an administrator, beside a server that may have the file open: a corrupt or older
    /// one is a fault, and stays as it is.
    pub fn beside_a_server(settings: &settings::Greylist, clock: Arc<dyn Clock>) -> Self {
        Self { mends: false, ..Self::new(settings, None, clock) }
    }

    /// How long rows live from now on; only for a store that removes them by itself.
    pub fn set_ages(&self, ages: Ages) {
        if let Some(shared) = &self.ages {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = ages;
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What its file is recognised by.
    pub fn mark() -> Mark {
        open::KIND.mark()
    }

    /// Opens the file now, so that what is wrong with it is logged now.
    pub fn start(&self) {
        self.writer();
    }

    /// Whether the file can be used by this version, without changing anything.
    ///
    /// # Errors
    /// As [`sqlite::check`].
    pub fn check(settings: &settings::Greylist) -> Result<(), StoreError> {
        Ok(sqlite::check(&open::file(settings), &open::KIND)?)
    }

    /// The same for a command, which mends nothing.
    ///
    /// # Errors
    /// Also when it cannot be read, or only the daemon may bring it up to date.
    pub fn check_as_it_is(settings: &settings::Greylist) -> Result<(), StoreError> {
        sqlite::open_to_read(&open::file(settings), &open::KIND)?;
        Ok(())
    }

    /// Makes the file now, with the owner of its directory, who is the daemon.
    ///
    /// # Errors
    /// As [`sqlite::open`].
    pub fn make(settings: &settings::Greylist) -> Result<(), StoreError> {
        sqlite::open(&open::file(settings), &open::KIND)?;
        Ok(())
    }

    fn writer(&self) -> Option<&SyncSender<Job>> {
        let start = || {
            let (sender, jobs) = sync_channel(QUEUE);
            let writer = Writer::new(
                self.settings.clone(),
                self.ages.clone(),
                self.clock.clone(),
                self.counters.clone(),
                self.mends,
            );
            let thread = thread::Builder::new().name("greylist".to_owned());
            match thread.spawn(move || writer.run(&jobs)) {
                Ok(_) => Some(sender),
                Err(e) => {
                    error!("the greylist has no thread: {e}");
                    None
                }
            }
        };
        self.writer.get_or_init(start).as_ref()
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let writer = self.writer().ok_or(StoreError::Busy("no thread"))?;
        writer.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => StoreError::Busy("too much to do"),
            TrySendError::Disconnected(_) => StoreError::Busy("the writer has ended"),
        })
    }

    /// Looks something up on the writer's thread, while other processes may write.
    fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        self.request(TransactionBehavior::Deferred, run)
    }

    /// Changes something. What is read first can then not be changed by others before it is written.
    fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        self.request(TransactionBehavior::Immediate, run)
    }

    /// Runs a request on the writer, in a transaction of its own.
    fn request<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let request: Request = Box::new(move |connection| {
            let result = connection.and_then(|connection| {
                let result = connection.transaction_with_behavior(behavior).and_then(|transaction| {
                    let result = run(&transaction)?;
                    transaction.commit()?;
                    Ok(result)
                });
                result.map_err(StoreError::from)
            });
            // Whoever asked may be gone.
            let _ = answer.send(result);
        });
        let sent = self.send(Job::Request(request));
        Box::pin(async move {
            sent?;
            answered.await.unwrap_or(Err(StoreError::Busy("the writer has ended")))
        })
    }
}

impl GreylistStore for SqliteStore {
    fn observe(&self, observation: Arc<Observation>) -> BoxFuture<'_, Greylisted> {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Job::Observe(observation, answer));
        Box::pin(async move {
            match sent {
                Ok(()) => answered.await.unwrap_or(Greylisted::Unavailable("the writer has ended")),
                Err(error) => Greylisted::Unavailable(error.words()),
            }
        })
    }

    fn peek(&self, observation: Arc<Observation>) -> BoxFuture<'_, Greylisted> {
        let file = open::file(&self.settings);
        let look = move || match sqlite::open_to_read(&file, &open::KIND) {
            Ok(Some(connection)) => {
                observe::observe(&connection, &observation, InUse::ALL, None).map_err(sqlite::Error::from)
            }
            // Nobody has come yet.
            Ok(None) => {
                Ok(crate::greylist::judge::judge(&observation.terms, observation.brief, observation.now, &[])
                    .said)
            }
            Err(error) => Err(error),
        };
        Box::pin(async move {
            match tokio::task::spawn_blocking(look).await {
                Ok(Ok(said)) => said,
                Ok(Err(error)) => Greylisted::Unavailable(error.words()),
                Err(_) => Greylisted::Unavailable("the look into it failed"),
            }
        })
    }

    fn learn(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), StoreError>> {
        self.write(move |connection| observe::learn(connection, &outgoing))
    }

    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        self.read(move |connection| select::list(connection, &filter))
    }

    fn pass(&self, filter: Filter, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move { Ok(self.change(filter, Change::Pass(now)).await?.0) })
    }

    fn forget(&self, filter: Filter, prefixes: Prefixes) -> BoxFuture<'_, Result<Forgotten, StoreError>> {
        let known = KnownFilter::of(&filter, prefixes).map(Arc::new);
        Box::pin(self.remove(filter, known))
    }

    fn exempt(&self, exemption: Exemption) -> BoxFuture<'_, Result<(), StoreError>> {
        self.write(move |connection| exemptions::exempt(connection, &exemption).map(drop))
    }

    fn revoke(&self, value: String) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.write(move |connection| exemptions::revoke(connection, &value))
    }

    fn exemptions(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Exemption>, StoreError>> {
        self.read(move |connection| exemptions::exemptions(connection, now))
    }

    fn import(
        &self,
        records: Vec<Record>,
        ages: Ages,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Merged, StoreError>> {
        self.write(move |connection| transfer::import(connection, &records, &ages, now))
    }

    fn rows_after(&self, key: Option<RowKey>, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        self.read(move |connection| transfer::rows(connection, key.as_ref(), limit))
    }

    fn known_after(
        &self,
        key: Option<KnownKey>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KnownClient>, StoreError>> {
        self.read(move |connection| transfer::known(connection, key.as_ref(), limit))
    }

    fn stats(&self, known: KnownBy) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.read(move |connection| admin::stats(connection, known))
    }

    fn purge(
        &self,
        ages: Ages,
        now: Timestamp,
        after: Option<RowKey>,
    ) -> BoxFuture<'_, Result<Purged, StoreError>> {
        self.write(move |connection| admin::purge(connection, &ages, now, after))
    }
}

/// A count from a column that anybody may have written with sqlite3.
fn count(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u32> {
    let value: i64 = row.get(column)?;
    Ok(u32::try_from(value.max(0)).unwrap_or(u32::MAX))
}
