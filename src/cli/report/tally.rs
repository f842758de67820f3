//! From the rows of the journal to the figures of a report, in one pass and in bounded memory: a few ten megabytes,
//! however many rows there are. What is bounded, and by what, stands in each file below.

mod greylist;
mod latency;
mod lists;
mod networks;
mod rules;
mod suspects;
mod top;
mod under_way;

use super::figures::{Attempts, Column, Decisions, Ends, Mode, Moment, Period, Report, Step, Times};
use crate::journal::{
    Row,
    read::{Brief, Entry},
};
use greylist::Greylisting;
use ipnet::IpNet;
use lists::Lists;
use networks::Offenders;
use rules::Rules;
use std::{collections::HashMap, net::IpAddr};
use suspects::Suspects;
use under_way::{Ended, UnderWay};

/// Columns of the time axis, at most.
const COLUMNS: i64 = 48;
/// Widths of a column, in seconds: what clocks and calendars divide by.
const WIDTHS: [i64; 12] =
    [60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 7 * 86_400, 28 * 86_400];
/// Prefix lengths of a network, of IPv4 and of IPv6: what one holder mostly has.
const PREFIXES: (u8, u8) = (24, 48);

/// The figures while rows come in.
pub(super) struct Tally<'a> {
    period: Period,
    entries: &'a HashMap<i64, Entry>,
    decisions: Decisions,
    mode: Mode,
    attempts: Attempts,
    steps: [Ends; Moment::ALL.len()],
    times: Times,
    rules: Rules,
    lists: Lists,
    greylist: Greylisting,
    suspects: Suspects,
    offenders: Offenders,
    under_way: UnderWay,
    ended: Vec<Ended>,
}

impl<'a> Tally<'a> {
    /// For a period; `entries` are those that records number.
    pub(super) fn new(period: Period, entries: &'a HashMap<i64, Entry>) -> Self {
        let from = period.from.max(period.journal_begins.unwrap_or(i64::MIN)).min(period.to);
        Self {
            period,
            entries,
            decisions: Decisions::default(),
            mode: Mode::default(),
            attempts: Attempts::default(),
            steps: Default::default(),
            times: axis(from, period.to),
            rules: Rules::default(),
            lists: Lists::default(),
            greylist: Greylisting::default(),
            suspects: Suspects::new(),
            offenders: Offenders::new(from, period.to),
            under_way: UnderWay::default(),
            ended: Vec::new(),
        }
    }

    /// The next row, in the order of writing.
    pub(super) fn add(&mut self, row: &Row<'_>, brief: Option<&Brief<'_>>) {
        if !row.is_message() {
            self.decided(row, brief);
        }
        let mut ended = std::mem::take(&mut self.ended);
        self.under_way.see(row, brief.map_or(0, |brief| brief.port), &mut ended);
        let alone = !ended.is_empty() && rules::is_alone(row, brief);
        for end in ended.drain(..) {
            self.end(&end, row, alone);
        }
        self.ended = ended;
    }

    fn decided(&mut self, row: &Row<'_>, brief: Option<&Brief<'_>>) {
        let Decisions { all, permit, defer, reject, discard, unreadable } = &mut self.decisions;
        *all += 1;
        *match row.verdict.as_ref() {
            "defer" => defer,
            "reject" => reject,
            "discard" => discard,
            _ => permit,
        } += 1;
        *unreadable += u64::from(brief.is_none());
        *(if row.observed { &mut self.mode.observed } else { &mut self.mode.enforced }) += 1;
        self.rules.decided(row, brief);
        if let Some(brief) = brief {
            self.lists.decided(row, brief, self.entries);
        }
        self.greylist.decided(row, brief);
        self.suspects.refused(row);
        self.suspects.wrote(row);
    }

    /// An attempt ended, while this row was looked at.
    fn end(&mut self, end: &Ended, row: &Row<'_>, alone: bool) {
        self.count(end);
        if !end.by_row {
            return;
        }
        let Ended { outcome, .. } = *end;
        if outcome.is_stopped() {
            self.rules.stopped(row.rule, outcome, alone);
            self.attempts.only_observed += u64::from(row.observed);
        }
        if outcome.is_taken() {
            self.attempts.logged_in += u64::from(row.login.is_some());
            self.attempts.came_back += u64::from(end.came_back);
            self.suspects.accepted(row);
        }
        if outcome.is_stopped() || outcome.is_taken() {
            self.offenders.ended(row, outcome, end.time);
        }
    }

    /// One more attempt, by its end and by its time.
    fn count(&mut self, end: &Ended) {
        self.attempts.ends.add(end.outcome);
        let moment = Moment::ALL.iter().position(|moment| *moment == end.moment).unwrap_or(0);
        if !end.outcome.is_taken() {
            self.steps[moment].add(end.outcome);
        }
        let Times { width, columns } = &mut self.times;
        let first = columns.first().map_or(0, |column| column.from);
        let at = usize::try_from((end.time - first).max(0) / *width).unwrap_or(usize::MAX);
        // A clock that went ahead for a while: the last column.
        let at = at.min(columns.len().saturating_sub(1));
        if let Some(column) = columns.get_mut(at) {
            column.ends.add(end.outcome);
        }
    }

    /// The figures; what is known only now of version, machine, mode and health is for the caller.
    pub(super) fn finish(mut self) -> Report {
        let mut ended = Vec::new();
        self.attempts.all = std::mem::take(&mut self.under_way).finish(&mut ended);
        ended.iter().for_each(|end| self.count(end));
        let mut came = self.attempts.all;
        let mut funnel = Vec::new();
        for (moment, ends) in Moment::ALL.into_iter().zip(self.steps) {
            let went_on = came.saturating_sub(ends.all());
            funnel.push(Step { moment, came, ends, went_on });
            came = went_on;
        }
        let (lists, overlaps) = self.lists.figures();
        Report {
            version: env!("CARGO_PKG_VERSION"),
            host: String::new(),
            period: self.period,
            mode: self.mode,
            health: Vec::new(),
            decisions: self.decisions,
            attempts: self.attempts,
            funnel,
            times: self.times,
            rules: self.rules.figures(self.entries),
            lists,
            overlaps,
            greylist: self.greylist.figures(),
            suspects: self.suspects.figures(),
            networks: self.offenders.figures(),
        }
    }
}

/// The time axis: columns of the smallest width of which there are not too many, from a multiple of it.
fn axis(from: i64, to: i64) -> Times {
    let from = from.max(0);
    let span = to.saturating_sub(from).max(0);
    let fits = |width: &i64| span / *width < COLUMNS - 1;
    let largest = WIDTHS[WIDTHS.len() - 1];
    let width = WIDTHS.into_iter().find(fits).unwrap_or((span / (COLUMNS - 2) / largest + 1) * largest);
    let begin = from - from.rem_euclid(width);
    let columns = (0..COLUMNS).map(|at| begin + at * width).take_while(|at| *at == begin || *at < to);
    Times { width, columns: columns.map(|from| Column { from, ends: Ends::default() }).collect() }
}

/// The network of a row's client, and the client.
fn network(row: &Row<'_>) -> Option<(IpNet, IpAddr)> {
    let address: IpAddr = row.client.as_deref()?.parse().ok()?;
    let length = if address.is_ipv4() { PREFIXES.0 } else { PREFIXES.1 };
    IpNet::new(address, length).ok().map(|network| (network.trunc(), address))
}

#[cfg(test)]
mod tests;
