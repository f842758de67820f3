//! What becomes of a bug: it is caught at the event's handler, stated in the log, counted, and answered with `on_bug`.

use super::{Server, conversation::Conversation, decide::Endless, reply};
use crate::{
    config::settings::OnBug,
    request::Event,
    smtp::reply::{Enhanced, Reply, ReplyCode},
};
use futures_util::FutureExt;
use indymilter::{SmtpReply, Status};
use std::{future::Future, panic::AssertUnwindSafe};
use tracing::error;

impl Server {
    /// The answer to an event: what was handled, or what a bug makes of it. Where the MTA waits for no answer none is
    /// given.
    pub(super) fn answer(
        &self,
        conversation: &mut Conversation,
        event: Event,
        reply: &mut SmtpReply,
        outcome: Result<Status, Bug>,
    ) -> Status {
        if let Err(bug) = &outcome {
            self.counters.bugs.add();
            error!("bug: {bug} at {}; answering on_bug", event.word());
        }
        if conversation.agreed.is_silent(event) {
            conversation.broken |= outcome.is_err();
            return Status::Noreply;
        }
        let broken = std::mem::take(&mut conversation.broken);
        match outcome {
            // A bug of an earlier event never lets through what is refused now.
            Ok(status) if !broken || status != Status::Continue => status,
            Ok(_) | Err(_) => match conversation.running.config.on_bug {
                OnBug::Accept => Status::Continue,
                OnBug::Tempfail => {
                    let text = "Internal error, please try again later";
                    let refusal = Reply::new(ReplyCode::known(451), Enhanced::new(3, 0), text);
                    reply::refuse(&refusal, reply, &self.counters)
                }
            },
        }
    }

    /// An event without a conversation: negotiation always makes one, so this is a bug.
    pub(super) fn lost(&self, event: Event) -> Status {
        self.counters.bugs.add();
        error!("bug: {} without negotiation", event.word());
        Status::Tempfail
    }
}

/// A bug that was caught.
pub(super) enum Bug {
    Panic(String),
    Endless(Endless),
}

impl std::fmt::Display for Bug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panic(message) => write!(f, "panic: {message}"),
            Self::Endless(endless) => endless.fmt(f),
        }
    }
}

/// Runs a handler; a panic in it must neither end the session nor go unseen. What the handler changed half-way is the
/// conversation of one client, and the next MAIL or CONNECT sets it anew.
pub(super) async fn caught(handler: impl Future<Output = Result<Status, Endless>>) -> Result<Status, Bug> {
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(endless)) => Err(Bug::Endless(endless)),
        Err(payload) => {
            Err(Bug::Panic(match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
                (Some(message), _) => (*message).to_owned(),
                (None, Some(message)) => message.clone(),
                (None, None) => "of unknown kind".to_owned(),
            }))
        }
    }
}
