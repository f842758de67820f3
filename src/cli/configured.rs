//! The configuration that a command works with, or what keeps it from working.

use super::{Exit, Failure};
use crate::{
    config::{Loaded, settings::Config, source::Source},
    smtp::text::escaped,
};

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
        None => format!("{} has faults: see `mailward check-config`", escaped(&name)),
    }
}
