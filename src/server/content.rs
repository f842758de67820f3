//! The content of a message as the MTA hands it over, piece by piece: it is looked at as it passes, and not kept.
//!
//! Once nothing in the rest can change what was found, the looking ends: a refusal that is certain is answered at once
//! (`early`), else the MTA is told to skip the rest.

use super::{Server, conversation::Conversation};
use crate::{
    policy::content::Inspection,
    request::message::{Appetite, Inspect, Message},
};
use indymilter::{Context, ProtoOpts, Status};
use std::{
    ffi::CString,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{error, warn};

/// The longest piece of a body. A shorter one is the last, and the milter library must not be told to skip or to refuse
/// there: where the end of the message comes with it, it would answer twice.
const FULL_CHUNK: usize = 65_535;

/// How far the looking is.
#[derive(Debug)]
pub(super) struct Looking {
    state: State,
    /// Time that it took so far.
    spent: Duration,
}

#[derive(Debug)]
enum State {
    Looks(Box<Inspection>),
    /// Nothing in the rest can matter.
    HasEnough(Box<Inspection>),
    /// What was found is kept for the rules already.
    Found,
    GaveUp,
    Broke,
}

impl Looking {
    fn new(inspection: Inspection) -> Self {
        Self { state: State::Looks(inspection.into()), spent: Duration::ZERO }
    }
}

impl Server {
    /// A field of the header.
    pub(super) async fn header(
        &self,
        cx: &mut Context<Conversation>,
        name: CString,
        value: CString,
    ) -> Status {
        let Some(conversation) = &mut cx.data else { return Status::Continue };
        let value = if conversation.agreed.opts.contains(ProtoOpts::LEADING_SPACE) {
            value.into_bytes()
        } else {
            // Taken away by the MTA, and mostly there.
            [b" ", value.as_bytes()].concat()
        };
        self.look(conversation, |inspection| {
            inspection.header(name.as_bytes(), &value);
            Appetite::More
        });
        if conversation.agreed.opts.contains(ProtoOpts::NOREPLY_HEADER) {
            return Status::Noreply;
        }
        Status::Continue
    }

    /// The end of the header.
    pub(super) async fn end_of_headers(&self, cx: &mut Context<Conversation>) -> Status {
        let Context { data: Some(conversation), macros, reply } = cx else { return Status::Continue };
        match self.look(conversation, Inspect::end_of_headers) {
            Appetite::Enough => self.refuse_early(conversation, macros, reply).await,
            Appetite::More => Status::Continue,
        }
    }

    /// A piece of the body.
    pub(super) async fn body(&self, cx: &mut Context<Conversation>, chunk: &[u8]) -> Status {
        self.counters.body_bytes.add_all(chunk.len() as u64);
        let Context { data: Some(conversation), macros, reply } = cx else { return Status::Continue };
        let appetite = self.look(conversation, |inspection| inspection.body(chunk));
        if appetite == Appetite::More || chunk.len() < FULL_CHUNK {
            return Status::Continue;
        }
        match self.refuse_early(conversation, macros, reply).await {
            Status::Continue if conversation.agreed.opts.contains(ProtoOpts::SKIP) => Status::Skip,
            status => status,
        }
    }

    /// Looks, as long as anything wants to. A bug in it is answered at the end of the message.
    fn look(
        &self,
        conversation: &mut Conversation,
        look: impl FnOnce(&mut Inspection) -> Appetite,
    ) -> Appetite {
        let running = &conversation.running;
        if conversation.exempt || running.content.is_empty() {
            return Appetite::Enough;
        }
        let looking =
            conversation.transaction.looking.get_or_insert_with(|| Looking::new(running.content.inspect()));
        let State::Looks(inspection) = &mut looking.state else { return Appetite::Enough };
        let began = Instant::now();
        let appetite = match catch_unwind(AssertUnwindSafe(|| look(inspection))) {
            Ok(appetite) => appetite,
            Err(_) => {
                self.counters.bugs.add();
                error!("bug: panic while looking at a message; answering on_bug at its end");
                looking.state = State::Broke;
                return Appetite::Enough;
            }
        };
        looking.spent += began.elapsed();
        if looking.spent > running.config.limits.content_deadline {
            self.counters.messages_given_up.add();
            warn!("a message takes longer to look at than content_deadline: given up");
            looking.state = State::GaveUp;
            return Appetite::Enough;
        }
        if appetite == Appetite::Enough {
            looking.state = match std::mem::replace(&mut looking.state, State::Broke) {
                State::Looks(inspection) => State::HasEnough(inspection),
                state => state,
            };
        }
        appetite
    }
}

impl Conversation {
    /// Keeps what was found for the rules before the message is over, if nothing more is wanted. False if it is kept
    /// already, or is not complete.
    pub(super) fn has_seen_enough(&mut self) -> bool {
        let Some(looking) = &mut self.transaction.looking else { return false };
        match std::mem::replace(&mut looking.state, State::Found) {
            State::HasEnough(inspection) => {
                self.transaction.message = Some(inspection.finish());
                true
            }
            state => {
                looking.state = state;
                false
            }
        }
    }

    /// The message is over: keeps what was found for the rules.
    pub(super) fn seen(&mut self) {
        let Some(looking) = self.transaction.looking.take() else { return };
        match looking.state {
            State::Looks(inspection) | State::HasEnough(inspection) => {
                self.transaction.message = Some(inspection.finish());
            }
            State::Found => {}
            State::GaveUp => self.transaction.message = Some(Message::given_up()),
            State::Broke => self.broken = true,
        }
    }
}
