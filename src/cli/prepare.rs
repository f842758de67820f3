//! `mailward prepare`: as root, before the daemon starts: the directory of its socket, with the rights that let the MTA in.
//!
//! Neither tmpfiles.d nor a socket unit can do this, since Postfix, with its group and its queue directory, may be
//! installed after mailward.

use super::{Exit, Failure};
use crate::{
    config::{settings::Socket, source::Source},
    server::accounts::{group_id, user_id},
};
use rustix::{
    fd::OwnedFd,
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, fchmod, fchown, fstat, mkdirat, openat,
        statat,
    },
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Make the socket's directory with its rights (for the systemd unit)
///
/// The directory belongs to the user mailward and to Postfix's group, and gives
/// that group to the socket made in it (mode 2750). Nothing else is changed; a
/// directory that belongs to somebody else is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mailward prepare -c /etc/mailward/mailward.toml")]
pub(super) struct Args {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's user
    #[arg(long, value_name = "NAME", default_value = "mailward")]
    user: String,
    /// The MTA's group; where there is none, the group named as the user
    #[arg(long, value_name = "NAME", default_value = "postfix")]
    group: String,
}

/// Members of the group enter and connect; the set-group-ID bit hands the group on to the socket.
const MODE: Mode = Mode::from_raw_mode(0o2750);

/// Runs the command.
///
/// # Errors
/// An unknown user, a directory that cannot be made or is somebody else's.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let source = Source::find(args.config.as_deref());
    let loaded = source.load();
    let why = loaded.unread().unwrap_or("has faults").to_owned();
    let Some(config) = loaded.config else {
        // The daemon itself says what is wrong, and ends so that systemd does not start it again and again.
        return Ok(writeln!(out, "{source} {why}: nothing is prepared")?);
    };
    let Socket::Unix { path, .. } = &config.socket else {
        return Ok(writeln!(out, "{} needs no directory", config.socket.name())?);
    };
    let Some(directory) = path.parent().filter(|directory| directory.is_absolute()) else {
        let message = format!("the socket {} has no directory of its own", path.display());
        return Err(Failure::Says(Exit::Configuration, message));
    };
    let unknown = |e: io::Error| Failure::Says(Exit::Unavailable, format!("{e}: systemd-sysusers makes it"));
    let user = user_id(&args.user).map_err(unknown)?;
    let group = match group_id(&args.group) {
        Ok(group) => group,
        Err(_) => group_id(&args.user).map_err(unknown)?,
    };
    let name = path.file_name().unwrap_or_default();
    let prepared = prepare(directory, Path::new(name), user, group);
    let prepared = prepared.map_err(|e| {
        Failure::Says(Exit::CannotCreate, format!("cannot prepare {}: {e}", directory.display()))
    })?;
    Ok(writeln!(out, "{}: {prepared}", directory.display())?)
}

/// Makes the directory, or sets the rights of the one that is there. Works on the open directory, so that nobody can put
/// another one in its place meanwhile.
fn prepare(directory: &Path, socket: &Path, user: u32, group: u32) -> io::Result<&'static str> {
    if let Some(above) = directory.parent() {
        make_above(above)?;
    }
    let made = match mkdirat(CWD, directory, Mode::from_raw_mode(0o700)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(e.into()),
    };
    let open: OwnedFd =
        openat(CWD, directory, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&open)?;
    if !made && stat.st_uid != user {
        return Err(io::Error::other(format!(
            "it belongs to the user {}: give the socket a directory of its own",
            stat.st_uid
        )));
    }
    let right = stat.st_uid == user && stat.st_gid == group && Mode::from_raw_mode(stat.st_mode) == MODE;
    if !right {
        fchown(&open, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
        fchmod(&open, MODE)?;
    }
    hand_over(&open, socket, user, group)?;
    Ok(match (made, right) {
        (true, _) => "made",
        (false, true) => "as it should be",
        (false, false) => "rights set",
    })
}

/// Makes what is missing above the directory, with rights by which everybody gets through, whatever the unit's UMask: the
/// MTA may come later, and its package takes its queue directory as it finds it.
fn make_above(above: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = above.ancestors().take_while(|path| !path.exists()).collect();
    for path in missing.into_iter().rev() {
        DirBuilder::new().create(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A socket that was kept over a restart gets the group too: the MTA may have been installed since it was made.
fn hand_over(directory: &OwnedFd, socket: &Path, user: u32, group: u32) -> io::Result<()> {
    let stat = match statat(directory, socket, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
    if is_socket && stat.st_uid == user && stat.st_gid != group {
        chownat(directory, socket, None, Some(Gid::from_raw(group)), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        env,
        os::unix::{
            fs::{MetadataExt, symlink},
            net::UnixListener,
        },
        process,
    };

    /// A directory of the test's own, removed at its end.
    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn place(name: &str) -> Place {
        let place = env::temp_dir().join(format!("mailward-prepare-{name}-{}", process::id()));
        fs::create_dir(&place).unwrap();
        Place(place)
    }

    /// The ids that the test itself may set.
    fn own() -> (u32, u32) {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    }

    #[test]
    fn the_directory_is_made_once_and_mended_when_its_rights_are_wrong() {
        let (place, (user, group)) = (place("made"), own());
        let directory = place.0.join("spool/mailward");
        let prepare = || prepare(&directory, Path::new("mailward.sock"), user, group);
        assert_eq!(prepare().unwrap(), "made");
        let mode = || fs::metadata(&directory).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(), prepare().unwrap()), (0o2750, "as it should be"));
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        assert_eq!((prepare().unwrap(), mode()), ("rights set", 0o2750));
    }

    #[test]
    fn a_link_and_a_directory_of_somebody_else_are_left_alone() {
        let (place, (user, group)) = (place("left"), own());
        let (real, link) = (place.0.join("real"), place.0.join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(prepare(&link, Path::new("s"), user, group).is_err());
        let error = prepare(&real, Path::new("s"), user + 1, group).unwrap_err();
        let want = format!("it belongs to the user {user}: give the socket a directory of its own");
        assert_eq!(error.to_string(), want);
    }

    #[test]
    fn a_kept_socket_gets_the_group() {
        let (place, (user, group)) = (place("kept"), own());
        let directory = place.0.join("mailward");
        fs::create_dir(&directory).unwrap();
        let _socket = UnixListener::bind(directory.join("mailward.sock")).unwrap();
        // Only root may give a file to any group.
        let group = if user == 0 { group + 1 } else { group };
        prepare(&directory, Path::new("mailward.sock"), user, group).unwrap();
        assert_eq!(fs::metadata(directory.join("mailward.sock")).unwrap().gid(), group);
    }
}
