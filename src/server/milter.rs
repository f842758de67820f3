//! One handler per milter event: wire types to requests and verdicts to statuses. No decision is made here.

use super::{
    Server, amend,
    bug::caught,
    conversation::{Conversation, Transaction},
    negotiate::{Agreed, MACROS},
    probe, reply,
};
use crate::{
    config::settings::Mode,
    decision::{Decision, Verdict},
    request::Event,
    smtp::reply::{Enhanced, Reply, ReplyCode},
    store::GreylistStore,
};
use indymilter::{
    Actions, Callbacks, Context, EomContext, NegotiateContext, ProtoOpts, SmtpReply, SocketInfo, Status,
};
use std::{ffi::CString, sync::Arc, time::Duration};
use tracing::{debug, warn};

/// More recipients than any MTA takes; it only bounds what is remembered for REDIRECT.
const RECIPIENT_LIMIT: usize = 10_000;

/// How long the end of a message waits until its recipients are remembered.
const LEARNING: Duration = Duration::from_secs(5);

/// The callbacks of a server.
pub(super) fn callbacks(server: &Arc<Server>) -> Callbacks<Conversation> {
    macro_rules! with {
        (|$server:ident, $cx:ident $(, $arg:ident)*| $body:expr) => {{
            let server = server.clone();
            move |$cx: &mut _ $(, $arg)*| {
                let $server = server.clone();
                Box::pin(async move { $body })
            }
        }};
    }
    Callbacks::new()
        .on_negotiate(with!(|server, cx, actions, opts| negotiate(&server, cx, actions, opts)))
        .on_connect(with!(|server, cx, host, socket| server.connect(cx, host, socket).await))
        .on_helo(with!(|server, cx, name| server.helo(cx, name).await))
        .on_mail(with!(|server, cx, args| server.mail(cx, args).await))
        .on_rcpt(with!(|server, cx, args| server.rcpt(cx, args).await))
        .on_data(with!(|server, cx| server.data(cx).await))
        .on_header(with!(|server, cx, name, value| server.header(cx, name, value).await))
        .on_eoh(with!(|server, cx| server.end_of_headers(cx).await))
        .on_body(with!(|server, cx, chunk| server.body(cx, &chunk).await))
        .on_eom(with!(|server, cx| server.end_of_message(cx).await))
        .on_abort(with!(|server, cx| abort(&server, cx)))
}

fn negotiate(
    server: &Server,
    cx: &mut NegotiateContext<Conversation>,
    actions: Actions,
    opts: ProtoOpts,
) -> Status {
    let running = server.running();
    let agreed = Agreed::between(&running.config.policy, &running.content, actions, opts);
    cx.requested_actions = agreed.actions;
    cx.requested_opts = agreed.opts;
    if agreed.takes_macros() {
        cx.requested_macros = MACROS.iter().map(|(stage, names)| (*stage, CString::from(*names))).collect();
    }
    cx.data = Some(Conversation::new(running, agreed));
    Status::Continue
}

fn abort(server: &Server, cx: &mut Context<Conversation>) -> Status {
    if let Some(conversation) = &mut cx.data {
        server.record_abort(conversation);
        conversation.transaction = Transaction::default();
    }
    Status::Continue
}

impl Server {
    async fn connect(&self, cx: &mut Context<Conversation>, host: CString, socket: SocketInfo) -> Status {
        let Context { data: Some(conversation), macros, reply } = cx else {
            return self.lost(Event::Connect);
        };
        let handled = async {
            conversation.connect(&host, &socket, macros);
            if conversation.exempt {
                self.counters.sessions_exempt.add();
                debug!("not an SMTP session: exempt from policy");
            }
            let Some(decision) = self.judge(conversation, Event::Connect, None).await? else {
                return Ok(Status::Continue);
            };
            conversation.connect_carried = decision.deferrals.clone();
            conversation.carried = decision.deferrals.clone();
            Ok(self.verdict(conversation, &decision, reply))
        };
        let outcome = caught(handled).await;
        self.answer(conversation, Event::Connect, reply, outcome)
    }

    async fn helo(&self, cx: &mut Context<Conversation>, name: CString) -> Status {
        let Context { data: Some(conversation), macros, reply } = cx else { return self.lost(Event::Helo) };
        let handled = async {
            conversation.helo(&name, macros);
            conversation.helo_refusal = None;
            conversation.carried = conversation.connect_carried.clone();
            let Some(decision) = self.judge(conversation, Event::Helo, None).await? else {
                return Ok(Status::Continue);
            };
            conversation.carried = decision.deferrals.clone();
            if let Verdict::Reply(refusal) = &decision.verdict {
                conversation.helo_refusal = Some(refusal.clone());
            }
            Ok(Status::Continue)
        };
        let outcome = caught(handled).await;
        self.answer(conversation, Event::Helo, reply, outcome)
    }

    async fn mail(&self, cx: &mut Context<Conversation>, args: Vec<CString>) -> Status {
        let Context { data: Some(conversation), macros, reply } = cx else { return self.lost(Event::Mail) };
        let handled = async {
            conversation.mail(&args, macros, self.next_id(self.clock.now()));
            let enforced = conversation.running.config.mode == Mode::Enforce;
            if let Some(refusal) = conversation.helo_refusal.as_ref().filter(|_| enforced) {
                return Ok(reply::refuse(refusal, reply, &self.counters));
            }
            let Some(decision) = self.judge(conversation, Event::Mail, None).await? else {
                return Ok(Status::Continue);
            };
            conversation.transaction.carried = decision.deferrals.clone();
            conversation.transaction.take(&decision.amendments);
            Ok(self.verdict(conversation, &decision, reply))
        };
        let outcome = caught(handled).await;
        self.answer(conversation, Event::Mail, reply, outcome)
    }

    async fn rcpt(&self, cx: &mut Context<Conversation>, args: Vec<CString>) -> Status {
        let Context { data: Some(conversation), macros, reply } = cx else { return self.lost(Event::Rcpt) };
        let handled = async {
            if let Some(token) = probe::token(&conversation.session) {
                return Ok(reply::refuse(&probe::answer(token), reply, &self.counters));
            }
            let path = conversation.rcpt(&args, macros);
            if conversation.transaction.envelope.accepted >= RECIPIENT_LIMIT {
                let too_many = Reply::new(ReplyCode::known(452), Enhanced::new(5, 3), "Too many recipients");
                return Ok(reply::refuse(&too_many, reply, &self.counters));
            }
            let Some(decision) = self.judge(conversation, Event::Rcpt, Some(&path)).await? else {
                conversation.accepted(&args, path);
                return Ok(Status::Continue);
            };
            greylisted(conversation, &decision);
            if decision.deferrals.discard.is_some() {
                conversation.transaction.carried.discard.clone_from(&decision.deferrals.discard);
            }
            // As in Postfix, an action stays in force even if this recipient is refused after all.
            conversation.transaction.take(&decision.amendments);
            let status = self.verdict(conversation, &decision, reply);
            if status == Status::Continue {
                conversation.accepted(&args, path);
            }
            Ok(status)
        };
        let outcome = caught(handled).await;
        self.answer(conversation, Event::Rcpt, reply, outcome)
    }

    async fn data(&self, cx: &mut Context<Conversation>) -> Status {
        let Context { data: Some(conversation), macros, reply } = cx else { return self.lost(Event::Data) };
        let handled = async {
            conversation.queue_id(macros);
            let only = conversation.transaction.only.clone();
            let Some(decision) = self.judge(conversation, Event::Data, only.as_ref()).await? else {
                return Ok(Status::Continue);
            };
            // Said once: in observe mode the message goes on.
            conversation.transaction.carried.at_data = None;
            conversation.transaction.take(&decision.amendments);
            Ok(self.verdict(conversation, &decision, reply))
        };
        let outcome = caught(handled).await;
        self.answer(conversation, Event::Data, reply, outcome)
    }

    async fn end_of_message(&self, cx: &mut EomContext<Conversation>) -> Status {
        let EomContext { data: Some(conversation), macros, reply, actions } = cx else {
            return self.lost(Event::EndOfMessage);
        };
        let handled = async {
            conversation.queue_id(macros);
            conversation.seen();
            let only = conversation.transaction.only.clone();
            let decision = self.judge(conversation, Event::EndOfMessage, only.as_ref()).await?;
            let mut status = Status::Continue;
            if let Some(decision) = &decision {
                conversation.transaction.take(&decision.amendments);
                status = self.verdict(conversation, decision, reply);
            }
            if status == Status::Continue && conversation.running.config.mode == Mode::Enforce {
                status = self.amend(conversation, actions, reply).await;
            }
            if status == Status::Continue {
                self.learn(conversation).await;
            }
            self.record_end(conversation, status, decision.as_ref().and_then(|decision| decision.reply()));
            conversation.transaction = Transaction::default();
            Ok(status)
        };
        let outcome = caught(handled).await;
        self.answer(conversation, Event::EndOfMessage, reply, outcome)
    }

    /// Remembers whom an authenticated user wrote to: the answer must not wait.
    async fn learn(&self, conversation: &Conversation) {
        let Transaction { outgoing, envelope, .. } = &conversation.transaction;
        if outgoing.is_empty() || !conversation.running.config.policy.greylists() {
            return;
        }
        let sender = envelope.sender.as_ref().map(|path| path.address.internal()).unwrap_or_default();
        let Some(outgoing) = crate::greylist::outgoing(&sender, outgoing, self.clock.now()) else { return };
        let learnt = tokio::time::timeout(LEARNING, self.greylist.learn(outgoing)).await;
        if !matches!(learnt, Ok(Ok(()))) {
            self.counters.greylist_not_learnt.add();
        }
    }

    /// Makes the changes of the message. One that cannot be made defers the message: delivering it unheld or to the wrong
    /// recipient could not be undone.
    async fn amend(
        &self,
        conversation: &Conversation,
        actions: &indymilter::EomActions,
        reply: &mut SmtpReply,
    ) -> Status {
        if conversation.transaction.amendments.is_empty() {
            return Status::Continue;
        }
        let Err(e) = amend::amend(conversation, actions).await else { return Status::Continue };
        self.counters.amendments_unavailable.add();
        warn!("the message cannot be changed as the policy asks, deferred: {e}");
        let refusal =
            Reply::new(ReplyCode::known(451), Enhanced::new(3, 0), "Message cannot be changed as required");
        reply::refuse(&refusal, reply, &self.counters)
    }
}

/// What the greylist said about a recipient holds for the message: a proof clears the rest of it, and what is to be said
/// at DATA is kept until then.
fn greylisted(conversation: &mut Conversation, decision: &Decision) {
    let transaction = &mut conversation.transaction;
    transaction.envelope.greylist_passed |= decision.greylisted().is_some_and(|(_, said)| said.is_proof());
    let carried = &mut transaction.carried.at_data;
    if let Some(deferral) = &decision.deferrals.at_data {
        carried.get_or_insert_with(|| deferral.clone());
    }
    if transaction.envelope.greylist_passed && !conversation.running.config.settings.greylist.per_recipient {
        *carried = None;
    }
}
