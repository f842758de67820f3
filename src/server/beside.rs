//! Listeners beside the mail: a few connections at once, each in a task of its own. One too many ends the oldest, so that
//! connections that say nothing lock nobody out.

use super::{
    Server,
    listener::{ACCEPT_PAUSE, Bound, Connection},
};
use std::{collections::VecDeque, convert::Infallible, sync::Arc};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::sleep,
};
use tracing::warn;

/// How many connections there are at once.
const CONNECTIONS: usize = 16;

/// Gives each connection to `converse`, until it is dropped.
pub(super) async fn serve<T>(
    bound: Bound,
    server: Arc<Server>,
    what: &'static str,
    converse: impl Fn(Arc<Server>, Connection) -> T,
) -> Infallible
where
    T: Future<Output = ()> + Send + 'static,
{
    let mut open = Newest::default();
    loop {
        match bound.accept().await {
            Ok(connection) => open.spawn(converse(server.clone(), connection)),
            Err(e) => {
                server.counters.control_errors.add();
                warn!("{what} cannot accept a connection: {e}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The tasks, the oldest first.
#[derive(Default)]
struct Newest {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Newest {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= CONNECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(task));
    }
}
