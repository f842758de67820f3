//! The types of tables: the word before the colon (postconf -m, DATABASE_README).

use super::{
    Content, Source, braces, cidr,
    hash::{Duplicates, Fixed},
    inline,
    lines::{Line, Text},
    pattern::Notation,
    regexp, right_hand,
    template::Groups,
};
use crate::origin::{Fault, Word};

/// The types that can be used.
const TYPES: [&str; 12] =
    ["hash", "texthash", "lmdb", "btree", "dbm", "sdbm", "cdb", "cidr", "regexp", "pcre", "inline", "static"];

/// Types of Postfix's that need a program or a server.
const FOREIGN: [&str; 20] = [
    "environ",
    "fail",
    "internal",
    "ldap",
    "memcache",
    "mongodb",
    "mysql",
    "netinfo",
    "nis",
    "nisplus",
    "pgsql",
    "pipemap",
    "proxy",
    "randmap",
    "socketmap",
    "sqlite",
    "tcp",
    "unionmap",
    "unix",
    "debug",
];

pub(super) fn load(word: &Word, source: &mut dyn Source) -> Result<Content, Fault> {
    let Some((kind, name)) = word.text.split_once(':') else {
        return Err(word
            .error(format!("`{}` is not a table: it has no type", word.text))
            .help(format!("write `hash:{}`, for example", word.text)));
    };
    Ok(match kind {
        "hash" | "lmdb" | "btree" | "dbm" | "sdbm" | "cdb" => {
            Content::Fixed(Fixed::parse(name, &read(word, name, source)?, Duplicates::First, source))
        }
        "texthash" => {
            Content::Fixed(Fixed::parse(name, &read(word, name, source)?, Duplicates::Refuse, source))
        }
        "cidr" => Content::Networks(cidr::parse(rules(word, name, source)?, source)),
        "regexp" => patterns(word, name, Notation::Regexp, source)?,
        "pcre" => patterns(word, name, Notation::Pcre, source)?,
        "inline" => Content::Fixed(inline::parse(word, source)?),
        "static" => {
            if name.is_empty() {
                return Err(word
                    .error("a static table without an action")
                    .help("write `static:REJECT`, for example"));
            }
            let line = Line::of_table(word, source);
            let span = kind.len() + 1..line.text.len();
            let entry = right_hand::parse(&line, unbraced(&line, span), Groups::Plain, source);
            entry.map_or(Content::Nothing, Content::Static)
        }
        _ => return Err(unknown(word, kind, name)),
    })
}

fn patterns(word: &Word, name: &str, notation: Notation, source: &mut dyn Source) -> Result<Content, Fault> {
    Ok(Content::Patterns(regexp::parse(rules(word, name, source)?, notation, source)))
}

/// The rules of a table: those in the braces behind its type, or a file's.
///
/// # Errors
/// When the file cannot be read, or the braces hold no rules.
pub fn rules<'a>(word: &Word, name: &'a str, source: &mut dyn Source) -> Result<Text<'a>, Fault> {
    match braces::rules(word, source) {
        Some(rules) => rules,
        None => Ok(Text::File(name, read(word, name, source)?)),
    }
}

fn read(word: &Word, path: &str, source: &mut dyn Source) -> Result<String, Fault> {
    if path.is_empty() {
        return Err(word
            .error(format!("`{}` names no file", word.text))
            .help(format!("write `{}/etc/mailward/access`, for example", word.text)));
    }
    source.read(path).map_err(|reason| {
        let fault = word.error(format!("cannot read `{path}`: {reason}"));
        match path.rsplit_once('.') {
            Some((text, "db" | "cdb" | "lmdb" | "dir" | "pag")) => {
                fault.help(format!("name the text file, not the one that postmap made of it: `{text}`"))
            }
            _ => fault,
        }
    })
}

/// `static:{ text with spaces }` without its braces.
fn unbraced(line: &Line, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let span = line.trim(span);
    let text = &line.text[span.clone()];
    if text.len() >= 2 && text.starts_with('{') && text.ends_with('}') {
        span.start + 1..span.end - 1
    } else {
        span
    }
}

fn unknown(word: &Word, kind: &str, name: &str) -> Fault {
    let usable = TYPES.map(|kind| format!("{kind}:")).join(" ");
    if kind == "proxy" && name.contains(':') {
        let fault = word.error("a table of the type proxy: is not possible: there is no proxymap server");
        return fault.help(format!("write `{name}`"));
    }
    if FOREIGN.contains(&kind) {
        let fault = word.error(format!("tables of the type {kind}: are not possible"));
        return fault.help(format!("write its content to a text file and use one of {usable}"));
    }
    let fault = word.error(format!("unknown table type `{kind}`"));
    let near = TYPES.iter().find(|known| strsim::damerau_levenshtein(known, &kind.to_lowercase()) <= 1);
    match near {
        Some(near) => fault.help(format!("did you mean `{near}:{name}`?")),
        None => fault.help(format!("the types are {usable}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        AccessTable,
        memory::{Memory, message, word},
    };

    #[test]
    fn a_word_that_is_no_table_says_what_is() {
        const TYPES: &str =
            "hash: texthash: lmdb: btree: dbm: sdbm: cdb: cidr: regexp: pcre: inline: static:";
        let cases = [
            ("/etc/x", "6 error: `/etc/x` is not a table: it has no type (write `hash:/etc/x`, for example)".to_owned()),
            ("hsh:/x", "6 error: unknown table type `hsh` (did you mean `hash:/x`?)".to_owned()),
            ("HASH:/x", "7 error: unknown table type `HASH` (did you mean `hash:/x`?)".to_owned()),
            ("what:/x", format!("7 error: unknown table type `what` (the types are {TYPES})")),
            (
                "mysql:/x",
                format!("8 error: tables of the type mysql: are not possible (write its content to a text file and use one of {TYPES})"),
            ),
            (
                "proxy:hash:/x",
                "13 error: a table of the type proxy: is not possible: there is no proxymap server (write `hash:/x`)".to_owned(),
            ),
            ("hash:", "5 error: `hash:` names no file (write `hash:/etc/mailward/access`, for example)".to_owned()),
            ("cidr:/none", "10 error: cannot read `/none`: No such file or directory".to_owned()),
            (
                "hash:/none.db",
                "13 error: cannot read `/none.db`: No such file or directory \
                 (name the text file, not the one that postmap made of it: `/none`)"
                    .to_owned(),
            ),
        ];
        for (text, want) in cases {
            let fault = AccessTable::load(&word(text), &mut Memory::default()).unwrap_err();
            assert_eq!(message(&fault), format!("m.toml:3:5+{want}"), "{text}");
        }
    }

    #[test]
    fn a_static_table_says_the_same_of_every_key() {
        let mut memory = Memory::default();
        for text in ["static:DUNNO", "static:{ DUNNO }"] {
            let table = AccessTable::load(&word(text), &mut memory).unwrap();
            assert!(table.full("anything").unwrap().is_some());
        }
        assert_eq!(memory.messages(), [""; 0]);
        let table = AccessTable::load(&word("static:REJCT"), &mut memory).unwrap();
        assert_eq!(table.full("anything").unwrap(), None);
        assert_eq!(
            memory.messages(),
            ["m.toml:3:12+5 error: unknown action `REJCT` (did you mean `REJECT`?)"]
        );
    }
}
