//! The configuration that a command works with, or what keeps it from working.

use super::{Exit, Failure};
use crate::config::{settings::Config, source::Source};

/// Reads it for a command that works on the configuration itself: all its faults are shown.
///
/// # Errors
/// When it has faults.
pub(super) fn read(source: &Source) -> Result<Config, Failure> {
    let loaded = source.load();
    loaded.config.ok_or_else(|| {
        let faults: String = loaded.diagnostics.iter().map(ToString::to_string).collect();
        Failure::Says(Exit::Configuration, format!("{faults}{source}: the configuration has faults"))
    })
}

/// Reads it for a command that only wants to know where something is: who asks for that is sent to check-config.
///
/// # Errors
/// When it has faults.
pub(super) fn located(source: &Source) -> Result<Config, Failure> {
    source.load().config.ok_or_else(|| {
        Failure::Says(Exit::Configuration, format!("{source} has faults: see `mailward check-config`"))
    })
}
