//! Access tables: postconf(5) check_client_access, check_reverse_client_hostname_access, check_helo_access,
//! check_sender_access, check_recipient_access; access(5).

use super::{
    Ends, Kind, Parse, Restriction,
    args::{Arguments, Settings},
};
use crate::{
    decision::action::{Action, Amends},
    lookup::{Lookups, Pending},
    origin::Fault,
    request::{Event, Request, subject::Subject},
    smtp::{address::Address, text},
    table::{
        AccessTable, Found,
        action::{self, MapCodes, Says},
    },
};
use std::sync::Arc;

/// The restrictions of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "check_client_access",
        aliases: &[],
        usage: "type:table",
        needs: Event::Connect,
        manual: CLIENT,
        parse: Parse::Entry(|arguments| entry(arguments, Subject::Client)),
    },
    Kind {
        name: "check_reverse_client_hostname_access",
        aliases: &[],
        usage: "type:table",
        needs: Event::Connect,
        manual: REVERSE_CLIENT,
        parse: Parse::Entry(|arguments| entry(arguments, Subject::ReverseClient)),
    },
    Kind {
        name: "check_helo_access",
        aliases: &[],
        usage: "type:table",
        needs: Event::Helo,
        manual: HELO,
        parse: Parse::Entry(|arguments| entry(arguments, Subject::Helo)),
    },
    Kind {
        name: "check_sender_access",
        aliases: &[],
        usage: "type:table",
        needs: Event::Mail,
        manual: SENDER,
        parse: Parse::Entry(|arguments| entry(arguments, Subject::Sender)),
    },
    Kind {
        name: "check_recipient_access",
        aliases: &[],
        usage: "type:table",
        needs: Event::Rcpt,
        manual: RECIPIENT,
        parse: Parse::Entry(|arguments| entry(arguments, Subject::Recipient)),
    },
];

const CLIENT: &str = "\
Looks up the client's verified name, then its address, in an access table.

For mail.example.net[192.0.2.1] the keys are, in this order: mail.example.net,
example.net, net, 192.0.2.1, 192.0.2, 192.0, 192. The first entry that is
found counts, DUNNO too, so an entry of the name hides every entry of the
address. A client without a verified name is called `unknown`, and that is a
key too. With parent_domain_matches_subdomains = false the parents are looked
up as .example.net and .net. IPv6 addresses are looked up in their short form
and then cut at the colons: 2001:db8::1, 2001:db8:, 2001:db8, 2001. Tables of
the types cidr:, regexp: and pcre: see only the complete name and the complete
address.

OK and RELAY permit; DUNNO goes on; REJECT answers
    554 5.7.1 <name[address]>: Client host rejected: Access denied
(access_map_reject_code), DEFER the same with 450 4.7.1
(access_map_defer_code). All other actions of access(5) are possible, except
FILTER.

A table alone in a list stands for the check of that list: in the client list
hash:/etc/mailward/client_access means check_client_access
hash:/etc/mailward/client_access, and so with check_helo_access,
check_sender_access and check_recipient_access. In data, end_of_data and
classes it is an error.

A pattern that takes too long for a key is given up: 451 4.3.5, and the trace
names the pattern. Postfix: goes on for longer; here: bounded, because a
client must not keep the filter busy.
Postfix: reads tables made by postmap; here: the text files themselves,
because a forgotten postmap would leave an old table in force.
Postfix: leaves out faulty lines with a warning in its log; here: errors when
the configuration is loaded, because nobody reads that warning.
Postfix: a table alone in a class is checked as in the list that names the
class; here: an error, because it would mean different things.
Postfix: any code from 400 to 599 can be sent; here: 400 to 459 and 500 to
559, and others are errors at load, because the library that speaks the milter
protocol sends no others (RFC 5321 section 4.2.1 knows none).
Postfix: a restriction list in braces answers 451 4.3.5 at the mail; here: an
error at load, because it can never do what was meant.
Postfix: what a repeated group of a regexp: table matched is what POSIX says,
so $1 of /^(a*)*b@/ is aa for aab@; here: what Perl says, there nothing,
because PCRE2 carries out both types of patterns, with a bounded effort.
Postfix: the text that a pattern's group matched can be the action; here: only
part of the action's text, because a client must not choose what is done.

Example: check_client_access hash:/etc/mailward/client_access
";

const REVERSE_CLIENT: &str = "\
Looks up the client's PTR name, verified or not, then its address.

As check_client_access, with that name in place of the verified one. Replies
begin with
    554 5.7.1 <name>: Unverified Client host rejected:

Whoever owns an address can give it any name. So the table may refuse, but not
permit: an OK is warned of when the configuration is loaded, and answers 451
4.3.5 Server configuration error when it is found. Write DUNNO for an
exception.
Postfix: a restriction list on the right-hand side is possible as long as it
does not permit; here: an error at load, because what a list says is known
only at the mail.

Example: check_reverse_client_hostname_access
regexp:/etc/mailward/dynamic_names
";

const HELO: &str = "\
Looks up the HELO or EHLO name and its parent domains in an access table.

The keys are mail.example.net, example.net, net. A name that is an IP address
has no parents. With parent_domain_matches_subdomains = false the parents are
looked up as .example.net and .net. Tables of the types cidr:, regexp: and
pcre: see only the complete name. At RCPT TO, so with delay_reject = true, the
name is the one that Postfix shows: blanks and <>()\\\";@ are question marks.

Without HELO it says nothing. The actions are those of check_client_access;
replies begin with
    554 5.7.1 <name>: Helo command rejected:

Differences from Postfix: see check_client_access.

Example: check_helo_access hash:/etc/mailward/helo_access
";

const SENDER: &str = "\
Looks up the sender's address, domain and local part in an access table.

The keys are user+ext@mail.example.net, user@mail.example.net (with
recipient_delimiter), mail.example.net, example.net, net, user+ext@, user@.
The first entry that is found counts, so an entry of the domain hides one of
user@. The address is the one after Postfix's rewriting, in lower case; first
with the quotes that it needs, then without. With
parent_domain_matches_subdomains = false the parents are looked up as
.example.net and .net. Tables of the types cidr:, regexp: and pcre: see only
the complete address. The null sender has one key: <>.

The actions are those of check_client_access; replies begin with
    554 5.7.1 <address>: Sender address rejected:

Differences from Postfix: see check_client_access.

Example: check_sender_access hash:/etc/mailward/sender_access
";

const RECIPIENT: &str = "\
Looks up the recipient's address, domain and local part in an access table.

The keys are those of check_sender_access, the actions those of
check_client_access; replies begin with
    554 5.7.1 <address>: Recipient address rejected:

An OK, or a list that permits, for an address that after the MTA's rewriting
still says itself which way the mail should take (user%domain@example.net,
user@domain@example.net) counts as DUNNO, so that it opens no relay.

Differences from Postfix: see check_client_access.

Example: check_recipient_access pcre:/etc/mailward/recipient_access
";

#[derive(Debug)]
struct CheckAccess {
    subject: Subject,
    table: Arc<AccessTable>,
    parents: bool,
    delimiters: String,
    codes: MapCodes,
}

fn entry(arguments: &mut Arguments<'_>, subject: Subject) -> Result<Box<dyn Restriction>, Fault> {
    let table = arguments.table()?;
    if subject == Subject::ReverseClient {
        forbid_permits(arguments, &table)?;
    }
    let Settings { parent_domain_matches_subdomains: parents, recipient_delimiter, codes, .. } =
        arguments.settings();
    let (parents, delimiters, codes) = (*parents, recipient_delimiter.clone(), codes.of_tables());
    Ok(Box::new(CheckAccess { subject, table, parents, delimiters, codes }))
}

/// What a name that nobody vouches for cannot do, said at load.
pub(super) fn forbid_permits(arguments: &mut Arguments<'_>, table: &AccessTable) -> Result<(), Fault> {
    let name = arguments.name().text.clone();
    let mut permits: Vec<_> = table.entries().filter(|entry| entry.says == Says::Ok).collect();
    permits.sort_by_key(|entry| (entry.origin.line, entry.origin.column));
    for entry in permits {
        let message = format!("`OK` is not allowed in a table of {name}: anybody can choose this name");
        arguments.warn(Fault::warning(&entry.origin, 1, message).help("write `DUNNO` for an exception"));
    }
    let lists = table.entries().filter(|entry| matches!(entry.says, Says::Class(_)));
    match lists.min_by_key(|entry| (entry.origin.line, entry.origin.column)) {
        Some(entry) => {
            let message = format!("a restriction list is not possible in a table of {name}: it could permit");
            Err(Fault::error(&entry.origin, 1, message).help("write `REJECT`, `DEFER` or `DUNNO`"))
        }
        None => Ok(()),
    }
}

impl Restriction for CheckAccess {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let hit = match self.search(request) {
            Ok(Some(hit)) => hit,
            Ok(None) => return Ok(Action::Dunno),
            Err(gave_up) => {
                lookups.note(gave_up.to_string());
                return Ok(action::fault(self.subject, request));
            }
        };
        let key = text::escaped(&hit.key);
        lookups.note(format!("key `{key}` matches at {}", hit.entry.origin));
        let routed = self.subject == Subject::Recipient
            && request.recipient.is_some_and(|path| path.address.is_routed());
        match hit.action(self.subject, request, self.codes) {
            Action::Ok if self.subject == Subject::ReverseClient => {
                lookups
                    .note(format!("key `{key}` says OK at {}, which is not allowed here", hit.entry.origin));
                Ok(action::forbidden_ok())
            }
            Action::Ok if routed => {
                lookups.note(format!(
                    "key `{key}` says OK at {}, but the address chooses its own way",
                    hit.entry.origin
                ));
                Ok(Action::Dunno)
            }
            Action::Class { class, subject, .. } if routed => {
                Ok(Action::Class { class, subject, may_permit: false })
            }
            action => Ok(action),
        }
    }

    fn amends(&self) -> Amends {
        self.table.amends()
    }

    fn ends(&self, event: Option<Event>) -> Ends {
        let Some(says) = self.table.always() else { return Ends::Never };
        let is_there = match self.subject {
            Subject::Client => true,
            Subject::Sender => event >= Some(Event::Mail),
            Subject::Recipient => event == Some(Event::Rcpt),
            // A client need not say HELO.
            Subject::ReverseClient
            | Subject::Helo
            | Subject::SaslLogin
            | Subject::Data
            | Subject::EndOfData => false,
        };
        match says {
            _ if !is_there => Ends::Never,
            Says::Ok if self.subject == Subject::Recipient => Ends::PermitsOrdinary,
            Says::Ok => Ends::Permits,
            Says::Refuse(..) => Ends::Refuses,
            Says::Class(class) if self.subject != Subject::Recipient => Ends::As(*class),
            Says::Class(_)
            | Says::Dunno
            | Says::DeferIfPermit(_)
            | Says::DeferIfReject(_)
            | Says::Discard(_)
            | Says::Hold(_)
            | Says::Redirect(_)
            | Says::Bcc(_)
            | Says::Prepend { .. }
            | Says::Remark(..)
            | Says::Text(..) => Ends::Never,
        }
    }
}

impl CheckAccess {
    /// Looks up what is judged; nothing where there is nothing yet.
    fn search(&self, request: &Request<'_>) -> Found<'_> {
        let client = &request.session.client;
        let mail = |address: &Address| self.table.by_mail_address(address, &self.delimiters, self.parents);
        match self.subject {
            Subject::Client => self.table.by_client(&client.identity.name, client.address, self.parents),
            Subject::ReverseClient => {
                self.table.by_client(&client.identity.reverse_name, client.address, self.parents)
            }
            Subject::Helo => request.helo().map_or(Ok(None), |name| self.table.by_name(name, self.parents)),
            Subject::Sender => request.sender().map_or(Ok(None), |path| mail(&path.address)),
            Subject::Recipient => request.recipient.map_or(Ok(None), |path| mail(&path.address)),
            Subject::SaslLogin | Subject::Data | Subject::EndOfData => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
