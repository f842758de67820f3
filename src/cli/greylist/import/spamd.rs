//! What OpenBSD's `spamdb` prints (spamdb(8)): `GREY|IP|HELO|FROM|TO|FIRST|PASS|EXPIRE|BLOCK|PASSCOUNT`, without HELO in old
//! versions, and `WHITE|IP|||FIRST|PASS|EXPIRE|BLOCK|PASSCOUNT`.

use super::{
    Item, Items,
    keys::{Keys, Triplet, client},
    lines::Lines,
    unreadable::Unreadable,
};
use crate::store::Record;
use std::{path::Path, time::Duration};

/// How long a white entry lives after its last mail: spamd's `-G 25:4:864`.
const WHITE: Duration = Duration::from_secs(864 * 3_600);

/// Reads the lines.
pub(super) fn open<'a>(file: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let lines = Lines::open(file)?;
    Ok(Box::new(lines.filter_map(move |line| match line {
        Err(why) => Some(Err(why)),
        Ok((_, Ok(line))) if line.trim().is_empty() => None,
        Ok((number, line)) => {
            let records = line.map_err(str::to_owned).and_then(|line| entry(&line, keys));
            Some(Ok(Item::at(format_args!("line {number}"), records)))
        }
    })))
}

fn entry(line: &str, keys: &Keys<'_>) -> Result<Vec<Record>, String> {
    let fields: Vec<&str> = line.trim_end().split('|').collect();
    match fields[..] {
        ["GREY", address, _, sender, recipient, first, _, _, _, _]
        | ["GREY", address, sender, recipient, first, _, _, _, _] => {
            let (client, single) = client(address)?;
            // It does not say when the others of its attempts were.
            let first = keys.time(first)?;
            keys.waiting(&Triplet { client, single, sender, recipient }, first, first, 1)
        }
        ["WHITE", address, _, _, first, _, end, _, passed] => {
            let (client, _) = client(address)?;
            let end: i64 = end.parse().map_err(|_| format!("`{end}` is not a time in Unix seconds"))?;
            let passes = passed.parse().map_err(|_| format!("`{passed}` is not a count"))?;
            let first = keys.time(first)?;
            let last = keys.before(crate::time::Timestamp(end), WHITE).max(first);
            Ok(vec![keys.known_client(client, passes, true, first, last)])
        }
        // Who is trapped is refused there; mailward has block lists for that.
        ["TRAPPED", ..] | ["SPAMTRAP", ..] => Ok(Vec::new()),
        _ => Err("it is not a line of spamdb".to_owned()),
    }
}
