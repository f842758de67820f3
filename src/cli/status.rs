//! `mailward status`: asks the running daemon how it is, with the exit codes and, if wanted, the line of a monitoring
//! plugin (Monitoring Plugins Development Guidelines).

use super::{Exit, configured, control, control::Unanswered, probe};
use crate::{
    config::source::Source,
    server::{
        control::{Answer, Request},
        status::{Decisions, Exempted, Journal, Resolver, Sessions, Status, Working},
    },
    smtp::text::escaped,
    time::Timestamp,
};
use clap::Args as ClapArgs;
use serde::Serialize;
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Ask the running daemon how it is.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  mailward status
  mailward status --nagios

To see whether the milter's socket answers, the command connects to it once.

Exit status, as of a monitoring plugin:
  0  all is well
  1  warning: a DNS list is set aside, the resolver is silent, the greylist's
     database, the journal or allow.db fails, decisions were not recorded, a
     reload was refused, log lines were dropped, or a bug was caught; mail is
     served
  2  critical: the daemon does not run or does not answer, or its milter
     socket, which is tried, does not negotiate
  3  unknown: the configuration has faults, or the daemon may not be asked")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long, conflicts_with = "nagios")]
    json: bool,
    /// Print one line with performance data, for Nagios, Icinga and their kin
    #[arg(long)]
    nagios: bool,
}

/// How many problems the first line names; a page or a text message shows no more.
const SHOWN_PROBLEMS: usize = 3;

/// How bad it is, by the plugins' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Success,
            Self::Warning => Exit::Warning,
            Self::Critical => Exit::Critical,
            Self::Unknown => Exit::Unknown,
        }
    }
}

/// What is printed: the daemon's own account, and what follows from it.
#[derive(Debug, Serialize)]
struct Report {
    level: Level,
    problems: Vec<String>,
    #[serde(flatten)]
    status: Option<Status>,
}

/// Runs the command.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> io::Result<Exit> {
    let report = look(args);
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report).map_err(io::Error::other)?)?;
    } else {
        let performance = report.status.as_ref().filter(|_| args.nagios).map(performance);
        writeln!(out, "{}{}", first_line(&report), performance.unwrap_or_default())?;
        if !args.nagios {
            write!(
                out,
                "{}",
                report.status.as_ref().map(|status| details(status, &report.problems)).unwrap_or_default()
            )?;
        }
    }
    Ok(report.level.exit())
}

fn look(args: &Args) -> Report {
    let without = |level, problem| Report { level, problems: vec![problem], status: None };
    let source = Source::find(args.config.as_deref());
    let mut loaded = source.load();
    let Some(config) = loaded.config.take() else {
        return without(Level::Unknown, configured::refusal(&source, &loaded));
    };
    let Some(path) = config.control_socket.located() else {
        return without(Level::Unknown, "control_socket is \"off\": nobody can be asked".to_owned());
    };
    let at = |what: &Unanswered| format!("{what} ({})", path.display());
    match control::ask(&path, &Request::Status) {
        Ok(Answer::Status(status)) => judge(*status),
        Ok(Answer::Done | Answer::Metrics(_) | Answer::Error(_)) => {
            without(Level::Unknown, "the daemon is of another version".to_owned())
        }
        Err(what @ Unanswered::Silent(_)) => without(Level::Critical, at(&what)),
        Err(what @ (Unanswered::Denied | Unanswered::Says(_))) => without(Level::Unknown, at(&what)),
    }
}

/// What is wrong, the worst first.
fn judge(status: Status) -> Report {
    let mut problems = Vec::new();
    let mut level = Level::Ok;
    if let Err(why) = probe::negotiate(&status.socket) {
        level = Level::Critical;
        problems.push(format!("{} does not serve the MTA: {why}", status.socket));
    }
    let warnings = warnings(&status);
    if !warnings.is_empty() {
        level = level.max(Level::Warning);
    }
    problems.extend(warnings);
    Report { level, problems, status: Some(status) }
}

fn warnings(status: &Status) -> Vec<String> {
    let mut found = Vec::new();
    let mut warn = |is: bool, text: String| found.extend(is.then_some(text));
    warn(status.bugs > 0, format!("{} caught: see the log", counted(status.bugs, "bug")));
    let refused = status.configuration.refused.is_some();
    warn(refused, "the last reload was refused, the old configuration stays".to_owned());
    let broken = status.greylist.as_ref().is_some_and(|store| !store.works);
    warn(broken, "the greylist's database fails".to_owned());
    let journal = status.journal.as_ref();
    warn(journal.is_some_and(|journal| !journal.file.works), "the journal's file fails".to_owned());
    let lost = journal.map_or(0, |journal| journal.dropped);
    warn(lost > 0, format!("{} not recorded", counted(lost, "decision")));
    warn(!status.exemptions.file.works, "allow.db fails, the exemptions stay as they are".to_owned());
    warn(!status.resolver.answers, "no DNS server answers".to_owned());
    for list in status.lists.iter().filter(|list| list.state == "set_aside") {
        warn(true, format!("{} is set aside", list.zone));
    }
    let dropped = counted(status.log_dropped, "log line");
    warn(status.log_dropped > 0, format!("{dropped} dropped"));
    let full = status.sessions.now >= status.sessions.limit;
    warn(full, format!("max_sessions = {} is reached", status.sessions.limit));
    found
}

/// `mailward OK - 812 decisions, 61% refused, 3 sessions`, or what is wrong.
fn first_line(report: &Report) -> String {
    let said = match (&report.status, report.problems.is_empty()) {
        (Some(status), true) => {
            let Status { decisions, sessions, .. } = status;
            let all = decisions.all();
            let refused = (decisions.defer + decisions.reject) * 100 / all.max(1);
            let (decisions, sessions) = (counted(all, "decision"), counted(sessions.now, "session"));
            let would = if status.mode == "observe" { "would be " } else { "" };
            format!("{decisions}, {refused}% {would}refused, {sessions}")
        }
        _ => match report.problems.split_at_checked(SHOWN_PROBLEMS) {
            Some((first, rest)) if !rest.is_empty() => format!("{}; {} more", first.join("; "), rest.len()),
            Some(_) | None => report.problems.join("; "),
        },
    };
    // The bar begins the performance data.
    format!("mailward {} - {}", report.level.word(), escaped(&said).replace('|', "/"))
}

/// ` | permit=300c …`: label, value and unit; `c` is a counter.
fn performance(status: &Status) -> String {
    let Status { decisions, sessions, resolver, .. } = status;
    let aside = status.lists.iter().filter(|list| list.state == "set_aside").count();
    format!(
        " | permit={}c defer={}c reject={}c discard={}c greylisted={}c exempted={}c sessions={};{};;0;{} \
         connections={}c dns_questions={}c dns_timeouts={}c lists_set_aside={aside} log_dropped={}c bugs={}c journal_dropped={}c uptime={}s",
        decisions.permit,
        decisions.defer,
        decisions.reject,
        decisions.discard,
        decisions.greylisted,
        decisions.exempted,
        sessions.now,
        sessions.limit.saturating_sub(1),
        sessions.limit,
        sessions.total,
        resolver.questions,
        resolver.timeouts,
        status.log_dropped,
        status.bugs,
        status.journal.as_ref().map_or(0, |journal| journal.dropped),
        seconds(status.started, status.now),
    )
}

/// Everything, a subject a line; problems again only if the first line has no room for all.
fn details(status: &Status, problems: &[String]) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        out.push_str(format!("{name:<15}{}", escaped(&text)).trim_end());
        out.push('\n');
    };
    for problem in problems.iter().filter(|_| problems.len() > SHOWN_PROBLEMS) {
        line("problem", problem.clone());
    }
    let Status { decisions, sessions, resolver, configuration, .. } = status;
    let up = long(seconds(status.started, status.now));
    line("version", format!("{}, process {}, up {up}", status.version, status.pid));
    line("mode", status.mode.clone());
    line("socket", status.socket.clone());
    line("configuration", configuration.source.clone());
    line("", format!("loaded {}", configuration.loaded.rfc5322()));
    if let Some(refused) = configuration.refused {
        line("", format!("a later one was refused {}", refused.rfc5322()));
    }
    let Sessions { now, most, limit, total } = sessions;
    line("sessions", format!("{now} now, {most} at most so far, limit {limit}, {total} since the start"));
    let Decisions { permit, defer, reject, discard, .. } = decisions;
    line("decisions", format!("permit {permit}, defer {defer}, reject {reject}, discard {discard}"));
    line("", format!("greylisted {}, exempted {}", decisions.greylisted, decisions.exempted));
    for (number, list) in status.lists.iter().enumerate() {
        let name = if number == 0 { "DNS lists" } else { "" };
        line(name, format!("{}: {}", list.zone, list.state.replace('_', " ")));
        let reason = list.trouble.iter().map(|trouble| format!("it {trouble}"));
        for part in reason.chain(list.advice.clone()) {
            crate::smtp::text::wrap(&part, 61).into_iter().for_each(|part| line("", format!("  {part}")));
        }
    }
    let answers = if resolver.answers { "answers" } else { "does not answer" };
    let Resolver { questions, timeouts, outages, .. } = resolver;
    line("resolver", format!("{answers}; {questions} questions, {timeouts} timeouts, {outages} outages"));
    match &status.greylist {
        Some(store) => line("greylist", works(store)),
        None => line("greylist", "not used by the policy".to_owned()),
    }
    match &status.journal {
        Some(Journal { rows, written, queued, dropped, file }) => {
            line("journal", format!("{rows} rows; {}", works(file)));
            line("", format!("{written} written since the start, {queued} waiting, {dropped} lost"));
        }
        None => line("journal", "nothing is recorded".to_owned()),
    }
    let Exempted { count, file } = &status.exemptions;
    line("exemptions", format!("{count}; the file {}", works(file)));
    line("log", format!("{} dropped", counted(status.log_dropped, "line")));
    line("bugs", status.bugs.to_string());
    out
}

fn works(part: &Working) -> String {
    let state = if part.works { "works" } else { "fails" };
    format!("{state}; {}, {}", counted(part.faults, "fault"), counted(part.recoveries, "time")) + " recovered"
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

/// A time in its two largest units.
fn long(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::server::status::{Configuration, List};

    /// A daemon without any fault.
    pub(in crate::cli) fn well() -> Status {
        let working = || Working { works: true, faults: 0, recoveries: 0 };
        Status {
            version: "1".to_owned(),
            pid: 1,
            started: Timestamp(0),
            now: Timestamp(90_061),
            mode: "enforce".to_owned(),
            socket: "inet:127.0.0.1:1".to_owned(),
            configuration: Configuration {
                source: "f".to_owned(),
                loaded: Timestamp(0),
                refused: None,
                digest: String::new(),
            },
            sessions: Sessions { now: 1, most: 2, limit: 10, total: 3 },
            decisions: Decisions { permit: 1, defer: 1, reject: 1, discard: 1, greylisted: 1, exempted: 0 },
            lists: Vec::new(),
            resolver: Resolver { answers: true, questions: 1, timeouts: 0, outages: 0 },
            greylist: Some(working()),
            journal: Some(Journal { rows: 1, written: 1, queued: 0, dropped: 0, file: working() }),
            exemptions: Exempted { count: 0, file: working() },
            log_dropped: 0,
            bugs: 0,
        }
    }

    fn journal(status: &mut Status) -> &mut Journal {
        status.journal.as_mut().unwrap()
    }

    #[test]
    fn each_fault_is_a_warning_and_named() {
        assert_eq!(warnings(&well()), [""; 0]);
        let broken = || Working { works: false, faults: 1, recoveries: 0 };
        let aside = List {
            zone: "bl.example".to_owned(),
            place: "f:1".to_owned(),
            state: "set_aside".to_owned(),
            trouble: None,
            advice: None,
        };
        type Change = Box<dyn Fn(&mut Status)>;
        let cases: [(&str, Change); 10] = [
            ("1 bug caught: see the log", Box::new(|s| s.bugs = 1)),
            (
                "the last reload was refused, the old configuration stays",
                Box::new(|s| s.configuration.refused = Some(Timestamp(1))),
            ),
            ("the greylist's database fails", Box::new(move |s| s.greylist = Some(broken()))),
            ("the journal's file fails", Box::new(move |s| journal(s).file = broken())),
            ("3 decisions not recorded", Box::new(|s| journal(s).dropped = 3)),
            (
                "allow.db fails, the exemptions stay as they are",
                Box::new(move |s| s.exemptions.file = broken()),
            ),
            ("no DNS server answers", Box::new(|s| s.resolver.answers = false)),
            ("bl.example is set aside", Box::new(move |s| s.lists = vec![aside.clone()])),
            ("2 log lines dropped", Box::new(|s| s.log_dropped = 2)),
            ("max_sessions = 10 is reached", Box::new(|s| s.sessions.now = 10)),
        ];
        for (want, change) in cases {
            let mut status = well();
            change(&mut status);
            assert_eq!(warnings(&status), [want]);
        }
    }

    #[test]
    fn the_first_line_says_refused_only_where_mail_is_refused() {
        let cases = [
            ("enforce", "mailward OK - 4 decisions, 50% refused, 1 session"),
            ("observe", "mailward OK - 4 decisions, 50% would be refused, 1 session"),
        ];
        for (mode, want) in cases {
            let status = Some(Status { mode: mode.to_owned(), ..well() });
            assert_eq!(first_line(&Report { level: Level::Ok, problems: Vec::new(), status }), want);
        }
    }

    #[test]
    fn the_first_line_is_short_and_ends_before_the_bar() {
        let problems = ["one|two", "b", "c\n", "d", "e"].map(str::to_owned).to_vec();
        let report = Report { level: Level::Warning, problems, status: None };
        assert_eq!(first_line(&report), "mailward WARNING - one/two; b; c\\u{a}; 2 more");
        let text = details(&well(), &report.problems);
        assert!(text.starts_with("problem        one|two\nproblem        b\n"), "{text}");
        assert!(text.contains("version        1, process 1, up 1d 1h\n"), "{text}");
    }
}
