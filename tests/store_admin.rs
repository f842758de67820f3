//! What every store of the greylist must do for an administrator: lists, steps, what comes from elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    greylist::{Settings, identity::Prefixes},
    lookup::greylist::{Observation, Voucher},
    store::{
        Between, Entry, Exemption, ExemptionKind, Filter, Forgotten, GreylistStore, KnownClient, KnownKey,
        Merged, Record, RowKey,
    },
    time::Timestamp,
};
use support::{
    directory::Directory,
    greylist::{T, attempt, contract, exemption, known_by, say, says, sqlite},
};

const HOUR: i64 = 3_600;

contract! {
    exemptions_are_listed_and_taken_back,
    many_rows_are_changed_in_steps_and_paged_in_order,
    who_is_forgotten_waits_again,
    known_clients_are_forgotten_with_their_rows_and_without,
    many_known_clients_are_forgotten_in_steps,
    records_from_elsewhere_are_taken_over_once_and_only_help,
    exemptions_from_elsewhere_lengthen_only,
    first_retries_are_counted_when_they_pass,
}

mod contract {
    use super::*;

    pub(super) async fn exemptions_are_listed_and_taken_back(store: &dyn GreylistStore) {
        let all = [
            exemption(ExemptionKind::Open, "to@rcpt.example", Some(60)),
            exemption(ExemptionKind::OptIn, "rcpt.example", None),
            exemption(ExemptionKind::OptOut, "to@rcpt.example", None),
        ];
        for one in all.clone() {
            store.exempt(one).await.unwrap();
        }
        let listed = |after| store.exemptions(Timestamp(T + after));
        assert_eq!(listed(59).await.unwrap(), [all[0].clone(), all[1].clone(), all[2].clone()]);
        assert_eq!(listed(60).await.unwrap(), [all[1].clone(), all[2].clone()]);
        assert_eq!(store.revoke("to@rcpt.example".to_owned()).await.unwrap(), 2);
        assert_eq!(store.revoke("to@rcpt.example".to_owned()).await.unwrap(), 0);
        assert_eq!(listed(0).await.unwrap(), [all[1].clone()]);
        assert_eq!(say(store, attempt("a@x.example", 0)).await, "New 240");
    }

    /// A row of a client with a number, waiting since T.
    fn numbered(number: usize) -> Record {
        Record::Row(Entry {
            client: format!("ptr:{number:05}.example"),
            sender: format!("{}@x.example", number % 2),
            recipient: "to@rcpt.example".to_owned(),
            first_seen: Timestamp(T),
            last_seen: Timestamp(T),
            passed_at: None,
            deferred: 1,
            passed: 0,
            last_ip: None,
            last_name: None,
            origin: "import:test".to_owned(),
        })
    }

    async fn import(store: &dyn GreylistStore, records: Vec<Record>) -> Merged {
        store.import(records, Settings::default().ages(), Timestamp(T + 60)).await.unwrap()
    }

    pub(super) async fn many_rows_are_changed_in_steps_and_paged_in_order(store: &dyn GreylistStore) {
        let rows = 20_500;
        let added = import(store, (0..rows).map(numbered).collect()).await;
        assert_eq!(added, Merged { added: 20_500, ..Merged::default() });
        let sender = |sender: &str| Filter {
            between: vec![Between { sender: Some(sender.to_owned()), recipient: None }],
            ..Filter::default()
        };
        assert_eq!(store.pass(sender("0@x.example"), Timestamp(T + 9)).await.unwrap(), rows / 2);
        assert_eq!(store.pass(sender("0@x.example"), Timestamp(T + 9)).await.unwrap(), 0);
        let old = Filter { seen_before: Some(Timestamp(T + 1)), ..Filter::default() };
        let forget = async |filter| store.forget(filter, Prefixes::default()).await.unwrap().rows;
        assert_eq!(forget(old).await, rows / 2);
        let client = Filter { client: Some("ptr:00002.example".to_owned()), ..Filter::default() };
        assert_eq!(forget(client).await, 1);
        let new = Filter { seen_after: Some(Timestamp(T + 1)), limit: Some(1), ..Filter::default() };
        assert_eq!(store.list(new).await.unwrap().len(), 1);
        let (mut key, mut paged) = (None, Vec::new());
        loop {
            let page = store.rows_after(key, 1_000).await.unwrap();
            let Some(last) = page.last() else { break };
            let Entry { client, sender, recipient, .. } = last.clone();
            key = Some(RowKey { client, sender, recipient });
            paged.extend(page.into_iter().map(|row| row.client));
        }
        assert!(paged.is_sorted() && paged.len() == rows / 2 - 1);
    }

    pub(super) async fn who_is_forgotten_waits_again(store: &dyn GreylistStore) {
        let both = |after| Observation {
            clients: vec!["ptr:example.org".to_owned(), "192.0.2.0/24".to_owned()],
            vouchers: [
                ("192.0.2.1", "", 2),
                ("ptr:example.org", "x.example", 1),
                ("192.0.2.0/24", "x.example", 1),
            ]
            .map(|(client, domain, passes)| Voucher {
                client: client.to_owned(),
                sender_domain: domain.to_owned(),
                passes,
            })
            .into(),
            ..attempt("a@x.example", after)
        };
        let of = |client: Option<&str>, sender: Option<&str>| Filter {
            client: client.map(str::to_owned),
            between: sender.map(|sender| between(sender, "")).into_iter().collect(),
            ..Filter::default()
        };
        for (round, filter) in (0..).zip([
            of(Some("192.0.2.1"), None),
            of(Some("ptr:example.org"), None),
            of(None, Some("@x.example")),
            of(Some("192.0.2.1"), Some("a@x.example")),
        ]) {
            let begin = round * 10 * HOUR;
            assert_eq!(say(store, both(begin)).await, "New 240", "{filter:?}");
            assert_eq!(say(store, both(begin + 240)).await, "opened 240");
            assert_eq!(say(store, both(begin + 241)).await, "Known");
            let forgotten = store.forget(filter.clone(), Prefixes::default()).await.unwrap();
            assert_eq!(forgotten.rows, 1, "{filter:?}");
            assert!(forgotten.known_clients.unwrap() > 0, "{filter:?}");
        }
    }

    fn known(client: &str, sender_domain: &str, last: i64) -> Record {
        Record::Known(KnownClient {
            client: client.to_owned(),
            sender_domain: sender_domain.to_owned(),
            passes: 2,
            last_pass: Timestamp(T - last),
            first_seen: Timestamp(T - last),
            last_seen: Timestamp(T - last),
            hits: 0,
            origin: "import:test".to_owned(),
        })
    }

    /// Two passed rows and ten known clients.
    fn clients() -> Vec<Record> {
        let row = |client: &str, address: &str| {
            Record::Row(Entry {
                client: client.to_owned(),
                sender: "a@x.example".to_owned(),
                recipient: "to@rcpt.example".to_owned(),
                first_seen: Timestamp(T - 900),
                last_seen: Timestamp(T),
                passed_at: Some(Timestamp(T - 500)),
                deferred: 1,
                passed: 1,
                last_ip: Some(address.to_owned()),
                last_name: None,
                origin: "import:test".to_owned(),
            })
        };
        vec![
            row("192.0.2.0/24", "192.0.2.1"),
            row("ptr:mx.example", "203.0.113.5"),
            known("192.0.2.0/24", "x.example", 0),
            known("192.0.2.0/24", "y.example", 0),
            known("192.0.2.1", "", 0),
            known("192.0.2.9", "", 5 * HOUR),
            known("198.51.100.0/24", "x.example", 0),
            known("198.51.100.1", "", 0),
            known("2001:db8::/64", "", 0),
            known("2001:db8::/64", "x.example", 0),
            known("203.0.113.5", "", 0),
            known("ptr:mx.example", "x.example", 0),
        ]
    }

    /// From whom to whom; empty: whoever it may be.
    fn between(sender: &str, recipient: &str) -> Between {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Between { sender: given(sender), recipient: given(recipient) }
    }

    async fn known_keys(store: &dyn GreylistStore) -> Vec<String> {
        let all = store.known_after(None, 100).await.unwrap();
        all.into_iter().map(|known| format!("{} {}", known.client, known.sender_domain)).collect()
    }

    pub(super) async fn known_clients_are_forgotten_with_their_rows_and_without(store: &dyn GreylistStore) {
        let of = |client: &str, sender: &str| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let between = given(sender).map(|sender| between(&sender, "")).into_iter().collect();
            Filter { client: given(client), between, ..Filter::default() }
        };
        let at = |after| Some(Timestamp(T + after));
        let network = ["192.0.2.0/24 x.example", "192.0.2.0/24 y.example"];
        let cases: [(Filter, usize, Option<&[&str]>); 18] = [
            (of("192.0.2.1", ""), 1, Some(&[network[0], network[1], "192.0.2.1 "])),
            // Nothing but its known clients is left of it.
            (of("192.0.2.9", ""), 0, Some(&[network[0], network[1], "192.0.2.9 "])),
            (of("192.0.2.0/24", ""), 1, Some(&[network[0], network[1], "192.0.2.1 ", "192.0.2.9 "])),
            (of("192.0.0.0/16", ""), 0, Some(&[])),
            (of("ptr:mx.example", ""), 1, Some(&["203.0.113.5 ", "ptr:mx.example x.example"])),
            // Its row stands under its name.
            (of("203.0.113.5", ""), 1, Some(&["203.0.113.5 ", "ptr:mx.example x.example"])),
            (of("2001:db8::7", ""), 0, Some(&["2001:db8::/64 ", "2001:db8::/64 x.example"])),
            (
                of("", "@x.example"),
                2,
                Some(&[
                    network[0],
                    "192.0.2.1 ",
                    "198.51.100.0/24 x.example",
                    "2001:db8::/64 x.example",
                    "203.0.113.5 ",
                    "ptr:mx.example x.example",
                ]),
            ),
            (of("", "@z.example"), 0, Some(&[])),
            (of("", "@example"), 0, Some(&[])),
            (of("192.0.2.0/24", "b@mail.x.example"), 0, Some(&[network[0], "192.0.2.1 ", "192.0.2.9 "])),
            (of("198.51.100.7", "@x.example"), 0, Some(&["198.51.100.0/24 x.example"])),
            (
                Filter { between: vec![between("", "no@rcpt.example")], ..of("192.0.2.1", "") },
                0,
                Some(&[network[0], network[1], "192.0.2.1 "]),
            ),
            (Filter { seen_before: at(-HOUR), ..of("192.0.2.0/24", "") }, 0, Some(&["192.0.2.9 "])),
            (Filter { seen_after: at(-HOUR), ..of("192.0.2.9", "") }, 0, Some(&network)),
            (Filter { between: vec![between("", "@rcpt.example")], ..Filter::default() }, 2, None),
            (Filter { seen_before: at(1), ..Filter::default() }, 2, None),
            (Filter { passed: Some(false), ..of("192.0.2.1", "") }, 0, None),
        ];
        for (filter, rows, gone) in cases {
            import(store, clients()).await;
            let before = known_keys(store).await;
            assert_eq!(before.len(), 10);
            let forgotten = store.forget(filter.clone(), Prefixes::default()).await.unwrap();
            let after = known_keys(store).await;
            let removed: Vec<_> = before.into_iter().filter(|key| !after.contains(key)).collect();
            assert_eq!(removed, gone.unwrap_or_default(), "{filter:?}");
            assert_eq!(forgotten, Forgotten { rows, known_clients: gone.map(<[_]>::len) }, "{filter:?}");
        }
    }

    pub(super) async fn many_known_clients_are_forgotten_in_steps(store: &dyn GreylistStore) {
        let many = (0..20_500)
            .map(|number| known(&format!("ptr:{number:05}.example"), &format!("{}.example", number % 2), 0));
        import(store, many.collect()).await;
        let filter = Filter { between: vec![between("@0.example", "")], ..Filter::default() };
        let forgotten = store.forget(filter, Prefixes::default()).await.unwrap();
        assert_eq!(forgotten, Forgotten { rows: 0, known_clients: Some(10_250) });
        assert_eq!(store.stats(known_by()).await.unwrap().known_clients, 10_250);
    }

    pub(super) async fn records_from_elsewhere_are_taken_over_once_and_only_help(store: &dyn GreylistStore) {
        says(store, &[("a@x.example", 0, "New 240")]).await;
        let Record::Row(other) = numbered(0) else { panic!() };
        let row = |sender: &str, first: i64| Entry {
            client: "192.0.2.0/24".to_owned(),
            sender: sender.to_owned(),
            first_seen: Timestamp(T + first),
            last_seen: Timestamp(T + first),
            ..other.clone()
        };
        let passed = Entry { passed_at: Some(Timestamp(T - 500)), ..row("passed@x.example", -900) };
        let known = KnownClient {
            client: "192.0.2.9".to_owned(),
            sender_domain: String::new(),
            passes: 2,
            last_pass: Timestamp(T - 900),
            first_seen: Timestamp(T - 900),
            last_seen: Timestamp(T - 900),
            hits: 0,
            origin: "import:test".to_owned(),
        };
        let records = vec![
            Record::Row(row("a@x.example", -100)),
            Record::Row(row("old@x.example", -26 * HOUR)),
            Record::Row(passed),
            Record::Known(known.clone()),
        ];
        let want = Merged { added: 2, changed: 1, same: 0, expired: 1 };
        assert_eq!(import(store, records.clone()).await, want);
        assert_eq!(import(store, records).await, Merged { added: 0, changed: 0, same: 3, expired: 1 });
        assert_eq!(store.known_after(None, 10).await.unwrap(), std::slice::from_ref(&known));
        let key = KnownKey { client: known.client, sender_domain: known.sender_domain };
        assert_eq!(store.known_after(Some(key), 10).await.unwrap(), []);
        says(store, &[("passed@x.example", 0, "Passed"), ("a@x.example", 140, "opened 240")]).await;
        let vouched = Voucher { client: "192.0.2.9".to_owned(), sender_domain: String::new(), passes: 2 };
        let from = Observation { vouchers: vec![vouched], ..attempt("new@y.example", 0) };
        assert_eq!(say(store, from).await, "Known");
    }

    pub(super) async fn exemptions_from_elsewhere_lengthen_only(store: &dyn GreylistStore) {
        store.exempt(exemption(ExemptionKind::Open, "to@rcpt.example", Some(600))).await.unwrap();
        store.exempt(exemption(ExemptionKind::OptOut, "old.example", Some(-60))).await.unwrap();
        let from = |kind, value, until| {
            Record::Exemption(Exemption { reason: "elsewhere".to_owned(), ..exemption(kind, value, until) })
        };
        let open = |until| import(store, vec![from(ExemptionKind::Open, "to@rcpt.example", until)]);
        let none = Merged::default();
        assert_eq!(open(Some(60)).await, Merged { expired: 1, ..none });
        assert_eq!(open(Some(300)).await, Merged { same: 1, ..none });
        assert_eq!(open(Some(900)).await, Merged { changed: 1, ..none });
        assert_eq!(open(Some(900)).await, Merged { same: 1, ..none });
        assert_eq!(open(None).await, Merged { changed: 1, ..none });
        assert_eq!(open(Some(900)).await, Merged { same: 1, ..none });
        let old = from(ExemptionKind::OptOut, "old.example", Some(300));
        assert_eq!(import(store, vec![old]).await, Merged { added: 1, ..none });
        let all = store.exemptions(Timestamp(T)).await.unwrap();
        let all: Vec<_> = all.iter().map(|one| (&*one.value, one.until, &*one.reason)).collect();
        let until = Some(Timestamp(T + 300));
        assert_eq!(all, [("to@rcpt.example", None, "elsewhere"), ("old.example", until, "elsewhere")]);
        assert_eq!(say(store, attempt("a@x.example", 0)).await, "Exempt");
    }

    pub(super) async fn first_retries_are_counted_when_they_pass(store: &dyn GreylistStore) {
        for (sender, retries) in [
            ("once@x.example", &[290_i64][..]),
            ("twice@x.example", &[61, 330]),
            ("often@x.example", &[50, 110, 170, 400]),
            ("never@x.example", &[10, 20]),
        ] {
            let at = |after| Observation { vouchers: Vec::new(), ..attempt(sender, after) };
            say(store, at(0)).await;
            for after in retries {
                say(store, at(*after)).await;
            }
        }
        let stats = store.stats(known_by()).await.unwrap();
        let counted: Vec<_> = stats.first_retries.into_iter().filter(|(_, mails)| *mails > 0).collect();
        assert_eq!(counted, [(60, 1), (120, 1), (300, 1)]);
        let costs: Vec<_> = stats
            .delay_costs
            .iter()
            .map(|cost| (cost.delay, cost.mails, cost.waited, cost.further))
            .collect();
        let want = [
            (60, 3, 290 + 61 + 170, 0),
            (240, 3, 290 + 330 + 400, 0),
            (300, 2, 330 + 400, 1),
            (600, 0, 0, 3),
        ];
        assert_eq!(costs, want);
    }
}
