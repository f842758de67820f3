//! Users and groups of the machine, from /etc/passwd and /etc/group: a static binary has no other way to them.

use std::{fs, io};

/// The number of a user.
///
/// # Errors
/// An unreadable file, or an unknown name.
pub fn user_id(name: &str) -> io::Result<u32> {
    number("/etc/passwd", "user", name)
}

/// The number of a group.
///
/// # Errors
/// An unreadable file, or an unknown name.
pub fn group_id(name: &str) -> io::Result<u32> {
    number("/etc/group", "group", name)
}

/// The third field of the line that begins with a name: passwd(5), group(5).
fn number(file: &str, kind: &str, name: &str) -> io::Result<u32> {
    let text = fs::read_to_string(file)?;
    let id = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    id.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no {kind} \"{name}\" in {file}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nobody_is_invented() {
        assert_eq!((user_id("root").unwrap(), group_id("root").unwrap()), (0, 0));
        let error = user_id("no such user").unwrap_err();
        assert_eq!(error.to_string(), "no user \"no such user\" in /etc/passwd");
    }
}
