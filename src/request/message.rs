//! The content of a message as it streams by: what an inspector sees of it and whether it wants more.

/// Whether something wants to see more of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// It wants the next piece.
    More,
    /// Nothing in the rest can change what it says.
    Enough,
}

/// Looks at a message as it streams by, in whatever chunks; knows nothing of sockets or policies.
pub trait Inspect: Send {
    /// A field of the message's own header: the raw value, with its folds (`\n` or `\r\n`) and the blank it begins with.
    fn header(&mut self, name: &[u8], value: &[u8]);

    /// The header is complete.
    fn end_of_headers(&mut self) -> Appetite;

    /// The next bytes of the body.
    fn body(&mut self, chunk: &[u8]) -> Appetite;
}
