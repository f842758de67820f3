//! SMTP replies: the code of RFC 5321, the enhanced status of RFC 3463, and the text.

use super::text;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A reply code that refuses: `[45][0-5][0-9]`.
///
/// Postfix: any code from 400 to 599; here: the second digit is 0 to 5 as in RFC 5321 section 4.2.1, because the
/// milter protocol's own library carries no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The code, if it is one that a milter can send.
    pub const fn new(code: u16) -> Option<Self> {
        let (class, second) = (code / 100, code / 10 % 10);
        if (class == 4 || class == 5) && second <= 5 { Some(Self(code)) } else { None }
    }

    /// A code known when the program was written.
    ///
    /// # Panics
    /// At compile time, when used in a constant and the code is none.
    #[allow(clippy::panic, reason = "evaluated at compile time only")]
    pub const fn known(code: u16) -> Self {
        match Self::new(code) {
            Some(code) => code,
            None => panic!("not a reply code"),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The first digit: 4 (transient) or 5 (permanent).
    pub const fn class(self) -> u8 {
        if self.0 < 500 { 4 } else { 5 }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An enhanced status code without its class digit, which always follows the reply code (RFC 3463): `x.1.8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// The subject, 0 to 999.
    pub subject: u16,
    /// The detail, 0 to 999.
    pub detail: u16,
}

impl Enhanced {
    /// `x.subject.detail`.
    pub const fn new(subject: u16, detail: u16) -> Self {
        Self { subject, detail }
    }

    /// Splits a leading enhanced status code off a text, as Postfix's dsn_split(): `5.7.1 Go away` gives `x.7.1` and
    /// `Go away`. Without one the text comes back whole.
    pub fn split(text: &str) -> (Option<Self>, &str) {
        let (word, rest) = match text.find([' ', '\t']) {
            Some(at) => (&text[..at], text[at..].trim_start()),
            None => (text, ""),
        };
        match Self::parse(word) {
            Some(status) => (Some(status), rest),
            None => (None, text),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('.');
        let class = parts.next()?;
        let number = |part: &str| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse().ok() } else { None }
        };
        if !matches!(class, "2" | "4" | "5") {
            return None;
        }
        let status = Self { subject: number(parts.next()?)?, detail: number(parts.next()?)? };
        parts.next().is_none().then_some(status)
    }
}

/// The longest reply text, in bytes: smtpd_check_reject() cuts there.
const TEXT_LIMIT: usize = 510;

/// A refusal: code, enhanced status and one line of text, fit to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code.
    pub code: ReplyCode,
    /// The enhanced status; its class digit is the code's.
    pub status: Enhanced,
    /// The text after the codes: one printable line of at most 510 bytes with the codes.
    pub text: String,
}

impl Reply {
    /// Makes a reply whose text holds no control character, as smtpd_check_reject() does.
    pub fn new(code: ReplyCode, status: Enhanced, text: &str) -> Self {
        let text = text::printable(text, ' ');
        let codes = format!("{code} {}.{}.{} ", code.class(), status.subject, status.detail).len();
        Self { code, status, text: text::cut(&text, TEXT_LIMIT - codes).to_owned() }
    }

    /// Reads `450 4.7.1 text`, the form of records.
    pub fn from_shown(shown: &str) -> Option<Self> {
        let (code, rest) = shown.split_once(' ')?;
        let code = ReplyCode::new(code.parse().ok()?)?;
        let (status, text) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self { status: Enhanced::parse(status)?, ..Self::new(code, Enhanced::new(0, 0), text) })
    }

    /// The enhanced status with its class digit, such as `4.7.1`.
    pub fn enhanced(&self) -> String {
        format!("{}.{}.{}", self.code.class(), self.status.subject, self.status.detail)
    }
}

/// `450 4.7.1 text`, as the client reads it.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Enhanced { subject, detail } = self.status;
        write!(f, "{} {}.{subject}.{detail} {}", self.code, self.code.class(), self.text)
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A reply as it was recorded.
impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shown = String::deserialize(deserializer)?;
        Self::from_shown(&shown).ok_or_else(|| de::Error::custom("no reply"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_reads_back_as_it_was_shown() {
        let reply = Reply::new(ReplyCode::known(450), Enhanced::new(7, 25), "5.7.1 <a>: no");
        assert_eq!(Reply::from_shown(&reply.to_string()), Some(reply));
        for text in ["", "450", "250 2.0.0 ok", "450 no status", "x50 4.0.0 x"] {
            assert_eq!(Reply::from_shown(text), None, "{text}");
        }
    }

    #[test]
    fn codes_are_those_that_a_milter_can_send() {
        for code in [400, 421, 450, 451, 459, 501, 554, 559] {
            assert!(ReplyCode::new(code).is_some(), "{code}");
        }
        for code in [0, 200, 250, 399, 460, 471, 499, 560, 571, 600, 650] {
            assert!(ReplyCode::new(code).is_none(), "{code}");
        }
    }

    #[test]
    fn the_class_digit_follows_the_code() {
        let (status, text) = Enhanced::split("5.7.1 Go away");
        let reply = Reply::new(ReplyCode::known(450), status.unwrap(), text);
        assert_eq!(reply.to_string(), "450 4.7.1 Go away");
    }

    #[test]
    fn only_a_status_code_is_split_off() {
        assert_eq!(Enhanced::split("5.1.1"), (Some(Enhanced::new(1, 1)), ""));
        for text in ["1.2.3.4 listed", "5.7 x", "3.7.1 x", "5.7.1x", "5.7.1234 x", "", "text"] {
            assert_eq!(Enhanced::split(text), (None, text));
        }
    }

    #[test]
    fn control_characters_become_blanks_and_long_texts_are_cut() {
        let reply = Reply::new(ReplyCode::known(554), Enhanced::new(7, 1), "a\r\n250 b");
        assert_eq!(reply.to_string(), "554 5.7.1 a  250 b");
        let reply = Reply::new(ReplyCode::known(554), Enhanced::new(7, 1), &"x".repeat(2_000));
        assert_eq!(reply.to_string().len(), 510);
    }
}
