//! Messages that are made to take time or memory, each of about the length asked for.

/// Every kind of them by name.
pub(crate) fn messages(length: usize) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |unit: &str| unit.repeat(length / unit.len() + 1).into_bytes();
    let numbered = |unit: &dyn Fn(usize) -> String| {
        let (mut text, mut number) = (String::new(), 0);
        while text.len() < length {
            text.push_str(&unit(number));
            number += 1;
        }
        text.into_bytes()
    };
    let part = |head: &str, rest: Vec<u8>| [head.as_bytes(), &rest].concat();
    let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    // Fields of a hundred kilobytes each, as Postfix lets them through, in one part after the other.
    let fields = |begin: &str, unit: &str, end: &str| {
        let field = format!("{begin}{}{end}\r\n\r\n--b\r\n", unit.repeat(100_000 / unit.len()));
        let mut text = mixed.to_owned();
        while text.len() < length {
            text.push_str(&field);
        }
        text.into_bytes()
    };
    let cd = "Content-Disposition: attachment; ";
    let base64 = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let nested = |encoded: &str| format!("Content-Type: message/rfc822\r\n{encoded}\r\n");
    vec![
        ("a plain text", part("\r\n", fill("Some words that fill a line of a text, and more of them.\r\n"))),
        ("base64 of nothing known", part(base64, base64_lines(length, 7))),
        ("base64 of a ZIP file", part(base64, zip_lines(length))),
        ("lines of two bytes", part("\r\n", fill("\r\n"))),
        ("lines of two bytes in a multipart", part(mixed, fill("\r\n"))),
        ("one line", part("\r\n", fill("x"))),
        ("one line in a multipart", part(mixed, fill("x"))),
        ("hyphens", part(mixed, fill("-"))),
        ("lines of hyphens", part(mixed, fill("--\r\n"))),
        ("lines of one hyphen", part(mixed, fill("\r\n-"))),
        ("lines of hyphens under 190 boundaries", part(&boundaries(190, 4), fill("--\r\n"))),
        (
            "lines like boundaries under 190 of them",
            part(&boundaries(190, 4), fill("--bbbbbbbbbbbbbbbbbbbb\r\n")),
        ),
        (
            "long lines like long boundaries",
            part(&boundaries(190, 150), fill(&format!("--{}\r\n", "b".repeat(1_000)))),
        ),
        ("parts", part(mixed, fill("\r\n--b\r\n"))),
        ("parts with names", part(mixed, fill("Content-Type: a/b; name=a.txt\r\n\r\n--b\r\n"))),
        ("parts with banned names", part(mixed, fill("Content-Type: a/b; name=a.exe\r\n\r\n--b\r\n"))),
        (
            "multiparts in multiparts",
            numbered(&|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")),
        ),
        ("messages in messages", fill(&nested(""))),
        ("encoded messages in messages", fill(&nested("Content-Transfer-Encoding: base64\r\n"))),
        ("header without end", fill("X: y\r\n")),
        ("header of one line", part("X: ", fill("x"))),
        ("header of junk", fill("xxxxxxxxxxxxxxxxxxxxxxxx ")),
        ("header of folds", part("Content-Type: x", fill("\r\n "))),
        ("a field without end", part("Content-Type: x/y; name=\"", fill("x"))),
        ("comments not closed", fields(cd, "(", "")),
        ("comments not closed, with names", fields(cd, "(;filename=a;", "")),
        ("comments nested", fields(cd, "(()", "")),
        ("comments closed", fields(cd, "()", "")),
        ("encoded words", fields(cd, "=?", "")),
        ("encoded words in a name", fields(&format!("{cd}filename=\""), "=?", "\"")),
        ("encoded words begun in a name", fields(&format!("{cd}filename=\""), "=?u?q?", "\"")),
        ("encoded words complete", fields(&format!("{cd}filename=\""), "=?utf-8?q?a?=", "\"")),
        ("parameters", fields(cd, "x=y;", "")),
        ("parameters without semicolon", fields(cd, "filename=a ", "")),
        ("parameters with names", fields(cd, "filename=a;", "")),
        ("parameters with long names", fields(cd, &format!("filename=\"{}\";", "%C3%A9.".repeat(140)), "")),
        ("quotes", fields(cd, "\"", "")),
        ("quotes escaped", fields(cd, "a=\"\\\"\";", "")),
        ("backslashes", fields(&format!("{cd}filename=\""), "\\", "")),
        ("pieces of a name", part(mixed, pieces(length, "filename*N=x;"))),
        ("pieces of a name, all the same", fields(cd, "filename*0=x;", "")),
        ("pieces of a name, encoded", part(mixed, pieces(length, "filename*N*=utf-8''%C3%A9;"))),
        ("percent signs", fields(&format!("{cd}filename=\""), "%25", "\"")),
        ("letters that fold to many", fields(&format!("{cd}filename=\""), "\u{fdfa}", "\"")),
        ("accents on one letter", fields(&format!("{cd}filename=\""), "\u{301}\u{323}", "\"")),
        ("bytes that are no UTF-8", part(&format!("{mixed}{cd}filename=\""), vec![0xE9; length])),
        ("boundaries of one multipart", fields("Content-Type: multipart/mixed; ", "boundary=x;", "")),
        ("begin lines", part("\r\n", fill("begin 644 a\r\n"))),
        ("begin lines that look like blocks", part("\r\n", fill("begin 644 a.txt\r\n#86)C\r\n"))),
        ("ybegin lines", part("\r\n", fill("=ybegin name=a\r\n"))),
        ("BinHex files", part("\r\n", fill("(This file must be converted with BinHex\r\n:\r\n"))),
        ("quoted-printable", part("Content-Transfer-Encoding: quoted-printable\r\n\r\n", fill("=3D="))),
        ("ZIP members", part(&raw(), zip_members(length))),
        ("ZIP signatures", part(&raw(), [b"PK\x03\x04".as_slice(), &fill("PK\u{3}\u{4}")].concat())),
        ("letters P", part(&raw(), [b"PK\x03\x04".as_slice(), &fill("P")].concat())),
        (
            "TNEF properties",
            part(
                &raw(),
                [
                    b"\x78\x9F\x3E\x22".as_slice(),
                    &b"\x1E\0\x07\x37\x01\0\0\0\x04\0\0\0a.a\0".repeat(length / 16),
                ]
                .concat(),
            ),
        ),
        ("TNEF signatures", part(&raw(), [b"\x78\x9F\x3E\x22".as_slice(), &vec![0x1E; length]].concat())),
        ("gzip of zeros", part(&raw(), gzip(length))),
        ("gzip heads", part(&raw(), b"\x1F\x8B\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0".repeat(length / 20))),
        (
            "RAR 4 blocks",
            part(&raw(), [b"Rar!\x1A\x07\0".as_slice(), &b"\0\0\x75\0\0\x07\0".repeat(length / 7)].concat()),
        ),
        (
            "RAR 5 blocks",
            part(
                &raw(),
                [b"Rar!\x1A\x07\x01\0".as_slice(), &b"\0\0\0\0\x02\x01\0".repeat(length / 7)].concat(),
            ),
        ),
    ]
}

fn raw() -> String {
    "Content-Type: application/octet-stream; name=a.bin\r\n\r\n".to_owned()
}

/// Multiparts inside one another, whose boundaries are longer and longer.
fn boundaries(count: usize, length: usize) -> String {
    let mut text = String::new();
    for number in 1..=count {
        let boundary = format!("{}{number}", "b".repeat(length + number % 40));
        text.push_str(&format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n"));
    }
    text.push_str("\r\n");
    text
}

fn pieces(length: usize, unit: &str) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < length {
        text.push_str("Content-Disposition: attachment; ");
        (0..900).for_each(|number| text.push_str(&unit.replace('N', &number.to_string())));
        text.push_str("\r\n\r\n--b\r\n");
    }
    text.into_bytes()
}

/// Lines of base64 of bytes that look random.
pub(crate) fn base64_lines(length: usize, seed: u64) -> Vec<u8> {
    let mut random = seed;
    let bytes: Vec<u8> = (0..length / 78 * 57)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u8::try_from(random >> 56).unwrap_or(0)
        })
        .collect();
    encoded(&bytes)
}

fn zip_lines(length: usize) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt".to_vec();
    bytes.resize(length / 78 * 57, b'x');
    encoded(&bytes)
}

/// Lines of base64.
pub(crate) fn encoded(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::with_capacity(bytes.len() * 78 / 57 + 80);
    for line in bytes.chunks(57) {
        for group in line.chunks(3) {
            let [a, b, c] = [0, 1, 2].map(|at| u32::from(group.get(at).copied().unwrap_or(0)));
            let bits = a << 16 | b << 8 | c;
            for at in 0..4 {
                let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
                text.push(if at <= group.len() { letter } else { b'=' });
            }
        }
        text.extend(b"\r\n");
    }
    text
}

fn zip_members(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0.. {
        if bytes.len() > length {
            break;
        }
        let name = format!("{number}.txt");
        bytes.extend(b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend([u8::try_from(name.len()).unwrap_or(0), 0, 0, 0]);
        bytes.extend(name.as_bytes());
        bytes.extend([0x4B, 4, 0]);
    }
    bytes
}

/// A gzip file that unpacks to many zeros: a thousand times as many.
fn gzip(length: usize) -> Vec<u8> {
    let zeros = vec![0; (length * 1_000).min(200 << 20)];
    let mut bytes = b"\x1F\x8B\x08\0\0\0\0\0\0\0".to_vec();
    bytes.extend(miniz_oxide::deflate::compress_to_vec(&zeros, 6));
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}
