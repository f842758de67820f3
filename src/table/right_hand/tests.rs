//! What stands behind a key: as read, and every fault with its place and the way out.

use super::{super::memory::Memory, *};
use crate::origin::{Origin, Word};

fn parse_text(text: &str, groups: Groups) -> (Option<Says>, Memory) {
    let line = Line::of_word(&Word { text: text.to_owned(), origin: Origin::new("t", 7, 1) });
    let mut memory = Memory::default();
    let entry = parse(&line, 0..text.len(), groups, &mut memory);
    (entry.map(|entry| entry.says), memory)
}

#[test]
fn restriction_lists_become_classes_with_their_place() {
    let lists = [
        "permit_mynetworks, reject",
        "strict",
        "permit",
        "PERMIT",
        "reject_unknown_helo_hostname",
        "Strict_Class",
        "Hold2",
        "rejct",
    ];
    for list in lists {
        let (says, memory) = parse_text(list, Groups::Plain);
        assert!(matches!(says, Some(Says::Class(_))), "{list}");
        assert_eq!(memory.classes, [format!("{list} at t:7:1")]);
        assert_eq!(memory.messages(), [""; 0]);
    }
}

#[test]
fn what_permits_by_accident_is_warned_of() {
    let cases = [
        (
            "123456",
            "t:7:1+6 warning: `123456` permits: a number without a text means OK, as in Postfix (write `OK`)",
        ),
        (
            "550",
            "t:7:1+3 warning: `550` permits: a number without a text means OK, as in Postfix \
             (write `550 text` to refuse with this code, or `OK`)",
        ),
    ];
    for (text, want) in cases {
        let (says, memory) = parse_text(text, Groups::Plain);
        assert_eq!(says, Some(Says::Ok), "{text}");
        assert_eq!(memory.messages(), [want]);
    }
}

#[test]
fn every_fault_names_its_place_and_the_way_out() {
    const CODES: &str = "(write a code from 400 to 459 or from 500 to 559, or `OK`)";
    const CLASS: &str = "a table cannot stand inside an access table \
                         (put the check into a class below [classes] and write the class's name here)";
    let cases = [
        ("", "t:7:1+1 error: an action is missing (write `OK`, `DUNNO` or `REJECT`)".to_owned()),
        ("REJCT go", "t:7:1+5 error: unknown action `REJCT` (did you mean `REJECT`?)".to_owned()),
        ("Dunnno", "t:7:1+6 error: unknown action `Dunnno` (did you mean `DUNNO`?)".to_owned()),
        (
            "DEFER_IF_PERMT",
            "t:7:1+14 error: unknown action `DEFER_IF_PERMT` (did you mean `DEFER_IF_PERMIT`?)".to_owned(),
        ),
        ("250 x", format!("t:7:1+3 error: `250` is not a code that refuses {CODES}")),
        ("600 x", format!("t:7:1+3 error: `600` is not a code that refuses {CODES}")),
        ("5500 x", format!("t:7:1+4 error: `5500` is not a code that refuses {CODES}")),
        (
            "571 x",
            "t:7:1+3 error: a milter cannot send the code 571, though Postfix can \
             (write `550 text`; RFC 5321 knows no reply 571)"
                .to_owned(),
        ),
        (
            "471 x",
            "t:7:1+3 error: a milter cannot send the code 471, though Postfix can \
             (write `450 text`; RFC 5321 knows no reply 471)"
                .to_owned(),
        ),
        ("check_client_access hash:/x, reject", format!("t:7:21+7 error: {CLASS}")),
        ("hash:/x", format!("t:7:1+7 error: {CLASS}")),
        (
            "{ reject, permit }",
            "t:7:1+1 error: a restriction list in an access table takes no braces \
             (write its entries without them, or put them into a class below [classes])"
                .to_owned(),
        ),
        (
            "FILTER smtp:x",
            "t:7:1+6 error: a milter cannot set a content filter, so `FILTER` is not possible \
             (keep this entry in a table of main.cf's own restrictions)"
                .to_owned(),
        ),
        (
            "hangup",
            "t:7:1+6 error: `hangup` is not a documented action, and a milter has none like it \
             (write `421 text` to refuse and close the connection)"
                .to_owned(),
        ),
        (
            "REDIRECT",
            "t:7:1+8 error: `REDIRECT` needs an address behind it (write `REDIRECT user@example.com`)"
                .to_owned(),
        ),
        (
            "BCC  some one@x",
            "t:7:6+10 error: `some one@x` is not an address (write `BCC user@example.com`)".to_owned(),
        ),
        ("BCC a@b>", "t:7:5+4 error: `a@b>` is not an address (write `BCC user@example.com`)".to_owned()),
        (
            "PREPEND",
            "t:7:1+7 error: `PREPEND` needs a header field behind it (write `PREPEND Name: value`)"
                .to_owned(),
        ),
        (
            "PREPEND X y",
            "t:7:9+3 error: `X y` is not a header field: there is no colon (write `PREPEND Name: value`)"
                .to_owned(),
        ),
        (
            "PREPEND X y: z",
            "t:7:9+3 error: `X y` is not the name of a header field (write `PREPEND Name: value`)".to_owned(),
        ),
        (
            "PREPEND : z",
            "t:7:9+1 error: `` is not the name of a header field (write `PREPEND Name: value`)".to_owned(),
        ),
    ];
    for (text, want) in cases {
        let (says, memory) = parse_text(text, Groups::Plain);
        assert_eq!(says, None, "{text}");
        assert_eq!(memory.messages(), [want]);
    }
}

#[test]
fn what_a_pattern_matched_chooses_no_action() {
    let cases = [
        (
            "$1 text",
            "t:7:1+2 error: `$1`: what the pattern matched cannot choose the action \
             (write the action, and `$1` only in its text)",
        ),
        (
            "PREPEND X-$1: y",
            "t:7:9+4 error: `X-$1`: what the pattern matched cannot choose the header field \
             (write `$1` only in the field's value)",
        ),
        (
            "reject_x $1",
            "t:7:1+11 error: what the pattern matched cannot be part of a restriction list \
             (write an action with a text, such as `REJECT $1`)",
        ),
        ("REJECT $2", "t:7:8+2 error: `$2`: the pattern's groups are numbered from 1 to 1"),
        (
            "reject_$1",
            "t:7:1+9 error: `reject_$1`: what the pattern matched cannot choose the action \
             (write the action, and `$1` only in its text)",
        ),
    ];
    for (text, want) in cases {
        let (says, memory) = parse_text(text, Groups::Numbered(1));
        assert_eq!((says, memory.messages()), (None, vec![want.to_owned()]), "{text}");
    }
}
