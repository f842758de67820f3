//! Who may do what with a file, by the permission bits of inode(7). Access control lists are not read.

use crate::server::accounts::{group_name, groups_of, user_id, user_name};
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Read, write, and enter.
pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const ENTER: u32 = 1;

/// A user with the groups of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    uid: u32,
    groups: Vec<u32>,
}

impl Account {
    /// The user of a name, if there is one.
    pub(super) fn named(name: &str) -> Option<Self> {
        let uid = user_id(name).ok()?;
        Some(Self { name: name.to_owned(), uid, groups: groups_of(name).unwrap_or_default() })
    }

    /// The user of a running process.
    pub(super) fn of_process(pid: u32) -> Option<Self> {
        let process = fs::metadata(format!("/proc/{pid}")).ok()?;
        let name = user_name(process.uid());
        let groups = groups_of(&name).unwrap_or_else(|_| vec![process.gid()]);
        Some(Self { name, uid: process.uid(), groups })
    }

    /// Whether the bits let the user do all of `wanted`.
    fn may(&self, (owner, group, mode): (u32, u32, u32), wanted: u32) -> bool {
        if self.uid == 0 {
            return true;
        }
        let shift = if owner == self.uid {
            6
        } else if self.groups.contains(&group) {
            3
        } else {
            0
        };
        (mode >> shift) & wanted == wanted
    }

    /// What keeps the user from a file or directory, in plain words. What cannot be looked at bars nobody.
    pub(super) fn barrier(&self, path: &Path, wanted: u32) -> Option<String> {
        let metadata = fs::metadata(path).ok()?;
        let bits = (metadata.uid(), metadata.gid(), metadata.mode());
        (!self.may(bits, wanted))
            .then(|| format!("{} is {}, and the user is {}", path.display(), in_words(&metadata), self.name))
    }
}

/// Owner, group and mode: `mailward:postfix 0660`.
pub(super) fn shown(path: &Path) -> Option<String> {
    fs::metadata(path).ok().map(|metadata| in_words(&metadata))
}

fn in_words(metadata: &Metadata) -> String {
    let (user, group) = (user_name(metadata.uid()), group_name(metadata.gid()));
    format!("{user}:{group} {:04o}", metadata.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_fits_decides() {
        let account = |uid| Account { name: String::new(), uid, groups: vec![20, 21] };
        let cases = [
            (10, (10, 20, 0o600), WRITE, true),
            (10, (10, 20, 0o060), WRITE, false),
            (10, (11, 21, 0o660), WRITE | READ, true),
            (10, (11, 21, 0o606), WRITE, false),
            (10, (11, 12, 0o751), ENTER, true),
            (10, (11, 12, 0o750), ENTER, false),
            (0, (11, 12, 0), WRITE, true),
        ];
        for (uid, bits, wanted, may) in cases {
            assert_eq!(account(uid).may(bits, wanted), may, "{uid} {bits:?}");
        }
        assert_eq!(account(10).barrier(Path::new("/no such file"), WRITE), None);
        assert_eq!(Account::named("root").map(|root| root.uid), Some(0));
        assert_eq!(Account::named("no such user"), None);
    }
}
