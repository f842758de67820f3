//! `mailward postfix import`: the restrictions of main.cf as a mailward.toml, and what stays in main.cf.

use super::{
    advice,
    document::{Document, Item, Section, Value},
    held,
    instance::Instance,
    lists::{Entry, Lists, split},
    main_cf::MainCf,
    parameters,
};
use crate::{
    cli::{Exit, Failure},
    config::Disk,
};
use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

/// The largest main.cf that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// The lists: the key, the parameter, and what a `type:table` alone means in it (smtpd_check.c).
pub(in crate::cli) const LISTS: [(&str, &str, Option<&str>); 6] = [
    ("client", "smtpd_client_restrictions", Some("check_client_access")),
    ("helo", "smtpd_helo_restrictions", Some("check_helo_access")),
    ("sender", "smtpd_sender_restrictions", Some("check_sender_access")),
    ("recipient", "smtpd_recipient_restrictions", Some("check_recipient_access")),
    ("data", "smtpd_data_restrictions", None),
    ("end_of_data", "smtpd_end_of_data_restrictions", None),
];

/// Header tables and the restriction that takes each over.
pub(super) const HEADERS: [(&str, &str); 3] = [
    ("header_checks", "check_header"),
    ("mime_header_checks", "check_mime_header"),
    ("nested_header_checks", "check_nested_header"),
];

/// Where the printed file listens, and where Postfix finds it.
pub(super) const SOCKET: &str = "inet:127.0.0.1:8895";

/// Print a mailward.toml that does what the restrictions of main.cf do.
///
/// Without FILE and --config-dir this asks `postconf -n`. What mailward does not do is printed as a comment, with the
/// reason; at the end stands what to change in main.cf. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mailward postfix import -o mailward.toml
  mailward postfix import --config-dir /etc/postfix-out
  ssh mx2 postconf -n | mailward postfix import -

Access tables are read where main.cf names them. Exit code 65: the printed file
would be refused, and says where.")]
pub(super) struct Args {
    /// A main.cf, or the output of `postconf -n`; - is standard input
    #[arg(value_name = "FILE", conflicts_with = "config_dir")]
    file: Option<PathBuf>,
    /// Ask the Postfix instance with this directory
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// Write to a new file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// A main.cf that cannot be read, a Postfix that cannot be asked, a file that exists already, and a result that would
/// not load.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let (main_cf, from) = read(args)?;
    // Relative tables are found from where the result will stand.
    let base = args.output.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let (text, faults) = import(&main_cf, &from, &mut Disk { base });
    match &args.output {
        Some(file) => {
            create(file, &text)?;
            writeln!(out, "Written to {}. Read it, then: mailward check-config -c {0}", file.display())?;
        }
        None => out.write_all(text.as_bytes())?,
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure::Says(Exit::Data, format!("the result would be refused:\n{faults}")))
}

fn create(file: &Path, text: &str) -> Result<(), Failure> {
    // A configuration that somebody has worked on is never overwritten.
    let made = OpenOptions::new().write(true).create_new(true).open(file);
    made.and_then(|mut made| made.write_all(text.as_bytes())).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::AlreadyExists => "; name a new one, or remove it first",
            _ => "",
        };
        Failure::Says(Exit::CannotCreate, format!("cannot create {}: {error}{help}", file.display()))
    })
}

/// The parameters, and what they were read from.
fn read(args: &Args) -> Result<(MainCf, String), Failure> {
    let Some(file) = &args.file else {
        let directory = args.config_dir.as_deref();
        let instance = Instance::new(directory);
        let set = instance.postconf(&["-n"]).map_err(with_file)?;
        let from = directory.map_or_else(
            || "`postconf -n`".to_owned(),
            |directory| format!("`postconf -c {} -n`", directory.display()),
        );
        let defaults = instance.postconf(&[]).map_err(with_file)?;
        return Ok((MainCf::parse(set.as_bytes()).with_defaults(defaults.as_bytes()), from));
    };
    let (mut bytes, is_input) = (Vec::new(), file.as_os_str() == "-");
    let read = if is_input {
        io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
    };
    let failed =
        |why: String| Failure::Says(Exit::InputOutput, format!("cannot read {}: {why}", file.display()));
    let length = read.map_err(|error| failed(error.to_string()))?;
    if length as u64 > LIMIT {
        return Err(failed(format!("it is larger than {} MiB", LIMIT >> 20)));
    }
    let name = file.file_name().map_or_else(|| file.display().to_string(), |name| name.display().to_string());
    Ok((MainCf::parse(&bytes), if is_input { "standard input".to_owned() } else { name }))
}

/// A Postfix that cannot be asked need not be: its main.cf says the same.
fn with_file(failure: Failure) -> Failure {
    match failure {
        Failure::Says(exit, why) => {
            let help = "name a main.cf instead: mailward postfix import /etc/postfix/main.cf";
            Failure::Says(exit, format!("{}\n  help: {help}", why.trim_end()))
        }
        failure @ (Failure::Greylist(_) | Failure::Output(_)) => failure,
    }
}

/// The text of the new file, and the faults that keep it from loading, if any.
fn import(main_cf: &MainCf, from: &str, files: &mut Disk) -> (String, String) {
    let classes: Vec<String> = main_cf
        .expanded("smtpd_restriction_classes")
        .map(|names| split(&names).into_iter().map(str::to_owned).collect())
        .unwrap_or_default();
    let mut document = document(main_cf, from, &classes);
    let mut settled = document.settle(files);
    if settled.is_ok() {
        held::hold_back(&mut document, &classes, files);
        warn_of_networks(&mut document);
        settled = document.settle(files).and_then(|()| document.annotate(files));
    }
    let faults = settled.err().unwrap_or_default().iter().map(ToString::to_string).collect();
    let mut text = document.text();
    for line in advice::lines(&document, main_cf, &classes) {
        text.push_str(&line);
        text.push('\n');
    }
    (text, faults)
}

fn document(main_cf: &MainCf, from: &str, classes: &[String]) -> Document {
    let names: HashSet<String> = classes.iter().cloned().collect();
    let domains = main_cf.expanded("maps_rbl_domains").unwrap_or_default();
    let domains: Vec<String> = split(&domains).into_iter().map(str::to_owned).collect();
    let lists = Lists { classes: &names, maps_rbl_domains: &domains };
    let mut restrictions = section("restrictions");
    for (key, parameter, bare) in LISTS {
        let value = main_cf.expanded(parameter).unwrap_or_default();
        let mut entries = lists.entries(&value, bare);
        if key == "end_of_data" {
            // Before everything that permits: Postfix asks them about every message.
            entries.splice(0..0, headers(main_cf));
        }
        if !entries.is_empty() {
            restrictions.items.push(list(key, parameter, entries));
        }
    }
    let mut class_section = section("classes");
    let mut seen = HashSet::new();
    for class in classes.iter().filter(|class| seen.insert(*class)) {
        let entries = lists.entries(&main_cf.expanded(class).unwrap_or_default(), None);
        class_section.items.push(list(class, "", entries));
    }
    let trusted = [&restrictions, &class_section].iter().any(|section| names_mynetworks(section));
    let mut top = section("");
    top.items.push(setting("socket", &format!("\"{SOCKET}\""), "Where Postfix finds mailward."));
    let mode = "\"observe\" decides and logs, but lets everything pass: good for the first days.";
    top.items.push(setting("mode", "\"enforce\"", mode));
    top.items.extend(parameters::mynetworks(main_cf, trusted));
    top.items.extend(parameters::parents(main_cf));
    let (mut codes, mut replies) = (section("codes"), section("replies"));
    for name in main_cf.names() {
        match parameters::item(main_cf, name) {
            Some(("codes", item)) => codes.items.push(item),
            Some(("replies", item)) => replies.items.push(item),
            Some((_, item)) => top.items.push(item),
            None => {}
        }
    }
    Document { head: head(main_cf, from), sections: vec![top, restrictions, class_section, codes, replies] }
}

fn head(main_cf: &MainCf, from: &str) -> Vec<String> {
    let mut head = vec![
        format!("mailward.toml, made by `mailward postfix import` from {from}."),
        String::new(),
        "The lists below decide as the smtpd_*_restrictions of main.cf did. An entry behind a `#` is not carried out \
         here; the reason stands above it. The end of this file says what to change in main.cf: until then Postfix \
         goes on deciding for itself."
            .to_owned(),
    ];
    if LISTS.iter().all(|(_, parameter, _)| main_cf.get(parameter).is_none()) {
        head.extend([
            String::new(),
            "There are no lists: main.cf sets none that mailward takes over.".to_owned(),
        ]);
    }
    if !main_cf.complaints.is_empty() {
        head.extend([String::new(), "Lines of main.cf that could not be read:".to_owned()]);
        head.extend(main_cf.complaints.iter().cloned());
    }
    head
}

fn section(name: &'static str) -> Section {
    Section { name, items: Vec::new() }
}

fn setting(key: &str, value: &str, comment: &str) -> Item {
    let value = Value::Plain(value.to_owned());
    Item { key: key.to_owned(), comment: comment.to_owned(), value, off: None }
}

fn list(key: &str, parameter: &str, entries: Vec<Entry>) -> Item {
    let value = Value::List(entries);
    Item { key: key.to_owned(), comment: parameter.to_owned(), value, off: None }
}

/// The header tables as entries.
fn headers(main_cf: &MainCf) -> Vec<Entry> {
    let tables = HEADERS.iter().flat_map(|(parameter, check)| {
        let value = main_cf.expanded(parameter).unwrap_or_default();
        let entries = split(&value).into_iter().map(|table| Entry {
            text: format!("{check} {table}"),
            was: Some(format!("{parameter} = {table}")),
            notes: vec![
                "Of mail that comes by SMTP; what sendmail(1) takes in is not looked at here.".to_owned(),
            ],
            ..Entry::default()
        });
        entries.collect::<Vec<_>>()
    });
    tables.collect()
}

fn names_mynetworks(section: &Section) -> bool {
    section.items.iter().any(|item| match &item.value {
        Value::List(entries) => entries.iter().any(|entry| entry.text.ends_with("permit_mynetworks")),
        Value::Plain(_) => false,
    })
}

/// Says what it means when some networks are not taken over.
fn warn_of_networks(document: &mut Document) {
    for item in document.items_mut().filter(|item| item.key == "mynetworks") {
        let Value::List(entries) = &item.value else { continue };
        if entries.iter().any(|entry| entry.off.is_some()) {
            item.comment =
                "Careful: as long as something stands behind a `#` in this list, permit_mynetworks does not \
                            permit the same clients as in Postfix. Put that right before you attach mailward."
                    .to_owned();
        }
    }
}
