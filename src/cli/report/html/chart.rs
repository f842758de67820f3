//! The drawings of a page, as inline SVG. Each group of outcomes has a colour and a pattern, so that paper without colours
//! and eyes that do not tell red from green see the same.

use super::Text;
use crate::cli::report::{
    figures::{Column, DELAYS, Ends, SPARKS, Times},
    words::{self, GROUPS, number},
};
use std::fmt::Write as _;

/// The patterns, defined once.
pub(super) const PATTERNS: &str = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" style=\"position:absolute\"><defs>\
<pattern id=\"greylisted\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\"><rect width=\"5\" height=\"5\" fill=\"var(--greylisted)\"/>\
<circle cx=\"2.5\" cy=\"2.5\" r=\"0.9\" fill=\"var(--mark)\"/></pattern>\
<pattern id=\"deferred\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"6\" height=\"6\" fill=\"var(--deferred)\"/><rect width=\"1.6\" height=\"6\" fill=\"var(--mark)\"/></pattern>\
<pattern id=\"rejected\" width=\"9\" height=\"9\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(-45)\">\
<rect width=\"9\" height=\"9\" fill=\"var(--rejected)\"/><g fill=\"var(--mark)\" fill-opacity=\".55\"><rect width=\"0.8\" height=\"9\"/>\
<rect width=\"9\" height=\"0.8\"/></g></pattern>\
<pattern id=\"other\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><rect width=\"4\" height=\"4\" fill=\"var(--other)\"/>\
<rect width=\"4\" height=\"1\" fill=\"var(--faint)\"/></pattern></defs></svg>\n";

/// The drawing of the time axis, in its own units.
const WIDTH: u64 = 960;
const HEIGHT: u64 = 250;
/// Room for the numbers at the left, and for the times below.
const LEFT: u64 = 56;
const BELOW: u64 = 34;
const ABOVE: u64 = 10;
/// Lines across, at most.
const LINES: u64 = 5;
/// Labels below, at most, and how wide one is.
const LABELS: usize = 8;
const LABEL: u64 = 48;

/// A small field with a group's colour and pattern.
pub(super) fn swatch(group: &str) -> String {
    format!(
        "<svg width=\"13\" height=\"13\" aria-hidden=\"true\"><rect width=\"13\" height=\"13\" class=\"f-{group}\"/></svg>"
    )
}

/// The attempts over time, stacked.
pub(super) fn times(out: &mut String, times: &Times) {
    let most = times.columns.iter().map(|column| column.ends.all()).max().unwrap_or(0);
    let (top, step) = scale(most);
    let (bottom, room) = (HEIGHT - BELOW, HEIGHT - BELOW - ABOVE);
    let count = u64::try_from(times.columns.len()).unwrap_or(1).max(1);
    let _ = writeln!(
        out,
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Attempts over time by how they ended, at \
         most {} in one column\">",
        number(most)
    );
    for line in 0..=top / step {
        let at = line * step;
        let y = bottom - room * at / top;
        let class = if at == 0 { "axis" } else { "grid" };
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 6,
            y + 4,
            number(at)
        );
    }
    let each = times.columns.len().div_ceil(LABELS).max(1);
    for (number_of, column) in (0_u64..).zip(&times.columns) {
        let x = LEFT + (WIDTH - LEFT) * number_of / count;
        let next = LEFT + (WIDTH - LEFT) * (number_of + 1) / count;
        let wide = (next - x).saturating_sub(2).max(1);
        stack(out, column, x + 1, wide, (bottom, room), top);
        if usize::try_from(number_of).unwrap_or(0).is_multiple_of(each) && x + LABEL <= WIDTH {
            label(out, column.from, x, bottom);
        }
    }
    if most == 0 {
        let (x, y) = (LEFT + (WIDTH - LEFT) / 2, ABOVE + room / 2);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">nothing in this time</text>");
    }
    out.push_str("</svg></figure>\n");
}

/// One column, with its numbers for whoever points at it.
fn stack(out: &mut String, column: &Column, x: u64, wide: u64, (bottom, room): (u64, u64), top: u64) {
    let (mut below, mut says) = (0, words::minute(column.from));
    for group in &GROUPS {
        let count = (group.of)(&column.ends);
        if count == 0 {
            continue;
        }
        let (low, high) = (room * below / top, room * (below + count) / top);
        // What there is shows, however little.
        let high = high.max(low + 1);
        let _ = write!(
            out,
            "<rect class=\"f-{}\" x=\"{x}\" y=\"{}\" width=\"{wide}\" height=\"{}\"/>",
            group.name,
            bottom - high,
            high - low
        );
        below += count;
        let _ = write!(says, "; {} {}", group.name, number(count));
    }
    let _ = writeln!(
        out,
        "<rect class=\"hover\" x=\"{x}\" y=\"{}\" width=\"{wide}\" height=\"{room}\"><title>{}</title></rect>",
        bottom - room,
        Text(&says)
    );
}

fn label(out: &mut String, time: i64, x: u64, bottom: u64) {
    let text = words::minute(time);
    let (day, clock) = text.split_at_checked(text.len().saturating_sub(5)).unwrap_or((&text, ""));
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"{x}\" x2=\"{x}\" y1=\"{bottom}\" y2=\"{}\"/><text x=\"{}\" y=\"{}\">{clock}</text>\
         <text x=\"{}\" y=\"{}\">{}</text>",
        bottom + 5,
        x + 3,
        bottom + 15,
        x + 3,
        bottom + 28,
        day.trim()
    );
}

/// The highest number of an axis, and the distance of its lines: 1, 2 or 5 with zeros.
fn scale(most: u64) -> (u64, u64) {
    let decades = std::iter::successors(Some(1_u64), |step| step.checked_mul(10));
    let mut steps = decades.flat_map(|step| [1, 2, 5].map(|times| step.saturating_mul(times)));
    let step = steps.find(|step| most <= step.saturating_mul(LINES)).unwrap_or(u64::MAX);
    (step.saturating_mul(most.div_ceil(step).max(1)), step)
}

/// A bar of a step of the funnel: what ended there, and what went on; the last step accepts it.
pub(super) fn step(ends: &Ends, went_on: u64, all: u64, last: bool) -> String {
    const LONG: u64 = 600;
    let mut out =
        format!("<svg viewBox=\"0 0 {LONG} 14\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let groups = [
        (if last { "accepted" } else { "on" }, went_on),
        ("greylisted", ends.greylisted),
        ("deferred", ends.deferred),
        ("rejected", ends.rejected),
        ("other", ends.others()),
    ];
    let mut before = 0;
    for (name, count) in groups.into_iter().filter(|(_, count)| *count > 0) {
        let (from, to) = (LONG * before / all.max(1), LONG * (before + count) / all.max(1));
        let _ = write!(
            out,
            "<rect class=\"f-{name}\" x=\"{from}\" width=\"{}\" height=\"14\"/>",
            (to - from).max(1)
        );
        before += count;
    }
    out.push_str("</svg>");
    out
}

/// How long those waited that passed.
pub(super) fn delays(out: &mut String, delays: &[u64; DELAYS.len()]) {
    const EACH: u64 = 78;
    const HIGH: u64 = 110;
    let (most, count) =
        (delays.iter().max().copied().unwrap_or(0).max(1), u64::try_from(delays.len()).unwrap_or(1));
    let _ = writeln!(
        out,
        "<figure><svg viewBox=\"0 0 {} {}\" style=\"max-width:52rem\" role=\"img\" aria-label=\"How long mail waited\">",
        EACH * count,
        HIGH + 42
    );
    for (at, ((_, label), count)) in (0_u64..).zip(DELAYS.iter().zip(delays)) {
        let high = if *count > 0 { (HIGH * count / most).max(1) } else { 0 };
        let (x, y) = (at * EACH, 18 + HIGH - high);
        let middle = x + EACH / 2;
        let _ = writeln!(
            out,
            "<rect class=\"f-accepted\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{high}\"/><text x=\"{middle}\" y=\"{}\" \
             text-anchor=\"middle\">{}</text><text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            x + 6,
            EACH - 12,
            y - 5,
            number(*count),
            HIGH + 36
        );
    }
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"0\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/></svg></figure>",
        EACH * count,
        y = HIGH + 18
    );
}

/// A small time axis.
pub(super) fn spark(over_time: &[u32]) -> String {
    const HIGH: u64 = 18;
    let most = u64::from(over_time.iter().max().copied().unwrap_or(0).max(1));
    let mut path = String::new();
    for (at, count) in over_time.iter().enumerate().filter(|(_, count)| **count > 0) {
        let high = (u64::from(*count) * HIGH / most).max(1);
        let _ = write!(path, "M{} {HIGH}v-{high}", at * 5 + 2);
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {} {HIGH}\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path d=\"{path}\" \
         stroke=\"var(--rejected)\" stroke-width=\"4\"/></svg>",
        SPARKS * 5
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let cases = [
            (0, (1, 1)),
            (1, (1, 1)),
            (5, (5, 1)),
            (6, (6, 2)),
            (11, (15, 5)),
            (26, (30, 10)),
            (99, (100, 20)),
            (1_234, (1_500, 500)),
            (41_203, (50_000, 10_000)),
        ];
        for (most, want) in cases {
            assert_eq!(scale(most), want, "{most}");
        }
        assert!(scale(u64::MAX).0 >= scale(u64::MAX).1);
    }
}
