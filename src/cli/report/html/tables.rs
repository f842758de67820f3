//! The tables of a page.

use super::{Text, chart, group};
use crate::cli::report::{
    figures::{Moment, Report, Rule, Suspect},
    words::{self, Counted, number, percent},
};
use std::fmt::Write as _;

/// Rows of entries, at most.
const RULES: usize = 40;
/// Rows of lists, and those of them whose agreement is shown.
const LISTS: usize = 20;
const COMPARED: usize = 8;
/// Suspects and networks, at most.
const SUSPECTS: usize = 10;
const NETWORKS: usize = 20;
/// Characters of an entry, of a name and of an address, at most.
const ENTRY: usize = 90;
const NAME: usize = 60;
const ADDRESS: usize = 60;
/// Bytes of a command, which is never cut: a longer one is left to the terminal.
const COMMAND: usize = 400;

/// A row of numbers behind what they are about.
fn numbers(out: &mut String, counts: impl IntoIterator<Item = String>) {
    for count in counts {
        let _ = write!(out, "<td class=\"n\">{count}</td>");
    }
}

fn heads(out: &mut String, first: &str, names: &[&str]) {
    heads_of(out, "table", first, names);
}

fn heads_of(out: &mut String, table: &str, first: &str, names: &[&str]) {
    let _ = write!(out, "<{table}>\n<thead><tr><th scope=\"col\">{first}</th>");
    for name in names {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{name}</th>");
    }
}

fn more(out: &mut String, all: usize, shown: usize, what: &str) {
    if all > shown {
        let more = number(u64::try_from(all - shown).unwrap_or(u64::MAX));
        let _ = writeln!(out, "<p class=\"note\">and {more} more {what}</p>");
    }
}

/// From connection to acceptance.
pub(super) fn funnel(out: &mut String, report: &Report) {
    out.push_str(
        "<section><h2>From connection to acceptance</h2>\n<p class=\"note\">Attempts to deliver to one recipient: each \
         RCPT TO is one, and each refusal before it.</p>\n",
    );
    heads(out, "", &["came", "rejected", "deferred", "greylisted", "other", "went on"]);
    out.push_str("<th class=\"bar\" scope=\"col\">ended here, and went on</th></tr></thead>\n<tbody>\n");
    let all = report.attempts.all;
    for step in &report.funnel {
        let ends = &step.ends;
        let _ = write!(out, "<tr><td>{}</td><td class=\"n\">{}</td>", step.moment.words(), number(step.came));
        numbers(out, [ends.rejected, ends.deferred, ends.greylisted, ends.others()].map(words::quiet));
        let bar = chart::step(ends, step.went_on, all, step.moment == Moment::End);
        let _ =
            writeln!(out, "<td class=\"n\">{}</td><td class=\"bar\">{bar}</td></tr>", number(step.went_on));
    }
    let ends = &report.attempts.ends;
    out.push_str("<tr class=\"sum\"><td>of all</td>");
    let counts = [all, ends.rejected, ends.deferred, ends.greylisted, ends.others(), ends.taken()];
    numbers(out, counts.map(|count| percent(count, all)));
    out.push_str("<td class=\"bar\"></td></tr>\n</tbody></table>\n");
    let notes = words::notes(report);
    if !notes.is_empty() {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", Text(&notes.join(" · ")));
    }
    out.push_str("</section>\n");
}

/// The entries of the lists.
pub(super) fn rules(out: &mut String, report: &Report) {
    out.push_str(
        "<section><h2>Entries of the lists</h2>\n<p class=\"note\">Stopped: attempts. Only it: those in which no other \
         entry that was looked at would have refused; entries behind the one that refuses are not looked at. Warned: \
         decisions in which it would have refused but for warn_if_reject. Asked: decisions in which it asked DNS, the \
         greylist or a service; the times are those of its slowest answer that was not known already.</p>\n",
    );
    if report.rules.is_empty() {
        out.push_str("<p>None decided anything.</p></section>\n");
        return;
    }
    let names = ["stopped", "of all", "only it", "warned", "permitted", "asked", "median ms", "95 % ms"];
    heads(out, "entry", &names);
    out.push_str("</tr></thead>\n<tbody>\n");
    for rule in report.rules.iter().take(RULES) {
        let Rule { ends, alone, warned, permitted, cost, .. } = rule;
        let place = words::place(&rule.place);
        let _ = write!(
            out,
            "<tr><td class=\"w\"><code>{}</code> <span class=\"faint\">{}</span></td>",
            Text(&words::entry(rule, ENTRY)),
            Text(&place)
        );
        let share = if ends.all() == 0 { "–".to_owned() } else { percent(ends.all(), report.attempts.all) };
        numbers(out, [words::quiet(ends.all()), share]);
        numbers(out, [*alone, *warned, *permitted, cost.asked].map(words::quiet));
        numbers(out, [cost.median_ms, cost.p95_ms].map(words::millis));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    more(out, report.rules.len(), RULES, "entries");
    out.push_str("</section>\n");
}

/// DNS lists, and where they agree.
pub(super) fn lists(out: &mut String, report: &Report) {
    out.push_str("<section><h2>DNS lists</h2>\n");
    if report.lists.is_empty() {
        out.push_str("<p class=\"note\">None was asked.</p></section>\n");
        return;
    }
    out.push_str(
        "<p class=\"note\">Decisions in which they were asked. Only it: no other list that was asked listed. Failed: an \
         error, an error code, or set aside. The times are those of answers that were not known already.</p>\n",
    );
    let names =
        ["asked", "listed", "of asked", "only it", "refused", "no answer", "failed", "median ms", "95 % ms"];
    heads(out, "list", &names);
    out.push_str("</tr></thead>\n<tbody>\n");
    for list in report.lists.iter().take(LISTS) {
        let zone = words::shown(&list.zone, NAME);
        let _ = write!(out, "<tr><td class=\"w\">{}</td>", Text(&zone));
        numbers(out, [number(list.asked), words::quiet(list.listed), percent(list.listed, list.asked)]);
        numbers(out, [list.alone, list.refused, list.timed_out, list.failed].map(words::quiet));
        numbers(out, [list.cost.median_ms, list.cost.p95_ms].map(words::millis));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    more(out, report.lists.len(), LISTS, "lists");
    agreement(out, report);
    out.push_str("</section>\n");
}

/// How often each two of the first lists both listed.
fn agreement(out: &mut String, report: &Report) {
    let compared = report.lists.iter().take_while(|list| list.listed > 0).take(COMPARED).count();
    if compared < 2 {
        return;
    }
    out.push_str("<p class=\"note\">Both listed, as a share of what the list at the left listed:</p>\n");
    let names: Vec<String> = (1..=compared).map(|at| format!("({at})")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    heads_of(out, "table class=\"narrow\"", "list", &names);
    out.push_str("</tr></thead>\n<tbody>\n");
    for (one, list) in report.lists.iter().enumerate().take(compared) {
        let _ =
            write!(out, "<tr><td class=\"w\">({}) {}</td>", one + 1, Text(&words::shown(&list.zone, NAME)));
        let cell = |other: usize| {
            if one == other {
                return "·".to_owned();
            }
            let pair = (one.min(other), one.max(other));
            let both = report.overlaps.iter().find(|overlap| (overlap.one, overlap.other) == pair);
            percent(both.map_or(0, |overlap| overlap.both), list.listed)
        };
        numbers(out, (0..compared).map(cell));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// What greylisting came to.
pub(super) fn greylist(out: &mut String, report: &Report) {
    out.push_str("<section><h2>Greylist</h2>\n");
    let counts = words::greylist(&report.greylist);
    if counts.is_empty() {
        out.push_str("<p class=\"note\">It was not asked.</p></section>\n");
        return;
    }
    out.push_str("<table class=\"narrow\"><tbody>\n");
    for Counted { what, count, share } in counts {
        let share = share.unwrap_or_default();
        let _ = writeln!(
            out,
            "<tr><td>{what}</td><td class=\"n\">{}</td><td class=\"n\">{share}</td></tr>",
            number(count)
        );
    }
    out.push_str("</tbody></table>\n");
    if report.greylist.delays.iter().any(|count| *count > 0) {
        out.push_str("<p class=\"note\">How long those waited that passed, up to:</p>\n");
        chart::delays(out, &report.greylist.delays);
    }
    out.push_str("</section>\n");
}

/// What may have been refused wrongly.
pub(super) fn suspects(out: &mut String, report: &Report) {
    out.push_str("<section><h2>Possibly refused wrongly</h2>\n");
    if report.suspects.is_empty() {
        out.push_str(
            "<p class=\"note\">Nothing refused has anything that speaks for its sender.</p></section>\n",
        );
        return;
    }
    out.push_str(
        "<p class=\"note\">Refused, but something speaks for the sender. The command admits it.</p>\n",
    );
    for suspect in report.suspects.iter().take(SUSPECTS) {
        one_suspect(out, suspect);
    }
    more(out, report.suspects.len(), SUSPECTS, "such senders");
    out.push_str("</section>\n");
}

fn one_suspect(out: &mut String, suspect: &Suspect) {
    let Suspect {
        client,
        client_name,
        sender,
        recipient,
        entry,
        place,
        outcome,
        count,
        last,
        signs,
        command,
        id,
    } = suspect;
    let times = if *count == 1 { "once".to_owned() } else { format!("{} times", number(*count)) };
    let long = "(a long command: mailward report shows it in the terminal)";
    let command = if command.len() <= COMMAND { command } else { long };
    let _ = writeln!(
        out,
        "<div class=\"suspect\"><b>{}</b> {} → {}<br>{}{} {times}, last {}, by <code>{}</code> <span class=\"faint\">{}\
         </span><br>{}<code class=\"cmd\">{}</code><span class=\"faint\">why: <code>mailward why {}</code></span></div>",
        Text(&words::client(client, client_name.as_deref(), NAME + 20)),
        Text(&words::path(sender, ADDRESS)),
        Text(&words::path(recipient, ADDRESS)),
        chart::swatch(group(*outcome)),
        words::outcome(*outcome),
        words::minute(*last),
        Text(&words::own(entry, ENTRY)),
        Text(&words::place(place)),
        Text(&words::shown(&signs.join("; "), 240)),
        Text(command),
        Text(&words::shown(id, 40)),
    );
}

/// The networks whose mail was stopped most often.
pub(super) fn networks(out: &mut String, report: &Report) {
    out.push_str("<section><h2>Networks whose mail was stopped most often</h2>\n");
    let networks = &report.networks;
    if networks.worst.is_empty() {
        out.push_str("<p class=\"note\">None.</p></section>\n");
        return;
    }
    heads(out, "network", &["stopped", "rejected", "deferred", "greylisted", "accepted"]);
    out.push_str("<th scope=\"col\">last name</th><th scope=\"col\">over time</th></tr></thead>\n<tbody>\n");
    for network in networks.worst.iter().take(NETWORKS) {
        let ends = &network.ends;
        let _ = write!(out, "<tr><td class=\"mono\">{}</td>", Text(&network.network));
        numbers(out, [number(ends.stopped())]);
        numbers(out, [ends.rejected, ends.deferred, ends.greylisted, ends.taken()].map(words::quiet));
        let name = words::shown(network.name.as_deref().unwrap_or("–"), NAME);
        let _ = writeln!(
            out,
            "<td class=\"w\">{}</td><td>{}</td></tr>",
            Text(&name),
            chart::spark(&network.over_time)
        );
    }
    out.push_str("</tbody></table>\n");
    let all = usize::try_from(networks.told_apart).unwrap_or(usize::MAX);
    more(out, all, NETWORKS.min(networks.worst.len()), "networks");
    if let Some(uncertain) = words::uncertain(networks) {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", Text(&uncertain));
    }
    out.push_str("</section>\n");
}
