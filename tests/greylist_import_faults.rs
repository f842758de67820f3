//! `mailward greylist import` of files that are broken, or none at all: no harm is done, and the place is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    cli::Exit,
    time::{Clock, SystemClock},
};
use std::fs;
use support::{
    directory::Directory,
    greylist::{command, empty},
};

/// A btree of Berkeley DB whose one leaf has these items as keys and values, and what stands behind it.
fn btree(items: &[&[u8]], behind: &[u8]) -> Vec<u8> {
    let mut meta = vec![0_u8; 512];
    meta[12..16].copy_from_slice(&0x0005_3162_u32.to_le_bytes());
    meta[16] = 9;
    meta[20..24].copy_from_slice(&512_u32.to_le_bytes());
    meta[25] = 9;
    let mut leaf = vec![0_u8; 512];
    leaf[8] = 1;
    leaf[20] = u8::try_from(items.len()).unwrap();
    (leaf[24], leaf[25]) = (1, 5);
    let mut end = 512;
    for (number, item) in items.iter().enumerate() {
        end -= item.len();
        leaf[end..end + item.len()].copy_from_slice(item);
        let at = u16::try_from(end).unwrap().to_le_bytes();
        leaf[26 + 2 * number..28 + 2 * number].copy_from_slice(&at);
    }
    [meta, leaf, behind.to_vec()].concat()
}

/// An item on pages of its own: the first page and the length.
fn long(page: u32, length: u32) -> Vec<u8> {
    [&[0, 0, 3, 0][..], &page.to_le_bytes(), &length.to_le_bytes()].concat()
}

/// A page on which an item goes on, with the next one.
fn overflow(number: u32, next: u32, data: &[u8]) -> Vec<u8> {
    let mut page = vec![0_u8; 512];
    page[8..12].copy_from_slice(&number.to_le_bytes());
    page[16..20].copy_from_slice(&next.to_le_bytes());
    page[22..24].copy_from_slice(&u16::try_from(data.len()).unwrap().to_le_bytes());
    page[25] = 7;
    page[26..26 + data.len()].copy_from_slice(data);
    page
}

fn item(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_le_bytes()[..], &[1], text.as_bytes()].concat()
}

#[tokio::test]
async fn broken_databases_do_no_harm() {
    let directory = empty().await;
    let now = SystemClock.now().0;
    let (key, value) = (item("192.0.2.0/a@x.example/to@rcpt.example"), item(&format!("{now},{now}")));
    let key_text = b"192.0.2.0/a@x.example/to@rcpt.example";
    let good = "1 row and 0 known clients, 0 entries of no use, 0 faulty";
    let faulty = "nothing in it could be read as postgrey";
    let cases = [
        ("a leaf", btree(&[&key, &value], b""), good),
        (
            "a key on two pages",
            {
                let pages = [overflow(2, 3, &key_text[..10]), overflow(3, 0, &key_text[10..])].concat();
                btree(&[&long(2, 37), &value], &pages)
            },
            good,
        ),
        ("a circle of empty pages", btree(&[&long(2, 100), &value], &overflow(2, 2, b"")), faulty),
        ("a circle", btree(&[&long(2, 8_000), &value], &overflow(2, 2, b"x")), faulty),
        ("a page that is no part", btree(&[&long(1, 100), &value], b""), faulty),
        ("a page that is not there", btree(&[&long(9, 100), &value], b""), faulty),
        ("a very long key", btree(&[&long(2, u32::MAX), &value], b""), faulty),
        ("an item outside", btree(&[&[255, 255, 1], &value], b""), faulty),
        ("an unknown item", btree(&[&[1, 0, 9, 0], &value], b""), faulty),
        ("half a pair", btree(&[&key], b""), faulty),
        (
            "another page's number",
            {
                let mut pages = btree(&[&key, &value], b"");
                pages[520] = 7;
                pages
            },
            faulty,
        ),
        ("a page cut off", btree(&[], b"xxx"), faulty),
        ("no leaf", btree(&[], b""), faulty),
        ("a first page alone", btree(&[], b"")[..512].to_vec(), faulty),
        ("half a first page", btree(&[], b"")[..100].to_vec(), "it is too short for a database"),
        ("another program's file", b"SQLite format 3\0".to_vec(), "it is neither a btree of Berkeley DB nor"),
        ("nothing", Vec::new(), "it is neither a btree of Berkeley DB nor"),
    ];
    for (what, bytes, want) in cases {
        let path = directory.path().join("postgrey.db");
        fs::write(&path, bytes).unwrap();
        let (exit, out, err) =
            command(&directory, "", &["import", "postgrey", path.to_str().unwrap(), "--dry-run"]);
        assert!((out + &err).contains(want), "{what}: {err}");
        assert_eq!(exit == Exit::Success, want == good, "{what}");
    }
}

#[tokio::test]
async fn a_log_newer_than_the_databases_is_told() {
    let (directory, theirs, now) = (empty().await, Directory::new(), SystemClock.now().0);
    let (key, value) = (item("192.0.2.0/a@x.example/to@rcpt.example"), item(&format!("{now},{now}")));
    let database = theirs.path().join("postgrey.db");
    fs::write(&database, btree(&[&key, &value], b"")).unwrap();
    let written = fs::metadata(&database).unwrap().modified().unwrap();
    let log = fs::File::create(theirs.path().join("log.0000000001")).unwrap();
    for (later, told) in [(1, false), (10, true)] {
        log.set_modified(written + std::time::Duration::from_secs(later)).unwrap();
        let (exit, _, err) =
            command(&directory, "", &["import", "postgrey", theirs.path().to_str().unwrap()]);
        assert_eq!((exit, err.contains("as after a crash")), (Exit::Success, told), "{err}");
    }
}

#[tokio::test]
async fn any_byte_of_a_database_may_be_wrong() {
    let directory = empty().await;
    let now = SystemClock.now().0;
    let (key, value) = (item("192.0.2.0/a@x.example/to@rcpt.example"), item(&format!("{now},{now}")));
    let whole = btree(&[&key, &value, &long(2, 37), &value], &overflow(2, 0, &[b'x'; 37]));
    let path = directory.path().join("postgrey.db");
    for at in (0..128).chain(512..600).chain(960..1_060) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&path, bytes).unwrap();
        let (exit, _, _) =
            command(&directory, "", &["import", "postgrey", path.to_str().unwrap(), "--dry-run"]);
        assert!(matches!(exit, Exit::Success | Exit::Data | Exit::InputOutput), "{at}: {exit:?}");
    }
}

#[tokio::test]
async fn files_that_are_none_do_no_harm() {
    let directory = empty().await;
    let row =
        "client,sender,recipient,first_seen,last_seen,passed_at,deferred,passed,last_ip,last_name,origin";
    let cases: [(&str, Vec<u8>, Exit); 11] = [
        ("spamd", vec![b'x'; 1 << 20], Exit::Data),
        ("spamd", vec![0; 100_000], Exit::Data),
        ("milter-greylist", (0..=255).cycle().take(100_000).collect(), Exit::Data),
        ("greylistd", b"[white]\n".to_vec(), Exit::InputOutput),
        ("postgrey", b"no database\n".to_vec(), Exit::Data),
        ("sqlgrey", b"SQLite format 3\0 and no more".to_vec(), Exit::Data),
        ("sqlgrey", b"a,b,c\n".to_vec(), Exit::Data),
        ("csv", b"a,b,c\n1,2,3\n".to_vec(), Exit::Data),
        ("csv", b"\xff\xfe,b,c\n1,2,3\n".to_vec(), Exit::Data),
        ("csv", format!("{row}\n1,2,3\n").into_bytes(), Exit::Data),
        ("csv", [format!("{row}\n\"").as_bytes(), &[b'x'; 1 << 20]].concat(), Exit::Data),
    ];
    for (from, bytes, want) in cases {
        let path = directory.path().join("file");
        fs::write(&path, bytes).unwrap();
        let (exit, out, err) = command(&directory, "", &["import", from, path.to_str().unwrap()]);
        assert_eq!(exit, want, "{from} {out} {err}");
        assert!(err.lines().all(|line| line.len() < 1_000), "{err}");
        for library in ["CSV", "os error", "byte:", "Error {", "SQLite error"] {
            assert!(!err.contains(library), "{err}");
        }
    }
    let theirs = directory.path().join("greylistd");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("triplets"), "1 = 192.0.2.1 a@x.example to@rcpt.example\n").unwrap();
    for (file, want) in [
        (theirs.clone(), "it has no file `states`: name greylistd's `statefile` itself"),
        (
            theirs.join("triplets"),
            "it does not say what has passed: name `states` beside it, or the directory of both",
        ),
    ] {
        let (exit, _, err) = command(&directory, "", &["import", "greylistd", file.to_str().unwrap()]);
        assert_eq!((exit, err), (Exit::Data, format!("mailward: {}: {want}\n", file.display())));
    }
    let missing = command(&directory, "", &["import", "csv", "/nowhere/greylist.csv"]);
    assert_eq!(
        (missing.0, missing.2.as_str()),
        (Exit::InputOutput, "mailward: /nowhere/greylist.csv: no such file or directory\n")
    );
}

#[tokio::test]
async fn faults_are_counted_and_the_first_are_shown() {
    let directory = empty().await;
    let path = directory.file("spamdb", &"nonsense\n".repeat(25));
    let (exit, out, err) = command(&directory, "", &["import", "spamd", path.to_str().unwrap()]);
    assert_eq!(exit, Exit::Data);
    assert!(out.starts_with("spamd: 0 rows and 0 known clients, 0 entries of no use, 25 faulty\n"), "{out}");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        (lines[0], lines[9]),
        ("mailward: line 1: it is not a line of spamdb", "mailward: line 10: it is not a line of spamdb")
    );
    assert_eq!(lines[10], "mailward: and 15 more that could not be read");
    assert_eq!(lines.len(), 12);
}
