//! The inspector of messages: fields and body go in, names come out.

use super::{budget::Budget, facts::Facts, layer::Layer, limits::Limits, record::Record, rules::NameRules};
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
    layer: Option<Layer>,
}

impl Walker {
    /// A walk that looks for what `watch` says and takes the memory for containers out of `budget`.
    pub fn new(watch: Arc<Watch>, budget: Arc<Budget>) -> Self {
        Self { record: Record::new(watch, budget), layer: None }
    }

    /// Takes the next bytes of a message with its header, as it stands in a file; instead of the events of a milter.
    pub fn raw(&mut self, chunk: &[u8]) -> Appetite {
        let layer = self.layer.get_or_insert_with(|| Layer::top(false, &mut self.record));
        layer.feed(chunk, &mut self.record);
        self.appetite()
    }

    /// What was found.
    pub fn finish(mut self) -> Facts {
        if let Some(layer) = &mut self.layer {
            layer.finish(&mut self.record);
        }
        self.record.finish()
    }

    /// Bytes that the walk holds now, without the tree; at most 512 kB whatever the message.
    pub fn held(&self) -> usize {
        self.record.held() + self.layer.as_ref().map_or(0, Layer::held)
    }

    fn appetite(&self) -> Appetite {
        let settled = self.layer.as_ref().is_some_and(Layer::is_settled);
        if settled || self.record.is_settled() { Appetite::Enough } else { Appetite::More }
    }
}

impl Inspect for Walker {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        let layer = self.layer.get_or_insert_with(|| Layer::top(true, &mut self.record));
        for piece in [name, b":", value, b"\n"] {
            layer.feed(piece, &mut self.record);
        }
    }

    fn end_of_headers(&mut self) -> Appetite {
        let layer = self.layer.get_or_insert_with(|| Layer::top(true, &mut self.record));
        layer.end_of_headers(&mut self.record);
        self.appetite()
    }

    fn body(&mut self, chunk: &[u8]) -> Appetite {
        let layer = self.layer.get_or_insert_with(|| Layer::top(true, &mut self.record));
        layer.feed(chunk, &mut self.record);
        self.appetite()
    }
}
