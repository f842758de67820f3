//! `check_header`, `check_mime_header`, `check_nested_header`: Postfix's header_checks(5).

use super::{Kind, Parse, Restriction, args::Arguments, content::Looks};
use crate::{
    decision::action::{Action, Amends},
    header_checks::{Class, Found, Use},
    lookup::{Lookups, Pending},
    origin::{Fault, Word},
    request::{Event, Request},
    smtp::reply::{Enhanced, Reply, ReplyCode},
};

const HEADER: &str = "\
Looks up every header field in a table of header_checks(5).

The table is one of the types regexp: and pcre:, as header_checks of main.cf
names it. It is asked for each field of the message's header, of its parts and
of attached messages: one field with all its lines, as `Name: value`, the
lines parted by line ends. The first rule that matches counts. As in Postfix
the table is not asked for MIME fields if there is a check_mime_header in the
policy, nor for attached messages if there is a check_nested_header.

REJECT answers
    550 5.7.1 message content rejected
or its own text; a status before the text counts, and one that begins with 4
makes the answer 451. DISCARD drops the message, PASS permits: the rest of
the list is not asked. HOLD, REDIRECT, BCC, WARN and INFO do what they do in
Postfix. PREPEND, REPLACE, IGNORE and STRIP change the message's own header at
its end; a field of a part cannot be changed by a milter, which is logged as
`unchanged:` and counted. FILTER is an error when the table is loaded.

A pattern that takes too long for a field is given up: 451 4.3.5.
Postfix: PASS turns off body_checks and all milters, too; here: it ends the
list, because a milter commands neither body_checks nor other milters.
Postfix: asks its tables in turn for each field; here: one entry of the list
after the other, because each is an entry of its own.
Postfix: sees its own Received field, Bcc, Content-Length and Return-Path;
here: not, because Postfix tells no milter of them.
Postfix: an action that is none is logged and the mail accepted; here: an
error when the table is loaded, because nobody reads that warning.

Example: check_header pcre:/etc/postfix/header_checks
";

const MIME: &str = "\
Looks up the MIME fields of a message and all fields of its parts in a table.

As mime_header_checks of main.cf: Content-Type, Content-Disposition,
Content-Transfer-Encoding, Content-Description, Content-ID and MIME-Version
wherever they stand, and every field in the header of a part. Table, actions
and differences are those of check_header, which is not asked for these fields
any more.

Example: check_mime_header pcre:/etc/postfix/mime_header_checks
";

const NESTED: &str = "\
Looks up the header fields of attached messages in a table.

As nested_header_checks of main.cf: every field of a message that is attached
as message/rfc822, but the MIME fields. Table, actions and differences are
those of check_header, which is not asked for these fields any more.

Example: check_nested_header regexp:/etc/postfix/nested_header_checks
";

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "check_header",
        aliases: &[],
        usage: "type:table",
        needs: Event::EndOfMessage,
        manual: HEADER,
        parse: Parse::Entry(|arguments| parse(arguments, Class::Primary)),
    },
    Kind {
        name: "check_mime_header",
        aliases: &[],
        usage: "type:table",
        needs: Event::EndOfMessage,
        manual: MIME,
        parse: Parse::Entry(|arguments| parse(arguments, Class::Mime)),
    },
    Kind {
        name: "check_nested_header",
        aliases: &[],
        usage: "type:table",
        needs: Event::EndOfMessage,
        manual: NESTED,
        parse: Parse::Entry(|arguments| parse(arguments, Class::Nested)),
    },
];

fn parse(arguments: &mut Arguments<'_>, class: Class) -> Result<Box<dyn Restriction>, Fault> {
    let (word, table) = arguments.header_table()?;
    if class != Class::Primary && table.edits() {
        arguments.warn(unchangeable(&word, class));
    }
    Ok(Box::new(CheckHeader(Use { table, class })))
}

/// What is known at load of changes that cannot be made.
fn unchangeable(word: &Word, class: Class) -> Fault {
    let message = match class {
        Class::Nested => "a milter cannot change the fields of an attached message",
        Class::Mime | Class::Primary => "a milter cannot change the fields of a part, only the message's own",
    };
    let fault = Fault::warning(&word.origin, word.text.chars().count(), message);
    fault.help("keep PREPEND, REPLACE, IGNORE and STRIP for parts in main.cf")
}

#[derive(Debug)]
struct CheckHeader(Use);

impl Restriction for CheckHeader {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let Some(message) = request.message else { return Ok(Action::Dunno) };
        if message.given_up {
            lookups.note("the message took too long to look at".to_owned());
            const CODE: ReplyCode = ReplyCode::known(451);
            return Ok(Action::Reject(Reply::new(CODE, Enhanced::new(3, 0), "Message cannot be examined")));
        }
        let answers = message.facts::<Found>().and_then(|found| found.by(&self.0));
        let Some(answers) = answers.filter(|answers| !answers.actions.is_empty()) else {
            return Ok(Action::Dunno);
        };
        if let Some(reason) = &answers.reason {
            lookups.note(reason.clone());
        }
        Ok(match answers.actions.as_slice() {
            [action] => action.clone(),
            actions => Action::Several(actions.to_vec()),
        })
    }

    fn amends(&self) -> Amends {
        self.0.table.amends()
    }

    fn looks(&self) -> Option<Looks> {
        Some(Looks::Headers(self.0.clone()))
    }
}

#[cfg(test)]
mod tests;
