//! The configuration that a command works with, or what keeps it from working.

use super::{Exit, Failure};
use crate::{
    config::{
        Loaded,
        settings::Config,
        source::{DEFAULT_FILE, Source},
    },
    smtp::text::escaped,
};
use std::path::Path;

/// Reads it for a command that works on the configuration itself: all its faults are shown.
///
/// # Errors
/// When it has faults, or cannot be read.
pub(super) fn read(source: &Source) -> Result<Config, Failure> {
    let loaded = source.load();
    if loaded.unread().is_some() {
        return Err(Failure::Says(Exit::Configuration, refusal(source, &loaded)));
    }
    loaded.config.ok_or_else(|| {
        let faults: String = loaded.diagnostics.iter().map(ToString::to_string).collect();
        Failure::Says(Exit::Configuration, format!("{faults}{source}: the configuration has faults"))
    })
}

/// Reads it for a command that only wants to know where something is: who asks for that is sent to check-config.
///
/// # Errors
/// When it has faults, or cannot be read.
pub(super) fn located(source: &Source) -> Result<Config, Failure> {
    let mut loaded = source.load();
    let config = loaded.config.take();
    config.ok_or_else(|| Failure::Says(Exit::Configuration, refusal(source, &loaded)))
}

/// Why there is no configuration, in a line: a file that cannot be read has no faults to look at.
pub(super) fn refusal(source: &Source, loaded: &Loaded) -> String {
    let name = source.to_string();
    match loaded.unread() {
        Some(why) => format!("{} {why}", escaped(&name)),
        None => format!("{} has faults: see `{}`", escaped(&name), suggested("check-config", source)),
    }
}

/// A command of ours for a person to type, which looks at the same configuration.
pub(super) fn suggested(command: &str, source: &Source) -> String {
    match source {
        Source::File(file) if file != Path::new(DEFAULT_FILE) => {
            format!("mailward {command} -c {}", quoted(file))
        }
        Source::File(_) | Source::Builtin => format!("mailward {command}"),
    }
}

/// A path as one word of the shell.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./@%+=:,-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_names_the_file_that_was_given() {
        let file = |path: &str| Source::File(path.into());
        let cases = [
            (Source::Builtin, "mailward check-config"),
            (file(DEFAULT_FILE), "mailward check-config"),
            (file("./new.toml"), "mailward check-config -c ./new.toml"),
            (file("a b.toml"), "mailward check-config -c 'a b.toml'"),
            (file("it's"), "mailward check-config -c 'it'\\''s'"),
            (file("$(x)"), "mailward check-config -c '$(x)'"),
        ];
        for (source, want) in cases {
            assert_eq!(suggested("check-config", &source), want);
        }
    }
}
