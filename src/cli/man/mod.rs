//! `mailward man` and `mailward completions`: everything generated from the definitions that the program itself uses.

mod keys;
pub(super) mod restrictions;
mod roff;

use super::{Cli, Exit, Failure};
use crate::{
    restriction,
    smtp::text::{escaped, wrap},
};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Print a manual page, or write all of them
///
/// Pages: mailward, one for each command such as mailward-greylist,
/// mailward.toml and mailward-restrictions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward man mailward.toml | man -l -
  mailward man --dir /usr/local/share/man")]
pub(super) struct Args {
    /// The page
    #[arg(default_value = "mailward")]
    page: String,
    /// Write all pages below DIR, as DIR/man1 and DIR/man5
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    dir: Option<PathBuf>,
}

/// Print the completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mailward completions bash > /etc/bash_completion.d/mailward")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// A page: its name and section, and what writes it.
struct Page {
    name: String,
    section: u8,
    content: Content,
}

enum Content {
    Command(Box<Command>),
    Keys,
    Restrictions,
}

impl Page {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.content {
            Content::Command(command) => {
                clap_mangen::Man::new(command.as_ref().clone()).render(&mut &mut *out)
            }
            Content::Keys => keys::write(out),
            Content::Restrictions => restrictions::write(&restriction::registry().collect::<Vec<_>>(), out),
        }
    }

    /// The file below a directory of manual pages.
    fn file(&self, dir: &Path) -> PathBuf {
        dir.join(format!("man{}", self.section)).join(format!("{}.{}", self.name, self.section))
    }
}

/// Runs `mailward man`.
///
/// # Errors
/// An unknown page, a directory that cannot be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let pages = pages();
    let Some(dir) = &args.dir else {
        let Some(page) = pages.iter().find(|page| page.name == args.page) else {
            return Err(Failure::Says(Exit::Usage, missing(&args.page, &pages)));
        };
        return Ok(page.write(out)?);
    };
    for page in &pages {
        let file = page.file(dir);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut out = BufWriter::new(File::create(&file)?);
            page.write(&mut out)?;
            out.flush()
        });
        written.map_err(|e| {
            Failure::Says(Exit::CannotCreate, format!("cannot write {}: {e}", file.display()))
        })?;
    }
    Ok(writeln!(out, "{} pages below {}", pages.len(), dir.display())?)
}

/// The pages that there are, in lines; a command and a file format may have one of the same name.
fn missing(page: &str, pages: &[Page]) -> String {
    let names: BTreeSet<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let lines = wrap(&names, 76).into_iter().fold(String::new(), |all, line| all + "\n  " + &line);
    format!("there is no page `{}`; there are{lines}", escaped(page))
}

/// Prints completions.
pub(super) fn completions(args: &Completions, out: &mut dyn Write) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mailward", &mut script);
    Ok(out.write_all(&script)?)
}

/// All pages.
fn pages() -> Vec<Page> {
    let mut cli = Cli::command();
    cli.build();
    let mut pages = Vec::new();
    commands(&cli, &mut pages);
    let file_format = |name: &str, content| Page { name: name.to_owned(), section: 5, content };
    pages.push(file_format("mailward.toml", Content::Keys));
    pages.push(file_format("mailward-restrictions", Content::Restrictions));
    pages
}

/// The page of a command, and those of the commands within it; a built command knows the name of its page.
fn commands(command: &Command, pages: &mut Vec<Page>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push(Page {
        name: name.to_owned(),
        section: 1,
        content: Content::Command(Box::new(command.clone())),
    });
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        commands(inner, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_an_example() {
        let pages = pages();
        for page in &pages {
            let mut text = Vec::new();
            page.write(&mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(".SH NAME"), "{}", page.name);
            assert!(page.section == 5 || text.contains("Example"), "{} shows no example", page.name);
        }
        let names = pages.iter().map(|page| page.name.as_str()).collect::<Vec<_>>();
        for name in ["mailward", "mailward-run", "mailward-greylist-list", "mailward.toml"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }

    #[test]
    fn a_page_that_is_not_there_is_answered_with_those_that_are() {
        let said = missing("nope\u{1b}", &pages());
        let (first, rest) = said.split_once('\n').unwrap();
        assert_eq!(first, "there is no page `nope\\u{1b}`; there are");
        assert!(rest.lines().all(|line| line.starts_with("  mailward") && line.len() <= 78), "{rest}");
        assert_eq!(rest.matches("mailward-restrictions").count(), 1, "{rest}");
    }

    #[test]
    fn every_shell_has_its_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut out = Vec::new();
            assert!(completions(&Completions { shell }, &mut out).is_ok());
            assert!(String::from_utf8(out).unwrap().contains("check-config"), "{shell}");
        }
    }
}
