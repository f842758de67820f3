//! What restrictions want to know of a message's content. The union over a policy says how its messages are looked at.

use crate::{
    attachment::{
        Watch,
        facts::{Facts, Finding},
        rules::NameRules,
    },
    header_checks,
    request::message::{Appetite, Inspect},
};
use std::sync::Arc;

/// What one restriction looks at.
#[derive(Clone, Debug)]
pub enum Looks {
    /// Header fields, by a table.
    Headers(header_checks::Use),
    /// The names of attachments, by a set of rules.
    Attachments(Arc<NameRules>),
    /// How long it is, at its end.
    Size,
    /// With an inspector of its own, one for each message. What it finds it keeps for itself.
    Own(fn() -> Box<dyn Inspect>),
}

/// The length of a message in bytes, with its header and CRLF at the end of each line: what smtpd(8) counts as it comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    fn add(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes as u64);
    }
}

impl Inspect for Size {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        // Folds come as LF alone, or as they are.
        let folds = value.iter().filter(|byte| **byte == b'\n').count();
        let whole = value.windows(2).filter(|pair| pair == b"\r\n").count();
        self.add(name.len() + b":".len() + value.len() + folds - whole + b"\r\n".len());
    }

    fn end_of_headers(&mut self) -> Appetite {
        self.add(b"\r\n".len());
        Appetite::More
    }

    fn body(&mut self, chunk: &[u8]) -> Appetite {
        self.add(chunk.len());
        Appetite::More
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_it_came_in() {
        let mut size = Size::default();
        // Subject: a CRLF, To: b CRLF blank c CRLF, CRLF, body CRLF.
        size.header(b"Subject", b" a");
        size.header(b"To", b" b\n c");
        size.header(b"Cc", b" b\r\n c");
        assert_eq!(size.end_of_headers(), Appetite::More);
        assert_eq!((size.body(b"bo"), size.body(b"dy\r\n")), (Appetite::More, Appetite::More));
        let whole = "Subject: a\r\nTo: b\r\n c\r\nCc: b\r\n c\r\n\r\nbody\r\n";
        assert_eq!(size.0, whole.len() as u64);
    }
}
