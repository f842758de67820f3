//! `reject_rbl_client` of postconf(5), with its old name reject_rbl.

use super::{Kind, Parse, Restriction, args::Arguments, block_list::BlockList};
use crate::{
    decision::action::Action,
    lookup::{
        Lookups, Pending,
        dnsxl::{self, ListKind, ListUse},
    },
    origin::Fault,
    request::{Event, Request, subject::Subject},
};

const MANUAL: &str = "\
Refuses a client whose address is on a DNS block list.

Reply: 554 5.7.1 Service unavailable; Client host [address] blocked using
       bl.spamcop.net; the list's text
The code is maps_rbl_reject_code, the words are default_rbl_reply or, for a
list that stands there, rbl_reply_maps. In these templates $name, ${name} and
$(name) are values; ${name?text}, ${name:else}, ${name?{text}:{else}} and
${{a} == {b} ? {text} : {else}} (also != < <= >= >) choose; $$ is a dollar.
The names: rbl_code, rbl_class, rbl_what, rbl_domain, rbl_reason (also
rbl_txt), client, client_name, client_address, client_port,
reverse_client_name, helo_name, sender, sender_name, sender_domain, recipient,
recipient_name, recipient_domain, server_name, localtime.

Asked is 1.2.0.192.bl.spamcop.net for 192.0.2.1, and the 32 hexadecimal digits
in reverse for an IPv6 address. An answer within 127.0.0.0/8 is a listing,
unless the list's name is followed by a filter:
zen.spamhaus.org=127.0.0.[2..11] counts only these answers. A filter is four
numbers, each alone or a list in brackets such as [2;4;10..12]. Use one where
it is known: not every answer of a list means that mail should be refused.
127.255.255.0/24, the error codes of many lists, is never a listing.

Lists are watched: one that cannot be believed is set aside until it behaves
again, see the topic dns_lists (`mailward restrictions dns_lists`).
When DNS does not answer, or the list is set aside: DUNNO. The reply shows the
list's text (TXT records), joined with ` / ` and cut at 500 bytes.

Postfix: asks one list after the other, and for the text of every answer;
here: all lists at once, and the text only of what is refused, because a mail
then waits for two answers at most. lookahead = false asks as Postfix.
Postfix: any answer is a listing; here: not 127.255.255.0/24 and nothing
outside of 127.0.0.0/8, because a list that fails would refuse all mail.
Postfix: shows the first string of a TXT record (up to 3.7); here: all of
them, because Postfix does so since.
Postfix: tries the list without its filter in rbl_reply_maps since 3.10;
here: always, because it is what one expects.
Postfix: takes its default reply in place of a faulty template in
rbl_reply_maps; here: an error at load, because nobody reads the warning.
Postfix: $localtime is in local time; here: in UTC, because a decision knows
no time zone.

Example: reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_rbl_client",
    aliases: &["reject_rbl"],
    usage: "domain[=filter]",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    Ok(Box::new(RejectRblClient(BlockList::parse(arguments, ListKind::Address)?)))
}

#[derive(Debug)]
struct RejectRblClient(BlockList);

impl Restriction for RejectRblClient {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let client = &request.session.client;
        let Some(address) = client.address else { return Ok(Action::Dunno) };
        let query = dnsxl::address_query(address, self.0.zone());
        self.0.check(query, (Subject::Client, &client.address_text()), request, lookups)
    }

    fn lists(&self) -> Vec<ListUse> {
        self.0.uses()
    }

    fn shown(&self) -> Option<&str> {
        self.0.shown()
    }
}

#[cfg(test)]
mod tests;
