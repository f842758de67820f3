//! What `mailward greylist export` printed as CSV.

use super::{
    Items,
    keys::Keys,
    sheet::{Row, Sheet},
    unreadable::Unreadable,
};
use crate::{
    cli::greylist::export::{KNOWN_COLUMNS, ROW_COLUMNS},
    smtp::text::cut,
    store::{Entry, KnownClient, Record},
};
use std::{iter, path::Path};

/// How many bytes of a name are kept.
const LIMIT: usize = 512;

/// Reads the file.
pub(super) fn open<'a>(file: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let mut sheet = Sheet::open(file)?;
    let read = if sheet.has(&ROW_COLUMNS) {
        row
    } else if sheet.has(&KNOWN_COLUMNS) {
        known
    } else {
        return Err("its first line does not name the columns of `mailward greylist export`".into());
    };
    Ok(Box::new(iter::from_fn(move || sheet.next(|row| read(row, keys).map(|record| vec![record])))))
}

fn row(row: &Row<'_>, keys: &Keys<'_>) -> Result<Record, String> {
    let text = |name| row.field(name).map(|text| cut(text, LIMIT).to_owned());
    let maybe = |name| text(name).map(|text| Some(text).filter(|text| !text.is_empty()));
    let time = |name| keys.time(row.field(name)?);
    let passed_at = match row.field("passed_at")? {
        "" => None,
        _ => Some(time("passed_at")?),
    };
    let client = text("client")?;
    if client.is_empty() {
        return Err("it has no client".to_owned());
    }
    Ok(Record::Row(Entry {
        client,
        sender: text("sender")?,
        recipient: text("recipient")?,
        first_seen: time("first_seen")?,
        last_seen: time("last_seen")?,
        passed_at,
        deferred: row.count("deferred")?,
        passed: row.count("passed")?,
        last_ip: maybe("last_ip")?,
        last_name: maybe("last_name")?,
        origin: text("origin")?,
    }))
}

fn known(row: &Row<'_>, keys: &Keys<'_>) -> Result<Record, String> {
    let text = |name| row.field(name).map(|text| cut(text, LIMIT).to_owned());
    let time = |name| keys.time(row.field(name)?);
    let client = text("client")?;
    if client.is_empty() {
        return Err("it has no client".to_owned());
    }
    Ok(Record::Known(KnownClient {
        client,
        sender_domain: text("sender_domain")?,
        passes: row.count("passes")?,
        last_pass: time("last_pass")?,
        first_seen: time("first_seen")?,
        last_seen: time("last_seen")?,
        hits: row.count("hits")?,
        origin: text("origin")?,
    }))
}
