//! `mailward greylist open`: recipients that are not greylisted.

use crate::{
    store::{Exemption, ExemptionKind},
    time::Timestamp,
};
use std::time::Duration;

pub(super) fn exemption(address: &str, time: Duration, reason: &str, now: Timestamp) -> Exemption {
    let until = now.0.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    Exemption {
        kind: ExemptionKind::Open,
        value: address.trim_start_matches('@').to_lowercase(),
        until: Some(Timestamp(until)),
        reason: reason.to_owned(),
        created: now,
    }
}
