//! Broken configuration files and the complete output of `check-config` for each: `tests/config/NN-what.toml` and
//! `.expected`. `UPDATE_CASES=1 cargo test --test config` writes what is printed; read every line before committing it.

#![allow(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use mailward::{
    cli::{self, Exit},
    config::{self, Disk, Files, Unreadable},
    origin::Severity,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const CASES: &str = "tests/config";

/// Everything that a command prints, and its exit code.
fn mailward(arguments: &[&str]) -> (String, Exit) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run([&["mailward"], arguments].concat(), &mut out, &mut err);
    out.extend(err);
    (String::from_utf8(out).unwrap(), exit)
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    cases
}

#[test]
fn broken_files_are_reported_as_expected() {
    let mut failed = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 25);
    for case in cases {
        let (printed, exit) = mailward(&["check-config", "-c", case.to_str().unwrap()]);
        let got = format!("{printed}exit {}\n", exit.code());
        let expected = case.with_extension("expected");
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&expected, &got).unwrap();
        }
        let want = fs::read_to_string(&expected).unwrap_or_default();
        if got != want {
            failed.push(format!("{}: expected\n{want}\nprinted\n{got}", case.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_shipped_policy_has_no_fault() {
    let loaded = config::parse("mailward.toml", config::builtin(), &mut Nothing);
    assert_eq!(loaded.diagnostics, []);
    let config = loaded.config.unwrap();
    assert_eq!(config.policy.lists.each_ref().map(|list| list.entries.len()), [3, 5, 4, 5, 3, 1]);
    assert_eq!(config.settings.mynetworks.len(), 2);
    assert_eq!(
        mailward(&["check-config", "--strict", "-c", "conf/mailward.toml"]),
        ("conf/mailward.toml: no faults\n".to_owned(), Exit::Success)
    );
}

#[test]
fn warnings_are_refused_only_when_strict() {
    let file = "tests/config/14-socket-open.toml";
    assert_eq!(mailward(&["check-config", "-c", file]).1, Exit::Success);
    assert_eq!(mailward(&["check-config", "--strict", "-c", file]).1, Exit::Configuration);
}

#[test]
fn a_missing_configuration_is_refused_with_the_reason() {
    let want = "\
tests/config/none.toml: error: cannot be read: no such file or directory
1 error
";
    let got = mailward(&["check-config", "-c", "tests/config/none.toml"]);
    assert_eq!(got, (want.to_owned(), Exit::Configuration));
    let got = mailward(&["check-config", "-c", "tests/config"]);
    let want = "tests/config: error: cannot be read: it is a directory\n1 error\n";
    assert_eq!(got, (want.to_owned(), Exit::Configuration));
}

#[test]
fn a_line_of_a_megabyte_is_read_and_shown_around_its_fault() {
    let many = "permit_mynetworks, ".repeat(60_000);
    let text = format!("mynetworks = \"::1\"\n[restrictions]\nhelo = \"{many}reject_unknown_hlo, {many}\"\n");
    let loaded = config::parse("big.toml", &text, &mut Nothing);
    let want = "\
big.toml:3:1140009: error: unknown restriction `reject_unknown_hlo`
  …ynetworks, permit_mynetworks, reject_unknown_hlo, permit_mynetworks, permit_…
                                 ^^^^^^^^^^^^^^^^^^
  help: did you mean `reject_unknown_helo_hostname`?
";
    assert_eq!(shown(&loaded), want);
    let noise = format!("mode = \"{}\"\n", "é".repeat(500_000));
    let printed = shown(&config::parse("big.toml", &noise, &mut Nothing));
    assert!(printed.len() < 2_000 && printed.lines().count() == 4, "{printed}");
}

#[test]
fn countless_faults_are_counted_and_not_all_kept() {
    let text = format!("[restrictions]\nhelo = \"{}\"\n", "nothing_like_it ".repeat(20_000));
    let loaded = config::parse("many.toml", &text, &mut Nothing);
    assert!(loaded.config.is_none());
    assert!(loaded.diagnostics.len() <= 501);
    assert_eq!(
        loaded.diagnostics.last().unwrap().to_string(),
        "many.toml: error: 19500 more errors are not shown\n"
    );
}

#[test]
fn json_carries_place_and_help() {
    let (printed, exit) = mailward(&["check-config", "--json", "-c", "tests/config/12-socket-port.toml"]);
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(exit, Exit::Configuration);
    assert_eq!(report["errors"], 1);
    let fault = &report["faults"][0];
    assert_eq!((&fault["origin"]["line"], &fault["origin"]["column"]), (&1.into(), &11.into()));
    assert_eq!(
        (&fault["severity"], &fault["help"]),
        (&"error".into(), &"write `inet:127.0.0.1:8895`".into())
    );
}

#[test]
fn restrictions_are_listed_and_explained() {
    let (list, exit) = mailward(&["restrictions"]);
    assert_eq!(exit, Exit::Success);
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert!(list.contains("\n  reject_unknown_helo_hostname\n      Refuses a HELO name"));
    let place = |text: &str| list.find(text).unwrap_or_else(|| panic!("no `{text}` in {list}"));
    let order =
        ["From the client list on", "\n  reject_unknown_client_hostname\n", "\nFrom the helo list on"];
    let order =
        order.into_iter().chain(["\n  reject_unknown_helo_hostname\n", "\nFrom the recipient list on"]);
    assert!(order.map(place).is_sorted(), "{list}");
    assert!(
        list.contains(
            "\n  type:table\n      Looks up in an access table what the list is about.\n\nTopics:\n"
        ),
        "{list}"
    );
    let (manual, exit) = mailward(&["restrictions", "hash:/etc/mailward/client_access"]);
    assert_eq!(exit, Exit::Success);
    assert!(manual.starts_with("A table alone stands for the check of its list"), "{manual}");
    let (manual, exit) = mailward(&["restrictions", "reject_unknown_hostname"]);
    assert_eq!(exit, Exit::Success);
    assert!(manual.starts_with("reject_unknown_hostname is an old name of reject_unknown_helo_hostname.\n"));
    let want = "\
mailward: unknown restriction `reject_unknown_hlo`
  help: did you mean `reject_unknown_helo_hostname`?
";
    assert_eq!(mailward(&["restrictions", "reject_unknown_hlo"]), (want.to_owned(), Exit::Usage));
}

#[test]
fn the_examples_of_greylisting_load() {
    let names = ["greylist", "greylist_unknown_client_hostname", "greylist_dynamic_client_hostname"];
    for name in names.into_iter().chain(["greylist_dnsbl_score"]) {
        let (manual, exit) = mailward(&["restrictions", name]);
        assert_eq!(exit, Exit::Success);
        let (before, example) = manual.split_once("\nExample: ").unwrap();
        let lines = before.lines().skip_while(|line| !line.starts_with("    ["));
        let sections = lines.map_while(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n");
        let policy = format!("mynetworks = '::1'\n[restrictions]\n{example}\n{sections}\n");
        let loaded = config::parse("manual.toml", &policy, &mut Nothing);
        assert_eq!(shown(&loaded), "", "{policy}");
        assert!(loaded.config.unwrap().policy.greylists());
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    assert_eq!(mailward(&["check-confg"]).1, Exit::Usage);
    assert_eq!(mailward(&[]).1, Exit::Usage);
    assert_eq!(mailward(&["--help"]).1, Exit::Success);
    for command in ["check-config", "restrictions"] {
        let (help, exit) = mailward(&[command, "--help"]);
        assert_eq!(exit, Exit::Success);
        assert!(help.contains("Example:\n  mailward "), "{help}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut err = Vec::new();
    assert_eq!(cli::run(["mailward", "restrictions"], &mut Closed, &mut err), Exit::Success);
    assert_eq!(err, b"");
}

/// No file can be read.
struct Nothing;

impl Files for Nothing {
    fn read(&mut self, _: &Path) -> Result<String, Unreadable> {
        Err(Unreadable::Missing)
    }
}

fn shown(loaded: &config::Loaded) -> String {
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

/// A generator of the same numbers in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

const SNIPPETS: [&str; 40] = [
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "\r",
    "\r\n",
    "\\",
    "\\u00",
    "\t",
    "\0",
    "#",
    "é",
    "漢",
    "\u{feff}",
    "\u{202e}",
    "0",
    "-1",
    "1e999",
    "0x",
    "1979-05-27",
    "true",
    "[restrictions]",
    "[classes]\na=['a']\n",
    "warn_if_reject",
    "inline:{ a=OK",
    "check_helo_access hash:x",
    "permit",
    "mode",
    "dns.timeout",
    "\"\"\"\\\n  ",
];

/// Changes a text at some places: deletes, doubles, inserts.
fn mutate(text: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + numbers.below(6) {
        let at = numbers.below(characters.len());
        let end = (at + numbers.below(40)).min(characters.len());
        match numbers.below(4) {
            0 => drop(characters.drain(at..end)),
            1 => {
                let part: Vec<char> = characters[at..end].to_vec();
                let to = numbers.below(characters.len());
                characters.splice(to..to, part);
            }
            2 => characters.truncate(if numbers.below(10) == 0 { at } else { characters.len() }),
            _ => {
                let snippet = SNIPPETS[numbers.below(SNIPPETS.len())];
                characters.splice(at..at, snippet.chars());
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn mutations_never_panic_and_every_place_lies_in_the_file() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut seeds = vec![config::builtin().to_owned()];
    seeds.extend(
        cases().iter().filter_map(|case| fs::read_to_string(case).ok()).filter(|text| text.len() < 4_000),
    );
    for round in 0..5_000 {
        let text = mutate(&seeds[if round % 3 == 0 { 0 } else { numbers.below(seeds.len()) }], &mut numbers);
        let loaded = config::parse("m.toml", &text, &mut Disk { base: PathBuf::from(CASES) });
        let lines: Vec<&str> = text.split('\n').collect();
        for diagnostic in &loaded.diagnostics {
            let origin = &diagnostic.fault.origin;
            if &*origin.file != "m.toml" || origin.line == 0 {
                continue;
            }
            let line =
                lines.get(origin.line as usize - 1).unwrap_or_else(|| panic!("{diagnostic}\nin {text}"));
            assert!(origin.column as usize <= line.chars().count() + 1, "{diagnostic}\nin {text}");
            let excerpt = diagnostic.excerpt.as_ref().unwrap();
            assert!(excerpt.before + excerpt.carets <= 79, "{diagnostic}\nin {text}");
        }
        let refused = loaded.diagnostics.iter().any(|found| found.fault.severity == Severity::Error);
        assert_eq!(loaded.config.is_none(), refused);
        assert!(!shown(&loaded).contains(['\0', '\u{1b}', '\u{202e}', '\r']), "{text}");
    }
}
