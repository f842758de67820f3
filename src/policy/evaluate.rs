//! The loop: the first decisive answer wins. smtpd_check.c generic_checks() and smtpd_check_rcpt(), as a pure function.
//!
//! An entry whose answer is not there yet does not stop the loop: the entries behind it are called too, but only to
//! collect what they will ask ([`Progress::Wants`]), and never past one that would end the list anyway.

mod obey;

use super::{Entry, List, Policy, deferral::Slots};
use crate::{
    decision::{
        Decision, Deferral, Deferrals, Outcome, Remark, Rule, Step, Summary, Verdict, Written,
        action::{Action, Amendment, ClassId},
    },
    lookup::{Lookup, Lookups, answers::Answers},
    request::{Event, Request, Stage},
    smtp::reply::{Enhanced, Reply, ReplyCode},
};
use std::sync::Arc;

/// How deep classes may nest before the entry is a fault, as in Postfix (smtpd_check.c, "recursion limit").
const CLASS_DEPTH: usize = 100;

/// What an evaluation came to.
#[derive(Debug)]
pub enum Progress {
    /// These answers are missing. Ask them all at once, and evaluate again.
    Wants(Vec<Lookup>),
    /// The decision.
    Done(Box<Decision>),
}

/// Decides one event. Pure: the same policy, request and answers give the same result.
pub fn evaluate(policy: &Policy, request: &Request<'_>, answers: &Answers) -> Progress {
    let mut run = Run::new(policy, *request, answers);
    let refusal = missing_helo(policy, request);
    if refusal.is_none() && is_postmaster(request) {
        // Not even what an earlier list deferred.
        run.slots.if_permit = None;
        return Progress::Done(Box::new(run.finish(None)));
    }
    let verdict = refusal.or_else(|| run.lists());
    if !run.wanted.is_empty() {
        return Progress::Wants(run.wanted);
    }
    if verdict.is_none() && run.slots.if_permit.is_none() && !run.late.is_empty() {
        // One at a time: the first may refuse, and then the next must not have written.
        run.late.truncate(1);
        return Progress::Wants(run.late);
    }
    Progress::Done(Box::new(run.finish(verdict)))
}

/// RFC 5321 section 4.5.1: `postmaster` without a domain is always accepted, as by smtpd_check_rcpt().
fn is_postmaster(request: &Request<'_>) -> bool {
    request.event == Event::Rcpt
        && request.recipient.is_some_and(|path| path.address.typed.eq_ignore_ascii_case("postmaster"))
}

/// smtpd_helo_required, in smtpd's words: MAIL before HELO is refused before any list runs.
fn missing_helo(policy: &Policy, request: &Request<'_>) -> Option<(Verdict, Rule)> {
    let written = policy.helo_required.as_ref()?;
    if request.event != Event::Mail || request.session.helo.is_some() {
        return None;
    }
    let rule = Rule { stage: Stage::Helo, written: written.clone() };
    const CODE: ReplyCode = ReplyCode::known(503);
    let reply = Reply::new(CODE, Enhanced::new(5, 1), "Error: send HELO/EHLO first");
    Some((Verdict::Reply(reply), rule))
}

/// How an entry or a list leaves the loop.
enum Flow {
    /// Undecided: the next entry.
    Next,
    /// This list, with the classes it stands in, permits.
    ListPermits(Rule),
    /// The message is thrown away: no further list runs, but what is deferred is not lost (smtpd_check.c
    /// generic_checks()).
    Discards,
    /// The rest of this list is not worth asking; what follows the list is.
    ListSettled,
    /// The event is decided.
    Stop(Verdict, Rule),
    /// Nothing more is collected in this round.
    StopCollecting,
}

struct Run<'a> {
    policy: &'a Policy,
    request: Request<'a>,
    lookups: Lookups<'a>,
    slots: Slots,
    at_data: Option<Deferral>,
    wanted: Vec<Lookup>,
    /// An entry of the current list is pending, so that nobody knows yet how the list ends.
    open: bool,
    late: Vec<Lookup>,
    steps: Vec<Step>,
    amendments: Vec<Amendment>,
    remarks: Vec<Remark>,
    permitted_by: Option<Rule>,
    /// The DISCARD that ended the lists: what a permit becomes.
    discard: Option<(String, Rule)>,
}

impl<'a> Run<'a> {
    fn new(policy: &'a Policy, request: Request<'a>, answers: &'a Answers) -> Self {
        let if_permit = match request.event {
            Event::Connect => None,
            Event::Helo | Event::Mail | Event::Rcpt => request.carried.if_permit.clone(),
            Event::Data | Event::EndOfMessage => request.carried.at_data.clone(),
        };
        Self {
            policy,
            request,
            lookups: if policy.lookahead { Lookups::new(answers) } else { Lookups::frugal(answers) },
            slots: Slots::carried(if_permit),
            at_data: None,
            wanted: Vec::new(),
            open: false,
            late: Vec::new(),
            steps: Vec::new(),
            amendments: Vec::new(),
            remarks: Vec::new(),
            permitted_by: None,
            discard: request.carried.discard.clone().filter(|_| request.event == Event::Rcpt),
        }
    }

    /// All lists of the event; `None` if none of them refused.
    fn lists(&mut self) -> Option<(Verdict, Rule)> {
        if self.discard.is_some() {
            return None;
        }
        for stage in self.policy.stages(self.request.event) {
            // As smtpd_check_helo(): without HELO its list does not run at all, whatever stands in it.
            if stage == Stage::Helo && self.request.session.helo.is_none() {
                continue;
            }
            (self.request.stage, self.request.subject) = (stage, stage.into());
            self.slots.start_list();
            self.open = false;
            if let Some(exemption) = self.request.exemption.filter(|_| stage != Stage::EndOfData) {
                self.exempted(stage, exemption);
                continue;
            }
            match self.list(self.policy.list(stage), 0, false) {
                Flow::Next | Flow::ListSettled => {}
                Flow::ListPermits(rule) => self.permitted_by = Some(rule),
                Flow::Stop(verdict, rule) => return Some((verdict, rule)),
                Flow::StopCollecting | Flow::Discards => break,
            }
        }
        None
    }

    /// A list whose head permits, since the administrator lets this mail in.
    fn exempted(&mut self, stage: Stage, exemption: &Arc<Written>) {
        let rule = Rule { stage, written: exemption.clone() };
        let outcome = Outcome::Said(Action::Ok);
        self.steps.push(Step {
            rule: rule.clone(),
            depth: 0,
            outcome,
            reason: None,
            lookups: Box::default(),
        });
        self.permitted_by = Some(rule);
    }

    fn list(&mut self, list: &'a List, depth: usize, warn_only: bool) -> Flow {
        self.steps.reserve(list.entries.len());
        for entry in &list.entries {
            match self.entry(entry, depth, warn_only || entry.warn_only) {
                Flow::Next => {}
                leave => return leave,
            }
            if self.slots.settle_list() {
                return Flow::ListSettled;
            }
        }
        Flow::Next
    }

    /// One entry: asks its restriction, and carries out what it says.
    fn entry(&mut self, entry: &'a Entry, depth: usize, warn_only: bool) -> Flow {
        self.lookups.set_warn_only(warn_only);
        let said = entry.restriction.check(&self.request, &mut self.lookups);
        let (looked, reason) = self.lookups.take_used();
        let (lookups, reason) = (looked.into_boxed_slice(), reason.map(String::into_boxed_str));
        let rule = Rule { stage: self.request.stage, written: entry.written.clone() };
        let Ok(action) = said else { return self.pending(rule, depth) };
        // What was asked ahead and turned out not to be needed.
        self.lookups.take_wanted();
        if let Action::Dunno = action {
            // What most entries say: the step alone has the rule, and nothing more is to be done.
            let outcome = Outcome::Said(action);
            self.steps.push(Step { rule, depth, outcome, reason, lookups });
            return Flow::Next;
        }
        let at = self.steps.len();
        self.steps.push(Step {
            rule: rule.clone(),
            depth,
            outcome: Outcome::Said(action.clone()),
            reason,
            lookups,
        });
        if let Action::Class { class, subject, may_permit } = action {
            let place = self.request.subject;
            self.request.subject = subject.unwrap_or(place);
            let flow = self.class(class, rule, at, depth, warn_only);
            self.request.subject = place;
            return match flow {
                Flow::ListPermits(_) if !may_permit => {
                    self.set_outcome(at, Outcome::EndOfClass);
                    Flow::Next
                }
                flow => flow,
            };
        }
        if !self.wanted.is_empty() {
            self.collect(&action, rule, warn_only)
        } else {
            self.obey(action, rule, at, warn_only)
        }
    }

    /// An answer is missing. One that only writing lookups would give counts as DUNNO for now.
    fn pending(&mut self, rule: Rule, depth: usize) -> Flow {
        let (late, wanted): (Vec<_>, Vec<_>) =
            self.lookups.take_wanted().into_iter().partition(Lookup::writes);
        if wanted.is_empty() {
            self.late.extend(late);
            let reason = Some("not asked unless everything else permits".into());
            let outcome = Outcome::Said(Action::Dunno);
            self.steps.push(Step { rule, depth, outcome, reason, lookups: Box::default() });
            return Flow::Next;
        }
        let in_turn = self.wanted.is_empty();
        for lookup in wanted {
            // A pause begins only when all before it is settled: who is permitted or refused there does not wait.
            if !self.wanted.contains(&lookup) && (in_turn || !lookup.sleeps()) {
                self.wanted.push(lookup);
            }
        }
        self.open = true;
        if self.policy.lookahead { Flow::Next } else { Flow::StopCollecting }
    }

    /// An entry behind a pending one: only whether it would end something counts. A refusal and a DISCARD end
    /// everything, but only if no pending entry of their list can permit before them.
    fn collect(&self, action: &Action, rule: Rule, warn_only: bool) -> Flow {
        let ends = match action {
            Action::Ok => return Flow::ListPermits(rule),
            Action::Fault(_) => true,
            Action::Discard(_) => !self.before_mail(),
            Action::Reject(_) => !warn_only,
            Action::Dunno
            | Action::DeferIfPermit(_)
            | Action::DeferIfReject(_)
            | Action::DeferAtData(_)
            | Action::Amend(_)
            | Action::Remark { .. }
            | Action::Class { .. } => false,
            Action::Several(actions) => {
                let flows = actions.iter().map(|action| self.collect(action, rule.clone(), warn_only));
                let mut leaving = flows.filter(|flow| !matches!(flow, Flow::Next));
                return leaving.next().unwrap_or(Flow::Next);
            }
        };
        match (ends, self.open) {
            (false, _) => Flow::Next,
            (true, true) => Flow::ListSettled,
            (true, false) => Flow::StopCollecting,
        }
    }

    fn class(&mut self, ClassId(id): ClassId, rule: Rule, at: usize, depth: usize, warn_only: bool) -> Flow {
        let policy = self.policy;
        let Some(list) = policy.classes.get(id).filter(|_| depth < CLASS_DEPTH) else {
            let reply = configuration_error();
            return Flow::Stop(Verdict::Reply(reply), rule);
        };
        let flow = self.list(list, depth + 1, warn_only);
        if let (Flow::Next, Some(step)) = (&flow, self.steps.get_mut(at)) {
            step.outcome = Outcome::EndOfClass;
        }
        flow
    }

    /// The decision, with a permit turned into the deferral that was asked for. At CONNECT, HELO and MAIL the deferral is
    /// carried to RCPT instead.
    fn finish(mut self, verdict: Option<(Verdict, Rule)>) -> Decision {
        let final_event = matches!(self.request.event, Event::Rcpt | Event::Data | Event::EndOfMessage);
        let deferrable = final_event && !is_postmaster(&self.request);
        let deferred = self.slots.if_permit.as_ref().filter(|_| deferrable);
        let (verdict, rule) = match (verdict, deferred) {
            (Some((verdict, rule)), _) => (verdict, Some(rule)),
            (None, Some(deferral)) => (Verdict::Reply(deferral.reply.clone()), Some(deferral.rule.clone())),
            // Thrown away at MAIL, it is deferred at RCPT all the same: the discard waits until then.
            (None, None) if self.request.event == Event::Mail && self.slots.if_permit.is_some() => {
                (Verdict::Pass, self.permitted_by.take())
            }
            (None, None) => match self.discard.take() {
                Some((text, rule)) => (Verdict::Discard(text), Some(rule)),
                None => (Verdict::Pass, self.permitted_by.take()),
            },
        };
        Decision {
            id: self.request.id,
            event: self.request.event,
            summary: Summary::of(&self.request),
            verdict,
            rule,
            steps: self.steps,
            amendments: self.amendments,
            remarks: self.remarks,
            deferrals: Deferrals {
                if_permit: self.slots.if_permit,
                at_data: self.at_data,
                discard: self.discard,
            },
        }
    }
}

/// What Postfix answers to a fault of its configuration that it finds only now.
fn configuration_error() -> Reply {
    Reply::new(ReplyCode::known(451), Enhanced::new(3, 5), "Server configuration error")
}
