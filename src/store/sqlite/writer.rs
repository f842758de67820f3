//! The thread that writes: jobs in groups, one commit a group, answers after it.

use super::{
    Job, SharedAges,
    checkpoint::Checkpoints,
    observe::{InUse, observe},
    open,
    upkeep::Upkeep,
};
use crate::{
    config::settings,
    lookup::greylist::{Greylisted, Observation},
    sqlite::{self, Trouble},
    store::{Counters, StoreError, networks::Networks},
    time::Clock,
};
use rusqlite::{Connection, TransactionBehavior};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use tracing::{debug, error, info, warn};

/// How many jobs one commit takes at most.
const GROUP: usize = 256;
/// How long a store that cannot be opened is left alone.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a lock is waited for while it is known to be held: the mails of the time before have waited long enough.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);

/// An observation and who waits for it.
type Waiting = (Arc<Observation>, oneshot::Sender<Greylisted>);

/// The thread's state.
pub(super) struct Writer {
    settings: settings::Greylist,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    connection: Option<Connection>,
    /// What was in use, and the file's version at that time; `None` after we ourselves may have changed it.
    in_use: Option<(i64, InUse)>,
    networks: Networks,
    upkeep: Option<Upkeep>,
    checkpoints: Checkpoints,
    /// What is wrong, as it was logged; `None` while all is well.
    fault: Option<&'static str>,
    tried: Option<Instant>,
    mends: bool,
}

impl Writer {
    pub(super) fn new(
        settings: settings::Greylist,
        ages: Option<SharedAges>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
        mends: bool,
    ) -> Self {
        let upkeep = ages.map(|ages| Upkeep::new(ages, clock.clone()));
        let checkpoints = Checkpoints::new(open::file(&settings));
        Self {
            settings,
            clock,
            counters,
            connection: None,
            in_use: None,
            networks: Networks::default(),
            upkeep,
            checkpoints,
            fault: None,
            tried: None,
            mends,
        }
    }

    /// Works until nobody can send any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let _ = self.open();
        // A bug must not end greylisting until the next restart: who waits is told, the file is opened anew.
        while catch_unwind(AssertUnwindSafe(|| self.work(jobs))).is_err() {
            error!("bug: the greylist's writer panicked; it begins anew");
            self.connection = None;
        }
    }

    fn work(&mut self, jobs: &Receiver<Job>) {
        loop {
            let pause = self.upkeep.as_ref().map_or(Duration::from_secs(3_600), Upkeep::due_in);
            let mut next = match jobs.recv_timeout(pause) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // What came while the last group was committed is a group; to wait for more costs more than it saves.
            let mut group = Vec::new();
            while let Some(job) = next.take() {
                match job {
                    Job::Observe(observation, answer) => group.push((observation, answer)),
                    Job::Request(request) => {
                        self.observe(mem::take(&mut group));
                        self.in_use = None;
                        request(self.open());
                    }
                }
                if group.len() < GROUP {
                    next = jobs.try_recv().ok();
                }
            }
            self.observe(group);
            self.maintain();
            if let Some(connection) = &self.connection {
                self.checkpoints.after(connection);
            }
        }
    }

    /// One group: commits it, then answers.
    fn observe(&mut self, group: Vec<Waiting>) {
        if group.is_empty() {
            return;
        }
        let (mut observations, mut answers) = (Vec::new(), Vec::new());
        for (observation, answer) in group {
            observations.push(observation);
            answers.push(answer);
        }
        let result = self.committed(&observations);
        let said = result.unwrap_or_else(|error| {
            let words = error.words();
            self.failed(error);
            vec![Greylisted::Unavailable(words); answers.len()]
        });
        for (answer, said) in answers.into_iter().zip(said) {
            // A session may have given up at its deadline.
            let _ = answer.send(said);
        }
    }

    fn committed(&mut self, observations: &[Arc<Observation>]) -> Result<Vec<Greylisted>, StoreError> {
        self.open()?;
        let Self { connection, networks, in_use, .. } = self;
        let Some(connection) = connection else { return Err(StoreError::Busy("it is not open")) };
        let mut write = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let in_use = what_is_in_use(&transaction, in_use)?;
            let mut said = Vec::with_capacity(observations.len());
            for observation in observations {
                said.push(observe(&transaction, observation, in_use, Some(networks))?);
            }
            transaction.commit()?;
            Ok::<_, rusqlite::Error>(said)
        };
        let said = write()?;
        self.recovered();
        Ok(said)
    }

    /// The connection, opened if there is none. A file that was deleted or replaced under us is left.
    fn open(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.as_ref().is_some_and(sqlite::has_moved) {
            add(&self.counters.renewals);
            warn!("{} was deleted or replaced: it is made anew", self.settings.path.display());
            self.connection = None;
        }
        if self.connection.is_none() {
            let now = now();
            if let (Some(fault), Some(tried)) = (self.fault, self.tried)
                && now.duration_since(tried) < PAUSE
            {
                return Err(StoreError::Busy(fault));
            }
            self.tried = Some(now);
            match self.opened() {
                Ok(connection) => (self.connection, self.in_use) = (Some(connection), None),
                Err(error) => {
                    let words = error.words();
                    self.failed(error);
                    return Err(StoreError::Busy(words));
                }
            }
        }
        self.connection.as_mut().ok_or(StoreError::Busy("it is not open"))
    }

    /// Opens the file; a corrupt one is moved aside first.
    fn opened(&mut self) -> Result<Connection, StoreError> {
        let file = open::file(&self.settings);
        if !self.mends {
            return Ok(sqlite::open_as_it_is(&file, &open::KIND)?);
        }
        let opened = sqlite::open(&file, &open::KIND).or_else(|error| {
            if self.moved_aside(&error) { sqlite::open(&file, &open::KIND) } else { Err(error) }
        });
        Ok(opened?)
    }

    /// Keeps a corrupt file for whoever wants to look into it: whether it was one and its place is free now.
    fn moved_aside(&mut self, error: &sqlite::Error) -> bool {
        let sqlite::Error::Failed(Trouble::Corrupt, why) = error else { return false };
        if !self.mends {
            return false;
        }
        self.connection = None;
        let path = &self.settings.path;
        match sqlite::move_aside(path, self.clock.now().0) {
            Ok(aside) => {
                add(&self.counters.renewals);
                let (path, aside) = (path.display(), aside.display());
                error!("{path} is corrupt ({why}): moved aside as {aside}, a new one begins");
                true
            }
            Err(e) => {
                debug!("{e}");
                false
            }
        }
    }

    /// Says a fault once, and mends what can be mended.
    fn failed(&mut self, error: StoreError) {
        let StoreError::Database(error) = error else { return };
        if self.moved_aside(&error) {
            return;
        }
        let words = error.words();
        if self.fault != Some(words) {
            error!("the greylist cannot be used, on_store_failure decides: {error}");
            // Another fault on top of one is no second outage.
            if self.fault.replace(words).is_none() {
                add(&self.counters.faults);
            }
        }
        // SQLite opens for reading what it cannot open for writing, and would stay so: a new try may fare better. A lock
        // or a full disk goes away under an open file.
        if !matches!(error.trouble(), Some(Trouble::Locked | Trouble::Full)) {
            self.connection = None;
        }
        if let Some(connection) = &self.connection {
            let _ = connection.busy_timeout(SHORT_PATIENCE.min(self.settings.busy_timeout));
        }
    }

    fn recovered(&mut self) {
        if self.fault.take().is_some() {
            add(&self.counters.recoveries);
            info!("the greylist works again");
            if let Some(connection) = &self.connection {
                let _ = connection.busy_timeout(self.settings.busy_timeout);
            }
        }
    }

    fn maintain(&mut self) {
        if !self.upkeep.as_ref().is_some_and(|upkeep| upkeep.due_in().is_zero()) {
            return;
        }
        let opened = self.open().map(drop);
        // It stays where it is, and rests first: a bug in it must neither end it for good nor come again at once.
        let Some(upkeep) = &mut self.upkeep else { return };
        upkeep.pause();
        let stepped = opened.and_then(|()| match &mut self.connection {
            Some(connection) => upkeep.step(connection).map_err(StoreError::from),
            None => Ok(()),
        });
        if let Err(error) = stepped {
            self.failed(error);
        }
    }
}

/// What is in use, found out anew when another connection has written to the file. For a transaction that has begun to
/// write: nobody else changes anything until its end.
fn what_is_in_use(connection: &Connection, last: &mut Option<(i64, InUse)>) -> rusqlite::Result<InUse> {
    let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
    match *last {
        Some((then, in_use)) if then == version => Ok(in_use),
        Some(_) | None => {
            let in_use = InUse::now(connection)?;
            *last = Some((version, in_use));
            Ok(in_use)
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{greylist::Settings, time::Timestamp};
    use std::sync::{Mutex, atomic::AtomicBool};

    /// A clock with a bug.
    #[derive(Debug, Default)]
    struct Broken(AtomicBool);

    impl Clock for Broken {
        fn now(&self) -> Timestamp {
            assert!(self.0.load(Ordering::Relaxed), "a planted bug");
            Timestamp(1)
        }
    }

    #[test]
    fn a_bug_in_the_upkeep_neither_ends_it_nor_comes_again_at_once() {
        let directory = std::env::temp_dir().join(format!("mailward-upkeep-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file =
            settings::Greylist { path: directory.join("greylist.db"), ..settings::Greylist::default() };
        let ages = Arc::new(Mutex::new(Settings::default().ages()));
        let clock = Arc::new(Broken::default());
        let mut writer = Writer::new(file, Some(ages), clock.clone(), Arc::default(), true);
        writer.upkeep.as_mut().unwrap().hurry();
        assert!(catch_unwind(AssertUnwindSafe(|| writer.maintain())).is_err());
        let due = writer.upkeep.as_ref().map(Upkeep::due_in);
        assert!(due.is_some_and(|due| due > Duration::from_secs(1)), "{due:?}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
