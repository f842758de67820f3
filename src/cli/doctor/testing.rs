//! What the tests of the checks share.

use crate::{
    server::status::{Configuration, Decisions, Exempted, Resolver, Sessions, Status, Working},
    time::Timestamp,
};

/// A daemon that is well.
pub(super) fn status() -> Status {
    Status {
        version: "1.0".to_owned(),
        pid: 812,
        started: Timestamp(0),
        now: Timestamp(90_061),
        mode: "enforce".to_owned(),
        socket: "unix:/s".to_owned(),
        configuration: Configuration {
            source: "f".to_owned(),
            loaded: Timestamp(0),
            refused: None,
            digest: "d".to_owned(),
        },
        sessions: Sessions { now: 1, most: 2, limit: 10, total: 3 },
        decisions: Decisions { permit: 1, defer: 0, reject: 0, discard: 0, greylisted: 0, exempted: 0 },
        lists: Vec::new(),
        resolver: Resolver { answers: true, questions: 1, timeouts: 0, outages: 0 },
        greylist: None,
        exemptions: Exempted { count: 0, file: Working { works: true, faults: 0, recoveries: 0 } },
        journal: None,
        log_dropped: 0,
        bugs: 0,
    }
}
