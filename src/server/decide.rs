//! Decides one event: evaluate, ask what is wanted, evaluate again, with one deadline for the whole event.

use super::answer::Answerer;
use crate::{
    decision::Decision,
    lookup::{Lookups, answers::Answers, identity::identity},
    policy::{
        Policy,
        evaluate::{Progress, evaluate},
    },
    request::{Request, session::Identity},
};
use std::{fmt, net::IpAddr};
use tokio::time::Instant;

/// How often one event may ask. Three rounds are usual (MX, then the exchangers' addresses, then what writes); without
/// lookahead check_*_{mx,ns}_access may ask for 127 parents and 100 servers of each of five names one after the other.
const ROUNDS: usize = 2_000;

/// The loop did not come to an end: a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the evaluation wanted answers in more than {ROUNDS} rounds")
    }
}

impl std::error::Error for Endless {}

/// Decides.
///
/// # Errors
/// When the evaluation does not end, which is a bug.
pub async fn decide(
    policy: &Policy,
    request: &Request<'_>,
    answerer: &Answerer,
    deadline: Instant,
) -> Result<Decision, Endless> {
    let mut answers = Answers::new();
    for _ in 0..ROUNDS {
        match evaluate(policy, request, &answers) {
            Progress::Done(decision) => return Ok(*decision),
            Progress::Wants(lookups) => answerer.answer(lookups, &mut answers, deadline).await,
        }
    }
    Err(Endless)
}

/// Finds out the client's names, for an MTA that does not tell them.
///
/// # Errors
/// As [`decide`].
pub async fn identify(address: IpAddr, answerer: &Answerer, deadline: Instant) -> Result<Identity, Endless> {
    let mut answers = Answers::new();
    for _ in 0..ROUNDS {
        let mut lookups = Lookups::new(&answers);
        match identity(address, &mut lookups) {
            Ok(identity) => return Ok(identity),
            Err(_) => {
                let wanted = lookups.take_wanted();
                answerer.answer(wanted, &mut answers, deadline).await;
            }
        }
    }
    Err(Endless)
}
