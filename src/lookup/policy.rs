//! A question to a policy service (Postfix's SMTPD_POLICY_README), and what came back.

use crate::smtp::text::escaped;
use serde::{Serialize, Serializer};
use std::{fmt, sync::Arc, time::Duration};

/// One request to a policy service. Two that are equal are asked once for an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PolicyQuestion {
    /// Who is asked.
    pub service: Endpoint,
    /// How long it may take, from the connection to the end of the reply.
    #[serde(skip)]
    pub time_limit: Duration,
    /// The attributes as they are sent: lines `name=value`, without the empty one at the end.
    pub attributes: Arc<str>,
}

/// `POLICY inet:127.0.0.1:10023`, the form of traces.
impl fmt::Display for PolicyQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POLICY {}", self.service)
    }
}

/// Where a policy service listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `unix:/path`.
    Unix(Arc<str>),
    /// `inet:HOST:PORT`.
    Inet {
        /// A name or an address, without brackets.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Inet { host, port } if host.contains(':') => write!(f, "inet:[{host}]:{port}"),
            Self::Inet { host, port } => write!(f, "inet:{host}:{port}"),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a policy service said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAnswer {
    /// The value of `action=`: text of the service's, unchecked.
    Action(Arc<str>),
    /// There is no answer; the words say why.
    Failed(&'static str),
    /// Nobody asked, because nothing may be changed: `explain`.
    NotAsked,
}

impl fmt::Display for PolicyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(text) => f.write_str(&escaped(text)),
            Self::Failed(reason) => f.write_str(reason),
            Self::NotAsked => f.write_str("not asked"),
        }
    }
}
