//! mailward: a milter for Postfix and Sendmail that explains every decision. This page is the plan of the house.
//!
//! # Five sentences
//!
//! 1. **The core decides, the edge does.** [`policy::evaluate::evaluate`] is a pure function of policy, request and
//!    answers. It returns a [`decision::Decision`], or the lookups it still wants.
//! 2. **One restriction, one file**: name, arguments, manual text, rule and cases together, and one line in
//!    [`restriction::registry`].
//! 3. **Everything configured keeps its [`origin::Origin`]** (file, line, column) until it appears in a trace.
//! 4. **A decision is a value** with all its steps and answers; the log and `explain` print the same record.
//! 5. **Lower layers never import higher ones**; `tests/layering.rs` reads the sources and fails otherwise.
//!
//! # Layers
//!
//! ```text
//! L0 smtp  time  origin  counter    the vocabulary of RFC 5321, units, where a setting was written, numbers that grow
//! L1 request  lookup  decision      the view given to rules; questions and answers; the record of a decision
//! L2 table  header_checks  allow    tables in Postfix's notation; what exemptions mean
//!    greylist  attachment           what the rows of the greylist mean; the names in a message, in every reading
//! L3 restriction                    one file per restriction or family, and the registry
//! L4 policy                         the loop: the first decisive answer wins
//!    -- up to here pure: no async, clock, file, socket, log, randomness --
//! L5 config  sqlite                 mailward.toml to Config, collecting every fault; database files
//! L6 dns  journal  policy_service  store
//!                                   adapters; they know L0, L1 and their own settings, not each other
//! L7 server  log                    the milter: events to requests, verdicts to statuses
//! L8 cli  main                      the commands
//! ```
//!
//! # The way of one RCPT TO
//!
//! `server::milter` turns the wire event into a [`request::Request`]; no decision is made there. `server::decide` loops:
//! evaluate, ask what is wanted (all at once, the cache first), evaluate again, until there is a decision or the
//! deadline turns open questions into `Temporary`. The decision goes into the log, and `server::reply` turns its verdict
//! into the milter's status. A pass is *continue*, never *accept*: accept ends the filter's view of the whole session.
//!
//! # How a list waits
//!
//! A restriction is a plain function that asks [`lookup::Lookups`]. An answer that is not there is
//! [`lookup::Pending`]; the loop goes on calling later entries only to collect *their* questions, never past an entry
//! that would end the list anyway. So a list costs the slowest lookup, not the sum of all. A lookup that writes is asked
//! only when every list of the event is otherwise settled and would permit, and alone.
//!
//! # Adding a restriction
//!
//! A file in `src/restriction` that exports `KINDS` with its manual text and its cases, a `mod` line and a line in
//! [`restriction::registry`]. A new kind of lookup is rare: a variant in [`lookup::Lookup`], an answer, an adapter.

pub mod allow;
pub mod attachment;
pub mod cli;
pub mod config;
pub mod counter;
pub mod decision;
pub mod dns;
pub mod greylist;
pub mod header_checks;
pub mod journal;
pub mod log;
pub mod lookup;
pub mod origin;
pub mod policy;
pub mod policy_service;
pub mod request;
pub mod restriction;
pub mod server;
pub mod smtp;
pub mod sqlite;
pub mod store;
pub mod table;
#[cfg(test)]
mod testing;
pub mod time;
