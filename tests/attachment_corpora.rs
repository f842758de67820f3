//! False positives: what the standard list says about the messages that other programs are tested with.
//!
//! `tests/attachments/corpora` fetches them; `MAILWARD_CORPUS` names the folder with one folder for each of them. What is
//! refused or marked must be what `tests/attachments/corpora.expected` says, line by line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

mod support;

use mailward::attachment::{Walker, Watch, budget::Budget, facts::Facts, rules::NameRules};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use support::postfix::say;

/// The folders, and how many messages at least are in each.
const CORPORA: &[(&str, usize)] =
    &[("mail-parser", 300), ("mime-tools", 50), ("python", 60), ("spamassassin", 200)];

#[test]
fn nothing_is_refused_or_marked_but_what_the_table_explains() {
    let Some(folder) = env::var_os("MAILWARD_CORPUS").map(PathBuf::from) else {
        return say("SKIPPED the corpora: MAILWARD_CORPUS names no folder");
    };
    let table = fs::read_to_string("tests/attachments/corpora.expected").unwrap();
    for (corpus, least) in CORPORA {
        let files = files(&folder.join(corpus));
        if files.is_empty() {
            say(&format!("SKIPPED the corpus {corpus}: MAILWARD_CORPUS has no folder of that name"));
            continue;
        }
        assert!(files.len() >= *least, "{corpus}: {} files", files.len());
        let of_corpus = |line: &&str| line.split_once('/').is_some_and(|(of, _)| of == *corpus);
        let lines = table.lines().filter(|line| !line.starts_with('#')).filter(of_corpus);
        let want: Vec<&str> = lines.map(|line| line.split_once(" # ").unwrap().0).collect();
        let found: Vec<String> = files.iter().filter_map(|file| findings(&folder, file)).collect();
        assert_eq!(found, want, "{corpus}");
    }
}

/// All files below a folder, in their order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut open, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(path) = open.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => open.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) if path.is_file() => files.push(path),
            Err(_) => {}
        }
    }
    files.sort();
    files
}

/// What is found in a file, as the table writes it.
fn findings(folder: &Path, file: &Path) -> Option<String> {
    let facts = walk(&fs::read(file).unwrap());
    let word = |banned| if banned { "BANNED" } else { "marked" };
    let mut findings: Vec<String> = facts.findings[0]
        .iter()
        .map(|found| format!("{} {:?} ({})", word(found.banned), found.written, found.reason))
        .collect();
    findings.extend(facts.unparsable.map(|trouble| format!("UNPARSABLE ({trouble})")));
    let name = file.strip_prefix(folder).unwrap().display();
    (!findings.is_empty()).then(|| format!("{name}: {}", findings.join(", ")))
}

fn walk(message: &[u8]) -> Facts {
    let watch = Arc::new(Watch { rules: vec![Arc::new(NameRules::standard())], ..Watch::default() });
    let mut walker = Walker::new(watch, Budget::new(64 << 20));
    walker.raw(message);
    walker.finish()
}
