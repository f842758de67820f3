//! The file that the commands work on: found, or made for those that write before the daemon ever ran.

use super::Command;
use crate::{
    cli::{Exit, Failure, readable},
    config::{
        settings::{self, Config},
        source::allow_file,
    },
    store::sqlite::SqliteStore,
};
use std::{io::Write, path::Path};

/// Finds the file, or makes it.
///
/// # Errors
/// When it is not there and not to be made, or this user or this version cannot use it.
pub(super) fn found(
    config: &Config,
    command: &Command,
    err: &mut dyn Write,
) -> Result<settings::Greylist, Failure> {
    let file = config.greylist.located();
    readable("the greylist", &file.path)?;
    SqliteStore::check_as_it_is(&file)?;
    if !file.path.exists() {
        match need(command) {
            Need::Rows => return Err(missing(&file.path)),
            Need::Nothing => {}
            Need::File => make(&file, config, err)?,
        }
    }
    Ok(file)
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
