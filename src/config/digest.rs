//! The digest of a configuration: its own text and that of every table and list it reads.

use super::{Files, Unreadable};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc};

/// Files that are read through here count.
pub(super) struct Digesting<'a> {
    files: &'a mut dyn Files,
    hash: Sha256,
}

impl<'a> Digesting<'a> {
    /// Begins with the configuration's own text.
    pub(super) fn new(text: &str, files: &'a mut dyn Files) -> Self {
        let mut digesting = Self { files, hash: Sha256::new() };
        digesting.add(text);
        digesting
    }

    /// With its length, so that no text can pass for the end of one and the beginning of another.
    fn add(&mut self, text: &str) {
        self.hash.update((text.len() as u64).to_be_bytes());
        self.hash.update(text);
    }

    /// The digest, in hexadecimal.
    pub(super) fn finish(self) -> Arc<str> {
        let hex = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        hex.into()
    }
}

impl Files for Digesting<'_> {
    fn read(&mut self, path: &Path) -> Result<String, Unreadable> {
        let text = self.files.read(path)?;
        self.add(&path.to_string_lossy());
        self.add(&text);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Files, Unreadable, parse};
    use std::path::Path;

    struct Table(&'static str);

    impl Files for Table {
        fn read(&mut self, _: &Path) -> Result<String, Unreadable> {
            Ok(self.0.to_owned())
        }
    }

    #[test]
    fn the_digest_changes_with_the_text_and_with_a_table() {
        let digest = |text: &str, table| parse("t", text, &mut Table(table)).config.unwrap().digest;
        let policy = "restrictions.client = \"check_client_access hash:/t\"\n";
        let first = digest(policy, "a.example REJECT\n");
        assert_eq!(first, digest(policy, "a.example REJECT\n"));
        assert_eq!(first.len(), 64);
        assert_ne!(first, digest(policy, "b.example REJECT\n"));
        assert_ne!(first, digest(&format!("{policy}#\n"), "a.example REJECT\n"));
    }
}
