//! Patterns for names: `*.pdf.zip` with `*` and `?`, or between slashes an expression of Perl's kind, both without
//! regard to case and with a bounded effort.

use pcre2::bytes::{Regex, RegexBuilder};
use std::fmt;

/// Backtracking steps of one match; a pattern that fits its purpose needs some hundreds.
const MATCH_LIMIT: u32 = 50_000;

/// A pattern for the whole name in its normal form, such as `invoice*.zip` or `/^scan_[0-9]+\.html?$/`.
#[derive(Clone, Debug)]
pub struct NamePattern {
    written: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Wildcards(Vec<char>),
    Expression(Box<Regex>),
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for a diagnostic.
    pub fn parse(written: &str) -> Result<Self, String> {
        let matcher = match written.strip_prefix('/') {
            Some(rest) => {
                let Some(expression) = rest.strip_suffix('/') else {
                    return Err(format!("the pattern `{written}` is not closed: its second `/` is missing"));
                };
                let prefix = format!("(*LIMIT_MATCH={MATCH_LIMIT})(*LIMIT_HEAP=1024)");
                let regex =
                    RegexBuilder::new().utf(true).caseless(true).build(&format!("{prefix}{expression}"));
                Matcher::Expression(Box::new(
                    regex.map_err(|error| format!("bad pattern `{written}`: {}", words(&error)))?,
                ))
            }
            None if written.is_empty() => return Err("the pattern is empty".to_owned()),
            None => Matcher::Wildcards(written.to_lowercase().chars().collect()),
        };
        Ok(Self { written: written.to_owned(), matcher })
    }

    /// The pattern as it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether the name matches.
    ///
    /// # Errors
    /// [`GaveUp`] when the effort for this name is too great.
    pub fn matches(&self, name: &str) -> Result<bool, GaveUp> {
        match &self.matcher {
            Matcher::Wildcards(pattern) => Ok(wildcards(pattern, name)),
            Matcher::Expression(regex) => regex
                .is_match(name.as_bytes())
                .map_err(|error| GaveUp { pattern: self.written.clone(), reason: words(&error) }),
        }
    }
}

/// A match was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    pattern: String,
    reason: String,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pattern `{}` was given up: {}", self.pattern, self.reason)
    }
}

impl std::error::Error for GaveUp {}

/// PCRE2's words without its own beginning.
fn words(error: &pcre2::Error) -> String {
    error.to_string().rsplit(": ").next().unwrap_or_default().to_owned()
}

/// Goes back to the last `*` only, so that the effort is the product of both lengths at most.
fn wildcards(pattern: &[char], name: &str) -> bool {
    let mut rest = name.chars();
    let (mut at, mut star) = (0, None);
    loop {
        if pattern.get(at) == Some(&'*') {
            at += 1;
            star = Some((at, rest.clone()));
            continue;
        }
        let here = rest.next();
        match (pattern.get(at), here) {
            (None, None) => return true,
            (Some(want), Some(c)) if *want == '?' || *want == c => at += 1,
            (_, _) => {
                let Some((behind, from)) = &mut star else { return false };
                if from.next().is_none() {
                    return false;
                }
                at = *behind;
                rest = from.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NamePattern;

    #[test]
    fn wildcards_cover_the_whole_name_and_expressions_what_they_say() {
        for (pattern, name, want) in [
            ("*.pdf.zip", "a.pdf.zip", true),
            ("*.pdf.zip", "a.pdf.zip.txt", false),
            ("Invoice?.*", "invoice1.doc", true),
            ("invoice?.*", "invoice.doc", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("*", "", true),
            ("/^scan_[0-9]+\\./", "Scan_12.html", true),
            ("/^scan_[0-9]+$/", "scan_12.html", false),
        ] {
            assert_eq!(NamePattern::parse(pattern).unwrap().matches(name), Ok(want), "{pattern} {name}");
        }
    }

    #[test]
    fn faults_and_too_great_an_effort_are_said() {
        let fault = |text| NamePattern::parse(text).unwrap_err();
        assert_eq!(fault(""), "the pattern is empty");
        assert_eq!(fault("/a"), "the pattern `/a` is not closed: its second `/` is missing");
        assert_eq!(fault("/(/"), "bad pattern `/(/`: missing closing parenthesis");
        let slow = NamePattern::parse("/(a+)+$/").unwrap().matches(&format!("{}b", "a".repeat(60)));
        assert_eq!(
            slow.unwrap_err().to_string(),
            "the pattern `/(a+)+$/` was given up: match limit exceeded"
        );
    }
}
