//! What a record from elsewhere makes of the one that is there: the better of both for whoever waits, so that taking over
//! the same twice, or in another order, comes to the same.

use super::{Entry, Exemption, KnownClient, Record};
use crate::{
    greylist::{Ages, judge::since},
    time::Timestamp,
};

/// What is to be done with a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: it would be removed at once.
    Expired,
    /// Nothing: there is as good a one.
    Same,
    /// It is new.
    Added(Record),
    /// This takes the place of the one that is there.
    Changed(Record),
}

/// A row.
pub fn row(existing: Option<&Entry>, new: &Entry, ages: &Ages, now: Timestamp) -> Outcome {
    let lives = |row: &Entry| match row.passed_at {
        None => row.first_seen <= now && since(row.first_seen, now) <= ages.waiting,
        Some(_) => since(row.last_seen, now) <= ages.passed,
    };
    if !lives(new) {
        return Outcome::Expired;
    }
    // What has expired is as good as removed: it must neither swallow a wait that goes on nor let it pass.
    let Some(old) = existing.filter(|old| lives(old)) else {
        return Outcome::Added(Record::Row(new.clone()));
    };
    let merged = Entry {
        client: old.client.clone(),
        sender: old.sender.clone(),
        recipient: old.recipient.clone(),
        first_seen: old.first_seen.min(new.first_seen),
        last_seen: old.last_seen.max(new.last_seen),
        passed_at: [old.passed_at, new.passed_at].into_iter().flatten().min(),
        deferred: old.deferred.max(new.deferred),
        passed: old.passed.max(new.passed),
        last_ip: old.last_ip.clone().or_else(|| new.last_ip.clone()),
        last_name: old.last_name.clone().or_else(|| new.last_name.clone()),
        origin: old.origin.clone(),
    };
    if merged == *old { Outcome::Same } else { Outcome::Changed(Record::Row(merged)) }
}

/// A known client.
pub fn known(existing: Option<&KnownClient>, new: &KnownClient, ages: &Ages, now: Timestamp) -> Outcome {
    let lives = |known: &KnownClient| since(known.last_seen, now) <= ages.known;
    if !lives(new) {
        return Outcome::Expired;
    }
    let Some(old) = existing.filter(|old| lives(old)) else {
        return Outcome::Added(Record::Known(new.clone()));
    };
    let merged = KnownClient {
        client: old.client.clone(),
        sender_domain: old.sender_domain.clone(),
        passes: old.passes.max(new.passes),
        last_pass: old.last_pass.max(new.last_pass),
        first_seen: old.first_seen.min(new.first_seen),
        last_seen: old.last_seen.max(new.last_seen),
        hits: old.hits.max(new.hits),
        origin: old.origin.clone(),
    };
    if merged == *old { Outcome::Same } else { Outcome::Changed(Record::Known(merged)) }
}

/// An exemption: the one that ends later.
pub fn exemption(existing: Option<&Exemption>, new: &Exemption, now: Timestamp) -> Outcome {
    let lives = |exemption: &Exemption| exemption.until.is_none_or(|until| until > now);
    if !lives(new) {
        return Outcome::Expired;
    }
    let Some(old) = existing.filter(|old| lives(old)) else {
        return Outcome::Added(Record::Exemption(new.clone()));
    };
    let is_longer = old.until.is_some_and(|end| new.until.is_none_or(|until| until > end));
    if is_longer { Outcome::Changed(Record::Exemption(new.clone())) } else { Outcome::Same }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::greylist::Settings;

    const NOW: i64 = 1_146_441_600;
    const DAY: i64 = 86_400;

    fn waiting(first: i64) -> Entry {
        Entry {
            client: "192.0.2.0/24".to_owned(),
            sender: "a@x.example".to_owned(),
            recipient: "to@rcpt.example".to_owned(),
            first_seen: Timestamp(NOW + first),
            last_seen: Timestamp(NOW + first),
            passed_at: None,
            deferred: 1,
            passed: 0,
            last_ip: None,
            last_name: None,
            origin: "import:test".to_owned(),
        }
    }

    fn passed(first: i64, last: i64) -> Entry {
        let at = Some(Timestamp(NOW + first + 300));
        Entry { passed_at: at, last_seen: Timestamp(NOW + last), passed: 1, ..waiting(first) }
    }

    fn merged(old: Option<&Entry>, new: &Entry) -> String {
        match row(old, new, &Settings::default().ages(), Timestamp(NOW)) {
            Outcome::Expired => "expired".to_owned(),
            Outcome::Same => "same".to_owned(),
            Outcome::Added(Record::Row(row)) | Outcome::Changed(Record::Row(row)) => {
                let since = |at: Timestamp| at.0 - NOW;
                format!("{} {} {:?}", since(row.first_seen), since(row.last_seen), row.passed_at.map(since))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_better_of_two_rows_stays() {
        let cases = [
            (None, waiting(-60), "-60 -60 None"),
            (None, waiting(-25 * 3_600), "-90000 -90000 None"),
            (None, waiting(-25 * 3_600 - 1), "expired"),
            (None, waiting(1), "expired"),
            (None, passed(-40 * DAY, -36 * DAY), "-3456000 -3110400 Some(-3455700)"),
            (None, passed(-40 * DAY, -36 * DAY - 1), "expired"),
            (Some(waiting(-60)), waiting(-60), "same"),
            (Some(waiting(-60)), waiting(-90), "-90 -60 None"),
            (Some(waiting(-90)), waiting(-60), "-90 -60 None"),
            (Some(waiting(-2 * DAY)), waiting(-60), "-60 -60 None"),
            (Some(waiting(-60)), waiting(-2 * DAY), "expired"),
            (Some(waiting(-60)), passed(-1_000, -500), "-1000 -60 Some(-700)"),
            (Some(passed(-1_000, -500)), waiting(-60), "-1000 -60 Some(-700)"),
            (Some(passed(-1_000, -500)), passed(-1_000, -500), "same"),
            // What has expired counts as not there.
            (Some(passed(-40 * DAY, -37 * DAY)), waiting(-60), "-60 -60 None"),
            (Some(passed(-40 * DAY, -37 * DAY)), passed(-1_000, -500), "-1000 -500 Some(-700)"),
            (Some(waiting(-2 * DAY)), passed(-1_000, -500), "-1000 -500 Some(-700)"),
            (Some(passed(-40 * DAY, -37 * DAY)), passed(-40 * DAY, -37 * DAY), "expired"),
        ];
        for (old, new, want) in cases {
            assert_eq!(merged(old.as_ref(), &new), want, "{old:?} {new:?}");
        }
    }

    #[test]
    fn an_expired_known_client_proves_nothing_for_a_new_one() {
        let client = |passes, last| KnownClient {
            client: "192.0.2.1".to_owned(),
            sender_domain: String::new(),
            passes,
            last_pass: Timestamp(NOW + last),
            first_seen: Timestamp(NOW + last),
            last_seen: Timestamp(NOW + last),
            hits: passes,
            origin: "import:test".to_owned(),
        };
        let ages = Settings::default().ages();
        let merged = |old, new| known(Some(&old), &new, &ages, Timestamp(NOW));
        let new = client(1, -60);
        assert_eq!(merged(client(5, -61 * DAY), new.clone()), Outcome::Added(Record::Known(new.clone())));
        let both = KnownClient { passes: 5, hits: 5, first_seen: Timestamp(NOW - 59 * DAY), ..new.clone() };
        assert_eq!(merged(client(5, -59 * DAY), new), Outcome::Changed(Record::Known(both)));
    }

    #[test]
    fn taking_over_twice_changes_nothing() {
        let rows = [waiting(-60), waiting(-90), passed(-1_000, -500), passed(-2_000, -10)];
        let ages = Settings::default().ages();
        for one in &rows {
            for other in &rows {
                if let Outcome::Changed(Record::Row(merged)) = row(Some(one), other, &ages, Timestamp(NOW)) {
                    assert_eq!(row(Some(&merged), other, &ages, Timestamp(NOW)), Outcome::Same);
                    assert_eq!(row(Some(&merged), one, &ages, Timestamp(NOW)), Outcome::Same);
                }
            }
        }
    }
}
