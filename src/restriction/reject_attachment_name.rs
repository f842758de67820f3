//! `reject_attachment_name`: refuses messages by the names of what they carry.

use super::{
    Kind, Parse, Restriction,
    args::Arguments,
    attachment_rules::{self, Answer, AttachmentRules, Conflict},
    content::{Attachments, Looks},
};
use crate::{
    attachment::facts::{Finding, Reason},
    decision::action::{Action, Amendment, Amends},
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, envelope::Path, message::Message},
    smtp::{
        address::without_route,
        reply::{Enhanced, Reply, ReplyCode},
    },
    table::pattern::GaveUp,
};
use std::{fmt::Write as _, sync::Arc};

/// So many characters of a name stand in a reply: its end, where the extension is.
const SHOWN: usize = 80;

const MANUAL: &str = "\
Refuses a message with an attachment whose name is forbidden.

Every name counts, however it is written: of all parts, of attached messages,
of uuencoded files, of the members of ZIP, RAR, TAR and TNEF archives; in
Content-Disposition and Content-Type, with all ways of encoding, cutting and
hiding it that any mail program undoes. A name is forbidden if it is forbidden
in one of its readings. Nothing is unpacked and nothing of a body is kept.

What is forbidden stands below [attachments] (`banned`, `banned_patterns`); a
NAME behind the restriction takes [attachments.NAME], which changes what it
sets. The reply names the file as the sender wrote it:
    550 5.7.1 Message refused: attachment \"invoice.pdf.exe\" has a forbidden
    name (exe)
`action` can be reject, tempfail (450 4.7.1), discard, hold, or mark, which
adds the field X-Attachment-Check. Names that are `marked` add that field too.
A message that cannot be followed to its end is answered by `on_unparsable`:
    554 5.6.0 Message refused: too many parts
one that mail programs read in different ways by `on_ambiguous`.

allow_clients, allow_senders and allow_recipients name access tables in which
OK allows everything; a sender is easily forged. The answer is one for all
recipients: where some are allowed, `conflict` says what happens. A refusal is
answered as soon as nothing in the rest of the message can change it and no
earlier entry waits for a lookup; Postfix passes it on after the final dot.

A pattern that takes too long for a name: 451 4.3.5.
Postfix: header_checks see a name as it is written; here: as a mail program
reads it, because that is what the recipient clicks on. Existing tables of
header_checks work with check_header.

Example: end_of_data = [\"reject_attachment_name\"]
";

pub(super) const KINDS: &[Kind] = &[Kind {
    name: "reject_attachment_name",
    aliases: &[],
    usage: "[name]",
    needs: Event::EndOfMessage,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let sets = arguments.settings().attachments.clone();
    let name = arguments.optional(|word| sets.contains_key(word));
    let rules = match name {
        Some(name) => sets.get(&name.text).cloned(),
        None => sets.get("").cloned(),
    };
    Ok(Box::new(RejectAttachmentName(rules.unwrap_or_default())))
}

#[derive(Debug)]
struct RejectAttachmentName(Arc<AttachmentRules>);

/// What is wrong with a message.
enum Wrong<'a> {
    /// A forbidden name.
    Name(&'a Finding),
    /// It is not to be followed, or differently by different programs.
    Structure(Answer, String),
}

impl Restriction for RejectAttachmentName {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(message) = request.message else { return Ok(Action::Dunno) };
        let found = message.facts::<Attachments>().and_then(|found| Some((found, found.by(&self.0.names)?)));
        let gave_up = found.and_then(|(found, _)| found.facts.gave_up.as_ref());
        let decided = match self.wrong(message, found) {
            Some(wrong) => self.judge(&wrong, request, lookups),
            None => match gave_up {
                Some(pattern) => Ok(Some(self.given_up(pattern.clone(), lookups))),
                None => Ok(None),
            },
        };
        Ok(match decided {
            Ok(Some(action)) => action,
            Ok(None) => self.marks(found, lookups),
            Err(gave_up) => self.given_up(gave_up.to_string(), lookups),
        })
    }

    fn amends(&self) -> Amends {
        let rules = &self.0;
        Amends {
            quarantine: rules.action == attachment_rules::Action::Hold,
            headers: true,
            recipients: rules.conflict == Conflict::Delete && !rules.allow.recipients.is_empty(),
            discard: rules.action == attachment_rules::Action::Discard,
            ..Amends::default()
        }
    }

    fn looks(&self) -> Option<Looks> {
        Some(Looks::Attachments(self.0.names.clone()))
    }
}

impl RejectAttachmentName {
    /// What is wrong with the message and more than to be marked; a name counts before the structure.
    fn wrong<'a>(
        &self,
        message: &Message,
        found: Option<(&Attachments, &'a [Finding])>,
    ) -> Option<Wrong<'a>> {
        let findings = found.map_or(&[][..], |(_, findings)| findings);
        if let Some(banned) = findings.iter().find(|finding| finding.banned) {
            return Some(Wrong::Name(banned));
        }
        if message.given_up {
            return Some(Wrong::Structure(self.0.on_unparsable, "it takes too long to look at".to_owned()));
        }
        let (found, _) = found?;
        let troubles =
            [(self.0.on_unparsable, &found.facts.unparsable), (self.0.on_ambiguous, &found.facts.ambiguous)];
        let hard = |answer: &Answer| matches!(answer, Answer::Reject | Answer::Tempfail);
        let mut wrong = troubles.into_iter().filter(|(answer, _)| hard(answer));
        wrong.find_map(|(answer, trouble)| Some(Wrong::Structure(answer, trouble.as_ref()?.to_string())))
    }

    /// What becomes of a message with something wrong; `None` where it is allowed.
    fn judge(
        &self,
        wrong: &Wrong<'_>,
        request: &Request<'_>,
        lookups: &mut Lookups<'_>,
    ) -> Result<Option<Action>, GaveUp> {
        let rules = &self.0;
        let why = wrong.describe();
        if let Some(allowed) = rules.allow.message(request)? {
            lookups.note(format!("{why}; {allowed}"));
            return Ok(Some(Action::Dunno));
        }
        let (mut allowed, mut refused) = (0, Vec::new());
        for recipient in &request.envelope.recipients {
            if rules.allow.recipient(recipient)? { allowed += 1 } else { refused.push(recipient) }
        }
        lookups.note(why.clone());
        Ok(Some(match (allowed, refused.is_empty(), rules.conflict) {
            (0, ..) => self.act(wrong, &why),
            (_, true, _) => {
                lookups.note(format!("{why}; every recipient is allowed"));
                Action::Dunno
            }
            (_, false, _) if wrong.is_only_marked(rules) => self.act(wrong, &why),
            (_, false, Conflict::RejectIfAll) => {
                passes(format!("passes though {why}: {allowed} of its recipients are allowed"))
            }
            (_, false, Conflict::Mark) => Action::Several(vec![
                passes(format!("marked, {why}: {allowed} of its recipients are allowed")),
                self.mark(&why),
            ]),
            (_, false, Conflict::Delete) => Action::Several(without(&refused, &why)),
        }))
    }

    fn act(&self, wrong: &Wrong<'_>, why: &str) -> Action {
        const REJECT: (ReplyCode, Enhanced) = (ReplyCode::known(550), Enhanced::new(7, 1));
        const TEMPFAIL: (ReplyCode, Enhanced) = (ReplyCode::known(450), Enhanced::new(7, 1));
        const UNPARSABLE: (ReplyCode, Enhanced) = (ReplyCode::known(554), Enhanced::new(6, 0));
        const LATER: (ReplyCode, Enhanced) = (ReplyCode::known(451), Enhanced::new(6, 0));
        let refuse = |(code, status), text: String| Action::Reject(Reply::new(code, status, &text));
        match wrong {
            Wrong::Structure(Answer::Tempfail, trouble) => {
                refuse(LATER, format!("Message refused: {trouble}"))
            }
            Wrong::Structure(_, trouble) => refuse(UNPARSABLE, format!("Message refused: {trouble}")),
            Wrong::Name(finding) => match self.0.action {
                attachment_rules::Action::Reject => refuse(REJECT, refusal(finding)),
                attachment_rules::Action::Tempfail => refuse(TEMPFAIL, refusal(finding)),
                attachment_rules::Action::Discard => Action::Discard(why.to_owned()),
                attachment_rules::Action::Hold => Action::amend(Amendment::Hold(why.to_owned())),
                attachment_rules::Action::Mark => self.mark(why),
            },
        }
    }

    /// What is let through with a mark.
    fn marks(&self, found: Option<(&Attachments, &[Finding])>, lookups: &mut Lookups<'_>) -> Action {
        let Some((found, findings)) = found else { return Action::Dunno };
        let marked = findings.first().map(describe);
        let trouble = |answer, trouble: &Option<_>, word: &str| match trouble {
            Some(trouble) if answer == Answer::Mark => Some(format!("{word}: {trouble}")),
            Some(_) | None => None,
        };
        let why = [
            marked,
            trouble(self.0.on_unparsable, &found.facts.unparsable, "cannot be followed"),
            trouble(self.0.on_ambiguous, &found.facts.ambiguous, "ambiguous"),
        ];
        let why: Vec<String> = why.into_iter().flatten().collect();
        if why.is_empty() {
            return Action::Dunno;
        }
        let why = why.join("; ");
        lookups.note(why.clone());
        self.mark(&why)
    }

    fn mark(&self, why: &str) -> Action {
        let name = self.0.header.to_string();
        Action::amend(Amendment::Prepend { name, value: why.to_owned() })
    }

    fn given_up(&self, why: String, lookups: &mut Lookups<'_>) -> Action {
        lookups.note(why);
        const CODE: ReplyCode = ReplyCode::known(451);
        Action::Fault(Reply::new(CODE, Enhanced::new(3, 5), "Server configuration error"))
    }
}

impl Wrong<'_> {
    fn describe(&self) -> String {
        match self {
            Self::Name(finding) => describe(finding),
            Self::Structure(_, trouble) => format!("cannot be followed: {trouble}"),
        }
    }

    /// Whether the answer keeps the message from nobody.
    fn is_only_marked(&self, rules: &AttachmentRules) -> bool {
        match self {
            Self::Name(_) => rules.action == attachment_rules::Action::Mark,
            Self::Structure(..) => false,
        }
    }
}

fn passes(text: String) -> Action {
    Action::Remark { word: "conflict", text }
}

/// The recipients for whom it is refused do not get it. There is another one, so that the message does not vanish.
fn without(refused: &[&Path], why: &str) -> Vec<Action> {
    let delete = |path: &&Path| {
        let address = format!("<{}>", without_route(&path.address.typed));
        Action::amend(Amendment::DeleteRecipient { address, why: why.to_owned() })
    };
    refused.iter().map(delete).collect()
}

/// The reply's text about a name.
fn refusal(finding: &Finding) -> String {
    let name = quoted(&finding.written);
    match &finding.reason {
        Reason::Extension(extension) | Reason::DoubleExtension(extension) => {
            let extension = escaped(extension.as_bytes());
            format!("Message refused: attachment {name} has a forbidden name ({extension})")
        }
        Reason::Pattern(_) => format!("Message refused: attachment {name} has a forbidden name"),
        reason @ Reason::ClassId => {
            format!("Message refused: attachment {name} has a forbidden name ({reason})")
        }
        reason @ Reason::Archive(_) => {
            format!("Message refused: attachment {name} cannot be checked ({reason})")
        }
        reason @ Reason::Partial => format!("Message refused: a piece of a message ({reason})"),
    }
}

/// What was found, for the log and the field that marks a message: ASCII only.
fn describe(finding: &Finding) -> String {
    let word = if finding.banned { "banned" } else { "marked" };
    let mut text =
        format!("{word} {} ({})", quoted(&finding.written), escaped(finding.reason.to_string().as_bytes()));
    if finding.reading != finding.written {
        let _ = write!(text, ", read as {}", quoted(&finding.reading));
    }
    let _ = write!(text, ", part {}, {}", finding.part, finding.source);
    text
}

/// A name in quotes: printable ASCII, all else as `%XX`, long ones cut at their beginning.
fn quoted(name: &str) -> String {
    let mut room = SHOWN;
    let shown = name.bytes().rev().take_while(|byte| {
        let fits = room.checked_sub(if is_plain(*byte) { 1 } else { 3 });
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    let start = name.len() - shown.count();
    let cut = if start > 0 { "..." } else { "" };
    format!("\"{cut}{}\"", escaped(&name.as_bytes()[start..]))
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%')
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_plain(*byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
