//! The names of attachments: a walk over a message as it streams by, which reports each part's names in all readings
//! that a mail program could have (RFC 2045, 2046, 2047, 2183, 2231, and what programs do with what these forbid).
//!
//! A name is banned if it is banned in *any* reading. The walk keeps a bounded state whatever the message, takes time
//! in proportion to its length, and opens containers only as far as their directories.

pub mod budget;
#[allow(dead_code, reason = "the walk that uses it comes next")]
mod charset;
#[allow(dead_code, reason = "the walk that uses it comes next")]
mod decode;
pub mod facts;
pub mod limits;
mod normal;
pub mod pattern;
pub mod presets;
#[allow(dead_code, reason = "the walk that uses it comes next")]
mod record;
pub mod rules;
mod walker;

pub use walker::{Walker, Watch};
