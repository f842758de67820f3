//! Attachment names: every way of writing and hiding a name, and every harmless message that looks like one.
//!
//! `tests/attachments/*.cases` are our own, in the format that `tests/attachments/README` describes. A file of the
//! survey with a case a line is read from `MAILWARD_ATTACHMENT_CASES`, or from where it lies beside the repository.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

mod support;

use mailward::{
    attachment::{Walker, Watch, budget::Budget, facts::Facts, rules::NameRules},
    request::message::{Appetite, Inspect},
};
use std::{env, fs, path::PathBuf, sync::Arc};
use support::{hostile, postfix::say};

/// The set of the survey, `names` banned and nothing marked.
fn watch() -> Arc<Watch> {
    let banned = ["exe", "vbs", "pif", "scr", "js", "bat", "cmd", "com", "lnk"].into_iter().collect();
    Arc::new(Watch {
        rules: vec![Arc::new(NameRules { banned, ..NameRules::default() })],
        keep_tree: true,
        ..Watch::default()
    })
}

fn walk(watch: &Arc<Watch>, message: &[u8], size: usize) -> Facts {
    let mut walker = Walker::new(watch.clone(), Budget::new(64 << 20));
    for chunk in message.chunks(size) {
        walker.raw(chunk);
    }
    walker.finish()
}

/// The same as a milter sees it: fields one by one, then the body, until nothing more is wanted.
fn filter(watch: &Arc<Watch>, message: &[u8], size: usize) -> Facts {
    let mut walker = Walker::new(watch.clone(), Budget::new(64 << 20));
    let text = String::from_utf8_lossy(message);
    let end = text.find("\r\n\r\n").or_else(|| text.find("\n\n"));
    let mut at = 0;
    let head = end.map_or(message, |_| {
        at = memchr::memmem::find(message, b"\r\n\r\n")
            .map_or_else(|| memchr::memmem::find(message, b"\n\n").unwrap() + 2, |at| at + 4);
        &message[..at]
    });
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        match fields.last_mut() {
            Some(field) if matches!(line.first(), Some(b' ' | b'\t')) => field.extend(line),
            _ if line.contains(&b':') => fields.push(line.to_vec()),
            _ => {}
        }
    }
    for field in &fields {
        let colon = field.iter().position(|byte| *byte == b':').unwrap();
        let value = field[colon + 1..].strip_suffix(b"\n").unwrap_or(&field[colon + 1..]);
        walker.header(&field[..colon], value.strip_suffix(b"\r").unwrap_or(value));
    }
    let mut appetite = walker.end_of_headers();
    for chunk in message[at.max(usize::from(end.is_none()) * message.len())..].chunks(size) {
        if appetite == Appetite::Enough {
            break;
        }
        appetite = walker.body(chunk);
    }
    walker.finish()
}

#[test]
fn the_cases_of_the_survey_are_judged_as_they_say() {
    let beside = ["../shared/cases/attachments.jsonl", "../../shared/cases/attachments.jsonl"];
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = beside.map(|path| root.join(path)).into_iter();
    let file = env::var_os("MAILWARD_ATTACHMENT_CASES").map(PathBuf::from).into_iter().chain(beside);
    let Some(text) = file.filter_map(|file| fs::read_to_string(file).ok()).next() else {
        return say("SKIPPED the cases of the survey: there is no attachments.jsonl");
    };
    let watch = watch();
    let (mut faults, mut count) = (Vec::new(), 0);
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let message = base64(case["message_b64"].as_str().unwrap());
        let want = case["banned"].as_bool().unwrap();
        count += 1;
        for (how, facts) in [
            ("as a file", walk(&watch, &message, 65_535)),
            ("as a file, byte by byte", walk(&watch, &message, 1)),
            ("as a milter", filter(&watch, &message, 65_535)),
        ] {
            let banned = facts.banned(0);
            if banned.is_some() != want {
                faults.push(format!(
                    "{id} {how}: want {want}, got {banned:?} {:?} {:?}",
                    facts.unparsable, facts.ambiguous
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count} cases\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn any_split_of_the_same_bytes_gives_the_same_result() {
    let watch = watch();
    let cases = cases().into_iter().map(|case| (case.id.clone(), case.message()));
    let hostile = hostile::messages(9_000).into_iter().map(|(name, message)| (name.to_owned(), message));
    let mut random = 1_u64;
    for (name, message) in cases.chain(hostile) {
        let whole = walk(&watch, &message, message.len());
        for longest in [3, 50, 2_000] {
            let mut walker = Walker::new(watch.clone(), Budget::new(64 << 20));
            let mut rest = message.as_slice();
            while !rest.is_empty() {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let length = usize::try_from(random >> 33).unwrap() % longest + 1;
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                walker.raw(piece);
                rest = behind;
            }
            assert_eq!(walker.finish(), whole, "{name} by at most {longest}");
        }
    }
}

/// What the walker says once the header is complete, and at the end of a first piece of the body.
#[test]
fn a_walk_says_when_nothing_in_the_rest_can_matter() {
    let watch = Arc::new(Watch { rules: vec![Arc::new(NameRules::minimal())], ..Watch::default() });
    let picture = b"/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////\r\n".repeat(20);
    let zip = b"UEsDBBQAAAAIAABQwlpRjMBzYwAAAJAAAAAJAAAAaW5uZXIuemlw\r\n".repeat(20);
    let base64 = ("Content-Transfer-Encoding", "base64");
    use Appetite::{Enough, More};
    for (what, fields, body, want) in [
        ("a plain text may hold uuencode", vec![], b"hi\r\n".to_vec(), [More, More]),
        ("HTML holds nothing", vec![("Content-Type", " text/html")], b"<p>\r\n".to_vec(), [Enough, Enough]),
        ("a picture", vec![("Content-Type", " image/jpeg"), base64], picture.clone(), [More, Enough]),
        ("a picture that is none", vec![("Content-Type", "image/jpeg"), base64], zip, [More, More]),
        ("a file may end as a ZIP file does", vec![("Content-Type", "a/b"), base64], picture, [More, More]),
        ("a banned name", vec![("Content-Type", "a/b; name=a.exe")], b"MZ".to_vec(), [Enough, Enough]),
        (
            "parts may follow",
            vec![("Content-Type", "multipart/mixed; boundary=b")],
            b"--b\r\n\r\n--b--\r\n".to_vec(),
            [More, More],
        ),
    ] {
        let mut walker = Walker::new(watch.clone(), Budget::new(1 << 20));
        fields.iter().for_each(|(name, value)| walker.header(name.as_bytes(), value.as_bytes()));
        assert_eq!([walker.end_of_headers(), walker.body(&body)], want, "{what}");
    }
}

/// A case of a file in tests/attachments.
struct Case {
    file: String,
    want: String,
    kind: String,
    id: String,
    lines: Vec<u8>,
}

impl Case {
    fn message(&self) -> Vec<u8> {
        let top = "From: a@example.org\r\nTo: b@example.net\r\nSubject: test\r\nMIME-Version: 1.0\r\n";
        let open = "Content-Type: multipart/mixed; boundary=\"=_b1\"\r\n\r\n--=_b1\r\n\r\nhi\r\n--=_b1\r\n";
        let body = "Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n";
        let close = "--=_b1--\r\n";
        let (before, behind) = match self.kind.as_str() {
            "part" => (open, [body, close].concat()),
            "entity" => (open, close.to_owned()),
            "top" => ("", String::new()),
            kind => panic!("{}: kind {kind}", self.id),
        };
        [top.as_bytes(), before.as_bytes(), &self.lines, behind.as_bytes()].concat()
    }
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir("tests/attachments").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|end| end == "cases")) {
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some(text) = line.strip_prefix('|') {
                let case = cases.last_mut().unwrap();
                case.lines.extend(unescaped(text.strip_prefix(' ').unwrap_or(text)));
                case.lines.extend(b"\r\n");
            } else if !line.is_empty() && !line.starts_with('#') {
                let (words, _) = line.split_once(": ").unwrap();
                let [want, kind, id] = *words.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
                let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
                let [want, kind, id] = [want, kind, id].map(str::to_owned);
                cases.push(Case { file, want, kind, id, lines: Vec::new() });
            }
        }
    }
    cases
}

/// The bytes of a line of a case.
fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let length = match escape.as_bytes()[0] {
            b'x' => {
                bytes.push(u8::from_str_radix(&escape[1..3], 16).unwrap());
                3
            }
            b'[' => {
                let (count, text) = escape[1..].split_once(':').unwrap();
                let (text, _) = text.split_once(']').unwrap();
                bytes.extend(unescaped(text).repeat(count.parse().unwrap()));
                count.len() + text.len() + 3
            }
            letter => {
                bytes.push(match letter {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    other => other,
                });
                1
            }
        };
        rest = &escape[length..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[test]
fn every_form_of_a_name_is_judged_as_its_case_says() {
    let watch = watch();
    let (mut faults, cases) = (Vec::new(), cases());
    assert!(cases.len() > 150, "{} cases", cases.len());
    for case in &cases {
        let message = case.message();
        let whole = walk(&watch, &message, message.len());
        let (want, ambiguous) =
            case.want.split_once('+').map_or((case.want.as_str(), false), |(want, _)| (want, true));
        let found = match (whole.banned(0), whole.unparsable) {
            (Some(_), _) => "banned",
            (None, Some(_)) => "unparsable",
            (None, None) => "clean",
        };
        if found != want || ambiguous && whole.ambiguous.is_none() {
            faults.push(format!("{} {}: want {}, got {whole:?}", case.file, case.id, case.want));
        }
        for size in [1, 7] {
            let pieces = walk(&watch, &message, size);
            if pieces != whole {
                faults.push(format!("{} {} by {size}: {pieces:?}\n not {whole:?}", case.file, case.id));
            }
        }
        let filtered = filter(&watch, &message, 65_535);
        if filtered.banned(0).is_some() != whole.banned(0).is_some() {
            faults.push(format!("{} {} as a milter: {filtered:?}", case.file, case.id));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for value in text.chars().filter_map(|letter| ALPHABET.find(letter)) {
        bits = bits << 6 | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).unwrap());
        }
    }
    bytes
}
