//! The memory of a walk: at most 512 kB whatever the message, counted by the allocator itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

mod support;

use mailward::attachment::{Walker, Watch, budget::Budget, rules::NameRules};
use peak_alloc::PeakAlloc;
use std::sync::Arc;
use support::hostile;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a walk may take, with everything it allocates on the way.
const MOST: usize = 512 * 1_000;

#[test]
fn a_walk_takes_at_most_512_kb_whatever_the_message() {
    let watch = Arc::new(Watch { rules: vec![Arc::new(NameRules::standard())], ..Watch::default() });
    let budget = Budget::new(64 << 20);
    let mut faults = Vec::new();
    for (name, message) in hostile::messages(400_000) {
        for size in [65_535, 100] {
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            let mut walker = Walker::new(watch.clone(), budget.clone());
            let mut held = 0;
            for chunk in message.chunks(size) {
                walker.raw(chunk);
                held = held.max(walker.held());
            }
            let facts = walker.finish();
            let peak = ALLOCATOR.peak_usage() - before;
            if peak > MOST {
                faults.push(format!("{name} by {size}: {peak} bytes, of which {held} are known of"));
            }
            drop(facts);
            assert_eq!(ALLOCATOR.current_usage(), before, "{name}: everything is given back");
        }
        assert_eq!(budget.free(), 64 << 20, "{name}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
