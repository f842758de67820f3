//! `mailward greylist import`: takes over what another greylister has learnt, so that nobody waits again.
//!
//! Each format has a file that turns it into [`Item`]s; [`keys`] says under which of our keys they will be found; here they
//! go to the store, in transactions so short that a running daemon does not notice.

mod berkeley;
mod dump;
mod greylistd;
mod keys;
mod lines;
mod milter_greylist;
mod own;
mod postgrey;
mod report;
mod sheet;
mod spamd;
mod sqlgrey;
mod unreadable;

use super::Context;
use crate::{
    cli::{Exit, Failure},
    greylist::Ages,
    store::{GreylistStore, Merged, Record, merge},
    time::{Timestamp, parse_duration},
};
use clap::ValueEnum;
use keys::Keys;
use report::{Kind, Progress, Report};
use std::{
    fmt, mem,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Take over the rows and known clients of another greylister
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = DETAILS)]
pub(super) struct Args {
    /// What wrote it
    #[arg(value_enum)]
    from: Format,
    /// The file, postgrey's and greylistd's also as their directory; `-` for standard input where it is text
    file: PathBuf,
    /// Change nothing, only say what there is
    #[arg(long)]
    pub(super) dry_run: bool,
    /// postgrey and milter-greylist: the delay that it was set to, by which its
    /// rows passed or began [default: theirs, 5m and 30m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    delay: Option<Duration>,
    /// milter-greylist: the `autowhite` that it was set to
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1d")]
    autowhite: Duration,
}

const EXAMPLES: &str = "Examples:
  mailward greylist import postgrey /var/lib/postgrey --dry-run
  spamdb | mailward greylist import spamd -

`--help` says what becomes of each format's entries.";

const DETAILS: &str = "\
Passed rows stay passed, known clients stay known, and who waits goes on waiting
from its first attempt. What is too old by [greylist] is left out. What mailward
has learnt itself is never made worse, so that importing twice changes nothing
and an interrupted import can be run again. It may run beside the daemon, and
before it ever ran. Senders are brought into the form in which mailward looks
them up: what both forms leave out of an address (numbers, tags, extensions) may
be left out already, what mailward keeps must be there. A passed row makes its
network known for the sender's domain, as if mailward had seen it pass (not with
`profile = \"postgrey\"`): so more known clients may be new than the file has.

postgrey         its directory (/var/lib/postgrey), one of its files, or the
                 text of db5.3_dump. Stop postgrey first: what it has not
                 written into its files yet would be missing. After a crash
                 start and stop it once. Networks and counts of clients stay as
                 they are; who passed everywhere (5 counts) still does. Rows
                 hashed by --privacy cannot be read.
sqlgrey          its SQLite file, or a table as CSV (or tabs) with the names of
                 its columns and times in Unix seconds. PostgreSQL:
                   \\copy (SELECT sender_name, sender_domain, src, rcpt,
                   extract(epoch FROM first_seen)::bigint AS first_seen
                   FROM connect) TO connect.csv CSV HEADER
                 MySQL: mysql -B -e 'SELECT sender_name, sender_domain, src,
                   UNIX_TIMESTAMP(first_seen) AS first_seen,
                   UNIX_TIMESTAMP(last_seen) AS last_seen FROM from_awl'
                 connect waits; from_awl and domain_awl make a network known for
                 a sender domain (not with `profile = \"postgrey\"`). Tables of
                 who opted in or out are not taken over, since their meaning
                 depends on sqlgrey's `optmethod`; the report says how to.
milter-greylist  greylist.db. AUTO rows have passed, the others wait.
greylistd        its directory (/var/lib/greylistd), or its file `states` with
                 `triplets` beside it. White rows have passed.
spamd            what `spamdb` prints. WHITE addresses are known clients.
csv              what `mailward greylist export` printed, with --known, with
                 --exemptions or with neither. An exemption that is there
                 already stays if it does not end sooner.

Example:
  systemctl stop postgrey
  mailward greylist import postgrey /var/lib/postgrey";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Postgrey,
    Sqlgrey,
    MilterGreylist,
    Greylistd,
    Spamd,
    Csv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgrey => "postgrey",
            Self::Sqlgrey => "sqlgrey",
            Self::MilterGreylist => "milter-greylist",
            Self::Greylistd => "greylistd",
            Self::Spamd => "spamd",
            Self::Csv => "csv",
        })
    }
}

/// What one entry of a format comes to.
enum Item {
    /// Records to take over.
    Records(Vec<Record>),
    /// An entry of which mailward has no use, such as a blacklisted address.
    Unused,
    /// It cannot be understood: where it stands, and why.
    Fault(String, String),
}

impl Item {
    /// The records, or the fault of what stands at a place.
    fn at(place: impl fmt::Display, records: Result<Vec<Record>, String>) -> Self {
        match records {
            Ok(records) if records.is_empty() => Self::Unused,
            Ok(records) => Self::Records(records),
            Err(why) => Self::Fault(place.to_string(), why),
        }
    }
}

/// A format's entries; an error is one behind which nothing can be read any more.
type Items<'a> = Box<dyn Iterator<Item = Result<Item, String>> + 'a>;

/// Imports.
pub(super) async fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let keys = Keys::new(context.settings, context.now, format!("import:{}", args.from));
    let items = open(args, &keys, context)?;
    if args.from == Format::Sqlgrey {
        sqlgrey::tell_left_out(&args.file, context)?;
    }
    let mut report = Report::new(args.from, args.dry_run);
    let taken = take(items, args.dry_run, &mut report, context).await;
    let stopped = match &taken {
        Ok(stopped) => stopped.clone(),
        Err(_) => Some("the greylist could not take it all".to_owned()),
    };
    report.print(stopped.as_deref(), context)?;
    taken?;
    let file = args.file.display();
    if let Some(why) = stopped {
        let message = format!("{file}: {why}: what stands behind this was not read");
        return Err(Failure::Says(Exit::Data, message));
    }
    if report.is_useless() {
        let message = format!("{file}: nothing in it could be read as {}", args.from);
        return Err(Failure::Says(Exit::Data, message));
    }
    Ok(())
}

fn open<'a>(args: &Args, keys: &'a Keys<'a>, context: &mut Context<'_>) -> Result<Items<'a>, Failure> {
    let delay = |default| args.delay.unwrap_or(Duration::from_secs(default));
    let file = args.file.as_path();
    let opened = match args.from {
        Format::Postgrey => {
            postgrey::refuse_running(file, args.dry_run, context)?;
            postgrey::open(file, delay(300), keys)
        }
        Format::Sqlgrey => sqlgrey::open(file, keys),
        Format::MilterGreylist => milter_greylist::open(file, delay(1_800), args.autowhite, keys),
        Format::Greylistd => greylistd::open(file, keys),
        Format::Spamd => spamd::open(file, keys),
        Format::Csv => own::open(file, keys),
    };
    opened.map_err(|why| why.failure(file))
}

/// Takes over all items; the words say why it ended before the end.
async fn take(
    items: Items<'_>,
    dry_run: bool,
    report: &mut Report,
    context: &mut Context<'_>,
) -> Result<Option<String>, Failure> {
    let mut batch = Batch::new(dry_run, context.settings.ages(), context.now);
    let mut progress = Progress::new();
    for item in items {
        match item {
            Ok(Item::Records(records)) => {
                report.count(&records);
                batch.add(records, report, context).await?;
            }
            Ok(Item::Unused) => report.unused(),
            Ok(Item::Fault(place, why)) => report.fault(&place, &why),
            Err(why) => {
                batch.send(report, context).await?;
                progress.end(context.err)?;
                return Ok(Some(why));
            }
        }
        progress.show(report, context.err)?;
    }
    batch.send(report, context).await?;
    progress.end(context.err)?;
    Ok(None)
}

/// How long one transaction should take: a daemon beside us waits for it.
const STEP: Duration = Duration::from_millis(25);

/// Records on their way to the store.
struct Batch {
    dry_run: bool,
    ages: Ages,
    now: Timestamp,
    records: Vec<Record>,
    /// How many go in one transaction: as many as the last ones showed to fit.
    size: usize,
}

impl Batch {
    fn new(dry_run: bool, ages: Ages, now: Timestamp) -> Self {
        Self { dry_run, ages, now, records: Vec::new(), size: 50 }
    }

    async fn add(
        &mut self,
        records: Vec<Record>,
        report: &mut Report,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        // What an entry makes beside itself cannot be counted before it is written: others may make the same.
        let own = if self.dry_run { 1 } else { records.len() };
        self.records.extend(records.into_iter().take(own));
        if self.records.len() < self.size { Ok(()) } else { self.send(report, context).await }
    }

    async fn send(&mut self, report: &mut Report, context: &mut Context<'_>) -> Result<(), Failure> {
        let records = mem::take(&mut self.records);
        let mut kinds = Kind::ALL.map(|kind| (kind, Vec::<Record>::new()));
        for record in records {
            let own = Kind::of(&record);
            if let Some((_, all)) = kinds.iter_mut().find(|(kind, _)| *kind == own) {
                all.push(record);
            }
        }
        let begun = Instant::now();
        for (kind, records) in kinds {
            if self.dry_run {
                report.merged(kind, self.judged(&records));
            } else if !records.is_empty() {
                report.merged(kind, context.store.import(records, self.ages, self.now).await?);
            }
        }
        if self.dry_run {
            return Ok(());
        }
        let took = begun.elapsed();
        self.size = if took > STEP { self.size / 2 } else { self.size + self.size / 4 }.clamp(10, 2_000);
        // The daemon's turn.
        sleep(took).await;
        Ok(())
    }

    /// What would become of records, were the store empty.
    fn judged(&self, records: &[Record]) -> Merged {
        let mut all = Merged::default();
        for record in records {
            let outcome = match record {
                Record::Row(row) => merge::row(None, row, &self.ages, self.now),
                Record::Known(known) => merge::known(None, known, &self.ages, self.now),
                Record::Exemption(exemption) => merge::exemption(None, exemption, self.now),
            };
            match outcome {
                merge::Outcome::Expired => all.expired += 1,
                merge::Outcome::Same => all.same += 1,
                merge::Outcome::Added(_) | merge::Outcome::Changed(_) => all.added += 1,
            }
        }
        all
    }
}

/// A name for a file in messages.
fn named(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
