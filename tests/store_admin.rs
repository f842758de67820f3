//! What every store of the greylist must do for an administrator: lists, steps, what comes from elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    greylist::Settings,
    lookup::greylist::{Observation, Voucher},
    store::{Entry, ExemptionKind, Filter, GreylistStore, KnownClient, KnownKey, Merged, Record, RowKey},
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
    records_from_elsewhere_are_taken_over_once_and_only_help,
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
        let sender = |sender: &str| Filter { sender: Some(sender.to_owned()), ..Filter::default() };
        assert_eq!(store.pass(sender("0@x.example"), Timestamp(T + 9)).await.unwrap(), rows / 2);
        assert_eq!(store.pass(sender("0@x.example"), Timestamp(T + 9)).await.unwrap(), 0);
        let old = Filter { seen_before: Some(Timestamp(T + 1)), ..Filter::default() };
        assert_eq!(store.forget(old).await.unwrap(), rows / 2);
        let client = Filter { client: Some("ptr:00002.example".to_owned()), ..Filter::default() };
        assert_eq!(store.forget(client).await.unwrap(), 1);
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
