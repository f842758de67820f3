//! The layer table against the sources: a module imports from lower layers only, adapters not from one another, and
//! the core knows neither sockets, files, clocks nor async code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

use std::{fs, path::Path};

/// Top-level modules by layer. `lib.rs` shows the same table.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["smtp", "time", "origin", "counter"]),
    (1, &["request", "lookup", "decision"]),
    (2, &["table", "header_checks", "greylist", "attachment", "allow"]),
    (3, &["restriction"]),
    (4, &["policy"]),
    (5, &["config", "sqlite"]),
    (6, &["dns", "journal", "policy_service", "store"]),
    (7, &["server", "log"]),
    (8, &["cli", "main", "lib"]),
];

/// The last layer of the core.
const CORE: u8 = 4;

/// Adapters: they do not know one another.
const ADAPTERS: u8 = 6;

/// What the core must not name. `time` has the one clock, in a place of its own.
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::env",
    "std::thread",
    "async fn",
    "tracing::",
    "hickory",
    "indymilter",
    "SystemTime::now",
    "Instant::now",
];

#[test]
fn no_module_imports_from_above_or_sideways_among_adapters() {
    let mut seen = 0;
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let (layer, module) = layer_of(&file);
        for (line, used) in uses(&code(&text)) {
            seen += 1;
            let Some(other) = self::layer(used) else {
                faults.push(format!("{file}:{line}: `{used}` stands in no layer"));
                continue;
            };
            let sideways = other == layer && layer == ADAPTERS && used != module;
            if other > layer || sideways {
                faults.push(format!("{file}:{line}: {module} (L{layer}) uses {used} (L{other})"));
            }
        }
    }
    assert!(seen > 100, "the sources were read: {seen} uses");
    assert_eq!(faults, [""; 0], "\n{}", faults.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let (layer, module) = layer_of(&file);
        if layer > CORE || module == "testing" {
            continue;
        }
        for (at, line) in code(&text).lines().enumerate() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                if !(module == "time" && *word == "SystemTime::now") {
                    faults.push(format!("{file}:{}: `{word}` in the core", at + 1));
                }
            }
        }
    }
    assert_eq!(faults, [""; 0], "\n{}", faults.join("\n"));
}

#[test]
fn uses_are_found_alone_and_in_groups() {
    let code = code(
        "use crate::policy::Policy;\n// crate::cli::x\nuse crate::{\n    dns::{Dns, DnsError},\n    log,\n};\nlet x = crate::server::f(crate::smtp::g());\n#[cfg(test)]\nmod tests { use crate::cli; }",
    );
    assert_eq!(uses(&code), [(1, "policy"), (4, "dns"), (5, "log"), (7, "server"), (7, "smtp")]);
    assert!(layer("policy") > layer("restriction") && layer("nothing").is_none());
}

/// Every source file with its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut files) = (vec![root.join("src")], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// The layer and the top-level module of a file below src.
fn layer_of(file: &str) -> (u8, &str) {
    let module = file.trim_start_matches("src/").split('/').next().unwrap().trim_end_matches(".rs");
    if module == "testing" {
        return (CORE, module);
    }
    (layer(module).unwrap_or_else(|| panic!("{file}: `{module}` stands in no layer")), module)
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(_, modules)| modules.contains(&module)).map(|(layer, _)| *layer)
}

/// The code of a file: without its comments and its tests, lines kept.
fn code(text: &str) -> String {
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]") || line.ends_with(';'));
    code.map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The top-level modules that code names behind `crate::`, one by one or in a group, with their lines.
fn uses(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let path = at + "crate::".len();
        if !code[path..].starts_with('{') {
            found.push((path, word(&code[path..])));
            continue;
        }
        let (mut depth, mut begins) = (0, false);
        for (offset, c) in code[path..].char_indices() {
            match c {
                '{' => (depth, begins) = (depth + 1, depth == 0),
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                ',' => begins = depth == 1,
                c if begins && !c.is_whitespace() => {
                    found.push((path + offset, word(&code[path + offset..])));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    found.into_iter().filter(|(_, word)| *word != "testing").map(|(at, word)| (line(at), word)).collect()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}
