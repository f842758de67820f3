//! What a walk costs: a message of 25 MiB against merely finding its line ends, an ordinary message, and every hostile
//! message at two lengths, whose speeds must be alike.
//!
//! `cargo run --release --example attachments [WORD]`; with WORD only the hostile messages whose name holds it. Prints
//! figures and what is wanted; no figure fails the run. Time is the thread's CPU time, so that other work on the machine
//! counts little.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench says what it measures or ends"
)]
#[path = "../support/hostile.rs"]
mod hostile;

use mailward::attachment::{Walker, Watch, budget::Budget, rules::NameRules};
use rustix::time::{ClockId, clock_gettime};
use std::{env, hint::black_box, sync::Arc};

/// What a milter gets at a time.
const CHUNK: usize = 65_535;
const MESSAGE: usize = 25 << 20;
const HOSTILE: usize = 1 << 20;
/// So often everything is measured.
const TIMES: usize = 7;

fn main() {
    let watch = Arc::new(Watch { rules: vec![Arc::new(NameRules::standard())], ..Watch::default() });
    let only = env::args().nth(1);
    if only.is_none() {
        large(&watch);
        ordinary(&watch);
    }
    println!("\nhostile messages: MB/s at 1 MiB and at 4 MiB (wanted: alike), most state in kB");
    let (short, long) = (hostile::messages(HOSTILE), hostile::messages(4 * HOSTILE));
    let mut worst = (f64::MAX, "");
    for ((name, short), (_, long)) in short.iter().zip(&long) {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let (first, second) = (walk(&watch, short), walk(&watch, long));
        let (first_speed, second_speed) = (speed(short, first.0), speed(long, second.0));
        println!("{first_speed:9.1} {second_speed:9.1} {:7.1}  {name}", second.1 as f64 / 1e3);
        if second_speed < worst.0 {
            worst = (second_speed, name);
        }
    }
    println!("the slowest: {:.1} MB/s, {}", worst.0, worst.1);
}

/// A message of 25 MiB with one attachment in base64.
fn large(watch: &Arc<Watch>) {
    println!("a message of 25 MiB with one attachment (wanted: at least 0.25 of finding the line ends)");
    let head = |kind: &str, name: &str| {
        format!(
            "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\nhi\r\n--=_b\r\n\
             Content-Type: {kind}; name={name}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
    };
    for (name, kind, file, begin) in [
        ("a picture", "image/jpeg", "a.jpg", &b"\xFF\xD8\xFF\xE0"[..]),
        ("a PDF", "application/pdf", "a.pdf", b"%PDF-1.7\n"),
        ("unknown bytes", "application/octet-stream", "a.dat", b"unknown"),
        (
            "a ZIP file",
            "application/zip",
            "a.zip",
            b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt",
        ),
    ] {
        let mut body = hostile::base64_lines(MESSAGE, 1);
        let begin = hostile::encoded(begin);
        let letters = begin.iter().take_while(|byte| **byte != b'=' && **byte != b'\r').count() / 4 * 4;
        body[..letters].copy_from_slice(&begin[..letters]);
        let message = [head(kind, file).as_bytes(), &body, b"--=_b--\r\n"].concat();
        let ends = best(TIMES, || {
            for chunk in message.chunks(CHUNK) {
                for end in memchr::memchr_iter(b'\n', chunk) {
                    black_box(end);
                }
            }
        });
        let (walked, state) = walk(watch, &message);
        println!(
            "{:9.1} MB/s, line ends {:9.1} MB/s, ratio {:.2}, state {:.1} kB: {name}",
            speed(&message, walked),
            speed(&message, ends),
            ends / walked,
            state as f64 / 1e3
        );
    }
}

/// Ten fields, four kilobytes, one attachment.
fn ordinary(watch: &Arc<Watch>) {
    let mut message = String::new();
    for number in 0..8 {
        message.push_str(&format!(
            "X-Field-{number}: some value that is as long as values are, more or less\r\n"
        ));
    }
    message
        .push_str("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b1\"\r\n\r\n--=_b1\r\n");
    message.push_str("Content-Type: text/plain; charset=utf-8\r\n\r\n");
    message.push_str(&"Some words that fill a line of a text, and more of them.\r\n".repeat(20));
    message.push_str("--=_b1\r\nContent-Type: application/pdf; name=\"report of may.pdf\"\r\n");
    message.push_str("Content-Disposition: attachment; filename=\"report of may.pdf\"\r\n");
    message.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
    let attached = hostile::base64_lines(3_000, 5);
    let message = [message.as_bytes(), &attached, b"--=_b1--\r\n"].concat();
    let budget = Budget::new(64 << 20);
    let times = 1_000;
    let all = best(TIMES, || {
        for _ in 0..times {
            let mut walker = Walker::new(watch.clone(), budget.clone());
            walker.raw(&message);
            black_box(walker.finish());
        }
    });
    let each = all / f64::from(times);
    println!("\nan ordinary message of {} bytes: {:.2} µs", message.len(), each * 1e6);
}

/// The best of some walks, and the most state.
fn walk(watch: &Arc<Watch>, message: &[u8]) -> (f64, usize) {
    let budget = Budget::new(64 << 20);
    let mut state = 0;
    let best = best(TIMES, || {
        let mut walker = Walker::new(watch.clone(), budget.clone());
        for chunk in message.chunks(CHUNK) {
            walker.raw(chunk);
            state = state.max(walker.held());
        }
        black_box(walker.finish());
    });
    (best, state)
}

/// The least CPU time in seconds that one of some runs takes.
fn best(times: usize, mut run: impl FnMut()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let times = (0..times).map(|_| {
        let start = now();
        run();
        now() - start
    });
    times.fold(f64::MAX, f64::min)
}

fn speed(message: &[u8], seconds: f64) -> f64 {
    message.len() as f64 / 1e6 / seconds
}
