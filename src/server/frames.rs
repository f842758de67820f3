//! Follows the milter packets of one connection without changing them, to count what the milter library swallows.
//!
//! indymilter ends a session at an oversized, unknown or unterminated packet and ignores one out of order, all without
//! telling anybody; an administrator must see it. Only lengths, kinds and last bytes are looked at.

use super::counters::{Counter, Counters};

/// The longest packet that the milter library reads, with its kind.
const PACKET_LIMIT: u32 = 1024 * 1024 + 1;

/// What can be wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// Length zero or beyond the limit.
    BadLength,
    /// An unknown kind.
    Unknown,
    /// The last byte is not NUL.
    Unterminated,
    /// It cannot come at this point; it gets no answer.
    OutOfOrder,
    /// The connection ended inside it.
    Truncated,
}

impl Violation {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::BadLength => "packet of impossible length",
            Self::Unknown => "packet of unknown kind",
            Self::Unterminated => "packet without NUL at its end",
            Self::OutOfOrder => "packet out of order, ignored",
            Self::Truncated => "connection ended inside a packet",
        }
    }

    pub(super) fn counter(self, counters: &Counters) -> &Counter {
        match self {
            Self::BadLength => &counters.packets_bad_length,
            Self::Unknown => &counters.packets_unknown,
            Self::Unterminated => &counters.packets_unterminated,
            Self::OutOfOrder => &counters.packets_out_of_order,
            Self::Truncated => &counters.packets_truncated,
        }
    }
}

/// Where the connection stands.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; 5],
    head_len: usize,
    rest: u32,
    last: u8,
    dialogue: Dialogue,
    /// Whether QUIT came, so that the end of the connection is in order.
    pub(super) quit: bool,
    broken: bool,
}

/// How far the SMTP dialogue got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
enum Dialogue {
    #[default]
    New,
    Negotiated,
    Connected,
    Mail,
}

impl Frames {
    /// Follows bytes that were read. After a violation that ends the session nothing more is looked at.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut report: impl FnMut(Violation)) {
        while !bytes.is_empty() && !self.broken {
            if self.head_len < self.head.len() {
                let n = bytes.len().min(self.head.len() - self.head_len);
                self.head[self.head_len..self.head_len + n].copy_from_slice(&bytes[..n]);
                self.head_len += n;
                bytes = &bytes[n..];
                if self.head_len < self.head.len() {
                    return;
                }
                self.begin(&mut report);
            }
            let n = usize::try_from(self.rest).map_or(bytes.len(), |rest| rest.min(bytes.len()));
            if let Some(last) = bytes[..n].last() {
                self.last = *last;
            }
            self.rest -= u32::try_from(n).unwrap_or(self.rest);
            bytes = &bytes[n..];
            if self.rest == 0 {
                self.end(&mut report);
            }
        }
    }

    /// The connection ended: fine between packets.
    pub(super) fn finish(&self) -> Option<Violation> {
        (self.head_len > 0 && !self.broken).then_some(Violation::Truncated)
    }

    /// Whether a violation ended the session already.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    fn begin(&mut self, report: &mut impl FnMut(Violation)) {
        let [a, b, c, d, kind] = self.head;
        let length = u32::from_be_bytes([a, b, c, d]);
        self.rest = length.saturating_sub(1);
        self.last = 0;
        if length == 0 || length > PACKET_LIMIT {
            self.broken = true;
            return report(Violation::BadLength);
        }
        if !b"ABCDEHKLMNOQRTU".contains(&kind) {
            self.broken = true;
            report(Violation::Unknown);
        }
    }

    fn end(&mut self, report: &mut impl FnMut(Violation)) {
        let kind = self.head[4];
        self.head_len = 0;
        if self.broken {
            return;
        }
        if !self.follow(kind) {
            return report(Violation::OutOfOrder);
        }
        // CONNECT of an unknown family ends with the family.
        let ended = self.last == 0 || (kind == b'C' && self.last == b'U');
        if b"CHLMRU".contains(&kind) && !ended {
            self.broken = true;
            report(Violation::Unterminated);
        }
    }

    /// Moves the dialogue on; false for a command that cannot come here.
    fn follow(&mut self, kind: u8) -> bool {
        let needs = match kind {
            b'O' => Dialogue::New,
            b'C' => Dialogue::Negotiated,
            b'H' | b'M' | b'U' => Dialogue::Connected,
            b'R' | b'T' | b'L' | b'N' | b'B' | b'E' => Dialogue::Mail,
            _ => Dialogue::New,
        };
        let once = matches!((kind, self.dialogue), (b'O', Dialogue::New) | (b'C', Dialogue::Negotiated));
        if self.dialogue < needs || (b"OC".contains(&kind) && !once) {
            return false;
        }
        match kind {
            b'O' => self.dialogue = Dialogue::Negotiated,
            b'C' | b'E' => self.dialogue = Dialogue::Connected,
            b'A' => self.dialogue = self.dialogue.min_connected(),
            b'M' => self.dialogue = Dialogue::Mail,
            b'K' => self.dialogue = Dialogue::Negotiated,
            b'Q' => self.quit = true,
            _ => {}
        }
        true
    }
}

impl Dialogue {
    fn min_connected(self) -> Self {
        if self == Self::Mail { Self::Connected } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(data.len() + 1).unwrap().to_be_bytes().to_vec();
        out.push(kind);
        out.extend_from_slice(data);
        out
    }

    fn seen(bytes: &[u8], chunk: usize) -> Vec<Violation> {
        let mut frames = Frames::default();
        let mut violations = Vec::new();
        for chunk in bytes.chunks(chunk) {
            frames.feed(chunk, |violation| violations.push(violation));
        }
        violations.extend(frames.finish());
        violations
    }

    fn session(tail: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = [frame(b'O', &[0; 12]), frame(b'D', b"C"), frame(b'C', b"x\0U")].concat();
        bytes.extend(tail.concat());
        bytes
    }

    #[test]
    fn an_orderly_session_shows_nothing_however_it_is_cut() {
        let bytes = session(&[
            frame(b'H', b"helo\0"),
            frame(b'M', b"<a>\0"),
            frame(b'R', b"<b>\0"),
            frame(b'T', b""),
            frame(b'L', b"Subject\0x\0"),
            frame(b'N', b""),
            frame(b'B', b"body"),
            frame(b'E', b""),
            frame(b'A', b""),
            frame(b'M', b"<>\0"),
            frame(b'Q', b""),
        ]);
        for chunk in 1..bytes.len() {
            assert_eq!(seen(&bytes, chunk), [], "in chunks of {chunk}");
        }
    }

    #[test]
    fn each_fault_of_a_packet_is_told_apart() {
        let cases = [
            (session(&[vec![0, 0, 0, 0, b'H']]), Violation::BadLength),
            (session(&[vec![0xff, 0xff, 0xff, 0xff, b'H']]), Violation::BadLength),
            (session(&[frame(b'Z', b"")]), Violation::Unknown),
            (session(&[frame(b'H', b"helo")]), Violation::Unterminated),
            (session(&[frame(b'R', b"<b>\0")]), Violation::OutOfOrder),
            (session(&[frame(b'E', b"")]), Violation::OutOfOrder),
            (frame(b'M', b"<a>\0"), Violation::OutOfOrder),
            (session(&[frame(b'C', b"x\0U")]), Violation::OutOfOrder),
            (session(&[vec![0, 0, 0, 9, b'H', b'x']]), Violation::Truncated),
            (session(&[vec![0, 0]]), Violation::Truncated),
        ];
        for (bytes, want) in cases {
            assert_eq!(seen(&bytes, 3), [want]);
        }
    }
}
