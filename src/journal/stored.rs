//! The column `record`: what the other columns do not hold of the request, and the steps with their answers, as JSON, so
//! that `sqlite3` can look into it and a later version still reads it. Entries of lists are numbers of the table `rule`;
//! a step that said nothing and asked nothing is its entry's number alone.

mod lookup;

pub use lookup::StoredLookup;

use super::{Record, Row};
use crate::{
    allow,
    decision::{
        self, Deferrals, Outcome, Rule, Step,
        action::{Action, Amendment},
    },
    lookup::{Lookup, answers::Answer},
    origin::Origin,
    request::{
        DecisionId, Event, Request, Stage,
        envelope::{Envelope, Path},
        session::{Client, Identity, Login, NameStatus, Server, Session, Tls},
        subject::Subject,
    },
    smtp::{address::Address, helo::Helo, reply::Reply},
    time::Timestamp,
};
use lookup::{WrittenLookup, question};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};
use std::{borrow::Cow, ops::Not, sync::Arc};

/// What is written: what the columns do not hold, and nothing that is as it mostly is.
#[derive(Serialize)]
struct Written<'a> {
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<(NameStatus, &'a str, NameStatus)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    helo: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a Tls>,
    server: (&'a str, &'a str, &'a str),
    #[serde(skip_serializing_if = "Option::is_none")]
    mta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<WrittenPath<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<WrittenPath<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    accepted: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Not::not")]
    smtputf8: bool,
    #[serde(skip_serializing_if = "Not::not")]
    greylist_passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<&'a Deferrals>,
    steps: WrittenSteps<'a>,
    #[serde(skip_serializing_if = "<[Amendment]>::is_empty")]
    amendments: &'a [Amendment],
}

/// What the MTA made of an address: `""` for the address as it was typed, in lower case.
#[derive(Serialize)]
struct WrittenPath<'a>(Cow<'a, str>, &'a Option<String>, &'a Option<String>);

impl<'a> WrittenPath<'a> {
    fn of(path: &'a Path) -> Self {
        let Address { typed, rewritten } = &path.address;
        // Most are typed as they end up.
        let same = typed == rewritten || typed.to_lowercase() == *rewritten;
        Self(if same { "".into() } else { rewritten.into() }, &path.mailer, &path.host)
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The steps with the numbers of their entries; where silent ones follow one another, `"first-last"`.
struct WrittenSteps<'a>(Vec<WrittenStep<'a>>);

impl Serialize for WrittenSteps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        let mut rest = self.0.as_slice();
        while let Some((step, behind)) = rest.split_first() {
            let run = (step.0..)
                .zip(rest)
                .take_while(|(number, step)| step.0 == *number && step.is_silent())
                .count();
            if run > 1 {
                seq.serialize_element(&Run(step.0, step.0 + i64::try_from(run).unwrap_or(1) - 1))?;
                rest = &rest[run..];
            } else {
                seq.serialize_element(step)?;
                rest = behind;
            }
        }
        seq.end()
    }
}

struct Run(i64, i64);

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}-{}", self.0, self.1))
    }
}

/// A step and the number of its entry.
struct WrittenStep<'a>(i64, &'a Step);

impl WrittenStep<'_> {
    /// Whether it said nothing and asked nothing.
    fn is_silent(&self) -> bool {
        let Self(_, step) = self;
        let said = matches!(step.outcome, Outcome::Said(Action::Dunno));
        said && step.depth == 0 && step.reason.is_none() && step.lookups.is_empty()
    }
}

impl Serialize for WrittenStep<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(rule, step) = self;
        if self.is_silent() {
            return serializer.serialize_i64(*rule);
        }
        let lookups: Vec<WrittenLookup<'_>> = step.lookups.iter().map(WrittenLookup::of).collect();
        (rule, step.depth, step.word(), step.reply(), &step.reason, lookups).serialize(serializer)
    }
}

/// The record as JSON; `number` tells the number of an entry.
///
/// # Errors
/// Those of `number`.
pub(super) fn write<E>(
    record: &Record,
    mut number: impl FnMut(&Rule) -> Result<i64, E>,
) -> Result<String, E> {
    let Record { decision, session, envelope, recipient, carried, .. } = record;
    let mut steps = Vec::with_capacity(decision.steps.len());
    for step in &decision.steps {
        steps.push(WrittenStep(number(&step.rule)?, step));
    }
    let Client { port, identity, .. } = &session.client;
    let written = Written {
        port: *port,
        names: (*identity != Identity::verified(&identity.name)).then_some((
            identity.name_status,
            &identity.reverse_name,
            identity.reverse_status,
        )),
        helo: session
            .helo
            .as_ref()
            .filter(|helo| helo.raw != helo.neutered)
            .map(|helo| helo.neutered.as_str()),
        auth: session.login.as_ref().map(|login| login.method.as_str()),
        tls: session.tls.as_ref(),
        server: (&session.server.name, &session.server.address, &session.server.port),
        mta: Some(session.server.version.as_str()).filter(|version| !version.is_empty()),
        exemption: record.exemption.as_ref().map(|written| written.text.as_ref()),
        from: envelope.sender.as_ref().map(WrittenPath::of),
        to: recipient.as_ref().map(WrittenPath::of),
        accepted: envelope.accepted,
        size: envelope.size,
        smtputf8: envelope.smtputf8,
        greylist_passed: envelope.greylist_passed,
        auth_author: envelope.auth_author.as_deref(),
        carried: Some(carried).filter(|carried| **carried != Deferrals::default()),
        steps: WrittenSteps(steps),
        amendments: &decision.amendments,
    };
    let mut text = Vec::with_capacity(512);
    // None of these types has a map with keys that JSON cannot take, which is all that can fail.
    let _ = serde_json::to_writer(&mut text, &written);
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// A record, read.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The decision's name.
    pub id: DecisionId,
    /// The event.
    pub event: Event,
    /// The request's time.
    pub now: Timestamp,
    /// The request's session.
    pub session: Session,
    /// The request's envelope.
    pub envelope: Envelope,
    /// The recipient that was judged.
    pub recipient: Option<Path>,
    /// What earlier events had deferred.
    pub carried: Deferrals,
    /// The exemption of `mailward allow` that met it.
    pub exemption: Option<Arc<decision::Written>>,
    /// The entries that were evaluated.
    pub steps: Vec<StoredStep>,
    /// What was to be changed in the message.
    pub amendments: Vec<Amendment>,
}

/// [`Written`], read.
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
    steps: Vec<ReadStep>,
    amendments: Vec<Amendment>,
}

/// A step, read.
#[derive(Clone, Debug)]
pub struct StoredStep {
    /// The number of its entry.
    pub rule: i64,
    /// How deep in restriction classes it stood.
    pub depth: usize,
    /// How it ended, in a word.
    pub word: String,
    /// The reply it brought.
    pub reply: Option<Reply>,
    /// Why.
    pub reason: Option<String>,
    /// What it asked.
    pub lookups: Vec<StoredLookup>,
}

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
            exemption: read.exemption.map(|text| {
                Arc::new(decision::Written { text: text.into(), origin: Origin::builtin(allow::FILE) })
            }),
            steps,
            amendments: read.amendments,
        })
    }

    /// The request as it was.
    pub fn request(&self) -> Request<'_> {
        Request {
            id: self.id,
            event: self.event,
            stage: Stage::Client,
            subject: Subject::Client,
            session: &self.session,
            envelope: &self.envelope,
            recipient: self.recipient.as_ref(),
            message: None,
            now: self.now,
            carried: &self.carried,
            exemption: self.exemption.as_ref(),
        }
    }

    /// The recorded answer to a question. Those of the greylist and of a policy service hold what depends on settings:
    /// where there is only one of its kind, it is the answer.
    pub fn answer(&self, lookup: &Lookup) -> Option<Answer> {
        let shown = question(lookup);
        let all = || self.steps.iter().flat_map(|step| &step.lookups);
        if let Some(found) = all().find(|looked| looked.question() == shown) {
            return found.answer();
        }
        let begin = match lookup {
            Lookup::Greylist(_) => "greylist".to_owned(),
            Lookup::Policy(_) => lookup.to_string(),
            Lookup::A(_)
            | Lookup::Aaaa(_)
            | Lookup::Mx(_)
            | Lookup::Ns(_)
            | Lookup::Txt(_)
            | Lookup::Ptr(_)
            | Lookup::Sleep(_) => return None,
        };
        let alike = |looked: &&StoredLookup| looked.question().starts_with(&begin);
        let mut found = all().filter(alike);
        found.next().filter(|_| found.next().is_none())?.answer()
    }
}

impl Step {
    /// How it ended, in the word of a record.
    fn word(&self) -> &'static str {
        match &self.outcome {
            Outcome::Said(action) => action.word(),
            Outcome::Warned(_) => "only warned",
            Outcome::Softened(_) => "softened by defer_if_reject",
            Outcome::EndOfClass => "no decision",
        }
    }
}
