//! The page, whatever the data.

use super::*;
use crate::cli::report::{
    figures::{Column, Ends, List, Network, Overlap, Rule, SPARKS, Suspect},
    health::Light,
    tally::Tally,
    text,
};
use std::collections::HashMap;

const HOSTILE: &str = "\u{1b}[2J\u{202e}<script src='http://x.example/'>\"&\\\u{9b}";

/// Every kind of element that a page has.
const TAGS: [&str; 35] = [
    "DOCTYPE", "html", "head", "meta", "title", "style", "body", "svg", "g", "defs", "pattern", "rect",
    "circle", "line", "text", "path", "header", "h1", "h2", "span", "div", "b", "br", "ul", "li", "section",
    "p", "figure", "table", "thead", "tbody", "tr", "th", "td", "code",
];

/// A report with as much in it as there can be, and nothing in it that is not hostile.
fn hostile() -> Report {
    let period =
        crate::cli::report::figures::Period { from: 1_146_441_600, to: 1_146_528_000, journal_begins: None };
    let mut report = Tally::new(period, &HashMap::new()).finish();
    let long = HOSTILE.repeat(40);
    let most = 1 << 40;
    let ends = Ends {
        rejected: most,
        deferred: most,
        greylisted: most,
        discarded: most,
        accepted: most,
        ..Ends::default()
    };
    report.host = long.clone();
    report.health = vec![Light { name: "x", state: State::Bad, says: long.clone() }; 12];
    report.attempts.ends = ends;
    report.times.columns = vec![Column { from: 1_146_441_600, ends }; 48];
    let rule = Rule { entry: long.clone(), place: long.clone(), ends, alone: most, ..Rule::default() };
    report.rules = vec![rule; 2_000];
    report.lists = vec![List { zone: long.clone(), asked: most, listed: most, ..List::default() }; 100];
    let pairs = (0..100).flat_map(|one| (one + 1..100).map(move |other| Overlap { one, other, both: most }));
    report.overlaps = pairs.collect();
    report.greylist.contacts = most;
    report.greylist.delays = [most; 10];
    report.suspects = vec![
        Suspect {
            client: long.clone(),
            client_name: Some(long.clone()),
            sender: long.clone(),
            recipient: long.clone(),
            entry: long.clone(),
            place: long.clone(),
            outcome: Outcome::Rejected,
            count: most,
            last: 0,
            signs: vec![long.clone(); 4],
            // As long as a quoted command can be.
            command: "'\\''".repeat(400),
            id: long.clone(),
        };
        100
    ];
    let network = Network {
        network: "2001:db8::/48".to_owned(),
        name: Some(long),
        ends,
        over_time: vec![u32::MAX; SPARKS],
    };
    report.networks.worst = vec![network; 100];
    report.networks.uncertain_by = most;
    report
}

#[test]
fn the_page_is_small_whatever_the_data_and_nothing_in_it_acts() {
    let page = write(&hostile());
    assert!(page.len() < LIMIT, "{} bytes", page.len());
    assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{9b}']));
    let tags = page.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0);
    for tag in tags {
        let name: &str = tag.trim_start_matches(['/', '!']).split(' ').next().unwrap();
        assert!(TAGS.contains(&name), "{tag}");
        for never in [" src=", " href=", " onload", " onclick", " onerror", " onmouse", "url("] {
            assert!(!tag.contains(never), "{tag}");
        }
    }
    let style = STYLE.replace("url(#", "").replace("@media", "");
    assert!(!style.contains("url(") && !style.contains('@'));
}

#[test]
fn the_terminal_shows_nothing_that_acts_and_keeps_to_its_columns() {
    let text = text::write(&hostile(), 80, false);
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text}");
    let coloured = text::write(&hostile(), 80, true);
    let codes = coloured.split('\u{1b}').skip(1).map(|rest| rest.split_once('m').unwrap().0);
    assert!(codes.into_iter().all(|code| ["[0", "[1", "[2", "[31", "[32", "[33", "[1;31"].contains(&code)));
    for line in text.lines().filter(|line| !line.contains("'\\''")) {
        assert!(line.chars().count() <= 120, "{line}");
    }
}
