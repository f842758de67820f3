//! Any bytes are a message: `cargo +nightly fuzz run attachment --fuzz-dir tests/fuzz`.

#![no_main]

#[path = "../walk.rs"]
mod walk;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let Err(fault) = walk::check(message) {
        panic!("{fault}");
    }
});
