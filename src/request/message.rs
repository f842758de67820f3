//! The content of a message: how it is looked at as it streams by, and what was found in it.

use std::{any::Any, fmt, sync::Arc};

/// Whether something wants to see more of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// What is still to come may matter.
    More,
    /// Nothing that is still to come can change what was found.
    Enough,
}

/// Looks at a message as it streams by, in whatever chunks; knows nothing of sockets or policies.
pub trait Inspect: Send + Sync {
    /// A field of the message's own header: its raw value, with its folds (`\n` or `\r\n`) and its leading blank.
    fn header(&mut self, name: &[u8], value: &[u8]);

    /// The header is over.
    fn end_of_headers(&mut self) -> Appetite;

    /// A piece of the body, cut anywhere.
    fn body(&mut self, chunk: &[u8]) -> Appetite;
}

/// What was found in a message, once it was seen to its end. Each kind of finding has a type of its own, which only the
/// rules that ask for it know.
#[derive(Clone, Default)]
pub struct Message {
    facts: Vec<Arc<dyn Any + Send + Sync>>,
    /// Looking at it took longer than it may: nothing is known.
    pub given_up: bool,
}

impl Message {
    /// A message that took too long to look at.
    pub fn given_up() -> Self {
        Self { given_up: true, ..Self::default() }
    }

    /// Adds what an inspector found.
    pub fn add<T: Any + Send + Sync>(&mut self, facts: T) {
        self.facts.push(Arc::new(facts));
    }

    /// What the inspector with this kind of findings found; `None` where none looked.
    pub fn facts<T: Any>(&self) -> Option<&T> {
        self.facts.iter().find_map(|facts| facts.downcast_ref())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("facts", &self.facts.len()).field("given_up", &self.given_up).finish()
    }
}
