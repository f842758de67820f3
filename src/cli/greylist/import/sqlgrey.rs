//! sqlgrey's tables: `connect` waits, `from_awl` and `domain_awl` have passed. Its SQLite file, or a table as CSV.

use super::{
    Item, Items,
    keys::{Keys, Triplet},
    lines,
    sheet::Sheet,
    unreadable::{self, Unreadable},
};
use crate::{
    cli::{
        Failure,
        configured::quoted,
        greylist::{Context, counted},
    },
    config, sqlite,
    store::Record,
};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{collections::VecDeque, iter, net::IpAddr, path::Path};

/// Rows read at a time: sqlgrey may go on writing.
const PAGE: usize = 500;

/// A table, and how its rows are read.
#[derive(Clone, Copy)]
enum Table {
    Connect,
    FromAwl,
    DomainAwl,
}

impl Table {
    const ALL: [Self; 3] = [Self::Connect, Self::FromAwl, Self::DomainAwl];

    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::FromAwl => "from_awl",
            Self::DomainAwl => "domain_awl",
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Connect => &["src", "sender_domain", "first_seen", "sender_name", "rcpt"],
            Self::FromAwl => &["src", "sender_domain", "first_seen", "last_seen", "sender_name"],
            Self::DomainAwl => &["src", "sender_domain", "first_seen", "last_seen"],
        }
    }

    /// The records of a row, given by the names of its columns.
    fn records<'r>(
        self,
        field: impl Fn(&str) -> Result<&'r str, String>,
        keys: &Keys<'_>,
    ) -> Result<Vec<Record>, String> {
        let (client, single) = source(field("src")?)?;
        let (first, domain) = (keys.time(field("first_seen")?)?, field("sender_domain")?);
        match self {
            Self::Connect => {
                let sender = match (field("sender_name")?, domain) {
                    ("-undef-", _) => String::new(),
                    (name, "-undef-") => name.to_owned(),
                    (name, domain) => format!("{name}@{domain}"),
                };
                let triplet = Triplet { client, single, sender: &sender, recipient: field("rcpt")? };
                keys.waiting(&triplet, first, first, 1)
            }
            Self::FromAwl | Self::DomainAwl => {
                let last = keys.time(field("last_seen")?)?;
                Ok(keys.known_domain(client, domain, first, last).into_iter().collect())
            }
        }
    }
}

/// A client or network: three octets are a /24, four groups a /64.
fn source(text: &str) -> Result<(IpAddr, bool), String> {
    let wrong = || format!("`{text}` is neither an address nor a network");
    let parse = |text: String| text.parse::<IpAddr>().ok();
    if let Some(address) = parse(text.to_owned()) {
        return Ok((address, true));
    }
    let end = match (text.matches('.').count(), text.matches(':').count()) {
        (2, 0) => ".0",
        (0, 3) => "::",
        _ => return Err(wrong()),
    };
    parse(format!("{text}{end}")).map(|address| (address, false)).ok_or_else(wrong)
}

/// Reads the file.
pub(super) fn open<'a>(path: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    if path != Path::new("-") {
        let mut file = lines::open(path)?;
        let begin = file.fill_buf().map_err(|e| Unreadable::File(config::reason(&e)))?;
        if begin.starts_with(b"SQLite format 3\0") {
            return database(path, keys);
        }
    }
    sheet(path, keys)
}

fn sheet<'a>(path: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let mut sheet = Sheet::open(path)?;
    let table = Table::ALL
        .into_iter()
        .find(|table| sheet.has(table.columns()))
        .ok_or("it is no SQLite file, and its first line does not name the columns of a table of sqlgrey")?;
    Ok(Box::new(iter::from_fn(move || sheet.next(|row| table.records(|name| row.field(name), keys)))))
}

fn database<'a>(path: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unreadable::database)?;
    let mut tables = Vec::new();
    for table in Table::ALL {
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
        let found: i64 =
            connection.query_row(sql, [table.name()], |row| row.get(0)).map_err(unreadable::database)?;
        if found > 0 {
            tables.push(table);
        }
    }
    if tables.is_empty() {
        return Err("it has no table of sqlgrey".into());
    }
    let mut pages = Pages { connection, tables: tables.into(), after: i64::MIN };
    let mut page = VecDeque::new();
    Ok(Box::new(iter::from_fn(move || {
        while page.is_empty() {
            match pages.next(keys)? {
                Ok(items) => page.extend(items),
                Err(error) => {
                    pages.tables.clear();
                    return Some(Err(error));
                }
            }
        }
        page.pop_front().map(Ok)
    })))
}

/// The tables of who is greylisted otherwise than the rest, their columns, and the command that says the same. Which of them
/// mean anything, sqlgrey's `optmethod` says, which is not in the file.
const OPTED: [(&str, &str, &str); 4] = [
    ("optout_email", "email", "opt-out"),
    ("optout_domain", "domain", "opt-out"),
    ("optin_email", "email", "opt-in"),
    ("optin_domain", "domain", "opt-in"),
];

/// Says what a SQLite file has that is not taken over, and how it can be.
pub(super) fn tell_left_out(path: &Path, context: &mut Context<'_>) -> Result<(), Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    for (table, column, command) in OPTED {
        // What is no database, or has no such table, has nothing to tell.
        let count = Connection::open_with_flags(path, flags).and_then(|file| {
            file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
        });
        let Some(count) = count.ok().filter(|count| *count > 0) else { continue };
        let entries = counted(usize::try_from(count).unwrap_or(usize::MAX), "row");
        writeln!(
            context.err,
            "mailward: {entries} of {table} not taken over. Where sqlgrey's `optmethod` used it:\n  \
             sqlite3 {} 'SELECT {column} FROM {table}' |\n  \
             while read -r who; do mailward greylist {command} \"$who\" --reason sqlgrey; done",
            quoted(path)
        )?;
        if command == "opt-in" {
            writeln!(context.err, "  and set `opt_in = true` in [greylist]")?;
        }
    }
    Ok(())
}

/// The tables, a page at a time.
struct Pages {
    connection: Connection,
    tables: VecDeque<Table>,
    /// The last row of the table that was read.
    after: i64,
}

impl Pages {
    /// The next page, which may be empty at a table's end; `None` behind the last table.
    fn next(&mut self, keys: &Keys<'_>) -> Option<Result<Vec<Item>, String>> {
        let table = *self.tables.front()?;
        let page = self.page(table, keys);
        if page.as_ref().is_ok_and(Vec::is_empty) {
            self.tables.pop_front();
            self.after = i64::MIN;
        }
        let words = |error| sqlite::Error::from(error).words();
        Some(page.map_err(|error| format!("table {}: {}", table.name(), words(error))))
    }

    fn page(&mut self, table: Table, keys: &Keys<'_>) -> rusqlite::Result<Vec<Item>> {
        let (name, columns) = (table.name(), table.columns());
        let sql = format!(
            "SELECT rowid, {} FROM {name} WHERE rowid > ?1 ORDER BY rowid LIMIT {PAGE}",
            columns.join(", ")
        );
        let mut statement = self.connection.prepare(&sql)?;
        let (mut rows, mut items) = (statement.query([self.after])?, Vec::new());
        while let Some(row) = rows.next()? {
            self.after = row.get(0)?;
            let mut fields = Vec::with_capacity(columns.len());
            for column in 1..=columns.len() {
                fields.push(text(row.get_ref(column)?));
            }
            let field = |wanted: &str| {
                let at = columns.iter().position(|column| *column == wanted);
                at.and_then(|at| fields.get(at))
                    .map(String::as_str)
                    .ok_or_else(|| format!("it has no {wanted}"))
            };
            items.push(Item::at(format_args!("{name}, row {}", self.after), table.records(field, keys)));
        }
        Ok(items)
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => String::new(),
    }
}
