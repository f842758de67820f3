//! DNS block and allow lists (RFC 5782): which lists a policy asks.

use crate::{origin::Origin, smtp::domain::Domain};

/// What a list is asked for; it decides the test points of RFC 5782 section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Reversed addresses: 127.0.0.2 is listed, 127.0.0.1 is not.
    Address,
    /// Domain names: TEST is listed, INVALID is not.
    Name,
}

/// One use of a list in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUse {
    /// The list's zone, such as `zen.spamhaus.org`.
    pub zone: Domain,
    /// What it is asked for.
    pub kind: ListKind,
    /// Whether a listing permits (an allow list) instead of refusing.
    pub allows: bool,
    /// Where it is written.
    pub origin: Origin,
}
