//! Templates that can be replies, and those that cannot.

use super::*;
use crate::table::memory::message;

#[test]
fn the_default_can_be_read() {
    let default = ReplyTemplate::parse(DEFAULT, &Origin::new("t", 1, 1)).unwrap();
    assert_eq!(ReplyTemplate::default(), default);
    assert!(default.asks_text && default.shows_domain);
    let plain = ReplyTemplate::parse("550 no ${sender?{$rbl_code}:{$rbl_what}}", &Origin::new("t", 1, 1));
    let plain = plain.unwrap();
    assert!(!plain.asks_text && !plain.shows_domain);
}

#[test]
fn a_faulty_template_is_shown_at_the_column() {
    let code = "the reply does not begin with a reply code (begin it with `$rbl_code `, or with 550 or 450 and a blank)";
    let cases = [
        (
            "550 é $rbl_reson",
            "12+9 error: unknown variable `rbl_reson` (did you mean `rbl_reason`?)".to_owned(),
        ),
        ("550 ${x", "9+3 error: `${` is not closed".to_owned()),
        ("go away", format!("5+2 error: {code}")),
        ("250 ok", format!("5+3 error: {code}")),
        ("5500 no", format!("5+4 error: {code}")),
        ("571 no", format!("5+3 error: {code}")),
        ("$rbl_code", format!("5+9 error: {code}")),
        ("${rbl_reason?550 }x", format!("5+16 error: {code}")),
        ("", format!("5+1 error: {code}")),
    ];
    for (template, want) in cases {
        let fault = ReplyTemplate::parse(template, &Origin::new("t", 2, 5)).unwrap_err();
        assert_eq!(message(&fault), format!("t:2:{want}"), "{template}");
    }
}
