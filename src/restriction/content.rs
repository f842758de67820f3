//! What restrictions want to know of a message's content. The union over a policy says how its messages are looked at.

use crate::{
    attachment::{
        Watch,
        facts::{Facts, Finding},
        rules::NameRules,
    },
    header_checks,
};
use std::sync::Arc;

/// What one restriction looks at.
#[derive(Clone, Debug)]
pub enum Looks {
    /// Header fields, by a table.
    Headers(header_checks::Use),
    /// The names of attachments, by a set of rules.
    Attachments(Arc<NameRules>),
}

/// What a walk over a message found, and what it looked for.
#[derive(Debug)]
pub struct Attachments {
    /// What it looked for.
    pub watch: Arc<Watch>,
    /// What it found.
    pub facts: Facts,
}

impl Attachments {
    /// What a set of rules found.
    pub fn by(&self, rules: &Arc<NameRules>) -> Option<&[Finding]> {
        let at = self.watch.rules.iter().position(|known| Arc::ptr_eq(known, rules))?;
        self.facts.findings.get(at).map(Vec::as_slice)
    }
}
