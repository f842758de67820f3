//! What is looked up: access(5), the order of its keys.

use super::*;

#[test]
fn a_client_is_looked_up_by_name_and_then_by_address() {
    let text = "q.test DUNNO\n10.20.30 550 network\n44.33.22 DUNNO\n44.33 550 x\nunknown 450 nameless\n\
                2001:db8: 550 v6\n2001:db9 550 prefix\n1.2.3.4 550 host\nCN 550 cn\n";
    let reject = |host: &str, text: &str| format!("550 5.7.1 <{host}>: Client host rejected: {text}");
    let cases = [
        (Some("a.q.test"), "10.20.30.41", "dunno".to_owned()),
        (Some("a.r.test"), "10.20.30.41", reject("a.r.test[10.20.30.41]", "network")),
        (Some("a.r.test"), "44.33.22.11", "dunno".to_owned()),
        (Some("a.r.test"), "44.33.21.11", reject("a.r.test[44.33.21.11]", "x")),
        (None, "1.2.3.4", "450 4.7.1 <unknown[1.2.3.4]>: Client host rejected: nameless".to_owned()),
        (Some("x.test"), "1.2.3.4", reject("x.test[1.2.3.4]", "host")),
        (Some("x.test"), "2001:db8::1", reject("x.test[2001:db8::1]", "v6")),
        (Some("x.test"), "2001:db8:1::1", "dunno".to_owned()),
        (Some("x.test"), "2001:db9:1::1", reject("x.test[2001:db9:1::1]", "prefix")),
        (Some("Mail.Foo.cn"), "9.9.9.9", reject("Mail.Foo.cn[9.9.9.9]", "cn")),
    ];
    for (name, address, want) in cases {
        let says = Scene::client(name, address).says("check_client_access", "hash", text);
        assert_eq!(says, want, "{name:?} {address}");
    }
    let name = "check_client_access";
    let scene = Scene::client(Some("mail.foo.cn"), "9.9.9.9");
    assert_eq!(scene.says(name, "hash", ".cn OK\n"), "dunno");
    assert_eq!(scene.says_with(name, "hash", ".cn OK\n", &dotted()), "ok");
    assert_eq!(scene.says_with(name, "hash", "cn OK\nfoo.cn OK\n", &dotted()), "dunno");
    assert_eq!(scene.says_with(name, "hash", "mail.foo.cn OK\n", &dotted()), "ok");
}

#[test]
fn patterns_and_networks_see_complete_keys_only() {
    let scene = Scene::client(Some("Mail.Example.net"), "10.20.30.41");
    let name = "check_client_access";
    for (kind, text, want) in [
        ("regexp", "/^10\\.20\\.30$/ OK\n", "dunno"),
        ("regexp", "/^10\\.20\\.30\\.41$/ OK\n", "ok"),
        ("regexp", "/^example\\.net$/ OK\n", "dunno"),
        ("pcre", "/^mail\\.example\\.net$/ OK\n", "ok"),
        ("pcre", "/^mail\\.example\\.net$/i OK\n", "dunno"),
        ("pcre", "/^M.*net$/i OK\n", "ok"),
        ("cidr", "10.20.30.0/24 OK\n", "ok"),
        ("cidr", "10.21.0.0/16 OK\n", "dunno"),
    ] {
        assert_eq!(scene.says(name, kind, text), want, "{kind} {text}");
    }
    let scene = Scene::helo("1.2.3.4");
    assert_eq!(scene.says("check_helo_access", "cidr", "1.0.0.0/8 OK\n"), "ok");
    assert_eq!(scene.says("check_helo_access", "hash", "2.3.4 OK\n1.2.3 OK\n"), "dunno");
    let name = "check_sender_access";
    assert_eq!(Scene::default().says(name, "regexp", "/^a\\.example\\.net$/ OK\n"), "dunno");
    assert_eq!(Scene::default().says(name, "regexp", "/@A\\.example\\.net$/ OK\n"), "ok");
}

#[test]
fn helo_names_are_looked_up_with_their_parents() {
    for (helo, key, want) in [
        ("a.Bad.domain", "bad.domain", "554 5.7.1 <a.Bad.domain>: Helo command rejected: match"),
        ("a.bad.domain.", "bad.domain.", "554 5.7.1 <a.bad.domain.>: Helo command rejected: match"),
        ("a.bad.domain.", "bad.domain", "dunno"),
        ("mail@domain", "mail?domain", "554 5.7.1 <mail?domain>: Helo command rejected: match"),
        ("x", "y", "dunno"),
    ] {
        let text = format!("{key} 554 match\n");
        assert_eq!(Scene::helo(helo).says("check_helo_access", "hash", &text), want, "{helo}");
    }
    let mut scene = Scene::default();
    scene.session.helo = None;
    assert_eq!(scene.says("check_helo_access", "regexp", "/./ REJECT\n"), "dunno");
}

#[test]
fn addresses_are_looked_up_in_the_order_of_access_5() {
    let settings = Settings { recipient_delimiter: "+".to_owned(), ..Settings::default() };
    let keys = [
        "user+ext@a.example.net",
        "user@a.example.net",
        "a.example.net",
        "example.net",
        "net",
        "user+ext@",
        "user@",
    ];
    for (number, key) in keys.iter().enumerate() {
        let rest: String = keys[number + 1..].iter().map(|key| format!("{key} DUNNO\n")).collect();
        let text = format!("{rest}{key} OK\n");
        let says = Scene::default().says_with("check_sender_access", "hash", &text, &settings);
        assert_eq!(says, "ok", "{key}");
    }
    let name = "check_sender_access";
    assert_eq!(Scene::default().says(name, "hash", "user@ REJECT\n"), "dunno");
    assert_eq!(Scene::sender("\"a b\"@example.net").says(name, "hash", "\"a b\"@example.net OK\n"), "ok");
    assert_eq!(Scene::sender("\"a..b\"@example.net").says(name, "hash", "a..b@example.net OK\n"), "ok");
}

#[test]
fn the_null_sender_has_one_key() {
    let null = Scene::sender("<>");
    let name = "check_sender_access";
    assert_eq!(
        null.says(name, "hash", "<> REJECT\n"),
        "554 5.7.1 <>: Sender address rejected: Access denied"
    );
    assert_eq!(null.says(name, "regexp", "/^<>$/ OK\n"), "ok");
    assert_eq!(null.says(name, "regexp", "/^$/ OK\n"), "dunno");
}

#[test]
fn what_is_not_there_yet_is_not_looked_up() {
    let mut scene = Scene::default();
    (scene.envelope.sender, scene.recipient) = (None, None);
    assert_eq!(scene.says("check_sender_access", "regexp", "/^/ REJECT\n"), "dunno");
    assert_eq!(scene.says("check_recipient_access", "regexp", "/^/ REJECT\n"), "dunno");
}
