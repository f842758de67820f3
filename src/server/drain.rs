//! What listener, connections and shutdown share: how many connections are open, and whether new ones are taken.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The state.
#[derive(Debug, Default)]
pub(super) struct Drain {
    active: AtomicUsize,
    most: AtomicUsize,
    stopping: AtomicBool,
    idle: Notify,
}

impl Drain {
    /// No new connections from now on: they wait in the kernel's backlog.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// A connection was opened: how many there are now.
    pub(super) fn opened(&self) -> usize {
        let active = self.active.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(active, Ordering::Relaxed);
        active
    }

    /// A connection is gone.
    pub(super) fn closed(&self) {
        if self.active.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.idle.notify_waiters();
        }
    }

    /// The connections that are open.
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Waits until no connection is open.
    pub(super) async fn wait(&self) {
        loop {
            let idle = self.idle.notified();
            if self.active() == 0 {
                return;
            }
            idle.await;
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}
