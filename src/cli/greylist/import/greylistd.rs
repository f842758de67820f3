//! greylistd's data files (`statefile` and `tripletfile` of its configuration): `states` has sections with
//! `HASH = LAST FIRST COUNT`, `triplets` has `HASH = ADDRESS SENDER RECIPIENT`.
//!
//! greylistd itself finds none of its entries after a restart, because the hash is another one in every run; the two files
//! of one run belong together.

use super::{
    Item, Items,
    keys::{Keys, Triplet, client},
    lines::Lines,
    unreadable::Unreadable,
};
use crate::store::Record;
use std::{collections::HashMap, path::Path};

/// How many triplets are kept in memory.
const LIMIT: usize = 2_000_000;

/// Reads `states` with `triplets` beside it, or the directory of both.
pub(super) fn open<'a>(path: &Path, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let states = if path.is_dir() { path.join("states") } else { path.to_owned() };
    if path.is_dir() && !states.exists() {
        return Err("it has no file `states`: name greylistd's `statefile` itself".into());
    }
    if path.file_name().is_some_and(|name| name == "triplets") {
        return Err(
            "it does not say what has passed: name `states` beside it, or the directory of both".into()
        );
    }
    let triplets = states.with_file_name("triplets");
    let lines = Lines::open(&states)?;
    let texts = texts(&triplets).map_err(|why| why.of("the file `triplets` that belongs to it"))?;
    let mut section = Section::Other;
    Ok(Box::new(lines.filter_map(move |line| match line {
        Err(why) => Some(Err(why)),
        Ok((number, line)) => {
            let read = |line: String| state(&line, &mut section, &texts, keys);
            let records = line.map_err(str::to_owned).and_then(read).transpose()?;
            Some(Ok(Item::at(format_args!("line {number}"), records)))
        }
    })))
}

/// Which section of `states` a line stands in.
#[derive(Clone, Copy)]
enum Section {
    White,
    Grey,
    /// Blacklisted, and statistics.
    Other,
}

/// What was hashed, by hash.
fn texts(path: &Path) -> Result<HashMap<i64, String>, Unreadable> {
    let mut texts = HashMap::new();
    for line in Lines::open(path)? {
        let (_, Ok(line)) = line? else { continue };
        if let Some((hash, text)) = line.split_once(" = ")
            && let Ok(hash) = hash.trim().parse()
        {
            texts.insert(hash, text.to_owned());
        }
        if texts.len() > LIMIT {
            return Err(format!("it has more than {LIMIT} triplets").into());
        }
    }
    Ok(texts)
}

fn state(
    line: &str,
    section: &mut Section,
    texts: &HashMap<i64, String>,
    keys: &Keys<'_>,
) -> Result<Option<Vec<Record>>, String> {
    let line = line.trim();
    if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        *section = match name {
            "white" => Section::White,
            "grey" => Section::Grey,
            _ => Section::Other,
        };
        return Ok(None);
    }
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let white = match section {
        Section::White => true,
        Section::Grey => false,
        Section::Other => return Ok(None),
    };
    let (hash, state) = line.split_once('=').ok_or("it is not an entry")?;
    let hash = hash.trim().parse().map_err(|_| format!("`{}` is not a hash", hash.trim()))?;
    let mut fields = state.split_whitespace();
    let (Some(last), Some(first), Some(count)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("it has not three numbers".to_owned());
    };
    let (last, first) = (keys.time(last)?, keys.time(first)?);
    let count: u32 = count.parse().map_err(|_| format!("`{count}` is not a count"))?;
    let text = texts.get(&hash).ok_or("`triplets` does not say what it is")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let (address, sender, recipient) = match words[..] {
        // A whole address is white: `singleupdate`.
        [address] if white => {
            let (client, single) = client(address)?;
            // No mailward knows a whole network whatever the sender.
            if !single {
                return Ok(Some(Vec::new()));
            }
            return Ok(Some(vec![keys.known_client(client, count, true, first, last)]));
        }
        [address, recipient] => (address, "", recipient),
        [address, sender, recipient] => (address, sender, recipient),
        _ => return Err("it is not a triplet".to_owned()),
    };
    let (client, single) = client(address)?;
    let triplet = Triplet { client, single, sender, recipient };
    let records = if white {
        keys.passed(&triplet, first, last, last)
    } else {
        keys.waiting(&triplet, first, last, count)
    };
    records.map(Some)
}
