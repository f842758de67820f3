//! Lists of clients and recipients that are never greylisted, in postgrey's file formats (postgrey(8)).

use crate::{
    origin::{Fault, Origin},
    smtp::domain,
};
use ipnet::IpNet;
use std::{collections::HashSet, net::IpAddr};

/// `whitelist_clients`: names first, then networks.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    domains: HashSet<String>,
    patterns: Vec<Pattern>,
    networks: Vec<IpNet>,
}

/// `whitelist_recipients`.
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    domains: HashSet<String>,
    addresses: HashSet<String>,
    users: HashSet<String>,
    patterns: Vec<Pattern>,
}

/// What one search may cost at most, as in access tables.
const EFFORT: &str = "(*LIMIT_MATCH=50000)(*LIMIT_HEAP=1024)";

/// `/pattern/`, searched for without regard to case.
#[derive(Clone, Debug)]
struct Pattern {
    shown: String,
    regex: pcre2::bytes::Regex,
}

impl Pattern {
    /// A pattern that would take too much effort does not match; patterns are the administrator's own.
    fn finds(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes()).unwrap_or(false)
    }
}

impl Clients {
    /// Adds the entries of a file; what is wrong with it goes to `faults`.
    pub fn read(&mut self, file: &str, text: &str, faults: &mut Vec<Fault>) {
        for (word, origin) in entries(file, text) {
            if let Some(pattern) = pattern(word) {
                keep(pattern, &origin, word, &mut self.patterns, faults);
            } else if let Some(network) = network(word) {
                if network.prefix_len() == 0 {
                    faults.push(everybody(word, &origin));
                }
                self.networks.push(network);
            } else if is_range(word) {
                let message = format!("`{word}` is a range, and never matches");
                let help = "write networks such as 1.2.3.4/30, or one address a line";
                faults.push(Fault::warning(&origin, word.chars().count(), message).help(help));
            } else if is_domain(word) {
                self.domains.insert(word.to_ascii_lowercase());
            } else {
                let message = format!("`{word}` is not a host name, a network or a /pattern/");
                faults.push(Fault::error(&origin, word.chars().count(), message));
            }
        }
    }

    /// Which entry holds for a client; `name` is its verified name.
    pub fn find(&self, name: Option<&str>, address: IpAddr) -> Option<String> {
        if let Some(name) = name {
            let name = name.to_ascii_lowercase();
            if let Some(domain) = matching(&self.domains, &name) {
                return Some(domain.to_owned());
            }
            if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.finds(&name)) {
                return Some(pattern.shown.clone());
            }
        }
        self.networks.iter().find(|network| network.contains(&address)).map(ToString::to_string)
    }
}

impl Recipients {
    /// As [`Clients::read`].
    pub fn read(&mut self, file: &str, text: &str, faults: &mut Vec<Fault>) {
        for (word, origin) in entries(file, text) {
            let lower = word.to_lowercase();
            let has_bracket = lower.contains(['<', '>']);
            if let Some(pattern) = pattern(word) {
                keep(pattern, &origin, word, &mut self.patterns, faults);
            } else if let Some(help) = instead(&lower) {
                let message = format!("`{word}` never matches");
                faults.push(Fault::warning(&origin, word.chars().count(), message).help(help));
            } else if let Some(user) = lower.strip_suffix('@').filter(|_| !has_bracket) {
                self.users.insert(user.to_owned());
            } else if lower.contains('@') && !has_bracket {
                self.addresses.insert(lower);
            } else if is_domain(word) {
                self.domains.insert(lower);
            } else {
                let message = format!("`{word}` is not an address, a domain or a /pattern/");
                faults.push(Fault::error(&origin, word.chars().count(), message));
            }
        }
    }

    /// Which entry holds for a recipient in lower case.
    pub fn find(&self, recipient: &str) -> Option<String> {
        let (local, domain) = recipient.rsplit_once('@').unwrap_or((recipient, ""));
        let bare = local.split_once('+').map_or(local, |(bare, _)| bare);
        let plain = format!("{bare}@{domain}");
        for address in [recipient, &plain] {
            if let Some(entry) = self.addresses.get(address) {
                return Some(entry.clone());
            }
        }
        if let Some(user) = self.users.get(local).or_else(|| self.users.get(bare)) {
            return Some(format!("{user}@"));
        }
        if let Some(domain) = matching(&self.domains, domain) {
            return Some(domain.to_owned());
        }
        self.patterns.iter().find(|pattern| pattern.finds(recipient)).map(|pattern| pattern.shown.clone())
    }
}

/// The entries of a file with their places: one a line, `#` begins a comment anywhere.
fn entries<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = (&'a str, Origin)> {
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let entry = line.split('#').next().unwrap_or_default();
        let word = entry.trim();
        let column = u32::try_from(entry.len() - entry.trim_start().len()).unwrap_or(0) + 1;
        (!word.is_empty()).then(|| (word, Origin::new(file, number, column)))
    })
}

/// What to write for an entry of recipients in a form that other lists have, and that neither postgrey nor we match.
fn instead(word: &str) -> Option<String> {
    if let Some(address) = word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) {
        return Some(format!("write {address}, without brackets"));
    }
    let domain = ["*@", "@", "*.", "."].into_iter().find_map(|prefix| word.strip_prefix(prefix))?;
    is_domain(domain).then(|| format!("for a domain and its subdomains write {domain}"))
}

/// The text between slashes.
fn pattern(word: &str) -> Option<&str> {
    word.strip_prefix('/')?.strip_suffix('/')
}

fn keep(text: &str, origin: &Origin, word: &str, patterns: &mut Vec<Pattern>, faults: &mut Vec<Fault>) {
    let built = pcre2::bytes::RegexBuilder::new().caseless(true).utf(true).build(&format!("{EFFORT}{text}"));
    match built {
        Ok(regex) => patterns.push(Pattern { shown: word.to_owned(), regex }),
        Err(error) => {
            let shown = error.to_string();
            let reason = shown.rsplit(": ").next().unwrap_or_default();
            let message = format!("the pattern is faulty: {reason}");
            faults.push(Fault::error(origin, word.chars().count(), message));
        }
    }
}

/// `a.b.c.d`, `a.b.c` (/24), `a.b` (/16), with `/length`; IPv6 with or without it.
///
/// postgrey 1.37: `a.b` is a.b.0.0/24; here: /16, as its manual says.
fn network(word: &str) -> Option<IpNet> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (word, None),
    };
    if let Some(address) = domain::ipv6(address) {
        return IpNet::new(address.into(), length.unwrap_or(128)).ok().map(|network| network.trunc());
    }
    let dots = address.bytes().filter(|b| *b == b'.').count();
    let (full, whole) = match dots {
        3 => (address.to_owned(), 32),
        2 => (format!("{address}.0"), 24),
        1 => (format!("{address}.0.0"), 16),
        _ => return None,
    };
    let address = domain::ipv4(&full)?;
    IpNet::new(address.into(), length.unwrap_or(whole)).ok().map(|network| network.trunc())
}

/// A network of all addresses, as a slip of the pen makes one of an address.
fn everybody(word: &str, origin: &Origin) -> Fault {
    let message = format!("`{word}` covers every client: nobody would be greylisted");
    let fault = Fault::warning(origin, word.chars().count(), message);
    let address = word.split('/').next().and_then(domain::address);
    match address.filter(|address| !address.is_unspecified()) {
        Some(address) => fault.help(format!("for one client write {address}")),
        None => fault,
    }
}

/// `1.2.3.4-1.2.3.9`, `1.2.3.4-9`: a valid host name that no host has.
fn is_range(word: &str) -> bool {
    let is_end = |end: &str| end.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    word.split_once('-').is_some_and(|(first, last)| domain::ipv4(first).is_some() && is_end(last))
}

fn is_domain(word: &str) -> bool {
    domain::valid_utf8_hostname(word)
}

/// The domain of a set that a name is or lies below.
fn matching<'a>(domains: &'a HashSet<String>, name: &str) -> Option<&'a str> {
    std::iter::once(name).chain(domain::parents(name)).find_map(|name| domains.get(name)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Severity;

    #[test]
    fn clients_are_found_by_name_first_and_by_network() {
        let text = "# comment\n example.org # why\n/^mail\\d+\\./\n192.0.2.0/25\n198.51.100\n203.0\n2001:db8::/32\n2001:db9::7\n";
        let mut clients = Clients::default();
        let mut faults = Vec::new();
        clients.read("list", text, &mut faults);
        assert_eq!(faults, []);
        let cases = [
            (Some("mx.Example.ORG"), "10.0.0.1", Some("example.org")),
            (Some("notexample.org"), "10.0.0.1", None),
            (Some("MAIL12.a.example"), "10.0.0.1", Some("/^mail\\d+\\./")),
            (None, "192.0.2.127", Some("192.0.2.0/25")),
            (None, "192.0.2.128", None),
            (None, "198.51.100.9", Some("198.51.100.0/24")),
            (None, "203.0.255.1", Some("203.0.0.0/16")),
            (None, "2001:db8::1", Some("2001:db8::/32")),
            (None, "2001:db9::7", Some("2001:db9::7/128")),
            (None, "2001:db9::8", None),
        ];
        for (name, address, want) in cases {
            assert_eq!(clients.find(name, address.parse().unwrap()).as_deref(), want, "{name:?} {address}");
        }
    }

    #[test]
    fn the_shipped_list_is_sound() {
        let (mut clients, mut faults) = (Clients::default(), Vec::new());
        clients.read("whitelist_clients", include_str!("../../conf/whitelist_clients"), &mut faults);
        assert_eq!(faults, []);
        let pool = Some("mail-eopbgr80045.outbound.protection.outlook.com");
        let other = Some("outlook.com.example.net");
        let address = "192.0.2.1".parse().unwrap();
        assert!(clients.find(pool, address).is_some() && clients.find(other, address).is_none());
    }

    #[test]
    fn the_shipped_list_of_recipients_says_what_its_entries_match() {
        let text = include_str!("../../conf/whitelist_recipients");
        let read = |text: &str| {
            let (mut recipients, mut faults) = (Recipients::default(), Vec::new());
            recipients.read("whitelist_recipients", text, &mut faults);
            assert_eq!(faults, []);
            recipients
        };
        assert_eq!(read(text).find("postmaster@example.org"), None);
        let forms = text.lines().filter_map(|line| line.strip_prefix("#   ")?.split_whitespace().next());
        let forms = read(&forms.collect::<Vec<_>>().join("\n"));
        for (recipient, want) in [
            ("user+x@example.org", "user@example.org"),
            ("user+x@other.example", "user@"),
            ("bob@mail.example.org", "example.org"),
            ("news-1@example", "/^news-.*@example/"),
        ] {
            assert_eq!(forms.find(recipient).as_deref(), Some(want), "{recipient}");
        }
        let switched_on =
            text.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' '));
        let switched_on = read(&switched_on.collect::<Vec<_>>().join("\n"));
        assert_eq!(switched_on.find("postmaster@example.org").as_deref(), Some("postmaster@"));
    }

    #[test]
    fn recipients_are_found_by_address_user_domain_and_pattern() {
        let mut recipients = Recipients::default();
        let mut faults = Vec::new();
        recipients.read("list", "Abuse@\nbob@a.example\nb.example\n/^x.*@c/\n", &mut faults);
        assert_eq!(faults, []);
        let cases = [
            ("abuse@any.example", Some("abuse@")),
            ("abuse+1@any.example", Some("abuse@")),
            ("bob@a.example", Some("bob@a.example")),
            ("bob+list@a.example", Some("bob@a.example")),
            ("rob@a.example", None),
            ("any@sub.b.example", Some("b.example")),
            ("xyz@c.example", Some("/^x.*@c/")),
            ("postmaster", None),
        ];
        for (recipient, want) in cases {
            assert_eq!(recipients.find(recipient).as_deref(), want, "{recipient}");
        }
    }

    #[test]
    fn clients_that_are_everybody_or_nobody_are_warned_of() {
        let everybody = "covers every client: nobody would be greylisted";
        let range = "is a range, and never matches";
        let cases = [
            ("1.2.3.4/0", everybody, Some("for one client write 1.2.3.4")),
            ("0.0.0.0/0", everybody, None),
            ("::/0", everybody, None),
            ("2001:db8::1/0", everybody, Some("for one client write 2001:db8::1")),
            ("1.2.3.4-1.2.3.9", range, Some("write networks such as 1.2.3.4/30, or one address a line")),
            ("1.2.3.4-9", range, Some("write networks such as 1.2.3.4/30, or one address a line")),
        ];
        for (word, message, help) in cases {
            let (mut clients, mut faults) = (Clients::default(), Vec::new());
            clients.read("list", word, &mut faults);
            let warning =
                Fault::warning(&Origin::new("list", 1, 1), word.len(), format!("`{word}` {message}"));
            assert_eq!(faults, [Fault { help: help.map(str::to_owned), ..warning }], "{word}");
        }
        let (mut clients, mut faults) = (Clients::default(), Vec::new());
        clients.read("list", "1.2.3.4-dsl.isp.example\n1.2.3.4/1\n/0/\n", &mut faults);
        assert_eq!(faults, []);
    }

    #[test]
    fn entries_of_recipients_that_never_match_are_warned_of() {
        let cases = [
            (
                "@example.org",
                "`@example.org` never matches",
                "for a domain and its subdomains write example.org",
            ),
            (
                "*@two.example",
                "`*@two.example` never matches",
                "for a domain and its subdomains write two.example",
            ),
            (
                ".dot.example",
                "`.dot.example` never matches",
                "for a domain and its subdomains write dot.example",
            ),
            (
                "*.dot.example",
                "`*.dot.example` never matches",
                "for a domain and its subdomains write dot.example",
            ),
            ("<a@b.example>", "`<a@b.example>` never matches", "write a@b.example, without brackets"),
        ];
        for (word, message, help) in cases {
            let (mut recipients, mut faults) = (Recipients::default(), Vec::new());
            recipients.read("list", word, &mut faults);
            let origin = Origin::new("list", 1, 1);
            assert_eq!(faults, [Fault::warning(&origin, word.len(), message).help(help)], "{word}");
        }
        let mut faults = Vec::new();
        Recipients::default().read("list", "two words\n<b@c\n>b@\n", &mut faults);
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
        assert_eq!(errors.count(), 3, "{faults:?}");
    }

    #[test]
    fn bad_lines_are_named() {
        let mut faults = Vec::new();
        Clients::default().read("list", "ok.example\n/(/\n a b\n1.2.3.4/40\n", &mut faults);
        let shown: Vec<String> =
            faults.iter().map(|f| format!("{}:{} {}", f.origin, f.origin.column, f.message)).collect();
        assert_eq!(shown[0], "list:2:1 the pattern is faulty: missing closing parenthesis");
        assert_eq!(shown[1], "list:3:2 `a b` is not a host name, a network or a /pattern/");
        assert_eq!(shown[2], "list:4:1 `1.2.3.4/40` is not a host name, a network or a /pattern/");
    }
}
