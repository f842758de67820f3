//! What the tables hold under a client's names: everything that an observation is judged by, in one statement.

use super::count;
use crate::{
    greylist::judge::{self, Known, Row},
    lookup::greylist::{Observation, Voucher},
    time::Timestamp,
};
use rusqlite::{Connection, Error, Result};
use std::fmt::Write;

/// One entry of known clients.
pub(super) const KNOWN: &str = "\
    SELECT passes, last_pass, first_seen, last_seen, hits FROM known_client \
    WHERE client = ?1 AND sender_domain = ?2";

/// What stands under a client's names.
pub(super) enum Found<'a> {
    /// The strongest name's row says everything, and nothing is written: weaker ones would change neither.
    Passes,
    /// The client is known by this entry.
    Vouched(&'a Voucher, Known),
    /// The row of each name.
    Rows(Vec<Option<Row>>),
}

/// Looks for everything with one statement, the entries of known clients first, until something decides.
pub(super) fn find<'a>(connection: &Connection, observation: &'a Observation) -> Result<Found<'a>> {
    let Observation { terms, now, sender, recipient, clients, vouchers, .. } = observation;
    if clients.is_empty() {
        return Ok(Found::Rows(Vec::new()));
    }
    let mut statement = connection.prepare_cached(&find_sql(vouchers.len(), clients.len()))?;
    let of_vouchers = vouchers.iter().flat_map(|voucher| [&voucher.client, &voucher.sender_domain]);
    for (index, text) in (1..).zip([sender, recipient].into_iter().chain(of_vouchers).chain(clients)) {
        statement.raw_bind_parameter(index, text)?;
    }
    let mut rows = vec![None; clients.len()];
    let mut found = statement.raw_query();
    while let Some(row) = found.next()? {
        let number = usize::from(row.get::<_, u16>(0)?);
        if let Some(voucher) = vouchers.get(number) {
            let known = readable(read_known(row, 1))?;
            if let Some(known) = known.filter(|known| judge::vouches(terms, voucher, known, *now)) {
                return Ok(Found::Vouched(voucher, known));
            }
            continue;
        }
        let (Some(row), place) = (readable(read_row(row, 1))?, number - vouchers.len()) else { continue };
        if place == 0 && judge::passes_unnoted(terms, observation.brief, *now, &row) {
            return Ok(Found::Passes);
        }
        if let Some(place) = rows.get_mut(place) {
            *place = Some(row);
        }
    }
    Ok(Found::Rows(rows))
}

/// The statement of [`find`] for so many entries of known clients and so many names. Each row says first which of them
/// it is. Parameters: sender, recipient, client and domain of each entry, names.
pub(super) fn find_sql(vouchers: usize, clients: usize) -> String {
    let mut sql = String::with_capacity(1_000);
    for number in 0..vouchers + clients {
        sql.push_str(if number == 0 { "SELECT " } else { " UNION ALL SELECT " });
        let written = if number < vouchers {
            let client = 3 + 2 * number;
            write!(
                sql,
                "{number}, passes, last_pass, first_seen, last_seen, hits FROM known_client \
                 WHERE client = ?{client} AND sender_domain = ?{}",
                client + 1
            )
        } else {
            let client = 3 + vouchers + number;
            write!(
                sql,
                "{number}, first_seen, last_seen, passed_at, deferred, passed FROM greylist \
                 WHERE client = ?{client} AND sender = ?1 AND recipient = ?2"
            )
        };
        // A string takes everything.
        debug_assert!(written.is_ok());
    }
    sql
}

/// An entry of known clients.
pub(super) fn known(connection: &Connection, voucher: &Voucher) -> Result<Option<Known>> {
    let mut statement = connection.prepare_cached(KNOWN)?;
    let mut found = statement.query([&voucher.client, &voucher.sender_domain])?;
    match found.next()? {
        Some(row) => readable(read_known(row, 0)),
        None => Ok(None),
    }
}

/// What somebody wrote with other types than ours is as good as not there: it is written anew.
fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..)) => Ok(None),
        read => read.map(Some),
    }
}

/// An entry of known clients in the columns from one on.
fn read_known(row: &rusqlite::Row<'_>, first: usize) -> Result<Known> {
    Ok(Known {
        passes: count(row, first)?,
        last_pass: Timestamp(row.get(first + 1)?),
        first_seen: Timestamp(row.get(first + 2)?),
        last_seen: Timestamp(row.get(first + 3)?),
        hits: count(row, first + 4)?,
    })
}

/// A row of the greylist in the columns from one on.
fn read_row(row: &rusqlite::Row<'_>, first: usize) -> Result<Row> {
    Ok(Row {
        first_seen: Timestamp(row.get(first)?),
        last_seen: Timestamp(row.get(first + 1)?),
        passed_at: row.get::<_, Option<i64>>(first + 2)?.map(Timestamp),
        deferred: count(row, first + 3)?,
        passed: count(row, first + 4)?,
    })
}
