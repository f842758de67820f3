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

/// The name of a user; its number where it has none.
pub fn user_name(id: u32) -> String {
    name("/etc/passwd", id)
}

/// The name of a group; its number where it has none.
pub fn group_name(id: u32) -> String {
    name("/etc/group", id)
}

/// The groups of a user, as initgroups(3) gives them to a process: its own, and those that name it as a member.
///
/// # Errors
/// An unreadable file, or an unknown name.
pub fn groups_of(user: &str) -> io::Result<Vec<u32>> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let own = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&user)).then(|| fields.get(3)?.parse().ok()).flatten()
    });
    let own = own.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no user \"{user}\"")))?;
    let groups = fs::read_to_string("/etc/group")?;
    let member = groups.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_member = fields.get(3).is_some_and(|members| members.split(',').any(|name| name == user));
        is_member.then(|| fields.get(2)?.parse().ok()).flatten()
    });
    Ok([own].into_iter().chain(member).collect())
}

/// The first field of the line with a number as its third.
fn name(file: &str, id: u32) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| id.to_string())
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
        assert_eq!((user_name(0), group_name(0)), ("root".to_owned(), "root".to_owned()));
        assert_eq!(user_name(4_000_000_000), "4000000000");
        assert_eq!(groups_of("root").unwrap()[0], 0);
        assert!(groups_of("no such user").is_err());
        let error = user_id("no such user").unwrap_err();
        assert_eq!(error.to_string(), "no user \"no such user\" in /etc/passwd");
    }
}
