//! A record's JSON, read back.

use super::{Stored, StoredStep, lookup::StoredLookup};
use crate::{
    allow,
    decision::{self, Deferrals, action::Amendment},
    journal::Row,
    origin::Origin,
    request::{
        DecisionId, Event,
        envelope::{Envelope, Path},
        session::{Client, Identity, Login, NameStatus, Server, Session, Tls},
    },
    smtp::{address::Address, helo::Helo, reply::Reply},
};
use serde::Deserialize;
use std::{borrow::Cow, sync::Arc};

/// What the column holds.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Read {
    port: u16,
    names: Option<(NameStatus, String, NameStatus)>,
    helo: Option<String>,
    auth: Option<String>,
    tls: Option<Tls>,
    server: (String, String, String),
    mta: Option<String>,
    exemption: Option<String>,
    from: Option<(String, Option<String>, Option<String>)>,
    to: Option<(String, Option<String>, Option<String>)>,
    accepted: usize,
    size: Option<u64>,
    smtputf8: bool,
    greylist_passed: bool,
    auth_author: Option<String>,
    carried: Deferrals,
    content: Option<[u32; 2]>,
    steps: Vec<ReadStep>,
    amendments: Vec<Amendment>,
}

/// A step: the number of its entry, those of several, or everything.
#[derive(Deserialize)]
#[serde(untagged)]
enum ReadStep {
    Silent(i64),
    Run(String),
    Full(i64, usize, String, Option<Reply>, Option<String>, Vec<StoredLookup>),
}

/// More steps than a list has entries are not of our writing.
const STEPS: i64 = 100_000;

impl ReadStep {
    fn steps(self, out: &mut Vec<StoredStep>) {
        let silent = |rule| StoredStep {
            rule,
            depth: 0,
            word: "dunno".to_owned(),
            reply: None,
            reason: None,
            lookups: Vec::new(),
        };
        match self {
            Self::Silent(rule) => out.push(silent(rule)),
            Self::Run(run) => {
                let numbers =
                    run.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse::<i64>().ok()?)));
                let Some((first, last)) = numbers else { return };
                out.extend((first..=last.min(STEPS.saturating_add(first))).map(silent));
            }
            Self::Full(rule, depth, word, reply, reason, lookups) => {
                out.push(StoredStep { rule, depth, word, reply, reason, lookups });
            }
        }
    }
}

impl Stored {
    /// Reads a row's record; `None` if it is none of ours.
    pub fn read(row: &Row<'_>, record: &str) -> Option<Self> {
        let read: Read = serde_json::from_str(record).ok()?;
        let owned = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| text.clone().into_owned());
        let name = owned(&row.client_name).unwrap_or_default();
        let identity = match read.names {
            None => Identity::verified(&name),
            Some((name_status, reverse_name, reverse_status)) => {
                Identity { name, name_status, reverse_name, reverse_status }
            }
        };
        let address = row.client.as_ref().map(|text| text.parse()).transpose().ok()?;
        let helo =
            owned(&row.helo).map(|raw| Helo { neutered: read.helo.unwrap_or_else(|| raw.clone()), raw });
        let path = |typed: &Option<Cow<'_, str>>, more: Option<(String, Option<String>, Option<String>)>| {
            let (typed, (rewritten, mailer, host)) = (owned(typed)?, more?);
            let rewritten = if rewritten.is_empty() { typed.to_lowercase() } else { rewritten };
            Some(Path { address: Address { typed, rewritten }, mailer, host })
        };
        let (server, address_, port) = read.server;
        let mut steps = Vec::new();
        read.steps.into_iter().for_each(|step| step.steps(&mut steps));
        Some(Self {
            id: DecisionId::from_shown(&row.decision)?,
            event: Event::from_word(&row.event)?,
            now: row.when(),
            session: Session {
                client: Client { address, port: read.port, identity },
                helo,
                login: read.auth.zip(owned(&row.login)).map(|(method, name)| Login { method, name }),
                tls: read.tls,
                server: Server {
                    name: server,
                    address: address_,
                    port,
                    version: read.mta.unwrap_or_default(),
                },
            },
            envelope: Envelope {
                sender: path(&row.sender, read.from),
                greylist_passed: read.greylist_passed,
                accepted: read.accepted,
                // Only what looks at the content of a message asks for them.
                recipients: Vec::new(),
                size: read.size,
                smtputf8: read.smtputf8,
                queue_id: owned(&row.queue_id),
                auth_author: read.auth_author,
                instance: row.message.as_ref().and_then(|id| DecisionId::from_shown(id)),
            },
            recipient: path(&row.recipient, read.to),
            carried: read.carried,
            content: read.content,
            exemption: read.exemption.map(|text| {
                Arc::new(decision::Written { text: text.into(), origin: Origin::builtin(allow::FILE) })
            }),
            steps,
            amendments: read.amendments,
        })
    }
}
