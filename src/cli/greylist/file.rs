//! The file that the commands work on: found, or made for those that write before the daemon ever ran.

use super::Command;
use crate::{
    cli::{Exit, Failure, readable},
    config::{
        settings::{self, Config},
        source::allow_file,
    },
    smtp::text::escaped,
    sqlite::{self, Trouble},
    store::{StoreError, sqlite::SqliteStore},
};
use std::{io::Write, path::Path};

/// Sees to it that the file is there, and makes it where that is right.
///
/// # Errors
/// When it is not there and not to be made, or this user or this version cannot use it.
pub(super) fn ready(
    config: &Config,
    file: &settings::Greylist,
    command: &Command,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    readable("the greylist", &file.path)?;
    if file.path.is_dir() {
        return Err(unusable(
            &file.path,
            Exit::Configuration,
            "is a directory: name a file in `store` of [greylist]",
        ));
    }
    SqliteStore::check_as_it_is(file)?;
    if !file.path.exists() {
        match need(command) {
            Need::Rows => return Err(missing(&file.path)),
            Need::Nothing => {}
            Need::File => make(file, config, err)?,
        }
    }
    Ok(())
}

/// What a command needs of the file.
enum Need {
    /// What stands in it.
    Rows,
    /// That there is one.
    File,
    /// Nothing.
    Nothing,
}

fn need(command: &Command) -> Need {
    match command {
        Command::Open(_) | Command::OptOut(_) | Command::OptIn(_) => Need::File,
        Command::Import(import) if import.dry_run => Need::Nothing,
        Command::Import(_) => Need::File,
        Command::List(_)
        | Command::Show(_)
        | Command::Pass(_)
        | Command::Forget(_)
        | Command::Close(_)
        | Command::Exemptions(_)
        | Command::Stats(_)
        | Command::Export(_)
        | Command::Purge(_) => Need::Rows,
    }
}

fn missing(path: &Path) -> Failure {
    let path = path.display();
    let message = format!(
        "there is no greylist at {path}: `mailward run` makes it when a policy greylists, `mailward greylist import` \
         when it takes something over"
    );
    Failure::Says(Exit::Unavailable, message)
}

/// Makes it as the daemon does, and for the daemon: it gets the owner of its directory. Another directory than the state
/// directory must be there: made by root, the daemon could not write it, and its name may be mistyped.
fn make(file: &settings::Greylist, config: &Config, err: &mut dyn Write) -> Result<(), Failure> {
    let path = file.path.display();
    // The name that is meant where nobody wrote one.
    let is_named = config.greylist.path != settings::Greylist::default().path;
    if !is_named && !config.policy.greylists() {
        let message = format!(
            "there is no greylist at {path}, and none is made, since the configuration does not greylist: put \
             `greylist` into a list, or name the file in `store` of [greylist]"
        );
        return Err(Failure::Says(Exit::Unavailable, message));
    }
    let directory = file.path.parent().unwrap_or(Path::new(""));
    if !directory.is_dir() && Some(directory) != allow_file().parent() {
        let directory = directory.display();
        let message = format!(
            "there is no directory {directory} for the greylist: make it, writable for the daemon, or mend `store` of \
             [greylist]"
        );
        return Err(Failure::Says(Exit::CannotCreate, message));
    }
    SqliteStore::make(file)?;
    Ok(writeln!(err, "mailward: there was no greylist yet: {path} is made")?)
}

/// What a failure of the database is called to whoever typed the command: which file, and what helps.
pub(super) fn fault(path: &Path, failure: Failure) -> Failure {
    let error = match failure {
        Failure::Greylist(error) => error,
        failure @ (Failure::Says(..) | Failure::Output(_)) => return failure,
    };
    let (trouble, why) = match &error {
        StoreError::Database(sqlite::Error::Failed(trouble, why)) => (*trouble, why.as_str()),
        StoreError::Database(error) => return Failure::database("the greylist", error),
        // It did not work a moment ago either.
        StoreError::Busy(words) => (Trouble::from_words(words).unwrap_or(Trouble::Other), *words),
    };
    match trouble {
        Trouble::Locked => {
            unusable(path, Exit::Temporary, "is locked by another program: try again in a moment")
        }
        Trouble::Full => unusable(path, Exit::InputOutput, "cannot grow: its disk is full"),
        Trouble::ReadOnly => unusable(
            path,
            Exit::InputOutput,
            "cannot be written: ask as root or as the daemon's user, and see whether its file system is read-only",
        ),
        Trouble::Corrupt => unusable(
            path,
            Exit::InputOutput,
            "is not a database, or a broken one: see whether `store` of [greylist] names the right file; if it does, \
             restart mailward, which keeps it under another name and begins a new one",
        ),
        Trouble::CannotOpen => unusable(
            path,
            Exit::InputOutput,
            "cannot be opened: it or its directory is gone, or is another user's",
        ),
        Trouble::Disk | Trouble::Memory | Trouble::Other => {
            unusable(path, Exit::InputOutput, &format!("cannot be used: {}", escaped(why)))
        }
    }
}

fn unusable(path: &Path, exit: Exit, what: &str) -> Failure {
    Failure::Says(exit, format!("the greylist {} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_does_not_greylist_gets_no_file() {
        let path = std::env::temp_dir().join(format!("mailward-no-greylist-{}.db", std::process::id()));
        let file = settings::Greylist { path: path.clone(), ..settings::Greylist::default() };
        let made = make(&file, &Config::default(), &mut Vec::new());
        let Err(Failure::Says(Exit::Unavailable, said)) = made else { panic!("it is made") };
        assert!(
            said.contains("since the configuration does not greylist: put `greylist` into a list"),
            "{said}"
        );
        assert!(!path.exists());
    }
}
