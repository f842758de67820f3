//! Lists of domains, as relay_domains and mydestination of postconf(5): names, tables and `!exceptions` in order
//! (Postfix's string_list(3) and domain_list(3)).

use super::{Source, pattern::GaveUp, texts::TextTable};
use crate::{
    origin::{Fault, Word},
    smtp::{address::domain_keys, domain},
};

/// Which domains a name in a list matches beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Subdomains {
    /// None: mydestination.
    #[default]
    None,
    /// Its subdomains: relay_domains, with parent_domain_matches_subdomains.
    Match,
    /// Those of `.name`: relay_domains without.
    MatchDotted,
}

/// A list of domains.
#[derive(Debug, Default)]
pub struct DomainList {
    patterns: Vec<Pattern>,
    subdomains: Subdomains,
}

#[derive(Debug)]
struct Pattern {
    /// `!`: what it matches is not in the list.
    except: bool,
    matches: Matches,
}

#[derive(Debug)]
enum Matches {
    /// A name in lower case, perhaps with a leading dot.
    Name(Box<str>),
    /// The keys of a table.
    Table(TextTable),
}

impl DomainList {
    /// Reads a list; what is wrong with a word goes to [`Source::fault`].
    pub fn load(words: &[Word], subdomains: Subdomains, source: &mut dyn Source) -> Self {
        let mut patterns = Vec::with_capacity(words.len());
        for word in words {
            match pattern(word, subdomains, source) {
                Ok(pattern) => patterns.push(pattern),
                Err(fault) => source.fault(fault),
            }
        }
        Self { patterns, subdomains }
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a domain is in the list: the first pattern that matches it says so.
    ///
    /// # Errors
    /// When a table's pattern takes too long.
    pub fn contains(&self, domain: &str) -> Result<bool, GaveUp> {
        let domain = domain.to_lowercase();
        for Pattern { except, matches } in &self.patterns {
            let matched = match matches {
                Matches::Name(name) => self.name_matches(name, &domain),
                Matches::Table(table) => self.table_has(table, &domain)?,
            };
            if matched {
                return Ok(!except);
            }
        }
        Ok(false)
    }

    fn name_matches(&self, name: &str, domain: &str) -> bool {
        let below = || domain.strip_suffix(name).filter(|rest| !rest.is_empty());
        let subdomain = match self.subdomains {
            Subdomains::None => false,
            Subdomains::Match => below().is_some_and(|rest| rest.ends_with('.')),
            Subdomains::MatchDotted => name.starts_with('.') && below().is_some(),
        };
        name == domain || subdomain
    }

    fn table_has(&self, table: &TextTable, domain: &str) -> Result<bool, GaveUp> {
        if table.full(domain)?.is_some() {
            return Ok(true);
        }
        let parents = match self.subdomains {
            Subdomains::None => return Ok(false),
            Subdomains::Match => true,
            Subdomains::MatchDotted => false,
        };
        for key in domain_keys(domain, parents).skip(1) {
            if table.partial(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn pattern(word: &Word, subdomains: Subdomains, source: &mut dyn Source) -> Result<Pattern, Fault> {
    let text = word.text.trim_start_matches('!');
    let marks = word.text.len() - text.len();
    let word = Word { text: text.to_owned(), origin: word.origin.right(marks) };
    let except = marks % 2 == 1;
    if text.starts_with('$') {
        let fault = word.error(format!("`{text}` is a parameter of main.cf"));
        return Err(fault.help("mailward has no parameters: write its value, as `postconf -x` shows it"));
    }
    if text.starts_with('/') {
        let fault = word.error(format!("`{text}` is a file"));
        return Err(fault.help(format!("write the domains themselves, or a table such as `texthash:{text}`")));
    }
    if text.contains(':') && !text.starts_with('[') {
        return Ok(Pattern { except, matches: Matches::Table(TextTable::load(&word, source)?) });
    }
    let name = text.strip_prefix('.').unwrap_or(text);
    let literal = name.starts_with('[') && name.ends_with(']');
    if !literal && !domain::valid_utf8_hostname(name) && !domain::is_address(name) {
        return Err(word
            .error(format!("`{text}` is not a domain"))
            .help("write names such as `example.com`"));
    }
    if name.len() < text.len() && subdomains != Subdomains::MatchDotted {
        let fault = Fault::warning(&word.origin, text.chars().count(), format!("`{text}` matches nothing"));
        source.fault(match subdomains {
            Subdomains::Match => fault
                .help(format!("write `{name}`: parent_domain_matches_subdomains makes it match subdomains")),
            Subdomains::None | Subdomains::MatchDotted => {
                fault.help("this list names each domain by itself: subdomains are not matched")
            }
        });
    }
    Ok(Pattern { except, matches: Matches::Name(text.to_lowercase().into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::memory::{Memory, word};

    const LIST: [&str; 5] =
        ["!no.Example.net", "example.NET", "inline:{a.example=x,b.example=y}", "[192.0.2.1]", ".dot.example"];

    fn load(words: &[&str], subdomains: Subdomains) -> (DomainList, Vec<String>) {
        let words: Vec<Word> = words.iter().map(|text| word(text)).collect();
        let mut memory = Memory::default();
        let list = DomainList::load(&words, subdomains, &mut memory);
        (list, memory.messages())
    }

    #[test]
    fn the_first_pattern_that_matches_counts() {
        use Subdomains::{Match, MatchDotted, None};
        // The domain, and whether it is in the list with each kind of subdomains.
        let cases = [
            ("example.net", [true, true, true]),
            ("EXAMPLE.net", [true, true, true]),
            ("no.example.net", [false, false, false]),
            ("x.no.example.net", [false, false, false]),
            ("mail.example.net", [false, true, false]),
            ("notexample.net", [false, false, false]),
            ("a.example", [true, true, true]),
            ("x.b.example", [false, true, false]),
            ("[192.0.2.1]", [true, true, true]),
            ("[192.0.2.2]", [false, false, false]),
            ("x.dot.example", [false, false, true]),
            ("dot.example", [false, false, false]),
            ("", [false, false, false]),
        ];
        for (domain, want) in cases {
            let got = [None, Match, MatchDotted].map(|subdomains| load(&LIST, subdomains).0.contains(domain));
            assert_eq!(got, want.map(Ok), "{domain}");
        }
        let (dotted, _) = load(&["inline:{.a.example=x}"], MatchDotted);
        assert_eq!((dotted.contains("x.a.example"), dotted.contains("a.example")), (Ok(true), Ok(false)));
    }

    #[test]
    fn a_table_of_patterns_sees_the_whole_domain_only() {
        let mut memory = Memory::default();
        memory.files.insert("t", "/^example\\.net$/ x\n".to_owned());
        let list = DomainList::load(&[word("regexp:t")], Subdomains::Match, &mut memory);
        assert_eq!((list.contains("example.net"), list.contains("a.example.net")), (Ok(true), Ok(false)));
    }

    #[test]
    fn what_is_no_domain_is_said() {
        let cases = [
            (
                "$mydestination",
                "14 error: `$mydestination` is a parameter of main.cf (mailward has no parameters: write its value, as `postconf -x` shows it)",
            ),
            (
                "/etc/relay",
                "10 error: `/etc/relay` is a file (write the domains themselves, or a table such as `texthash:/etc/relay`)",
            ),
            ("a..b", "4 error: `a..b` is not a domain (write names such as `example.com`)"),
            ("*", "1 error: `*` is not a domain (write names such as `example.com`)"),
            (
                ".a.b",
                "4 warning: `.a.b` matches nothing (write `a.b`: parent_domain_matches_subdomains makes it match subdomains)",
            ),
        ];
        for (text, want) in cases {
            let (_, faults) = load(&[text], Subdomains::Match);
            assert_eq!(faults, [format!("m.toml:3:5+{want}")]);
        }
        let (_, faults) = load(&["!.a.b"], Subdomains::None);
        let want = "m.toml:3:6+4 warning: `.a.b` matches nothing (this list names each domain by itself: subdomains \
                    are not matched)";
        assert_eq!(faults, [want]);
    }
}
