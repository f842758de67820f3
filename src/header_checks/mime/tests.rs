//! The state machine on messages in a few words. That Postfix sees the same is proved in tests/header_checks.rs.

use super::*;

/// The fields of a message, its own header and its body, in chunks of `size` bytes: `class: text`.
fn fields(message: &str, size: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut out = |field: Field<'_>| {
        let part = if field.in_part { " in part" } else { "" };
        let text = String::from_utf8_lossy(field.text).replace('\n', "|");
        seen.push(format!("{:?}{part}: {text}", field.class));
    };
    let (header, body) = message.split_once("\n\n").unwrap_or((message, ""));
    let mut mime = Mime::new();
    for field in header.replace("\n ", "\r ").lines() {
        let (name, value) = field.split_once(':').unwrap();
        mime.header(name.as_bytes(), value.replace('\r', "\n ").as_bytes(), &mut out);
    }
    mime.end_of_headers();
    let body = body.replace('\n', "\r\n");
    body.as_bytes().chunks(size).for_each(|chunk| mime.body(chunk, &mut out));
    mime.end(&mut out);
    seen
}

const MIXED: &str = "\
Subject: s
content-type: multipart/mixed; boundary=b

prologue
X: y
--b
Content-Type: text/plain

A: b
--bcd trailing
Content-Type : application/x;
  name=a.exe
X-Own: 1

--b
Content-Type: message/rfc822

From: x
Subject: inner
Content-Type: multipart/digest; boundary=\"c\"

--c

To: digest
--c--
--c
not a field
X: y
--b--
--b
X: y
";

#[test]
fn every_field_is_of_its_class_in_whatever_chunks() {
    let want = [
        "Primary: Subject: s",
        "Mime: content-type: multipart/mixed; boundary=b",
        "Mime in part: Content-Type: text/plain",
        "Mime in part: Content-Type: application/x;|  name=a.exe",
        "Mime in part: X-Own: 1",
        "Mime in part: Content-Type: message/rfc822",
        "Nested in part: From: x",
        "Nested in part: Subject: inner",
        "Mime in part: Content-Type: multipart/digest; boundary=\"c\"",
        "Nested in part: To: digest",
    ];
    for size in [1, 2, 3, 7, 65_535] {
        assert_eq!(fields(MIXED, size), want, "{size}");
    }
}

#[test]
fn nothing_is_over_before_the_outermost_boundary_closes() {
    let mut mime = Mime::new();
    let out = |_: Field<'_>| {};
    mime.header(b"Content-Type", b" multipart/mixed; boundary=b", out);
    mime.end_of_headers();
    assert!(!mime.is_over());
    mime.body(b"--b\r\n\r\ntext\r\n--b-", out);
    assert!(!mime.is_over());
    mime.body(b"-\r\n", out);
    assert!(mime.is_over());
    let mut plain = Mime::new();
    plain.header(b"Subject", b" x", out);
    plain.end_of_headers();
    assert!(plain.is_over());
    let mut message = Mime::new();
    message.header(b"Content-Type", b" message/rfc822", out);
    message.end_of_headers();
    assert!(!message.is_over());
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let out = |_: Field<'_>| {};
    let mut mime = Mime::new();
    for level in 0..300 {
        mime.header(
            b"Content-Type",
            format!(" multipart/x; boundary={level}{}", "y".repeat(5_000)).as_bytes(),
            out,
        );
    }
    mime.end_of_headers();
    assert_eq!(mime.stack.len(), NESTING_LIMIT + 1);
    mime.body(format!("--0{}\r\nX:", "y".repeat(2_047)).as_bytes(), out);
    for _ in 0..200 {
        mime.body(&[b'z'; 65_535], out);
        mime.body(b"\r\n ", out);
    }
    assert!(mime.field.len() <= HEADER_LIMIT + LINE_LIMIT + 1, "{}", mime.field.len());
    assert!(mime.line.capacity() <= 2 * LINE_LIMIT, "{}", mime.line.capacity());
    let held: usize = mime.stack.iter().map(|boundary| boundary.text.len()).sum();
    assert!(held <= (NESTING_LIMIT + 1) * BOUNDARY_LIMIT);
}
