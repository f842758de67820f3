//! The log: to journald when systemd started us, else to stderr with the time; through a bounded queue, so that a log
//! that takes nothing never holds up mail.

use rustix::fs::fstat;
use std::{
    fmt,
    io::{self, Write},
    mem, thread,
    time::Duration,
};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// How many lines wait for a slow log before further ones are dropped and counted.
const QUEUE_LINES: usize = 10_000;

/// How many bytes of lines are written at once.
const BUFFER: usize = 64 * 1024;

/// How long the queue's thread rests after several lines at once: whoever logs meanwhile need not wake it.
const REST: Duration = Duration::from_millis(5);

/// The running log. It writes what is queued when it is dropped.
pub struct Log {
    _worker: WorkerGuard,
    drops: Drops,
}

/// How many lines the log dropped, for whoever shows it.
#[derive(Clone, Debug)]
pub struct Drops(ErrorCounter);

impl Drops {
    /// The lines since the start.
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX)
    }
}

impl Log {
    /// Starts the log of the process; `verbose` adds the debug lines.
    pub fn start(verbose: bool) -> Self {
        let (writer, worker) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUE_LINES)
            .thread_name("log")
            .finish(Batches::new(io::stderr()));
        let drops = Drops(writer.error_counter());
        let format = if to_journal() { Format::Journal } else { Format::Plain };
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(if verbose { Level::DEBUG } else { Level::INFO })
            .with_writer(writer)
            .event_format(format)
            .finish();
        // A second start, as in tests that run the program's parts in one process, keeps the first log.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Self { _worker: worker, drops }
    }

    /// How many lines were dropped because the log took none.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }
}

/// What waits goes out in one piece: the queue's thread flushes whenever it has nothing left to write.
struct Batches<W: Write> {
    out: io::BufWriter<W>,
    /// The lines since the last flush.
    lines: usize,
}

impl<W: Write> Batches<W> {
    fn new(out: W) -> Self {
        Self { out: io::BufWriter::with_capacity(BUFFER, out), lines: 0 }
    }
}

impl<W: Write> Write for Batches<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines += 1;
        self.out.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        let busy = mem::take(&mut self.lines) > 1;
        self.out.flush()?;
        if busy {
            thread::sleep(REST);
        }
        Ok(())
    }
}

/// Whether stderr is journald's socket: systemd names its device and inode in JOURNAL_STREAM (systemd.exec(5)).
pub fn to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = fstat(io::stderr()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// How a line begins.
enum Format {
    /// With the priority that journald reads, and no time: sd-daemon(3).
    Journal,
    /// With time and level.
    Plain,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        match self {
            Self::Journal => write!(writer, "<{}>", priority(level))?,
            Self::Plain => {
                SystemTime.format_time(&mut writer)?;
                write!(writer, " {level:>5} ")?;
            }
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// syslog(3)'s number for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
