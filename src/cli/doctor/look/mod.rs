//! Gathering what there is to know about the installation. Nothing is judged here, and nothing changed.

pub(super) mod database;
pub(super) mod machine;
pub(super) mod postfix;
pub(super) mod rights;

use super::{
    daemon::Daemon,
    dns,
    finding::{Finding, Level},
    socket::{self, Silence},
};
use crate::{
    cli::{
        control::{self, Unanswered},
        probe,
    },
    config::{
        settings::{Config, ControlSocket},
        source::Source,
    },
    lookup::Lookup,
    server::{
        Running, Server,
        control::{Answer, Request},
        status::{List, Status},
    },
    smtp::domain::Domain,
    time::SystemClock,
};
use std::{io::ErrorKind, path::Path, sync::Arc};
use tokio::runtime;

/// A name that every resolver can ask about, whatever the answer.
const CONTROL: &str = "com";

/// Asks the daemon how it is.
pub(super) fn daemon(config: Option<&Config>) -> Daemon {
    // With a faulty configuration the daemon still runs by an old one.
    let socket = config.map_or(&ControlSocket::Usual, |config| &config.control_socket);
    let Some(path) = socket.located() else {
        return Daemon::NotAsked("control_socket is \"off\": the daemon cannot be asked".to_owned());
    };
    let at = |what: &dyn std::fmt::Display| format!("{what} ({})", path.display());
    match control::ask(&path, &Request::Status) {
        Ok(Answer::Status(status)) => Daemon::Answers(status),
        Ok(Answer::Done | Answer::Metrics(_) | Answer::Error(_)) => {
            Daemon::NotAsked(at(&"the daemon is of another version"))
        }
        Err(what @ Unanswered::Silent(_)) => Daemon::Silent(at(&what)),
        Err(what @ (Unanswered::Denied | Unanswered::Says(_))) => Daemon::NotAsked(at(&what)),
    }
}

/// Looks at the milter's socket, and tries it.
pub(super) fn socket(config: Option<&Config>, status: Option<&Status>) -> socket::Facts {
    let configured = config.map(|config| config.socket.name());
    let running = status.map(|status| status.socket.clone());
    let name = running.as_ref().or(configured.as_ref());
    let rights =
        name.and_then(|name| name.strip_prefix("unix:")).and_then(|path| rights::shown(Path::new(path)));
    let answers = name.map_or(Ok(()), |name| {
        probe::negotiate(name).map_err(|e| match e.kind() {
            ErrorKind::PermissionDenied => Silence::Denied,
            _ => Silence::Says(e.to_string()),
        })
    });
    socket::Facts { configured, running, rights, answers }
}

/// Asks the resolver, and takes what the daemon believes of the lists; without a daemon they are tested here.
pub(super) fn dns(source: &Source, status: Option<&Status>) -> Vec<Finding> {
    let cannot = |e: &dyn std::fmt::Display| {
        vec![Finding::new(Level::Fail, "dns", format!("the resolver cannot be set up: {e}"))]
    };
    let Some(config) = source.load().config else { return Vec::new() };
    let servers = match &*config.dns.nameservers {
        [] => "the resolver of /etc/resolv.conf".to_owned(),
        servers => servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return cannot(&e),
    };
    let asked = runtime.block_on(async {
        let server = Server::new(config, Arc::new(SystemClock))?;
        let running = server.running();
        let answers = answers(&running).await;
        let lists = match status {
            Some(status) => status.lists.clone(),
            None => {
                server.test_lists().await;
                running.watch.states().iter().map(List::of).collect()
            }
        };
        Ok::<_, crate::dns::DnsError>(dns::Facts { servers, answers, lists })
    });
    match asked {
        Ok(facts) => dns::check(&facts),
        Err(e) => cannot(&e),
    }
}

/// Whether a name server says anything at all.
async fn answers(running: &Running) -> bool {
    match Domain::for_query(CONTROL) {
        Some(name) => !running.dns.ask_anew(&Lookup::Ns(name)).await.is_temporary(),
        None => false,
    }
}
