//! The fuzz target without nightly: the cases of tests/attachments, hostile messages and the given files, changed at
//! random for as long as is said. `cargo run --release --example fuzz_attachments -- SECONDS [SEED] [FILE…]`. A FILE is a
//! message, or `*.jsonl` with messages in base64 as `message_b64`. Beside what the target checks, the time of each
//! message is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a harness says what it found or ends"
)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../support/hostile.rs"]
mod hostile;
mod walk;

use std::{
    env, fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The longest message.
const LONGEST: usize = 16 << 10;
/// The longest time of one message, walked four times, on a busy machine.
const SLOWEST: Duration = Duration::from_secs(5);

/// Pieces of messages that are put in.
const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\r\n ",
    "--",
    "--b",
    "--b--",
    "\r\n--b\r\n",
    ";",
    "\"",
    "\\",
    "(",
    ")",
    "=",
    "*",
    "'",
    "%",
    "=?",
    "?=",
    "=?utf-8?Q?",
    "=?utf-16be?B?",
    "filename=",
    "filename*=",
    "filename*0*=utf-8''",
    "name=",
    "*1=",
    "boundary=b",
    "boundary=",
    "number=2",
    ".exe",
    ".zip",
    ".eml",
    "\0",
    "\u{202e}",
    ":",
    "/",
    "::$DATA",
    " ",
    "\t",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: message/partial; number=1\r\n\r\n",
    "Content-Type: application/octet-stream; name=a.exe\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    "Content-Transfer-Encoding: x-uuencode\r\n\r\n",
    "Content-Disposition: attachment; ",
    "begin 644 a.exe\r\n#86)C\r\n",
    "=ybegin name=a.exe\r\n",
    "(This file must be converted with BinHex 4.0)\r\n:",
    "PK\x03\x04",
    "PK\x01\x02",
    "PK\x05\x06",
    "UEsDBBQAAAAIAABQwlpRjMBzYwAAAJAAAAAJAAAAaW5uZXIuemlw",
    "Rar!\x1a\x07\0",
    "Rar!\x1a\x07\x01\0",
    "UmFyIRoHAQA",
    "H4sIAAAAAAAAAw",
    "eJ8+Ig",
    "\x1f\u{8b}\x08",
    "7z",
    "Content-Type: application/x-sun-attachment\r\n",
    "X-Sun-Data-Name: a.exe\r\n",
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let seconds = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(60);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let seed = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(now as u64 | 1);
    let corpus = corpus(arguments.get(2..).unwrap_or_default());
    println!("{} messages, seed {seed}, {seconds} seconds", corpus.len());
    let mut random = Random(seed);
    for message in &corpus {
        assert_eq!(walk::check(message), Ok(()), "unchanged: {}", String::from_utf8_lossy(message));
    }
    let (start, mut executions, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    while start.elapsed().as_secs() < seconds {
        for _ in 0..100 {
            let message = mutated(&corpus, &mut random);
            let began = Instant::now();
            let result = std::panic::catch_unwind(|| walk::check(&message));
            let took = began.elapsed();
            slowest = slowest.max(took);
            executions += 1;
            let fault = match result {
                Ok(Ok(())) if took < SLOWEST => continue,
                Ok(Ok(())) => format!("it took {took:?}"),
                Ok(Err(fault)) => fault,
                Err(_) => "panicked".to_owned(),
            };
            let file = env::temp_dir().join(format!("attachment-fault-{seed}-{executions}"));
            fs::write(&file, &message).unwrap();
            println!("execution {executions}: {fault}\nthe message is in {}", file.display());
            std::process::exit(1);
        }
    }
    println!("{executions} executions without a fault, the slowest {slowest:?}");
}

fn corpus(files: &[String]) -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = hostile::messages(6_000).into_iter().map(|(_, message)| message).collect();
    let cases = fs::read_dir("tests/attachments").unwrap().map(|entry| entry.unwrap().path());
    for path in cases.filter(|path| path.extension().is_some_and(|end| end == "cases")) {
        for case in fs::read_to_string(path).unwrap().split("\n\n") {
            let lines = case.lines().filter_map(|line| line.strip_prefix('|'));
            let head = lines.map(|line| format!("{}\r\n", line.strip_prefix(' ').unwrap_or(line)));
            corpus.push(head.collect::<String>().into_bytes());
        }
    }
    for file in files {
        let bytes = fs::read(file).unwrap();
        if !file.ends_with(".jsonl") {
            corpus.push(bytes);
            continue;
        }
        for line in String::from_utf8(bytes).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            corpus.push(decoded(case["message_b64"].as_str().unwrap()));
        }
    }
    corpus.retain(|message| !message.is_empty());
    corpus.iter_mut().for_each(|message| message.truncate(LONGEST));
    corpus
}

fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for value in text.chars().filter_map(|letter| ALPHABET.find(letter)) {
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A message with some changes: bytes turned, pieces doubled, cut, moved, words put in, two messages joined.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut message = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(message.len() + 1);
        let end = (at + random.below(200)).min(message.len());
        match random.below(8) {
            0 if !message.is_empty() => {
                let at = at.min(message.len() - 1);
                message[at] = random.next() as u8;
            }
            1 => drop(message.drain(at..end)),
            2 => {
                let piece = message[at..end].to_vec();
                let times = 1 + random.below(20);
                message.splice(at..at, piece.repeat(times));
            }
            3 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len());
                let to = (from + random.below(1_000)).min(other.len());
                message.splice(at..end.min(at + 20), other[from..to].iter().copied());
            }
            4 if !message.is_empty() => {
                let at = at.min(message.len() - 1);
                message[at] ^= 1 << random.below(8);
            }
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                message.splice(at..at, word.bytes());
            }
        }
        message.truncate(LONGEST);
    }
    message
}

/// A generator of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
