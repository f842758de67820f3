//! `reject_dnsbl_score`: DNS lists with weights, as postscreen(8) has them, but at any stage.

use super::{
    Kind, Parse, Restriction,
    args::Arguments,
    scored_list::{self, ScoredList},
};
use crate::{
    decision::action::Action,
    lookup::{Lookups, Pending, dnsxl::ListUse},
    origin::Fault,
    request::{Event, Request},
    smtp::reply::{Enhanced, Reply, ReplyCode},
};
use std::sync::Arc;

const MANUAL: &str = "\
Refuses a client whose weighted sum over several DNS lists is too high.

Reply: 550 5.7.1 Service unavailable; client [address] blocked using
       zen.spamhaus.org
The sites and their weights stand in a section [dnsbl.NAME]:
    [dnsbl.main]
    sites = [\"zen.spamhaus.org=127.0.0.[2..11]*3\", \"bl.spamcop.net*2\",
             \"list.dnswl.org=127.0.[0..255].[1..3]*-4\"]
    reject_at = 3
Each site that lists the client adds its weight once, 1 if none is written; a
negative weight speaks for the client. A domain that stands there several
times, with different filters, is asked once. From reject_at on the client is
refused. The reply names the heaviest site that lists the client; `show` gives
it another name, and the key of a paid list is never shown:
    show = { \"secret.zen.dq.spamhaus.net\" = \"zen.spamhaus.org\" }

A site that does not answer, or is set aside, counts nothing.

Postfix: postscreen(8) asks before the SMTP dialogue, and drops or refuses as
postscreen_dnsbl_action says; here: an entry of a list, because exceptions
can then stand before it, and the log shows sender and recipient.
Postfix: stops waiting after postscreen_dnsbl_timeout; here: at
decision_deadline, because all lookups of an event share one time limit.

Example: recipient = [\"permit_mynetworks\", \"reject_dnsbl_score main\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "reject_dnsbl_score",
    aliases: &[],
    usage: "NAME",
    needs: Event::Connect,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let (list, _) = scored_list::named(arguments)?;
    Ok(Box::new(RejectDnsblScore { list }))
}

#[derive(Debug)]
struct RejectDnsblScore {
    list: Arc<ScoredList>,
}

impl Restriction for RejectDnsblScore {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        let client = &request.session.client;
        let Some(address) = client.address else { return Ok(Action::Dunno) };
        let score = self.list.score(address, lookups)?;
        lookups.note(score.reason);
        let Some(shown) = score.shown.filter(|_| score.total >= self.list.reject_at) else {
            return Ok(Action::Dunno);
        };
        let text = format!("Service unavailable; client [{}] blocked using {shown}", client.address_text());
        Ok(Action::Reject(Reply::new(ReplyCode::known(550), Enhanced::new(7, 1), &text)))
    }

    fn lists(&self) -> Vec<ListUse> {
        self.list.lists()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        lookup::Lookups,
        origin::{Origin, Word},
        restriction::{
            args::Settings,
            scored_list::{ScoredList, Site},
        },
        smtp::domain::Domain,
        table::memory::message,
        testing::{Mail, rule_with, said_with, zone},
    };

    fn word(text: &str) -> Word {
        Word { text: text.to_owned(), origin: Origin::new("t", 3, 5) }
    }

    fn settings(reject_at: i64) -> Settings {
        let sites = [
            "a.example=127.0.0.[2..3]*3",
            "a.example=127.0.0.[3..4]*2",
            "b.example",
            "key.zen.dq.spamhaus.net=127.0.0.2*4",
            "wl.example=127.0.0.2*-5",
        ];
        let sites = sites.map(|site| Site::parse(&word(site)).unwrap()).into();
        let mut list = ScoredList { sites, reject_at, ..ScoredList::default() };
        list.show.insert(Domain::for_query("b.example").unwrap(), "other.example".into());
        let mut settings = Settings::default();
        settings.dnsbl.insert("main".to_owned(), list.into());
        settings
    }

    fn dns(answers: [&str; 4]) -> String {
        let sites = ["a.example", "b.example", "key.zen.dq.spamhaus.net", "wl.example"];
        let lines = sites.iter().zip(answers).map(|(site, answer)| format!("A 1.2.0.192.{site} {answer}"));
        lines.collect::<Vec<_>>().join(";")
    }

    #[test]
    fn weights_add_up_and_the_heaviest_site_is_named() {
        let no = "NOTFOUND";
        let cases = [
            ([no, no, no, no], 0, ""),
            (["127.0.0.2", no, no, no], 3, "a.example"),
            (["127.0.0.3", no, no, no], 5, "a.example"),
            (["127.0.0.2, 127.0.0.3", no, no, no], 5, "a.example"),
            (["127.0.0.9", no, no, no], 0, ""),
            ([no, "127.0.0.9", no, no], 1, "other.example"),
            ([no, "127.0.0.9", "127.0.0.2", no], 5, "zen.dq.spamhaus.net"),
            (["127.0.0.2", "127.0.0.9", no, "127.0.0.2"], -1, ""),
            (["127.0.0.3", "127.0.0.9", no, "127.0.0.2"], 1, "a.example"),
            (["TEMPORARY", "127.0.0.9", "FAILED", "SETASIDE"], 1, "other.example"),
        ];
        for (answers, total, shown) in cases {
            let dns = zone(&dns(answers));
            for reject_at in 1..6 {
                let want = if total >= reject_at {
                    format!("reject 550 5.7.1 Service unavailable; client [192.0.2.1] blocked using {shown}")
                } else {
                    "dunno".to_owned()
                };
                let said = said_with("reject_dnsbl_score main", &settings(reject_at), &Mail::new(), &dns);
                assert_eq!(said, want, "{answers:?} {reject_at}");
            }
        }
    }

    #[test]
    fn every_domain_is_asked_once_and_all_at_once() {
        let (mail, dns) = (Mail::new(), zone(""));
        let rule = rule_with("reject_dnsbl_score main", &settings(1)).unwrap();
        let mut lookups = Lookups::new(&dns);
        assert!(rule.check(&mail.request(), &mut lookups).is_err());
        assert_eq!(lookups.take_wanted().len(), 4);
        let zones: Vec<String> = rule.lists().iter().map(|used| used.zone.to_string()).collect();
        assert_eq!(zones, ["a.example", "b.example", "key.zen.dq.spamhaus.net", "wl.example"]);
        assert_eq!(rule.lists().iter().filter(|used| used.allows).count(), 1);
    }

    #[test]
    fn the_reason_shows_the_score_and_no_key() {
        let (mail, dns) = (Mail::new(), zone(&dns(["127.0.0.3", "NOTFOUND", "127.0.0.2", "SETASIDE"])));
        let mut lookups = Lookups::new(&dns);
        let rule = rule_with("reject_dnsbl_score main", &settings(1)).unwrap();
        assert!(rule.check(&mail.request(), &mut lookups).is_ok());
        let want = "score 9 (a.example +3, a.example +2, zen.dq.spamhaus.net +4, wl.example set aside)";
        assert_eq!(lookups.take_used().1.as_deref(), Some(want));
    }

    #[test]
    fn what_is_no_list_or_no_site_is_an_error() {
        let fault = rule_with("reject_dnsbl_score mian", &settings(1)).unwrap_err();
        let want = "test.toml:1:20+4 error: there is no scored list `mian` (did you mean `main`?)";
        assert_eq!(message(&fault), want);
        let fault = rule_with("reject_dnsbl_score x", &Settings::default()).unwrap_err();
        let want = "test.toml:1:20+1 error: there is no scored list `x` \
                    (write its sites below [dnsbl.x], such as `sites = [\"zen.spamhaus.org=127.0.0.[2..11]*3\"]`)";
        assert_eq!(message(&fault), want);
        let cases = [
            (
                "a.example*x",
                "t:3:15+1 error: `x` is not a weight (write a whole number, such as `*2` or `*-4`)",
            ),
            (
                "a.example*",
                "t:3:15+1 error: `` is not a weight (write a whole number, such as `*2` or `*-4`)",
            ),
            (
                "a.example=127.0.0.[3..2]*2",
                "t:3:27+1 error: the range goes down from 3 to 2 \
                 (write four numbers, each alone or as a list, such as `127.0.0.[2;4;10..12]`)",
            ),
        ];
        for (site, want) in cases {
            assert_eq!(message(&Site::parse(&word(site)).unwrap_err()), want);
        }
    }
}
