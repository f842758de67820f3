//! The inspector of messages: fields and body go in, names come out.

use super::{budget::Budget, facts::Facts, limits::Limits, record::Record, rules::NameRules};
use crate::request::message::{Appetite, Inspect};
use std::sync::Arc;

/// What a walk looks for.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The sets of rules, each judged on its own.
    pub rules: Vec<Arc<NameRules>>,
    /// How far a message is followed.
    pub limits: Limits,
    /// Whether every part and every reading of its names is kept, for `scan` and `explain`.
    pub keep_tree: bool,
}

/// A walk over one message.
#[derive(Debug)]
pub struct Walker {
    record: Record,
}

impl Walker {
    /// A walk that looks for what `watch` says and takes the memory for containers out of `budget`.
    pub fn new(watch: Arc<Watch>, budget: Arc<Budget>) -> Self {
        Self { record: Record::new(watch, budget) }
    }

    /// Takes the next bytes of a message with its header, as it stands in a file; instead of the events of a milter.
    pub fn raw(&mut self, _chunk: &[u8]) -> Appetite {
        self.appetite()
    }

    /// What was found.
    pub fn finish(self) -> Facts {
        self.record.finish()
    }

    fn appetite(&self) -> Appetite {
        if self.record.is_settled() { Appetite::Enough } else { Appetite::More }
    }
}

impl Inspect for Walker {
    fn header(&mut self, _name: &[u8], _value: &[u8]) {}

    fn end_of_headers(&mut self) -> Appetite {
        self.appetite()
    }

    fn body(&mut self, _chunk: &[u8]) -> Appetite {
        self.appetite()
    }
}
