//! What the built program reports about a journal.

use super::mailward::PROGRAM;
use serde_json::Value;
use std::{path::Path, process::Command};

/// What the program prints about the journal of a directory.
pub fn report(directory: &Path, arguments: &[&str]) -> String {
    let done = Command::new(PROGRAM.unwrap())
        .arg("report")
        .args(arguments)
        .arg("-c")
        .arg(directory.join("mailward.toml"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "", "no progress where nobody looks");
    String::from_utf8(done.stdout).unwrap()
}

/// The figures as data; they add up.
pub fn figures(directory: &Path) -> Value {
    let figures: Value = serde_json::from_str(&report(directory, &["--json"])).unwrap();
    let wrong: Vec<&Value> =
        figures["health"].as_array().unwrap().iter().filter(|light| light["name"] == "sums").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    figures
}

/// A number below a path such as `attempts.rejected`.
pub fn of(figures: &Value, path: &str) -> u64 {
    let found = path.split('.').fold(figures, |value, name| match name.parse::<usize>() {
        Ok(at) => &value[at],
        Err(_) => &value[name],
    });
    found.as_u64().unwrap_or_else(|| panic!("{path}: {found}"))
}

/// Checks numbers by their paths, all in one message.
pub fn same(figures: &Value, wanted: &[(&str, u64)], what: &str) {
    let wrong: Vec<String> = wanted
        .iter()
        .filter(|(path, want)| of(figures, path) != *want)
        .map(|(path, want)| format!("{path} is {}, not {want}", of(figures, path)))
        .collect();
    assert!(wrong.is_empty(), "{what}: {}\n{figures:#}", wrong.join("; "));
}
