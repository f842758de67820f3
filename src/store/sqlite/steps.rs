//! Changes of many rows for an administrator: a few at a time, with pauses in which the daemon writes.

use super::{
    SqliteStore, forget,
    select::{self, Change},
};
use crate::store::{Filter, Forgotten, KnownFilter, PURGE_STEP, StoreError};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

impl SqliteStore {
    /// Changes the rows of a filter: how many, and how many known clients went with them.
    pub(super) async fn change(&self, filter: Filter, change: Change) -> Result<(usize, usize), StoreError> {
        let filter = Arc::new(filter);
        let (mut after, mut changed, mut clients) = (None, 0, 0);
        loop {
            let looked_for = filter.clone();
            let found =
                self.read(move |connection| select::find(connection, &looked_for, after.as_ref())).await?;
            for keys in found.keys.chunks(PURGE_STEP) {
                let (filter, change, keys, begun) =
                    (filter.clone(), change.clone(), keys.to_vec(), Instant::now());
                let step = self.write(move |connection| match change {
                    Change::Pass(now) => Ok((select::pass(connection, &filter, &keys, now)?, 0)),
                    Change::Forget(known) => forget::rows(connection, &filter, &keys, known.as_deref()),
                });
                let (rows, known) = step.await?;
                (changed, clients) = (changed + rows, clients + known);
                sleep(begun.elapsed()).await;
            }
            after = found.next;
            if after.is_none() {
                return Ok((changed, clients));
            }
        }
    }

    /// Removes rows, and where there is a filter for them the known clients.
    pub(super) async fn remove(
        &self,
        filter: Filter,
        known: Option<Arc<KnownFilter>>,
    ) -> Result<Forgotten, StoreError> {
        let (rows, behind) = self.change(filter, Change::Forget(known.clone())).await?;
        let known_clients = match known {
            Some(known) => Some(behind + self.remove_known(known).await?),
            None => None,
        };
        Ok(Forgotten { rows, known_clients })
    }

    async fn remove_known(&self, known: Arc<KnownFilter>) -> Result<usize, StoreError> {
        let (mut after, mut removed) = (None, 0);
        loop {
            let looked_for = known.clone();
            let found =
                self.read(move |connection| forget::find(connection, &looked_for, after.as_ref())).await?;
            for keys in found.keys.chunks(PURGE_STEP) {
                let (known, keys, begun) = (known.clone(), keys.to_vec(), Instant::now());
                removed += self.write(move |connection| forget::known(connection, &known, &keys)).await?;
                sleep(begun.elapsed()).await;
            }
            after = found.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }
}
