//! How Postfix is attached: the one `postconf` line, merged with the milters that are there already.

use crate::config::source::Source;
use std::process::Command;

/// What a person who started mailward by hand wants to know next.
pub(super) fn hint(socket: &str, source: &Source) -> String {
    let existing = postconf("smtpd_milters");
    let ours = relative(socket, postconf("queue_directory").as_deref().unwrap_or("/var/spool/postfix"));
    let mut text = format!("mailward serves on {socket} ({source}).\n\n");
    match existing.as_deref() {
        Some(milters) if milters.split([',', ' ']).any(|milter| milter == ours) => {
            text.push_str("Postfix has it in smtpd_milters already. Stop with Ctrl-C.\n");
        }
        existing => {
            let milters = match existing {
                Some(milters) if !milters.trim().is_empty() => format!("{ours}, {}", milters.trim()),
                Some(_) | None => ours.clone(),
            };
            text.push_str("Attach Postfix with\n\n");
            text.push_str(&format!("    postconf -e {} && postfix reload\n\n", quoted(&milters)));
            if ours.starts_with("unix:/") {
                text.push_str(
                    "Postfix on Debian runs chrooted in its queue directory and cannot reach this path:\n\
                     let mailward listen below /var/spool/postfix, and give Postfix's group the right to\n\
                     write to the socket (socket_group = \"postfix\").\n\n",
                );
            }
            text.push_str("and remove it again with the value that `postconf smtpd_milters` shows now.\n");
            text.push_str("Stop mailward with Ctrl-C.\n");
        }
    }
    text
}

/// The value of a parameter of the Postfix on this machine, if there is one.
fn postconf(parameter: &str) -> Option<String> {
    let output = Command::new("postconf").args(["-h", parameter]).output().ok()?;
    let value = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| value.trim().to_owned())
}

/// Postfix names a socket below its queue directory by the relative path, which works chrooted and not.
pub(super) fn relative(socket: &str, queue_directory: &str) -> String {
    let below = socket.strip_prefix("unix:").and_then(|path| path.strip_prefix(queue_directory));
    match below.and_then(|path| path.strip_prefix('/')) {
        Some(path) => format!("unix:{path}"),
        None => socket.to_owned(),
    }
}

/// The setting quoted for a shell.
fn quoted(milters: &str) -> String {
    format!("'smtpd_milters = {}'", milters.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_below_the_queue_directory_is_named_relative_to_it() {
        let cases = [
            ("unix:/var/spool/postfix/mailward/mailward.sock", "unix:mailward/mailward.sock"),
            ("unix:/var/spool/postfixed/m.sock", "unix:/var/spool/postfixed/m.sock"),
            ("inet:127.0.0.1:8895", "inet:127.0.0.1:8895"),
        ];
        for (socket, want) in cases {
            assert_eq!(relative(socket, "/var/spool/postfix"), want);
        }
    }

    #[test]
    fn a_value_survives_the_shell() {
        assert_eq!(quoted("unix:it's"), "'smtpd_milters = unix:it'\\''s'");
    }
}
