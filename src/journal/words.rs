//! Words of answers, read back from a record: the types hold static texts, of which there are few.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

/// So many different words are kept; what else a file holds, it did not get from us.
const LIMIT: usize = 1_000;

/// The words seen so far.
static KNOWN: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

/// The static text for a recorded word.
pub(super) fn word(text: &str) -> &'static str {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = known.get(text) {
        return word;
    }
    if known.len() >= LIMIT || text.len() > 200 {
        return "as recorded";
    }
    let word: &'static str = Box::leak(text.into());
    known.insert(word);
    word
}
