//! One observation as one job: exemption, known clients, rows under every name, and what is written of it.

use super::{
    count,
    find::{Found, find, known},
    retries,
};
use crate::{
    greylist::judge::{self, Known, Row, Ruling},
    lookup::greylist::{Greylisted, Observation, Outgoing, Voucher, Wait},
    store::networks::Networks,
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Result, params};

const KINDS_OF_EXEMPTION: &str = "\
    SELECT kind FROM exemption WHERE kind IN ('open', 'opt_in', 'opt_out') AND value IN (?1, ?2) \
    AND (until IS NULL OR until > ?3)";

const CORRESPONDENT: &str = "SELECT last_sent FROM correspondent WHERE remote = ?1 AND local = ?2";

const LEARN: &str = "\
    INSERT INTO correspondent (remote, local, last_sent, sent) VALUES (?1, ?2, ?3, 1) \
    ON CONFLICT (remote, local) DO UPDATE SET last_sent = excluded.last_sent, sent = sent + 1";

const WRITE_KNOWN: &str = "\
    INSERT INTO known_client (client, sender_domain, passes, last_pass, first_seen, last_seen, hits, origin) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
    ON CONFLICT (client, sender_domain) DO UPDATE SET passes = excluded.passes, last_pass = excluded.last_pass, \
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, hits = excluded.hits";

const WRITE_ROW: &str = "\
    INSERT INTO greylist (client, sender, recipient, first_seen, last_seen, passed_at, deferred, passed, last_ip, \
    last_name, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT (client, sender, recipient) DO UPDATE SET first_seen = excluded.first_seen, \
    last_seen = excluded.last_seen, passed_at = excluded.passed_at, deferred = excluded.deferred, \
    passed = excluded.passed, last_ip = excluded.last_ip, last_name = excluded.last_name, \
    origin = CASE WHEN origin = 'admin' AND excluded.passed_at IS NOT NULL THEN 'admin' \
    WHEN excluded.origin = 'smtp' THEN 'smtp' ELSE origin END";

const FORGET: &str = "DELETE FROM greylist WHERE client = ?1 AND sender = ?2 AND recipient = ?3";

/// All that a mail may cause.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 6] =
    [KINDS_OF_EXEMPTION, CORRESPONDENT, LEARN, WRITE_KNOWN, WRITE_ROW, FORGET];

/// Which of the tables that many never use have rows; the others need not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InUse {
    exemption: bool,
    correspondent: bool,
}

impl InUse {
    /// All, as far as is known.
    pub(super) const ALL: Self = Self { exemption: true, correspondent: true };

    /// What is so in this transaction.
    pub(super) fn now(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM exemption), EXISTS (SELECT 1 FROM correspondent)",
        )?;
        statement.query_row([], |row| Ok(Self { exemption: row.get(0)?, correspondent: row.get(1)? }))
    }
}

/// Judges an observation; with `networks` it is noted too.
pub(super) fn observe(
    connection: &Connection,
    observation: &Observation,
    in_use: InUse,
    networks: Option<&mut Networks>,
) -> Result<Greylisted> {
    let Observation { terms, now, .. } = observation;
    let is_exempt = if in_use.exemption { is_exempt(connection, observation)? } else { terms.opt_in };
    if is_exempt {
        return Ok(Greylisted::Exempt);
    }
    let correspondent = in_use.correspondent && is_correspondent(connection, observation)?;
    if correspondent && observation.own_domain {
        return Ok(Greylisted::Correspondent);
    }
    let rows = match find(connection, observation)? {
        Found::Passes => return Ok(Greylisted::Passed),
        Found::Vouched(voucher, known) => {
            if let Some(used) = judge::used(terms, &known, *now).filter(|_| networks.is_some()) {
                write_known(connection, voucher, &used, observation)?;
            }
            return Ok(Greylisted::Known);
        }
        Found::Rows(rows) => rows,
    };
    let found: Vec<Row> = rows.iter().flatten().copied().collect();
    let ruling = judge::judge(terms, observation.brief, *now, &found);
    let said = match networks {
        Some(networks) => note(connection, observation, networks, &rows, ruling)?,
        None => ruling.said,
    };
    Ok(match said {
        Greylisted::Waits { left, why: Wait::New } if correspondent => {
            Greylisted::Waits { left, why: Wait::NewCorrespondent }
        }
        said => said,
    })
}

/// Writes what a ruling leaves. `rows` are what was found under each of the client's names.
fn note(
    connection: &Connection,
    observation: &Observation,
    networks: &mut Networks,
    rows: &[Option<Row>],
    Ruling { said, row }: Ruling,
) -> Result<Greylisted> {
    let Observation { terms, now, network, .. } = observation;
    let Some(strongest) = observation.clients.first() else { return Ok(said) };
    if let Greylisted::Waits { left, why: Wait::New } = said
        && rows.iter().all(Option::is_none)
    {
        let count = |since| begun(connection, network, since);
        if !networks.has_room(network, *now, terms.waiting_limit, count)? {
            return Ok(Greylisted::Waits { left, why: Wait::TooMany });
        }
        networks.begins(network);
    }
    let own = rows.first().copied().flatten();
    // The first mail behind an administrator's word is noted whenever it comes.
    let only_used =
        said == Greylisted::Passed && own.is_some_and(|own| own.passed_at.is_some() && own.passed > 0);
    if only_used && own.is_some_and(|own| !judge::apart(terms, own.last_seen, *now)) {
        return Ok(said);
    }
    write_row(connection, observation, strongest, &row)?;
    // Rows that wait under weaker names have become this one.
    for (client, weaker) in observation.clients.iter().zip(rows).skip(1) {
        if weaker.is_some_and(|row| row.passed_at.is_none()) {
            forget(connection, observation, client)?;
        }
    }
    if let Greylisted::Opened { .. } = said {
        networks.passes(network);
        let waiting = |found: &&Row| found.passed_at.is_none() && found.first_seen == row.first_seen;
        if let Some(waiting) = rows.iter().flatten().find(waiting) {
            retries::note(connection, waiting, *now)?;
        }
        for voucher in &observation.vouchers {
            let known = known(connection, voucher)?;
            if let Some(counted) = judge::counted(terms, known.as_ref(), *now) {
                write_known(connection, voucher, &counted, observation)?;
            }
        }
    }
    Ok(said)
}

/// How many rows under a network itself began to wait since a moment, as far as a bounded look shows it.
fn begun(connection: &Connection, network: &str, since: Timestamp) -> Result<u32> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT first_seen, passed_at FROM greylist WHERE client = ?1 LIMIT 10000) \
         WHERE passed_at IS NULL AND first_seen >= ?2",
    )?;
    statement.query_row(params![network, since.0], |row| count(row, 0))
}

fn is_exempt(connection: &Connection, observation: &Observation) -> Result<bool> {
    let Observation { recipient, now, terms, .. } = observation;
    let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
    let mut statement = connection.prepare_cached(KINDS_OF_EXEMPTION)?;
    let mut kinds = statement.query(params![recipient, domain, now.0])?;
    let mut opted_in = false;
    while let Some(row) = kinds.next()? {
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "opt_in" => opted_in = true,
            _ => return Ok(true),
        }
    }
    Ok(terms.opt_in && !opted_in)
}

fn is_correspondent(connection: &Connection, observation: &Observation) -> Result<bool> {
    let Observation { correspondent, recipient, now, terms, .. } = observation;
    if correspondent.is_empty() {
        return Ok(false);
    }
    let mut statement = connection.prepare_cached(CORRESPONDENT)?;
    let sent: Option<i64> = statement.query_row([correspondent, recipient], |row| row.get(0)).optional()?;
    Ok(sent.is_some_and(|sent| judge::since(Timestamp(sent), *now) <= terms.known_max_age))
}

/// Remembers whom a local user wrote to.
pub(super) fn learn(connection: &Connection, outgoing: &Outgoing) -> Result<()> {
    let mut statement = connection.prepare_cached(LEARN)?;
    for remote in &outgoing.remote {
        statement.execute(params![remote, outgoing.local, outgoing.now.0])?;
    }
    Ok(())
}

fn write_known(
    connection: &Connection,
    voucher: &Voucher,
    known: &Known,
    observation: &Observation,
) -> Result<()> {
    let mut statement = connection.prepare_cached(WRITE_KNOWN)?;
    let Known { passes, last_pass, first_seen, last_seen, hits } = known;
    statement.execute(params![
        voucher.client,
        voucher.sender_domain,
        passes,
        last_pass.0,
        first_seen.0,
        last_seen.0,
        hits,
        origin(observation)
    ])?;
    Ok(())
}

fn write_row(connection: &Connection, observation: &Observation, client: &str, row: &Row) -> Result<()> {
    let mut statement = connection.prepare_cached(WRITE_ROW)?;
    let Observation { sender, recipient, address, name, .. } = observation;
    let name = (!name.is_empty()).then_some(name);
    let Row { first_seen, last_seen, passed_at, deferred, passed } = row;
    let passed_at = passed_at.map(|at| at.0);
    let origin = origin(observation);
    statement.execute(params![
        client,
        sender,
        recipient,
        first_seen.0,
        last_seen.0,
        passed_at,
        deferred,
        passed,
        address,
        name,
        origin
    ])?;
    Ok(())
}

fn forget(connection: &Connection, observation: &Observation, client: &str) -> Result<()> {
    let mut statement = connection.prepare_cached(FORGET)?;
    statement.execute([client, &observation.sender, &observation.recipient])?;
    Ok(())
}

fn origin(observation: &Observation) -> &'static str {
    if observation.observed { "observe" } else { "smtp" }
}
