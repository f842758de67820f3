//! `check_policy_service`, of postconf(5) and SMTPD_POLICY_README: asks another program by Postfix's policy protocol.

mod argument;
mod attributes;
mod reply;
#[cfg(test)]
mod tests;

use super::{Kind, Parse, Restriction, args::Arguments, content::Looks};
use crate::{
    decision::action::{Action, Amends, ClassId},
    lookup::{
        Lookups, Pending,
        policy::{PolicyAnswer, PolicyQuestion},
    },
    origin::{Fault, Origin},
    request::{Event, Request},
    smtp::reply::{Enhanced, Reply, ReplyCode},
    table::action::{Entry, MapCodes},
};
use argument::Argument;
use std::{collections::HashMap, sync::Arc};

const MANUAL: &str = "\
Asks a policy service, another program, what to do with the mail.

The service listens at inet:HOST:PORT or unix:/PATH and speaks the protocol of
Postfix's SMTPD_POLICY_README, as postgrey, policyd-spf and quota services do.
Settings of its own stand with it in braces, as in Postfix 3:
    check_policy_service { inet:127.0.0.1:10023, timeout=5s,
        default_action=DUNNO, policy_context=submission }
A value with blanks has braces of its own: { default_action = DEFER Later }

Its answer is an action of access(5), as in check_client_access, or the name
of a class below [classes]. Replies are about what the list is about; REJECT
in the recipient list answers
    554 5.7.1 <address>: Recipient address rejected: Access denied
An answer that is neither, and FILTER:
    451 4.3.5 Server configuration error
and the log's reason= says which answer it was.
Postfix: the answer can be any restriction list; here: an action or a class,
because a program must not make the policy anew at each mail.

When it cannot be reached, is silent for longer than [policy_service] timeout
(10 s), or answers nonsense, [policy_service] default_action answers:
    451 4.3.5 <address>: Recipient address rejected: Server configuration
    problem
A service that hangs costs the mails that need it their time limit and no
other mail anything.

It is asked only when everything else in the lists of the event would permit,
whatever stands behind it in the list.
Postfix: asks where the entry stands; here: last, because a service may write
(a greylist, a quota), and a mail that is refused anyway must leave no trace.
So an OK of the service does not save a mail that an entry behind it refuses.
Postfix: asks again for each entry; here: entries of one service that would
send the same request share one answer, because each request may count.
Postfix: the port may be a name of services(5); here: a number, because the
name may mean another port on another machine.
Postfix: tries twice; here: again only if a connection kept from an earlier
request turns out to be closed, because each request may count.
explain does not ask, since it changes nothing.

The attributes, in the order in which they are sent:
  request              smtpd_access_policy
  protocol_state       CONNECT, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE
  protocol_name        SMTP before HELO, then ESMTP
  client_address, client_name, client_port, reverse_client_name
  server_address, server_port
  helo_name, sender, recipient
  recipient_count      0 before DATA
  queue_id             empty at the first recipient, as Postfix's
  instance             the same for all recipients of a message
  size                 what MAIL FROM said, or 0; in end_of_data the real one
  sasl_method, sasl_username, sasl_sender
  ccert_subject, ccert_issuer
  encryption_protocol, encryption_cipher, encryption_keysize
  policy_context       as set with the service
  mail_version         Postfix's
Sent with empty values, because a milter does not learn them: etrn_domain,
stress, ccert_fingerprint, ccert_pubkey_fingerprint, tls_sni,
compatibility_level.
Postfix: protocol_name is SMTP after HELO; here: ESMTP, because a milter is
not told HELO from EHLO, and nearly every server says EHLO.
Characters that cannot be printed are sent as question marks.

A socket below Postfix's directory private/ is an error: only Postfix itself
may enter that directory.

Example: check_policy_service inet:127.0.0.1:10023
";

pub(super) const KINDS: &[Kind] = &[Kind {
    name: "check_policy_service",
    aliases: &[],
    usage: "inet:HOST:PORT | unix:PATH",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

/// An entry of the list.
#[derive(Debug)]
struct CheckPolicyService {
    argument: Argument,
    /// What counts when there is no answer.
    default: Entry,
    classes: Arc<HashMap<String, ClassId>>,
    codes: MapCodes,
    /// Where the entry stands: what an answer says has no place of its own.
    origin: Origin,
}

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let word = arguments.word("a service").map_err(|fault| fault.help(argument::HELP))?;
    let (argument, ignored) = argument::read(&word, &arguments.settings().policy_service)?;
    ignored.into_iter().for_each(|fault| arguments.warn(fault));
    let settings = arguments.settings();
    let codes = MapCodes {
        reject: settings.codes.access_map_reject_code,
        defer: settings.codes.access_map_defer_code,
    };
    let default = reply::read(&argument.default_action, &settings.classes)?;
    let classes = settings.classes.clone();
    Ok(Box::new(CheckPolicyService { argument, default, classes, codes, origin: word.origin }))
}

impl Restriction for CheckPolicyService {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Argument { service, time_limit, context, .. } = &self.argument;
        let attributes = attributes::of(request, context).into();
        let question = PolicyQuestion { service: service.clone(), time_limit: *time_limit, attributes };
        let entry = match lookups.policy(question)? {
            PolicyAnswer::Action(text) => match reply::read_text(text, &self.origin, &self.classes) {
                Ok(entry) => entry,
                Err(fault) => {
                    lookups.note(format!("{service} answers what cannot be done: {}", fault.message));
                    return Ok(configuration_error());
                }
            },
            PolicyAnswer::Failed(reason) => {
                lookups.note(format!("{service}: {reason}, so default_action counts"));
                self.default.clone()
            }
            PolicyAnswer::NotAsked => {
                lookups.note(format!("{service} is not asked, because it may write"));
                return Ok(Action::Dunno);
            }
        };
        Ok(entry.action(&[], request.subject, request, self.codes))
    }

    fn looks(&self) -> Option<Looks> {
        Some(Looks::Size)
    }

    fn amends(&self) -> Amends {
        // Which of them it will answer nobody knows before.
        Amends { quarantine: true, headers: true, fields: false, recipients: true, discard: true }
    }
}

/// What Postfix answers to a word that it does not know, found only now.
fn configuration_error() -> Action {
    const CODE: ReplyCode = ReplyCode::known(451);
    Action::Fault(Reply::new(CODE, Enhanced::new(3, 5), "Server configuration error"))
}
