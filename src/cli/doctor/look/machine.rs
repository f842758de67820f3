//! The clock and the systemd unit.

use super::super::machine::{Clock, Unit};
use crate::{
    config::settings::Config,
    journal::Journal,
    time::{Clock as _, SystemClock},
};
use std::{path::Path, process::Command};

/// What the unit is called.
const UNIT: &str = "mailward.service";

/// Whether systemd runs this machine (sd_booted(3)).
fn booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What systemd says of the unit; `None` without systemd.
pub(in crate::cli::doctor) fn unit() -> Option<Unit> {
    booted().then(|| {
        let ask = |question| said("systemctl", &[question, UNIT]);
        Unit { enabled: ask("is-enabled"), active: ask("is-active") }
    })
}

/// The clock, and what speaks for and against it.
pub(in crate::cli::doctor) fn clock(config: Option<&Config>) -> Clock {
    let newest = config.and_then(|config| Journal::newest(&config.journal.located()));
    let synchronized =
        booted().then(|| said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]));
    let synchronized = match synchronized.as_deref() {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(_) | None => None,
    };
    Clock { now: SystemClock.now(), newest, synchronized }
}

/// What a program prints; nothing if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
