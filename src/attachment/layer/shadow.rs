//! Bodies that go on for those who take no delimiter for what ended them for others.

use super::{
    super::{
        leaf::Leaf,
        record::{Here, Record},
    },
    Layer,
};

/// A body that goes on beside others, and the part that it belongs to.
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) leaf: Leaf,
    pub(super) here: Here,
}

impl Shadow {
    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) {
        let outside = record.here(std::mem::take(&mut self.here));
        self.leaf.feed(bytes, record);
        self.here = record.here(outside);
    }

    pub(super) fn finish(self, record: &mut Record) {
        let outside = record.here(self.here);
        self.leaf.finish(record);
        record.release(true);
        record.here(outside);
    }
}

impl Layer {
    pub(super) fn end_shadow(&mut self, record: &mut Record) {
        if let Some(shadow) = self.shadow.take() {
            shadow.finish(record);
        }
    }
}
