//! The thread that writes: jobs in groups, one commit a group, answers after it.

mod repair;

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
    sqlite::Trouble,
    store::{Counters, StoreError, networks::Networks},
    time::Clock,
};
use rusqlite::{Connection, TransactionBehavior};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use tracing::error;

/// How many jobs one commit takes at most.
const GROUP: usize = 256;

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
    /// When a file that could not be opened is tried again.
    next_try: Option<Instant>,
    /// A corrupt file that was moved aside, until what can be saved of it is.
    aside: Option<PathBuf>,
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
            next_try: None,
            aside: None,
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
            let (mut group, mut taken) = (Vec::new(), 0);
            while let Some(job) = next.take() {
                taken += 1;
                match job {
                    Job::Observe(observation, answer) => group.push((observation, answer)),
                    Job::Request(request) => {
                        self.observe(mem::take(&mut group));
                        self.in_use = None;
                        request(self.open());
                    }
                }
                // Requests count too: however many come, upkeep has its turn.
                if taken < GROUP {
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
        let said = match self.committed(&observations) {
            Ok(said) => said,
            // One mail's row, or what one adds to a full disk, is not the others' affair.
            Err(error) if observations.len() > 1 && concerns_one(&error) => {
                observations.chunks(1).flat_map(|one| self.committed_or_unavailable(one)).collect()
            }
            Err(error) => self.unavailable(error, observations.len()),
        };
        for (answer, said) in answers.into_iter().zip(said) {
            // A session may have given up at its deadline.
            let _ = answer.send(said);
        }
    }

    fn committed_or_unavailable(&mut self, observations: &[Arc<Observation>]) -> Vec<Greylisted> {
        self.committed(observations).unwrap_or_else(|error| self.unavailable(error, observations.len()))
    }

    fn unavailable(&mut self, error: StoreError, observations: usize) -> Vec<Greylisted> {
        let words = error.words();
        self.failed(error);
        vec![Greylisted::Unavailable(words); observations]
    }

    fn committed(&mut self, observations: &[Arc<Observation>]) -> Result<Vec<Greylisted>, StoreError> {
        self.open()?;
        let Self { connection, networks, in_use, .. } = self;
        let Some(connection) = connection else { return Err(StoreError::Busy("it is not open")) };
        let changes = connection.total_changes();
        // A panic may have left counts of a transaction that was undone.
        networks.undo();
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
        let said = write();
        let written = connection.total_changes() != changes;
        if said.is_ok() {
            networks.keep()
        } else {
            networks.undo()
        }
        let said = said?;
        // To read, a full disk is as good as any.
        if written || self.fault != Some(Trouble::Full.words()) {
            self.recovered();
        }
        Ok(said)
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

/// Whether an error may be that of one mail among those of its group.
fn concerns_one(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(error)
        if matches!(error.trouble(), Some(Trouble::Full | Trouble::Memory | Trouble::Other)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        greylist::Settings,
        lookup::greylist::{Terms, Wait},
        time::{FixedClock, Timestamp},
    };
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    /// A place of a test's own for a file.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("mailward-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }

        fn writer(&self, ages: Option<SharedAges>, clock: Arc<dyn Clock>) -> Writer {
            let path = self.0.join("greylist.db");
            let settings = settings::Greylist { path, ..settings::Greylist::default() };
            Writer::new(settings, ages, clock, Arc::default(), true)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

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
        let place = Place::new("upkeep");
        let ages = Arc::new(Mutex::new(Settings::default().ages()));
        let mut writer = place.writer(Some(ages), Arc::new(Broken::default()));
        writer.upkeep.as_mut().unwrap().hurry();
        assert!(catch_unwind(AssertUnwindSafe(|| writer.maintain())).is_err());
        let due = writer.upkeep.as_ref().map(Upkeep::due_in);
        assert!(due.is_some_and(|due| due > Duration::from_secs(1)), "{due:?}");
    }

    /// What a group says to mails of these senders.
    fn said(writer: &mut Writer, senders: &[&str], at: i64) -> Vec<Greylisted> {
        let mails = senders.iter().map(|sender| {
            let observation = Observation {
                clients: vec!["192.0.2.0/24".to_owned()],
                network: "192.0.2.0/24".to_owned(),
                sender: (*sender).to_owned(),
                recipient: "to@rcpt.example".to_owned(),
                vouchers: Vec::new(),
                address: "192.0.2.1".to_owned(),
                name: String::new(),
                now: Timestamp(at),
                observed: false,
                brief: false,
                correspondent: String::new(),
                own_domain: false,
                terms: Terms { waiting_limit: 3, ..Terms::default() },
            };
            let (answer, answered) = oneshot::channel();
            ((Arc::new(observation), answer), answered)
        });
        let (group, answers): (_, Vec<_>) = mails.unzip();
        writer.observe(group);
        answers.into_iter().map(|mut answered| answered.try_recv().unwrap()).collect()
    }

    #[test]
    fn a_full_disk_is_the_trouble_of_what_must_be_written_and_counts_for_nothing() {
        let place = Place::new("full");
        let mut writer = place.writer(None, Arc::new(FixedClock::at(Timestamp(0))));
        let waits = |why| Greylisted::Waits { left: Duration::from_secs(240), why };
        assert_eq!(said(&mut writer, &["a@x.example"], 0), [waits(Wait::New)]);
        let opened = Greylisted::Opened { waited: Duration::from_secs(240) };
        assert_eq!(said(&mut writer, &["a@x.example"], 240), [opened]);
        let limit = |writer: &Writer, pages: i64| {
            let connection = writer.connection.as_ref().unwrap();
            // Free pages would be room.
            connection.execute_batch("PRAGMA incremental_vacuum").unwrap();
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        limit(&writer, 1);
        let full = Greylisted::Unavailable("the disk is full");
        let long = ["y".repeat(9_000), "z".repeat(9_000)];
        for _ in 0..10 {
            let got = said(&mut writer, &[&long[0], "a@x.example", &long[1]], 241);
            assert_eq!(got, [full, Greylisted::Passed, full]);
        }
        let faults = |writer: &Writer| {
            let counters = &writer.counters;
            [&counters.faults, &counters.recoveries].map(|counter| counter.load(Ordering::Relaxed))
        };
        assert_eq!(faults(&writer), [1, 0], "what only reads is no recovery");
        limit(&writer, 1_000_000);
        assert_eq!(said(&mut writer, &["b@x.example", "c@x.example"], 242), [waits(Wait::New); 2]);
        assert_eq!(faults(&writer), [1, 1]);
        let both = said(&mut writer, &["d@x.example", "e@x.example"], 243);
        assert_eq!(both, [waits(Wait::New), waits(Wait::TooMany)]);
    }
}
