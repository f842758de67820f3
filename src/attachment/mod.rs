//! The names of attachments: a walk over a message as it streams by, which reports each part's names in all readings
//! that a mail program could have (RFC 2045, 2046, 2047, 2183, 2231, and what programs do with what these forbid).
//!
//! A name is banned if it is banned in *any* reading. The walk keeps a bounded state whatever the message, takes time
//! in proportion to its length, and opens containers only as far as their directories.

pub mod budget;
mod charset;
mod container;
mod decode;
mod delimiters;
pub mod facts;
mod fields;
mod head;
mod inline;
mod layer;
mod leaf;
pub mod limits;
mod names;
mod normal;
mod parameters;
pub mod pattern;
pub mod presets;
mod record;
pub mod rules;
mod walker;
mod words;

pub use walker::{Walker, Watch};
