//! The reply filter of a list, `127.0.0.[2..11]`: postconf(5) reject_rbl_client, Postfix's ip_match.

use crate::origin::{Fault, Origin};
use std::net::Ipv4Addr;

/// Which answers of a list count: four octets, each a set of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter([Octet; 4]);

/// The numbers an octet may be, as ranges in the order of the pattern.
type Octet = Vec<(u8, u8)>;

impl Filter {
    /// Reads `d.d.d.d`, where each `d` is a number or `[list]`: numbers and ascending ranges `n..m` between `;`. The
    /// whole may stand in one more pair of brackets. `origin` is where the pattern begins.
    ///
    /// # Errors
    /// What Postfix refuses; there, it ends the server process at the first mail.
    pub fn parse(pattern: &str, origin: &Origin) -> Result<Self, Fault> {
        let (start, end) = unbracketed(pattern).map_err(|wrong| wrong.fault(pattern, origin))?;
        let mut reader = Reader { text: &pattern[..end], at: start };
        reader.pattern().map_err(|wrong| wrong.fault(pattern, origin))
    }

    /// Whether an answer counts.
    pub fn matches(&self, answer: Ipv4Addr) -> bool {
        let pairs = self.0.iter().zip(answer.octets());
        pairs
            .into_iter()
            .all(|(ranges, octet)| ranges.iter().any(|(from, to)| (*from..=*to).contains(&octet)))
    }
}

/// What is wrong from a byte on, and how many bytes of it.
struct Wrong {
    at: usize,
    length: usize,
    message: String,
}

const HELP: &str = "write four numbers, each alone or as a list, such as `127.0.0.[2;4;10..12]`";

impl Wrong {
    fn fault(self, pattern: &str, origin: &Origin) -> Fault {
        let characters = |from, to| pattern.get(from..to).map_or(0, |text: &str| text.chars().count());
        let width = characters(self.at, self.at + self.length);
        Fault::error(&origin.right(characters(0, self.at)), width, self.message).help(HELP)
    }
}

/// The pattern within its own brackets: `[[1;2].3.4.5]` is `[1;2].3.4.5`, `[1].2.3.4` is itself.
fn unbracketed(pattern: &str) -> Result<(usize, usize), Wrong> {
    let whole = Ok((0, pattern.len()));
    if !pattern.starts_with('[') {
        return whole;
    }
    let mut level = 0;
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            b'[' => level += 1,
            b']' if level == 1 => return if at + 1 == pattern.len() { Ok((1, at)) } else { whole },
            b']' => level -= 1,
            _ => {}
        }
    }
    Err(Wrong { at: 0, length: 1, message: "the bracket is not closed".to_owned() })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn pattern(&mut self) -> Result<Filter, Wrong> {
        if self.rest().is_empty() {
            return Err(self.wrong("the pattern is empty"));
        }
        let mut octets: [Octet; 4] = Default::default();
        for (number, octet) in octets.iter_mut().enumerate() {
            if number > 0 && !self.take(".") {
                return Err(self.wrong(format!("a `.` and {} more are missing", parts(4 - number))));
            }
            *octet = self.octet()?;
        }
        if !self.rest().is_empty() {
            return Err(self.wrong(format!("`{}` is too much behind the pattern", self.rest())));
        }
        Ok(Filter(octets))
    }

    fn octet(&mut self) -> Result<Octet, Wrong> {
        if !self.take("[") {
            let number = self.number("a number from 0 to 255 or `[` is missing")?;
            return Ok(vec![(number, number)]);
        }
        let mut ranges = Vec::new();
        loop {
            let from = self.number("a number from 0 to 255 is missing")?;
            let to = if self.take("..") {
                let (start, to) = (self.at, self.number("the range's end is missing")?);
                if to < from {
                    let message = format!("the range goes down from {from} to {to}");
                    return Err(Wrong { at: start, length: self.at - start, message });
                }
                to
            } else {
                from
            };
            ranges.push((from, to));
            if self.take("]") {
                return Ok(ranges);
            }
            if !self.take(";") {
                return Err(self.wrong("`;`, `..` or `]` is missing"));
            }
        }
    }

    fn number(&mut self, missing: &str) -> Result<u8, Wrong> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(self.wrong(missing));
        }
        let (at, text) = (self.at, &self.text[self.at..self.at + digits]);
        self.at += digits;
        // Leading zeros are allowed, so the text may be longer than any number of it.
        let bare = text.trim_start_matches('0');
        if bare.is_empty() { Ok(0) } else { bare.parse().map_err(|_| too_large(at, text)) }
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.rest().starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn wrong(&self, message: impl Into<String>) -> Wrong {
        let length = self.rest().chars().next().map_or(1, char::len_utf8);
        Wrong { at: self.at, length, message: message.into() }
    }
}

fn too_large(at: usize, text: &str) -> Wrong {
    Wrong { at, length: text.len(), message: format!("`{text}` is not a number from 0 to 255") }
}

fn parts(count: usize) -> String {
    if count == 1 { "one part".to_owned() } else { format!("{count} parts") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pattern: &str) -> Result<Filter, Fault> {
        Filter::parse(pattern, &Origin::new("t", 1, 1))
    }

    #[test]
    fn answers_match_as_in_postfix() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("127.0.0.2", &["127.0.0.2"], &["127.0.0.3", "126.0.0.2", "127.255.255.254"]),
            ("127.0.0.002", &["127.0.0.2"], &["127.0.0.20"]),
            ("[127.0.0.2]", &["127.0.0.2"], &["127.0.0.1"]),
            ("127.0.0.[2..11]", &["127.0.0.2", "127.0.0.11"], &["127.0.0.1", "127.0.0.12"]),
            ("127.0.0.[2..2]", &["127.0.0.2"], &["127.0.0.3"]),
            ("127.0.[0..255].[1..3]", &["127.0.9.1", "127.0.255.3"], &["127.1.9.1", "127.0.9.0"]),
            ("[[1;2].3.4.5]", &["1.3.4.5", "2.3.4.5"], &["3.3.4.5"]),
            ("[127].[0].[0].[2]", &["127.0.0.2"], &["127.0.0.1"]),
            (
                "127.0.0.[2;4;10..12]",
                &["127.0.0.2", "127.0.0.4", "127.0.0.11"],
                &["127.0.0.3", "127.0.0.9", "127.0.0.13"],
            ),
        ];
        for (pattern, hits, misses) in cases {
            let filter = parse(pattern).unwrap();
            assert!(hits.iter().all(|hit| filter.matches(hit.parse().unwrap())), "{pattern}");
            assert!(!misses.iter().any(|miss| filter.matches(miss.parse().unwrap())), "{pattern}");
        }
    }

    #[test]
    fn what_postfix_refuses_is_refused_with_its_place() {
        let cases = [
            ("", 1, 1, "the pattern is empty"),
            ("[]", 2, 1, "the pattern is empty"),
            ("[", 1, 1, "the bracket is not closed"),
            ("[127.0.0.2", 1, 1, "the bracket is not closed"),
            ("127.0.0", 8, 1, "a `.` and one part more are missing"),
            ("127.0", 6, 1, "a `.` and 2 parts more are missing"),
            ("127.0.0.", 9, 1, "a number from 0 to 255 or `[` is missing"),
            ("127..0.2", 5, 1, "a number from 0 to 255 or `[` is missing"),
            ("127.0.0.a", 9, 1, "a number from 0 to 255 or `[` is missing"),
            ("127.0.0. 2", 9, 1, "a number from 0 to 255 or `[` is missing"),
            ("127.0.0.[]", 10, 1, "a number from 0 to 255 is missing"),
            ("127.0.0.[2;;3]", 12, 1, "a number from 0 to 255 is missing"),
            ("127.0.0.[2;]", 12, 1, "a number from 0 to 255 is missing"),
            ("127.0.0.[[2]]", 10, 1, "a number from 0 to 255 is missing"),
            ("127.0.0.256", 9, 3, "`256` is not a number from 0 to 255"),
            ("127.0.0.4294967298", 9, 10, "`4294967298` is not a number from 0 to 255"),
            ("127.0.0.[2..256]", 13, 3, "`256` is not a number from 0 to 255"),
            ("127.0.0.[5..2]", 13, 1, "the range goes down from 5 to 2"),
            ("127.0.0.[2...5]", 13, 1, "the range's end is missing"),
            ("127.0.0.[2.5]", 11, 1, "`;`, `..` or `]` is missing"),
            ("127.0.0.[2", 11, 1, "`;`, `..` or `]` is missing"),
            ("127.0.0.[2-5]", 11, 1, "`;`, `..` or `]` is missing"),
            ("127.0.0.[2,3]", 11, 1, "`;`, `..` or `]` is missing"),
            ("127.0.0.[2..3..4]", 14, 1, "`;`, `..` or `]` is missing"),
            ("127.0.0.2.3", 10, 1, "`.3` is too much behind the pattern"),
            ("127.0.0.2]", 10, 1, "`]` is too much behind the pattern"),
            ("127.0.0.[1]2", 12, 1, "`2` is too much behind the pattern"),
            ("[127.0.0.2]x", 5, 1, "`;`, `..` or `]` is missing"),
            ("127.0.0.ö", 9, 1, "a number from 0 to 255 or `[` is missing"),
        ];
        for (pattern, column, width, message) in cases {
            let fault = parse(pattern).unwrap_err();
            assert_eq!((fault.origin.column, fault.width), (column, width), "{pattern}");
            assert_eq!((fault.message.as_str(), fault.help.as_deref()), (message, Some(HELP)), "{pattern}");
        }
    }
}
