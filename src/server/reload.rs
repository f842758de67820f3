//! SIGHUP: builds the configuration anew and puts it in force; a faulty one is reported and the old one stays.

use super::Server;
use crate::config::source::Source;
use std::sync::Arc;
use tracing::{error, info, warn};

impl Server {
    /// Reloads. The work is done beside the traffic.
    pub async fn reload(self: &Arc<Self>, source: &Source) {
        self.allowances.look().await;
        let name = source.to_string();
        let source = source.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || source.load()).await else {
            self.counters.bugs.add();
            self.life.refused(self.clock.now());
            return error!("bug: reading {name} panicked; the old configuration stays");
        };
        for diagnostic in &loaded.diagnostics {
            warn!("{}", diagnostic.line());
        }
        let Some(config) = loaded.config else {
            self.counters.reloads_refused.add();
            self.life.refused(self.clock.now());
            return error!("{name} has faults: the old configuration stays in force");
        };
        match self.replace(config) {
            Ok(()) => {
                self.life.loaded(self.clock.now());
                info!("reloaded {name}: in force for new sessions");
            }
            Err(e) => {
                self.counters.reloads_refused.add();
                self.life.refused(self.clock.now());
                error!("{name}: {e}; the old configuration stays in force");
            }
        }
    }
}
