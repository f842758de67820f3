//! `mailward greylist` finds the rows of an address as a log, a customer, `why` or `list` shows it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault in here is a failed test")]

mod support;

use mailward::{cli::Exit, greylist::Settings, time::Clock, time::SystemClock};
use support::{
    directory::Directory,
    greylist::{command, passes, sqlite},
};

/// Mail that waits: from whom, and to whom.
const MAILS: [(&str, &str); 8] = [
    ("<news+5@shop.example>", "<ann@rcpt.example>"),
    ("<bounce-1234567-bob=rcpt.example@esp.example>", "<bob@rcpt.example>"),
    ("<bounce-7654321-ann=rcpt.example@esp.example>", "<ann@rcpt.example>"),
    ("<SRS0=HHH=TT=orig.example=bob@fwd.example>", "<bob@rcpt.example>"),
    ("<vip@gmail.example>", "<bob@xn--mnchen-3ya.example>"),
    ("<>", "<bob@rcpt.example>"),
    ("<b\u{fc}cher@ex\u{e4}mple.example>", "<bob@rcpt.example>"),
    ("<books@xn--exmple-cua.example>", "<ann@rcpt.example>"),
];

/// A greylist in which these wait.
async fn waiting(settings: &Settings) -> Directory {
    let directory = Directory::new();
    let store = sqlite(&directory);
    for mail in MAILS {
        assert!(!passes(&store, settings, SystemClock.now().0, ("192.0.2.1", ""), mail).await);
    }
    directory
}

/// The senders of the rows that a command lists.
fn senders(directory: &Directory, greylist: &str, arguments: &[&str]) -> Vec<String> {
    let (exit, out, err) = command(directory, greylist, &[arguments, &["--json"]].concat());
    assert_eq!((exit, err.as_str()), (Exit::Success, ""), "{arguments:?}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = json.get("rows").unwrap_or(&json).as_array().unwrap();
    let mut all: Vec<_> = rows.iter().map(|row| row["sender"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[tokio::test]
async fn rows_are_found_by_an_address_as_it_was_sent_or_is_shown() {
    let directory = waiting(&Settings::default()).await;
    let books = ["books@xn--exmple-cua.example", "b\u{fc}cher@xn--exmple-cua.example"];
    let cases: [(&[&str], &[&str]); 16] = [
        (&["--sender", "news+5@shop.example"], &["news@shop.example"]),
        (&["--sender", "News@Shop.example"], &["news@shop.example"]),
        (&["--sender", "<news+17@shop.example>"], &["news@shop.example"]),
        // Its recipient stands in it.
        (&["--sender", "bounce-1234567-bob=rcpt.example@esp.example"], &["bounce-#-rcpt@esp.example"]),
        (
            &["--sender", "bounce-1-bob=rcpt.example@esp.example", "--recipient", "<bob@rcpt.example>"],
            &["bounce-#-rcpt@esp.example"],
        ),
        (&["--sender", "bounce-1-bob=rcpt.example@esp.example", "--recipient", "ann@rcpt.example"], &[]),
        (
            &["--sender", "bounce-#-rcpt@esp.example"],
            &["bounce-#-rcpt@esp.example", "bounce-#-rcpt@esp.example"],
        ),
        (&["--sender", "SRS0=XXX=YY=orig.example=bob@fwd.example"], &["srs=orig.example=bob@fwd.example"]),
        (&["--sender", "<vip@gmail.example>"], &["vip@gmail.example"]),
        (&["--sender", "<>"], &[""]),
        (&["--sender", "b\u{fc}cher@ex\u{e4}mple.example"], &books[1..]),
        (&["--sender", "B\u{dc}CHER@xn--exmple-cua.example"], &books[1..]),
        (&["--sender", "books@ex\u{e4}mple.example"], &books[..1]),
        (&["--sender", "@ex\u{e4}mple.example"], &books),
        (&["--sender", "@XN--exmple-cua.example"], &books),
        (&["--recipient", "<bob@m\u{fc}nchen.example>"], &["vip@gmail.example"]),
    ];
    for (which, want) in cases {
        if want.is_empty() {
            assert_eq!(command(&directory, "", &[&["list"], which].concat()).1, "no rows\n", "{which:?}");
        } else {
            assert_eq!(senders(&directory, "", &[&["list"], which].concat()), want, "{which:?}");
        }
        let forgotten = format!("{} row{} will pass\n", want.len(), if want.len() == 1 { "" } else { "s" });
        assert_eq!(
            command(&waiting(&Settings::default()).await, "", &[&["pass"], which].concat()).1,
            forgotten
        );
        if let ["--sender", sender] = which {
            assert_eq!(senders(&directory, "", &["show", sender]), want, "{sender}");
        }
    }
    let forgotten = command(&directory, "", &["forget", "--sender", "bounce-1-bob=rcpt.example@esp.example"]);
    assert_eq!(forgotten.1, "1 row forgotten\n");
    assert_eq!(senders(&directory, "", &["list", "--sender", "@esp.example"]).len(), 1);
}

#[tokio::test]
async fn rows_in_postgrey_s_form_are_found_too() {
    let directory = waiting(&Settings::postgrey()).await;
    let postgrey = "profile = \"postgrey\"";
    let cases = [
        ("news+5@shop.example", "news@shop.example"),
        ("bounce-1234567-bob=rcpt.example@esp.example", "bounce-#-bob=rcpt.example@esp.example"),
        ("bounce-#-bob=rcpt.example@esp.example", "bounce-#-bob=rcpt.example@esp.example"),
        ("SRS0=HHH=TT=orig.example=bob@fwd.example", "srs0=hhh=tt=orig.example=bob@fwd.example"),
    ];
    for (sender, want) in cases {
        assert_eq!(senders(&directory, postgrey, &["list", "--sender", sender]), [want], "{sender}");
    }
}

#[tokio::test]
async fn where_nothing_matched_it_is_said_what_was_looked_for() {
    let directory = waiting(&Settings::default()).await;
    let cases: [(&[&str], &str, &str); 6] = [
        (
            &["pass", "--sender", "other+1@shop.example", "--recipient", "ann@rcpt.example"],
            "0 rows will pass\n",
            "looked for waiting rows from `other+1@shop.example` or `other@shop.example`, to `ann@rcpt.example`: \
             `mailward greylist list --sender @shop.example` shows those of its domain",
        ),
        (
            &["forget", "--recipient", "<eva@rcpt.example>"],
            "0 rows forgotten\n",
            "looked for rows to `eva@rcpt.example`: `mailward greylist list --recipient @rcpt.example` shows those of \
             its domain",
        ),
        (
            &["list", "--client", "198.51.100.1"],
            "no rows\n",
            "looked for rows of the client `198.51.100.1`: `mailward greylist list` shows what there is",
        ),
        (
            &["list", "--sender", "@other.example", "--json"],
            "[]\n",
            "looked for rows from `@other.example`: `mailward greylist list` shows what there is",
        ),
        (
            &["show", "<eva@rcpt.example>"],
            "nothing is known of it\n",
            "looked for `<eva@rcpt.example>` as sender and recipient: `mailward greylist list` shows what there is",
        ),
        (&["list", "--older", "1h"], "no rows\n", ""),
    ];
    for (arguments, want, hint) in cases {
        let (exit, out, err) = command(&directory, "", arguments);
        let hint = if hint.is_empty() { String::new() } else { format!("mailward: {hint}\n") };
        assert_eq!((exit, out.as_str(), err), (Exit::Success, want, hint), "{arguments:?}");
    }
}
