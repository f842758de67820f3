//! What holds for the configuration as a whole; broken files and their diagnostics are in tests/config.

use super::*;
use std::sync::Arc;

struct Nothing;

impl Files for Nothing {
    fn read(&mut self, path: &Path) -> Result<String, Unreadable> {
        // The examples of the whitelists' keys have an effect only if they hold something.
        if path.ends_with("whitelist_clients") || path.ends_with("whitelist_recipients") {
            return Ok("white.example\n".to_owned());
        }
        Err(Unreadable::Missing)
    }
}

fn config(text: &str) -> Config {
    let loaded = parse("t", text, &mut Nothing);
    assert!(loaded.diagnostics.iter().all(|found| !found.is_error()), "{text}\n{:?}", loaded.diagnostics);
    // Every text has a digest of its own.
    Config { digest: Arc::default(), ..loaded.config.unwrap() }
}

/// A key as one line of a file.
fn line(path: &str, value: &str) -> String {
    format!("{} = {value}\n", path.replace('*', "mine"))
}

#[test]
fn the_table_of_keys_names_the_real_defaults() {
    let bare = format!("{:?}", Config::default());
    assert_eq!(format!("{:?}", config("")), bare);
    for key in keys::keys().filter(|key| !key.path.contains('*')) {
        assert_eq!(format!("{:?}", config(&line(key.path, key.default))), bare, "{}", key.path);
    }
}

#[test]
fn every_key_has_an_effect() {
    let socket = "socket = \"unix:/run/mailward.sock\"\n";
    for key in keys::keys() {
        let base = if key.path.starts_with("socket_") { socket } else { "" };
        let without = format!("{:?}", config(base));
        let with = config(&format!("{base}{}", line(key.path, key.example)));
        assert_ne!(format!("{with:?}"), without, "{}", key.path);
    }
}

#[test]
fn the_manual_fits_the_terminal() {
    let manual = keys::manual();
    assert!(manual.lines().all(|line| line.chars().count() <= 80), "{manual}");
    assert!(keys::keys().all(|key| manual.contains(&format!("{} = ", key.path))));
}

#[test]
fn socket_and_max_sessions_need_a_restart() {
    let old = config("max_sessions = 10");
    assert!(old.needs_restart(&config("max_sessions = 10\nmode = \"observe\"")).is_empty());
    let new = config("socket = \"inet:127.0.0.1:1\"");
    assert_eq!(old.needs_restart(&new), ["socket", "max_sessions"]);
}

#[test]
fn the_default_of_both_temporary_failures_is_one_key() {
    use crate::restriction::args::TempfailAction::{Defer, DeferIfPermit};
    let text = "codes.reject_tempfail_action = \"defer\"\n\
                codes.unknown_address_tempfail_action = \"defer_if_permit\"";
    let settings = config(text).settings;
    assert_eq!(settings.unknown_helo_hostname_tempfail_action, Defer);
    assert_eq!(settings.unknown_address_tempfail_action, DeferIfPermit);
}

#[test]
fn entries_keep_their_words_and_places() {
    let config = config(
        "restrictions.helo = \"\"\"\n  permit_mynetworks,\n  warn_if_reject\n  \
         check_helo_access { inline:{ a=OK,\n b=DUNNO } } { mine }\"\"\"\nclasses.mine = []",
    );
    let entries = &config.policy.lists[1].entries;
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            (&*entry.written.text, entry.written.origin.line, entry.written.origin.column, entry.warn_only)
        })
        .collect();
    let want = [
        ("permit_mynetworks", 2, 3, false),
        ("check_helo_access inline:{ a=OK, b=DUNNO }", 4, 3, true),
        ("mine", 5, 16, false),
    ];
    assert_eq!(seen, want);
}

#[test]
fn the_key_of_a_paid_list_is_no_part_of_an_entry_s_text() {
    let config = config(
        "restrictions.client = \"reject_rbl_client secret.zen.dq.spamhaus.net=127.0.0.[2..11], \
         permit_dnswl_client secret.wl.mail.abusix.zone=127.0.0.2\"",
    );
    let entries = &config.policy.lists[0].entries;
    let texts: Vec<&str> = entries.iter().map(|entry| &*entry.written.text).collect();
    let want = [
        "reject_rbl_client zen.dq.spamhaus.net=127.0.0.[2..11]",
        "permit_dnswl_client wl.mail.abusix.zone=127.0.0.2",
    ];
    assert_eq!(texts, want);
}

#[test]
fn tables_are_read_once_and_their_lists_are_classes() {
    struct One(usize);
    impl Files for One {
        fn read(&mut self, path: &Path) -> Result<String, Unreadable> {
            self.0 += 1;
            assert_eq!(path, Path::new("list"));
            Ok("a.test mine\nb.test mine\nc.test permit_mynetworks, reject\n".to_owned())
        }
    }
    let text = "restrictions.helo = \"check_helo_access hash:list, check_helo_access hash:list\"\n\
                classes.mine = \"permit\"";
    let mut files = One(0);
    let loaded = parse("t", text, &mut files);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(files.0, 1);
    let classes = loaded.config.unwrap().policy.classes;
    let entries: Vec<Vec<String>> = classes
        .iter()
        .map(|list| list.entries.iter().map(|entry| entry.written.text.to_string()).collect())
        .collect();
    assert_eq!(entries, [vec!["permit"], vec!["permit_mynetworks", "reject"]]);
}

#[test]
fn a_long_chain_of_classes_is_judged_without_recursion() {
    let mut text = String::from("[classes]\n");
    for number in 0..20_000 {
        text.push_str(&format!("c{number} = \"c{}\"\n", number + 1));
    }
    text.push_str("c20000 = \"c0\"\n");
    let loaded = parse("t", &text, &mut Nothing);
    assert_eq!(loaded.diagnostics.len(), 1);
    assert!(loaded.diagnostics[0].fault.message.ends_with("contains itself"));
}
