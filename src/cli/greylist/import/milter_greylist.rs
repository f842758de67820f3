//! milter-greylist's `greylist.db` (greylist.conf(5), dumpfile): a tuple a line, `IP <sender> <recipient> TIME`, `AUTO` behind
//! those that passed. TIME is when a waiting tuple will be accepted, or when a passed one expires.

use super::{
    Item, Items,
    keys::{Keys, Triplet, client},
    lines::Lines,
    unreadable::Unreadable,
};
use crate::{store::Record, time::Timestamp};
use std::{path::Path, time::Duration};

/// Reads the file.
pub(super) fn open<'a>(
    file: &Path,
    delay: Duration,
    autowhite: Duration,
    keys: &'a Keys<'a>,
) -> Result<Items<'a>, Unreadable> {
    let lines = Lines::open(file)?;
    Ok(Box::new(lines.filter_map(move |line| match line {
        Err(why) => Some(Err(why)),
        Ok((number, line)) => {
            let read = |line: String| tuple(&line, delay, autowhite, keys);
            let records = line.map_err(str::to_owned).and_then(read).transpose()?;
            Some(Ok(Item::at(format_args!("line {number}"), records)))
        }
    })))
}

/// The records of a line; `None` of a comment.
fn tuple(
    line: &str,
    delay: Duration,
    autowhite: Duration,
    keys: &Keys<'_>,
) -> Result<Option<Vec<Record>>, String> {
    // A comment stands behind a tuple too; addresses may hold the character.
    let line = line.split_once("\t#").or_else(|| line.split_once(" # ")).map_or(line, |(tuple, _)| tuple);
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (rest, recipient) = {
        let (address, rest) = line.split_once(char::is_whitespace).ok_or("it is not a tuple")?;
        let (sender, rest) = bracketed(rest).ok_or("it has no sender in brackets")?;
        let (recipient, rest) = bracketed(rest).ok_or("it has no recipient in brackets")?;
        ((client(address)?, sender, rest), recipient)
    };
    let ((client, single), sender, rest) = rest;
    let triplet = Triplet { client, single, sender, recipient };
    let mut words = rest.split_whitespace();
    let time: i64 = words
        .next()
        .and_then(|time| time.parse().ok())
        .ok_or_else(|| format!("`{}` is not a time in Unix seconds", rest.trim()))?;
    match (words.next(), words.next()) {
        (None, _) => {
            let first = keys.before(Timestamp(time), delay);
            keys.waiting(&triplet, first, first, 1).map(Some)
        }
        (Some("AUTO"), None) => {
            let last = keys.before(Timestamp(time), autowhite);
            keys.passed(&triplet, last, last, last).map(Some)
        }
        // A tarpit's tuple has not come back yet.
        (Some(_), Some("TARPIT")) => Ok(Some(Vec::new())),
        (Some(word), _) => Err(format!("`{word}` is not known behind the time")),
    }
}

/// The text in the brackets with which a line begins, and the rest. A local part may hold brackets in quotes.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start().strip_prefix('<')?;
    let end = inner.find(">\t").or_else(|| inner.find("> "))?;
    Some((&inner[..end], &inner[end + 1..]))
}
