//! Lists of networks, as mynetworks of postconf(5): networks, `!exceptions`, files and cidr: tables in order (Postfix's
//! addr_match_list(3) and match_list(3)).

use super::{Source, lines::Line, texts::TextTable};
use crate::{
    origin::{Fault, Origin, Word},
    smtp::domain,
};
use ipnet::IpNet;
use std::{net::IpAddr, ops::Range};

/// How many files a list may name, those that files name too.
const FILES: usize = 100;

/// A list of networks.
#[derive(Debug, Default)]
pub struct NetworkList {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// `!`: what it matches is not in the list.
    except: bool,
    matches: Matches,
}

#[derive(Debug)]
enum Matches {
    Network(IpNet),
    /// The keys of a cidr: table, and how the table is written.
    Table(TextTable, Box<str>),
}

impl NetworkList {
    /// Reads a list; what is wrong goes to [`Source::fault`].
    pub fn load(words: &[Word], source: &mut dyn Source) -> Self {
        let mut list = Self::default();
        let mut files = Files::default();
        for word in words {
            list.add(word, false, &mut files, source);
        }
        list
    }

    /// How many networks and tables stand in it.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// What an address is in: the first pattern that matches it decides.
    pub fn find(&self, address: IpAddr) -> Option<String> {
        self.patterns
            .iter()
            .find_map(|Pattern { except, matches }| Some((!except).then_some(matches.shown(address)?)))?
    }

    fn add(&mut self, word: &Word, except: bool, files: &mut Files, source: &mut dyn Source) {
        let text = word.text.trim_start_matches('!');
        let marks = word.text.len() - text.len();
        let word = Word { text: text.to_owned(), origin: word.origin.right(marks) };
        let except = except != (marks % 2 == 1);
        let made = if text.starts_with('/') {
            self.file(&word, except, files, source)
        } else if text.starts_with("cidr:") {
            TextTable::load(&word, source).map(|table| {
                self.patterns.push(Pattern { except, matches: Matches::Table(table, text.into()) });
            })
        } else {
            self.network(&word, except, source)
        };
        if let Err(fault) = made {
            source.fault(fault);
        }
    }

    fn network(&mut self, word: &Word, except: bool, source: &mut dyn Source) -> Result<(), Fault> {
        let network = network(word)?;
        if network.prefix_len() == 0 && !except {
            let fault = word.error(format!("`{}` would trust everybody", word.text));
            return Err(fault.help("name the networks that may do everything"));
        }
        let hides = |earlier: &Pattern| match &earlier.matches {
            Matches::Network(wider) => earlier.except != except && wider.contains(&network),
            Matches::Table(..) => false,
        };
        if self.patterns.iter().any(hides) {
            let message = format!("`{}` never matches: a wider network stands before it", word.text);
            let fault = Fault::warning(&word.origin, word.text.chars().count(), message);
            source.fault(fault.help("write it before that one: the first that matches counts"));
        }
        self.patterns.push(Pattern { except, matches: Matches::Network(network) });
        Ok(())
    }

    /// A file stands for what its lines hold.
    fn file(
        &mut self,
        word: &Word,
        except: bool,
        files: &mut Files,
        source: &mut dyn Source,
    ) -> Result<(), Fault> {
        if files.open.contains(&word.text) {
            return Err(word.error(format!("`{}` comes to itself", word.text)));
        }
        files.count += 1;
        if files.count > FILES {
            return Err(word.error(format!("`{}`: more than {FILES} files", word.text)));
        }
        let read = source.read(&word.text);
        let text = read.map_err(|reason| word.error(format!("cannot read `{}`: {reason}", word.text)))?;
        files.open.push(word.text.clone());
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let origin = Origin::new(word.text.as_str(), number, 1);
            let line = Line::of_word(&Word { text: line.to_owned(), origin });
            for span in words(&line.text) {
                let text = line.text[span.clone()].to_owned();
                // Postfix: warns of it in its log, and leaves out the rest of the line.
                if text.starts_with('#') {
                    break;
                }
                let inner = Word { text, origin: line.origin(span.start) };
                self.add(&inner, except, files, source);
            }
        }
        files.open.pop();
        Ok(())
    }
}

/// The files that are read: those that name each other, and how many in all.
#[derive(Default)]
struct Files {
    open: Vec<String>,
    count: usize,
}

/// Words between blanks and commas.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ',')]) {
        if c == ',' || c.is_whitespace() {
            words.extend(start.take().map(|start| start..at));
        } else {
            start.get_or_insert(at);
        }
    }
    words
}

impl Matches {
    /// What an address is in, as traces show it.
    fn shown(&self, address: IpAddr) -> Option<String> {
        match self {
            Self::Network(network) => network.contains(&address).then(|| network.to_string()),
            // Networks are compared in bounded time: there is no pattern to give up.
            Self::Table(table, written) => {
                table.full(&address.to_string()).ok().flatten().map(|_| written.to_string())
            }
        }
    }
}

impl FromIterator<IpNet> for NetworkList {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let pattern = |network| Pattern { except: false, matches: Matches::Network(network) };
        Self { patterns: networks.into_iter().map(pattern).collect() }
    }
}

/// Reads `ADDRESS` or `ADDRESS/LENGTH`, IPv6 with or without brackets.
fn network(word: &Word) -> Result<IpNet, Fault> {
    let text = word.text.as_str();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let Some(address) = domain::address(bare) else {
        let fault = word.error(format!("`{text}` is not a network"));
        let table =
            text.split_once(':').is_some_and(|(kind, _)| kind.bytes().all(|b| b.is_ascii_alphabetic()));
        return Err(if table {
            fault.help("of the tables only cidr: is possible here, such as `cidr:/etc/mailward/networks`")
        } else {
            fault.help("write an address or a network such as `192.0.2.0/24` or `[2001:db8::]/32`")
        });
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => Some(whole),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    };
    let Some(network) = length.and_then(|length| IpNet::new(address, length).ok()) else {
        return Err(word.error(format!("`{text}` has no prefix length from 0 to {whole}")));
    };
    if network.addr() != network.network() {
        let right = match network.trunc() {
            IpNet::V4(network) => network.to_string(),
            IpNet::V6(network) => format!("[{}]/{}", network.addr(), network.prefix_len()),
        };
        let fault = word.error(format!("`{text}` has bits set behind its prefix length"));
        return Err(fault.help(format!("did you mean `{right}`?")));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::memory::{Memory, word};

    fn load(words: &[&str], file: &str) -> (NetworkList, Vec<String>) {
        let words: Vec<Word> = words.iter().map(|text| word(text)).collect();
        let mut memory = Memory::default();
        memory.files.insert("/t", file.to_owned());
        let list = NetworkList::load(&words, &mut memory);
        (list, memory.messages())
    }

    #[test]
    fn networks_are_read_as_in_main_cf() {
        let cases = [
            ("127.0.0.0/8", Ok("127.0.0.0/8")),
            ("[::1]/128", Ok("::1/128")),
            ("::1", Ok("::1/128")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("192.0.2.1", Ok("192.0.2.1/32")),
            ("192.0.2.1/24", Err(Some("did you mean `192.0.2.0/24`?"))),
            ("[2001:db8::1]/32", Err(Some("did you mean `[2001:db8::]/32`?"))),
            ("192.0.2.0/33", Err(None)),
            ("192.0.2.0/+8", Err(None)),
        ];
        for (text, want) in cases {
            let got = network(&word(text));
            match want {
                Ok(network) => assert_eq!(got.unwrap().to_string(), network),
                Err(help) => assert_eq!(got.unwrap_err().help.as_deref(), help, "{text}"),
            }
        }
    }

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let file = "# ours\n10.1.0.0/16, !10.2.3.4\t10.2.0.0/16 # not: 10.9.0.0/16\n\n[2001:db8::]/32\n";
        let words = ["!10.1.1.1", "/t", "!!10.3.0.1", "!cidr:{{10.4.0.1 x}}", "cidr:{{10.4.0.0/16 x}}"];
        let (list, faults) = load(&words, file);
        assert_eq!(faults, [""; 0]);
        let cases = [
            ("10.1.1.1", None),
            ("10.1.1.2", Some("10.1.0.0/16")),
            ("10.2.3.4", None),
            ("10.2.3.5", Some("10.2.0.0/16")),
            ("10.9.0.1", None),
            ("2001:db8::1", Some("2001:db8::/32")),
            ("10.3.0.1", Some("10.3.0.1/32")),
            ("10.4.0.1", None),
            ("10.4.0.2", Some("cidr:{{10.4.0.0/16 x}}")),
            ("192.0.2.1", None),
        ];
        for (address, want) in cases {
            assert_eq!(list.find(address.parse().unwrap()).as_deref(), want, "{address}");
        }
        let (list, faults) = load(&["!/t", "10.0.0.0/8", "!0.0.0.0/0"], file);
        assert_eq!(faults, [""; 0]);
        let found = |address: &str| list.find(address.parse().unwrap()).is_some();
        assert_eq!([found("10.1.1.1"), found("10.2.3.4"), found("10.3.0.1")], [false, true, true]);
    }

    #[test]
    fn what_is_no_network_is_said_at_its_place() {
        let words = ["!host", "/gone", "/t", "127.0.0.0/8", "!127.0.0.9", "hash:/t", "!", "cidr:/none"];
        let (_, faults) = load(&words, "10.0.0.0/8,\n  x /t 0.0.0.0/0");
        const HELP: &str = "(write an address or a network such as `192.0.2.0/24` or `[2001:db8::]/32`)";
        let mut want = vec![
            format!("m.toml:3:6+4 error: `host` is not a network {HELP}"),
            "m.toml:3:5+5 error: cannot read `/gone`: No such file or directory".to_owned(),
        ];
        want.extend([
            format!("/t:2:3+1 error: `x` is not a network {HELP}"),
            "/t:2:5+2 error: `/t` comes to itself".to_owned(),
            "/t:2:8+9 error: `0.0.0.0/0` would trust everybody (name the networks that may do everything)".to_owned(),
            "m.toml:3:6+9 warning: `127.0.0.9` never matches: a wider network stands before it \
             (write it before that one: the first that matches counts)"
                .to_owned(),
            "m.toml:3:5+7 error: `hash:/t` is not a network (of the tables only cidr: is possible here, such as \
             `cidr:/etc/mailward/networks`)"
                .to_owned(),
            format!("m.toml:3:6+1 error: `` is not a network {HELP}"),
            "m.toml:3:5+10 error: cannot read `/none`: No such file or directory".to_owned(),
        ]);
        assert_eq!(faults, want);
    }
}
