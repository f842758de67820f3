//! Random access tables: keys that the sessions' names meet, in every type of table, with every action of access(5).

use super::{
    lists::{Line, Table},
    maker::Maker,
    universe,
};

/// What a table is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Client,
    Helo,
    Sender,
    Recipient,
    Login,
    /// Servers of a domain: names and addresses.
    Servers,
}

/// What a table may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    All,
    /// Neither permit nor lists, which Postfix calls configuration errors behind names that nobody vouches for.
    NotPermit,
}

const FIXED: &[&str] = &["hash", "btree", "texthash", "inline"];
const KINDS: &[(usize, &str)] = &[
    (6, "texthash"),
    (4, "hash"),
    (2, "btree"),
    (6, "inline"),
    (4, "regexp"),
    (4, "pcre"),
    (4, "cidr"),
    (2, "static"),
];

const TEXTS: &[&str] = &[
    "go away",
    "see http://www.example/?x=%s for 100% of it",
    "5.7.25 no name",
    "4.3.2 try later",
    "5.1.1 mapped",
    "5.1.8 mapped",
    "4.1.7 mapped",
    "1.2.3.4 is listed",
    "2.0.0 fine",
    "two   blanks",
    "(sorry) <you>",
];

const CODES: &[&str] = &["450", "451", "452", "454", "550", "551", "553", "554", "501", "421", "521"];

/// A table for a restriction.
pub fn table(maker: &mut Maker<'_>, about: About, may: May) -> Table {
    let kind = maker.random.weighted(KINDS);
    // cidr: knows addresses only, and a login has no patterns worth trying.
    let fits = match about {
        About::Client | About::Servers => true,
        About::Helo | About::Sender | About::Recipient => kind != "cidr",
        About::Login => FIXED.contains(&kind),
    };
    let kind = if fits { kind } else { maker.random.pick(FIXED) };
    let mut lines: Vec<Line> = Vec::new();
    let length = if kind == "static" { 1 } else { 1 + maker.random.below(5) };
    while lines.len() < length {
        let says = says(maker, may, kind);
        let line = match kind {
            "regexp" | "pcre" => pattern(maker, about, says),
            "cidr" => network(maker, says),
            _ => Line { key: key(maker, about), says },
        };
        // A key that stands twice makes a texthash: table unusable.
        if lines.iter().any(|other| other.key.eq_ignore_ascii_case(&line.key))
            || line.key.trim_matches('.').is_empty()
        {
            if maker.random.percent(30) && !lines.is_empty() {
                break;
            }
            continue;
        }
        lines.push(line);
    }
    Table { kind, name: maker.table_name(), lines }
}

fn key(maker: &mut Maker<'_>, about: About) -> String {
    let random = &mut *maker.random;
    let key = match about {
        About::Client | About::Servers => match random.below(10) {
            0..3 => prefix(
                random.pick(&["192.0.2.1", "198.51.100.7", "10.20.30.40", "192.0.2.11", "127.71.0.2"]),
                random.below(4),
                '.',
            ),
            3 => prefix(
                random.pick(&["2001:db8::1", "2001:db8:0:1::25", "2001:db8:1:2:3:4:5:6"]),
                random.below(5),
                ':',
            ),
            4 if about == About::Client => "unknown".to_owned(),
            5 => random
                .pick(&["own-good.example", "own-forged.example", "mail.good.example", "mx2.other.example"])
                .to_owned(),
            6 if about == About::Servers => {
                random.pick(&["ns1.good.example", "good.example", "198.51.100"]).to_owned()
            }
            _ => {
                let name = universe::client_name(random);
                universe::key(random, name)
            }
        },
        About::Helo => {
            let name = universe::helo(random);
            universe::key(random, &name)
        }
        About::Sender | About::Recipient => {
            let (address, _) = universe::address(random);
            let domain = universe::domain(random);
            match random.below(12) {
                0..3 => address,
                3 => address.replace("+tag", ""),
                4 if about == About::Sender => "<>".to_owned(),
                5 => random.pick(&["user@", "a@", "plus@", "user+tag@", "postmaster@", "bob@"]).to_owned(),
                6 => random
                    .pick(&["a..b@good.example", "a..b@", "dot.@other.example", "dot.@", "@good.example"])
                    .to_owned(),
                _ => universe::key(random, &domain),
            }
        }
        About::Login => random.pick(&["joe", "JOE", "jane", "joe@good.example"]).to_owned(),
    };
    // What needs quotes in a table's file, or braces in an inline: table, has cases of its own in tests/postfix.
    if key.is_empty()
        || key.contains(['"', '\\', ' ', '{', '}', '=', ',', '#', '<', '(', '\'']) && key != "<>"
    {
        return "good.example".to_owned();
    }
    key
}

/// The first parts of an address.
fn prefix(address: &str, cut: usize, at: char) -> String {
    let parts: Vec<&str> = address.split(at).collect();
    parts[..parts.len().saturating_sub(cut).max(1)].join(&at.to_string())
}

fn pattern(maker: &mut Maker<'_>, about: About, says: String) -> Line {
    let random = &mut *maker.random;
    let (client, mail): (&[&str], &[&str]) = (
        &[
            r"^host([0-9]+)\.(dyn)\.example$",
            r"example$",
            r"^192\.0\.2\.",
            r"^unknown$",
            r"^2001:db8:",
            r"^(.*)\.good\.example",
            r"^own",
            r"^[0-9.]+$",
        ],
        &[
            r"^user",
            r"^(.*)@good\.example$",
            r"^(.*)@(.*)\.example$",
            r"^<>$",
            r"^[^@]*$",
            r"good",
            r"^postmaster@",
            r"[+]",
            r"\.$",
            r"^\[",
            r"_",
        ],
    );
    let pattern = random.pick(if matches!(about, About::Client | About::Servers) { client } else { mail });
    // `i` turns case off or on; a text of its own for what the groups matched.
    let flags = random.pick(&["", "", "", "i"]);
    let groups = pattern.matches('(').count();
    let says = match says.as_str() {
        "REJECT" if groups > 0 && random.percent(60) => format!("REJECT got $1 and ${{{groups}}}"),
        "DEFER" if groups > 0 => "DEFER got $1".to_owned(),
        _ => says.replace('$', "$$"),
    };
    match random.below(10) {
        0 => Line {
            key: format!("!/{pattern}/{flags}"),
            says: says.replace("got $1", "got none").replace("${", "{"),
        },
        1 => Line { key: format!("if /e/\n/{pattern}/{flags}\t{says}\nendif"), says: String::new() },
        2 => Line { key: format!("if !/good/\n/{pattern}/{flags}\t{says}\nendif"), says: String::new() },
        _ => Line { key: format!("/{pattern}/{flags}"), says },
    }
}

fn network(maker: &mut Maker<'_>, says: String) -> Line {
    let random = &mut *maker.random;
    let network = random.pick(&[
        "192.0.2.0/24",
        "192.0.2.1",
        "10.20.0.0/16",
        "198.51.100.200/29",
        "0.0.0.0/0",
        "::/0",
        "2001:db8::/32",
        "[2001:db8::1]",
        "127.71.0.0/24",
        "203.0.113.5/32",
    ]);
    match random.below(10) {
        0 => Line { key: format!("!{network}"), says },
        1 => Line { key: format!("if 192.0.2.0/24\n{network}\t{says}\nendif"), says: String::new() },
        _ => Line { key: network.to_owned(), says },
    }
}

/// The right-hand side of an entry.
fn says(maker: &mut Maker<'_>, may: May, kind: &str) -> String {
    let text =
        if maker.random.percent(50) { format!(" {}", maker.random.pick(TEXTS)) } else { String::new() };
    let code = maker.random.pick(CODES);
    let permits = may == May::All;
    let action = match maker.random.below(100) {
        0..14 => "DUNNO".to_owned(),
        14..24 if permits => {
            maker.random.pick(&["OK", "ok", "RELAY", "OK with words", "12345", "550"]).to_owned()
        }
        24..38 => format!("REJECT{text}"),
        38..46 => format!("DEFER{text}"),
        46..56 => format!("DEFER_IF_PERMIT{text}"),
        56..64 => format!("DEFER_IF_REJECT{text}"),
        64..76 => format!("{code} {}", if text.is_empty() { "no" } else { text.trim() }),
        76..78 => "INFO for the log".to_owned(),
        78..80 => "WARN for the log".to_owned(),
        80 => "HOLD".to_owned(),
        81 => "DISCARD".to_owned(),
        82 => "PREPEND X-Parity: yes".to_owned(),
        83 => "REDIRECT elsewhere@good.example".to_owned(),
        84 => "BCC archive@good.example".to_owned(),
        85..89 if permits => maker.random.pick(LISTS).to_owned(),
        89..95 if permits && !maker.classes.is_empty() => {
            let at = maker.random.below(maker.classes.len());
            maker.classes[at].clone()
        }
        95 if !permits && maker.random.percent(10) => {
            maker.faulty = true;
            "OK".to_owned()
        }
        _ => "DUNNO".to_owned(),
    };
    // Braces and commas have a meaning of their own there.
    if kind == "inline" { action.replace(", ", " ") } else { action }
}

/// Lists on a right-hand side.
const LISTS: &[&str] = &[
    "permit",
    "permit_mynetworks, reject",
    "reject_unknown_sender_domain",
    "reject_invalid_helo_hostname, defer",
    "warn_if_reject reject_non_fqdn_sender, permit",
    "reject_unknown_client_hostname",
    "defer_if_permit",
    "defer_if_reject, reject_non_fqdn_recipient, reject",
];
