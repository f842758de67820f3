//! postgrey's databases: `postgrey.db` with `NETWORK/SENDER/RECIPIENT` and `FIRST,LAST`, `postgrey_clients.db` with an address
//! and `COUNT,LAST`. Both are btrees of Berkeley DB in one environment.

use super::{
    Item, Items,
    berkeley::{self, Btree},
    dump::{self, Dump},
    keys::{Keys, Triplet, client},
    lines::{self, Lines},
    named,
    unreadable::Unreadable,
};
use crate::{
    cli::{Exit, Failure, greylist::Context},
    config,
    store::Record,
    time::Timestamp,
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    iter,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// postgrey's `--auto-whitelist-clients`: from so many counts on a client passed everywhere.
const WHOLE: u32 = 5;

/// How much later than the databases the log may have been written.
const SLACK: Duration = Duration::from_secs(2);

/// Reads a directory, one of its files, or a dump.
pub(super) fn open<'a>(path: &Path, delay: Duration, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    if !path.is_dir() {
        return one(path, delay, keys);
    }
    let rows = one(&path.join("postgrey.db"), delay, keys).map_err(|why| why.of("postgrey.db"))?;
    let clients = path.join("postgrey_clients.db");
    // There is none with --auto-whitelist-clients=0.
    if !clients.exists() {
        return Ok(rows);
    }
    let clients = one(&clients, delay, keys).map_err(|why| why.of("postgrey_clients.db"))?;
    Ok(Box::new(rows.chain(clients)))
}

fn one<'a>(path: &Path, delay: Duration, keys: &'a Keys<'a>) -> Result<Items<'a>, Unreadable> {
    let name = named(path);
    let mut text = lines::open(path)?;
    let begin = text.fill_buf().map_err(|e| Unreadable::File(config::reason(&e)))?;
    if begin.starts_with(dump::BEGIN.as_bytes()) {
        let pairs = Dump::of(Lines::of(text));
        return Ok(Box::new(pairs.map(move |pair| {
            Ok(match pair? {
                Ok((line, key, value)) => {
                    Item::at(format_args!("line {line}"), entry(&key, &value, delay, keys))
                }
                Err((line, why)) => Item::Fault(format!("line {line}"), why),
            })
        })));
    }
    if !berkeley::is_btree(begin) {
        return Err("it is neither a btree of Berkeley DB nor the text of db_dump".into());
    }
    drop(text);
    let pairs = Btree::open(File::open(path).map_err(|e| Unreadable::File(config::reason(&e)))?)?;
    Ok(Box::new(pairs.map(move |pair| {
        Ok(match pair {
            Ok((key, value)) => {
                let place = format!("{name}: {}", String::from_utf8_lossy(&key));
                Item::at(place, entry(&key, &value, delay, keys))
            }
            Err((place, why)) => Item::Fault(format!("{name}: {place}"), why),
        })
    })))
}

/// The records of a pair of either database: a triplet has slashes, an address has none.
fn entry(key: &[u8], value: &[u8], delay: Duration, keys: &Keys<'_>) -> Result<Vec<Record>, String> {
    let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
    let mut fields = value.split(',');
    let (first, last) = fields.next().zip(fields.next()).ok_or_else(|| format!("`{value}` is not a pair"))?;
    let last = keys.time(last)?;
    if key.len() == 40 && key.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("it is hashed by --privacy".to_owned());
    }
    let Some((network, rest)) = key.split_once('/') else {
        let (client, _) = client(&key)?;
        let count = first.parse().map_err(|_| format!("`{first}` is not a count"))?;
        return Ok(vec![keys.known_client(client, count, count >= WHOLE, last, last)]);
    };
    let first = keys.time(first)?;
    let ((client, _), (single, rest)) = (client(network)?, by_host(network, rest));
    let (sender, recipient) = addresses(rest).ok_or("it has no recipient")?;
    let triplet = Triplet { client, single, sender, recipient };
    let passed_at = Timestamp(first.0.saturating_add(i64::try_from(delay.as_secs()).unwrap_or(i64::MAX)));
    if last < passed_at {
        return keys.waiting(&triplet, first, last, if last > first { 2 } else { 1 });
    }
    keys.passed(&triplet, first, passed_at, last)
}

/// With `--lookup-by-host` the network is an address with its length, and so has a slash of its own.
fn by_host<'a>(network: &str, rest: &'a str) -> (bool, &'a str) {
    let length = if network.contains(':') { "128" } else { "32" };
    match rest.split_once('/') {
        Some((found, behind)) if found == length && behind.contains('/') => (true, behind),
        _ => (false, rest),
    }
}

/// Sender and recipient: local parts may hold slashes, domains may not.
fn addresses(text: &str) -> Option<(&str, &str)> {
    let behind_domain = text.find('@').and_then(|at| text[at..].find('/').map(|slash| at + slash));
    let slash = behind_domain.or_else(|| text.find('/'))?;
    Some((&text[..slash], &text[slash + 1..]))
}

/// While postgrey runs, much of what it knows stands in its log only.
///
/// # Errors
/// When it runs, and this is no dry run.
pub(super) fn refuse_running(path: &Path, dry_run: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    let directory = if path.is_dir() { Some(path) } else { path.parent() };
    let Some(directory) = directory else { return Ok(()) };
    if is_locked(&directory.join("postgrey.lock")) {
        if !dry_run {
            let message = "postgrey is running, and its files do not hold all that it knows: stop it first, \
                           with `systemctl stop postgrey`";
            return Err(Failure::Says(Exit::Unavailable, message.to_owned()));
        }
        writeln!(context.err, "mailward: postgrey is running: its files do not hold all that it knows")?;
    } else if is_behind(directory) {
        writeln!(
            context.err,
            "mailward: postgrey's log is newer than its databases, as after a crash: for the latest entries start \
             and stop it once, and import again"
        )?;
    }
    Ok(())
}

fn is_locked(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else { return false };
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
}

/// Whether the log was written after both databases.
fn is_behind(directory: &Path) -> bool {
    let written = |path: PathBuf| fs::metadata(path).and_then(|about| about.modified()).ok();
    let databases = ["postgrey.db", "postgrey_clients.db"].map(|name| written(directory.join(name)));
    let latest = |times: &mut dyn Iterator<Item = SystemTime>| times.max();
    let logs = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = logs.filter(|path| named(path).starts_with("log.")).filter_map(written);
    let (log, database) = (latest(&mut logs.into_iter()), latest(&mut databases.into_iter().flatten()));
    iter::zip(log, database).any(|(log, database)| log.duration_since(database).is_ok_and(|by| by > SLACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_split_at_the_slashes_that_part_it() {
        let cases = [
            ("a@x.example/to@r.example", Some(("a@x.example", "to@r.example"))),
            ("/to@r.example", Some(("", "to@r.example"))),
            ("/a/b@r.example", Some(("", "a/b@r.example"))),
            ("a/b@x.example/c/d@r.example", Some(("a/b@x.example", "c/d@r.example"))),
            ("root/to@r.example", Some(("root", "to@r.example"))),
            ("a@x.example/root", Some(("a@x.example", "root"))),
            ("nothing", None),
        ];
        for (text, want) in cases {
            assert_eq!(addresses(text), want, "{text}");
        }
        assert_eq!(by_host("192.0.2.1", "32/a@x/b@y"), (true, "a@x/b@y"));
        assert_eq!(by_host("192.0.2.0", "32@x/b@y"), (false, "32@x/b@y"));
        assert_eq!(by_host("2001:db8:0:0:0:0:0:1", "128/a@x/b@y"), (true, "a@x/b@y"));
    }
}
