//! A block list behind a restriction's name: what `reject_rbl_client` and the `reject_rhsbl_` restrictions share,
//! smtpd_check.c rbl_reject_reply().

use super::{
    args::Arguments,
    list::{List, Listing},
    rbl_reply::{Context, ReplyTemplate},
};
use crate::{
    decision::action::Action,
    lookup::{
        Lookups, Pending,
        dnsxl::{ListKind, ListUse},
    },
    origin::Fault,
    request::{Request, subject::Subject},
    smtp::{domain::Domain, reply::ReplyCode},
};
use std::sync::Arc;

/// A list that refuses, with the reply for it.
#[derive(Debug)]
pub(super) struct BlockList {
    list: List,
    reply: Arc<ReplyTemplate>,
    /// The entry as logs show it; `None` where that is as it is written.
    entry: Option<String>,
    code: ReplyCode,
}

impl BlockList {
    /// Reads `domain` or `domain=filter`, and finds the reply for it.
    ///
    /// # Errors
    /// When there is no such list.
    pub(super) fn parse(arguments: &mut Arguments<'_>, kind: ListKind) -> Result<Self, Fault> {
        let word = arguments.word("a list").map_err(|fault| {
            let example = match kind {
                ListKind::Address => "zen.spamhaus.org=127.0.0.[2..11]",
                ListKind::Name => "dbl.spamhaus.org=127.0.1.[2..99]",
            };
            fault.help(format!("write `{} {example}`", arguments.name().text))
        })?;
        let list = List::parse(&word, kind, false)?;
        let reply = match arguments.settings().rbl_reply(&word, &list) {
            Ok(reply) => reply,
            // The fault is the table's: it is shown there, and this entry has none.
            Err(fault) => {
                arguments.warn(fault);
                arguments.settings().rbl_replies.default.clone()
            }
        };
        if let Some(fault) = list.doubts() {
            arguments.warn(fault);
        }
        if list.has_key() && reply.shows_domain {
            let message = format!("replies would show the key of `{}`", list.shown());
            let fault = Fault::warning(&list.used.origin, list.written.chars().count(), message);
            arguments
                .warn(fault.help("give the list a reply of its own in rbl_reply_maps, without $rbl_domain"));
        }
        let entry = list.entry(&arguments.name().text, &word.text);
        let code = arguments.settings().codes.maps_rbl_reject_code;
        Ok(Self { list, reply, entry, code })
    }

    /// Its domain, as asked.
    pub(super) fn zone(&self) -> &Domain {
        &self.list.used.zone
    }

    /// How it is used, for the watch on the lists.
    pub(super) fn uses(&self) -> Vec<ListUse> {
        vec![self.list.used.clone()]
    }

    /// The entry as logs show it.
    pub(super) fn shown(&self) -> Option<&str> {
        self.entry.as_deref()
    }

    /// Refuses `what`, if the list has the queried name.
    pub(super) fn check(
        &self,
        query: Option<Domain>,
        (subject, what): (Subject, &str),
        request: &Request<'_>,
        lookups: &mut Lookups<'_>,
    ) -> Result<Action, Pending> {
        let reason = match self.list.ask(query, self.reply.asks_text, lookups)? {
            Listing::Listed { text } => text,
            Listing::NotListed | Listing::SetAside | Listing::Unknown => return Ok(Action::Dunno),
        };
        let context =
            Context { request, subject, what, domain: &self.list.written, reason: &reason, code: self.code };
        Ok(Action::Reject(self.reply.reply(&context)))
    }
}
