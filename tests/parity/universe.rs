//! The names and addresses that sessions say and tables list: few enough that they meet, and of every shape.

use super::random::Random;

/// Domains with every kind of answer in DNS (file `zone`), the ordinary ones most often. NOTIMP is not among them.
/// Postfix: a temporary failure, as libresolv takes it; here: a lasting one, because asking again cannot help.
const DOMAINS: &[(usize, &str)] = &[
    (30, "good.example"),
    (14, "other.example"),
    (6, "client.example"),
    (4, "sub.good.example"),
    (3, "mx-only.example"),
    (3, "a-only.example"),
    (3, "aaaa-only.example"),
    (3, "under_score.example"),
    (2, "literal-mx.example"),
    (2, "alias.example"),
    (2, "alias3.example"),
    (2, "long0.example"),
    (2, "lost-alias.example"),
    (2, "loop.example"),
    (3, "null-mx.example"),
    (2, "null-mx-others.example"),
    (2, "text-only.example"),
    (6, "down.example"),
    (2, "refused.example"),
    (2, "formerr.example"),
    (3, "a-down.example"),
    (3, "mx-down.example"),
    (3, "mx-down-alone.example"),
    (2, "malformed.example"),
    (2, "malformed-mx.example"),
    (2, "half-malformed.example"),
    (6, "nowhere.example"),
    (4, "bad.example"),
    (2, "deep.sub.nowhere.example"),
    (5, "single"),
];

/// Domains whose every question costs a time-out: rarely.
const SLOW: &[&str] = &["slow.example", "slow-a.example"];

/// Client addresses.
const CLIENTS: &[&str] = &[
    "192.0.2.1",
    "192.0.2.4",
    "192.0.2.1",
    "198.51.100.7",
    "198.51.100.201",
    "203.0.113.5",
    "10.20.30.40",
    "10.20.31.4",
    "172.16.5.6",
    "127.0.0.1",
    "2001:db8::1",
    "2001:db8:0:1::25",
    "2001:db8:1:2:3:4:5:6",
    "fe80::1:0:0:2",
];

/// Verified and reverse names of clients.
const CLIENT_NAMES: &[&str] = &[
    "client.example",
    "client.example",
    "mail.good.example",
    "host42.dyn.example",
    "dialup.example",
    "other.example",
    "HOST42.Dyn.Example",
    "single",
    "under_score.example",
    "down.example",
];

/// Addresses that clients really come from; their names are in the zone.
pub const OWN: &[&str] = &[
    "127.71.0.1",
    "127.71.0.2",
    "127.71.0.3",
    "127.71.0.4",
    "127.71.0.5",
    "127.71.0.6",
    "127.71.0.7",
    "127.71.0.8",
    "127.71.0.9",
    "127.71.0.10",
    "127.71.0.11",
];

/// HELO names that are no domains of the above.
const HELOS: &[&str] = &[
    "localhost",
    "good.example.",
    "good.example..",
    "nowhere.example.",
    "a..b",
    "-bad.example",
    "bad-.example",
    "[192.0.2.1]",
    "[192.0.2.1",
    "[192.0.2.300]",
    "[IPv6:2001:db8::1]",
    "[ipv6:2001:db8::1]",
    "[IPv6:2001:db8::zz]",
    "[::1]",
    "[]",
    "[good.example]",
    "192.0.2.1",
    "192.0.2",
    "01.2.3.4",
    "2001:db8::1",
    "123",
    "mail",
    "user@good.example",
    "<script>",
    "two words",
    "a;b",
    "b\u{fc}cher.example",
    "GOOD.example",
    ".good.example",
    "*.good.example",
    "_",
    "1-2.example",
    "a/b",
    "100%.example",
];

const LOCAL_PARTS: &[&str] =
    &["user", "a", "postmaster", "User", "user+tag", "plus+x", "x.y", "two", "100%sure"];

/// Addresses of odd shapes, as typed between the angle brackets.
const ODD_ADDRESSES: &[&str] = &[
    "bob",
    "Bob+tag",
    "@relay.example:user@good.example",
    "@relay.example,@two.example:a@other.example",
    "\"two words\"@good.example",
    "\"quoted\"@good.example",
    "\"a@b\"@good.example",
    "\"a..b\"@good.example",
    "\"dot.+tag\"@other.example",
    "\"user\\\"x\"@other.example",
    "\"\"@good.example",
    "user%other.example@good.example",
    "user@bad.example@good.example",
    "other.example!user@good.example",
    "user@good.example.",
    "user@good.example..",
    "user@[192.0.2.1]",
    "user@[IPv6:2001:db8::1]",
    "user@[nonsense]",
    "user@192.0.2.1",
    "user@single",
    "user@-bad.example",
    "user@a..b",
    "user@123",
    "user@1.2.3",
    "user@",
    "@good.example",
    "a b@good.example",
    "user@mx.example.test",
    "user+tag@mx.example.test",
    "root",
    "user@GOOD.Example",
    "USER@good.example",
    "user@under_score.example",
    "user@xn--bcher-kva.example",
    "user@nowhere",
    "(comment)user@good.example",
    "user <user@good.example",
];

/// Addresses that need SMTPUTF8, or are tried without.
const UTF8_ADDRESSES: &[&str] = &[
    "m\u{fc}ller@good.example",
    "user@b\u{fc}cher.example",
    "M\u{dc}LLER@B\u{dc}CHER.example",
    "user@gr\u{f6}\u{df}e.example",
];

pub fn domain(random: &mut Random) -> String {
    if random.below(500) == 0 {
        return random.pick(SLOW).to_owned();
    }
    random.weighted(DOMAINS).to_owned()
}

pub fn client_address(random: &mut Random) -> &'static str {
    random.pick(CLIENTS)
}

pub fn client_name(random: &mut Random) -> &'static str {
    random.pick(CLIENT_NAMES)
}

pub fn helo(random: &mut Random) -> String {
    if random.percent(35) { random.pick(HELOS).to_owned() } else { domain(random) }
}

/// An address as it is typed, without brackets, and whether it needs SMTPUTF8.
pub fn address(random: &mut Random) -> (String, bool) {
    match random.below(100) {
        0..14 => (random.pick(ODD_ADDRESSES).to_owned(), false),
        14..17 => (random.pick(UTF8_ADDRESSES).to_owned(), true),
        _ => (format!("{}@{}", random.pick(LOCAL_PARTS), domain(random)), false),
    }
}

/// The name itself, one of its parents, or in another case of letters.
pub fn key(random: &mut Random, name: &str) -> String {
    let parent = |name: &str| name.split_once('.').map_or(name.to_owned(), |(_, parent)| parent.to_owned());
    match random.below(12) {
        0..7 => name.to_owned(),
        7 => parent(name),
        8 => format!(".{}", parent(name)),
        9 => parent(&parent(name)),
        10 => name.to_uppercase(),
        _ => format!(".{name}"),
    }
}
