//! What `mailward greylist export` printed as CSV.

use super::{
    Format, Items,
    keys::Keys,
    sheet::{Row, Sheet},
    unreadable::Unreadable,
};
use crate::{
    cli::greylist::{
        addresses::SHOWN_LIMIT,
        exempted,
        export::{EXEMPTION_COLUMNS, KNOWN_COLUMNS, ROW_COLUMNS},
    },
    smtp::{domain::Domain, text::cut},
    store::{Entry, Exemption, ExemptionKind, KnownClient, Record},
    time::Timestamp,
};
use clap::ValueEnum;
use ipnet::IpNet;
use std::{iter, net::IpAddr, path::Path};

/// How many bytes of a name are kept.
const LIMIT: usize = 512;

/// Reads the file.
pub(super) fn open<'a>(file: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let mut sheet = Sheet::open(file)?;
    let read = if sheet.has(&ROW_COLUMNS) {
        row
    } else if sheet.has(&KNOWN_COLUMNS) {
        known
    } else if sheet.has(&EXEMPTION_COLUMNS) {
        exemption
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
    let client = client(row.field("client")?)?;
    let recipient = text("recipient")?;
    if recipient.is_empty() {
        return Err("it has no recipient".to_owned());
    }
    Ok(Record::Row(Entry {
        client,
        sender: text("sender")?,
        recipient,
        first_seen: time("first_seen")?,
        last_seen: time("last_seen")?,
        passed_at,
        deferred: row.count("deferred")?,
        passed: row.count("passed")?,
        last_ip: maybe("last_ip")?,
        last_name: maybe("last_name")?,
        origin: origin(row.field("origin")?)?,
    }))
}

fn known(row: &Row<'_>, keys: &Keys<'_>) -> Result<Record, String> {
    let text = |name| row.field(name).map(|text| cut(text, LIMIT).to_owned());
    let time = |name| keys.time(row.field(name)?);
    let client = client(row.field("client")?)?;
    Ok(Record::Known(KnownClient {
        client,
        sender_domain: text("sender_domain")?,
        passes: row.count("passes")?,
        last_pass: time("last_pass")?,
        first_seen: time("first_seen")?,
        last_seen: time("last_seen")?,
        hits: row.count("hits")?,
        origin: origin(row.field("origin")?)?,
    }))
}

fn exemption(row: &Row<'_>, keys: &Keys<'_>) -> Result<Record, String> {
    let kind = row.field("kind")?;
    let kind = ExemptionKind::from_word(kind)
        .ok_or_else(|| format!("`{}` is not open, opt_in or opt_out", cut(kind, SHOWN_LIMIT)))?;
    let until = match row.field("until")? {
        "" => None,
        // Unlike all other times it lies in the future.
        end => {
            Some(end.parse().map(Timestamp).map_err(|_| format!("`{end}` is not a time in Unix seconds"))?)
        }
    };
    Ok(Record::Exemption(Exemption {
        kind,
        value: exempted::read(row.field("value")?)?,
        until,
        reason: row.field("reason")?.to_owned(),
        created: keys.time(row.field("created")?)?,
    }))
}

/// A client's key as the store writes it: an address, a network that [greylist] may count as one client, or a domain.
fn client(text: &str) -> Result<String, String> {
    let is_domain = |name| Domain::for_query(name).is_some_and(|_| name.len() < LIMIT && !name.contains(' '));
    let is_network = |network: IpNet| {
        let shortest = if network.addr().is_ipv4() { 8 } else { 16 };
        network.prefix_len() >= shortest && network == network.trunc()
    };
    let is_client = text.parse::<IpAddr>().is_ok()
        || text.parse::<IpNet>().is_ok_and(is_network)
        || text.strip_prefix("ptr:").is_some_and(is_domain);
    if is_client && *text == text.to_lowercase() {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is not a client: an address, a network of 8 bits or more (IPv6: 16), or `ptr:` and a domain",
        cut(text, SHOWN_LIMIT)
    ))
}

/// Where a record comes from: what the store writes, or one of the formats.
fn origin(text: &str) -> Result<String, String> {
    let is_format = |name: &str| Format::value_variants().iter().any(|format| format.to_string() == name);
    let is_known =
        ["smtp", "observe", "admin"].contains(&text) || text.strip_prefix("import:").is_some_and(is_format);
    is_known.then(|| text.to_owned()).ok_or_else(|| {
        format!(
            "`{}` is not an origin: smtp, observe, admin, or import: and a format",
            cut(text, SHOWN_LIMIT)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_a_client_may_have_are_taken() {
        for good in [
            "192.0.2.1",
            "192.0.2.0/24",
            "10.0.0.0/8",
            "192.0.2.1/32",
            "2001:db8::/64",
            "2001:db8::1",
            "ptr:example.org",
        ] {
            assert_eq!(client(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "nonsense",
            "0.0.0.0/0",
            "10.0.0.0/7",
            "::/0",
            "2001::/15",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "ptr:",
            "ptr:a b",
            "PTR:example.org",
            "ptr:x..y",
        ] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }
}
