//! What restrictions want to know of a message's content. The union over a policy says how its messages are looked at.

use crate::header_checks;

/// What one restriction looks at.
#[derive(Clone, Debug)]
pub enum Looks {
    /// Header fields, by a table.
    Headers(header_checks::Use),
}
