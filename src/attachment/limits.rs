//! How much of a message is followed. Beyond a limit the answer is `on_unparsable`, never silence.

/// The limits of one walk. Each is a setting of its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Parts that are open inside one another, multiparts and messages. Postfix's `mime_nesting_limit` is 100; the
    /// deepest of 954 odd messages had 7. Default 200, 1 to 1,000.
    pub depth: usize,
    /// Parts in all. The most that were seen are 330. Default 10,000, 1 to 100,000.
    pub parts: usize,
    /// Bytes of the Content-* fields of one header. Postfix cuts one field at `header_size_limit`, 102,400. Default
    /// 131,072, 1,024 to 131,072.
    pub header_bytes: usize,
    /// Parameters of one field, counted in each reading of it. Default 1,024, 1 to 4,096.
    pub parameters: usize,
    /// Pieces of one value after RFC 2231. Default 1,000, as Mozilla has it; 1 to 4,096.
    pub segments: usize,
    /// Boundaries one multipart may have in all readings. Default 16, 1 to 64.
    pub boundaries: usize,
    /// Messages inside transfer encodings inside one another. Default 3, 1 to 8.
    pub encoded_levels: usize,
    /// Names in all, without those inside archives. Default 5,000, 1 to 100,000.
    pub names: usize,
    /// Names inside archives, in all. Default 50,000, 1 to 1,000,000.
    pub archive_members: usize,
    /// Archives inside one another whose compressed members are looked into. Default 2, 0 to 3.
    pub archive_levels: usize,
    /// Bytes that are inflated for one message. Default 67,108,864 (64 MiB), 0 to 1 GiB.
    pub inflated_bytes: u64,
    /// Findings that are kept for each set of rules. Default 16, 1 to 100.
    pub findings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 200,
            parts: 10_000,
            header_bytes: 131_072,
            parameters: 1_024,
            segments: 1_000,
            boundaries: 16,
            encoded_levels: 3,
            names: 5_000,
            archive_members: 50_000,
            archive_levels: 2,
            inflated_bytes: 64 << 20,
            findings: 16,
        }
    }
}
