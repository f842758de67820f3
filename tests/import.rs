//! `mailward postfix import`: `tests/import/NAME.cf` and the complete output for each in `NAME.toml`, which must load.
//! `UPDATE_CASES=1 cargo test --test import` writes what is printed; read every line before committing it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

mod support;

use mailward::{
    cli::{self, Exit},
    config::{self, Disk, Loaded, diagnostic::Diagnostic},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use support::postfix::{own_directory, say};

const CASES: &str = "tests/import";

/// Everything that the command prints, its complaints, and its exit code.
fn import(arguments: &[&str]) -> (String, String, Exit) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run([&["mailward", "postfix", "import"], arguments].concat(), &mut out, &mut err);
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), exit)
}

/// The output for a file, which must be a configuration without errors.
fn imported(file: &Path) -> String {
    let (out, err, exit) = import(&[file.to_str().unwrap()]);
    assert_eq!((err.as_str(), exit), ("", Exit::Success), "{}", file.display());
    let Loaded { config, diagnostics } =
        config::parse("imported.toml", &out, &mut Disk { base: PathBuf::new() });
    let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|found| found.is_error()).collect();
    assert!(config.is_some() && errors.is_empty(), "{}: {errors:?}\n{out}", file.display());
    out
}

/// The files of a directory that end so.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// A new main.cf of a test.
fn main_cf(bytes: &[u8]) -> PathBuf {
    let file = own_directory("import").join("main.cf");
    fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn files_are_imported_as_expected() {
    let cases = files(Path::new(CASES), "cf");
    assert!(cases.len() >= 6);
    let mut failed = Vec::new();
    for case in cases {
        let got = imported(&case);
        let expected = case.with_extension("toml");
        if env::var_os("UPDATE_CASES").is_some() {
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
fn comments_fit_a_terminal() {
    for case in files(Path::new(CASES), "toml") {
        for line in fs::read_to_string(&case).unwrap().lines() {
            let words = line.split_whitespace().count();
            // An entry is never broken, nor is a word.
            let comment = line.trim_start().starts_with("# ") && words > 3;
            assert!(!comment || line.chars().count() <= 80, "{}: {line}", case.display());
        }
    }
}

/// Whole configurations that lie beside this repository, where they do.
#[test]
fn tutorials_beside_the_repository_are_imported() {
    let Some(directory) = ["../shared/cases/maincf", "../../shared/cases/maincf"]
        .map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .into_iter()
        .find(|path| path.exists())
    else {
        return say("SKIPPED tutorials: ../shared/cases/maincf does not exist");
    };
    let directory = directory.canonicalize().unwrap();
    let cases = files(&directory, "cf");
    assert!(cases.len() >= 4);
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let tables = format!("{}/", case.with_extension("").display());
        let file = main_cf(text.replace("/etc/postfix/", &tables).as_bytes());
        let out = imported(&file);
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
        for table in text.match_indices("hash:/etc/postfix/").map(|(at, _)| &text[at + 18..]) {
            let table = table.split([',', '\n']).next().unwrap();
            let entry = format!("access hash:{tables}{table}\",\n");
            let line = out.lines().find(|line| format!("{line}\n").ends_with(&entry));
            assert!(line.is_some_and(|line| !line.contains('#')), "{table} in\n{out}");
        }
    }
}

#[test]
fn a_real_postconf_gives_the_same_as_its_file() {
    if Command::new("/usr/sbin/postconf").arg("-d").output().is_err() {
        assert!(env::var("CI").as_deref() != Ok("true"), "Postfix is not installed");
        return say("SKIPPED a_real_postconf_gives_the_same_as_its_file: Postfix is not installed");
    }
    let directory = own_directory("import-postconf");
    let text = fs::read_to_string("tests/import/overrides-2024.cf").unwrap();
    let text = format!("{text}mynetworks = $own\nown = 192.0.2.0/24\n");
    fs::write(directory.join("main.cf"), &text).unwrap();
    fs::write(directory.join("master.cf"), "").unwrap();
    let (asked, err, exit) = import(&["--config-dir", directory.to_str().unwrap()]);
    assert_eq!((err.as_str(), exit), ("", Exit::Success));
    assert!(asked.contains("\nmynetworks = [\n    \"192.0.2.0/24\",\n]\n"), "{asked}");
    let read = imported(&directory.join("main.cf"));
    let body = |text: &str| text.split_once("\nsocket").unwrap().1.to_owned();
    assert_eq!(body(&asked), body(&read));
    // What only Postfix knows: the networks of its machine.
    fs::write(
        directory.join("main.cf"),
        "mynetworks_style = host\nsmtpd_client_restrictions = permit_mynetworks\n",
    )
    .unwrap();
    let (asked, _, _) = import(&["--config-dir", directory.to_str().unwrap()]);
    assert!(asked.contains("mynetworks = [\n    \"127.0.0.1/32\",\n"), "{asked}");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_is_written_only_where_there_is_none() {
    let directory = own_directory("import-output");
    let file = directory.join("mailward.toml");
    let arguments = ["tests/import/isp-2011.cf", "-o", file.to_str().unwrap()];
    let (out, err, exit) = import(&arguments);
    assert_eq!((err.as_str(), exit), ("", Exit::Success));
    assert!(out.starts_with("Written to "), "{out}");
    assert_eq!(fs::read(&file).unwrap(), fs::read("tests/import/isp-2011.toml").unwrap());
    fs::write(&file, "mine").unwrap();
    let (_, err, exit) = import(&arguments);
    assert_eq!(exit, Exit::CannotCreate);
    assert!(err.contains("name a new one, or remove it first"), "{err}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_cannot_be_read_is_said() {
    let (_, err, exit) = import(&["tests/import/none.cf"]);
    assert_eq!(exit, Exit::InputOutput);
    assert!(err.starts_with("mailward: cannot read tests/import/none.cf: "), "{err}");
    assert_eq!(import(&["tests/import"]).2, Exit::InputOutput);
    assert_eq!(import(&["x.cf", "--config-dir", "y"]).2, Exit::Usage);
    let (help, _, exit) = import(&["--help"]);
    assert_eq!(exit, Exit::Success);
    assert!(help.contains("Examples:\n  mailward postfix import -o mailward.toml"), "{help}");
}

#[test]
fn hostile_files_do_no_harm() {
    let many: String = (0..10_000).map(|n| format!("p{n} = $p{}\n", n + 1)).collect();
    let classes: String =
        (0..2_000).map(|n| format!("c{n} = c{}, permit_tls_clientcerts, reject\n", n + 1)).collect();
    let names: String = (0..2_000).map(|n| format!("c{n} ")).collect();
    let braces = "{".repeat(500_000);
    let list = "smtpd_client_restrictions";
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\0".to_vec(),
        b"= =\n =\n$=${\n".to_vec(),
        format!("{list} = {}", "permit_mynetworks, ".repeat(15_000)).into(),
        format!("{list} = {}", "x".repeat(1 << 20)).into(),
        format!("{list} = check_client_access {braces}").into(),
        format!("{list} = {}", "}{".repeat(50_000)).into(),
        format!("{list} = {}", "${".repeat(200_000)).into(),
        format!("{list} = ${list}, reject_unknown_client").into(),
        format!("{many}p10000 = $p0\n{list} = $p0").into(),
        format!("{classes}smtpd_restriction_classes = {names}\n{list} = c0").into(),
        format!("smtpd_restriction_classes = a,b,permit,\"x\ny,\na = b\nb = a\n{list} = a").into(),
        format!("{list} = {}", (0..2_000).map(|n| format!("check_client_access hash:/none/{n} ")).collect::<String>()).into(),
        [list.as_bytes(), b" = check_client_access hash:/\xff\0\x1b[0m, \xe2\x80\xae, a\"b\\c'd\n"].concat(),
        [b"mynetworks = \xff, {, \"]\n[restrictions]\nx = \0\n".as_slice(), b"default_rbl_reply = \"\"\"\\\n"].concat(),
        format!("{list} = warn_if_reject warn_if_reject, sleep, sleep, check_policy_service").into(),
        b"unknown_client_reject_code = 99999999999999999999\nrecipient_delimiter = \"\nsmtpd_delay_reject = maybe".to_vec(),
    ];
    for bytes in cases {
        let file = main_cf(&bytes);
        let out = imported(&file);
        assert!(!out.contains(['\0', '\u{1b}', '\u{202e}', '\r']));
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}
