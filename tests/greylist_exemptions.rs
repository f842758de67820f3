//! `mailward greylist open`, `opt-in`, `opt-out` and `close`: what they take, what holds afterwards, and whom it covers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{
    cli::Exit,
    lookup::greylist::Observation,
    store::{ExemptionKind, GreylistStore},
};
use support::{
    directory::Directory,
    greylist::{answer, command, exemption, now, say, sqlite},
};

#[tokio::test]
async fn an_exemption_takes_an_address_with_its_brackets_and_nothing_that_never_matches() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    assert_eq!(say(&store, now("a@x.example", 0)).await, "New 240");
    for arguments in [&["open", "<To@rcpt.example>", "30m"][..], &["opt-out", "<to@rcpt.example>"]] {
        assert!(answer(&directory, arguments).starts_with("to@rcpt.example is "), "{arguments:?}");
        assert_eq!(say(&store, now("a@x.example", 1)).await, "Exempt");
        let closed = answer(&directory, &["close", "<to@rcpt.example>"]);
        assert_eq!(closed, "1 exemption of to@rcpt.example taken back\n");
    }
    for word in ["*@example.org", ".example.org", "192.0.2.1", "a@b@c", "nobody"] {
        for arguments in [&["open", word, "30m"][..], &["opt-in", word], &["opt-out", word], &["close", word]]
        {
            let (exit, out, err) = command(&directory, "", arguments);
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{arguments:?}");
            assert!(err.starts_with(&format!("mailward: `{word}` ")), "{err}");
        }
    }
    assert_eq!(answer(&directory, &["exemptions"]), "no exemptions\n");
    // As a version that took such a form wrote it.
    store.exempt(exemption(ExemptionKind::OptOut, "*@example.org", None)).await.unwrap();
    assert_eq!(answer(&directory, &["close", "*@example.org"]), "1 exemption of *@example.org taken back\n");
}

#[tokio::test]
async fn an_opt_in_takes_the_place_of_an_opt_out_and_the_reverse() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    assert_eq!(say(&store, now("a@x.example", 0)).await, "New 240");
    let said = |arguments: &[&str]| {
        let (exit, out, err) = command(&directory, "opt_in = true", arguments);
        assert_eq!((exit, err.as_str()), (Exit::Success, ""), "{arguments:?}");
        out
    };
    assert_eq!(said(&["opt-out", "to@rcpt.example"]), "to@rcpt.example is never greylisted\n");
    let want = "to@rcpt.example is greylisted; its opt-out is taken back\n";
    assert_eq!(said(&["opt-in", "to@rcpt.example"]), want);
    assert_eq!(say(&store, now("b@x.example", 1)).await, "New 240");
    let want = "to@rcpt.example is never greylisted; its opt-in is taken back\n";
    assert_eq!(said(&["opt-out", "to@rcpt.example"]), want);
    assert_eq!(say(&store, now("b@x.example", 2)).await, "Exempt");
    assert_eq!(said(&["exemptions"]).lines().count(), 2);
    // What else is said of it, or of its domain, holds on.
    said(&["opt-out", "rcpt.example", "--reason", "all of it"]);
    let want = "to@rcpt.example is opted in, and its opt-out is taken back, but the opt-out of rcpt.example holds: \
                `mailward greylist close rcpt.example` takes that back\n";
    assert_eq!(said(&["opt-in", "to@rcpt.example"]), want);
    assert_eq!(say(&store, now("b@x.example", 3)).await, "Exempt");
    said(&["close", "rcpt.example"]);
    said(&["open", "to@rcpt.example", "30m"]);
    let opened = said(&["opt-in", "to@rcpt.example"]);
    let want = "to@rcpt.example is opted in, but the open of to@rcpt.example holds until ";
    assert!(opened.starts_with(want), "{opened}");
    said(&["close", "to@rcpt.example"]);
    assert_eq!(said(&["opt-in", "to@rcpt.example"]), "to@rcpt.example is greylisted\n");
}

#[tokio::test]
async fn an_exemption_covers_what_its_help_says() {
    let directory = Directory::new();
    let store = sqlite(&directory);
    let to = |recipient: &str| Observation { recipient: recipient.to_owned(), ..now("a@x.example", 0) };
    assert_eq!(say(&store, now("b@x.example", 0)).await, "New 240");
    answer(&directory, &["open", "bob@rcpt.example", "30m"]);
    answer(&directory, &["opt-out", "all.example"]);
    for (recipient, want) in [
        ("bob@rcpt.example", "Exempt"),
        ("bob+shop@rcpt.example", "New 240"),
        ("bob+shop@all.example", "Exempt"),
        ("bob@sub.all.example", "New 240"),
    ] {
        assert_eq!(say(&store, to(recipient)).await, want, "{recipient}");
    }
    for name in ["open", "opt-out", "opt-in"] {
        let help = answer(&directory, &[name, "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
        let want = "An address stands for itself only, not for one with an extension such as bob+shop@example.org; a \
                    domain for all of its addresses, but not for domains below it.";
        assert!(help.contains(want), "{help}");
    }
}

#[test]
fn what_is_set_for_a_recipient_is_shown_with_it() {
    let directory = Directory::new();
    for arguments in [
        &["opt-out", "bob@example.org", "--reason", "asked \u{1b}[2Jfor it"][..],
        &["opt-in", "example.org"],
        &["opt-out", "eva@example.org"],
        &["opt-out", "bob@other.example"],
    ] {
        assert_eq!(command(&directory, "", arguments).0, Exit::Success, "{arguments:?}");
    }
    let (bob, domain) = (
        "bob@example.org has `opt-out` for good: asked \\u{1b}[2Jfor it\n",
        "example.org has `opt-in` for good\n",
    );
    let eva = "eva@example.org has `opt-out` for good\n";
    let cases = [
        ("<Bob@example.org>", format!("{domain}{bob}")),
        ("example.org", format!("{domain}{bob}{eva}")),
        ("@example.org", format!("{domain}{bob}{eva}")),
        ("ann@example.org", domain.to_owned()),
        ("192.0.2.1", "nothing is known of it\n".to_owned()),
        ("notexample.org", "nothing is known of it\n".to_owned()),
    ];
    for (what, want) in cases {
        assert_eq!(command(&directory, "", &["show", what]).1, want, "{what}");
    }
    let (_, out, _) = command(&directory, "", &["show", "eva@example.org", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["exemptions"].as_array().map(Vec::len), Some(2));
}
