//! What an entry said, carried out: refusals, deferrals, changes of the message and remarks for the log; smtpd_check.c
//! smtpd_check_reject() and check_table_result().

use super::{Flow, Run};
use crate::{
    decision::{
        Deferral, Outcome, Remark, Rule, Verdict,
        action::{Action, Amendment},
    },
    request::Event,
    smtp::reply::Reply,
};

impl Run<'_> {
    /// Carries out what an entry said.
    pub(super) fn obey(&mut self, action: Action, rule: Rule, at: usize, warn_only: bool) -> Flow {
        match action {
            Action::Dunno | Action::Class { .. } => {}
            Action::Ok => return Flow::ListPermits(rule),
            Action::Fault(reply) => return Flow::Stop(Verdict::Reply(reply), rule),
            Action::Reject(reply) | Action::DeferIfPermit(reply) | Action::DeferAtData(reply)
                if warn_only =>
            {
                self.remarks.push(Remark { word: "reject_warning", text: reply.to_string(), rule });
                self.set_outcome(at, Outcome::Warned(reply));
            }
            Action::Reject(reply) => return self.refuse(reply, rule, at),
            Action::DeferIfPermit(reply) => self.slots.permit_becomes(&reply, &rule),
            Action::DeferIfReject(reply) => self.slots.reject_becomes(&reply, &rule),
            Action::DeferAtData(reply) => {
                self.at_data.get_or_insert(Deferral { reply, rule });
            }
            Action::Discard(text) if self.before_mail() => {
                self.remarks.push(Remark { word: "discard", text, rule });
            }
            // warn_if_reject does not hold it back: smtpd_check.c check_table_result().
            Action::Discard(text) => {
                self.discard = Some((text, rule));
                return Flow::Discards;
            }
            Action::Amend(amendment) => {
                let text = self.triggers(&amendment);
                self.remarks.push(Remark { word: amendment.word(), text, rule });
                if !warn_only {
                    self.amendments.push(*amendment);
                }
            }
            Action::Remark { word, text } => self.remarks.push(Remark { word, text, rule }),
            Action::Several(actions) => {
                for action in actions {
                    match self.obey(action, rule.clone(), at, warn_only) {
                        Flow::Next => {}
                        leave => return leave,
                    }
                }
            }
        }
        Flow::Next
    }

    /// Whether there is no message yet that could be changed or thrown away: then the list goes on as if nothing was said
    /// (smtpd_check.c not_in_client_helo()).
    pub(super) fn before_mail(&self) -> bool {
        self.request.event < Event::Mail
    }

    /// A refusal, unless defer_if_reject makes a 5xx temporary.
    fn refuse(&mut self, reply: Reply, rule: Rule, at: usize) -> Flow {
        let Some(deferral) = self.slots.instead_of(&reply) else {
            return Flow::Stop(Verdict::Reply(reply), rule);
        };
        let deferral = deferral.clone();
        self.set_outcome(at, Outcome::Softened(reply));
        Flow::Stop(Verdict::Reply(deferral.reply), deferral.rule)
    }

    pub(super) fn set_outcome(&mut self, at: usize, outcome: Outcome) {
        if let Some(step) = self.steps.get_mut(at) {
            step.outcome = outcome;
        }
    }

    /// Postfix's words for a change: `<x>: Recipient address triggers REDIRECT other@example.net`. HOLD and DISCARD bring
    /// theirs along.
    fn triggers(&self, amendment: &Amendment) -> String {
        let (name, class) = self.subject();
        let what = match amendment {
            Amendment::Hold(text) => return text.clone(),
            Amendment::Prepend { name, value } => format!("PREPEND {name}: {value}"),
            Amendment::Insert { name, value, .. } => format!("PREPEND {name}: {value}"),
            Amendment::Replace { name, value, .. } => format!("REPLACE {name}: {value}"),
            Amendment::Remove { name, .. } => format!("IGNORE {name}"),
            Amendment::DeleteRecipient { address, why } => {
                return format!("{address} does not get it: {why}");
            }
            Amendment::Redirect(address) => format!("REDIRECT {address}"),
            Amendment::Bcc(address) => format!("BCC {address}"),
        };
        format!("<{name}>: {class} triggers {what}")
    }

    fn subject(&self) -> (String, &'static str) {
        let subject = self.request.subject;
        (subject.name(&self.request).into_owned(), subject.class())
    }
}
