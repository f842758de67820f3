//! What must hold of a walk over any bytes; shared by the fuzz target and by the mutating harness.

use mailward::{
    attachment::{
        Walker, Watch,
        budget::Budget,
        facts::Facts,
        rules::{NameRules, Treatment},
    },
    request::message::{Appetite, Inspect},
};
use std::sync::Arc;

/// What a walk may hold.
const MOST: usize = 512_000;

/// Walks a message in one piece and in pieces whose lengths the message itself gives, and says what does not hold.
pub(crate) fn check(message: &[u8]) -> Result<(), String> {
    let rules = |rules: NameRules| Arc::new(NameRules { archives: Treatment::Reject, ..rules });
    let watch = Arc::new(Watch {
        rules: vec![rules(NameRules::minimal()), rules(NameRules::strict())],
        keep_tree: true,
        ..Watch::default()
    });
    let budget = Budget::new(4 << 20);
    let whole = walk(&watch, &budget, message, |_| usize::MAX)?;
    let by_one = walk(&watch, &budget, message, |_| 1)?;
    let seed =
        message.iter().fold(1_usize, |seed, byte| seed.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let pieces = walk(&watch, &budget, message, |at| 1 + seed.wrapping_mul(at + 7).wrapping_shr(5) % 97)?;
    if whole != by_one || whole != pieces {
        return Err(format!("the pieces count:\n{whole:?}\n{by_one:?}\n{pieces:?}"));
    }
    if budget.free() != 4 << 20 {
        return Err("memory for containers is not given back".to_owned());
    }
    filter(&watch, &budget, message);
    Ok(())
}

fn walk(
    watch: &Arc<Watch>,
    budget: &Arc<Budget>,
    message: &[u8],
    length: impl Fn(usize) -> usize,
) -> Result<Facts, String> {
    let mut walker = Walker::new(watch.clone(), budget.clone());
    let mut at = 0;
    while at < message.len() {
        let end = at.saturating_add(length(at)).min(message.len());
        walker.raw(&message[at..end]);
        if walker.held() > MOST {
            return Err(format!("{} bytes are held", walker.held()));
        }
        at = end;
    }
    Ok(walker.finish())
}

/// The events of a milter, whatever their order means: the first lines are fields, the rest is the body.
fn filter(watch: &Arc<Watch>, budget: &Arc<Budget>, message: &[u8]) {
    let mut walker = Walker::new(watch.clone(), budget.clone());
    let mut lines = message.split_inclusive(|byte| *byte == b'\n');
    for line in lines.by_ref().take(3) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        walker.header(&line[..colon], &line[colon..]);
    }
    if walker.end_of_headers() == Appetite::More {
        for line in lines {
            walker.body(line);
        }
    }
    drop(walker.finish());
}
