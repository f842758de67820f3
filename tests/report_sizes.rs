//! `mailward report` on journals without, with few and with many decisions: the numbers, the size of the page, the columns
//! of the terminal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::time::{Clock, SystemClock};
use support::{
    directory::Directory,
    recorded,
    reported::{figures, report, same},
};

/// A journal of so many decisions in a directory.
fn recorded(size: u32, observed: bool) -> (Directory, recorded::Counts) {
    let directory = Directory::new();
    let path = directory.path().join("journal.db");
    let mode = if observed { "observe" } else { "enforce" };
    let text = format!("mode = {mode:?}\njournal.path = {path:?}\ncontrol_socket = \"off\"\n");
    directory.file("mailward.toml", &text);
    let counts =
        recorded::write(&path, SystemClock.now(), size, observed, |number| format!("word{}", number % 4_000));
    (directory, counts)
}

#[test]
fn none_ten_and_a_hundred_thousand_decisions_are_reported_alike() {
    for (size, observed) in [(0, false), (10, false), (10, true), (100_000, false)] {
        let (directory, counts) = recorded(size, observed);
        let figures = figures(directory.path());
        let attempts = counts.decisions;
        let returns = if observed { 0 } else { counts.came_back };
        let wanted = [
            ("decisions.all", counts.decisions),
            ("attempts.all", attempts),
            ("attempts.rejected", counts.rejected),
            ("attempts.deferred", counts.deferred),
            ("attempts.greylisted", counts.greylisted),
            ("attempts.accepted", counts.accepted),
            ("attempts.aborted", counts.aborted),
            ("attempts.came_back", returns),
            ("funnel.5.went_on", counts.accepted),
            ("greylist.contacts", if observed { 0 } else { counts.greylisted }),
            ("greylist.came_back", returns),
        ];
        same(&figures, &wanted, &size.to_string());
        let overlaps = figures["overlaps"].as_array().unwrap();
        assert_eq!(
            overlaps.iter().map(|overlap| overlap["both"].as_u64().unwrap()).sum::<u64>(),
            counts.listed_twice
        );
        let page = report(directory.path(), &["--html", "-"]);
        assert!(page.len() < 200_000, "{size}: {} bytes", page.len());
        assert!(
            page.ends_with("</html>\n") && !page.contains("<script") && page.matches("http").count() == 1
        );
        let text = report(directory.path(), &[]);
        for line in text.lines().filter(|line| !line.starts_with("    mailward ")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

const TEN: &str = "\
[ENFORCE] Decisions took effect.
10 decisions: 2 permit, 2 defer, 6 reject, 0 discard.

HEALTH
  ?     daemon         control_socket is \"off\": it cannot be asked

FROM CONNECTION TO ACCEPTANCE (attempts to deliver to one recipient)
                       came  rejected  deferred  greylisted    other   went on
  connection             10         –         –           –        –        10
  HELO                   10         –         –           –        –        10
  MAIL FROM              10         –         –           –        –        10
  RCPT TO                10         6         1           1        –         2
  DATA                    2         –         –           –        –         2
  end of message          2         –         –           –        –         2
  of all            100.0 %    60.0 %    10.0 %      10.0 %    0.0 %    20.0 %
ENTRIES OF THE LISTS (only it: no other that was looked at would have refused)
    stopped    only it     warned  permitted      asked     p50 ms     p95 ms
  reject_rbl_client zen.lists.example=127.0.0.[2..11]  mailward.toml:21
          6          5          –          –          9         54         93
  greylist  mailward.toml:23
          1          1          –          –          3          1          1
  reject_unknown_reverse_client_hostname  mailward.toml:20
          1          1          –          –          –          –          –
  reject_rbl_client bl.other.example  mailward.toml:22
          –          –          1          –          9         54         93

DNS LISTS (decisions in which they were asked)
                           asked  listed       % only it refused  failed  p95 ms
  zen.lists.example            9       6    66.7       5       6       –      93
  bl.other.example             9       1    11.1       –       –       –      93
  Both listed: zen.lists.example and bl.other.example: 1.

GREYLIST
  first contacts, asked to come back                     1
  of them came back and passed                           0     0.0 %
  of them did not come back so far                       1   100.0 %
  passed at once, as known or exempt                     2

NETWORKS WHOSE MAIL WAS STOPPED MOST OFTEN
                         stopped  rejected  accepted  last name
  198.51.100.0/24              2         –         1  mail.word4.example
  203.0.113.0/24               2         2         –  –
  203.0.115.0/24               1         1         –  –
  203.0.119.0/24               1         1         –  –
  203.0.121.0/24               1         1         –  mail.word2.example
  203.0.125.0/24               1         1         –  –
";

#[test]
fn the_terminal_shows_a_report_in_eighty_columns() {
    let (directory, _) = recorded(10, false);
    let text = report(directory.path(), &[]);
    // Times and the machine's name differ.
    let (_, text) = text.split_once("\n[").unwrap();
    let (head, rest) = text.split_once("\nOVER TIME").unwrap();
    let (_, rest) = rest.split_once("\nENTRIES").unwrap();
    let head: Vec<&str> = head.lines().filter(|line| !line.contains("newest row")).collect();
    assert_eq!(format!("[{}\nENTRIES{rest}", head.join("\n")), TEN);
}

#[test]
fn a_page_is_written_in_one_step() {
    let (directory, _) = recorded(10, false);
    let file = directory.path().join("mail.html");
    let said = report(directory.path(), &["--html", file.to_str().unwrap()]);
    assert!(said.starts_with(&format!("wrote {}, ", file.display())), "{said}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("<!DOCTYPE html>\n"));
    let files = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name());
    assert!(files.into_iter().all(|name| !name.to_string_lossy().contains(".html.")));
}
