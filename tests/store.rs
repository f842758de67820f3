//! What every store of the greylist must do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fault in here is a failed test"
)]

mod support;

use mailward::{
    greylist::{Ages, identity::Prefixes},
    lookup::greylist::{Greylisted, Observation, Outgoing, Profile, Terms, Voucher, Wait},
    store::{Between, Entry, ExemptionKind, Filter, Forgotten, GreylistStore, PURGE_STEP},
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};
use support::{
    directory::Directory,
    greylist::{T, attempt, contract, exemption, known_by, rows, say, says, sqlite},
};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

contract! {
    a_retry_after_the_delay_passes_and_then_all_do,
    a_network_is_known_for_one_sender_domain_and_an_address_after_two_hours,
    rows_under_every_name_count_and_the_strongest_is_written,
    a_network_at_its_limit_waits_without_a_row_until_one_passes,
    exemptions_hold_for_recipients_and_domains_until_their_time,
    only_those_who_opted_in_are_greylisted_where_that_is_asked,
    whom_a_user_wrote_to_answers_without_waiting,
    a_clock_that_was_set_back_makes_nobody_wait_twice,
    a_step_of_a_day_makes_none_who_passed_wait,
    the_null_sender_s_proof_holds_for_the_window_only,
    looking_changes_nothing,
    rows_are_listed_passed_and_forgotten_by_filter,
    a_purge_takes_steps_and_leaves_what_lives,
    postgrey_s_client_list_counts_hours_and_sees_no_triplet,
    many_at_once_are_each_answered,
}

mod contract {
    use super::*;

    pub(super) async fn a_retry_after_the_delay_passes_and_then_all_do(store: &dyn GreylistStore) {
        let steps = [
            ("a@x.example", 0, "New 240"),
            ("a@x.example", 100, "EarlyRetry 140"),
            ("b@x.example", 200, "New 240"),
            ("a@x.example", 239, "EarlyRetry 1"),
            ("a@x.example", 240, "opened 240"),
            ("a@x.example", 241, "Known"),
        ];
        says(store, &steps).await;
        let row = rows(store).await.into_iter().find(|row| row.sender == "a@x.example").unwrap();
        assert_eq!((row.first_seen, row.passed_at), (Timestamp(T), Some(Timestamp(T + 240))));
        assert_eq!((row.deferred, row.passed, row.origin.as_str()), (3, 1, "smtp"));
    }

    pub(super) async fn a_network_is_known_for_one_sender_domain_and_an_address_after_two_hours(
        store: &dyn GreylistStore,
    ) {
        let steps = [
            ("a@x.example", 0, "New 240"),
            ("a@x.example", 240, "opened 240"),
            ("other@x.example", 241, "Known"),
            ("a@y.example", 300, "New 240"),
            ("a@y.example", 540, "opened 240"),
            ("a@z.example", 600, "New 240"),
            ("a@z.example", 240 + HOUR, "opened 3240"),
            ("a@w.example", 241 + HOUR, "Known"),
            ("a@w.example", 241 + HOUR + 59 * DAY, "Known"),
            ("a@w.example", 241 + HOUR + 119 * DAY + 1, "New 240"),
        ];
        says(store, &steps).await;
    }

    pub(super) async fn rows_under_every_name_count_and_the_strongest_is_written(store: &dyn GreylistStore) {
        let named = |after| Observation {
            clients: vec!["ptr:example.org".to_owned(), "198.51.100.0/24".to_owned()],
            vouchers: Vec::new(),
            ..attempt("a@x.example", after)
        };
        let unnamed = |after| Observation { clients: vec!["198.51.100.0/24".to_owned()], ..named(after) };
        let moved = |after| Observation {
            clients: vec!["ptr:example.org".to_owned(), "203.0.113.0/24".to_owned()],
            ..named(after)
        };
        assert_eq!(say(store, unnamed(0)).await, "New 240");
        assert_eq!(say(store, named(100)).await, "EarlyRetry 140", "its name could not be found out before");
        let clients: Vec<String> = rows(store).await.into_iter().map(|row| row.client).collect();
        assert_eq!(clients, ["ptr:example.org"]);
        assert_eq!(say(store, moved(240)).await, "opened 240", "another machine of the domain");
        assert_eq!(say(store, moved(250)).await, "Passed");
        assert_eq!(say(store, unnamed(260)).await, "New 240");
    }

    pub(super) async fn a_network_at_its_limit_waits_without_a_row_until_one_passes(
        store: &dyn GreylistStore,
    ) {
        let limited = |sender: &str, after| {
            let terms = Terms { waiting_limit: 2, ..Terms::default() };
            Observation { terms, vouchers: Vec::new(), ..attempt(sender, after) }
        };
        for (sender, after, want) in [
            ("a@x.example", 0, "New 240"),
            ("b@x.example", 0, "New 240"),
            ("c@x.example", 0, "TooMany 240"),
            ("c@x.example", 239, "TooMany 240"),
            ("a@x.example", 240, "opened 240"),
            ("c@x.example", 241, "New 240"),
            ("d@x.example", 242, "TooMany 240"),
            ("d@x.example", HOUR, "New 240"),
        ] {
            assert_eq!(say(store, limited(sender, after)).await, want, "{sender} {after}");
        }
    }

    pub(super) async fn exemptions_hold_for_recipients_and_domains_until_their_time(
        store: &dyn GreylistStore,
    ) {
        store.exempt(exemption(ExemptionKind::Open, "to@rcpt.example", Some(60))).await.unwrap();
        let steps =
            [("a@x.example", 0, "Exempt"), ("a@x.example", 59, "Exempt"), ("a@x.example", 60, "New 240")];
        says(store, &steps).await;
        store.exempt(exemption(ExemptionKind::OptOut, "rcpt.example", None)).await.unwrap();
        says(store, &[("a@x.example", 61, "Exempt")]).await;
        let other = Observation { recipient: "to@other.example".to_owned(), ..attempt("a@x.example", 62) };
        assert_eq!(say(store, other).await, "New 240");
    }

    pub(super) async fn only_those_who_opted_in_are_greylisted_where_that_is_asked(
        store: &dyn GreylistStore,
    ) {
        let asked = || {
            let terms = Terms { opt_in: true, ..Terms::default() };
            Observation { terms, ..attempt("a@x.example", 0) }
        };
        assert_eq!(say(store, asked()).await, "Exempt");
        store.exempt(exemption(ExemptionKind::OptIn, "rcpt.example", None)).await.unwrap();
        assert_eq!(say(store, asked()).await, "New 240");
    }

    pub(super) async fn whom_a_user_wrote_to_answers_without_waiting(store: &dyn GreylistStore) {
        let outgoing = Outgoing {
            local: "to@rcpt.example".to_owned(),
            remote: vec!["a@x.example".to_owned()],
            now: Timestamp(T),
        };
        store.learn(outgoing.clone()).await.unwrap();
        let steps = [
            ("a@x.example", 0, "Correspondent"),
            ("b@x.example", 0, "New 240"),
            ("a@x.example", 60 * DAY, "Correspondent"),
            ("a@x.example", 60 * DAY + 1, "New 240"),
        ];
        says(store, &steps).await;
        store.learn(Outgoing { now: Timestamp(T + 60 * DAY), ..outgoing }).await.unwrap();
        says(store, &[("a@x.example", 60 * DAY + 2, "Correspondent")]).await;
        let forged =
            |after| Observation { own_domain: false, vouchers: Vec::new(), ..attempt("a@x.example", after) };
        store.forget(Filter::default(), Prefixes::default()).await.unwrap();
        assert_eq!(say(store, forged(61 * DAY)).await, "NewCorrespondent 240", "anybody may write the name");
        assert_eq!(say(store, forged(61 * DAY + 60)).await, "EarlyRetry 180");
        assert_eq!(say(store, forged(61 * DAY + 240)).await, "opened 240");
        let other = Observation { recipient: "other@rcpt.example".to_owned(), ..attempt("a@x.example", 0) };
        assert_eq!(say(store, other).await, "New 240");
    }

    pub(super) async fn a_clock_that_was_set_back_makes_nobody_wait_twice(store: &dyn GreylistStore) {
        let plain = |sender: &str, after| Observation { vouchers: Vec::new(), ..attempt(sender, after) };
        for (sender, after, want) in [
            ("a@x.example", 0, "New 240"),
            ("a@x.example", 240, "opened 240"),
            ("a@x.example", 240 - DAY, "Passed"),
            ("b@x.example", 300, "New 240"),
            ("b@x.example", 300 - DAY, "New 240"),
            ("b@x.example", 540 - DAY, "opened 240"),
            ("b@x.example", DAY, "Passed"),
        ] {
            assert_eq!(say(store, plain(sender, after)).await, want, "{sender} {after}");
        }
    }

    /// Rows that passed, known clients, correspondents, and rows that wait, through a step of the clock and back.
    pub(super) async fn a_step_of_a_day_makes_none_who_passed_wait(store: &dyn GreylistStore) {
        let plain = |sender: &str, after| Observation { vouchers: Vec::new(), ..attempt(sender, after) };
        let (local, remote) = ("to@rcpt.example".to_owned(), vec!["friend@x.example".to_owned()]);
        store.learn(Outgoing { local, remote, now: Timestamp(T) }).await.unwrap();
        says(store, &[("known@y.example", 0, "New 240"), ("known@y.example", 240, "opened 240")]).await;
        for (sender, after, want) in [
            ("passed@x.example", 0, "New 240"),
            ("passed@x.example", 300, "opened 300"),
            ("old@x.example", 0, "New 240"),
            ("young@x.example", 2 * HOUR, "New 240"),
        ] {
            assert_eq!(say(store, plain(sender, after)).await, want, "{sender} {after}");
        }
        let at = 2 * HOUR + 60;
        for (step, old, young, fresh) in [
            // Ahead: what waited has waited a day more, or out of the window.
            (DAY, "New 240", "opened 86460", "New 240"),
            // Right again: the wait of a first attempt in the future begins anew.
            (0, "New 240", "Passed", "New 240"),
            (-DAY, "New 240", "Passed", "New 240"),
            // And right again, a day later to them.
            (0, "opened 86400", "Passed", "opened 86400"),
        ] {
            let after = at + step;
            says(store, &[("friend@x.example", after, "Correspondent"), ("more@y.example", after, "Known")])
                .await;
            for (sender, want) in [
                ("passed@x.example", "Passed"),
                ("old@x.example", old),
                ("young@x.example", young),
                ("fresh@x.example", fresh),
            ] {
                assert_eq!(say(store, plain(sender, after)).await, want, "{sender} {step}");
            }
        }
    }

    pub(super) async fn the_null_sender_s_proof_holds_for_the_window_only(store: &dyn GreylistStore) {
        for (brief, last) in [(true, "New 240"), (false, "Passed")] {
            let sender = if brief { "" } else { "a@x.example" };
            let bounce = |after| Observation { brief, vouchers: Vec::new(), ..attempt(sender, after) };
            for (after, want) in [
                (0, "New 240"),
                (240, "opened 240"),
                // Used or not: it is the proof that counts, not the last of those who make use of it.
                (20 * HOUR, "Passed"),
                (240 + 25 * HOUR, "Passed"),
                (241 + 25 * HOUR, last),
            ] {
                assert_eq!(say(store, bounce(after)).await, want, "{sender} {after}");
            }
        }
    }

    pub(super) async fn looking_changes_nothing(store: &dyn GreylistStore) {
        let peek = |after| store.peek(Arc::new(attempt("a@x.example", after)));
        let new = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };
        assert_eq!(peek(0).await, new);
        assert_eq!(rows(store).await, []);
        say(store, attempt("a@x.example", 0)).await;
        let before = rows(store).await;
        assert_eq!(peek(240).await, Greylisted::Opened { waited: Duration::from_secs(240) });
        assert_eq!(rows(store).await, before);
    }

    pub(super) async fn rows_are_listed_passed_and_forgotten_by_filter(store: &dyn GreylistStore) {
        for (number, sender) in ["a@x.example", "b@x.example", "a@y.example"].into_iter().enumerate() {
            say(store, attempt(sender, i64::try_from(number).unwrap())).await;
        }
        let sender = |sender: &str| Filter {
            between: vec![Between { sender: Some(sender.to_owned()), recipient: None }],
            ..Filter::default()
        };
        let found = |rows: Vec<Entry>| rows.into_iter().map(|row| row.sender).collect::<Vec<_>>();
        assert_eq!(found(store.list(sender("@x.example")).await.unwrap()), ["b@x.example", "a@x.example"]);
        assert_eq!(found(store.list(sender("x.example")).await.unwrap()), [""; 0]);
        assert_eq!(found(store.list(sender("%@x.example' OR 1 --")).await.unwrap()), [""; 0]);
        let limited = Filter { limit: Some(1), ..Filter::default() };
        assert_eq!(found(store.list(limited).await.unwrap()), ["a@y.example"]);
        let address = Filter { client: Some("192.0.2.1".to_owned()), ..Filter::default() };
        assert_eq!(store.list(address).await.unwrap().len(), 3);
        assert_eq!(store.pass(sender("a@x.example"), Timestamp(T + 10)).await.unwrap(), 1);
        assert_eq!(say(store, attempt("a@x.example", 11)).await, "Passed");
        let waiting = Filter { passed: Some(false), ..Filter::default() };
        assert_eq!(found(store.list(waiting.clone()).await.unwrap()), ["a@y.example", "b@x.example"]);
        let forgotten = store.forget(waiting, Prefixes::default()).await.unwrap();
        assert_eq!(forgotten, Forgotten { rows: 2, known_clients: None });
        let stats = store.stats(known_by()).await.unwrap();
        assert_eq!((stats.waiting, stats.passed, stats.never_returned), (0, 1, 0));
        assert_eq!(stats.delays[0], (60, 0), "an administrator let it pass");
    }

    pub(super) async fn a_purge_takes_steps_and_leaves_what_lives(store: &dyn GreylistStore) {
        let terms = Terms { waiting_limit: 0, ..Terms::default() };
        for number in 0..PURGE_STEP + 3 {
            let observation = attempt(&format!("{number}@x.example"), 0);
            say(store, Observation { terms: terms.clone(), vouchers: Vec::new(), ..observation }).await;
        }
        let unlimited = |after| Observation { terms: terms.clone(), ..attempt("passed@y.example", after) };
        say(store, unlimited(0)).await;
        assert_eq!(say(store, unlimited(240)).await, "opened 240");
        // Left by mail that passed, since its client was known by then.
        let rest = Observation { recipient: "other@rcpt.example".to_owned(), ..unlimited(0) };
        say(store, Observation { vouchers: Vec::new(), ..rest }).await;
        let Terms { retry_window, max_age, known_max_age, .. } = terms;
        let ages = Ages { waiting: retry_window, passed: max_age, known: known_max_age };
        let purge =
            async |after| store.purge(ages, Timestamp(T + after), None).await.map(|purged| purged.removed);
        assert_eq!(purge(25 * HOUR).await.unwrap(), 0, "exactly at the end of the window it lives");
        assert_eq!(purge(25 * HOUR + 1).await.unwrap(), PURGE_STEP);
        assert_eq!(purge(25 * HOUR + 1).await.unwrap(), 4);
        let stats = store.stats(known_by()).await.unwrap();
        assert_eq!((stats.waiting, stats.passed, stats.known_clients), (0, 1, 1));
        assert_eq!(stats.never_returned, u64::try_from(PURGE_STEP + 3).unwrap());
        assert_eq!(purge(36 * DAY + 241).await.unwrap(), 1);
        assert_eq!(purge(60 * DAY + 241).await.unwrap(), 2);
        assert_eq!(purge(60 * DAY + 241).await.unwrap(), 0);
    }

    pub(super) async fn postgrey_s_client_list_counts_hours_and_sees_no_triplet(store: &dyn GreylistStore) {
        let postgrey = |sender: &str, after| {
            let terms = Terms {
                profile: Profile::Postgrey,
                delay: Duration::from_secs(300),
                waiting_limit: 0,
                ..Terms::default()
            };
            let mut observation = Observation { terms, ..attempt(sender, after) };
            observation.vouchers =
                vec![Voucher { client: "192.0.2.1".to_owned(), sender_domain: String::new(), passes: 5 }];
            observation
        };
        for number in 0..5 {
            let (sender, after) = (format!("{number}@x.example"), number * (HOUR + 300));
            assert_eq!(say(store, postgrey(&sender, after)).await, "New 300");
            assert_eq!(say(store, postgrey(&sender, after + 300)).await, "opened 300");
        }
        let after = 5 * (HOUR + 300);
        assert_eq!(say(store, postgrey("new@x.example", after)).await, "Known");
        assert_eq!(rows(store).await.len(), 5);
    }

    pub(super) async fn many_at_once_are_each_answered(store: &dyn GreylistStore) {
        let terms = Terms { waiting_limit: 0, ..Terms::default() };
        let all = (0..1_000).map(|number| {
            let observation = attempt(&format!("{number}@x.example"), 0);
            store.observe(Arc::new(Observation { terms: terms.clone(), ..observation }))
        });
        let new = Greylisted::Waits { left: Duration::from_secs(240), why: Wait::New };
        assert!(futures_util::future::join_all(all).await.into_iter().all(|said| said == new));
        assert_eq!(rows(store).await.len(), 1_000);
    }
}

#[tokio::test]
async fn what_another_process_writes_counts_at_once() {
    let directory = Directory::new();
    let (daemon, command) = (sqlite(&directory), sqlite(&directory));
    says(&daemon, &[("a@x.example", 0, "New 240")]).await;
    let outgoing = Outgoing {
        local: "to@rcpt.example".to_owned(),
        remote: vec!["b@x.example".to_owned()],
        now: Timestamp(T),
    };
    command.learn(outgoing).await.unwrap();
    says(&daemon, &[("b@x.example", 1, "Correspondent"), ("a@x.example", 2, "EarlyRetry 238")]).await;
    command.exempt(exemption(ExemptionKind::OptOut, "rcpt.example", None)).await.unwrap();
    says(&daemon, &[("a@x.example", 3, "Exempt")]).await;
}
