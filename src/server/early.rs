//! A refusal that is certain before the message is over.
//!
//! It is certain when nothing in the rest of the content can change what was found, and `end_of_data` refuses without a
//! single lookup: no rule before the one that refuses waits for an answer that may permit. Only then the list is run, once
//! and for good. Everything else waits for the end of the message: what changes a message can be carried out only there,
//! and what is let through is not over.

use super::{
    Server,
    bug::caught,
    conversation::{Conversation, Transaction},
    probe,
};
use crate::{
    config::settings::Mode,
    decision::Verdict,
    lookup::answers::Answers,
    policy::evaluate::{Progress, evaluate},
    request::{Event, Request},
};
use indymilter::{Macros, SmtpReply, Status};
use tracing::error;

impl Server {
    /// Refuses the message if that is certain; else the message goes on.
    pub(super) async fn refuse_early(
        &self,
        conversation: &mut Conversation,
        macros: &Macros,
        reply: &mut SmtpReply,
    ) -> Status {
        let handled = async {
            if !conversation.has_seen_enough() {
                return Ok(Status::Continue);
            }
            conversation.queue_id(macros);
            if !self.is_refused(conversation) {
                return Ok(Status::Continue);
            }
            let only = conversation.transaction.only.clone();
            let decision = self.judge(conversation, Event::EndOfMessage, only.as_ref()).await?;
            let Some(decision) = decision else { return Ok(Status::Continue) };
            let status = self.verdict(conversation, &decision, reply);
            self.record_end(conversation, status, decision.reply());
            conversation.transaction = Transaction::default();
            Ok(status)
        };
        caught(handled).await.unwrap_or_else(|bug| {
            self.counters.bugs.add();
            error!("bug: {bug} before the end of the message; answering on_bug there");
            conversation.broken = true;
            Status::Continue
        })
    }

    /// Whether the message is refused as it stands, whatever a lookup would say.
    fn is_refused(&self, conversation: &Conversation) -> bool {
        let running = &conversation.running;
        let policy = &running.config.policy;
        let answered = running.config.mode == Mode::Enforce
            && !conversation.exempt
            && conversation.unidentified().is_none()
            && probe::token(&conversation.session).is_none()
            && policy.judges(Event::EndOfMessage);
        if !answered {
            return false;
        }
        let only = conversation.transaction.only.as_ref();
        let request = self.request(conversation, Event::EndOfMessage, only);
        let exemptions = self.allowances.snapshot();
        let exemption = exemptions.find(&request).map(|exempt| &exempt.written);
        match evaluate(policy, &Request { exemption, ..request }, &Answers::new()) {
            Progress::Done(decision) => matches!(decision.verdict, Verdict::Reply(_)),
            Progress::Wants(_) => false,
        }
    }
}
