//! A report for the terminal: 80 columns, letters where the page has patterns, colours only where they are wanted.

use super::{
    figures::{Column, DELAYS, Ends, Report, Suspect},
    health::State,
    words::{self, Counted, GROUPS, number, percent, place},
};
use crate::smtp::text::wrap;
use unicode_width::UnicodeWidthStr;

/// Lines of the time axis, at most.
const LINES: usize = 24;
/// Rows of a table, at most.
const ROWS: usize = 10;
/// Suspects that are shown.
const SUSPECTS: usize = 5;
/// The widest a bar is.
const BAR: u64 = 50;

/// The escape sequences (ECMA-48 8.3.117) of what stands out.
#[derive(Clone, Copy)]
enum Ink {
    Head,
    Good,
    Look,
    Fail,
    Faint,
}

/// What a report is written on.
struct Sheet {
    out: String,
    columns: usize,
    coloured: bool,
}

/// The whole report as text.
pub(super) fn write(report: &Report, columns: usize, coloured: bool) -> String {
    let mut sheet = Sheet { out: String::new(), columns, coloured };
    sheet.begin(report);
    sheet.funnel(report);
    sheet.times(report);
    sheet.rules(report);
    sheet.lists(report);
    sheet.greylist(report);
    sheet.suspects(report);
    sheet.networks(report);
    sheet.out
}

impl Sheet {
    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Head => "1",
            Ink::Good => "32",
            Ink::Look => "33",
            Ink::Fail => "1;31",
            Ink::Faint => "2",
        };
        if self.coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn head(&mut self, text: &str) {
        let text = self.ink(Ink::Head, text);
        self.out.push('\n');
        self.line(&text);
    }

    /// The names of columns.
    fn names(&mut self, text: &str) {
        let text = self.ink(Ink::Faint, text.trim_end());
        self.line(&text);
    }

    fn paragraph(&mut self, text: &str) {
        for line in wrap(text, self.columns.saturating_sub(2)) {
            self.line(&format!("  {line}"));
        }
    }

    fn more(&mut self, all: usize, shown: usize, what: &str) {
        if all > shown {
            let text = self.ink(Ink::Faint, &format!("  and {} more {what}", number_of(all - shown)));
            self.line(&text);
        }
    }

    fn begin(&mut self, report: &Report) {
        let host = words::shown(&report.host, 40);
        let on = if host.is_empty() { String::new() } else { format!(" on {host}") };
        let title = self.ink(Ink::Head, &format!("mailward {}{on}", report.version));
        self.line(&title);
        self.line(&words::period(report));
        let (word, says) = words::band(report);
        let ink = if word == "ENFORCE" { Ink::Good } else { Ink::Look };
        let word = self.ink(ink, &format!("[{word}]"));
        self.line(&format!("{word} {says}"));
        self.line(&words::decisions(report));
        self.head("HEALTH");
        for light in &report.health {
            let ink = match light.state {
                State::Good => Ink::Good,
                State::Unknown | State::Warning => Ink::Look,
                State::Bad => Ink::Fail,
            };
            let state = self.ink(ink, &format!("{:<5}", light.state.word()));
            let lines = wrap(&words::shown(&light.says, 300), self.columns.saturating_sub(23));
            for (at, text) in lines.iter().enumerate() {
                match at {
                    0 => self.line(&format!("  {state} {:<14} {text}", light.name)),
                    _ => self.line(&format!("{:23}{text}", "")),
                }
            }
        }
    }

    fn funnel(&mut self, report: &Report) {
        self.head("FROM CONNECTION TO ACCEPTANCE (attempts to deliver to one recipient)");
        let cells = |cells: [String; 6]| {
            let wide = [9, 10, 10, 12, 9, 10];
            cells.iter().zip(wide).map(|(cell, wide)| format!("{cell:>wide$}")).collect::<String>()
        };
        let names = ["came", "rejected", "deferred", "greylisted", "other", "went on"];
        self.names(&format!("  {:<16}{}", "", cells(names.map(str::to_owned))));
        for step in &report.funnel {
            let Ends { rejected, deferred, greylisted, .. } = step.ends;
            let [rejected, deferred, greylisted, other] =
                [rejected, deferred, greylisted, step.ends.others()].map(words::quiet);
            let (came, went_on) = (number(step.came), number(step.went_on));
            let counts = cells([came, rejected, deferred, greylisted, other, went_on]);
            self.line(&format!("  {:<16}{counts}", step.moment.words()));
        }
        let (all, ends) = (report.attempts.all, &report.attempts.ends);
        let shares = [all, ends.rejected, ends.deferred, ends.greylisted, ends.others(), ends.taken()];
        self.names(&format!("  {:<16}{}", "of all", cells(shares.map(|count| percent(count, all)))));
        for note in words::notes(report) {
            self.line(&format!("  {note}"));
        }
    }

    fn times(&mut self, report: &Report) {
        let (columns, width) = together(&report.times.columns, report.times.width);
        self.head(&format!("OVER TIME (UTC, each line {})", words::width(width)));
        let legend: Vec<String> =
            GROUPS.iter().map(|group| format!("{} {}", group.letter, group.name)).collect();
        self.names(&format!("  {}", legend.join("   ")));
        let most = columns.iter().map(|column| column.ends.all()).max().unwrap_or(0);
        for Column { from, ends } in &columns {
            let bar = bar(ends, most);
            self.line(&format!("  {}{:>10}  {bar}", words::minute(*from), number(ends.all())));
        }
    }

    fn rules(&mut self, report: &Report) {
        self.head("ENTRIES OF THE LISTS (only it: no other that was looked at would have refused)");
        if report.rules.is_empty() {
            return self.line("  none decided anything");
        }
        let names = ["stopped", "only it", "warned", "permitted", "asked", "p50 ms", "p95 ms"];
        let names: String = names.iter().map(|name| format!("{name:>11}")).collect();
        self.names(&names);
        for rule in report.rules.iter().take(ROWS) {
            let at = place(&rule.place);
            let room = self.columns.saturating_sub(4 + at.width());
            let entry = words::entry(rule, room.max(20));
            let at = self.ink(Ink::Faint, &at);
            self.line(&format!("  {entry}  {at}"));
            let counts =
                [rule.ends.all(), rule.alone, rule.warned, rule.permitted, rule.cost.asked].map(words::quiet);
            let times = [rule.cost.median_ms, rule.cost.p95_ms].map(words::millis);
            let counts: String = counts.iter().chain(&times).map(|count| format!("{count:>11}")).collect();
            self.line(&counts);
        }
        self.more(report.rules.len(), ROWS, "entries");
    }

    fn lists(&mut self, report: &Report) {
        if report.lists.is_empty() {
            return;
        }
        self.head("DNS LISTS (decisions in which they were asked)");
        let names = ["asked", "listed", "%", "only it", "refused", "failed", "p95 ms"];
        let names: String = names.iter().map(|name| format!("{name:>8}")).collect();
        self.names(&format!("  {:<22}{names}", ""));
        for list in report.lists.iter().take(ROWS) {
            let zone = words::shown(&list.zone, 22);
            let share = percent(list.listed, list.asked);
            let share = share.trim_end_matches(" %").to_owned();
            let counts = [
                short(list.asked),
                short_or_dash(list.listed),
                share,
                short_or_dash(list.alone),
                short_or_dash(list.refused),
                short_or_dash(list.timed_out + list.failed),
                words::millis(list.cost.p95_ms),
            ];
            let counts: String = counts.iter().map(|count| format!("{count:>8}")).collect();
            self.line(&format!("  {zone:<22}{counts}"));
        }
        self.more(report.lists.len(), ROWS, "lists");
        let overlaps = words::overlaps(report, 5);
        if !overlaps.is_empty() {
            self.paragraph(&format!("Both listed: {}.", overlaps.join("; ")));
        }
    }

    fn greylist(&mut self, report: &Report) {
        let counts = words::greylist(&report.greylist);
        if counts.is_empty() {
            return;
        }
        self.head("GREYLIST");
        for Counted { what, count, share } in counts {
            let share = share.unwrap_or_default();
            self.line(&format!("  {what:<44}{:>12}{share:>10}", number(count)));
        }
        let delays = &report.greylist.delays;
        let most = delays.iter().max().copied().unwrap_or(0);
        if most == 0 {
            return;
        }
        self.names("  how long those waited that passed");
        for ((_, label), count) in DELAYS.iter().zip(delays) {
            let label = if *label == "more" { "longer".to_owned() } else { format!("up to {label}") };
            let bar = "=".repeat(scaled(*count, most));
            self.line(&format!("  {label:>13}{:>10}  {bar}", number(*count)));
        }
    }

    fn suspects(&mut self, report: &Report) {
        if report.suspects.is_empty() {
            return;
        }
        self.head("POSSIBLY REFUSED WRONGLY (the command admits it)");
        for Suspect {
            client,
            client_name,
            sender,
            recipient,
            entry,
            place: at,
            outcome,
            count,
            last,
            signs,
            command,
            id,
        } in report.suspects.iter().take(SUSPECTS)
        {
            let who = words::client(client, client_name.as_deref(), self.columns.saturating_sub(4));
            self.line(&format!("  {who}"));
            let room = self.columns.saturating_sub(12) / 2;
            self.line(&format!("    {} -> {}", words::path(sender, room), words::path(recipient, room)));
            let times = if *count == 1 { "once".to_owned() } else { format!("{} times", number(*count)) };
            let (outcome, last) = (words::outcome(*outcome), words::minute(*last));
            let by = format!("{outcome} {times}, last {last}, by {} ({})", words::own(entry, 200), place(at));
            for text in [by, words::shown(&signs.join("; "), 300)] {
                for line in wrap(&text, self.columns.saturating_sub(4)) {
                    self.line(&format!("    {line}"));
                }
            }
            self.line(&format!("    mailward why {}", words::shown(id, 40)));
            // Not cut: it is to be copied.
            let command = self.ink(Ink::Head, command);
            self.line(&format!("    {command}"));
        }
        self.more(report.suspects.len(), SUSPECTS, "such senders");
    }

    fn networks(&mut self, report: &Report) {
        let worst = &report.networks.worst;
        if worst.is_empty() {
            return;
        }
        self.head("NETWORKS WHOSE MAIL WAS STOPPED MOST OFTEN");
        let names = ["stopped", "rejected", "accepted"];
        let names: String = names.iter().map(|name| format!("{name:>10}")).collect();
        self.names(&format!("  {:<20}{names}  last name", ""));
        for network in worst.iter().take(ROWS) {
            let counts = [network.ends.stopped(), network.ends.rejected, network.ends.taken()];
            let counts: String = counts.iter().map(|count| format!("{:>10}", words::quiet(*count))).collect();
            let name = words::shown(network.name.as_deref().unwrap_or("–"), self.columns.saturating_sub(55));
            self.line(&format!("  {:<20}{counts}  {name}", network.network));
        }
        let all = usize::try_from(report.networks.told_apart).unwrap_or(usize::MAX);
        self.more(all, ROWS.min(worst.len()), "networks");
        if let Some(uncertain) = words::uncertain(&report.networks) {
            self.paragraph(&uncertain);
        }
    }
}

/// A number that fits into seven characters.
fn short(count: u64) -> String {
    if count < 1_000_000 { number(count) } else { format!("{}k", number(count / 1_000)) }
}

fn short_or_dash(count: u64) -> String {
    if count == 0 { "–".to_owned() } else { short(count) }
}

fn number_of(count: usize) -> String {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Neighbouring columns together, so that there are not too many lines; and their width.
fn together(columns: &[Column], width: i64) -> (Vec<Column>, i64) {
    if columns.len() <= LINES + 1 {
        return (columns.to_vec(), width);
    }
    let pair = |pair: &[Column]| {
        let mut one = Column { from: pair.first().map_or(0, |first| first.from), ends: Ends::default() };
        pair.iter().for_each(|column| one.ends.add_all(&column.ends));
        one
    };
    (columns.chunks(2).map(pair).collect(), width * 2)
}

/// A bar of the groups' letters. What there is shows, however little.
fn bar(ends: &Ends, most: u64) -> String {
    let groups = GROUPS.iter().map(|group| (group.letter, scaled((group.of)(ends), most)));
    groups.flat_map(|(letter, length)| std::iter::repeat_n(letter, length)).collect()
}

fn scaled(count: u64, most: u64) -> usize {
    // In whole letters, the larger half up; nothing else rounds to nothing.
    let length = (count.saturating_mul(2 * BAR) + most) / (2 * most).max(1);
    usize::try_from(if count > 0 { length.max(1) } else { 0 }).unwrap_or(0)
}
