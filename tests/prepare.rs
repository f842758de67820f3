//! `mailward prepare` as the unit runs it.

#![allow(clippy::unwrap_used, reason = "a fault in here is a failed test")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, process::Command};
use support::directory::Directory;

#[test]
fn the_daemon_gets_through_to_its_directory_whatever_the_umask() {
    let directory = Directory::new();
    let socket = directory.path().join("spool/postfix/mailward/mailward.sock");
    let config = directory.path().join("mailward.toml");
    fs::write(&config, format!("socket = \"unix:{}\"\n", socket.display())).unwrap();
    // The unit's UMask holds for ExecStartPre too.
    let script = r#"umask 0077 && exec "$0" prepare -c "$1" --user "$(id -un)" --group "$(id -gn)""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_mailward")]).arg(&config);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o7777;
    let modes = ["spool", "spool/postfix", "spool/postfix/mailward"].map(mode);
    assert_eq!(modes, [0o755, 0o755, 0o2750]);
}
