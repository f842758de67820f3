//! `greylist_dnsbl_score`: greylists clients against whom DNS lists speak, but not enough to refuse them; RFC 6647
//! section 2.6.

use super::{
    Kind, Parse, Restriction,
    args::Arguments,
    greylist::Greylist,
    scored_list::{self, ScoredList},
};
use crate::{
    decision::action::{Action, Amends},
    lookup::{Lookups, Pending, dnsxl::ListUse},
    origin::Fault,
    request::{Event, Request},
};
use std::sync::Arc;

const MANUAL: &str = "\
Greylists clients whose weighted sum over several DNS lists is high enough.

Reply: as of `greylist`, whose manual says everything else.

The sites and their weights stand in a section [dnsbl.NAME], as those of
reject_dnsbl_score, whose manual explains them:
    [dnsbl.main]
    sites = [\"zen.spamhaus.org=127.0.0.[2..11]*3\", \"bl.spamcop.net*2\",
             \"list.dnswl.org=127.0.[0..255].[1..3]*-4\"]
    reject_at = 3
    greylist_at = 1
From greylist_at on the client is greylisted; with less it passes at once.
Behind reject_dnsbl_score with the same NAME it sees only clients below
reject_at, and no list is asked a second time. While a client waits, its
address may come to stand on further lists.

A site that does not answer, or is set aside, counts nothing: greylisting
never depends on a list being there. To greylist all clients without a name
too, put greylist_unknown_client_hostname behind it.

Example: recipient = [\"permit_mynetworks\", \"reject_dnsbl_score main\",
                      \"greylist_dnsbl_score main\"]
";

pub(super) static KINDS: &[Kind] = &[Kind {
    name: "greylist_dnsbl_score",
    aliases: &[],
    usage: "NAME",
    needs: Event::Rcpt,
    manual: MANUAL,
    parse: Parse::Entry(parse),
}];

fn parse(arguments: &mut Arguments<'_>) -> Result<Box<dyn Restriction>, Fault> {
    let (list, word) = scored_list::named(arguments)?;
    let settings = arguments.settings();
    let Some(greylist_at) = list.greylist_at else {
        let fault = word.error(format!("the scored list `{}` greylists nobody", word.text));
        return Err(fault.help(format!("set greylist_at in [dnsbl.{}]", word.text)));
    };
    Ok(Box::new(GreylistDnsblScore { list, greylist_at, greylist: Greylist::everybody(settings) }))
}

#[derive(Debug)]
struct GreylistDnsblScore {
    list: Arc<ScoredList>,
    greylist_at: i64,
    greylist: Greylist,
}

impl Restriction for GreylistDnsblScore {
    fn check(&self, request: &Request<'_>, lookups: &mut Lookups<'_>) -> Result<Action, Pending> {
        if self.greylist.skips(request, lookups) {
            return Ok(Action::Dunno);
        }
        let Some(address) = request.session.client.address else { return Ok(Action::Dunno) };
        let score = self.list.score(address, lookups)?;
        lookups.note(score.reason);
        if score.total < self.greylist_at {
            return Ok(Action::Dunno);
        }
        self.greylist.observe(request, lookups)
    }

    fn amends(&self) -> Amends {
        self.greylist.amends()
    }

    fn lists(&self) -> Vec<ListUse> {
        self.list.lists()
    }

    fn greylists(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        lookup::{
            Lookup, Lookups,
            answers::{Answer, Answers},
            greylist::{Greylisted, Wait},
        },
        origin::{Origin, Word},
        restriction::{
            args::Settings,
            scored_list::{ScoredList, Site},
        },
        table::memory::message,
        testing::{Mail, rule_said, rule_with, zone},
    };
    use std::time::Duration;

    fn settings(greylist_at: Option<i64>) -> Settings {
        let site = |text: &str| Word { text: text.to_owned(), origin: Origin::new("t", 3, 5) };
        let sites = ["bl.example=127.0.0.2*2", "wl.example=127.0.0.2*-2"];
        let sites = sites.map(|text| Site::parse(&site(text)).unwrap()).into();
        let mut settings = Settings::default();
        let list = ScoredList { sites, greylist_at, reject_at: 9, ..ScoredList::default() };
        settings.dnsbl.insert("main".to_owned(), list.into());
        settings
    }

    fn dns(listed: &str, allowed: &str) -> Answers {
        zone(&format!("A 1.2.0.192.bl.example {listed}; A 1.2.0.192.wl.example {allowed}"))
    }

    /// What the entry says with these answers of DNS, and the greylist's to whatever it is asked.
    fn says(greylist_at: i64, mail: &Mail, mut answers: Answers, said: Greylisted) -> String {
        let rule = rule_with("greylist_dnsbl_score main", &settings(Some(greylist_at))).unwrap();
        let mut lookups = Lookups::new(&answers);
        let asked = rule.check(&mail.request(), &mut lookups);
        let wanted = lookups.take_wanted();
        if asked.is_err() {
            wanted.into_iter().for_each(|l| answers.insert(l, Answer::Greylist(said), Duration::ZERO));
        }
        rule_said(rule.as_ref(), mail, &answers)
    }

    const NEW: Greylisted = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };
    const DEFERS: &str = "defer_if_permit 450 4.2.0 <to@rcpt.example>: Recipient address rejected: \
                          Greylisted, please try again in 4 minutes";

    #[test]
    fn from_the_score_on_a_client_is_greylisted() {
        let cases = [
            (2, "127.0.0.2", "NOTFOUND", DEFERS),
            (3, "127.0.0.2", "NOTFOUND", "dunno"),
            (1, "127.0.0.2", "127.0.0.2", "dunno"),
            (1, "NOTFOUND", "NOTFOUND", "dunno"),
            (1, "127.0.0.9", "NOTFOUND", "dunno"),
            // What does not answer counts nothing.
            (1, "TEMPORARY", "NOTFOUND", "dunno"),
            (1, "SETASIDE", "NOTFOUND", "dunno"),
            (1, "127.0.0.2", "TEMPORARY", DEFERS),
        ];
        for (at, listed, allowed, want) in cases {
            assert_eq!(says(at, &Mail::new(), dns(listed, allowed), NEW), want, "{at} {listed} {allowed}");
        }
        assert_eq!(says(2, &Mail::new(), dns("127.0.0.2", "NOTFOUND"), Greylisted::Known), "dunno");
    }

    #[test]
    fn the_greylist_is_asked_last_and_only_about_clients_with_the_score() {
        let rule = rule_with("greylist_dnsbl_score main", &settings(Some(1))).unwrap();
        let asked = |dns: &Answers| {
            let mail = Mail::new();
            let mut lookups = Lookups::new(dns);
            let said = rule.check(&mail.request(), &mut lookups);
            (said.is_ok(), lookups.take_wanted().iter().map(Lookup::writes).collect::<Vec<_>>())
        };
        assert_eq!(asked(&zone("")), (false, vec![false, false]));
        assert_eq!(asked(&dns("127.0.0.2", "NOTFOUND")), (false, vec![true]));
        assert_eq!(asked(&dns("NOTFOUND", "NOTFOUND")), (true, vec![]));
        assert_eq!(rule.lists().len(), 2);
        assert!(rule.greylists());
    }

    #[test]
    fn whom_the_greylist_passes_is_asked_about_nowhere() {
        let mut cleared = Mail::new();
        cleared.envelope.greylist_passed = true;
        for mail in [cleared, Mail { recipient: None, ..Mail::new() }] {
            assert_eq!(says(1, &mail, zone(""), NEW), "dunno");
        }
    }

    #[test]
    fn a_list_without_greylist_at_is_an_error() {
        let fault = |line, settings: &Settings| message(&rule_with(line, settings).unwrap_err());
        assert_eq!(
            fault("greylist_dnsbl_score main", &settings(None)),
            "test.toml:1:22+4 error: the scored list `main` greylists nobody (set greylist_at in [dnsbl.main])"
        );
        assert_eq!(
            fault("greylist_dnsbl_score mian", &settings(None)),
            "test.toml:1:22+4 error: there is no scored list `mian` (did you mean `main`?)"
        );
    }
}
