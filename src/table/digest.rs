//! A short digest of what was loaded, to tell whether it is still the same.

use std::fmt::{self, Debug, Write};

/// FNV-1a, 32 bits of it, over the shown form.
struct Hash(u64);

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const PRIME: u64 = 0x100_0000_01b3;
        self.0 = text.bytes().fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        Ok(())
    }
}

/// The digest of a value; another version may show the same value otherwise.
pub fn digest(value: &impl Debug) -> u32 {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    // A hash takes everything.
    let _ = write!(hash, "{value:?}");
    u32::try_from((hash.0 ^ (hash.0 >> 32)) & 0xffff_ffff).unwrap_or(0)
}
