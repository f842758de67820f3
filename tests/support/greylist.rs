//! Attempts and stores for the tests of the greylist.

use super::directory::Directory;
use mailward::{
    cli::{self, Exit},
    config::settings,
    decision::Deferrals,
    greylist::{KnownBy, Settings},
    lookup::greylist::{Greylisted, Observation, Terms, Voucher},
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        session::{Identity, Session},
        subject::Subject,
    },
    store::{Entry, Exemption, ExemptionKind, Filter, GreylistStore, sqlite::SqliteStore},
    time::{Clock, FixedClock, SystemClock, Timestamp},
};
use std::{sync::Arc, time::Duration};

/// The time of the first attempts.
pub const T: i64 = 1_146_441_600;

/// A store's settings in a directory of the test's own.
pub fn settings(directory: &Directory) -> settings::Greylist {
    settings::Greylist { path: directory.path().join("greylist.db"), ..settings::Greylist::default() }
}

/// The store of these settings; its clock stands still at [`T`].
pub fn sqlite(directory: &Directory) -> SqliteStore {
    SqliteStore::new(&settings(directory), None, Arc::new(FixedClock::at(Timestamp(T))))
}

/// The same, one that hardly waits for a lock. Others wait as long as in service, for a loaded machine is slow.
pub fn impatient(directory: &Directory) -> SqliteStore {
    let settings = settings::Greylist { busy_timeout: Duration::from_millis(20), ..settings(directory) };
    SqliteStore::new(&settings, None, Arc::new(FixedClock::at(Timestamp(T))))
}

/// An attempt of `192.0.2.1`, some seconds after T.
pub fn attempt(sender: &str, after: i64) -> Observation {
    let (_, domain) = sender.rsplit_once('@').unwrap_or(("", ""));
    let voucher = |client: &str, sender_domain: &str, passes| Voucher {
        client: client.to_owned(),
        sender_domain: sender_domain.to_owned(),
        passes,
    };
    Observation {
        clients: vec!["192.0.2.0/24".to_owned()],
        network: "192.0.2.0/24".to_owned(),
        sender: sender.to_owned(),
        recipient: "to@rcpt.example".to_owned(),
        vouchers: vec![voucher("192.0.2.1", "", 2), voucher("192.0.2.0/24", domain, 1)],
        address: "192.0.2.1".to_owned(),
        name: String::new(),
        now: Timestamp(T + after),
        observed: false,
        brief: false,
        correspondent: sender.to_owned(),
        own_domain: true,
        terms: Terms::default(),
    }
}

/// An attempt so many seconds from now.
pub fn now(sender: &str, after: i64) -> Observation {
    attempt(sender, SystemClock.now().0 - T + after)
}

/// What the store says, in few words.
pub async fn say(store: &dyn GreylistStore, observation: Observation) -> String {
    match store.observe(Arc::new(observation)).await {
        Greylisted::Waits { left, why } => format!("{why:?} {}", left.as_secs()),
        Greylisted::Opened { waited } => format!("opened {}", waited.as_secs()),
        other => format!("{other:?}"),
    }
}

/// Which known clients pass by the default settings, at [`T`].
pub fn known_by() -> KnownBy {
    Settings::default().known_by(Timestamp(T))
}

/// All rows.
pub async fn rows(store: &dyn GreylistStore) -> Vec<Entry> {
    store.list(Filter::default()).await.unwrap()
}

/// What it says to several attempts, each with its time after T.
pub async fn says(store: &dyn GreylistStore, steps: &[(&str, i64, &str)]) {
    for (sender, after, want) in steps {
        assert_eq!(say(store, attempt(sender, *after)).await, *want, "{sender} {after}");
    }
}

/// Whether an attempt passes by these settings: a client's address and verified name (empty: none), sender and recipient.
pub async fn passes(
    store: &SqliteStore,
    settings: &Settings,
    at: i64,
    (address, name): (&str, &str),
    (sender, recipient): (&str, &str),
) -> bool {
    let mut session = Session::default();
    session.client.address = Some(address.parse().unwrap());
    if !name.is_empty() {
        session.client.identity = Identity::verified(name);
    }
    let envelope = Envelope { sender: Some(Path::new(sender)), ..Envelope::default() };
    let (recipient, carried) = (Path::new(recipient), Deferrals::default());
    let now = Timestamp(at);
    let request = Request {
        id: DecisionId { at: now, count: 1 },
        event: Event::Rcpt,
        stage: Stage::Recipient,
        subject: Subject::Recipient,
        session: &session,
        envelope: &envelope,
        recipient: Some(&recipient),
        message: None,
        now,
        carried: &carried,
        exemption: None,
    };
    let observation = settings.observation(&request, false).unwrap();
    match store.observe(Arc::new(observation)).await {
        Greylisted::Unavailable(why) => panic!("{why}"),
        said => !matches!(said, Greylisted::Waits { .. }),
    }
}

/// Runs `mailward greylist` on a directory's database: how it ended, what it answered, what it complained of.
pub fn command(directory: &Directory, greylist: &str, arguments: &[&str]) -> (Exit, String, String) {
    let path = settings(directory).path;
    let text = format!("[restrictions]\n[greylist]\nstore = 'sqlite:{}'\n{greylist}\n", path.display());
    let config = directory.file("mailward.toml", &text);
    let mut all = vec!["mailward", "greylist", "-c", config.to_str().unwrap()];
    all.extend(arguments);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    // A thread of its own, as a process would be: the command has a runtime of its own too.
    let exit = std::thread::scope(|scope| scope.spawn(|| cli::run(all, &mut out, &mut err)).join().unwrap());
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// What `mailward greylist` answers where nothing is wrong.
pub fn answer(directory: &Directory, arguments: &[&str]) -> String {
    let (exit, out, err) = command(directory, "", arguments);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""), "{arguments:?}");
    out
}

/// An exemption that ends some seconds after T, or never.
pub fn exemption(kind: ExemptionKind, value: &str, until: Option<i64>) -> Exemption {
    let until = until.map(|after| Timestamp(T + after));
    let (value, reason) = (value.to_owned(), "a test".to_owned());
    Exemption { kind, value, until, reason, created: Timestamp(T) }
}

/// The contract: each part gets a store of its own.
macro_rules! contract {
    ($($name:ident,)*) => { $(
        #[tokio::test]
        async fn $name() {
            let directory = Directory::new();
            contract::$name(&sqlite(&directory)).await;
        }
    )* };
}
pub(crate) use contract;

/// A directory with an empty greylist.
pub async fn empty() -> Directory {
    let directory = Directory::new();
    let store = sqlite(&directory);
    GreylistStore::forget(&store, Default::default(), Default::default()).await.unwrap();
    directory
}
