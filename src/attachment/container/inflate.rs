//! Deflated bytes as they stream by (RFC 1951): what comes out is looked at and forgotten.

use super::{
    super::{budget::Lease, facts::Unreadable, record::Record},
    Content,
};
use miniz_oxide::{
    DataFormat, MZFlush, MZStatus,
    inflate::stream::{InflateState, MinReset, inflate},
};
use std::fmt;

/// What the state of an inflation takes, with its window.
const STATE: usize = 48 * 1_024;

/// A stream that is being inflated, and what comes out of it.
pub(in super::super) struct Inflate {
    state: Option<Idle>,
    content: Box<Content>,
    ended: bool,
    whole: bool,
}

/// The state of an inflation that is not needed now; to make one costs more than many members are long.
pub(in super::super) struct Idle {
    state: Box<InflateState>,
    _lease: Lease,
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate")
            .field("content", &self.content)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Inflate {
    /// Begins a stream, if there is memory for it.
    pub(super) fn new(content: Content, record: &mut Record) -> Option<Self> {
        let mut idle = record.idle().or_else(|| {
            let lease = record.lease(STATE)?;
            Some(Idle { state: InflateState::new_boxed(DataFormat::Raw), _lease: lease })
        });
        match &mut idle {
            Some(idle) => idle.state.reset_as(MinReset),
            None => record.unreadable(Unreadable::Limit),
        }
        idle.map(|idle| Self { state: Some(idle), content: Box::new(content), ended: false, whole: false })
    }

    pub(super) fn held(&self) -> usize {
        STATE + self.content.held()
    }

    /// Whether the stream has come to its end, or can go no further.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether all of it was wanted, up to its end: only then is it known where that is, however the bytes came.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Inflates the next bytes; how many belonged to the stream.
    pub(super) fn feed(&mut self, bytes: &[u8], record: &mut Record) -> usize {
        let mut output = [0_u8; 4_096];
        let mut taken = 0;
        while !self.ended {
            let Some(idle) = &mut self.state else { break };
            let rest = bytes.get(taken..).unwrap_or_default();
            let result = inflate(&mut idle.state, rest, &mut output, MZFlush::None);
            taken += result.bytes_consumed;
            let inflated = output.get(..result.bytes_written).unwrap_or_default();
            if !record.inflate(inflated.len()) {
                record.unreadable(Unreadable::Limit);
                self.ended = true;
            }
            self.content.feed(inflated, record);
            let settled = self.content.is_settled();
            match result.status {
                Ok(MZStatus::StreamEnd) => (self.ended, self.whole) = (true, !settled),
                Ok(MZStatus::NeedDict) => self.ended = true,
                Ok(MZStatus::Ok) if result.bytes_written == 0 && result.bytes_consumed == 0 => break,
                Ok(MZStatus::Ok) => {}
                // It wants more bytes than there are now.
                Err(miniz_oxide::MZError::Buf) => break,
                Err(_) => self.ended = true,
            }
            // What comes out of a member that is no container is not wanted.
            self.ended |= settled;
        }
        if self.ended {
            self.end(record);
        }
        taken
    }

    /// The stream is cut.
    pub(super) fn finish(&mut self, record: &mut Record) {
        if !self.ended {
            self.end(record);
        }
    }

    fn end(&mut self, record: &mut Record) {
        self.ended = true;
        self.content.finish(record);
        if let Some(idle) = self.state.take() {
            record.put_idle(idle);
        }
    }
}
