//! Deciding an event of a conversation: the request, the exemptions, and what the log, the journal and the counters hear
//! of the decision.

use super::{
    Server,
    conversation::Conversation,
    decide::{self, Endless},
    probe, reply,
};
use crate::{
    config::settings::Mode,
    decision::{
        Decision,
        text::{FaultLine, LogLine, RecordLine, RemarkLine},
    },
    lookup::greylist::Greylisted,
    request::{Event, Request, Stage, envelope::Path, subject::Subject},
};
use indymilter::{SmtpReply, Status};
use std::sync::Arc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

impl Server {
    /// Decides an event, if the policy has a list for it and the session is not exempt; logs the decision.
    pub(super) async fn judge(
        &self,
        conversation: &mut Conversation,
        event: Event,
        recipient: Option<&Path>,
    ) -> Result<Option<Arc<Decision>>, Endless> {
        let running = conversation.running.clone();
        let policy = &running.config.policy;
        // What an earlier event deferred takes effect at RCPT, though no list may run there.
        let deferred = event == Event::Rcpt && conversation.transaction.carried.if_permit.is_some();
        let due = event >= Event::Data && conversation.transaction.carried.at_data.is_some();
        let exempt = conversation.exempt || probe::token(&conversation.session).is_some();
        if exempt || !(policy.judges(event) || deferred || due) {
            return Ok(None);
        }
        let began = Instant::now();
        let deadline = began + running.config.limits.deadline(event);
        if let Some(address) = conversation.unidentified() {
            let identity = decide::identify(address, &running.answerer, deadline).await?;
            Arc::make_mut(&mut conversation.session).client.identity = identity;
            conversation.identified = true;
        }
        let request = self.request(conversation, event, recipient);
        let exemptions = self.allowances.snapshot();
        let exemption = exemptions.find(&request).map(|exempt| &exempt.written);
        let request = Request { exemption, ..request };
        let decision = Arc::new(decide::decide(policy, &request, &running.answerer, deadline).await?);
        self.record(conversation, &request, &decision);
        let observed = running.config.mode == Mode::Observe;
        if let Some((_, Greylisted::Waits { .. })) = decision.greylisted() {
            self.counters.greylist_deferred.add();
        }
        for remark in &decision.remarks {
            // What a table asks for before there is a message is lost, as in Postfix; check-config warns of it.
            let observed = observed || event < Event::Mail;
            info!("{}", RemarkLine { decision: &decision, remark, observed });
        }
        info!("{}", LogLine { decision: &decision, observed });
        for step in decision.steps.iter().filter(|step| step.is_fault()) {
            warn!("{}", FaultLine { decision: &decision, step });
        }
        reply::count(&decision, &self.counters);
        self.allowances.count(&exemptions, &request, &decision);
        self.metrics.decided(&running.rules, &decision, began.elapsed());
        debug!("{}", RecordLine(&decision));
        Ok(Some(decision))
    }

    /// What the rules see at an event, without an exemption.
    pub(super) fn request<'a>(
        &self,
        conversation: &'a Conversation,
        event: Event,
        recipient: Option<&'a Path>,
    ) -> Request<'a> {
        let now = self.clock.now();
        let carried = match event {
            Event::Helo => &conversation.connect_carried,
            _ => &conversation.transaction.carried,
        };
        Request {
            id: self.next_id(now),
            event,
            stage: Stage::Client,
            subject: Subject::Client,
            session: &conversation.session,
            envelope: &conversation.transaction.envelope,
            recipient,
            message: conversation.transaction.message.as_ref(),
            now,
            carried,
            exemption: None,
        }
    }

    pub(super) fn verdict(
        &self,
        conversation: &Conversation,
        decision: &Decision,
        reply: &mut SmtpReply,
    ) -> Status {
        match conversation.running.config.mode {
            Mode::Enforce => reply::status(decision, reply, &self.counters),
            Mode::Observe => Status::Continue,
        }
    }
}
